use ioc_model::{Condition, Held, HeldBy, IncidentId, Name, Service, ServiceGroup, Severity, Work};

use super::*;
use crate::cap::{CapSettings, CapSpec, Status};
use crate::channel::testing;

const HOUR: i64 = 3_600_000;
const START: Timestamp = Timestamp(1_761_717_600_500);

struct Desk {
    store: CapStore,
    settings: CapSettings,
    city: ioc_model::City,
    now: Timestamp,
    folder: tempfile::TempDir,
}

fn city() -> ioc_model::City {
    let mut city = testing::city();
    for id in ["river", "air"] {
        let service = Service {
            id: id.into(),
            order: 1,
            group: ServiceGroup::Basic,
            name: Text::default(),
            indicators: Vec::new(),
        };
        city.services.insert(id.into(), service);
    }
    city
}

fn settings(city: &ioc_model::City, status: Status) -> CapSettings {
    let spec: CapSpec = serde_json::from_value(serde_json::json!({
        "sender": "ioc@danang.gov.vn",
        "sender_name": {"vi": "IOC Đà Nẵng", "en": "Da Nang IOC"},
        "services": ["river"],
        "status": status,
    }))
    .expect("a spec");
    CapSettings::new(spec, city).expect("right")
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = CapStore::open(&folder.path().join("notify.sqlite")).expect("opens");
        let city = city();
        Self { store, settings: settings(&city, Status::Actual), city, now: START, folder }
    }

    fn publish(&self, delivery: &str, alerts: &[AlertRow]) -> Vec<CapRow> {
        let ruled = alerts.iter().map(|row| row.id.clone()).collect();
        self.publish_ruled(delivery, alerts, &ruled)
    }

    fn publish_ruled(
        &self,
        delivery: &str,
        alerts: &[AlertRow],
        ruled: &BTreeSet<AlertId>,
    ) -> Vec<CapRow> {
        let (test, now) = (delivery == "test", self.now);
        let batch = Batch { receiver: "public", delivery, alerts, ruled, test, now };
        let author =
            Author { settings: &self.settings, city: &self.city, base_url: "https://ioc.vn" };
        self.store.publish(&batch, &author).expect("publishes")
    }

    /// The one message of a delivery: its kind, and how many messages it refers to.
    fn one(&self, delivery: &str, alerts: &[AlertRow]) -> (String, usize) {
        let rows = self.publish(delivery, alerts);
        assert_eq!(rows.len(), 1, "{rows:?}");
        (rows[0].kind.to_string(), references(&rows[0]).len())
    }
}

fn references(row: &CapRow) -> Vec<&str> {
    let inner = row.xml.split_once("<references>").and_then(|(_, r)| r.split_once("</references>"));
    inner.map_or_else(Vec::new, |(r, _)| r.split(' ').collect())
}

fn alert(n: u8, ver: u64) -> AlertRow {
    let mut row = testing::row(ioc_model::Entity::Device("gauge-1".into()));
    row.id.0 = format!("{n:032x}");
    row.ver = ver;
    row.incident = Some(IncidentId("incident-1".into()));
    row
}

fn cleared(mut row: AlertRow) -> AlertRow {
    row.ver += 1;
    row.condition = Condition::Returned;
    row.cleared_at = Some(row.raised_at.plus_ms(HOUR));
    row
}

#[test]
fn an_incident_is_alerted_updated_and_cancelled_with_references_to_all_before() {
    let desk = Desk::new();
    assert_eq!(desk.one("d1", &[alert(1, 1)]), ("Alert".into(), 0));
    assert_eq!(desk.one("d2", &[alert(2, 1)]), ("Update".into(), 1));
    assert_eq!(desk.one("d3", &[cleared(alert(1, 1))]), ("Update".into(), 2));
    let rows = desk.publish("d4", &[cleared(alert(2, 1))]);
    assert_eq!(&*rows[0].kind, "Cancel");
    let all = desk.store.feed(10).expect("reads");
    let refers = references(&rows[0]);
    let earlier: Vec<&str> = all.iter().rev().take(3).map(|r| r.id.as_str()).collect();
    for (refer, id) in refers.iter().zip(&earlier) {
        assert!(refer.starts_with(&format!("ioc@danang.gov.vn,{id},2025-10-29T")), "{refer}");
    }
    assert_eq!(refers.len(), 3);
    assert!(all.iter().all(|r| r.xml.contains("<incidents>incident-1</incidents>")));
    assert!(rows[0].xml.contains("<urgency>Past</urgency>"));
    assert!(rows[0].xml.contains("<responseType>AllClear</responseType>"));
    assert!(rows[0].xml.contains("<areaDesc>Phường Cẩm Lệ</areaDesc>"), "where it was");
    assert!(rows[0].title.vi.starts_with("[Đã hết] "), "{:?}", rows[0].title);
}

#[test]
fn the_same_delivery_never_makes_a_second_identifier() {
    let desk = Desk::new();
    let first = desk.publish("d1", &[alert(1, 1)]);
    desk.publish("d2", &[cleared(alert(1, 1))]);
    // Again, after the world has moved on and with other rows even.
    assert_eq!(desk.publish("d1", &[alert(1, 1)]), first);
    assert_eq!(desk.publish("d1", &[alert(9, 9)]), first);
    let reopened = CapStore::open(&desk.folder.path().join("notify.sqlite")).expect("opens");
    assert_eq!(reopened.feed(10).expect("reads").len(), 2);
    assert_eq!(reopened.get(&first[0].id).expect("reads").as_ref(), first.first());
    assert_eq!(reopened.get("nothing").expect("reads"), None);
}

#[test]
fn a_late_delivery_does_not_bring_a_warning_back() {
    let desk = Desk::new();
    assert_eq!(desk.publish("d2", &[cleared(alert(1, 1))]), []);
    // Its clear was told before it was ever public; the raise comes late, after a retry.
    assert_eq!(desk.one("d3", &[alert(2, 5)]), ("Alert".into(), 0));
    assert_eq!(desk.one("d4", &[cleared(alert(2, 5))]), ("Cancel".into(), 1));
    assert_eq!(desk.publish("d0", &[alert(2, 5)]), []);
}

#[test]
fn only_severe_alerts_of_the_services_named_are_public() {
    let desk = Desk::new();
    let mut major = alert(1, 1);
    major.severity = Severity::Major;
    let mut other = alert(2, 1);
    other.service = "air".into();
    let mut shelved = alert(3, 1);
    shelved.held.push(Held {
        by: HeldBy::Shelf,
        id: String::new(),
        until: None,
        who: "a".into(),
        reason: "b".into(),
    });
    let mut closed = alert(4, 1);
    closed.work = Work::Closed;
    assert_eq!(desk.publish("d1", &[major, other, shelved, closed, cleared(alert(5, 1))]), []);
}

#[test]
fn severity_decides_between_update_and_cancel() {
    let desk = Desk::new();
    let mut row = alert(1, 1);
    row.severity = Severity::Critical;
    let rows = desk.publish("d1", std::slice::from_ref(&row));
    assert!(rows[0].xml.contains("<severity>Severe</severity>"));
    row.ver = 2;
    row.severity = Severity::Emergency;
    let rows = desk.publish("d2", std::slice::from_ref(&row));
    assert_eq!(&*rows[0].kind, "Update");
    assert!(rows[0].xml.contains("<severity>Extreme</severity>"));
    row.ver = 3;
    row.severity = Severity::Minor;
    let rows = desk.publish("d3", std::slice::from_ref(&row));
    assert_eq!(&*rows[0].kind, "Cancel");
    assert!(rows[0].xml.contains("It has eased."), "{}", rows[0].xml);
    assert!(!rows[0].xml.contains("AllClear"), "it goes on below the level");
    // Worse again: a new thread of the same incident.
    row.ver = 4;
    row.severity = Severity::Critical;
    assert_eq!(desk.one("d4", &[row]), ("Alert".into(), 0));
}

#[test]
fn a_change_that_the_public_does_not_see_is_no_message() {
    let mut desk = Desk::new();
    desk.publish("d1", &[alert(1, 1)]);
    let mut row = alert(1, 2);
    row.acknowledged = true;
    row.acknowledged_by = Some("nguyen.van.a".into());
    row.value = Some(2.7);
    desk.now = START.plus_ms(HOUR);
    assert_eq!(desk.publish("d2", &[row]), []);
}

#[test]
fn a_repeated_notification_renews_what_would_expire() {
    let mut desk = Desk::new();
    desk.publish("d1", &[alert(1, 1)]);
    desk.now = START.plus_ms(3 * HOUR - 2_000);
    assert_eq!(desk.publish("d2", &[alert(1, 1)]), [], "more than half of six hours is left");
    desk.now = START.plus_ms(3 * HOUR);
    assert_eq!(desk.one("d3", &[alert(1, 1)]), ("Update".into(), 1));
}

#[test]
fn why_it_ends_is_said() {
    for (change, word) in [
        ("reject", "It was a false alarm."),
        ("hold", "Withdrawn by the operations centre."),
        ("clear", "Back to normal."),
    ] {
        let desk = Desk::new();
        desk.publish("d1", &[alert(1, 1)]);
        let mut row = alert(1, 2);
        match change {
            "reject" => row.work = Work::Rejected,
            "hold" => row.held.push(Held {
                by: HeldBy::Maintenance,
                id: "h".into(),
                until: None,
                who: "nguyen.van.a".into(),
                reason: "secret reason".into(),
            }),
            _ => row = cleared(row),
        }
        let rows = desk.publish("d2", &[row]);
        assert_eq!(&*rows[0].kind, "Cancel");
        assert!(rows[0].xml.contains(word), "{change}: {}", rows[0].xml);
    }
}

#[test]
fn a_merge_ends_one_warning_and_changes_the_other() {
    let desk = Desk::new();
    let mut other = alert(2, 1);
    other.incident = Some(IncidentId("incident-2".into()));
    assert_eq!(desk.publish("d1", &[alert(1, 1), other.clone()]).len(), 2);
    other.ver = 2;
    other.incident = Some(IncidentId("incident-1".into()));
    let rows = desk.publish("d2", &[other]);
    let kinds: Vec<(&str, bool)> =
        rows.iter().map(|r| (&*r.kind, r.xml.contains("<incidents>incident-1<"))).collect();
    assert_eq!(kinds, [("Update", true), ("Cancel", false)]);
    assert!(rows[1].xml.contains("It goes on in another warning."), "{}", rows[1].xml);
}

#[test]
fn messages_of_one_incident_have_rising_times_even_within_one_second() {
    let desk = Desk::new();
    for i in 1..=4 {
        desk.publish(&format!("d{i}"), &[alert(i, 1)]);
    }
    let mut sent: Vec<i64> = desk.store.feed(9).expect("reads").iter().map(|r| r.sent.0).collect();
    sent.reverse();
    assert!(sent.windows(2).all(|w| w[0] < w[1]), "{sent:?}");
    assert!(sent.iter().all(|t| t % 1000 == 0), "{sent:?}");
}

#[test]
fn nothing_that_people_or_devices_wrote_is_published_or_stored() {
    let desk = Desk::new();
    let mut row = alert(1, 1);
    row.entity = ioc_model::Entity::Device("SECRET-43A-12345".into());
    row.note = Some("SECRET-NOTE".into());
    row.acknowledged_by = Some("SECRET-USER".into());
    row.message = Text { vi: "SECRET-PLATE 43A-12345".into(), en: "SECRET-PLATE".into() };
    row.links.push(ioc_model::Link { url: "https://SECRET".into(), title: "SECRET".into() });
    row.assignee = Some(ioc_model::Assignee {
        kind: ioc_model::AssigneeKind::Person,
        name: "SECRET-PERSON".into(),
    });
    let rows = desk.publish("d1", &[row]);
    assert!(!rows[0].xml.contains("SECRET"), "{}", rows[0].xml);
    let connection = desk.store.lock();
    let stored: String =
        connection.query_row("SELECT row FROM cap_member", [], |r| r.get(0)).expect("a row");
    assert!(!stored.replace("SECRET-43A", "").contains("SECRET"), "{stored}");
}

#[test]
fn a_trial_is_of_status_test_and_about_nothing() {
    let desk = Desk::new();
    let rows = desk.publish("test", &[]);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].xml.contains("<status>Test</status>") && !rows[0].xml.contains("<incidents>"));
    assert_eq!(desk.publish("test", &[]), rows);
    assert_eq!(desk.one("d1", &[alert(1, 1)]), ("Alert".into(), 0), "no thread with it");
}

#[test]
fn two_receivers_have_threads_and_identifiers_of_their_own() {
    let desk = Desk::new();
    let first = desk.publish("d1", &[alert(1, 1)]);
    let author = Author { settings: &desk.settings, city: &desk.city, base_url: "" };
    let batch = Batch {
        receiver: "other",
        delivery: "d1",
        alerts: &[alert(1, 1)],
        ruled: &BTreeSet::new(),
        test: false,
        now: desk.now,
    };
    let second = desk.store.publish(&batch, &author).expect("publishes");
    assert_eq!(&*second[0].kind, "Alert");
    assert_ne!(first[0].id, second[0].id);
}

#[test]
fn what_was_handed_on_is_not_handed_on_again() {
    let desk = Desk::new();
    let rows = desk.publish("d1", &[alert(1, 1)]);
    assert_eq!(desk.store.to_forward("public", "d1").expect("reads"), rows);
    desk.store.forwarded(&rows[0].id).expect("writes");
    assert_eq!(desk.store.to_forward("public", "d1").expect("reads"), []);
}

#[test]
fn old_messages_and_old_memories_are_dropped() {
    let mut desk = Desk::new();
    desk.publish("d1", &[alert(1, 1)]);
    desk.publish("d2", &[cleared(alert(1, 1))]);
    desk.now = START.plus_ms(400 * 24 * HOUR);
    let name: Name = "Alert".into();
    assert_eq!(desk.one("d3", &[alert(2, 1)]), (name.to_string(), 0));
    assert_eq!(desk.store.feed(10).expect("reads").len(), 1);
    let connection = desk.store.lock();
    let left: i64 =
        connection.query_row("SELECT count(*) FROM cap_member", [], |r| r.get(0)).expect("counts");
    assert_eq!(left, 1);
}

#[test]
fn a_flood_of_a_thousand_alerts_is_one_short_message() {
    let desk = Desk::new();
    let alerts: Vec<AlertRow> = (0..1_000u32)
        .map(|n| {
            let mut row = alert(1, 1);
            row.id.0 = format!("{n:032x}");
            row
        })
        .collect();
    let rows = desk.publish("d1", &alerts);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].xml.len() < 10_000, "{}", rows[0].xml.len());
    assert!(rows[0].title.en.ends_with("(and 999 more)"), "{}", rows[0].title.en);
}

#[test]
fn what_counts_less_for_operators_with_time_is_no_smaller_danger() {
    let desk = Desk::new();
    desk.publish("d1", &[alert(1, 1)]);
    let mut row = alert(1, 2);
    row.severity = Severity::Major;
    assert_eq!(desk.publish_ruled("d2", std::slice::from_ref(&row), &BTreeSet::new()), []);
    row.ver = 3;
    assert_eq!(desk.publish_ruled("d3", std::slice::from_ref(&row), &BTreeSet::new()), []);
    // Its rule says the same: now it is.
    row.ver = 4;
    assert_eq!(desk.one("d4", &[row]), ("Cancel".into(), 1));
}
