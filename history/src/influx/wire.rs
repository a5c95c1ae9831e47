//! HTTP to the server: set-up and writes through the `influxdb2` crate, reads and what the crate
//! cannot do through our own client.

use std::io::Write;
use std::time::{Duration, SystemTime};

use influxdb2::api::buckets::ListBucketsRequest;
use influxdb2::api::organization::ListOrganizationRequest;
use influxdb2::models::retention_rule::Type;
use influxdb2::models::{PostBucketRequest, RetentionRule, Status};
use influxdb2::{Client, ClientBuilder, RequestError};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest_influxdb2 as reqwest011;

use super::answer::{self, Rows};
use crate::{Error, InfluxConfig};

/// Bytes of a server's words that are kept.
const WORDS_MAX: usize = 500;
/// Bytes of a part of an answer to a query, at most. InfluxDB sends 10,000 rows in a part, other
/// servers everything in one.
const PART_MAX: usize = 64 << 20;
/// Wait for a `Retry-After` that cannot be read (as Telegraf does).
const UNREADABLE_RETRY_AFTER: Duration = Duration::from_secs(10);

/// What a server said to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All lines are stored.
    Stored,
    /// 400: nothing is stored, a line is malformed.
    Malformed(String),
    /// 413: nothing is stored, the body is too large.
    TooLarge(String),
    /// 422: some lines are refused, the others stored.
    Partial(String),
    /// Our token, bucket, organisation or address is wrong.
    Refused(u16, String),
    /// Busy or down.
    Busy(String, Option<Duration>),
}

/// How long a bucket keeps its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// 0: for ever.
    pub(crate) seconds: u64,
}

impl Retention {
    fn of(bucket: &influxdb2::models::Bucket) -> Self {
        let rules = bucket.retention_rules.iter();
        let seconds = rules.map(|r| u64::try_from(r.every_seconds).unwrap_or(0));
        Self { seconds: seconds.filter(|s| *s > 0).min().unwrap_or(0) }
    }
}

pub(crate) struct Wire {
    /// Sends the `Content-Encoding` of our writes with every request, so it only writes.
    writes: Client,
    setup: Client,
    own: reqwest::Client,
    base: reqwest::Url,
    config: InfluxConfig,
}

impl Wire {
    pub(crate) fn new(config: &InfluxConfig, token: &str) -> Result<Self, Error> {
        let base = checked_url(&config.url)?;
        let timeout = Duration::from_millis(config.timeout_ms);
        let mut headers = reqwest011::header::HeaderMap::new();
        if config.gzip {
            // The crate compresses only its own point stream. Its write of rendered lines sends
            // any body, and this builder any header.
            headers
                .insert("content-encoding", reqwest011::header::HeaderValue::from_static("gzip"));
        }
        let client = |headers| {
            // No redirects: the 200 of a login page is not a stored point.
            let builder = reqwest011::ClientBuilder::new()
                .timeout(timeout)
                .redirect(reqwest011::redirect::Policy::none())
                .no_proxy()
                .default_headers(headers);
            ClientBuilder::with_builder(builder, base.as_str(), &config.org, token)
                .build()
                .map_err(|e| Error::Client(e.to_string()))
        };
        let mut own_headers = reqwest::header::HeaderMap::new();
        if !token.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Token {token}")).map_err(|_| {
                Error::Setting { setting: "token_file", why: "token has odd characters".into() }
            })?;
            value.set_sensitive(true);
            own_headers.insert(AUTHORIZATION, value);
        }
        let own = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(own_headers)
            .build()
            .map_err(|e| Error::Client(e.to_string()))?;
        let setup = client(reqwest011::header::HeaderMap::new())?;
        Ok(Self { writes: client(headers)?, setup, own, base, config: config.clone() })
    }

    /// Writes lines.
    pub(crate) async fn write(&self, lines: &str) -> Answer {
        let text = lines.to_owned();
        let body = match self.config.gzip {
            // 2 ms for 5,000 lines: too long for a thread that others wait for.
            true => match tokio::task::spawn_blocking(move || gzip(&text)).await {
                Ok(body) => body,
                Err(e) => return Answer::Busy(format!("compress: {e}"), None),
            },
            false => text.into_bytes(),
        };
        let (org, bucket) = (&self.config.org, &self.config.bucket);
        match self.writes.write_line_protocol(org, bucket, body).await {
            Ok(()) => Answer::Stored,
            Err(RequestError::Http { status, text }) => {
                let mut answer = classify(status.as_u16(), &text);
                if let (Answer::Busy(_, wait), 429 | 503) = (&mut answer, status.as_u16()) {
                    *wait = self.ask_retry_after(lines).await;
                }
                answer
            }
            Err(e) => Answer::Busy(describe(&e), None),
        }
    }

    /// The `Retry-After` of a busy server. The crate's error has the body but not the headers of
    /// an answer, so one line (safe to repeat) is sent again by our own client to read it.
    async fn ask_retry_after(&self, lines: &str) -> Option<Duration> {
        let line = lines.split_inclusive('\n').next().unwrap_or_default().to_owned();
        let mut url = self.base.clone();
        url.set_path("/api/v2/write");
        let (org, bucket) = (&self.config.org, &self.config.bucket);
        let query = [("bucket", bucket.as_str()), ("org", org), ("precision", "ns")];
        let answer = self.own.post(url).query(&query).body(line).send().await.ok()?;
        let busy = matches!(answer.status().as_u16(), 429 | 503);
        let header = answer.headers().get(RETRY_AFTER).filter(|_| busy)?;
        Some(retry_after(header.to_str().unwrap_or_default(), SystemTime::now()))
    }

    /// Makes sure that the organisation and the bucket exist; returns how long the bucket keeps
    /// its points.
    pub(crate) async fn ensure_bucket(&self) -> Result<Retention, Answer> {
        match self.setup.health().await {
            Ok(h) if h.status == Status::Fail => {
                let why = h.message.unwrap_or_else(|| "server reports ill health".into());
                return Err(Answer::Busy(words(&why), None));
            }
            // Compatible servers (VictoriaMetrics) answer in other words; only silence counts.
            Err(RequestError::ReqwestProcessing { source }) if !source.is_decode() => {
                return Err(Answer::Busy(describe_http(&source), None));
            }
            _ => {}
        }
        let (org, name) = (self.config.org.clone(), self.config.bucket.clone());
        let ask = ListBucketsRequest {
            name: Some(name.clone()),
            org: Some(org.clone()),
            ..ListBucketsRequest::default()
        };
        match self.setup.list_buckets(Some(ask)).await {
            Ok(found) => {
                if let Some(bucket) = found.buckets.iter().find(|b| b.name == name) {
                    return Ok(Retention::of(bucket));
                }
            }
            Err(RequestError::Http { status, .. }) if status.as_u16() == 404 => {}
            Err(e) => return Err(answer_of(&e)),
        }
        let org_id = self.ensure_org(&org).await?;
        let mut bucket = PostBucketRequest::new(org_id, name);
        let seconds = self.config.retention_s();
        if seconds > 0 {
            let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
            bucket.retention_rules.push(RetentionRule::new(Type::Expire, seconds));
        }
        self.setup.create_bucket(Some(bucket)).await.map_err(|e| answer_of(&e))?;
        tracing::info!(bucket = self.config.bucket, "influxdb bucket made");
        Ok(Retention { seconds })
    }

    async fn ensure_org(&self, org: &str) -> Result<String, Answer> {
        let ask = ListOrganizationRequest { org: Some(org.into()), ..Default::default() };
        match self.setup.list_organizations(ask).await {
            Ok(found) => {
                let mine = found.orgs.into_iter().find(|o| o.name == org);
                if let Some(id) = mine.and_then(|o| o.id) {
                    return Ok(id);
                }
            }
            Err(RequestError::Http { status, .. }) if status.as_u16() == 404 => {}
            Err(e) => return Err(answer_of(&e)),
        }
        // The crate lists organisations but cannot make one.
        #[derive(serde::Deserialize)]
        struct Made {
            id: String,
        }
        let mut url = self.base.clone();
        url.set_path("/api/v2/orgs");
        let body = serde_json::json!({ "name": org });
        let busy = |e: reqwest::Error| Answer::Busy(e.without_url().to_string(), None);
        let answer = self.own.post(url).json(&body).send().await.map_err(busy)?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.map_err(busy)?;
            return Err(classify(status.as_u16(), &text));
        }
        let made: Made = answer.json().await.map_err(busy)?;
        tracing::info!(org, "influxdb organisation made");
        Ok(made.id)
    }

    /// Asks `/query` in InfluxQL, which InfluxDB 1.8, 2 and 3 all serve, and gives the rows of
    /// the answer to `take` as they come: an answer is never held whole.
    pub(crate) async fn query(
        &self,
        influxql: &str,
        mut take: impl FnMut(Rows) + Send,
    ) -> Result<(), Error> {
        let database = match self.config.database.as_str() {
            "" => &self.config.bucket,
            name => name,
        };
        let mut url = self.base.clone();
        url.set_path("/query");
        let failed = |e: reqwest::Error| Error::Query(e.without_url().to_string());
        let query = [("db", database), ("q", influxql), ("epoch", "ns"), ("chunked", "true")];
        let mut answer = self.own.get(url).query(&query).send().await.map_err(failed)?;
        let status = answer.status();
        let mut parts = Parts::default();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            parts.push(&chunk)?;
            while let Some(part) = parts.next().filter(|_| status.is_success()) {
                answer::parse(part)?.into_iter().for_each(&mut take);
            }
        }
        if !status.is_success() {
            let why = format!("status {status}: {}", said(&String::from_utf8_lossy(parts.rest())));
            return Err(match status.as_u16() {
                400 | 405 | 422 | 501 => Error::QueryRefused(why),
                _ => Error::Query(why),
            });
        }
        if !parts.rest().trim_ascii().is_empty() {
            answer::parse(parts.rest())?.into_iter().for_each(&mut take);
        }
        Ok(())
    }
}

/// Cuts an answer into its lines, each a JSON document.
#[derive(Default)]
struct Parts {
    buffer: Vec<u8>,
    /// Bytes given out.
    given: usize,
    /// Bytes looked at for an end of line.
    seen: usize,
}

impl Parts {
    fn push(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.buffer.drain(..self.given);
        self.seen -= self.given;
        self.given = 0;
        if self.buffer.len() + chunk.len() > PART_MAX {
            return Err(Error::Query(format!("part of an answer is larger than {PART_MAX} bytes")));
        }
        self.buffer.extend_from_slice(chunk);
        Ok(())
    }

    fn next(&mut self) -> Option<&[u8]> {
        let begin = self.given;
        let Some(at) = self.buffer[self.seen..].iter().position(|b| *b == b'\n') else {
            self.seen = self.buffer.len();
            return None;
        };
        self.seen += at + 1;
        self.given = self.seen;
        Some(&self.buffer[begin..self.given])
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.given..]
    }
}

fn checked_url(text: &str) -> Result<reqwest::Url, Error> {
    let bad = |why: &str| Error::Setting { setting: "url", why: why.into() };
    let url = reqwest::Url::parse(text).map_err(|e| bad(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a name or password; use `token_file`"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(bad("must have no path or query; the `influxdb2` crate drops them"));
    }
    Ok(url)
}

fn gzip(text: &str) -> Vec<u8> {
    let room = Vec::with_capacity(text.len() / 8 + 64);
    let mut encoder = flate2::write::GzEncoder::new(room, flate2::Compression::fast());
    // Writing to a Vec does not fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

/// What the statuses mean; what is done about them is in [`super::deliver`].
fn classify(status: u16, text: &str) -> Answer {
    let why = said(text);
    match status {
        // The page of a login or of another server on this port is not a stored point.
        200..=202 if why.starts_with('<') => Answer::Refused(status, why),
        200 | 201 | 202 | 204 => Answer::Stored,
        400 => Answer::Malformed(why),
        413 => Answer::TooLarge(why),
        422 => Answer::Partial(why),
        408 | 429 | 500..=599 => Answer::Busy(format!("status {status}: {why}"), None),
        // 401, 403, 404; and whatever else no InfluxDB says to a good request: a redirect, a
        // proxy in between, a wrong port. Dropping would be wrong for all of them.
        _ => Answer::Refused(status, why),
    }
}

fn answer_of(e: &RequestError) -> Answer {
    match e {
        RequestError::Http { status, text } => match classify(status.as_u16(), text) {
            busy @ Answer::Busy(..) => busy,
            _ => Answer::Refused(status.as_u16(), words(text)),
        },
        other => Answer::Busy(describe(other), None),
    }
}

fn describe(e: &RequestError) -> String {
    match e {
        RequestError::ReqwestProcessing { source } => describe_http(source),
        other => words(&other.to_string()),
    }
}

fn describe_http(e: &reqwest011::Error) -> String {
    let what = match () {
        () if e.is_timeout() => "no answer in time",
        () if e.is_connect() => "cannot connect",
        () => "connection failed",
    };
    let mut cause: &dyn std::error::Error = e;
    while let Some(next) = cause.source() {
        cause = next;
    }
    words(&format!("{what}: {cause}"))
}

/// Foreign text for logs and tables: cut, without control characters.
fn words(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(WORDS_MAX).collect::<String>().trim().to_owned()
}

/// What an error says: the message of InfluxDB 2, the error of InfluxDB 1, else all of it.
fn said(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(alias = "error")]
        message: String,
    }
    match serde_json::from_str::<Said>(text) {
        Ok(said) if !said.message.is_empty() => words(&said.message),
        _ => words(text),
    }
}

/// RFC 9110 §10.2.3: seconds or a date.
fn retry_after(header: &str, now: SystemTime) -> Duration {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Duration::from_secs(seconds);
    }
    match httpdate::parse_http_date(header) {
        Ok(date) => date.duration_since(now).unwrap_or_default(),
        Err(_) => UNREADABLE_RETRY_AFTER,
    }
}

/// The number of refused points that the body of a 422 names.
pub(crate) fn dropped(text: &str) -> Option<usize> {
    let (_, after) = text.rsplit_once("dropped=")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_the_table_says() {
        for ok in [200, 201, 202, 204] {
            assert_eq!(classify(ok, ""), Answer::Stored);
        }
        let body = r#"{"code":"invalid","message":"unable to parse"}"#;
        assert_eq!(classify(400, body), Answer::Malformed("unable to parse".into()));
        let body = r#"{"error":"partial write"}"#;
        assert_eq!(classify(400, body), Answer::Malformed("partial write".into()));
        assert!(matches!(classify(200, "\n<!DOCTYPE html>"), Answer::Refused(200, _)));
        assert_eq!(classify(400, "bad\nline"), Answer::Malformed("bad line".into()));
        assert_eq!(classify(413, ""), Answer::TooLarge(String::new()));
        assert_eq!(classify(422, ""), Answer::Partial(String::new()));
        for hold in [401, 403, 404, 301, 302, 307, 405, 411] {
            assert!(matches!(classify(hold, ""), Answer::Refused(s, _) if s == hold));
        }
        for busy in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(classify(busy, ""), Answer::Busy(_, None)), "{busy}");
        }
    }

    #[test]
    fn an_answer_is_cut_at_its_lines_wherever_the_network_cuts_it() {
        let text = b"{\"a\":1}\n{\"b\":22}\n{\"c\"";
        for size in 1..text.len() {
            let mut parts = Parts::default();
            let mut got: Vec<Vec<u8>> = Vec::new();
            for chunk in text.chunks(size) {
                parts.push(chunk).expect("small");
                while let Some(part) = parts.next() {
                    got.push(part.to_vec());
                }
            }
            got.push(parts.rest().to_vec());
            assert_eq!(got, [&text[..8], &text[8..17], &text[17..]], "{size}");
        }
        assert!(Parts::default().push(&vec![b'x'; PART_MAX + 1]).is_err());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_ten_seconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(" 7 ", now), Duration::from_secs(7));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), Duration::from_secs(3));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Duration::ZERO);
        assert_eq!(retry_after("soon", now), UNREADABLE_RETRY_AFTER);
    }

    #[test]
    fn the_number_of_dropped_points_is_found() {
        let text = r#"{"message":"partial write: field type conflict: … dropped=12"}"#;
        assert_eq!(dropped(text), Some(12));
        assert_eq!(dropped("partial write"), None);
    }

    #[test]
    fn urls_that_the_crate_would_bend_are_refused() {
        for bad in ["influx:8086", "/3242/23", "http://u:p@h:1", "http://h/influx", "ftp://h"] {
            assert!(checked_url(bad).is_err(), "{bad}");
        }
        assert!(checked_url("http://127.0.0.1:8086").is_ok());
    }

    #[test]
    fn the_token_is_in_no_debug_text() {
        let wire = Wire::new(&InfluxConfig::default(), "canary-token-123").expect("client");
        let text = format!("{:?} {:?} {:?}", wire.writes, wire.setup, wire.own);
        assert!(!text.contains("canary-token"), "{text}");
        assert!(Wire::new(&InfluxConfig::default(), "a\nb").is_err());
    }
}
