//! The register as the app and the dashboard use it.

use std::sync::{Arc, Mutex};

use ioc_alerts::{Archive, Found, Register};
use ioc_model::{
    Acknowledge, AlertFilter, AlertId, AlertRow, AlertStore, Condition, Entity, RegisterError,
    Severity, Text, Timestamp, Transition, TransitionKind,
};

fn transition(position: u64, start: i64, kind: TransitionKind, severity: Severity) -> Transition {
    let entity = Entity::Device("river-cam-le".into());
    Transition {
        position,
        alert: AlertId::new("flood-level", &entity, Timestamp(start)),
        rule: "flood-level".into(),
        entity,
        device: Some("river-cam-le".into()),
        area: "cam_le".into(),
        service: "river".into(),
        time: Timestamp(start + position as i64),
        kind,
        severity,
        value: Some(2.5),
        limit: Some(2.0),
        unit: "m".into(),
        name: Text { vi: "Lũ".into(), en: "Flood".into() },
        message: Text { vi: format!("v{position}"), en: format!("e{position}") },
        evidence: Box::default(),
    }
}

struct Bench {
    dir: tempfile::TempDir,
    heard: Arc<Mutex<Vec<AlertRow>>>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), heard: Arc::default() }
    }

    fn open(&self) -> Register {
        let heard = Arc::clone(&self.heard);
        Register::open(
            &self.dir.path().join("alerts.sqlite"),
            Arc::new(move |rows| heard.lock().expect("no panic").extend_from_slice(rows)),
        )
        .expect("opens")
    }
}

fn acknowledge(alert: &AlertId, user: &str, key: Option<&str>) -> Acknowledge {
    Acknowledge {
        alert: alert.clone(),
        user: user.into(),
        note: Some("đã báo phường".into()),
        idempotency_key: key.map(Into::into),
        at: Timestamp(9_000),
    }
}

#[test]
fn replay_after_a_crash_changes_nothing() {
    use TransitionKind::{Clear, Raise, Severity as Step};
    let bench = Bench::new();
    let all = [
        transition(10, 1_000, Raise, Severity::Minor),
        transition(11, 1_000, Step, Severity::Critical),
        transition(12, 1_000, Clear, Severity::Critical),
        transition(13, 5_000, Raise, Severity::Minor),
    ];
    let register = bench.open();
    register.apply(12, &all[..2]).expect("applies");
    drop(register);
    let register = bench.open();
    assert_eq!(register.cursor().expect("reads"), 12);
    register.apply(20, &all).expect("applies");
    register.apply(20, &all).expect("applies again");
    let (rows, newest) =
        register.list(&AlertFilter { limit: 10, ..AlertFilter::default() }).expect("lists");
    assert_eq!(rows.len(), 2);
    assert_eq!(newest, 4, "four transitions, four changes");
    assert_eq!(rows[1].condition, Condition::Returned);
    assert_eq!(rows[1].severity_max, Severity::Critical);
    assert_eq!(rows[1].message.vi, "v12");
    let changes: Vec<u64> =
        bench.heard.lock().expect("no panic").iter().map(|r| r.change).collect();
    assert_eq!(changes, [1, 2, 3, 4]);
    let actions: Vec<String> =
        register.audit(&rows[1].id).expect("reads").into_iter().map(|a| a.action).collect();
    assert_eq!(actions, ["raise", "severity", "clear"]);
}

#[test]
fn acknowledging_twice_tells_who_was_first_and_a_repeated_request_is_no_conflict() {
    let bench = Bench::new();
    let register = bench.open();
    let raise = transition(1, 1_000, TransitionKind::Raise, Severity::Major);
    register.apply(2, std::slice::from_ref(&raise)).expect("applies");
    let row = register.acknowledge(&acknowledge(&raise.alert, "lan", Some("k1"))).expect("first");
    assert!(row.acknowledged);
    assert_eq!(row.acknowledged_by.as_deref(), Some("lan"));
    let again = register.acknowledge(&acknowledge(&raise.alert, "lan", Some("k1")));
    assert_eq!(again.expect("same request").change, row.change);
    match register.acknowledge(&acknowledge(&raise.alert, "minh", None)) {
        Err(RegisterError::AlreadyAcknowledged { by, .. }) => assert_eq!(by, "lan"),
        other => unreachable!("expected a conflict, got {other:?}"),
    }
    assert!(matches!(
        register.acknowledge(&acknowledge(&raise.alert, "minh", Some("k1"))),
        Err(RegisterError::KeyReused(_))
    ));
    assert!(matches!(
        register.acknowledge(&acknowledge(&AlertId("0".into()), "minh", None)),
        Err(RegisterError::NotFound(_))
    ));
}

#[test]
fn the_open_list_keeps_returned_alerts_until_they_are_acknowledged() {
    let bench = Bench::new();
    let register = bench.open();
    let raise = transition(1, 1_000, TransitionKind::Raise, Severity::Major);
    let clear = transition(2, 1_000, TransitionKind::Clear, Severity::Major);
    register.apply(3, &[raise.clone(), clear]).expect("applies");
    let open = AlertFilter { open_only: true, limit: 10, ..AlertFilter::default() };
    assert_eq!(register.list(&open).expect("lists").0.len(), 1);
    register.acknowledge(&acknowledge(&raise.alert, "lan", None)).expect("acknowledges");
    assert!(register.list(&open).expect("lists").0.is_empty());
}

#[test]
fn filters_bind_hostile_text_and_pages_meet_without_overlap() {
    let bench = Bench::new();
    let register = bench.open();
    let raises: Vec<_> = (0..25)
        .map(|i| transition(i, 1_000 * (i as i64 / 2), TransitionKind::Raise, Severity::Info))
        .map(|mut t| {
            t.alert = AlertId(format!("{:032x}", t.position));
            t
        })
        .collect();
    register.apply(25, &raises).expect("applies");
    let hostile =
        AlertFilter { service: Some("' OR 1=1 --".into()), limit: 50, ..AlertFilter::default() };
    assert!(register.list(&hostile).expect("lists").0.is_empty());
    let mut seen = Vec::new();
    let mut filter = AlertFilter { limit: 7, ..AlertFilter::default() };
    loop {
        let (rows, _) = register.list(&filter).expect("lists");
        let Some(last) = rows.last() else { break };
        filter.before = Some((last.raised_at, last.id.0.clone()));
        seen.extend(rows.into_iter().map(|r| r.id.0));
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
    let resumed = AlertFilter { after_change: Some(20), limit: 100, ..AlertFilter::default() };
    let changes: Vec<u64> =
        register.list(&resumed).expect("lists").0.iter().map(|r| r.change).collect();
    assert_eq!(changes, [21, 22, 23, 24, 25]);
}

#[test]
fn a_changed_rule_judging_old_entries_anew_raises_what_was_never_raised() {
    use TransitionKind::{Raise, Severity as Step};
    let bench = Bench::new();
    let register = bench.open();
    // The register has applied up to 200; the checkpoint of the rules lies at 100.
    let known = [
        transition(150, 1_000, Raise, Severity::Minor),
        transition(160, 1_000, Step, Severity::Critical),
        transition(170, 1_000, Step, Severity::Minor),
    ];
    register.apply(200, &known).expect("applies");
    // After the crash another rule, new to the register, raises at a position below 200.
    let mut other = transition(120, 5_000, Raise, Severity::Major);
    other.alert = AlertId("f".repeat(32));
    let replayed: Vec<_> = std::iter::once(other).chain(known).collect();
    let changed = register.apply(200, &replayed).expect("applies");
    assert_eq!(changed.len(), 1, "only what was never applied changes anything");
    assert_eq!(changed[0].id.0, "f".repeat(32));
}

#[test]
fn two_changes_of_one_alert_by_one_entry_are_both_applied() {
    use TransitionKind::{Raise, Severity as Step};
    let bench = Bench::new();
    let register = bench.open();
    // A timer that was due raises, then the reading of the same entry escalates.
    let both = [
        transition(10, 1_000, Raise, Severity::Minor),
        transition(10, 1_000, Step, Severity::Critical),
    ];
    assert_eq!(register.apply(11, &both).expect("applies").len(), 2);
    assert!(register.apply(11, &both).expect("applies again").is_empty());
}

fn with_evidence(mut t: Transition) -> Transition {
    t.evidence.reading(&"river-cam-le".into(), &"water_level".into(), 990, 2.5);
    t.evidence.timer("for", 400, 1_000);
    t.evidence.limit = Some(ioc_model::EvidenceLimit {
        comparison: "> 2".into(),
        threshold: Some("flood.bd2".into()),
        source: Some("Quyết định 05/2020/QĐ-TTg".into()),
        effective: Some("2020-03-18".into()),
    });
    t
}

#[test]
fn each_transition_keeps_its_evidence_limit_and_message() {
    use TransitionKind::{Clear, Raise};
    let bench = Bench::new();
    let register = bench.open();
    let raise = with_evidence(transition(1, 1_000, Raise, Severity::Major));
    let clear = transition(2, 1_000, Clear, Severity::Major);
    register.apply(3, &[raise.clone(), clear.clone()]).expect("applies");
    register.acknowledge(&acknowledge(&raise.alert, "lan", None)).expect("acknowledges");
    let audit = register.audit(&raise.alert).expect("reads");
    assert_eq!(audit[0].evidence.as_ref(), Some(&raise.evidence));
    assert_eq!(audit[0].message.as_ref(), Some(&raise.message));
    assert_eq!((audit[0].limit, audit[0].value), (Some(2.0), Some(2.5)));
    assert_eq!((&audit[1].evidence, audit[1].message.as_ref()), (&None, Some(&clear.message)));
    assert_eq!((&audit[2].evidence, &audit[2].message, audit[2].limit), (&None, &None, None));
}

/// The tables as version 0.1.0 made them.
const FIRST_SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE alert (
  id TEXT PRIMARY KEY, change INTEGER NOT NULL, raised_at INTEGER NOT NULL,
  open INTEGER NOT NULL, severity INTEGER NOT NULL, service TEXT NOT NULL, area TEXT NOT NULL,
  device TEXT, row TEXT NOT NULL);
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
  at INTEGER NOT NULL, severity INTEGER NOT NULL, value REAL, note TEXT);
CREATE TABLE request (
  key TEXT PRIMARY KEY, user TEXT NOT NULL, alert TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
";

#[test]
fn a_register_of_an_earlier_version_is_read_as_it_is_and_taken_over_with_its_alerts() {
    use TransitionKind::{Clear, Raise};
    let bench = Bench::new();
    let raise = with_evidence(transition(1, 1_000, Raise, Severity::Major));
    bench.open().apply(2, std::slice::from_ref(&raise)).expect("applies");
    let path = bench.dir.path().join("alerts.sqlite");
    let row: String = {
        let db = rusqlite::Connection::open(&path).expect("opens");
        db.query_row("SELECT row FROM alert", [], |r| r.get(0)).expect("one row")
    };
    let old = bench.dir.path().join("old.sqlite");
    {
        let db = rusqlite::Connection::open(&old).expect("opens");
        db.execute_batch(FIRST_SCHEMA).expect("makes the tables");
        db.execute(
            "INSERT INTO alert VALUES (?1, 1, 1000, 1, 3, 'river', 'cam_le', NULL, ?2)",
            [&raise.alert.0, &row],
        )
        .expect("an alert");
        db.execute(
            "INSERT INTO audit VALUES (1, ?1, 'raise', 'rule:flood-level', 1001, 3, 2.5, NULL)",
            [&raise.alert.0],
        )
        .expect("a line");
    }
    let archive = Archive::open(&old).expect("opens for reading");
    let lines = archive.audit(&raise.alert).expect("reads");
    assert_eq!((lines.len(), &lines[0].evidence, lines[0].value), (1, &None, Some(2.5)));
    drop(archive);
    let register = Register::open(&old, Arc::new(|_| ())).expect("takes it over");
    let clear = with_evidence(transition(9, 1_000, Clear, Severity::Major));
    register.apply(10, std::slice::from_ref(&clear)).expect("applies");
    let lines = register.audit(&raise.alert).expect("reads");
    assert_eq!(lines[0].evidence, None);
    assert_eq!(lines[1].evidence.as_ref(), Some(&clear.evidence));
    assert_eq!(register.get(&raise.alert).expect("is there").condition, Condition::Returned);
}

#[test]
fn an_archive_reads_while_the_register_writes_and_finds_by_the_first_digits() {
    use TransitionKind::Raise;
    let bench = Bench::new();
    let register = bench.open();
    let all: Vec<Transition> =
        (0..200).map(|i| transition(i, 1_000 * i as i64, Raise, Severity::Minor)).collect();
    register.apply(50, &all[..50]).expect("applies");
    let archive = Archive::open(&bench.dir.path().join("alerts.sqlite")).expect("opens");
    register.apply(200, &all[50..]).expect("applies while it is being read");
    let id = &all[199].alert;
    let found = archive.find(&id.0.to_uppercase()).expect("reads");
    assert!(matches!(&found, Found::One(row) if row.id == *id), "{found:?}");
    let found = archive.find(&id.0[..12]).expect("reads");
    assert!(matches!(&found, Found::One(row) if row.id == *id), "{found:?}");
    for bad in ["", "abc", "zzzz", "%%%%", "0000000000000000"] {
        assert_eq!(archive.find(bad).expect("reads"), Found::None, "{bad}");
    }
}
