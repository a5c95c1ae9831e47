//! Client libraries of others read what we serve: `tests/sensorthings/client.py` with
//! `frost_sta_client` (Fraunhofer IOSB) and `stapy`, against a server on a loopback port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ioc_model::{
    City, Entry, Flush, HistoryError, HistoryStats, HistoryStore, LastValue, Maintained, Name,
    Point, Property, Quality, RangeQuery, SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows,
    Text, Timestamp, Window, WindowQuery,
};
use ioc_share::{Ask, Body, DeviceView, Scope, Sources, sensorthings};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

const T0: i64 = 1_761_588_000_000;

/// Points in memory, in the order of time.
#[derive(Default)]
struct Memory(BTreeMap<SeriesKey, Vec<Point>>);

#[async_trait]
impl HistoryStore for Memory {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn append(&self, _: u64, _: &[Entry]) -> Result<(), HistoryError> {
        Ok(())
    }

    async fn flush(&self, _: Flush) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn range(&self, q: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        let all = self.0.get(&q.series).into_iter().flatten();
        let mut points: Vec<Point> =
            all.filter(|p| q.from <= p.time && p.time < q.to).copied().collect();
        let truncated = points.len() > q.limit;
        points.truncate(q.limit);
        Ok(SeriesPoints { points, truncated, ..SeriesPoints::default() })
    }

    /// All points in one window: enough for counting.
    async fn windows(&self, q: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        let all = self.0.get(&q.series).into_iter().flatten();
        let points: Vec<&Point> = all.filter(|p| q.from <= p.time && p.time < q.to).collect();
        let bad = points.iter().filter(|p| p.quality == Quality::Bad).count() as u64;
        let windows = points.last().map(|last| Window {
            start: q.from,
            count: points.len() as u64 - bad,
            uncertain: 0,
            bad,
            min: last.value,
            max: last.value,
            sum: last.value,
            last: last.value,
            last_time: last.time,
        });
        Ok(SeriesWindows { windows: windows.into_iter().collect(), ..SeriesWindows::default() })
    }

    async fn series(&self, f: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        Ok(self.0.keys().filter(|k| f.matches(k)).cloned().collect())
    }

    async fn last(&self, d: Option<&str>, at: Timestamp) -> Result<Vec<LastValue>, HistoryError> {
        let of = self.0.iter().filter(|(k, _)| d.is_none_or(|d| *d == *k.device));
        let last = |(series, points): (&SeriesKey, &Vec<Point>)| {
            let point = *points.iter().rfind(|p| p.time <= at)?;
            Some(LastValue { series: series.clone(), point })
        };
        Ok(of.filter_map(last).collect())
    }

    async fn maintain(&self, _: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn stats(&self) -> HistoryStats {
        HistoryStats::default()
    }
}

/// Three devices with odd names, five datastreams of a few hundred points (gaps, several of one
/// millisecond, bad ones), and what a client must find.
fn world() -> (Sources, serde_json::Value) {
    let mut city = City::default();
    for (id, unit) in [("pm25", "µg/m³"), ("temperature", "°C"), ("water_level", "m")] {
        let (id, name) = (Name::from(id), Text { vi: format!("{id} vi"), en: id.to_owned() });
        let (min, max, digits, normal) = (-50.0, 5e3, 1, None);
        let property =
            Property { id: id.clone(), name, unit: unit.into(), min, max, digits, normal };
        city.properties.insert(id, property);
    }
    let device = |id: &str, service: &str, place, properties: &[&str]| DeviceView {
        id: id.into(),
        name: Text { vi: format!("Trạm «{id}» & 'sông'"), en: format!("Station {id}") },
        kind: "station".into(),
        service: service.into(),
        area: "hai_chau".into(),
        place: Some(place),
        properties: properties.iter().map(|p| Name::from(*p)).collect(),
        cadence_s: 60,
    };
    let devices = vec![
        device("air-1", "air", (16.05, 108.2), &["pm25", "temperature"]),
        device("river cầu/1", "water", (16.06, 108.25), &["water_level"]),
        device("z.last", "air", (16.07, 108.3), &["pm25", "temperature"]),
    ];
    let (mut store, mut things, mut streams) = (Memory::default(), json!({}), json!({}));
    let id_of =
        |d: &DeviceView| d.id.replace(' ', "~20").replace('ầ', "~E1~BA~A7").replace('/', "~2F");
    for (i, d) in devices.iter().enumerate() {
        let (lat, lon) = d.place.expect("all have one");
        things[id_of(d)] = json!({"name": d.name.vi, "lat": lat, "lon": lon});
        for (j, property) in d.properties.iter().enumerate() {
            let n = 230 + 40 * (i as i64) + 7 * (j as i64);
            let point = |k: i64| Point {
                // A gap of ten days in the middle; every 50th has the time of the one before.
                time: Timestamp(
                    T0 + (k - i64::from(k % 50 == 49)) * 60_000 + k / 100 * 864_000_000,
                ),
                value: (k * 37 % 101) as f64 / 4.0 + i as f64 * 100.0,
                quality: if k % 13 == 0 { Quality::Bad } else { Quality::Good },
            };
            let points: Vec<Point> = (0..n).map(point).collect();
            streams[format!("{}:{property}", id_of(d))] = json!({
                "thing": id_of(d),
                "property": property,
                "unit": city.properties[property].unit,
                "points": points.iter().map(|p| json!([p.time.0, p.value])).collect::<Vec<_>>(),
            });
            let key = SeriesKey { device: d.id.clone(), property: property.clone() };
            store.0.insert(key, points);
        }
    }
    let devices = Arc::new(devices);
    let sources = Sources {
        city: Arc::new(city),
        history: Arc::new(store),
        devices: Arc::new(move || Arc::clone(&devices)),
        clock: Arc::new(|| Timestamp(T0 + 30 * 86_400_000)),
    };
    (sources, json!({"things": things, "datastreams": streams}))
}

async fn respond(
    sources: Sources,
    base: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().strip_prefix("/sensorthings/v1.1").unwrap_or("/none");
    let query = request.uri().query().unwrap_or_default();
    let ask = Ask { path, query, base: &base, accept: "", language: "", if_none_match: "" };
    let answer = sensorthings::answer(&sources, &Scope::city(), &ask).await;
    let body = match answer.body {
        Body::Bytes(bytes) => bytes,
        Body::Stream(_) => Bytes::new(),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body)).expect("headers are well formed"))
}

async fn serve(listener: TcpListener, sources: Sources, base: String) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (sources, base) = (sources.clone(), base.clone());
        connections.spawn(async move {
            let service = service_fn(move |r| respond(sources.clone(), base.clone(), r));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await
        });
    }
}

#[tokio::test]
async fn client_libraries_of_others_read_what_the_store_holds() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sensorthings");
    let made = Command::new("bash").arg(here.join("venv.sh")).output().await.expect("bash runs");
    assert!(made.status.success(), "venv.sh: {}", String::from_utf8_lossy(&made.stderr));
    let python = String::from_utf8(made.stdout).expect("a path");

    let (sources, expected) = world();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("expected.json");
    std::fs::write(&file, expected.to_string()).expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let base = format!("http://127.0.0.1:{port}/sensorthings/v1.1");
    let mut client = Command::new(python.trim());
    // One of the libraries keeps its settings in the folder it runs in.
    client.arg(here.join("client.py")).arg(&base).arg(&file).current_dir(folder.path());
    client.env("NO_PROXY", "127.0.0.1").kill_on_drop(true);
    let output = tokio::select! {
        output = client.output() => output.expect("python runs"),
        () = serve(listener, sources, base) => unreachable!("the listener stays open"),
    };
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.ends_with("all as expected\n"), "{out}\n{err}");
    assert!(out.lines().count() > 60, "the client looked at little: {out}");
}
