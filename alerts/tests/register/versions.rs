//! Files of earlier versions.

use ioc_alerts::{Archive, Found, Register};
use ioc_model::{
    AlertFilter, AlertId, AlertRow, AlertStore, Condition, RegisterError, Scope, Severity,
    TransitionKind, Work,
};

use crate::desk::*;

/// The tables as version 0.1.0 made them.
const FIRST_SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE alert (
  id TEXT PRIMARY KEY, change INTEGER NOT NULL, raised_at INTEGER NOT NULL,
  open INTEGER NOT NULL, severity INTEGER NOT NULL, service TEXT NOT NULL, area TEXT NOT NULL,
  device TEXT, row TEXT NOT NULL);
CREATE UNIQUE INDEX alert_change ON alert (change);
CREATE INDEX alert_open ON alert (open, raised_at DESC, id DESC);
CREATE INDEX alert_raised ON alert (raised_at DESC, id DESC);
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
  at INTEGER NOT NULL, severity INTEGER NOT NULL, value REAL, note TEXT);
CREATE INDEX audit_alert ON audit (alert, seq);
CREATE TABLE request (
  key TEXT PRIMARY KEY, user TEXT NOT NULL, alert TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('cursor', 10), ('change', 4);
INSERT INTO request VALUES ('k1', 'lan', 'x', 9000);
";

/// A row as version 0.1.0 wrote it: nothing of work, holds and incidents.
fn old_row(n: u64, condition: &str, acknowledged: bool) -> (AlertId, String) {
    let row = AlertRow::raised(&numbered(n, n as i64 * MINUTE, Severity::Major));
    let mut json = serde_json::to_value(&row).expect("JSON");
    let map = json.as_object_mut().expect("an object");
    for later in ["cause", "latched", "work", "state", "overdue", "escalated", "comments"] {
        map.remove(later);
    }
    map.insert("ver".into(), n.into());
    map.insert("change".into(), n.into());
    map.insert("condition".into(), condition.into());
    if condition == "returned" {
        map.insert("cleared_at".into(), NOW.plus_ms(HOUR).0.into());
    }
    if acknowledged {
        map.insert("acknowledged".into(), true.into());
        map.insert("acknowledged_at".into(), NOW.plus_ms(2 * HOUR).0.into());
        map.insert("acknowledged_by".into(), "lan".into());
    }
    (row.id, json.to_string())
}

/// A file of version 0.1.0 with an alert in each of its four states.
fn old_file(desk: &Desk) -> [AlertId; 4] {
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    db.execute_batch(FIRST_SCHEMA).expect("makes the tables");
    let states = [("active", false), ("active", true), ("returned", false), ("returned", true)];
    let mut n = 0;
    states.map(|(condition, acknowledged)| {
        n += 1;
        let (id, row) = old_row(n, condition, acknowledged);
        let open = !(acknowledged && condition == "returned");
        db.execute(
            "INSERT INTO alert VALUES (?1, ?2, ?3, ?4, 3, 'river', ?5, NULL, ?6)",
            rusqlite::params![
                id.0,
                n as i64,
                NOW.plus_ms(n as i64 * (MINUTE + 1)).0,
                open,
                format!("ward-{}", n % 7),
                row
            ],
        )
        .expect("an alert");
        db.execute(
            "INSERT INTO audit VALUES (?1, ?2, 'raise', 'rule:flood-level', 1001, 3, 2.5, NULL)",
            rusqlite::params![n as i64, id.0],
        )
        .expect("a line");
        id
    })
}

const WORK: [Work; 4] = [Work::New, Work::Acknowledged, Work::New, Work::Closed];

#[test]
fn an_archive_reads_a_file_of_an_earlier_version_and_does_not_touch_it() {
    let desk = Desk::new();
    let ids = old_file(&desk);
    let before = std::fs::read(desk.path()).expect("reads");
    let archive = Archive::open(&desk.path()).expect("opens for reading");
    for (id, work) in ids.iter().zip(WORK) {
        let lines = archive.audit(id).expect("reads");
        assert_eq!((lines.len(), &lines[0].evidence, lines[0].value), (1, &None, Some(2.5)));
        match archive.find(&id.0).expect("reads") {
            Found::One(row) => assert_eq!(row.work, work),
            other => unreachable!("expected one alert, got {other:?}"),
        }
    }
    drop(archive);
    assert_eq!(std::fs::read(desk.path()).expect("reads"), before);
}

#[test]
fn a_file_of_an_earlier_version_is_taken_over_with_its_alerts() {
    let desk = Desk::new();
    let ids = old_file(&desk);
    let register = desk.open();
    assert_eq!(register.cursor().expect("reads"), 10);
    for (id, work) in ids.iter().zip(WORK) {
        let row = register.get(id, &Scope::city()).expect("is there");
        assert_eq!((row.work, row.incident.as_ref()), (work, None));
        assert_eq!(row.is_open(), work != Work::Closed);
    }
    let closed = register.get(&ids[3], &Scope::city()).expect("is there");
    assert_eq!(closed.closed_at, Some(NOW.plus_ms(2 * HOUR)));
    // The lists find them by their new columns.
    let count = |f: AlertFilter| list(&register, f).len();
    assert_eq!(count(AlertFilter { open_only: true, ..AlertFilter::of(Scope::city()) }), 3);
    assert_eq!(
        count(AlertFilter { work: Some(Work::Closed), ..AlertFilter::of(Scope::city()) }),
        1
    );
    assert_eq!(
        count(AlertFilter { rule: Some("flood-level".into()), ..AlertFilter::of(Scope::city()) }),
        4
    );
    let unseen = AlertFilter {
        open_only: true,
        acknowledged: Some(false),
        ..AlertFilter::of(Scope::city())
    };
    assert_eq!(count(unseen), 2);
    // They live on: one is acknowledged, one clears, and their history goes on.
    done(&register, &ids[0], acknowledge());
    let mut t = numbered(2, 2 * MINUTE, Severity::Major);
    (t.kind, t.position) = (TransitionKind::Clear, 20);
    register.apply(21, &[t]).expect("applies");
    let row = register.get(&ids[1], &Scope::city()).expect("is there");
    assert_eq!((row.condition, row.work), (Condition::Returned, Work::Closed));
    assert_eq!(actions(&register, &ids[1]), ["raise", "clear"]);
    drop(register);
    let register = desk.open();
    assert_eq!(register.get(&ids[1], &Scope::city()).expect("is there"), row, "once is enough");
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    let column = |sql: &str| -> Option<i64> {
        db.query_row(sql, [&ids[3].0], |r| r.get(0)).expect("one row")
    };
    assert_eq!(column("SELECT acked_at FROM alert WHERE id = ?1"), Some(NOW.plus_ms(2 * HOUR).0));
    assert_eq!(column("SELECT closed_at FROM alert WHERE id = ?1"), Some(NOW.plus_ms(2 * HOUR).0));
    assert_eq!(column("SELECT held_at_raise FROM alert WHERE id = ?1"), Some(0));
}

#[test]
fn a_file_of_a_later_version_is_not_touched() {
    let desk = Desk::new();
    drop(desk.open());
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    db.pragma_update(None, "user_version", 99).expect("sets");
    drop(db);
    let refused = Register::open(&desk.path(), silent());
    assert!(matches!(refused, Err(RegisterError::Bad(why)) if why.contains("version 99")));
    assert!(Archive::open(&desk.path()).is_err());
}

#[test]
fn the_figures_of_the_alarm_system_find_their_columns() {
    let desk = Desk::new();
    let register = desk.open();
    let row = raise(&register, 0, Severity::Major);
    done(&register, &row.id, acknowledge());
    clear(&register, &row);
    let db = rusqlite::Connection::open(desk.path()).expect("opens");
    let (rule, work, condition, worst, acked, held): (String, String, String, i64, i64, i64) = db
        .query_row(
            "SELECT rule, work, condition, severity_max, acked_at, held_at_raise FROM alert
             WHERE cleared_at IS NOT NULL AND closed_at IS NOT NULL AND resolved_at IS NULL
               AND incident IS NOT NULL",
            [],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)),
        )
        .expect("one row");
    assert_eq!((&*rule, &*work, &*condition), ("flood-level", "closed", "returned"));
    assert_eq!((worst, acked, held), (3, NOW.plus_ms(MINUTE).0, 0));
}
