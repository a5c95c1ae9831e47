//! The routes of the fake.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING};
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use super::line::{self, Line};
use super::{Bucket, Misbehave, TOKEN, World, WriteLog, lock};

type Answer = Response<Full<Bytes>>;

/// Handles one request; an error closes the connection without an answer.
pub(crate) async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Answer, std::io::Error> {
    let query = query(request.uri().query().unwrap_or_default());
    let path = request.uri().path().to_owned();
    if path == "/health" {
        return Ok(json_answer(200, &json!({"name": "influxdb", "status": "pass"})));
    }
    let sent = request.headers().get(AUTHORIZATION).and_then(|h| h.to_str().ok());
    let token = lock(&world).token.clone().unwrap_or_else(|| TOKEN.into());
    if sent != Some(format!("Token {token}").as_str()) {
        log(&world, &path, (0, 401, false));
        return Ok(error(401, "unauthorized", "unauthorized access"));
    }
    let method = request.method().clone();
    let gzip = request.headers().get(CONTENT_ENCODING).is_some_and(|h| h == "gzip");
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    match (&method, path.as_str()) {
        (&Method::POST, "/api/v2/write") => write(&world, &query, &body, gzip).await,
        (&Method::GET, "/api/v2/buckets") => Ok(list_buckets(&world, &query)),
        (&Method::POST, "/api/v2/buckets") => Ok(make_bucket(&world, &body)),
        (&Method::GET, "/api/v2/orgs") => Ok(list_orgs(&world, &query)),
        (&Method::POST, "/api/v2/orgs") => Ok(make_org(&world, &body)),
        _ => Ok(error(404, "not found", "path not found")),
    }
}

/// Counts a write as being handled for as long as it lives.
struct Handling<'a>(&'a Mutex<World>);

impl<'a> Handling<'a> {
    fn begin(world: &'a Mutex<World>) -> Self {
        let (now, most) = &mut lock(world).in_flight;
        *now += 1;
        *most = (*most).max(*now);
        Self(world)
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        lock(self.0).in_flight.0 -= 1;
    }
}

async fn write(
    world: &Mutex<World>,
    query: &BTreeMap<String, String>,
    body: &[u8],
    gzip: bool,
) -> Result<Answer, std::io::Error> {
    let _handling = Handling::begin(world);
    let body = text(body, gzip);
    let note = |status| {
        let body = body.as_deref().unwrap_or_default();
        let (lines, first) = (body.lines().count(), body.lines().next().unwrap_or_default());
        let first = first.to_owned();
        lock(world).log.push(WriteLog { at: Instant::now(), lines, first, status, gzip });
    };
    let store = || {
        let answer = match &body {
            Ok(text) => handle(&mut lock(world), query, text),
            Err(why) => error(400, "invalid", why),
        };
        note(answer.status().as_u16());
        answer
    };
    let misbehave = {
        let mut world = lock(world);
        let stuck = world
            .stuck
            .as_ref()
            .zip(body.as_ref().ok())
            .is_some_and(|(s, b)| b.contains(s.as_str()));
        match stuck {
            true => Some(Misbehave::Status(503, None)),
            false => world.script.pop_front().or_else(|| world.always.clone()),
        }
    };
    match misbehave {
        Some(Misbehave::Status(status, retry_after)) => {
            note(status);
            let mut answer = error(status, "scripted", "scripted answer");
            if let Some(value) = retry_after.and_then(|v| v.parse().ok()) {
                answer.headers_mut().insert("retry-after", value);
            }
            Ok(answer)
        }
        Some(Misbehave::Garbage(status, bytes)) => {
            note(status);
            let mut answer = error(status, "", "");
            *answer.body_mut() = Full::from(bytes);
            Ok(answer)
        }
        Some(Misbehave::Hang) => {
            note(0);
            std::future::pending().await
        }
        Some(Misbehave::Reset) => {
            note(0);
            Err(std::io::Error::other("reset before storing"))
        }
        Some(Misbehave::ResetAfterStore) => {
            store();
            Err(std::io::Error::other("reset after storing"))
        }
        Some(Misbehave::StoreAnd(status)) => {
            let stored = store();
            if status >= 300 {
                return Ok(error(status, "scripted", "scripted answer"));
            }
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
            Ok(if stored.status().is_success() { answer } else { stored })
        }
        Some(Misbehave::Slow(pause)) => {
            tokio::time::sleep(pause).await;
            Ok(store())
        }
        None => Ok(store()),
    }
}

fn text(body: &[u8], gzip: bool) -> Result<String, String> {
    let mut bytes = Vec::new();
    if gzip {
        let mut decoder = flate2::read::GzDecoder::new(body);
        decoder.read_to_end(&mut bytes).map_err(|e| format!("gzip: {e}"))?;
    } else {
        bytes.extend_from_slice(body);
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn handle(world: &mut World, query: &BTreeMap<String, String>, text: &str) -> Answer {
    let get = |k: &str| query.get(k).map(String::as_str).unwrap_or_default();
    if get("precision") != "ns" {
        return error(400, "invalid", "precision is not ns");
    }
    let Some(org_id) = world.orgs.get(get("org")).cloned() else {
        return error(404, "not found", &format!("organization name \"{}\" not found", get("org")));
    };
    if world.body_max > 0 && text.len() > world.body_max {
        return error(413, "request too large", "unable to read data: points batch is too large");
    }
    let (malformed, unprocessable) = (world.malformed.clone(), world.unprocessable.clone());
    let bucket = world.buckets.get_mut(get("bucket")).filter(|b| b.org_id == org_id);
    let Some(bucket) = bucket else {
        return error(404, "not found", &format!("bucket \"{}\" not found", get("bucket")));
    };
    if world.counting {
        bucket.stored_lines += text.lines().count() as u64;
        return no_content();
    }
    let mut lines = Vec::new();
    for (text, parsed) in line::lines(text) {
        let marked = malformed.iter().any(|m| text.contains(m.as_str()));
        let parsed = if marked { Err("marked by the test".to_owned()) } else { parsed };
        match parsed {
            Ok(line) => lines.push((text, line)),
            Err(why) => return error(400, "invalid", &format!("unable to parse '{text}': {why}")),
        }
    }
    let mut dropped = 0;
    let mut reason = String::new();
    for (text, line) in lines {
        let marked = unprocessable.iter().any(|m| text.contains(m.as_str()));
        let at = (world.keep_order && !marked)
            .then(|| (line.series.clone(), line.time.unwrap_or_default()));
        let refused = if marked { Err("marked by the test".into()) } else { keep(bucket, line) };
        world.order.extend(at.filter(|_| refused.is_ok()));
        if let Err(why) = refused {
            dropped += 1;
            reason = why;
        }
    }
    if dropped > 0 {
        let why = format!(
            "failure writing points to database: partial write: {reason} dropped={dropped}"
        );
        return error(422, "unprocessable entity", &why);
    }
    no_content()
}

fn no_content() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = hyper::StatusCode::NO_CONTENT;
    answer
}

fn keep(bucket: &mut Bucket, line: Line) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64);
    let time = line.time.unwrap_or(now);
    if bucket.retention_s > 0 && time < now - bucket.retention_s * 1_000_000_000 {
        return Err("points beyond retention policy".into());
    }
    for (key, value) in &line.fields {
        let at = (line.series.measurement.clone(), key.clone());
        let known = bucket.types.get(&at).copied();
        if known.is_some_and(|k| k != value.type_name()) {
            return Err(format!(
                "field type conflict: input field \"{key}\" on measurement \"{}\" is type {}, \
                 already exists as type {}",
                at.0,
                value.type_name(),
                known.unwrap_or_default()
            ));
        }
    }
    for (key, value) in &line.fields {
        let at = (line.series.measurement.clone(), key.clone());
        bucket.types.insert(at, value.type_name());
    }
    bucket.stored_lines += 1;
    bucket.points.entry((line.series, time)).or_default().extend(line.fields);
    Ok(())
}

fn list_buckets(world: &Mutex<World>, query: &BTreeMap<String, String>) -> Answer {
    let world = lock(world);
    let org = query.get("org").and_then(|o| world.orgs.get(o));
    let buckets: Vec<Value> = world
        .buckets
        .iter()
        .filter(|(name, b)| query.get("name").is_none_or(|n| n == *name) && Some(&b.org_id) == org)
        .map(|(name, b)| bucket_json(name, b))
        .collect();
    if query.contains_key("org") && org.is_none() {
        return error(404, "not found", "organization not found");
    }
    json_answer(200, &json!({ "buckets": buckets }))
}

fn bucket_json(name: &str, b: &Bucket) -> Value {
    let rules = match b.retention_s {
        0 => json!([]),
        s => json!([{"type": "expire", "everySeconds": s}]),
    };
    json!({"id": "00000000000000b0", "name": name, "orgID": b.org_id, "retentionRules": rules})
}

fn make_bucket(world: &Mutex<World>, body: &[u8]) -> Answer {
    let Ok(v) = serde_json::from_slice::<Value>(body) else {
        return error(400, "invalid", "no JSON");
    };
    let (Some(name), Some(org_id)) = (v["name"].as_str(), v["orgID"].as_str()) else {
        return error(400, "invalid", "name and orgID are needed");
    };
    let mut world = lock(world);
    if !world.orgs.values().any(|id| id == org_id) {
        return error(404, "not found", "organization not found");
    }
    if world.buckets.contains_key(name) {
        return error(422, "conflict", "bucket with this name exists");
    }
    let retention_s = v["retentionRules"][0]["everySeconds"].as_i64().unwrap_or(0);
    let bucket = Bucket { org_id: org_id.into(), retention_s, ..Bucket::default() };
    let answer = json_answer(201, &bucket_json(name, &bucket));
    world.buckets.insert(name.into(), bucket);
    answer
}

fn list_orgs(world: &Mutex<World>, query: &BTreeMap<String, String>) -> Answer {
    let world = lock(world);
    let orgs: Vec<Value> = world
        .orgs
        .iter()
        .filter(|(name, _)| query.get("org").is_none_or(|o| o == *name))
        .map(|(name, id)| json!({"id": id, "name": name}))
        .collect();
    json_answer(200, &json!({ "orgs": orgs }))
}

fn make_org(world: &Mutex<World>, body: &[u8]) -> Answer {
    let name = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|v| v["name"].as_str().map(str::to_owned));
    let Some(name) = name else { return error(400, "invalid", "name is needed") };
    let mut world = lock(world);
    let id = format!("{:016x}", 0xa0 + world.orgs.len());
    world.orgs.insert(name.clone(), id.clone());
    json_answer(201, &json!({"id": id, "name": name}))
}

fn log(world: &Mutex<World>, path: &str, (lines, status, gzip): (usize, u16, bool)) {
    if path == "/api/v2/write" {
        let first = String::new();
        lock(world).log.push(WriteLog { at: Instant::now(), lines, first, status, gzip });
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    json_answer(status, &json!({"code": code, "message": message}))
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    answer
}

/// Pairs of a query text, decoded.
fn query(text: &str) -> BTreeMap<String, String> {
    let Ok(url) = reqwest::Url::parse(&format!("http://fake/?{text}")) else {
        return BTreeMap::new();
    };
    url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}
