//! Lists, their filters and pages.

use ioc_model::{
    Action, AlertFilter, AlertRow, AlertStore, Assignee, AssigneeKind, Scope, Severity, Transition,
    TransitionKind, Work,
};

use crate::desk::*;

#[test]
fn filters_bind_hostile_text_and_pages_meet_without_overlap() {
    let desk = Desk::new();
    let register = desk.open();
    // Two of each moment.
    let raises: Vec<_> =
        (0..25).map(|i| numbered(i, 1_000 * (i as i64 / 2) - i as i64, Severity::Info)).collect();
    register.apply(25, &raises).expect("applies");
    let hostile =
        AlertFilter { service: Some("' OR 1=1 --".into()), ..AlertFilter::of(Scope::city()) };
    assert!(list(&register, hostile).is_empty());
    let mut seen = Vec::new();
    let mut filter = AlertFilter { limit: 7, ..AlertFilter::of(Scope::city()) };
    loop {
        let rows = list(&register, filter.clone());
        let Some(last) = rows.last() else { break };
        filter.before = Some((last.raised_at, last.id.0.clone()));
        seen.extend(rows.into_iter().map(|r| r.id.0));
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
    let resumed = AlertFilter { after_change: Some(20), ..AlertFilter::of(Scope::city()) };
    let changes: Vec<u64> = list(&register, resumed).iter().map(|r| r.change).collect();
    assert_eq!(changes, [21, 22, 23, 24, 25]);
}

/// The filter as plain code, over all rows.
fn fits(f: &AlertFilter, r: &AlertRow) -> bool {
    let is = |wanted: &Option<String>, has: Option<&str>| {
        wanted.as_deref().is_none_or(|w| has == Some(w))
    };
    (!f.open_only || r.is_open())
        && f.held.is_none_or(|h| h != r.held.is_empty())
        && f.work.is_none_or(|w| w == r.work)
        && f.acknowledged.is_none_or(|a| a == r.acknowledged)
        && (!f.overdue || r.overdue)
        && is(&f.service, Some(&r.service))
        && is(&f.area, Some(&r.area))
        && is(&f.device, r.device.as_deref())
        && is(&f.rule, Some(&r.rule))
        && is(&f.assignee, r.assignee.as_ref().map(|a| &*a.name))
        && f.incident.as_ref().is_none_or(|i| r.incident.as_ref() == Some(i))
        && f.min_severity.is_none_or(|s| r.severity >= s)
        && f.from.is_none_or(|t| r.raised_at >= t)
        && f.to.is_none_or(|t| r.raised_at < t)
}

/// 400 alerts in every state of work, some held, some overdue.
fn colourful(register: &ioc_alerts::Register) -> Vec<AlertRow> {
    let all: Vec<Transition> = (0..400)
        .map(|n| {
            let severity = Severity::from_u8((n % 5 + 1) as u8).expect("1 to 5");
            let mut t = numbered(n, n as i64 * MINUTE, severity);
            t.rule = ["flood-level", "rain", "silence"][n as usize % 3].into();
            t.service = ["river", "traffic"][n as usize % 2].into();
            t
        })
        .collect();
    register.apply(400, &all).expect("applies");
    let end = NOW.plus_ms(10 * HOUR);
    for (n, t) in all.iter().enumerate() {
        let to = Assignee { kind: AssigneeKind::Agency, name: format!("team-{}", n % 3) };
        let action = match n % 8 {
            0 => Action::Acknowledge { note: None },
            1 => Action::Assign { to, note: None },
            2 => Action::Start { note: None },
            3 => Action::Resolve { note: None },
            4 => Action::Reject { reason: "x".into() },
            5 => Action::Shelve { until: end, reason: "x".into() },
            _ => continue,
        };
        done(register, &t.alert, action);
    }
    let clears: Vec<_> = all
        .iter()
        .enumerate()
        .filter(|(n, _)| n % 16 == 0)
        .map(|(n, t)| Transition {
            position: 1_000 + n as u64,
            kind: TransitionKind::Clear,
            ..t.clone()
        })
        .collect();
    register.apply(2_000, &clears).expect("applies");
    register.tick(NOW.plus_ms(2 * HOUR)).expect("ticks");
    let mut rows = list(register, AlertFilter::of(Scope::city()));
    assert_eq!(rows.len(), 400);
    rows.sort_by_key(|r| std::cmp::Reverse((r.raised_at, r.id.0.clone())));
    rows
}

#[test]
fn every_filter_gives_what_plain_code_over_all_rows_gives() {
    let desk = Desk::new();
    let register = desk.open();
    let rows = colourful(&register);
    let some = |text: &str| Some(text.to_owned());
    let device = rows[11].device.as_ref().map(|d| d.to_string());
    type Set = Box<dyn Fn(&mut AlertFilter)>;
    let sets: Vec<Set> = vec![
        Box::new(|f| f.open_only = true),
        Box::new(|f| f.held = Some(true)),
        Box::new(|f| f.held = Some(false)),
        Box::new(|f| f.acknowledged = Some(true)),
        Box::new(|f| f.acknowledged = Some(false)),
        Box::new(|f| f.overdue = true),
        Box::new(move |f| f.service = some("river")),
        Box::new(move |f| f.area = some("ward-3")),
        Box::new(move |f| f.device.clone_from(&device)),
        Box::new(move |f| f.rule = some("rain")),
        Box::new({
            let incident = rows[20].incident.clone();
            move |f| f.incident.clone_from(&incident)
        }),
        Box::new(move |f| f.assignee = some("team-1")),
        Box::new(|f| f.min_severity = Some(Severity::Critical)),
        Box::new(|f| f.from = Some(NOW.plus_ms(2 * HOUR))),
        Box::new(|f| f.to = Some(NOW.plus_ms(3 * HOUR))),
        Box::new(|f| f.work = Some(Work::Closed)),
        Box::new(|f| f.work = Some(Work::Rejected)),
        Box::new(|f| f.work = Some(Work::InProgress)),
    ];
    let mut found = 0;
    for a in &sets {
        for b in &sets {
            for c in &sets {
                let mut filter = AlertFilter { limit: 1_000, ..AlertFilter::of(Scope::city()) };
                a(&mut filter);
                b(&mut filter);
                c(&mut filter);
                let want: Vec<&AlertRow> = rows.iter().filter(|r| fits(&filter, r)).collect();
                let got = list(&register, filter.clone());
                assert_eq!(got.iter().collect::<Vec<_>>(), want, "{filter:?}");
                found += got.len();
                // The second page begins where the first ends.
                let half = want.len() / 2;
                if let Some(last) = half.checked_sub(1).map(|n| want[n]) {
                    filter.before = Some((last.raised_at, last.id.0.clone()));
                    let rest = list(&register, filter);
                    assert_eq!(rest.iter().collect::<Vec<_>>(), want[half..]);
                }
            }
        }
    }
    assert!(found > 10_000, "the filters found something: {found}");
}

#[test]
fn a_list_can_be_read_while_a_commit_is_told() {
    let desk = Desk::new();
    let register = std::sync::Arc::new(std::sync::OnceLock::<ioc_alerts::Register>::new());
    let inner = std::sync::Arc::clone(&register);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let writer = std::sync::Arc::clone(&seen);
    let listener: ioc_alerts::Listener = std::sync::Arc::new(move |_| {
        if let Some(register) = inner.get() {
            let (rows, newest) = register
                .list(&AlertFilter { limit: 10, ..AlertFilter::of(Scope::city()) })
                .expect("does not wait for the writer");
            writer.lock().expect("no panic").push((rows.len(), newest));
        }
    });
    let opened = ioc_alerts::Register::open(&desk.path(), parts(listener)).expect("opens");
    assert!(register.set(opened).is_ok());
    raise(register.get().expect("set"), 0, Severity::Minor);
    assert_eq!(*seen.lock().expect("no panic"), [(1, 1)]);
}
