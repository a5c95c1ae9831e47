//! Routes, times of groups, and what is told at all.

use std::sync::Arc;

use ioc_model::{DeliveryFilter, Severity, Timestamp};

use super::fake::{Fake, T0, config};
use crate::notify::desk::Desk;
use crate::notify::log;

const S: i64 = 1_000;
const MIN: i64 = 60 * S;
const ONE: &str = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
routes:
  - { id: all, receivers: [duty] }
";

struct Bench {
    fake: Arc<Fake>,
    desk: Desk,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(yaml: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let fake = Arc::new(Fake::default());
        let desk = Desk::open(&dir.path().join("n.sqlite"), config(yaml), Arc::clone(&fake) as _)
            .expect("opens");
        let bench = Self { fake, desk, dir };
        bench.at(0);
        bench
    }

    fn again(self, yaml: &str, fresh: bool) -> Self {
        let Self { fake, desk, dir } = self;
        drop(desk);
        let name = if fresh { "fresh.sqlite" } else { "n.sqlite" };
        let desk = Desk::open(&dir.path().join(name), config(yaml), Arc::clone(&fake) as _)
            .expect("opens");
        Self { fake, desk, dir }
    }

    /// The notifier looks, so long after the start.
    fn at(&self, ms: i64) {
        self.desk.take(T0.plus_ms(ms)).expect("takes");
    }

    fn say(&self, ms: i64, alert: &str, action: &str, severity: Severity) {
        self.fake.say(alert, action, severity, T0.plus_ms(ms));
        self.at(ms);
    }

    /// Everything in the outbox: receiver, route, changes, when.
    fn told(&self) -> Vec<String> {
        let filter = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
        let mut rows = log::deliveries(&self.desk.db(), &filter).expect("reads");
        rows.reverse();
        let mut told = Vec::new();
        for row in rows {
            let body: String = self
                .desk
                .db()
                .query_row("SELECT body FROM delivery WHERE id = ?1", [&row.id], |r| r.get(0))
                .expect("reads");
            let n: crate::channel::Notification = serde_json::from_str(&body).expect("JSON");
            let changes: Vec<String> =
                n.changes.iter().map(|c| format!("{} {}", c.alert, c.reason)).collect();
            let s = row.created_at.since_ms(T0) / S;
            told.push(format!("{s} {} {}: {}", row.receiver, row.route, changes.join(", ")));
        }
        told
    }

    fn ids(&self) -> Vec<String> {
        let filter = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
        let rows = log::deliveries(&self.desk.db(), &filter).expect("reads");
        rows.into_iter().rev().map(|r| r.id).collect()
    }
}

use Severity::{Critical, Emergency, Major, Minor};

#[test]
fn a_group_waits_for_company_and_then_keeps_its_interval() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Major);
    b.say(20 * S, "i-2", "raise", Major);
    b.at(29_999);
    assert_eq!(b.told(), [""; 0]);
    b.at(30 * S);
    assert_eq!(b.told(), ["30 duty all: i-1 raise, i-2 raise"]);
    b.say(60 * S, "i-3", "raise", Major);
    b.at(30 * S + 5 * MIN - 1);
    assert_eq!(b.told().len(), 1, "within the interval");
    b.at(30 * S + 5 * MIN);
    assert_eq!(b.told()[1..], ["330 duty all: i-3 raise"]);
    b.say(20 * MIN, "i-1", "clear", Major);
    b.at(20 * MIN + 30 * S);
    assert_eq!(b.told()[2..], ["1230 duty all: i-1 clear"], "long after: its wait again");
}

#[test]
fn what_is_critical_does_not_wait_and_what_tops_the_group_does_not_sit_out_the_interval() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Critical);
    b.say(S, "i-2", "raise", Critical);
    b.say(2 * S, "i-3", "raise", Emergency);
    assert_eq!(b.told(), ["0 duty all: i-1 raise", "2 duty all: i-2 raise, i-3 raise"]);
}

#[test]
fn groups_are_incidents_alerts_or_places() {
    for (by, expect) in [("incident", 2), ("alert", 3), ("area_service", 1)] {
        let yaml = ONE.replace("receivers: [duty]", &format!("group_by: {by}, receivers: [duty]"));
        let b = Bench::new(&yaml);
        for alert in ["i-1", "i-2", "j-1"] {
            b.say(0, alert, "raise", Major);
        }
        b.at(30 * S);
        assert_eq!(b.told().len(), expect, "{by}");
    }
}

#[test]
fn an_alert_that_clears_before_its_groups_wait_is_over_is_told_to_nobody() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Major);
    b.say(29 * S, "i-1", "clear", Major);
    b.at(10 * MIN);
    assert_eq!(b.told(), [""; 0]);
    assert_eq!(b.desk.withheld.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_notifier_that_slept_through_the_wait_tells_raise_and_clear() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Major);
    b.fake.say("i-1", "clear", Major, T0.plus_ms(MIN));
    b.at(2 * MIN);
    b.at(10 * MIN);
    assert_eq!(b.told(), ["120 duty all: i-1 raise", "600 duty all: i-1 clear"]);
}

#[test]
fn the_clear_goes_to_who_heard_the_raise_though_routes_and_hours_have_changed() {
    let day = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
  - { id: night, webhook: { url: 'https://night.example/' } }
routes:
  - id: day
    match: { on: [raise], hours: [{ from: '06:00', to: '18:00' }] }
    receivers: [duty]
  - { id: rest, receivers: [night] }
";
    let b = Bench::new(day);
    b.say(0, "i-1", "raise", Critical);
    b.say(12 * 60 * MIN, "i-2", "raise", Critical);
    b.say(12 * 60 * MIN, "i-1", "clear", Critical);
    let told =
        ["0 duty day: i-1 raise", "43200 night rest: i-2 raise", "43200 duty day: i-1 clear"];
    assert_eq!(b.told(), told);
    let other = "
receivers:
  - { id: night, webhook: { url: 'https://night.example/' } }
routes:
  - { id: new, match: { on: [acknowledge] }, receivers: [night] }
";
    let b = b.again(other, false);
    b.say(12 * 60 * MIN + 6 * MIN, "i-2", "clear", Critical);
    assert_eq!(b.told()[3..], ["43560 night rest: i-2 clear"]);
}

#[test]
fn a_clear_is_told_once_and_only_to_who_heard_of_the_alert() {
    let yaml = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
  - { id: bad, webhook: { url: 'https://bad.example/' } }
routes:
  - { id: bad, match: { min_severity: critical }, receivers: [bad], continue: true, interval: 0s }
  - { id: all, receivers: [duty], wait: 0s, interval: 0s }
";
    let b = Bench::new(yaml);
    b.say(0, "i-1", "raise", Major);
    b.say(S, "i-1", "clear", Major);
    b.say(2 * S, "i-1", "close", Major);
    b.say(3 * S, "i-2", "raise", Critical);
    b.say(4 * S, "i-2", "reject", Critical);
    b.say(5 * S, "i-2", "clear", Critical);
    let told = [
        "0 duty all: i-1 raise",
        "1 duty all: i-1 clear",
        "3 bad bad: i-2 raise",
        "3 duty all: i-2 raise",
        "4 bad bad: i-2 reject",
        "4 duty all: i-2 reject",
    ];
    assert_eq!(b.told(), told);
}

#[test]
fn what_grows_into_a_route_is_told_as_what_it_became() {
    let yaml = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
routes:
  - { id: bad, match: { min_severity: critical }, receivers: [duty], interval: 0s }
";
    let b = Bench::new(yaml);
    b.say(0, "i-1", "raise", Minor);
    b.say(S, "i-1", "severity", Critical);
    b.say(2 * S, "i-1", "severity", Major);
    b.say(3 * S, "i-1", "severity", Critical);
    b.say(4 * S, "i-1", "clear", Critical);
    let told = ["1 duty bad: i-1 severity", "3 duty bad: i-1 severity", "4 duty bad: i-1 clear"];
    assert_eq!(b.told(), told, "a lower severity is no news by default");
}

#[test]
fn what_is_held_back_is_told_when_it_is_released_and_still_active() {
    for (hold, release) in
        [("shelve", "unshelve"), ("shelve", "shelf_expired"), ("suppress", "unsuppress")]
    {
        let b = Bench::new(ONE);
        b.fake.say("i-1", "raise", Critical, T0);
        b.say(0, "i-1", hold, Critical);
        b.fake.say("j-1", "raise", Critical, T0);
        b.say(0, "j-1", hold, Critical);
        b.say(S, "j-1", "clear", Critical);
        b.at(MIN);
        assert_eq!(b.told(), [""; 0], "{hold}");
        b.say(2 * MIN, "i-1", release, Critical);
        b.say(2 * MIN, "j-1", release, Critical);
        assert_eq!(b.told(), ["120 duty all: i-1 raise"], "{release}");
        b.say(10 * MIN, "i-1", "clear", Critical);
        assert_eq!(b.told()[1..], ["600 duty all: i-1 clear"]);
    }
}

#[test]
fn what_is_held_back_while_its_group_waits_is_not_told() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Major);
    b.say(0, "i-2", "raise", Major);
    b.say(10 * S, "i-1", "shelve", Major);
    b.at(30 * S);
    assert_eq!(b.told(), ["30 duty all: i-2 raise"]);
}

#[test]
fn a_release_tells_nothing_twice_but_what_got_worse_meanwhile() {
    let b = Bench::new(&ONE.replace("receivers: [duty]", "interval: 0s, receivers: [duty]"));
    b.say(0, "i-1", "raise", Critical);
    b.say(S, "i-1", "shelve", Critical);
    b.say(2 * S, "i-1", "unshelve", Critical);
    assert_eq!(b.told().len(), 1);
    b.say(3 * S, "i-1", "shelve", Critical);
    b.say(4 * S, "i-1", "severity", Emergency);
    assert_eq!(b.told().len(), 1);
    b.say(5 * S, "i-1", "unshelve", Emergency);
    assert_eq!(b.told()[1..], ["5 duty all: i-1 severity"]);
}

#[test]
fn a_rejection_that_is_taken_back_is_told_again_or_never_told() {
    let b = Bench::new(&ONE.replace("receivers: [duty]", "interval: 0s, receivers: [duty]"));
    b.say(0, "i-1", "raise", Critical);
    b.say(S, "i-1", "reject", Critical);
    b.say(2 * S, "i-1", "undo", Critical);
    b.say(3 * S, "i-1", "clear", Critical);
    let told = [
        "0 duty all: i-1 raise",
        "1 duty all: i-1 reject",
        "2 duty all: i-1 raise",
        "3 duty all: i-1 clear",
    ];
    assert_eq!(b.told(), told);
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Critical);
    b.say(S, "i-1", "reject", Critical);
    b.say(2 * S, "i-1", "undo", Critical);
    b.say(3 * S, "i-1", "clear", Critical);
    b.at(20 * MIN);
    assert_eq!(b.told(), ["0 duty all: i-1 raise", "1200 duty all: i-1 clear"]);
}

#[test]
fn an_escalation_goes_at_once_to_whom_the_chain_names_and_so_does_the_end() {
    let yaml = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
  - { id: chief, webhook: { url: 'https://chief.example/' } }
routes:
  - { id: all, receivers: [duty], group_by: alert }
";
    let b = Bench::new(yaml);
    b.say(0, "i-1", "raise", Critical);
    let detail = Some(r#"{"step":1,"to":"chief"}"#);
    b.fake.say_with("i-1", "escalate", Critical, T0.plus_ms(MIN), detail);
    b.at(MIN);
    let nobody = Some(r#"{"step":2,"to":"nobody"}"#);
    b.fake.say_with("i-1", "escalate", Critical, T0.plus_ms(2 * MIN), nobody);
    b.at(2 * MIN);
    b.say(10 * MIN, "i-1", "clear", Critical);
    let mut told = b.told();
    assert_eq!(told[0], "0 duty all: i-1 raise");
    told[1..3].sort();
    assert_eq!(told[1..3], ["60 chief escalation: i-1 escalate", "60 duty all: i-1 escalate"]);
    assert_eq!(told[3], "120 duty all: i-1 escalate");
    told[4..].sort();
    assert_eq!(told[4..], ["600 chief escalation: i-1 clear", "600 duty all: i-1 clear"]);
}

#[test]
fn what_nobody_acknowledges_is_told_again() {
    let b = Bench::new(&ONE.replace("receivers: [duty]", "repeat: 1h, receivers: [duty]"));
    b.say(0, "i-1", "raise", Critical);
    let delivered = || {
        let sql = "UPDATE delivery SET state = 1, ended_at = 1 WHERE state = 0";
        b.desk.db().execute(sql, []).expect("writes");
    };
    b.at(60 * MIN);
    assert_eq!(b.told().len(), 1, "not while the first one has not arrived");
    delivered();
    b.at(120 * MIN);
    delivered();
    b.at(180 * MIN);
    delivered();
    assert_eq!(b.told()[1..], ["7200 duty all: i-1 repeat", "10800 duty all: i-1 repeat"]);
    let ids = b.ids();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "each has its own key");
    b.say(190 * MIN, "i-1", "acknowledge", Critical);
    b.at(300 * MIN);
    assert_eq!(b.told().len(), 3);
}

#[test]
fn a_route_says_what_it_tells_of() {
    let yaml = "
receivers:
  - { id: duty, webhook: { url: 'https://duty.example/' } }
routes:
  - id: all
    match: { on: [acknowledge, overdue, severity] }
    receivers: [duty]
    wait: 0s
    interval: 0s
";
    let b = Bench::new(yaml);
    b.say(0, "i-1", "raise", Major);
    b.say(S, "i-1", "severity", Minor);
    b.say(2 * S, "i-1", "acknowledge", Minor);
    b.say(3 * S, "i-1", "overdue", Minor);
    b.say(4 * S, "i-1", "comment", Minor);
    b.say(5 * S, "i-1", "clear", Minor);
    let told = [
        "1 duty all: i-1 severity",
        "2 duty all: i-1 acknowledge",
        "3 duty all: i-1 overdue",
        "5 duty all: i-1 clear",
    ];
    assert_eq!(b.told(), told);
}

#[test]
fn a_rebuilt_outbox_gives_the_same_deliveries_the_same_names() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Major);
    b.say(20 * S, "i-2", "raise", Major);
    b.at(30 * S);
    b.say(10 * MIN, "i-1", "clear", Major);
    b.at(10 * MIN + 30 * S);
    b.say(11 * MIN, "j-1", "raise", Emergency);
    b.at(20 * MIN);
    let (before, told) = (b.ids(), b.told().len());
    assert_eq!(told, 3);
    let b = b.again(ONE, true);
    b.at(20 * MIN);
    assert_eq!(b.ids(), before);
}

#[test]
fn a_new_outbox_does_not_tell_of_what_is_long_past_but_ends_it() {
    let b = Bench::new(ONE);
    b.fake.say("i-1", "raise", Critical, T0.plus_ms(-100 * 60 * MIN));
    b.fake.say("i-2", "raise", Critical, T0.plus_ms(-100 * 60 * MIN));
    b.fake.say("i-2", "clear", Critical, T0.plus_ms(-90 * 60 * MIN));
    let b = b.again(ONE, true);
    b.at(0);
    assert_eq!(b.told(), [""; 0]);
    b.say(MIN, "i-1", "clear", Critical);
    assert_eq!(b.told(), ["60 duty all: i-1 clear"]);
}

#[test]
fn an_audit_log_that_was_put_back_is_read_again() {
    let b = Bench::new(ONE);
    b.say(0, "i-1", "raise", Critical);
    b.say(S, "k-2", "raise", Critical);
    b.fake.cut(1);
    let b = b.again(ONE, false);
    b.say(10 * MIN, "j-1", "raise", Critical);
    let told = ["0 duty all: i-1 raise", "1 duty all: k-2 raise", "600 duty all: j-1 raise"];
    assert_eq!(b.told(), told);
}

#[test]
fn the_log_forgets_what_is_old_or_too_much_but_nothing_that_waits() {
    let yaml = format!("keep_rows: 2\nkeep_days: 1\n{ONE}");
    let b = Bench::new(&yaml.replace("receivers: [duty]", "group_by: alert, receivers: [duty]"));
    for i in 0..6 {
        b.say(i * S, &format!("i-{i}"), "raise", Critical);
    }
    let sql = "UPDATE delivery SET state = 1, ended_at = ?1 WHERE seq > 1 AND seq < 6";
    b.desk.db().execute(sql, [T0.0]).expect("writes");
    b.desk.sweep(T0.plus_ms(MIN)).expect("sweeps");
    let left = |b: &Bench| -> Vec<u64> {
        let filter = DeliveryFilter { limit: 9, ..DeliveryFilter::default() };
        log::deliveries(&b.desk.db(), &filter).expect("reads").iter().map(|d| d.seq).collect()
    };
    assert_eq!(left(&b), [6, 5, 4, 1]);
    b.desk.sweep(Timestamp(T0.0 + 25 * 60 * MIN)).expect("sweeps");
    assert_eq!(left(&b), [6, 1]);
    let sql = "SELECT count(*) FROM delivery_alert";
    let named: i64 = b.desk.db().query_row(sql, [], |r| r.get(0)).expect("reads");
    assert_eq!(named, 2);
}
