//! A server on a free port with small fakes behind it, and clients for it.

mod alerts;
mod desk;
mod personal;
mod registry;
mod screen;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use ioc_model::{
    AlertId, AlertRow, AlertStore, Area, AreaKind, BacktestAsk, Body, City, ConfigError,
    ConfigFiles, DeviceSpec, Entity, Entry, Flush, HistoryError, HistoryStats, HistoryStore,
    LastValue, Ledger, Maintained, Name, Point, Property, Quality, QuarantineReason, QuarantineRow,
    QuarantineStore, RangeQuery, Record, RuleChange, RuleChanges, RuleEdit, RuleEntity, RuleList,
    RuleLoad, RuleOutcome, RuleRefusal, RuleRow, RuleStore, RuleText, RuleVersion, RuleVersionText,
    SeriesFilter, SeriesKey, SeriesPoints, SeriesWindows, Service, ServiceGroup, Severity, Text,
    Tier, Timestamp, Transition, TransitionKind, Window, WindowQuery, Zone,
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Auth, Dashboard, DashboardConfig, Live, Parts};
pub(crate) use alerts::FakeAlerts;
pub(crate) use desk::{FakeNotify, FakeShifts, hold, incident};
pub(crate) use desk::{STYLE, kpi};
pub(crate) use personal::FakePersonal;
pub(crate) use personal::personal_row;
pub(crate) use registry::FakeRegistry;
pub(crate) use registry::TOKEN;
pub(crate) use screen::{Screen, Told};

/// 2025-10-28T01:00:00.123+07:00.
pub(crate) const NOON: i64 = 1_761_588_000_123;
/// Longest wait for something that must come.
pub(crate) const WAIT: Duration = Duration::from_secs(20);
pub(crate) const PASSWORD: &str = "một mật khẩu dài";

pub(crate) fn text(t: &str) -> Text {
    Text { vi: format!("{t} (vi)"), en: t.into() }
}

/// Two areas, two services (one without devices), `n` air stations `air-000…`.
pub(crate) fn city(n: usize) -> City {
    let area = |id: &str| Area {
        id: id.into(),
        code: "1".into(),
        name: text(id),
        kind: AreaKind::Ward,
        lat: 16.0,
        lon: 108.2,
        area_km2: 1.0,
        rings: Vec::new(),
    };
    let service = |id: &str, order, indicators: &[&str]| Service {
        id: id.into(),
        order,
        group: ServiceGroup::Additional,
        name: text(id),
        indicators: indicators.iter().map(|i| (*i).into()).collect(),
    };
    let property = |id: &str, unit: &str| Property {
        id: id.into(),
        name: text(id),
        unit: unit.into(),
        min: -1e9,
        max: 1e9,
        digits: 1,
        normal: None,
    };
    let device = |i: usize| DeviceSpec {
        id: format!("air-{i:03}").into(),
        name: text("station"),
        kind: "air_station".into(),
        service: "air".into(),
        area: "hai_chau".into(),
        lat: 16.06,
        lon: 108.22,
        properties: vec!["pm25".into(), "no2".into()],
        cadence_s: 60,
        parent: None,
        segment: None,
    };
    City {
        indices: Default::default(),
        name: text("Đà Nẵng"),
        time_zone: "Asia/Ho_Chi_Minh".into(),
        view: (108.2, 16.06, 11.0),
        areas: ["hai_chau", "son_tra"].map(|a| (a.into(), area(a))).into(),
        boundaries: r#"{"type":"FeatureCollection","features":[
            {"type":"Feature","properties":{"id":"hai_chau"},
             "geometry":{"type":"Polygon","coordinates":[[[108.1,16.0],[108.3,16.0],[108.2,16.2],[108.1,16.0]]]}},
            {"type":"Feature","properties":{"id":"elsewhere"},"geometry":null}]}"#
            .into(),
        services: [("air", service("air", 2, &["pm25"])), ("fire", service("fire", 1, &[]))]
            .map(|(id, s)| (id.into(), s))
            .into(),
        properties: [("pm25", property("pm25", "µg/m³")), ("no2", property("no2", "µg/m³"))]
            .map(|(id, p)| (id.into(), p))
            .into(),
        thresholds: Default::default(),
        devices: (0..n).map(device).map(|d| (d.id.clone(), d)).collect(),
        zones: [("port".into(), port())].into(),
        clusters: Default::default(),
        holidays: Default::default(),
    }
}

fn port() -> Zone {
    Zone {
        id: "port".into(),
        name: Text { vi: "Cảng".into(), en: "Port".into() },
        kind: "port".into(),
        rings: vec![vec![(108.2, 16.1), (108.3, 16.1), (108.2, 16.2), (108.2, 16.1)]],
        bounds: (108.2, 16.1, 108.3, 16.2),
        source: None,
    }
}

/// A reading that arrives 100 ms after it was taken.
pub(crate) fn reading(device: &str, at: i64, values: &[(&str, f64)]) -> Entry {
    let values = values.iter().map(|(p, v)| ((*p).into(), *v)).collect();
    record(device, at, Body::Observation { quality: Quality::Good, values })
}

pub(crate) fn record(device: &str, at: i64, body: Body) -> Entry {
    Entry::Record(Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: "air".into(),
        source: 0,
        time: Timestamp(at),
        received: Timestamp(at + 100),
        seq: None,
        clock_clamped: false,
        derived: false,
        body,
    })
}

/// An active, unacknowledged alert of a device.
pub(crate) fn alert(n: u64, device: &str, severity: Severity) -> AlertRow {
    let at = Timestamp(NOON + n as i64);
    let raised = Transition {
        position: n,
        alert: AlertId(format!("{n:032x}")),
        rule: "pm25_high".into(),
        entity: Entity::Device(device.into()),
        device: Some(device.into()),
        area: "hai_chau".into(),
        service: "air".into(),
        time: at,
        kind: TransitionKind::Raise,
        severity,
        value: Some(80.0),
        limit: Some(50.0),
        unit: "µg/m³".into(),
        name: text("PM2.5"),
        message: text("high <script>alert(1)</script>"),
        cause: "air_quality".into(),
        latched: false,
        evidence: Box::default(),
    };
    AlertRow { ver: 1, change: n, ..AlertRow::raised(&raised) }
}

/// A series of `pm25` of each device: a point per minute.
struct FakeHistory(Vec<Name>);

#[async_trait]
impl HistoryStore for FakeHistory {
    async fn cursor(&self) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn append(&self, _first: u64, _entries: &[Entry]) -> Result<(), HistoryError> {
        Ok(())
    }

    async fn flush(&self, _what: Flush) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn range(&self, query: &RangeQuery) -> Result<SeriesPoints, HistoryError> {
        if &*query.series.device == "down" {
            return Err(HistoryError::Unavailable("connection refused to 10.9.8.7".into()));
        }
        let at = |i: i64| query.from.plus_ms(i * 60_000);
        let points = (0..3).map(|i| Point {
            time: at(i),
            value: i as f64,
            quality: Quality::from_u8(i as u8),
        });
        let truncated = query.limit < 3;
        Ok(SeriesPoints { points: points.collect(), truncated, ..SeriesPoints::default() })
    }

    async fn windows(&self, query: &WindowQuery) -> Result<SeriesWindows, HistoryError> {
        let window = |i: i64| Window {
            start: query.from.plus_ms(i * query.step.ms),
            count: 2,
            uncertain: 0,
            bad: 0,
            min: i as f64,
            max: i as f64 + 1.0,
            sum: 2.0 * i as f64 + 1.0,
            last: i as f64,
            last_time: query.from.plus_ms(i * query.step.ms),
        };
        let windows = (0..3).map(window).collect();
        Ok(SeriesWindows { windows, truncated: query.limit < 3, tier: Tier::Hour })
    }

    async fn maintain(&self, _now: Timestamp) -> Result<Maintained, HistoryError> {
        Ok(Maintained::default())
    }

    async fn series(&self, filter: &SeriesFilter) -> Result<Vec<SeriesKey>, HistoryError> {
        let key = |id: &Name| SeriesKey { device: id.clone(), property: "pm25".into() };
        Ok(self.0.iter().map(key).filter(|k| filter.matches(k)).collect())
    }

    async fn last(&self, _: Option<&str>, _: Timestamp) -> Result<Vec<LastValue>, HistoryError> {
        Ok(Vec::new())
    }

    async fn stats(&self) -> HistoryStats {
        HistoryStats { backend: "embedded", points: 3, healthy: true, ..HistoryStats::default() }
    }
}

/// Two refused messages of the device that is asked for, or one of each device.
struct FakeQuarantine(Vec<Name>);

impl QuarantineStore for FakeQuarantine {
    fn newest(
        &self,
        device: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QuarantineRow>, Box<dyn std::error::Error + Send + Sync>> {
        let row = |device: &str| QuarantineRow {
            at: Timestamp(NOON),
            source: "gateway".into(),
            topic: "ioc/v1/x".into(),
            device: Some(device.into()),
            reason: QuarantineReason::Malformed,
            detail: "not JSON".into(),
            payload: "<img src=x onerror=alert(1)>".into(),
        };
        let rows: Vec<QuarantineRow> = match device {
            Some(device) => vec![row(device); 2],
            None => self.0.iter().map(|id| row(id)).collect(),
        };
        Ok(rows.into_iter().take(limit).collect())
    }
}

/// A running server.
pub(crate) struct Server {
    pub address: SocketAddr,
    pub live: Arc<Live>,
    pub auth: Arc<Auth>,
    pub alerts: Arc<FakeAlerts>,
    pub shifts: Arc<FakeShifts>,
    pub notify: Arc<FakeNotify>,
    pub rules: Arc<FakeRules>,
    pub personal: Arc<FakePersonal>,
    pub registry: Arc<FakeRegistry>,
    pub clock: Arc<AtomicI64>,
    /// The audit log: action, user, detail.
    pub acts: Arc<Mutex<Vec<(String, String, Value)>>>,
    parts: Parts,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), crate::DashboardError>>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(1, |_| {}).await
    }

    pub async fn with(devices: usize, change: impl FnOnce(&mut DashboardConfig)) -> Self {
        Self::of(city(devices), change).await
    }

    pub async fn of(city: City, change: impl FnOnce(&mut DashboardConfig)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let city = Arc::new(city);
        let ids: Vec<Name> = city.devices.keys().cloned().collect();
        let live = Arc::new(Live::new(&city, Vec::new()));
        let clock = Arc::new(AtomicI64::new(NOON));
        let now = Arc::clone(&clock);
        let time: crate::Clock = Arc::new(move || Timestamp(now.load(Relaxed)));
        let users = folder.path().join("users.sqlite");
        let auth = Arc::new(Auth::open_with_clock(&users, Arc::clone(&time)).expect("opens"));
        let alerts = Arc::new(FakeAlerts::default());
        let (shifts, notify) = (Arc::new(FakeShifts::default()), Arc::new(FakeNotify::default()));
        let rules = Arc::new(FakeRules { devices: ids.clone(), ..FakeRules::default() });
        let personal = Arc::new(FakePersonal::default());
        let registry = Arc::new(registry::FakeRegistry::default());
        let known = city.devices.values().map(|d| Arc::new(d.into())).collect();
        *registry.devices.lock().expect("new") = known;
        let acts: Arc<Mutex<Vec<(String, String, Value)>>> = Arc::default();
        let written = Arc::clone(&acts);
        let note_act: crate::NoteAct = Arc::new(move |action, actor, detail| {
            let row = (action.to_owned(), actor.user.clone(), serde_json::from_str(detail)?);
            written.lock().map_err(|e| e.to_string())?.push(row);
            Ok(())
        });
        let mut config = DashboardConfig::default();
        config.listen.set_port(0);
        change(&mut config);
        let open_data = ioc_share::opendata::OpenData::load(&ConfigFiles::default(), &city);
        let open_data = open_data.expect("no file: disabled");
        let parts = Parts {
            city,
            ledger: Arc::new(Ledger::default()),
            alerts: Arc::clone(&alerts) as Arc<dyn AlertStore>,
            kpi: Arc::new(desk::FakeKpi),
            shifts: Arc::clone(&shifts) as _,
            notifications: Arc::clone(&notify) as _,
            forms: desk::forms(),
            history: Arc::new(FakeHistory(ids.clone())),
            note_act,
            open_data: Arc::new(open_data),
            quarantine: Arc::new(FakeQuarantine(ids.clone())),
            rerun: Arc::clone(&registry) as _,
            devices: Arc::clone(&registry) as _,
            received: Arc::clone(&registry) as _,
            personal: Some(Arc::clone(&personal) as _),
            rules: Arc::clone(&rules) as Arc<dyn RuleStore>,
            status: Arc::new(|| serde_json::json!({ "version": "0" })),
            metrics: Arc::new(|| "ioc_up 1".into()),
            ready: Arc::new(|| Err("journal is full".into())),
            live: Arc::clone(&live),
            auth: Arc::clone(&auth),
            mqtt: Some(echo_door()),
            tls: None,
            clock: time,
        };
        let (dashboard, address) = Dashboard::bind(config, parts.clone()).expect("binds");
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let run = tracker.spawn(dashboard.run(tracker.clone(), stop.clone()));
        Self {
            address,
            live,
            auth,
            alerts,
            shifts,
            notify,
            rules,
            personal,
            registry,
            clock,
            acts,
            parts,
            stop,
            run,
            _folder: folder,
        }
    }

    /// The accounts' database, as the command line opens it.
    pub fn users_file(&self) -> std::path::PathBuf {
        self._folder.path().join("users.sqlite")
    }

    pub fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// A client without a session.
    pub fn stranger(&self) -> Client {
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(WAIT);
        Client { http: http.build().expect("builds"), address: self.address, session: None }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops and waits for the end.
    pub async fn stop(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(WAIT, self.run).await.expect("ends in time");
        ended.expect("no panic").expect("no error");
    }

    pub async fn socket(&self, session: &str) -> Socket {
        let origin = self.origin();
        self.try_socket(Some(session), Some(&origin)).await.expect("upgrades")
    }

    /// Tries to open a socket; the status when it is refused.
    pub async fn try_socket(
        &self,
        session: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Socket, u16> {
        let request = self.upgrade(session, origin);
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => unreachable!("no answer: {error}"),
        }
    }

    pub fn upgrade(
        &self,
        session: Option<&str>,
        origin: Option<&str>,
    ) -> tungstenite::handshake::client::Request {
        let mut request =
            format!("ws://{}/ws", self.address).into_client_request().expect("a request");
        let headers = request.headers_mut();
        if let Some(session) = session {
            let cookie = format!("other=1; ioc_session={session}");
            headers.insert("cookie", cookie.parse().expect("a header"));
        }
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().expect("a header"));
        }
        request
    }
}

/// Rules that remember what was asked of them; version 7 runs.
#[derive(Default)]
pub(crate) struct FakeRules {
    pub asked: Mutex<Vec<RuleChange>>,
    pub devices: Vec<Name>,
}

impl FakeRules {
    fn outcome(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal> {
        let expected = change.expected;
        let wrong = matches!(&change.edit, RuleEdit::Put { text, .. } if text.contains("wrong"));
        self.asked.lock().expect("no panic").push(change);
        if expected.is_some_and(|v| v != 7) {
            return Err(RuleRefusal::Outdated { running: 7 });
        }
        if wrong {
            let mistake = ConfigError::new("rules/air.yaml", 3, 5, "unknown property");
            return Err(RuleRefusal::Mistakes(vec![mistake.hint("pm25")]));
        }
        Ok(RuleOutcome {
            version: 8,
            position: Some(99),
            change: RuleChanges::default(),
            rules: 1,
            tests: 0,
            notes: Vec::new(),
            trial: None,
        })
    }

    fn row() -> RuleRow {
        RuleRow {
            id: "pm25_high".into(),
            kind: "threshold".into(),
            per: "device".into(),
            mode: "on".into(),
            service: "air".into(),
            name: text("PM2.5"),
            file: "rules/air.yaml".into(),
            line: 3,
            source: "id: pm25_high".into(),
            cost: RuleLoad::default(),
            changed: None,
        }
    }
}

#[async_trait]
impl RuleStore for FakeRules {
    async fn list(&self) -> Result<RuleList, RuleRefusal> {
        let rules = vec![Self::row()];
        Ok(RuleList { version: 7, read_only: None, trouble: None, rules })
    }

    async fn get(&self, id: &str) -> Result<RuleText, RuleRefusal> {
        match id {
            "pm25_high" => Ok(RuleText { row: Self::row(), canonical: "x".into(), running: 7 }),
            other => Err(RuleRefusal::NotFound(format!("no rule `{other}`"))),
        }
    }

    async fn check(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal> {
        self.outcome(change)
    }

    async fn change(&self, change: RuleChange) -> Result<RuleOutcome, RuleRefusal> {
        self.outcome(change)
    }

    async fn versions(&self, _limit: usize) -> Result<Vec<RuleVersion>, RuleRefusal> {
        Ok(Vec::new())
    }

    async fn version(&self, number: u64) -> Result<RuleVersionText, RuleRefusal> {
        Err(RuleRefusal::NotFound(format!("no version {number}")))
    }

    async fn explain(&self, id: &str, entity: &Entity) -> Result<Value, RuleRefusal> {
        Ok(serde_json::json!({ "rule": id, "entity": entity }))
    }

    async fn entities(
        &self,
        _id: &str,
        _limit: usize,
    ) -> Result<(Vec<RuleEntity>, usize), RuleRefusal> {
        let of = |id: &Name| RuleEntity { entity: Entity::Device(id.clone()), active: None };
        Ok((self.devices.iter().map(of).collect(), self.devices.len()))
    }

    async fn shadow(&self, _id: &str) -> Result<Vec<Transition>, RuleRefusal> {
        Ok(Vec::new())
    }

    async fn backtest(&self, _ask: BacktestAsk) -> Result<u64, RuleRefusal> {
        Err(RuleRefusal::Busy("a backtest is running".into()))
    }

    async fn backtest_state(&self, job: u64) -> Result<Value, RuleRefusal> {
        Ok(serde_json::json!({ "job": job }))
    }
}

/// An HTTP client that sends what the page sends.
pub(crate) struct Client {
    pub http: reqwest::Client,
    pub address: SocketAddr,
    pub session: Option<String>,
}

impl Client {
    /// A bare request with the session cookie.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        match &self.session {
            Some(session) => request.header("cookie", format!("ioc_session={session}")),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request("GET", path)).await
    }

    /// A state-changing request as the page sends it.
    pub fn change(&self, method: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request(method, path)
            .header("origin", format!("http://{}", self.address))
            .header("x-ioc-request", "1")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.change("POST", path, body)).await
    }
}

/// Status and JSON body (null when there is none).
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// What came over a socket.
#[derive(Debug)]
pub(crate) enum Got {
    Json(Value),
    Frame(Frame),
    Closed(u16),
}

/// A decoded binary frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub kind: u8,
    pub epoch: u32,
    pub seq: u32,
    pub base_ms: u64,
    /// idx, value, dt10ms, status, quality.
    pub rows: Vec<(u32, f32, u16, u8, u8)>,
    pub tail: Vec<u8>,
}

impl Frame {
    pub fn decode(bytes: &[u8]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | (u32::from(u16_at(at + 2)) << 16);
        let u64_at = |at: usize| u64::from(u32_at(at)) | (u64::from(u32_at(at + 4)) << 32);
        assert_eq!(bytes[0], 1, "version");
        let (kind, n) = (bytes[1], u32_at(4) as usize);
        let mut rows = Vec::new();
        if kind < 2 {
            let (values, ages) = (24 + 4 * n, 24 + 8 * n);
            let states = ages + (2 * n).next_multiple_of(4);
            let qualities = states + n.next_multiple_of(4);
            assert_eq!(bytes.len(), qualities + n.next_multiple_of(4), "length");
            for i in 0..n {
                let value = f32::from_bits(u32_at(values + 4 * i));
                let (state, quality) = (bytes[states + i], bytes[qualities + i]);
                rows.push((u32_at(24 + 4 * i), value, u16_at(ages + 2 * i), state, quality));
            }
        }
        let tail = bytes[24..].to_vec();
        Self { kind, epoch: u32_at(8), seq: u32_at(12), base_ms: u64_at(16), rows, tail }
    }
}

/// A WebSocket client.
pub(crate) struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sends");
    }

    pub async fn next(&mut self) -> Got {
        loop {
            let got = tokio::time::timeout(WAIT, self.0.next()).await.expect("something comes");
            match got {
                Some(Ok(Message::Text(text))) => {
                    return Got::Json(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Binary(bytes))) => return Got::Frame(Frame::decode(&bytes)),
                Some(Ok(Message::Close(frame))) => {
                    return Got::Closed(frame.map_or(0, |f| f.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Got::Closed(0),
            }
        }
    }

    /// The next message with this `t`; others are passed over.
    pub async fn json(&mut self, t: &str) -> Value {
        // Heartbeats come for ever, so the whole wait has a limit too.
        let end = Instant::now() + WAIT;
        while Instant::now() < end {
            match self.next().await {
                Got::Json(value) if value["t"] == t => return value,
                Got::Closed(code) => unreachable!("closed with {code} while waiting for {t}"),
                _ => {}
            }
        }
        unreachable!("no {t} in {WAIT:?}")
    }

    /// The next frame of this kind; others are passed over.
    pub async fn frame(&mut self, kind: u8) -> Frame {
        let end = Instant::now() + WAIT;
        while Instant::now() < end {
            match self.next().await {
                Got::Frame(frame) if frame.kind == kind => return frame,
                Got::Closed(code) => unreachable!("closed with {code} while waiting for a frame"),
                _ => {}
            }
        }
        unreachable!("no frame of kind {kind} in {WAIT:?}")
    }

    /// The code the server closes with.
    pub async fn closed(&mut self) -> u16 {
        let end = Instant::now() + WAIT;
        while Instant::now() < end {
            if let Got::Closed(code) = self.next().await {
                return code;
            }
        }
        unreachable!("not closed in {WAIT:?}")
    }
}

/// A door that sends everything back and has room for one.
fn echo_door() -> crate::MqttDoor {
    let room = Arc::new(tokio::sync::Semaphore::new(1));
    Arc::new(move |_| {
        let place = Arc::clone(&room).try_acquire_owned().ok()?;
        let seat: crate::MqttSeat = Box::new(move |stream| {
            Box::pin(async move {
                let (mut read, mut write) = tokio::io::split(stream);
                // The end of the peer is an end too.
                let _ = tokio::io::copy(&mut read, &mut write).await;
                drop(place);
            })
        });
        Some(seat)
    })
}
