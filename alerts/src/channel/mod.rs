//! Ways out: how one notification reaches one receiver.
//!
//! A channel sends once and says what came of it. Waiting, trying again, giving up and the log
//! are `notify`'s work. A channel is handed the same [`Notification`] with the same id until it
//! says that it arrived, so the id is the key by which a receiver knows a repetition.

pub mod email;
pub mod mqtt;
mod secret;
#[cfg(test)]
pub(crate) mod testing;
pub mod webhook;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{AlertId, AlertRow, City, IncidentRow, Name, Severity, Timestamp};
use serde::{Deserialize, Serialize};

pub use secret::{Secret, SecretRef, SecretSource, read_secret};
pub use words::Language;

/// Most alerts of one notification that are carried as rows; the others are counted.
pub const MAX_ALERTS: usize = 100;
/// Most characters of an answer that are kept.
const MAX_ANSWER: usize = 500;

/// Wall time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What channels are made with, besides their own settings.
#[derive(Clone)]
pub struct Surroundings {
    /// Names of devices, wards and services.
    pub city: Arc<City>,
    /// Address of the console, such as `https://ioc.example.vn`; empty: no links.
    pub base_url: String,
    /// Wall time.
    pub clock: Clock,
}

/// One change that a notification tells of, as the audit log has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its line in the audit log; 0 for a repetition.
    pub seq: u64,
    /// The alert.
    pub alert: AlertId,
    /// As the audit log names it (`raise`, `severity`, `clear`, `escalate` …), or `repeat`.
    pub reason: Name,
    /// Who: a user, `system` or `rule:<id>`.
    pub actor: Name,
    /// When, as the audit log says.
    pub at: Timestamp,
    /// Severity after it.
    pub severity: Severity,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What one receiver is told at once. It is fixed when it is put into the outbox: a retry says
/// the same under the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The delivery; its idempotency key. 32 hex digits.
    pub id: String,
    /// To whom.
    pub receiver: Name,
    /// By which route; `escalation`, or empty for a test.
    pub route: Name,
    /// What belongs together: deliveries of one group to one receiver keep their order.
    pub group: String,
    /// The different reasons of `changes`, in their order.
    pub reasons: Vec<Name>,
    /// The incident, when all its alerts are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentRow>,
    /// The alerts that changed, as they stood then, the worst first; at most [`MAX_ALERTS`].
    pub alerts: Vec<AlertRow>,
    /// Alerts that changed and are not in `alerts`.
    #[serde(default)]
    pub more: usize,
    /// The changes of `alerts`, oldest first; at most [`MAX_ALERTS`].
    pub changes: Vec<Change>,
    /// When it was put into the outbox, wall time.
    pub at: Timestamp,
    /// Only to try the way out.
    #[serde(default)]
    pub test: bool,
    /// Of the text.
    pub language: Language,
}

impl Notification {
    /// True if it tells of that.
    pub fn tells(&self, reason: &str) -> bool {
        self.reasons.iter().any(|r| &**r == reason)
    }

    /// Worst severity of its alerts.
    pub fn severity(&self) -> Severity {
        self.alerts.iter().map(|a| a.severity).max().unwrap_or(Severity::Info)
    }
}

/// The receiver has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the receiver said; see [`answer`].
    pub answer: String,
}

/// It did not arrive, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{answer}")]
pub struct SendError {
    /// Trying again cannot help.
    pub permanent: bool,
    /// The receiver asked to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// What the receiver or the network said, without secrets; see [`answer`].
    pub answer: String,
}

impl SendError {
    /// Trying again may help.
    pub fn again(why: impl AsRef<str>) -> Self {
        Self { permanent: false, retry_after: None, answer: answer(why.as_ref()) }
    }

    /// Trying again cannot help.
    pub fn permanent(why: impl AsRef<str>) -> Self {
        Self { permanent: true, ..Self::again(why) }
    }
}

/// A way to one receiver.
#[async_trait]
pub trait Channel: Send + Sync {
    /// `webhook`, `email`, `mqtt`, `cap`.
    fn kind(&self) -> &'static str;

    /// Where, for the screen: without secrets.
    fn target(&self) -> String;

    /// Sends once. Must end by itself (the notifier gives up after [`SEND_TIMEOUT`]); when the
    /// future is dropped the message may or may not have arrived.
    ///
    /// # Errors
    /// [`SendError`] says whether trying again can help.
    async fn send(&self, n: &Notification) -> Result<Sent, SendError>;
}

/// Time after which the notifier stops waiting for one [`Channel::send`].
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What a stranger said, fit for a log and a screen: at most 500 characters, no control
/// characters.
pub fn answer(text: &str) -> String {
    let clean = text.trim().chars().take(MAX_ANSWER);
    clean.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn an_answer_keeps_no_control_characters_and_at_most_500() {
        assert_eq!(answer("a\r\nb\u{1b}[31m\u{0}"), "a\u{fffd}\u{fffd}b\u{fffd}[31m\u{fffd}");
        assert_eq!(answer(&"đ".repeat(600)).chars().count(), 500);
    }
}
