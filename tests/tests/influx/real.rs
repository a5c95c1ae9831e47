//! Debian's VictoriaMetrics (stores what `/api/v2/write` brings) and InfluxDB 1.6 (answers
//! InfluxQL). A machine without them skips with a word.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ioc_history::{EmbeddedConfig, EmbeddedStore, InfluxConfig, InfluxStore};
use ioc_model::{
    Aggregate, Body, Entry, HistoryStore, Ledger, Quality, RangeQuery, SeriesKey, Timestamp,
};
use ioc_tests::wait_until;
use tempfile::TempDir;

use crate::support::{LIMIT, flush_to, now_ms, reading, readings};

/// A process of ours, ended by its id.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, args: &[String]) -> Option<Server> {
    if !Path::new(program).is_file() {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    let child = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("server starts");
    Some(Server(child))
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("address").port()
}

async fn get(url: &str) -> anyhow::Result<String> {
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}

async fn open(url: String, folder: &TempDir) -> InfluxStore {
    let config = InfluxConfig { url, backoff_max_ms: 200, ..InfluxConfig::default() };
    InfluxStore::open(folder.path(), config, Arc::<Ledger>::default(), 0).await.expect("opens")
}

#[tokio::test]
async fn victoria_metrics_holds_every_point() {
    let folder = tempfile::tempdir().expect("folder");
    let port = free_port();
    let args = [
        format!("-storageDataPath={}", folder.path().join("vm").display()),
        format!("-httpListenAddr=127.0.0.1:{port}"),
        "-retentionPeriod=100y".to_owned(),
    ];
    let Some(_server) = start("/usr/bin/victoria-metrics", &args) else { return };
    let base = format!("http://127.0.0.1:{port}");
    let health = format!("{base}/health");
    wait_until("victoria-metrics", LIMIT, async || Ok(Some(get(&health).await?)))
        .await
        .expect("answers");
    let store = open(base.clone(), &folder).await;
    let entries = readings(0, 7_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 7_000).await;
    let flush = format!("{base}/internal/force_flush");
    get(&flush).await.expect("flushes");
    let export = format!("{base}/api/v1/export?match[]=air_value");
    let mut values: Vec<f64> = Vec::new();
    for line in get(&export).await.expect("export").lines() {
        let series: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        assert_eq!(series["metric"]["property"], "pm25");
        let of_series = series["values"].as_array().expect("values");
        values.extend(of_series.iter().filter_map(serde_json::Value::as_f64));
    }
    values.sort_unstable_by(f64::total_cmp);
    let expect: Vec<f64> = (0..7_000).map(f64::from).collect();
    assert_eq!(values, expect);
}

/// Maps `/api/v2/write?bucket=b` to `/write?db=b` as InfluxDB 1.8 does, and passes `/query`.
async fn compatibility_proxy(target: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let target = target.clone();
            let service = service_fn(move |request| forward(target.clone(), request));
            tokio::spawn(async move {
                let io = TokioIo::new(socket);
                // An error is a client that went away.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    format!("http://{address}")
}

async fn forward(
    target: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let path = match request.uri().path() {
        "/api/v2/write" => format!("/write?{}", query.replace("bucket=", "db=")),
        "/query" => format!("/query?{query}"),
        _ => {
            let mut answer = Response::new(Full::from("not here"));
            *answer.status_mut() = hyper::StatusCode::NOT_FOUND;
            return Ok(answer);
        }
    };
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
        .map_err(std::io::Error::other)?;
    let encoding = request.headers().get("content-encoding").cloned();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let mut out = reqwest::Client::new().request(method, format!("{target}{path}")).body(body);
    if let Some(encoding) = encoding {
        out = out.header("content-encoding", encoding.as_bytes());
    }
    let answer = out.send().await.map_err(std::io::Error::other)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(std::io::Error::other)?;
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).map_err(std::io::Error::other)?;
    Ok(answer)
}

async fn influxd(folder: &TempDir) -> Option<(Server, String)> {
    let (port, rpc) = (free_port(), free_port());
    let dir = folder.path().display();
    let settings = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
         [meta]\ndir = \"{dir}/meta\"\n[data]\ndir = \"{dir}/data\"\nwal-dir = \"{dir}/wal\"\n\
         [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
         [monitor]\nstore-enabled = false\n"
    );
    let file = folder.path().join("influxdb.conf");
    std::fs::write(&file, settings).expect("configuration");
    let server = start("/usr/bin/influxd", &["-config".into(), file.display().to_string()])?;
    let base = format!("http://127.0.0.1:{port}");
    let create = format!("{base}/query");
    wait_until("influxd", Duration::from_secs(30), async || {
        let form = [("q", "CREATE DATABASE ioc")];
        let answer = reqwest::Client::new().post(&create).query(&form).send().await?;
        Ok(answer.error_for_status().map(Some)?)
    })
    .await
    .expect("answers");
    Some((server, base))
}

/// Two services, several series, three qualities, values that are not round, and a hostile name.
fn city() -> Vec<Entry> {
    let begin = (now_ms() - 3_600_000).div_euclid(60_000) * 60_000;
    let mut entries = Vec::new();
    for i in 0..4_000i64 {
        let device = format!("st-{}", i % 4);
        let mut e = reading("air", &device, begin + i * 700, (i as f64 * 0.37).sin() * 40.0);
        if let Entry::Record(r) = &mut e
            && let Body::Observation { quality, .. } = &mut r.body
        {
            *quality = Quality::from_u8((i % 11 == 0) as u8 + (i % 7 == 0) as u8);
        }
        entries.push(e);
    }
    entries.push(reading("noise", "it's \"odd\", a=b", begin, 55.5));
    entries
}

#[tokio::test]
async fn influxql_answers_equal_those_of_the_embedded_store() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = influxd(&folder).await else { return };
    let influx = open(compatibility_proxy(base).await, &folder).await;
    let config = EmbeddedConfig::default();
    let file = folder.path().join("history.sqlite");
    let embedded = EmbeddedStore::open(&file, config, Arc::<Ledger>::default(), 0).expect("opens");
    let entries = city();
    let end = entries.len() as u64;
    influx.append(0, &entries).await.expect("append");
    embedded.append(0, &entries).await.expect("append");
    flush_to(&influx, end).await;

    let keys = embedded.series(&ioc_model::SeriesFilter::default()).await.expect("series");
    assert_eq!(influx.series(&ioc_model::SeriesFilter::default()).await.expect("series"), keys);
    let begin = now_ms() - 3_600_000;
    for key in &keys {
        compare_ranges(&influx, &embedded, key, begin).await;
    }
    for at in [begin - 1, begin + 1_000_000, now_ms() + 1_000] {
        for device in [None, Some("st-1"), Some("it's \"odd\", a=b"), Some("' OR '1'='1")] {
            let at = Timestamp(at);
            let expect = embedded.last(device, at).await.expect("last");
            assert_eq!(influx.last(device, at).await.expect("last"), expect, "{device:?} {at}");
        }
    }
}

async fn compare_ranges(
    influx: &InfluxStore,
    embedded: &EmbeddedStore,
    series: &SeriesKey,
    begin: i64,
) {
    let steps =
        [Aggregate::Mean, Aggregate::Min, Aggregate::Max, Aggregate::Count, Aggregate::Last]
            .map(|how| Some((ioc_model::Step::of(60_000), how)));
    for step in steps.into_iter().chain([None]) {
        for limit in [7, 100_000] {
            let query = RangeQuery {
                series: series.clone(),
                from: Timestamp(begin + 65_000),
                to: Timestamp(begin + 2_000_000),
                step,
                limit,
            };
            let expect = embedded.range(&query).await.expect("range");
            let got = influx.range(&query).await.expect("range");
            assert_eq!(got.truncated, expect.truncated, "{query:?}");
            assert_eq!(got.points.len(), expect.points.len(), "{query:?}");
            for (g, e) in got.points.iter().zip(&expect.points) {
                assert_eq!((g.time, g.quality), (e.time, e.quality), "{query:?}");
                let close = (g.value - e.value).abs() <= 1e-9 * e.value.abs().max(1.0);
                assert!(close, "{g:?} {e:?} {query:?}");
            }
        }
    }
}
