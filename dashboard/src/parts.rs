//! What the application hands in.

use std::fmt;
use std::sync::Arc;

use ioc_model::{AlertStore, City, HistoryStore, Ledger, QuarantineStore, RuleStore, Timestamp};

use crate::{Auth, Live};

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything the dashboard shows, behind the traits of `ioc_model`.
#[derive(Clone)]
pub struct Parts {
    /// The city as configured.
    pub city: Arc<City>,
    /// Counters of the conservation law.
    pub ledger: Arc<Ledger>,
    /// The alert register.
    pub alerts: Arc<dyn AlertStore>,
    /// Measurements.
    pub history: Arc<dyn HistoryStore>,
    /// Refused messages.
    pub quarantine: Arc<dyn QuarantineStore>,
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
    /// The wall clock.
    pub clock: Clock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
