//! The register of a large city, always the same.

use std::path::Path;
use std::sync::Arc;

use ioc_alerts::policy::Policy;
use ioc_alerts::{Register, RegisterParts};
use ioc_model::{
    Action, ActionRequest, Actor, AlertId, AlertStore, Assignee, AssigneeKind, ConfigFiles, Entity,
    Scope, Severity, Target, Text, Timestamp, Transition, TransitionKind,
};
use rusqlite::{Connection, params};

pub const NOW: Timestamp = Timestamp(1_795_399_200_000);
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const ACTIVE: u64 = 100_000;
/// Closed ones made through the register, and how many there are of each in the end.
const CLOSED: u64 = 20_000;
const COPIES: u64 = 50;
/// The open ones were raised within so long.
const OPEN_MS: i64 = 10 * DAY;

/// Only emergencies have a time, so that nothing but them is due.
const POLICY: &str = "
shelving: { max: 12h }
auto_close: 24h
incidents: { gap: 30m }
flood: { raised: 10, within: 10m, ends_below: 5 }
working_time: { days: [mon], hours: [\"07:30-11:30\"] }
classes:
  - { id: urgent, name: { vi: Khẩn, en: Urgent }, severities: [emergency], acknowledge: { within: 5m } }
";

pub struct City {
    pub open: u64,
    pub closed: u64,
}

pub fn parts() -> RegisterParts {
    let files = ConfigFiles([("alerts.yaml".to_owned(), POLICY.to_owned())].into());
    let policy = Policy::load(&files, &ioc_model::City::default()).expect("valid");
    let listener: ioc_alerts::Listener = Arc::new(|_| {});
    RegisterParts { city: Arc::default(), policy: Arc::new(policy), listener }
}

/// Ids are spread as those of episodes are.
pub fn id(n: u64) -> AlertId {
    let mix = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    AlertId(format!("{:016x}{:016x}", mix(n + 1), mix(n ^ 0x9e37_79b9)))
}

fn raise(n: u64, at: Timestamp, severity: Severity) -> Transition {
    let device = format!("device-{}", n.wrapping_mul(0x9e37_79b9) % 5_000);
    Transition {
        position: n,
        alert: id(n),
        rule: format!("rule-{}", n % 60).as_str().into(),
        entity: Entity::Device(device.as_str().into()),
        device: Some(device.as_str().into()),
        area: format!("ward-{}", n / 3 % 94).as_str().into(),
        service: format!("service-{}", n % 18).as_str().into(),
        time: at,
        kind: TransitionKind::Raise,
        severity,
        value: Some(2.5),
        limit: Some(2.0),
        unit: "m".into(),
        name: Text { vi: "Mực nước cao".into(), en: "High water level".into() },
        message: Text {
            vi: format!("Mực nước tại trạm {device} là 2,5 m, vượt báo động II (2,0 m)"),
            en: format!("Water level at station {device} is 2.5 m, above alarm level II (2.0 m)"),
        },
        cause: format!("cause-{}", n % 7).as_str().into(),
        latched: false,
        evidence: Box::default(),
    }
}

fn severity(n: u64) -> Severity {
    // One in 16 critical, none an emergency.
    [Severity::Critical, Severity::Major, Severity::Major, Severity::Minor]
        .get((n % 16) as usize)
        .copied()
        .unwrap_or(Severity::Info)
}

/// The rule found another severity of an open alert.
pub fn change(position: u64, n: u64) -> Transition {
    let severity = if position.is_multiple_of(2) { Severity::Info } else { Severity::Minor };
    Transition {
        position,
        kind: TransitionKind::Severity,
        ..raise(n, NOW.plus_ms(position as i64), severity)
    }
}

pub fn next_position(register: &Register) -> u64 {
    register.cursor().expect("reads") + 1
}

pub fn raise_emergencies(register: &Register, n: u64) {
    let from = next_position(register).max(9_000_000);
    let all: Vec<Transition> =
        (from..from + n).map(|i| raise(i, NOW, Severity::Emergency)).collect();
    for part in all.chunks(1_000) {
        register.apply(from + n, part).expect("applies");
    }
}

impl City {
    pub fn new(scale: u64) -> Self {
        Self { open: ACTIVE / scale, closed: CLOSED / scale * COPIES }
    }

    pub fn build(path: &Path, scale: u64) {
        let (open, closed) = (ACTIVE / scale, CLOSED / scale);
        let register = Register::open(path, parts()).expect("opens");
        let spread = |i: u64, n: u64, ms: i64| NOW.plus_ms(-((n - i) as i64 * ms / n as i64));
        // Those that will be closed first: their times lie before those of the open ones.
        let first = open;
        let old: Vec<Transition> = (0..closed)
            .map(|i| {
                let at = spread(i, closed, 7 * DAY).plus_ms(-OPEN_MS);
                raise(first + i, at, severity(first + i))
            })
            .collect();
        apply(&register, &old);
        act(&register, first..first + closed, |n| match n % 20 {
            0 => Action::Reject { reason: "báo động giả".into() },
            _ => Action::Acknowledge { note: None },
        });
        let end = first + closed;
        let clears: Vec<Transition> = old
            .into_iter()
            .map(|t| Transition {
                position: end + t.position,
                kind: TransitionKind::Clear,
                time: t.time.plus_ms(20 * MINUTE),
                ..t
            })
            .collect();
        apply(&register, &clears);
        let new: Vec<Transition> =
            (0..open).map(|i| raise(i, spread(i, open, OPEN_MS), severity(i))).collect();
        apply(&register, &new);
        // The first half stays as it was raised.
        act(&register, open / 2..open, |n| match n % 10 {
            0..4 => Action::Acknowledge { note: None },
            4..6 => Action::Assign { to: team(n), note: None },
            6 => Action::Start { note: None },
            7 => Action::Shelve {
                until: NOW.plus_ms(6 * 60 * MINUTE), reason: "sửa chữa".into()
            },
            8 => Action::Resolve { note: None },
            _ => Action::Comment { text: "đã gọi".into() },
        });
        drop(register);
        multiply(path, first, closed);
    }

    /// A time at which a page may begin.
    pub fn depth(&self, n: u64, open: bool) -> Timestamp {
        let span = if open { OPEN_MS } else { OPEN_MS + 7 * DAY * COPIES as i64 };
        NOW.plus_ms(-((n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1) as i64 % span))
    }
}

fn team(n: u64) -> Assignee {
    Assignee { kind: AssigneeKind::Agency, name: format!("team-{}", n % 30) }
}

fn apply(register: &Register, transitions: &[Transition]) {
    for part in transitions.chunks(2_000) {
        let next = part.iter().map(|t| t.position).max().unwrap_or(0) + 1;
        register.apply(next, part).expect("applies");
    }
}

/// Acts on alerts, those with the same action together.
fn act(register: &Register, range: std::ops::Range<u64>, action: impl Fn(u64) -> Action) {
    let mut groups: Vec<(Action, Vec<Target>)> = Vec::new();
    for n in range {
        let (action, target) = (action(n), Target { alert: id(n), version: None });
        match groups.iter_mut().find(|g| g.0 == action) {
            Some(group) => group.1.push(target),
            None => groups.push((action, vec![target])),
        }
    }
    for (action, targets) in groups {
        for part in targets.chunks(ActionRequest::MAX_TARGETS) {
            let request = ActionRequest {
                targets: part.to_vec(),
                action: action.clone(),
                actor: Actor { user: "lan".into(), origin: None, at: NOW.plus_ms(-60 * MINUTE) },
                key: None,
                scope: Scope::city(),
            };
            let outcome = register.act(&request).expect("possible");
            assert!(outcome.results.iter().all(|r| r.refused.is_none()), "{action:?}");
        }
    }
}

/// Copies the closed alerts, a week earlier each time. What was raised is indexed afterwards: row
/// by row that would take an hour.
fn multiply(path: &Path, first: u64, closed: u64) {
    let db = Connection::open(path).expect("opens");
    let indexes: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .expect("the indexes");
    // Ids are spread: with a small cache each row would write a page of their index.
    db.execute_batch(
        "PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY; PRAGMA synchronous = OFF; BEGIN",
    )
    .expect("begins");
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX {name}")).expect("drops");
    }
    copies(&db, first, closed);
    for (_, sql) in &indexes {
        db.execute_batch(sql).expect("indexes");
    }
    db.execute_batch(
        "UPDATE meta SET value = (SELECT max(change) FROM alert) WHERE key = 'change';
         DELETE FROM act_row; DELETE FROM act; UPDATE meta SET value = 0 WHERE key = 'act_rows';
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .expect("commits");
}

fn copies(db: &Connection, first: u64, closed: u64) {
    db.execute_batch(
        "CREATE TEMP TABLE copy (old TEXT PRIMARY KEY, new TEXT NOT NULL) WITHOUT ROWID;
         CREATE TEMP TABLE from_alert AS SELECT * FROM alert WHERE open = 0;
         CREATE TEMP TABLE from_member AS SELECT * FROM member WHERE open = 0;",
    )
    .expect("takes what is copied");
    let [alerts, members] = ["alert", "member"].map(|table| copy_of(db, table));
    for n in 1..COPIES {
        db.execute_batch("DELETE FROM copy").expect("empties");
        let mut insert = db.prepare("INSERT INTO copy VALUES (?1, ?2)").expect("prepares");
        for i in first..first + closed {
            let new = id(1_000_000 * (n + 10) + i);
            insert.execute([&id(i).0, &new.0]).expect("inserts");
        }
        drop(insert);
        let back = n as i64 * 7 * DAY;
        db.execute(&alerts, params![n as i64, back]).expect("copies alerts");
        db.execute(&members, params![n as i64, back]).expect("copies members");
    }
}

/// Copies one table into itself: `?1` tells the copies apart, `?2` is how much earlier they are.
fn copy_of(db: &Connection, table: &str) -> String {
    let columns: Vec<String> = db
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .expect("the columns");
    let key = if table == "alert" { "id" } else { "alert" };
    let value = |column: &String| match column.as_str() {
        column if column == key => "new".to_owned(),
        "change" => "change + ?1 * 1000000".to_owned(),
        "incident" => "incident || '-' || ?1".to_owned(),
        "row" => "json_set(row, '$.id', new, '$.change', change + ?1 * 1000000,
                    '$.raised_at', raised_at - ?2, '$.changed_at', row ->> 'changed_at' - ?2,
                    '$.cleared_at', cleared_at - ?2, '$.acknowledged_at', acked_at - ?2,
                    '$.closed_at', closed_at - ?2, '$.incident', incident || '-' || ?1)"
            .to_owned(),
        at if at.ends_with("_at") && at != "due_at" => format!("{at} - ?2"),
        other => other.to_owned(),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM from_{table} JOIN copy ON old = {key}",
        columns.join(", "),
        values.join(", ")
    )
}
