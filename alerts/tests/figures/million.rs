//! How long it takes with a million alerts. Measured, not asserted:
//! `cargo test --release -p ioc-alerts --test figures -- --ignored --nocapture million`.
//! Filling takes most of it; with `IOC_MILLION=folder` the register is kept there and found again.

use std::time::Instant;

use ioc_model::{
    ActionRequest, AlertId, AlertStore, KpiStore, Scope, Severity, ShiftStore, Target,
    TransitionKind,
};

use crate::desk::{DAY, Desk, MINUTE, NOW, S, Spec, acknowledge, actor, figure, flood, query};

const ALL: i64 = 1_100_000;
/// One in eleven is still active.
const ACTIVE: i64 = 11;
const SPAN: i64 = 30 * DAY;

const RULES: [&str; 5] = ["flood.street", "air.pm25", "device.offline", "noise", "traffic.jam"];

fn fill(desk: &Desk) {
    let at = |i: i64| i * (SPAN / ALL);
    let devices: Vec<String> = (0..10_000).map(|i| format!("device-{i}")).collect();
    let areas: Vec<String> = (0..94).map(|i| format!("ward-{i}")).collect();
    let all: Vec<i64> = (0..ALL).collect();
    for part in all.chunks(10_000) {
        let mut transitions = Vec::new();
        let mut over = Vec::new();
        for i in part {
            let spec = Spec {
                rule: RULES[(i % 5) as usize],
                area: &areas[(i % 94) as usize],
                service: RULES[(i % 5) as usize],
                severity: Severity::from_u8((i % 5 + 1) as u8).expect("1 to 5"),
                ..flood(&devices[(i * 7_919 % 10_000) as usize], at(*i))
            };
            transitions.push(spec.transition(TransitionKind::Raise, 0));
            if i % ACTIVE != 0 {
                transitions.push(spec.transition(TransitionKind::Clear, (i % 40) * MINUTE / 2));
                over.push(Target { alert: spec.id(), version: None });
            }
        }
        desk.register.apply(3, &transitions).expect("applies");
        let request = ActionRequest {
            targets: over,
            action: acknowledge(),
            actor: actor("lan", at(part[0]) + 5 * MINUTE),
            key: None,
            scope: Scope::city(),
        };
        desk.register.act(&request).expect("closes what is over");
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begin, cpu) = (Instant::now(), cpu_ms());
    let done = work();
    let wall = begin.elapsed().as_secs_f64() * 1000.0;
    println!("{what}: {wall:.0} ms, CPU {} ms", cpu_ms() - cpu);
    done
}

/// User and system time of this process; the kernel counts it in steps of 10 ms.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() * 10
}

/// Resident memory, and its highest so far, MB.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"));
    lines.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

#[test]
#[ignore = "a measurement of minutes"]
fn a_report_of_a_million_alerts() {
    let kept = std::env::var_os("IOC_MILLION").map(std::path::PathBuf::from);
    let is_filled = kept.as_ref().is_some_and(|folder| folder.join("alerts.sqlite").exists());
    let desk = timed("open", || kept.map_or_else(Desk::new, |folder| Desk::at(&folder)));
    if !is_filled {
        timed("1.1 M alerts raised, cleared, closed", || fill(&desk));
    }
    println!("before: {}", memory());
    let thirty = query(0, SPAN);
    let report = timed("30 days, first", || desk.kpis.report(&thirty).expect("reads"));
    println!("after: {}", memory());
    println!(
        "{} alarms, {} incidents, standing {:?}",
        report.alarms,
        report.incidents,
        figure(&report, "standing")
    );
    timed("30 days, again without a change", || desk.kpis.report(&thirty).expect("reads"));
    let id: AlertId = flood("new", SPAN - S).id();
    desk.apply(&flood("new", SPAN - S));
    desk.register.get(&id, &Scope::city()).expect("is there");
    timed("30 days, after a change", || desk.kpis.report(&thirty).expect("reads"));
    let day = query(SPAN - DAY, SPAN);
    timed("the last day", || desk.kpis.report(&day).expect("reads"));
    let ward = ioc_model::KpiQuery { area: Some("ward-7".into()), ..query(0, SPAN) };
    timed("30 days of one ward", || desk.kpis.report(&ward).expect("reads"));
    let now = NOW.plus_ms(SPAN);
    timed("metrics, first", || desk.kpis.metrics(now).expect("reads"));
    let later = now.plus_ms(15 * S);
    timed("metrics, 15 s later", || desk.kpis.metrics(later).expect("reads"));
    timed("metrics, at once again", || desk.kpis.metrics(later).expect("reads"));
    let h = timed("handover of 12 h", || {
        desk.shifts.handover(now.plus_ms(-DAY / 2), now).expect("reads")
    });
    println!("{} open, {} raised, {} closed", h.open_total, h.raised, h.closed);
    println!("at the end: {}", memory());
}
