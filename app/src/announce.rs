//! Where changes of alerts go: MQTT topics of the IOC, the screens, and the bell of notification.

use std::sync::Arc;

use ioc_alerts::channel::mqtt::Publisher;
use ioc_alerts::{Listener, Register};
use ioc_dashboard::Live;
use ioc_ingest::Publications;
use ioc_model::{AlertChanges, AlertFilter, AlertRow, AlertStore, Condition, Scope};
use tokio::sync::Notify;

/// Alerts read at once at a start.
const PAGE: usize = 2_000;

/// What the register calls after each commit, in the order of changes.
pub(crate) fn listener(
    publications: &Arc<Publications>,
    live: &Arc<Live>,
    changed: &Arc<Notify>,
) -> Listener {
    let (publications, live, changed) =
        (Arc::clone(publications), Arc::clone(live), Arc::clone(changed));
    Arc::new(move |changes: &AlertChanges| {
        live.alerts_changed(&changes.alerts);
        changes.alerts.iter().for_each(|row| publish(&publications, row));
        changed.notify_one();
    })
}

/// Screens and retained topics know the open alerts of earlier runs, however many there are.
pub(crate) fn open_alerts(
    register: &Register,
    publications: &Publications,
    live: &Live,
) -> anyhow::Result<()> {
    let mut filter = AlertFilter { open_only: true, limit: PAGE, ..AlertFilter::of(Scope::city()) };
    loop {
        let (rows, _) = register.list(&filter)?;
        live.set_open_alerts(&rows);
        for row in rows.iter().filter(|r| r.condition == Condition::Active) {
            publish(publications, row);
        }
        let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(()) };
        filter.before = Some((last.raised_at, last.id.0.clone()));
    }
}

/// `ioc/v1/alerts/{service}/{area}/{id}`, retained while active.
fn publish(publications: &Publications, row: &AlertRow) {
    let Ok(body) = serde_json::to_vec(row) else { return };
    let topic = format!("ioc/v1/alerts/{}/{}/{}", row.service, row.area, row.id);
    let active = row.condition == Condition::Active;
    publications.publish(&topic, body.into(), active);
    if !active {
        // Zero bytes take the retained message away.
        publications.publish(&topic, Vec::new().into(), true);
    }
}

/// The way of notifications to our own topics.
pub(crate) struct OwnTopics(pub Arc<Publications>);

impl Publisher for OwnTopics {
    fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<(), String> {
        self.0.publish(topic, payload.into(), retain);
        Ok(())
    }
}
