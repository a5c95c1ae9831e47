use ioc_model::{City, ConfigFiles, Timestamp};

use super::*;

const SHIPPED: &str = include_str!("../../../config/alerts.yaml");

fn city() -> City {
    let mut files = ConfigFiles::default();
    for (name, text) in [
        ("city.yaml", include_str!("../../../config/city.yaml")),
        ("areas.csv", include_str!("../../../config/areas.csv")),
        ("boundaries.geojson", include_str!("../../../config/boundaries.geojson")),
        ("services.yaml", include_str!("../../../config/services.yaml")),
        ("properties.yaml", include_str!("../../../config/properties.yaml")),
        ("thresholds.yaml", include_str!("../../../config/thresholds.yaml")),
        ("indices.yaml", include_str!("../../../config/indices.yaml")),
        ("devices.csv", include_str!("../../../config/devices.csv")),
        ("calendar.yaml", include_str!("../../../config/calendar.yaml")),
        ("zones.geojson", include_str!("../../../config/zones.geojson")),
    ] {
        files.0.insert(name.into(), text.into());
    }
    City::load(&files).expect("the shipped city")
}

fn load(text: &str) -> Result<Policy, Vec<ioc_model::ConfigError>> {
    Policy::load(&ConfigFiles([("alerts.yaml".to_owned(), text.to_owned())].into()), &city())
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

#[test]
fn the_shipped_policy_is_valid_and_every_severity_has_a_class() {
    let policy = load(SHIPPED).expect("valid");
    for n in 1..=5 {
        let severity = Severity::from_u8(n).expect("1 to 5");
        let fits = policy.classes.iter().any(|c| c.severities.contains(&severity));
        assert!(fits, "{severity:?}");
    }
    assert_eq!(policy.work.day_ms(), 8 * 3_600_000);
}

/// Friday afternoon, a weekend, and a holiday are no working time.
#[test]
fn working_days_leave_out_nights_weekends_and_holidays() {
    let policy = load(SHIPPED).expect("valid");
    let due = |from: &str, n| Span::Workdays(n).after(at(from), &policy.work).to_rfc3339();
    // One working day from Monday 09:00 is Tuesday 09:00: 2.5 h + 4 h + 1.5 h.
    assert_eq!(due("2026-11-23T09:00:00+07:00", 1), at("2026-11-24T09:00:00+07:00").to_rfc3339());
    // From Friday 16:30: 1 h on Friday, 7 h on Monday.
    assert_eq!(due("2026-11-27T16:30:00+07:00", 1), at("2026-11-30T16:30:00+07:00").to_rfc3339());
    // At night it begins at 07:30 and ends with the day.
    assert_eq!(due("2026-11-23T02:00:00+07:00", 1), at("2026-11-23T17:30:00+07:00").to_rfc3339());
    // 30 April and 1 May 2026 are holidays (Thursday, Friday), then a weekend.
    assert_eq!(due("2026-04-29T17:30:00+07:00", 3), at("2026-05-06T17:30:00+07:00").to_rfc3339());
    assert!(policy.work.is_open(at("2026-11-23T07:30:00+07:00")));
    assert!(!policy.work.is_open(at("2026-11-23T11:30:00+07:00")));
    assert!(!policy.work.is_open(at("2026-04-30T09:00:00+07:00")));
}

/// Minute by minute counting gives the same end.
#[test]
fn due_times_equal_counting_minutes() {
    let work = load(SHIPPED).expect("valid").work;
    for start in (0..14 * 24).map(|h| at("2026-04-20T00:10:00+07:00").plus_ms(h * 3_600_000)) {
        let need = 2 * 8 * 60;
        let (mut t, mut worked) = (start, 0);
        while worked < need {
            worked += i64::from(work.is_open(t));
            t = t.plus_ms(60_000);
        }
        assert_eq!(work.after(start, need * 60_000), t, "from {start}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_with_their_places() {
    let text = "shelving: { max: 12 hours }\nauto_close: 2 workdays\nworking_time:\n  days: [mon, tuesday]\n  hours: [\"07:30-11:30\", \"10:00-12:00\"]\nclasses:\n  - id: a\n    name: { vi: a, en: a }\n    services: [aair]\n    acknowledge: { within: soon }\n    escalation:\n      - { after: 5m, to: x }\n      - { after: 5m, to: y }\n";
    let errors = load(text).expect_err("mistakes");
    let places: Vec<(usize, &str)> = errors.iter().map(|e| (e.line, e.message.as_str())).collect();
    for (line, piece) in [
        (1, "12 hours"),
        (2, "working days"),
        (4, "tuesday"),
        (5, "begins before"),
        (9, "aair"),
        (10, "soon"),
        (13, "not later"),
    ] {
        assert!(
            places.iter().any(|(l, m)| *l == line && m.contains(piece)),
            "{line} {piece}: {places:?}"
        );
    }
    let errors = load("shelvin: { max: 1h }\n").expect_err("unknown field");
    assert_eq!(errors[0].line, 1, "{errors:?}");
}

mod timers {
    use ioc_model::{
        AlertId, AlertRow, Condition, Entity, Evidence, Held, HeldBy, Transition, TransitionKind,
        Work,
    };

    use super::*;

    fn row(severity: Severity) -> AlertRow {
        let start = at("2026-11-23T09:00:00+07:00");
        let entity = Entity::City;
        AlertRow::raised(&Transition {
            position: 0,
            alert: AlertId::new("r", &entity, start),
            rule: "r".into(),
            entity,
            device: None,
            area: "hai_chau".into(),
            service: "river".into(),
            time: start,
            kind: TransitionKind::Raise,
            severity,
            value: None,
            limit: None,
            unit: "m".into(),
            name: Text::default(),
            message: Text::default(),
            cause: "flood".into(),
            latched: false,
            evidence: Box::new(Evidence::default()),
        })
    }

    fn with_clocks(policy: &Policy, mut row: AlertRow) -> AlertRow {
        let clocks = policy.clocks(&row);
        (row.ack_due, row.resolve_due) = (clocks.ack_due, clocks.resolve_due);
        row
    }

    #[test]
    fn an_urgent_alert_goes_up_the_chain_until_somebody_looks() {
        let policy = load(SHIPPED).expect("valid");
        let mut row = with_clocks(&policy, row(Severity::Emergency));
        assert_eq!(row.ack_due, Some(row.raised_at.plus_ms(300_000)));
        assert_eq!(row.resolve_due, Some(at("2026-11-24T09:00:00+07:00")));
        let mut seen = Vec::new();
        for _ in 0..10 {
            let Some((when, timer)) = policy.next_timer(&row) else { break };
            seen.push(((when.0 - row.raised_at.0) / 60_000, timer.kind().as_str()));
            match timer {
                Timer::Escalate { step, .. } => row.escalated = step,
                Timer::AckOverdue | Timer::ResolveOverdue => row.overdue = true,
                other => assert_eq!(other, Timer::AutoClose, "no other timer"),
            }
        }
        assert_eq!(seen, [(5, "overdue"), (5, "escalate"), (15, "escalate"), (30, "escalate")]);
        // Somebody looks: nothing is left but the time to resolve.
        let mut row = with_clocks(&policy, super::timers::row(Severity::Emergency));
        row.acknowledged = true;
        row.work = Work::Acknowledged;
        row.acknowledged_at = Some(row.raised_at);
        let (when, timer) = policy.next_timer(&row).expect("a timer");
        assert_eq!((when, timer), (at("2026-11-24T09:00:00+07:00"), Timer::ResolveOverdue));
    }

    #[test]
    fn what_is_shelved_or_suppressed_does_not_escalate() {
        let policy = load(SHIPPED).expect("valid");
        let mut row = with_clocks(&policy, row(Severity::Emergency));
        let until = row.raised_at.plus_ms(3_600_000);
        let held = |by, until| Held {
            by,
            id: String::new(),
            until,
            who: "lan".into(),
            reason: "pump test".into(),
        };
        row.held = vec![held(HeldBy::Shelf, Some(until))];
        assert_eq!(policy.next_timer(&row), Some((until, Timer::ShelfExpired)));
        row.held = vec![held(HeldBy::OutOfService, None)];
        assert_eq!(policy.next_timer(&row), None);
    }

    #[test]
    fn an_old_acknowledged_alert_counts_less_step_by_step() {
        let policy = load(SHIPPED).expect("valid");
        let mut row = row(Severity::Major);
        assert!(policy.next_timer(&row).is_some_and(|(_, t)| t.kind() != AutoKind::Deescalate));
        row.acknowledged = true;
        row.work = Work::Acknowledged;
        row.acknowledged_at = Some(row.raised_at.plus_ms(60_000));
        let day = row.raised_at.plus_ms(60_000 + 86_400_000);
        assert_eq!(policy.next_timer(&row), Some((day, Timer::Deescalate(Severity::Minor))));
        row.severity = Severity::Minor;
        assert_eq!(policy.next_timer(&row), None, "not below minor");
    }

    #[test]
    fn resolved_and_returned_closes_after_a_while() {
        let policy = load(SHIPPED).expect("valid");
        let mut row = row(Severity::Major);
        (row.work, row.acknowledged) = (Work::Resolved, true);
        row.resolved_at = Some(row.raised_at.plus_ms(1_000));
        assert_eq!(policy.next_timer(&row), None, "not while it is active");
        row.condition = Condition::Returned;
        row.cleared_at = Some(row.raised_at.plus_ms(5_000));
        let (when, timer) = policy.next_timer(&row).expect("a timer");
        assert_eq!((when, timer), (row.raised_at.plus_ms(86_405_000), Timer::AutoClose));
    }

    use ioc_model::AutoKind;
}
