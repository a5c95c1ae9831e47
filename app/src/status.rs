//! What the status page, the readiness check and the rule list show.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_ingest::{
    GatewayMetrics, Registry, ServerCertificates, SubscriberMetrics, TlsHandle, TlsStatus,
};
use ioc_model::{Ledger, Timestamp};
use serde_json::{Value, json};

use crate::alerting::Alerting;
use crate::rulebook::Desk;
use crate::settings::Clock;
use crate::stages::{EntryJournal, Personal, Progress};

/// What status page, readiness and metrics look at.
pub(crate) struct Watch {
    pub journal: EntryJournal,
    pub ledger: Arc<Ledger>,
    pub progress: Arc<Progress>,
    pub gateway: Arc<GatewayMetrics>,
    pub subscribers: Vec<(String, Arc<SubscriberMetrics>)>,
    pub tls: Option<TlsHandle>,
    /// Certificate of the dashboard's own TLS, if there is one.
    pub https: Option<Arc<ServerCertificates>>,
    pub registry: Arc<Registry>,
    pub clock: Clock,
    pub started: Timestamp,
    pub desk: Arc<Desk>,
    pub alerting: Alerting,
    pub personal: Option<Personal>,
}

/// A reader this far behind the journal's end is not ready, entries.
const READY_LAG: u64 = 200_000;

/// `GET /api/v1/status`, but for what the dashboard itself adds.
pub(crate) fn status(watch: &Watch) -> Value {
    let journal = watch.journal.stats();
    let progress = &watch.progress;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "clock": match watch.clock { Clock::Wall => "wall", Clock::Event => "event" },
        "started": watch.started,
        "journal": {
            "first": journal.first,
            "next": journal.next,
            "bytes": journal.bytes,
            "corrupt": journal.corrupt,
            "disk_full": journal.disk_full,
        },
        "readers": {
            "rules": progress.rules.load(Relaxed),
            "history": progress.history.load(Relaxed),
            "live": progress.live.load(Relaxed),
        },
        "rules": watch.desk.status(),
        "watermark": progress.watermark.load(Relaxed),
        "subscribers": watch.subscribers.iter().map(|(name, m)| {
            json!({
                "name": name,
                "connected": m.connected.load(Relaxed),
                "subscribed": m.subscribed.load(Relaxed),
                "error": m.last_error(),
            })
        }).collect::<Vec<_>>(),
        "devices": {
            "pending": watch.registry.pending(),
            "not_listed": watch.registry.not_listed(),
            "restored": watch.registry.restored().map(|r| format!("{r:?}")),
        },
        "tls": watch.tls.as_ref().map(|tls| certificate(&tls.status())),
        "https": watch.https.as_ref().map(|https| certificate(&https.status())),
    })
}

fn certificate(tls: &TlsStatus) -> Value {
    json!({
        "subject": tls.subject,
        "not_after": tls.not_after,
        "crl_next_update": tls.crl_next_update,
        "crl_overdue": tls.crl_overdue,
        "failure": tls.failure,
        "loads": tls.loads,
    })
}

/// `GET /readyz`: the journal can write and the rules keep up.
pub(crate) fn ready(watch: &Watch) -> Result<(), String> {
    let journal = watch.journal.stats();
    if journal.disk_full {
        return Err("the disk of the journal is full".into());
    }
    let lag = journal.next.saturating_sub(watch.progress.rules.load(Relaxed));
    if lag > READY_LAG {
        return Err(format!("the rules are {lag} entries behind"));
    }
    Ok(())
}
