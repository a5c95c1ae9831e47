//! What the live state keeps of alerts: which are open, their sums, and the worst of each device.
//!
//! All sums are kept as rows come and go, so that no reader walks the open alerts: there may be
//! 100,000 of them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ioc_model::{AlertRow, Condition, Entity, Name, Severity};
use serde::Serialize;

/// Closed alerts remembered, so that a row that comes late does not open one again: more than one
/// request closes.
const REMEMBERED: usize = 16_384;

/// Open alerts of the whole city by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertCounts {
    /// Neither closed nor rejected: listed and held ones.
    pub open: u64,
    /// On the operators' list: open, and nothing holds them back.
    pub listed: u64,
    /// Open and held back: shelved, suppressed, out of service.
    pub held: u64,
    /// Listed ones that nobody has acknowledged.
    pub unacknowledged: u64,
    /// Listed ones with a due time that has passed.
    pub overdue: u64,
    /// Listed ones by severity word.
    pub by_severity: BTreeMap<&'static str, u64>,
}

/// A number per severity, lowest first.
type BySeverity = [u32; 5];

fn slot(severity: Severity) -> usize {
    usize::from(severity as u8) - 1
}

fn worst(sums: &BySeverity) -> Option<Severity> {
    let highest = sums.iter().rposition(|n| *n > 0)?;
    Severity::from_u8(highest as u8 + 1)
}

/// An alert's id in half the room: the register's are 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Hex([u8; 16]),
    Other(Box<str>),
}

impl Key {
    fn new(id: &str) -> Self {
        let lower = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
        let hex = id.len() == 32 && id.as_bytes().iter().all(lower);
        match u128::from_str_radix(id, 16) {
            Ok(number) if hex => Self::Hex(number.to_be_bytes()),
            _ => Self::Other(id.into()),
        }
    }
}

/// What one open alert adds to the sums.
#[derive(Clone, Debug)]
struct Open {
    ver: u64,
    /// The device it is about, if it is about one.
    device: Option<Name>,
    /// Index into [`OpenAlerts::services`].
    service: u16,
    severity: Severity,
    listed: bool,
    active: bool,
    acknowledged: bool,
    overdue: bool,
}

/// The open alerts.
#[derive(Debug, Default)]
pub(crate) struct OpenAlerts {
    open: HashMap<Key, Open, ahash::RandomState>,
    /// Active, listed alerts of each device that has one.
    devices: HashMap<Name, BySeverity, ahash::RandomState>,
    /// Listed alerts of each service ever seen.
    services: Vec<(Name, BySeverity)>,
    listed: BySeverity,
    unacknowledged: u64,
    overdue: u64,
    closed: HashMap<Key, u64, ahash::RandomState>,
    closed_order: VecDeque<Key>,
}

impl OpenAlerts {
    /// Takes one state of an alert; returns the device whose worst severity may have changed.
    pub fn take(&mut self, row: &AlertRow) -> Option<Name> {
        let key = Key::new(&row.id.0);
        let known = self.open.get(&key).map(|o| o.ver).max(self.closed.get(&key).copied());
        if known.is_some_and(|ver| ver >= row.ver) {
            return None;
        }
        let before = self.open.remove(&key);
        if let Some(before) = &before {
            self.count(before, false);
        }
        let now = row.is_open().then(|| self.read(row));
        let device = now.as_ref().or(before.as_ref()).and_then(|o| o.device.clone());
        match now {
            Some(now) => {
                self.count(&now, true);
                self.open.insert(key, now);
            }
            None => self.remember(key, row.ver),
        }
        device
    }

    fn read(&mut self, row: &AlertRow) -> Open {
        let device = match &row.entity {
            // The name that is held already, so that it is in memory once.
            Entity::Device(id) => self.devices.get_key_value(id).map(|(k, _)| k).or(Some(id)),
            Entity::Area(_) | Entity::Service(_) | Entity::Segment(_) | Entity::City => None,
        };
        Open {
            ver: row.ver,
            device: device.cloned(),
            service: self.service(&row.service),
            severity: row.severity,
            listed: row.is_listed(),
            active: row.condition == Condition::Active,
            acknowledged: row.acknowledged,
            overdue: row.overdue,
        }
    }

    fn service(&mut self, name: &Name) -> u16 {
        let known = self.services.iter().position(|(held, _)| held == name);
        let index = known.unwrap_or_else(|| {
            self.services.push((name.clone(), BySeverity::default()));
            self.services.len() - 1
        });
        // The catalogue has some dozens of them.
        index as u16
    }

    /// Adds an alert to the sums, or takes it out of them.
    fn count(&mut self, alert: &Open, add: bool) {
        if !alert.listed {
            return;
        }
        let step = |n: &mut u32| *n = if add { *n + 1 } else { *n - 1 };
        let step_long = |n: &mut u64| *n = if add { *n + 1 } else { *n - 1 };
        step(&mut self.listed[slot(alert.severity)]);
        step(&mut self.services[usize::from(alert.service)].1[slot(alert.severity)]);
        if !alert.acknowledged {
            step_long(&mut self.unacknowledged);
        }
        if alert.overdue {
            step_long(&mut self.overdue);
        }
        let Some(device) = alert.device.as_ref().filter(|_| alert.active) else { return };
        let sums = self.devices.entry(device.clone()).or_default();
        step(&mut sums[slot(alert.severity)]);
        if *sums == BySeverity::default() {
            self.devices.remove(device);
        }
    }

    fn remember(&mut self, key: Key, ver: u64) {
        if self.closed.insert(key.clone(), ver).is_none() {
            self.closed_order.push_back(key);
        }
        if self.closed_order.len() > REMEMBERED
            && let Some(oldest) = self.closed_order.pop_front()
        {
            self.closed.remove(&oldest);
        }
    }

    /// Worst severity of a device's active, listed alerts, 0 for none.
    pub fn worst_of(&self, device: &str) -> u8 {
        self.devices.get(device).and_then(worst).map_or(0, |s| s as u8)
    }

    pub fn counts(&self) -> AlertCounts {
        let open = self.open.len() as u64;
        let listed = self.listed.iter().map(|n| u64::from(*n)).sum();
        let present = (1..=5).filter_map(Severity::from_u8).map(|s| (s, self.listed[slot(s)]));
        AlertCounts {
            open,
            listed,
            held: open - listed,
            unacknowledged: self.unacknowledged,
            overdue: self.overdue,
            by_severity: present
                .filter(|(_, n)| *n > 0)
                .map(|(s, n)| (s.as_str(), u64::from(n)))
                .collect(),
        }
    }

    /// Listed alerts and their worst severity, of each service that has one.
    pub fn by_service(&self) -> HashMap<Name, (u64, Severity)> {
        let listed = self.services.iter().filter_map(|(name, sums)| {
            let number = sums.iter().map(|n| u64::from(*n)).sum();
            Some((name.clone(), (number, worst(sums)?)))
        });
        listed.collect()
    }
}
