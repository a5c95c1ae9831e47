//! What the application hands in.

use std::fmt;
use std::sync::Arc;

use ioc_model::{
    Actor, AlertRow, AlertStore, CapRow, City, DeviceStore, Handover, HistoryStore, KpiStore,
    Ledger, NotifyStore, PersonalStore, QuarantineRerun, QuarantineStore, ReceivedStore, RuleStore,
    ShiftStore, Timestamp,
};

use ioc_share::opendata::OpenData;

use crate::{Auth, Live, MqttDoor};

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Language of a document that is made for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

/// A page to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printout {
    /// The whole HTML document. It carries no script; nothing in it is loaded from anywhere.
    pub html: String,
    /// Hash of the text of its one `<style>` element as a Content-Security-Policy names it
    /// (`sha256-…`, base64); empty: it has none.
    pub style: String,
}

/// Writes a handover in a language.
pub type HandoverForm<T> = Arc<dyn Fn(&Handover, Lang) -> T + Send + Sync>;
/// Writes a list of alerts in a language.
pub type AlertsForm = Arc<dyn Fn(&[AlertRow], &[(String, String)], Lang) -> String + Send + Sync>;
/// Writes a feed of public warnings, given where this server is reached.
pub type FeedForm = Arc<dyn Fn(&[CapRow], &str) -> String + Send + Sync>;

/// Documents in other forms than JSON, written by the stages that know them. All are called on a
/// blocking thread.
#[derive(Clone)]
pub struct Forms {
    /// A handover as a page to print.
    pub handover_html: HandoverForm<Printout>,
    /// The same for spreadsheets: UTF-8 with BOM, formulas made harmless.
    pub handover_csv: HandoverForm<String>,
    /// A list of alerts for spreadsheets, under what it is of (pairs of name and value).
    pub alerts_csv: AlertsForm,
    /// Public warnings as an Atom feed. The text is where this server is reached, such as
    /// `https://ioc.example.vn`: the feed's own address is that and `/api/v1/cap/feed.atom`, a
    /// warning's that and `/api/v1/cap/{id}`.
    pub cap_feed: FeedForm,
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

/// Writes an act that is about no alert into the audit log: action, who, and more as JSON text.
/// Called on a blocking thread.
pub type NoteAct = Arc<
    dyn Fn(&str, &Actor, &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync,
>;

/// The certificates in use, asked at each handshake: who gives them may exchange them.
pub type TlsSource = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// Everything the dashboard shows, behind the traits of `ioc_model`.
#[derive(Clone)]
pub struct Parts {
    /// The city as configured.
    pub city: Arc<City>,
    /// Counters of the conservation law.
    pub ledger: Arc<Ledger>,
    /// The alert register.
    pub alerts: Arc<dyn AlertStore>,
    /// Figures of the alarm system.
    pub kpi: Arc<dyn KpiStore>,
    /// Who is on duty, and the shift log.
    pub shifts: Arc<dyn ShiftStore>,
    /// Receivers, deliveries, public warnings.
    pub notifications: Arc<dyn NotifyStore>,
    /// Documents in other forms than JSON.
    pub forms: Forms,
    /// Measurements.
    pub history: Arc<dyn HistoryStore>,
    /// The audit log, for acts that are about no alert.
    pub note_act: NoteAct,
    /// What of them is published.
    pub open_data: Arc<OpenData>,
    /// Refused messages.
    pub quarantine: Arc<dyn QuarantineStore>,
    /// A second look at them.
    pub rerun: Arc<dyn QuarantineRerun>,
    /// The device registry.
    pub devices: Arc<dyn DeviceStore>,
    /// What was received, by device.
    pub received: Arc<dyn ReceivedStore>,
    /// Detections with sealed personal data; `None`: none is kept.
    pub personal: Option<Arc<dyn PersonalStore>>,
    /// The rules that run, and their changes.
    pub rules: Arc<dyn RuleStore>,
    /// An object for `GET /api/v1/status`; `history` and `dashboard` are added when absent.
    /// Called on a blocking thread.
    pub status: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Prometheus text for `/metrics`; the dashboard's own lines are added. Called on a blocking
    /// thread.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Why the server cannot serve now, for `/readyz`. Must not block.
    pub ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The live state.
    pub live: Arc<Live>,
    /// Users.
    pub auth: Arc<Auth>,
    /// Takes MQTT over WebSocket at `/mqtt`; `None`: there is none.
    pub mqtt: Option<MqttDoor>,
    /// The listener speaks TLS with these; `None`: plain HTTP.
    pub tls: Option<TlsSource>,
    /// The wall clock.
    pub clock: Clock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
