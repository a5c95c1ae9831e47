//! `/metrics`: what the ledger, the journal and the doors count, in Prometheus' text format.
//!
//! The counters live where they are counted; a scrape copies them into a fresh registry.

mod alerts;

use std::sync::atomic::Ordering::Relaxed;

use ioc_ingest::{GatewayMetrics, SubscriberMetrics};
use prometheus::{CounterVec, Encoder, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::rulebook::Running;
use crate::status::Watch;

/// One scrape.
pub(crate) fn render(watch: &Watch) -> String {
    collect(watch).unwrap_or_else(|e| {
        tracing::warn!(error = %e, "metrics cannot be rendered");
        String::new()
    })
}

fn collect(watch: &Watch) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    messages(watch, &registry)?;
    journal(watch, &registry)?;
    doors(watch, &registry)?;
    rules(watch, &registry)?;
    alerts::alerts(&watch.alerting, &registry)?;
    personal(watch, &registry)?;
    let mut out = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn personal(watch: &Watch, registry: &Registry) -> Result<(), prometheus::Error> {
    let Some(personal) = &watch.personal else { return Ok(()) };
    let help = "Detections whose personal data was forgotten because it could not be sealed";
    let forgotten = counter(registry, "ioc_personal_not_sealed_total", help, &[])?;
    let none: [&str; 0] = [];
    forgotten.with_label_values(&none).inc_by(personal.keyring.not_sealed());
    Ok(())
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn messages(watch: &Watch, registry: &Registry) -> Result<(), prometheus::Error> {
    let by_outcome = counter(
        registry,
        "ioc_messages_total",
        "Messages by door and outcome; received is the sum of the others at rest.",
        &["source", "outcome"],
    )?;
    let refused = counter(
        registry,
        "ioc_quarantined_total",
        "Refused messages by door and reason.",
        &["source", "reason"],
    )?;
    let partly = counter(
        registry,
        "ioc_messages_partly_bad_total",
        "Accepted messages of which values were out of range and are kept as bad, by door.",
        &["source"],
    )?;
    let records = counter(
        registry,
        "ioc_records_total",
        "Records of accepted messages by door and what became of them.",
        &["source", "stage"],
    )?;
    for s in watch.ledger.snapshot().sources {
        let outcomes = [
            ("received", s.received),
            ("accepted", s.accepted),
            ("quarantined", s.quarantined),
            ("duplicate", s.duplicate),
            ("shed", s.shed),
        ];
        for (outcome, n) in outcomes {
            by_outcome.with_label_values(&[s.source.as_str(), outcome]).inc_by(n);
        }
        for (reason, n) in &s.quarantined_by_reason {
            refused.with_label_values(&[s.source.as_str(), reason]).inc_by(*n);
        }
        partly.with_label_values(&[s.source.as_str()]).inc_by(s.partly);
        let stages = [
            ("journaled", s.records),
            ("evaluated", s.evaluated),
            ("late", s.late),
            ("stored", s.stored),
            ("dead_lettered", s.dead_lettered),
        ];
        for (stage, n) in stages {
            records.with_label_values(&[s.source.as_str(), stage]).inc_by(n);
        }
    }
    Ok(())
}

fn journal(watch: &Watch, registry: &Registry) -> Result<(), prometheus::Error> {
    let stats = watch.journal.stats();
    let position = gauge(
        registry,
        "ioc_journal_position",
        "Positions: first and next of the journal, and how far each reader is.",
        &["of"],
    )?;
    let at = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let progress = &watch.progress;
    for (of, n) in [
        ("first", stats.first),
        ("next", stats.next),
        ("rules", progress.rules.load(Relaxed)),
        ("live", progress.live.load(Relaxed)),
        ("history", progress.history.load(Relaxed)),
    ] {
        position.with_label_values(&[of]).set(at(n));
    }
    let bytes = gauge(registry, "ioc_journal_bytes", "Bytes of the journal on disk.", &[])?;
    bytes.with_label_values::<&str>(&[]).set(at(stats.bytes));
    let trouble = counter(
        registry,
        "ioc_journal_trouble_total",
        "Damaged records passed over, and retention that passed a reader.",
        &["kind"],
    )?;
    trouble.with_label_values(&["corrupt"]).inc_by(stats.corrupt);
    trouble.with_label_values(&["retention_passed_cursor"]).inc_by(stats.retention_passed_cursor);
    let commits = counter(registry, "ioc_journal_commits_total", "Group commits.", &[])?;
    commits.with_label_values::<&str>(&[]).inc_by(stats.commits);
    Ok(())
}

/// What each rule costs, and how the rules as a whole are.
fn rules(watch: &Watch, registry: &Registry) -> Result<(), prometheus::Error> {
    let running = watch.desk.view().running();
    let at = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let evaluations = counter(
        registry,
        "ioc_rule_evaluations_total",
        "Messages and timers that a rule judged.",
        &["rule"],
    )?;
    // Seconds have fractions, which the other counters do not.
    let cpu = CounterVec::new(
        Opts::new(
            "ioc_rule_cpu_seconds_total",
            "CPU of a rule, estimated from every 64th evaluation.",
        ),
        &["rule"],
    )?;
    registry.register(Box::new(cpu.clone()))?;
    let bytes = gauge(registry, "ioc_rule_state_bytes", "Bytes of a rule's states.", &["rule"])?;
    let entities = gauge(registry, "ioc_rule_entities", "States of a rule.", &["rule"])?;
    let open =
        gauge(registry, "ioc_rule_open_episodes", "Alerts of a rule that run now.", &["rule"])?;
    for (rule, load) in running.loads.iter() {
        let rule = [&**rule];
        evaluations.with_label_values(&rule).inc_by(load.evaluations);
        cpu.with_label_values(&rule).inc_by(load.cpu_ns as f64 / 1e9);
        bytes.with_label_values(&rule).set(at(load.state_bytes));
        entities.with_label_values(&rule).set(at(load.entities));
        open.with_label_values(&rule).set(at(load.open_episodes));
    }
    let s = &running.stats;
    let engine = gauge(registry, "ioc_rules_engine", "How much the rules hold.", &["of"])?;
    for (of, n) in [
        ("rules", s.rules),
        ("devices", s.devices),
        ("entities", s.entities),
        ("open_episodes", s.open_episodes),
        ("timers", s.timers),
        ("waiting", s.waiting),
        ("state_bytes", s.state_bytes),
    ] {
        engine.with_label_values(&[of]).set(at(n as u64));
    }
    let devices = counter(
        registry,
        "ioc_rules_devices_total",
        "Devices that the rules forgot for their silence, and records of those beyond the limit.",
        &["outcome"],
    )?;
    devices.with_label_values(&["refused"]).inc_by(s.refused_devices);
    devices.with_label_values(&["forgotten"]).inc_by(s.forgotten_devices);
    rule_changes(watch, registry, &running)
}

fn rule_changes(
    watch: &Watch,
    registry: &Registry,
    running: &Running,
) -> Result<(), prometheus::Error> {
    let at = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let changes = counter(
        registry,
        "ioc_rules_changes_total",
        "Changes of rules, accepted and refused.",
        &["outcome"],
    )?;
    changes.with_label_values(&["accepted"]).inc_by(watch.desk.accepted.load(Relaxed));
    changes.with_label_values(&["refused"]).inc_by(watch.desk.refused.load(Relaxed));
    let own = |name: &str, help: &str, n: u64| {
        gauge(registry, name, help, &[]).map(|g| g.with_label_values::<&str>(&[]).set(at(n)))
    };
    own("ioc_rules_version", "Version of the rules that run.", running.version)?;
    own(
        "ioc_rules_last_swap_us",
        "How long the last exchange held up the rules.",
        running.swap_us,
    )?;
    let trouble = watch.desk.trouble().map_or(0, |t| t.mistakes.len() as u64);
    own("ioc_rules_folder_mistakes", "Mistakes in the folder; the rules before run on.", trouble)
}

fn doors(watch: &Watch, registry: &Registry) -> Result<(), prometheus::Error> {
    let gateway = counter(
        registry,
        "ioc_gateway_events_total",
        "Connections of the MQTT gateway and what became of them.",
        &["event"],
    )?;
    for (event, n) in gateway_events(&watch.gateway) {
        gateway.with_label_values(&[event]).inc_by(n);
    }
    let subscriber = counter(
        registry,
        "ioc_subscriber_events_total",
        "Connections of the subscribers to outside brokers.",
        &["subscriber", "event"],
    )?;
    for (name, metrics) in &watch.subscribers {
        for (event, n) in subscriber_events(metrics) {
            subscriber.with_label_values(&[name.as_str(), event]).inc_by(n);
        }
    }
    Ok(())
}

fn gateway_events(m: &GatewayMetrics) -> Vec<(&'static str, u64)> {
    let counts = [
        ("accepted", &m.accepted),
        ("refused_full", &m.refused_full),
        ("refused_connect", &m.refused_connect),
        ("refused_address", &m.refused_address),
        ("sign_ins_refused", &m.sign_ins_refused),
        ("sign_ins_delayed", &m.sign_ins_delayed),
        ("takeovers_refused", &m.takeovers_refused),
        ("takeovers_slowed", &m.takeovers_slowed),
        ("evicted", &m.evicted),
        ("throttles", &m.throttles),
        ("throttled_ms", &m.throttled_ms),
        ("publications_withheld", &m.publications_withheld),
        ("tls_handshakes", &m.tls_handshakes),
        ("tls_resumed", &m.tls_resumed),
        ("tls_failures", &m.tls_failures),
        ("tls_timeouts", &m.tls_timeouts),
        ("tls_reloads", &m.tls_reloads),
        ("tls_reload_errors", &m.tls_reload_errors),
        ("crl_overdue", &m.crl_overdue),
        ("revoked", &m.revoked),
        ("websockets", &m.websockets),
        ("accept_errors", &m.accept_errors),
        ("protocol_errors", &m.protocol_errors),
        ("takeovers", &m.takeovers),
        ("keep_alive_timeouts", &m.keep_alive_timeouts),
        ("write_timeouts", &m.write_timeouts),
        ("sink_errors", &m.sink_errors),
        ("publishes", &m.publishes),
        ("qos2_repeats", &m.qos2_repeats),
        ("not_authorised", &m.not_authorised),
        ("chunks", &m.chunks),
        ("acks", &m.acks),
        ("wills", &m.wills),
        ("publications_sent", &m.publications_sent),
        ("publications_too_large", &m.publications_too_large),
        ("subscriptions_refused", &m.subscriptions_refused),
        ("sessions_dropped", &m.sessions_dropped),
    ];
    counts.iter().map(|(event, n)| (*event, n.load(Relaxed))).collect()
}

fn subscriber_events(m: &SubscriberMetrics) -> Vec<(&'static str, u64)> {
    let counts = [
        ("connections", &m.connections),
        ("connection_errors", &m.connection_errors),
        ("subscriptions_refused", &m.subscriptions_refused),
        ("subscriptions_lowered", &m.subscriptions_lowered),
        ("publishes", &m.publishes),
        ("chunks", &m.chunks),
        ("acks", &m.acks),
        ("stale_acks", &m.stale_acks),
        ("sink_errors", &m.sink_errors),
    ];
    counts.iter().map(|(event, n)| (*event, n.load(Relaxed))).collect()
}
