//! Figures of the alarm system and of notification.

use prometheus::{Gauge, Opts, Registry};

use super::{counter, gauge};
use crate::alerting::Alerting;

/// All of them; what cannot be read now is left out, and that is logged.
pub(super) fn alerts(alerting: &Alerting, registry: &Registry) -> Result<(), prometheus::Error> {
    let unread = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "figures of alerts cannot be read");
    };
    match alerting.kpis.metrics((alerting.clock)()) {
        Ok(kpi) => figures(&kpi, registry)?,
        Err(error) => unread(&error),
    }
    match alerting.notifications.metrics() {
        Ok(metrics) => notifications(&metrics, registry)?,
        Err(error) => unread(&error),
    }
    let anchors = counter(
        registry,
        "ioc_audit_anchor_failures_total",
        "Anchors of the audit log that could not be written.",
        &[],
    )?;
    anchors.with_label_values::<&str>(&[]).inc_by(alerting.register.failed_anchors());
    Ok(())
}

fn figures(
    kpi: &ioc_alerts::kpi::KpiMetrics,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    let now = gauge(registry, "ioc_alerts", "Alerts now, and of the last 24 h.", &["of"])?;
    for (of, n) in [
        ("standing", kpi.standing),
        ("stale", kpi.stale),
        ("unacknowledged", kpi.unacknowledged),
        ("raised_day", kpi.alarms_day),
        ("held_day", kpi.held_day),
        ("incidents_day", kpi.incidents_day),
        ("positions", kpi.positions),
        ("flood", u32::from(kpi.flood)),
    ] {
        now.with_label_values(&[of]).set(n.into());
    }
    let fractions = [
        ("ioc_alert_rate_per_hour", "Alerts of the last hour per position.", Some(kpi.per_hour)),
        ("ioc_alert_rate_per_10_min", "Alerts of 10 min per position.", Some(kpi.per_10_min)),
        (
            "ioc_incident_rate_per_hour",
            "Incidents begun in the last hour per position.",
            Some(kpi.incidents_per_hour),
        ),
        (
            "ioc_alert_acknowledge_seconds_median",
            "Time to acknowledge, median of the last 24 h.",
            kpi.ack_p50_s,
        ),
    ];
    for (name, help, value) in fractions {
        let Some(value) = value else { continue };
        let gauge = Gauge::with_opts(Opts::new(name, help))?;
        gauge.set(value);
        registry.register(Box::new(gauge))?;
    }
    Ok(())
}

fn notifications(
    metrics: &ioc_alerts::notify::NotifyMetrics,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    let deliveries = counter(
        registry,
        "ioc_notifications_total",
        "Deliveries since the start by receiver and what became of them.",
        &["receiver", "outcome"],
    )?;
    let waiting = gauge(
        registry,
        "ioc_notifications_waiting",
        "Deliveries that wait, by receiver.",
        &["receiver"],
    )?;
    let oldest = gauge(
        registry,
        "ioc_notifications_oldest_waiting_ms",
        "Age of the oldest delivery that waits, by receiver.",
        &["receiver"],
    )?;
    let at = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    for r in &metrics.receivers {
        for (outcome, n) in [("delivered", r.sent), ("failed_try", r.failed), ("dead", r.dead)] {
            deliveries.with_label_values(&[&*r.receiver, outcome]).inc_by(n);
        }
        waiting.with_label_values(&[&*r.receiver]).set(at(r.waiting));
        oldest.with_label_values(&[&*r.receiver]).set(at(r.oldest_waiting_ms));
    }
    let withheld = counter(
        registry,
        "ioc_notifications_withheld_total",
        "Alerts that were over or held back before their group was told.",
        &[],
    )?;
    withheld.with_label_values::<&str>(&[]).inc_by(metrics.withheld);
    Ok(())
}
