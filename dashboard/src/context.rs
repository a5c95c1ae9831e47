//! What every request and every socket can reach.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use ioc_model::{Scope, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::http::HeaderValue;

use crate::auth::oidc::Oidc;
use crate::denials::Denials;
use crate::hub::Seats;
use crate::live::View;
use crate::origin::Origins;
use ioc_share::{DeviceView, Sources};

use crate::reply::{ApiError, CSP, Document};
use crate::tiles::Tiles;
use crate::{DashboardConfig, Parts};

/// Long reads of one kind at once: fewer than there are cores, so that short ones go on.
const AT_ONCE: usize = 2;
/// Exports under way; each holds up to some 20 MiB.
const EXPORTS_AT_ONCE: usize = 8;
/// Device lists kept as JSON: of the whole city and of as many scopes as are used at once.
const DEVICE_LISTS: usize = 16;

/// What the dashboard counts of itself.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub requests: AtomicU64,
    pub refused_origin: AtomicU64,
    /// Refused before anything looked at what they ask.
    pub refused_malformed: AtomicU64,
    pub connections_open: AtomicU64,
    /// Closed to make room, or because the client took nothing.
    pub connections_closed_early: AtomicU64,
    /// One address had too many.
    pub connections_refused: AtomicU64,
    pub tls_handshakes: AtomicU64,
    pub tls_failures: AtomicU64,
    pub csp_reports: AtomicU64,
    pub sockets_open: AtomicU64,
    pub sockets_opened: AtomicU64,
    pub sockets_refused: AtomicU64,
    /// Looks at whether a session with sockets still holds, and those that found a change.
    pub session_checks: AtomicU64,
    pub session_changes: AtomicU64,
    pub sockets_closed_slow: AtomicU64,
    pub frames_sent: AtomicU64,
    pub frame_bytes_sent: AtomicU64,
    pub alert_gaps: AtomicU64,
    pub sign_ins_refused: AtomicU64,
}

impl Stats {
    fn rows(&self) -> [(&'static str, &'static str, &AtomicU64); 19] {
        [
            ("requests_total", "counter", &self.requests),
            ("refused_origin_total", "counter", &self.refused_origin),
            ("refused_malformed_total", "counter", &self.refused_malformed),
            ("connections", "gauge", &self.connections_open),
            ("connections_closed_early_total", "counter", &self.connections_closed_early),
            ("connections_refused_total", "counter", &self.connections_refused),
            ("tls_handshakes_total", "counter", &self.tls_handshakes),
            ("tls_failures_total", "counter", &self.tls_failures),
            ("csp_reports_total", "counter", &self.csp_reports),
            ("sockets", "gauge", &self.sockets_open),
            ("sockets_opened_total", "counter", &self.sockets_opened),
            ("sockets_refused_total", "counter", &self.sockets_refused),
            ("session_checks_total", "counter", &self.session_checks),
            ("session_changes_total", "counter", &self.session_changes),
            ("sockets_closed_slow_total", "counter", &self.sockets_closed_slow),
            ("frames_sent_total", "counter", &self.frames_sent),
            ("frame_bytes_sent_total", "counter", &self.frame_bytes_sent),
            ("alert_gaps_total", "counter", &self.alert_gaps),
            ("sign_ins_refused_total", "counter", &self.sign_ins_refused),
        ]
    }
}

/// Shared by all requests and sockets of one server.
pub(crate) struct Context {
    pub config: DashboardConfig,
    pub parts: Parts,
    pub origins: Origins,
    pub stats: Stats,
    pub denials: Denials,
    pub sockets: Arc<Semaphore>,
    /// Reports that walk days of alerts: so many at once, the others wait.
    pub reports: Semaphore,
    /// Reads of public warnings, which anybody may ask for.
    pub feeds: Semaphore,
    /// Exports and other long answers: so many at once, further ones are refused.
    pub exports: Arc<Semaphore>,
    /// First lists of sockets.
    pub listings: Semaphore,
    /// Reports of browsers that are read.
    pub csp: crate::api::CspLog,
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
    /// What export, open data and SensorThings are made from.
    pub sources: Sources,
    pub city: Arc<Document>,
    pub map: Arc<Document>,
    pub openapi: Arc<Document>,
    /// The content security policy of every answer.
    pub policy: HeaderValue,
    /// Identity providers.
    pub oidc: Oidc,
    /// Who holds sockets.
    pub seats: Arc<Seats>,
    /// Device lists of the scopes asked for last, newest last.
    devices: Mutex<Vec<ListOf>>,
}

/// The device list of a view at a version.
type ListOf = (Arc<View>, u64, Arc<Document>);

impl Context {
    pub fn new(
        config: DashboardConfig,
        parts: Parts,
        origins: Origins,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        // Checked at the start (`DashboardConfig::check`).
        let tiles = Tiles::new(&config.map).ok().flatten();
        let policy = HeaderValue::try_from(Tiles::policy(tiles.as_ref(), CSP));
        let shelve_max_ms = parts.alerts.shelve_max_ms();
        Self {
            sources: sources(&parts),
            policy: policy.unwrap_or(HeaderValue::from_static(CSP)),
            city: crate::api::city_document(&parts.city, shelve_max_ms, tiles.as_ref()),
            map: crate::api::map_document(&parts.city),
            openapi: Document::json(&crate::openapi::document()),
            sockets: Arc::new(Semaphore::new(config.max_sockets)),
            reports: Semaphore::new(AT_ONCE),
            feeds: Semaphore::new(AT_ONCE),
            exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)),
            listings: Semaphore::new(AT_ONCE),
            stats: Stats::default(),
            csp: Default::default(),
            denials: Denials::default(),
            seats: Arc::default(),
            devices: Mutex::default(),
            oidc: Oidc::of_checked(&config),
            config,
            parts,
            origins,
            tracker,
            stop,
        }
    }

    /// Waits until one more may be done.
    pub async fn turn<'a>(&self, of: &'a Semaphore) -> Result<SemaphorePermit<'a>, ApiError> {
        of.acquire().await.map_err(|e| ApiError::internal("wait for a turn", &e))
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        (self.parts.clock)()
    }

    /// The device list of a scope, made again when it has changed. Blocks when it has.
    pub fn device_document(&self, scope: &Scope) -> Arc<Document> {
        let view = self.parts.live.view(scope);
        let rev = self.parts.live.rev(&view);
        let mut held = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |made_for: &Arc<View>| Arc::ptr_eq(made_for, &view);
        if let Some(at) = held.iter().position(|(made_for, ..)| same(made_for)) {
            let kept = held.remove(at);
            if kept.1 >= rev {
                let document = Arc::clone(&kept.2);
                held.push(kept);
                return document;
            }
        }
        if held.len() >= DEVICE_LISTS {
            held.remove(0);
        }
        let (rev, list) = self.parts.live.device_list(&view);
        let document = Document::new(crate::reply::JSON, list);
        held.push((view, rev, Arc::clone(&document)));
        document
    }

    /// The dashboard's own figures for the status page.
    pub fn figures(&self) -> serde_json::Value {
        let tally = self.parts.live.tally();
        let mut figures: serde_json::Map<_, _> = self
            .stats
            .rows()
            .into_iter()
            .map(|(name, _, value)| {
                (name.trim_end_matches("_total").into(), value.load(Relaxed).into())
            })
            .collect();
        figures.insert("live_records".into(), tally.records.into());
        figures.insert("live_hidden_records".into(), tally.hidden_records.into());
        figures.insert("live_hidden_values".into(), tally.hidden_values.into());
        figures.into()
    }

    /// The same as Prometheus text.
    pub fn metrics(&self) -> String {
        let tally = self.parts.live.tally();
        let mut text = String::new();
        let mut line = |name: &str, kind: &str, value: u64| {
            text.push_str(&format!(
                "# TYPE ioc_dashboard_{name} {kind}\nioc_dashboard_{name} {value}\n"
            ));
        };
        for (name, kind, value) in self.stats.rows() {
            line(name, kind, value.load(Relaxed));
        }
        line("live_records_total", "counter", tally.records);
        line("live_hidden_records_total", "counter", tally.hidden_records);
        line("live_hidden_values_total", "counter", tally.hidden_values);
        text
    }
}

fn sources(parts: &Parts) -> Sources {
    let live = Arc::clone(&parts.live);
    let held: Mutex<Option<(u64, Arc<Vec<DeviceView>>)>> = Mutex::default();
    let whole = live.view(&Scope::city());
    let devices = move || {
        let rev = live.rev(&whole);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, devices)) = held.as_ref().filter(|(made_of, _)| *made_of >= rev) {
            return Arc::clone(devices);
        }
        let (rev, devices) = live.device_views();
        let devices = Arc::new(devices);
        *held = Some((rev, Arc::clone(&devices)));
        devices
    };
    let (live, wall) = (Arc::clone(&parts.live), Arc::clone(&parts.clock));
    Sources {
        city: Arc::clone(&parts.city),
        history: Arc::clone(&parts.history),
        devices: Arc::new(devices),
        clock: Arc::new(move || live.now(wall())),
    }
}

/// Runs a call that blocks on the disk, off the sockets' threads.
pub(crate) async fn blocking<T: Send + 'static>(
    act: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(act, &error))
}
