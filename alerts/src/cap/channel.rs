//! The `cap` receiver: stores the messages of a delivery, then hands them on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ioc_model::{AlertRow, AlertStore, CapRow, IncidentId, Scope};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use super::settings::CapSettings;
use super::store::{Batch, CapStore};
use super::warning::Author;
use crate::channel::mqtt::Publisher;
use crate::channel::{Channel, Notification, SendError, Sent, Surroundings, answer};

/// Time for one `POST`.
const POST: Duration = Duration::from_secs(10);
/// Most alerts of one incident that are looked up when a notification names only some.
const MAX_MEMBERS: usize = 10_000;

/// What a `cap` receiver works with.
#[derive(Clone)]
pub struct CapParts {
    /// Where messages are kept; one for all `cap` receivers.
    pub store: Arc<CapStore>,
    /// The register: asked for the whole incident when a notification names only some of its
    /// alerts.
    pub alerts: Option<Arc<dyn AlertStore>>,
    /// For `mqtt: true`.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// For `post`: a client that is guarded as those of webhooks are.
    pub http: Option<reqwest::Client>,
}

/// A `cap` receiver.
pub struct CapChannel {
    receiver: String,
    settings: Arc<CapSettings>,
    parts: CapParts,
    around: Surroundings,
}

impl CapChannel {
    /// A channel for the receiver of that id.
    pub fn new(
        receiver: impl Into<String>,
        settings: CapSettings,
        parts: CapParts,
        around: Surroundings,
    ) -> Self {
        Self { receiver: receiver.into(), settings: Arc::new(settings), parts, around }
    }

    /// Stores what the delivery means and gives what has to be handed on.
    async fn store(&self, n: &Notification) -> Result<Vec<CapRow>, SendError> {
        let (parts, settings) = (self.parts.clone(), Arc::clone(&self.settings));
        let (receiver, around, n) = (self.receiver.clone(), self.around.clone(), n.clone());
        let work = move || {
            let alerts = whole(&parts, &n)?;
            let ruled = n.changes.iter().filter(|c| matches!(&*c.reason, "raise" | "severity"));
            let batch = Batch {
                receiver: &receiver,
                delivery: &n.id,
                alerts: &alerts,
                ruled: &ruled.map(|c| c.alert.clone()).collect(),
                test: n.test,
                now: (around.clock)(),
            };
            let author =
                Author { settings: &settings, city: &around.city, base_url: &around.base_url };
            parts.store.publish(&batch, &author).map_err(|e| e.to_string())?;
            parts.store.to_forward(&receiver, &n.id).map_err(|e| e.to_string())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(SendError::again),
            Err(e) => Err(SendError::again(format!("storing: {e}"))),
        }
    }

    async fn forward(&self, row: &CapRow) -> Result<(), SendError> {
        let spec = self.settings.spec();
        if let Some(url) = &spec.post {
            self.post(url, row).await?;
        }
        if spec.mqtt {
            let publisher = self.parts.publisher.as_ref();
            let publisher = publisher.ok_or_else(|| SendError::again("mqtt is not connected"))?;
            let topic = format!("ioc/v1/cap/{}", row.id);
            publisher.publish(&topic, row.xml.clone().into(), false).map_err(SendError::again)?;
        }
        let (store, id) = (Arc::clone(&self.parts.store), row.id.clone());
        let noted = tokio::task::spawn_blocking(move || store.forwarded(&id)).await;
        noted
            .map_err(|e| SendError::again(format!("storing: {e}")))?
            .map_err(|e| SendError::again(e.to_string()))
    }

    async fn post(&self, url: &str, row: &CapRow) -> Result<(), SendError> {
        let http = self.parts.http.as_ref();
        let http = http.ok_or_else(|| SendError::again("no HTTP client for `post`"))?;
        let answered = http
            .post(url)
            .timeout(POST)
            .header(CONTENT_TYPE, "application/cap+xml; charset=utf-8")
            .header("Idempotency-Key", &row.id)
            .body(row.xml.clone())
            .send()
            .await
            .map_err(|e| SendError::again(format!("post: {}", e.without_url())))?;
        let status = answered.status();
        if status.is_success() {
            return Ok(());
        }
        let seconds =
            answered.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let passing = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        Err(SendError {
            permanent: !passing,
            retry_after: seconds.map(Duration::from_secs),
            answer: answer(&format!("post: {status}")),
        })
    }
}

#[async_trait]
impl Channel for CapChannel {
    fn kind(&self) -> &'static str {
        "cap"
    }

    fn target(&self) -> String {
        let spec = self.settings.spec();
        let mut target = format!("{} ({})", spec.sender, spec.status.as_str());
        if spec.mqtt {
            target.push_str(", ioc/v1/cap/+");
        }
        // Without the path: it may hold a key.
        if let Some(url) = spec.post.as_deref().and_then(|u| reqwest::Url::parse(u).ok()) {
            target.push_str(&format!(", {}", url.origin().ascii_serialization()));
        }
        target
    }

    async fn send(&self, n: &Notification) -> Result<Sent, SendError> {
        let rows = self.store(n).await?;
        for row in &rows {
            self.forward(row).await?;
        }
        let said: Vec<String> = rows.iter().map(|row| format!("{} {}", row.kind, row.id)).collect();
        let said = if said.is_empty() { "nothing new".to_owned() } else { said.join(", ") };
        Ok(Sent { answer: answer(&said) })
    }
}

/// The alerts of a notification; if it names only some, all of their incidents: a clear that is
/// not named must end its warning too.
fn whole(parts: &CapParts, n: &Notification) -> Result<Vec<AlertRow>, String> {
    let Some(register) = parts.alerts.as_ref().filter(|_| n.more > 0) else {
        return Ok(n.alerts.clone());
    };
    let named = n.incident.iter().map(|incident| &incident.id);
    let incidents: BTreeSet<&IncidentId> =
        named.chain(n.alerts.iter().filter_map(|row| row.incident.as_ref())).collect();
    let mut rows = n.alerts.clone();
    for id in incidents {
        let (_, members) =
            register.incident(id, &Scope::city(), MAX_MEMBERS).map_err(|e| e.to_string())?;
        rows.extend(members);
    }
    // The newest of each.
    rows.sort_by(|a, b| (&a.id, b.ver).cmp(&(&b.id, a.ver)));
    rows.dedup_by(|a, b| a.id == b.id);
    Ok(rows)
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
