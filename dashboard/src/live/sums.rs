//! Property: the sums kept as rows come and go are those of a recount, whatever comes in whatever
//! order.

use std::collections::{BTreeMap, HashMap};

use ioc_model::{AlertRow, Condition, Entity, Held, HeldBy, Severity, Work};
use proptest::prelude::*;

use super::alerts::{AlertCounts, OpenAlerts};
use crate::testing::alert;

const DEVICES: usize = 3;

/// Alert, version, and the rest of its state.
#[derive(Clone, Debug)]
struct Step {
    alert: u64,
    ver: u64,
    severity: u8,
    work: usize,
    flags: [bool; 4],
}

fn step() -> impl Strategy<Value = Step> {
    (0..12u64, 1..9u64, 1..=5u8, 0..Work::ALL.len(), any::<[bool; 4]>())
        .prop_map(|(alert, ver, severity, work, flags)| Step { alert, ver, severity, work, flags })
}

fn row(step: &Step) -> AlertRow {
    let severity = Severity::from_u8(step.severity).expect("1 to 5");
    let device = format!("air-{:03}", step.alert as usize % DEVICES);
    let mut row = alert(step.alert, &device, severity);
    row.ver = step.ver;
    row.work = Work::ALL[step.work];
    let [active, acknowledged, overdue, held] = step.flags;
    row.condition = if active { Condition::Active } else { Condition::Returned };
    (row.acknowledged, row.overdue) = (acknowledged, overdue);
    if held {
        row.held.push(Held {
            by: HeldBy::Maintenance,
            id: "1".into(),
            until: None,
            who: "lan".into(),
            reason: "x".into(),
        });
    }
    if step.alert >= 9 {
        // Not about a device, of another service, and with an id that is no number.
        row.entity = Entity::City;
        row.service = "fire".into();
        row.id.0 = format!("odd-{}", step.alert);
    }
    row
}

fn recount(newest: &HashMap<u64, AlertRow>) -> AlertCounts {
    let open: Vec<_> = newest.values().filter(|r| r.is_open()).collect();
    let listed: Vec<_> = open.iter().filter(|r| r.is_listed()).collect();
    let number =
        |fits: &dyn Fn(&AlertRow) -> bool| listed.iter().filter(|r| fits(r)).count() as u64;
    let mut by_severity = BTreeMap::new();
    for row in &listed {
        *by_severity.entry(row.severity.as_str()).or_default() += 1;
    }
    AlertCounts {
        open: open.len() as u64,
        listed: listed.len() as u64,
        held: (open.len() - listed.len()) as u64,
        unacknowledged: number(&|r| !r.acknowledged),
        overdue: number(&|r| r.overdue),
        by_severity,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn sums_are_those_of_a_recount(steps in prop::collection::vec(step(), 1..80)) {
        let mut sums = OpenAlerts::default();
        let mut newest: HashMap<u64, AlertRow> = HashMap::new();
        for step in &steps {
            let row = row(step);
            sums.take(&row);
            if newest.get(&step.alert).is_none_or(|held| held.ver < row.ver) {
                newest.insert(step.alert, row);
            }
            prop_assert_eq!(sums.counts(None), recount(&newest));
        }
        let listed = || newest.values().filter(|r| r.is_listed());
        for n in 0..DEVICES {
            let device = format!("air-{n:03}");
            let own = listed().filter(|r| {
                r.condition == Condition::Active && r.entity == Entity::Device(device.as_str().into())
            });
            let worst = own.map(|r| r.severity as u8).max().unwrap_or(0);
            prop_assert_eq!(sums.worst_of(&device), worst);
        }
        let mut services: HashMap<ioc_model::Name, (u64, Severity)> = HashMap::new();
        for row in listed() {
            let entry = services.entry(row.service.clone()).or_insert((0, row.severity));
            *entry = (entry.0 + 1, entry.1.max(row.severity));
        }
        prop_assert_eq!(sums.by_service(None), services);
    }
}
