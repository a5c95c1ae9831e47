//! Where changes of alerts go: MQTT topics of the IOC, and the screens.

use std::sync::Arc;

use ioc_alerts::{Listener, Register};
use ioc_dashboard::Live;
use ioc_ingest::Publications;
use ioc_model::{AlertFilter, AlertRow, AlertStore, Condition};

/// What the register calls after each commit, in the order of changes.
pub(crate) fn listener(publications: Arc<Publications>, live: Arc<Live>) -> Listener {
    Arc::new(move |rows: &[AlertRow]| {
        live.alerts_changed(rows);
        rows.iter().for_each(|row| publish(&publications, row));
    })
}

/// Screens and retained topics know the open alerts of earlier runs.
pub(crate) fn open_alerts(
    register: &Register,
    publications: &Publications,
    live: &Live,
) -> anyhow::Result<()> {
    let filter = AlertFilter { open_only: true, limit: 10_000, ..AlertFilter::default() };
    let (rows, _) = register.list(&filter)?;
    live.set_open_alerts(&rows);
    for row in rows.iter().filter(|r| r.condition == Condition::Active) {
        publish(publications, row);
    }
    Ok(())
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
