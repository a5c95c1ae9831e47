//! What the settings themselves say.

use std::net::{Ipv4Addr, Ipv6Addr};

use ioc_alerts::notify::Way;
use ioc_ingest::{Anonymous, UnknownDevices};
use ioc_journal::Sync;

use super::advice::{self, Advice};
use super::{Finding, Patient, place};
use crate::settings::{FILE, HistoryBackend};

/// Longest time personal data should be kept without a reason of its own, days.
const PERSONAL_DAYS: u32 = 90;
/// Longest session.
const SESSION_HOURS: u64 = 24;

/// Collects findings about settings of `ioc.yaml`.
struct Chart<'a, 'b> {
    patient: &'a Patient<'a>,
    findings: &'b mut Vec<Finding>,
}

impl Chart<'_, '_> {
    fn tell(&mut self, advice: &'static Advice, setting: &str, value: impl ToString) {
        let place = place::of(self.patient.files, FILE, setting);
        self.findings.push(Finding::new(advice, place, value));
    }
}

pub(super) fn look(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    dashboard(&mut Chart { patient, findings });
    ingest(&mut Chart { patient, findings });
    storage(&mut Chart { patient, findings });
    receivers(patient, findings);
}

fn dashboard(chart: &mut Chart<'_, '_>) {
    let settings = &chart.patient.base.settings.dashboard;
    let outside = !settings.listen.ip().to_canonical().is_loopback();
    let proxied = !settings.trusted_proxies.is_empty();
    if outside && settings.tls.is_none() {
        let advice = if proxied { &advice::HTTP_BEHIND_PROXY } else { &advice::HTTP_PLAIN };
        chart.tell(advice, "dashboard.listen", settings.listen);
    }
    for origin in settings.allowed_origins.iter().filter(|o| o.starts_with("http://")) {
        if !is_loopback(origin.trim_start_matches("http://")) {
            chart.tell(&advice::ORIGIN_PLAIN, "dashboard.allowed_origins", origin);
        }
    }
    let public = settings.allowed_origins.iter().find(|o| o.starts_with("https://"));
    if let Some(origin) = public
        && settings.tls.is_none()
        && !settings.secure
        && !proxied
    {
        chart.tell(&advice::COOKIE_NOT_SECURE, "dashboard.allowed_origins", origin);
    }
    for network in settings.trusted_proxies.iter().map(|n| String::from(*n)) {
        if network.ends_with("/0") {
            chart.tell(&advice::PROXIES_ALL, "dashboard.trusted_proxies", network);
        }
    }
    // As it is written: hours under `sessions`.
    let written = serde_json::to_value(settings).unwrap_or_default();
    let hours = written.pointer("/sessions/max_hours").and_then(serde_json::Value::as_u64);
    if let Some(hours) = hours.filter(|hours| *hours > SESSION_HOURS) {
        chart.tell(&advice::SESSIONS_LONG, "dashboard.sessions.max_hours", hours);
    }
    if settings.metrics_for_all {
        chart.tell(&advice::METRICS_FOR_ALL, "dashboard.metrics_for_all", "");
    }
    if settings.public_cap {
        chart.tell(&advice::PUBLIC_CAP, "dashboard.public_cap", "");
    }
    if chart.patient.base.open_data.enabled() {
        chart.findings.push(Finding::new(&advice::OPEN_DATA, "opendata.yaml", ""));
    }
}

fn ingest(chart: &mut Chart<'_, '_>) {
    let ingest = &chart.patient.base.settings.ingest;
    let gateway = &ingest.gateway;
    let outside = gateway.listen.filter(|a| !a.ip().to_canonical().is_loopback());
    if let Some(listen) = outside {
        chart.tell(&advice::MQTT_PLAIN, "ingest.gateway.listen", listen);
    }
    if gateway.plaintext_tokens {
        chart.tell(&advice::TOKENS_PLAIN, "ingest.gateway.plaintext_tokens", "");
    }
    if gateway.anonymous == Anonymous::All {
        chart.tell(&advice::ANONYMOUS_ALL, "ingest.gateway.anonymous", "");
    }
    let tls = gateway.tls.as_ref();
    let reached = outside.is_some() || tls.is_some_and(|t| !t.listen.ip().is_loopback());
    if reached && ingest.registry.unknown_devices == UnknownDevices::Accept {
        chart.tell(&advice::UNKNOWN_DEVICES, "ingest.registry.unknown_devices", "");
    }
    for broker in &ingest.subscribers {
        if broker.password_file.is_some() && !is_loopback(&broker.host) {
            chart.tell(&advice::BROKER_PLAIN, "ingest.subscribers", &broker.host);
        }
    }
}

fn storage(chart: &mut Chart<'_, '_>) {
    let settings = &chart.patient.base.settings;
    match settings.journal.sync {
        Sync::Commit => {}
        Sync::Interval { ms } => chart.tell(&advice::SYNC_INTERVAL, "journal.sync", ms),
        Sync::Off => chart.tell(&advice::SYNC_OFF, "journal.sync", ""),
    }
    if settings.alerts.anchors.is_none() {
        chart.tell(&advice::ANCHORS_BESIDE, "alerts.anchors", "");
    }
    let influx = &settings.history.influxdb;
    let host = influx.url.strip_prefix("http://");
    if settings.history.backend == HistoryBackend::Influxdb
        && host.is_some_and(|host| !is_loopback(host))
    {
        chart.tell(&advice::INFLUX_PLAIN, "history.influxdb.url", &influx.url);
    }
    let personal = &settings.personal;
    if !personal.is_off() && personal.keep_days > PERSONAL_DAYS {
        chart.tell(&advice::PERSONAL_LONG, "personal.keep_days", personal.keep_days);
    }
}

fn receivers(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    const NOTIFY: &str = "notify.yaml";
    for receiver in &patient.base.notify.receivers {
        let advice = match &receiver.way {
            Way::Webhook(settings) if settings.allows_http() => &advice::WEBHOOK_PLAIN,
            Way::Email(spec) if spec.allow_plain => &advice::MAIL_PLAIN,
            _ => continue,
        };
        let place = place::entry(patient.files, NOTIFY, &receiver.id);
        findings.push(Finding::new(advice, place, &receiver.id));
    }
}

/// Is `host`, `host:port` or `host:port/path` this machine?
fn is_loopback(place: &str) -> bool {
    let place = place.split('/').next().unwrap_or("");
    let host = match place.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None if place.matches(':').count() == 1 => place.split(':').next().unwrap_or(""),
        None => place,
    };
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}
