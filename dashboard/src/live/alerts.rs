//! What the live state keeps of alerts: which are open, and the worst of each device.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ioc_model::{AlertRow, Condition, Entity, Name, Severity};
use serde::Serialize;

/// Closed alerts remembered, so that a row that comes late does not open one again.
const REMEMBERED: usize = 1_024;

/// Open alerts of the whole city by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertCounts {
    /// Active or not acknowledged.
    pub open: u64,
    /// Not acknowledged.
    pub unacknowledged: u64,
    /// Open ones by severity word.
    pub by_severity: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
struct Open {
    ver: u64,
    service: Name,
    severity: Severity,
    acknowledged: bool,
}

/// The open alerts.
#[derive(Debug, Default)]
pub(crate) struct OpenAlerts {
    open: HashMap<String, Open, ahash::RandomState>,
    active_of: HashMap<Name, Vec<(String, Severity)>, ahash::RandomState>,
    closed: VecDeque<(String, u64)>,
}

impl OpenAlerts {
    /// Takes one state of an alert; returns the device whose worst severity may have changed.
    pub fn take(&mut self, row: &AlertRow) -> Option<Name> {
        let id = &row.id.0;
        let known = self.open.get(id).map(|o| o.ver);
        let closed = self.closed.iter().rev().find(|(c, _)| c == id).map(|(_, v)| *v);
        if known.max(closed).is_some_and(|ver| ver >= row.ver) {
            return None;
        }
        let device = match &row.entity {
            Entity::Device(id) => Some(id.clone()),
            Entity::Area(_) | Entity::Service(_) | Entity::Segment(_) | Entity::City => None,
        };
        let active = row.condition == Condition::Active;
        if let Some(device) = &device {
            self.mark(device, id, active.then_some(row.severity));
        }
        if active || !row.acknowledged {
            let open = Open {
                ver: row.ver,
                service: row.service.clone(),
                severity: row.severity,
                acknowledged: row.acknowledged,
            };
            self.open.insert(id.clone(), open);
        } else {
            self.open.remove(id);
            self.closed.push_back((id.clone(), row.ver));
            if self.closed.len() > REMEMBERED {
                self.closed.pop_front();
            }
        }
        device
    }

    fn mark(&mut self, device: &Name, id: &str, severity: Option<Severity>) {
        let active = self.active_of.entry(device.clone()).or_default();
        active.retain(|(a, _)| a != id);
        match severity {
            Some(severity) => active.push((id.into(), severity)),
            None if active.is_empty() => {
                self.active_of.remove(device);
            }
            None => {}
        }
    }

    /// Worst severity of a device's active alerts, 0 for none.
    pub fn worst_of(&self, device: &str) -> u8 {
        let active = self.active_of.get(device).into_iter().flatten();
        active.map(|(_, s)| *s as u8).max().unwrap_or(0)
    }

    pub fn counts(&self) -> AlertCounts {
        let mut counts = AlertCounts::default();
        for open in self.open.values() {
            counts.open += 1;
            counts.unacknowledged += u64::from(!open.acknowledged);
            *counts.by_severity.entry(open.severity.as_str()).or_default() += 1;
        }
        counts
    }

    /// Open alerts and worst severity of each service.
    pub fn by_service(&self) -> HashMap<Name, (u64, Severity)> {
        let mut services = HashMap::new();
        for open in self.open.values() {
            let entry = services.entry(open.service.clone()).or_insert((0, open.severity));
            entry.0 += 1;
            entry.1 = entry.1.max(open.severity);
        }
        services
    }
}
