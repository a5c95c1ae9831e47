//! Debian's VictoriaMetrics (stores what `/api/v2/write` brings) and InfluxDB 1.6 (answers
//! InfluxQL). A machine without them skips with a word.

use std::collections::BTreeMap;
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
    Aggregate, Body, Entry, HistoryStore, Ledger, Quality, RangeQuery, Scan, ScanMark,
    SeriesFilter, SeriesKey, Step, Timestamp, Window, WindowQuery,
};
use ioc_tests::wait_until;
use tempfile::TempDir;

use crate::support::{LIMIT, flush_to, now_ms, reading, readings};

/// A process of ours, ended by its id when dropped.
pub struct Server(Child);

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

pub async fn open(url: String, folder: &TempDir) -> InfluxStore {
    let config = InfluxConfig { url, backoff_max_ms: 200, ..InfluxConfig::default() };
    InfluxStore::open(folder.path(), config, Arc::<Ledger>::default(), 0).await.expect("opens")
}

/// Debian's VictoriaMetrics with its data in `folder`, and its address.
pub async fn victoria_metrics(folder: &TempDir) -> Option<(Server, String)> {
    let port = free_port();
    let args = [
        format!("-storageDataPath={}", folder.path().join("vm").display()),
        format!("-httpListenAddr=127.0.0.1:{port}"),
        "-retentionPeriod=100y".to_owned(),
    ];
    let server = start("/usr/bin/victoria-metrics", &args)?;
    let base = format!("http://127.0.0.1:{port}");
    let health = format!("{base}/health");
    wait_until("victoria-metrics", LIMIT, async || Ok(Some(get(&health).await?)))
        .await
        .expect("answers");
    Some((server, base))
}

#[tokio::test]
async fn victoria_metrics_holds_every_point() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = victoria_metrics(&folder).await else { return };
    let store = open(base.clone(), &folder).await;
    let entries = readings(0, 7_000);
    store.append(0, &entries).await.expect("append");
    flush_to(&store, 7_000).await;
    let flush = format!("{base}/internal/force_flush");
    get(&flush).await.expect("flushes");
    let mut expect = BTreeMap::new();
    for entry in &entries {
        let Entry::Record(r) = entry else { continue };
        r.for_each_point(|property, value, quality| {
            let key = |field| (field, r.device.to_string(), property.to_string(), r.time.0);
            expect.insert(key("air_value"), value);
            expect.insert(key("air_quality"), f64::from(quality as u8));
        });
    }
    let mut got = BTreeMap::new();
    let export = format!("{base}/api/v1/export?match[]={{__name__=~%22air_.*%22}}");
    for line in get(&export).await.expect("export").lines() {
        let series: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        let text = |k: &str| series["metric"][k].as_str().expect("a label").to_owned();
        assert_eq!(text("area"), "hai_chau");
        let field = if text("__name__") == "air_value" { "air_value" } else { "air_quality" };
        let list = |k: &str| series[k].as_array().expect("a list").clone();
        for (value, time) in list("values").iter().zip(&list("timestamps")) {
            let time = time.as_i64().expect("ms");
            let key = (field, text("device"), text("property"), time);
            got.insert(key, value.as_f64().expect("a number"));
        }
    }
    assert_eq!(got, expect);
}

/// Maps `/api/v2/write?bucket=b` to `/write?db=b` as InfluxDB 1.8 does, and passes `/query`.
pub async fn compatibility_proxy(target: String) -> String {
    proxy(target, &[]).await
}

/// The same, without the queries that hold one of these words.
async fn proxy(target: String, refused: &'static [&'static str]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let client = reqwest::Client::new();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (client, target) = (client.clone(), target.clone());
            let service = service_fn(move |r| forward(client.clone(), target.clone(), refused, r));
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
    client: reqwest::Client,
    target: String,
    refused: &'static [&'static str],
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    if refused.iter().any(|word| query.contains(word)) {
        let mut answer = Response::new(Full::from(r#"{"error":"not supported"}"#));
        *answer.status_mut() = hyper::StatusCode::BAD_REQUEST;
        return Ok(answer);
    }
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
    let mut out = client.request(method, format!("{target}{path}")).body(body);
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

/// Debian's InfluxDB 1.6 with its data in `folder` and the database `ioc`, and its address.
pub async fn influxd(folder: &TempDir) -> Option<(Server, String)> {
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
    // It changes its service in the middle of a window, and back.
    for i in 0..600i64 {
        let service = if (200..433).contains(&i) { "noise" } else { "air" };
        let value = (i as f64 * 0.11).cos() * 1e3;
        entries.push(reading(service, "moved", begin + i * 1_711, value));
    }
    // Bad points only, then one good one.
    for i in 0..9i64 {
        let mut e = reading("air", "poor", begin + i * 40_000, 7.0);
        if let Entry::Record(r) = &mut e
            && let Body::Observation { quality, .. } = &mut r.body
        {
            *quality = if i == 8 { Quality::Good } else { Quality::Bad };
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

    let keys = embedded.series(&SeriesFilter::default()).await.expect("series");
    assert_eq!(influx.series(&SeriesFilter::default()).await.expect("series"), keys);
    let begin = now_ms() - 3_600_000;
    for key in &keys {
        compare_ranges(&influx, &embedded, key, begin).await;
        compare_windows(&influx, &embedded, key, begin).await;
    }
    compare_series(&influx, &embedded, &keys).await;
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
    let how = [
        Aggregate::Mean,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Sum,
        Aggregate::Count,
        Aggregate::Last,
    ];
    let steps = how.map(|how| Some((Step::of(60_000), how)));
    let moved = how.map(|how| Some((Step { ms: 300_000, offset_ms: -100_001 }, how)));
    for step in steps.into_iter().chain(moved).chain([None]) {
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

async fn compare_windows(
    influx: &InfluxStore,
    embedded: &EmbeddedStore,
    series: &SeriesKey,
    begin: i64,
) {
    let steps = [(1_000, 0), (60_000, 0), (60_000, -12_345), (86_400_000, -25_200_000)]
        .map(|(ms, offset_ms)| Step { ms, offset_ms });
    let ranges = [(begin + 65_001, begin + 2_000_003), (i64::MIN, i64::MAX), (0, 1)];
    for step in steps {
        for (from, to) in ranges {
            for limit in [7, 100_000] {
                let (from, to) = (Timestamp(from), Timestamp(to));
                let query = WindowQuery { series: series.clone(), from, to, step, limit };
                let expect = embedded.windows(&query).await.expect("windows");
                let got = influx.windows(&query).await.expect("windows");
                assert_eq!(got.truncated, expect.truncated, "{query:?}");
                assert_eq!(got.windows.len(), expect.windows.len(), "{query:?}");
                for (g, e) in got.windows.iter().zip(&expect.windows) {
                    let close = (g.sum - e.sum).abs() <= 1e-9 * e.sum.abs().max(1e3);
                    // As text: a window without usable points has NaN in it.
                    let same = |w: &Window| format!("{:?}", Window { sum: 0.0, ..*w });
                    assert!(close && same(g) == same(e), "{g:?}\n{e:?}\n{query:?}");
                }
            }
        }
    }
}

/// Pages of the list of series, and lists of a part of it.
async fn compare_series(influx: &InfluxStore, embedded: &EmbeddedStore, keys: &[SeriesKey]) {
    let mut pages: Vec<SeriesKey> = Vec::new();
    loop {
        let after = pages.last().cloned();
        let filter = SeriesFilter { after, limit: 2, ..SeriesFilter::default() };
        let page = influx.series(&filter).await.expect("series");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, keys);
    for device in [None, Some("moved"), Some("it's \"odd\", a=b"), Some("' OR ''='")] {
        for property in [None, Some("pm25"), Some("no2")] {
            let property = property.map(Into::into);
            let filter = SeriesFilter { property, ..SeriesFilter::of(device) };
            let expect = embedded.series(&filter).await.expect("series");
            assert_eq!(influx.series(&filter).await.expect("series"), expect, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn pages_give_every_point_once_also_when_many_have_one_time() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = influxd(&folder).await else { return };
    let influx = open(compatibility_proxy(base).await, &folder).await;
    let now = now_ms();
    let entries: Vec<Entry> = (0..200i64)
        .map(|i| {
            let service = if i % 3 == 0 { "noise" } else { "air" };
            reading(service, "d", now + i / 50, i as f64)
        })
        .collect();
    influx.append(0, &entries).await.expect("append");
    flush_to(&influx, 200).await;
    let series = SeriesKey { device: "d".into(), property: "pm25".into() };
    for limit in [1, 7, 64, 1_000] {
        let (mut values, mut times) = (Vec::new(), Vec::new());
        let mut at = Some(ScanMark { time: Timestamp(now), skip: 0 });
        while let Some(mark) = at {
            let scan = Scan { series: series.clone(), at: mark, to: Timestamp(now + 9), limit };
            let page = influx.scan(&scan).await.expect("page");
            assert!(page.points.len() <= limit, "{limit}");
            values.extend(page.points.iter().map(|p| p.value));
            times.extend(page.points.iter().map(|p| p.time));
            at = page.next;
        }
        assert!(times.is_sorted(), "{limit}");
        values.sort_unstable_by(f64::total_cmp);
        assert_eq!(values, (0..200).map(f64::from).collect::<Vec<_>>(), "{limit}");
    }
}

/// What InfluxDB 3 is said to lack: the list of series then comes from the points, and the time of
/// a window's latest point is the window's begin.
#[tokio::test]
async fn a_server_without_index_and_elapsed_answers_all_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let Some((_server, base)) = influxd(&folder).await else { return };
    let influx = open(proxy(base, &["SHOW", "elapsed"]).await, &folder).await;
    let begin = (now_ms() - 3_600_000).div_euclid(60_000) * 60_000;
    let entries: Vec<Entry> =
        (0..6).map(|i| reading("air", "d", begin + i * 30_000, i as f64)).collect();
    influx.append(0, &entries).await.expect("append");
    flush_to(&influx, 6).await;
    let series = SeriesKey { device: "d".into(), property: "pm25".into() };
    assert_eq!(
        influx.series(&SeriesFilter::default()).await.expect("series"),
        std::slice::from_ref(&series)
    );
    let (from, to) = (Timestamp(begin), Timestamp(begin + 600_000));
    let query = WindowQuery { series, from, to, step: Step::of(60_000), limit: 9 };
    let got = influx.windows(&query).await.expect("windows").windows;
    let short: Vec<_> = got.iter().map(|w| (w.start.0 - begin, w.count, w.last)).collect();
    assert_eq!(short, [(0, 2, 1.0), (60_000, 2, 3.0), (120_000, 2, 5.0)]);
    assert!(got.iter().all(|w| w.last_time == w.start));
}
