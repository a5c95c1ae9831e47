//! What the live state keeps of alerts: which are open, their sums, and the worst of each device.
//!
//! All sums are kept as rows come and go, so that no reader walks the open alerts: there may be
//! 100,000 of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::AddAssign;

use ioc_model::{AlertRow, Condition, Entity, Name, Scope, Severity};
use serde::Serialize;

/// Closed alerts remembered, so that a row that comes late does not open one again: more than one
/// request closes.
const REMEMBERED: usize = 16_384;

/// Open alerts by number, of the whole city or of a scope.
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
    /// Index into [`OpenAlerts::pairs`].
    pair: u32,
    severity: Severity,
    listed: bool,
    active: bool,
    acknowledged: bool,
    overdue: bool,
}

/// Sums of the open alerts of one area and service.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    open: u64,
    listed: BySeverity,
    unacknowledged: u64,
    overdue: u64,
}

impl AddAssign<&Sums> for Sums {
    fn add_assign(&mut self, other: &Sums) {
        self.open += other.open;
        for (sum, n) in self.listed.iter_mut().zip(other.listed) {
            *sum += n;
        }
        self.unacknowledged += other.unacknowledged;
        self.overdue += other.overdue;
    }
}

/// Active, listed alerts of a device by area and service; nearly always all are of one.
#[derive(Clone, Debug)]
enum OfDevice {
    One(u32, BySeverity),
    More(Vec<(u32, BySeverity)>),
}

impl OfDevice {
    fn parts(&self) -> impl Iterator<Item = (u32, &BySeverity)> {
        let (one, more) = match self {
            Self::One(pair, sums) => (Some((*pair, sums)), [].as_slice()),
            Self::More(more) => (None, more.as_slice()),
        };
        one.into_iter().chain(more.iter().map(|(pair, sums)| (*pair, sums)))
    }

    fn is_mixed(&self) -> bool {
        matches!(self, Self::More(more) if more.len() > 1)
    }

    /// The sums of a pair, made when there are none.
    fn of(&mut self, pair: u32) -> &mut BySeverity {
        if let Self::One(held, sums) = self
            && *held != pair
        {
            *self = Self::More(vec![(*held, *sums)]);
        }
        match self {
            Self::One(_, sums) => sums,
            Self::More(more) => {
                let at = more.iter().position(|(held, _)| *held == pair).unwrap_or_else(|| {
                    more.push((pair, BySeverity::default()));
                    more.len() - 1
                });
                &mut more[at].1
            }
        }
    }

    /// Lets go of what has come to nothing; is that all?
    fn shrink(&mut self) -> bool {
        match self {
            Self::One(_, sums) => *sums == BySeverity::default(),
            Self::More(more) => {
                more.retain(|(_, sums)| *sums != BySeverity::default());
                if let [(pair, sums)] = more[..] {
                    *self = Self::One(pair, sums);
                    return false;
                }
                more.is_empty()
            }
        }
    }
}

/// A device whose colour may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recoloured {
    pub device: Name,
    /// It has, or had, alerts of several areas or services: not everybody sees the same.
    pub mixed: bool,
}

/// The open alerts.
#[derive(Debug, Default)]
pub(crate) struct OpenAlerts {
    open: HashMap<Key, Open, ahash::RandomState>,
    /// Active, listed alerts of each device that has one.
    devices: HashMap<Name, OfDevice, ahash::RandomState>,
    /// Each area and service that ever had an alert. Grows only: an index stays what it is.
    pairs: Vec<(Name, Name, Sums)>,
    by_area: HashMap<Name, Vec<u32>, ahash::RandomState>,
    all: Sums,
    closed: HashMap<Key, u64, ahash::RandomState>,
    closed_order: VecDeque<Key>,
}

impl OpenAlerts {
    /// Takes one state of an alert; returns the device whose worst severity may have changed.
    pub fn take(&mut self, row: &AlertRow) -> Option<Recoloured> {
        let key = Key::new(&row.id.0);
        let known = self.open.get(&key).map(|o| o.ver).max(self.closed.get(&key).copied());
        if known.is_some_and(|ver| ver >= row.ver) {
            return None;
        }
        let before = self.open.remove(&key);
        let mut mixed = false;
        if let Some(before) = &before {
            mixed |= self.is_mixed(before);
            self.count(before, false);
        }
        let now = row.is_open().then(|| self.read(row));
        let device = now.as_ref().or(before.as_ref()).and_then(|o| o.device.clone());
        match now {
            Some(now) => {
                // An alert may change its place: whose it was does not see it any more.
                mixed |= before.as_ref().is_some_and(|before| before.pair != now.pair);
                self.count(&now, true);
                mixed |= self.is_mixed(&now);
                self.open.insert(key, now);
            }
            None => self.remember(key, row.ver),
        }
        device.map(|device| Recoloured { device, mixed })
    }

    fn is_mixed(&self, alert: &Open) -> bool {
        let held = alert.device.as_ref().and_then(|device| self.devices.get(device));
        held.is_some_and(OfDevice::is_mixed)
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
            pair: self.pair(&row.area, &row.service),
            severity: row.severity,
            listed: row.is_listed(),
            active: row.condition == Condition::Active,
            acknowledged: row.acknowledged,
            overdue: row.overdue,
        }
    }

    fn pair(&mut self, area: &Name, service: &Name) -> u32 {
        let held = self.by_area.get(area).map(Vec::as_slice).unwrap_or_default();
        // The catalogue has some dozens of services.
        let known = held.iter().find(|pair| self.pairs[**pair as usize].1 == *service);
        known.copied().unwrap_or_else(|| {
            let pair = self.pairs.len() as u32;
            self.pairs.push((area.clone(), service.clone(), Sums::default()));
            self.by_area.entry(area.clone()).or_default().push(pair);
            pair
        })
    }

    /// Adds an alert to the sums, or takes it out of them.
    fn count(&mut self, alert: &Open, add: bool) {
        let step = |n: &mut u32| *n = if add { *n + 1 } else { *n - 1 };
        let step_long = |n: &mut u64| *n = if add { *n + 1 } else { *n - 1 };
        for sums in [&mut self.all, &mut self.pairs[alert.pair as usize].2] {
            step_long(&mut sums.open);
            if !alert.listed {
                continue;
            }
            step(&mut sums.listed[slot(alert.severity)]);
            if !alert.acknowledged {
                step_long(&mut sums.unacknowledged);
            }
            if alert.overdue {
                step_long(&mut sums.overdue);
            }
        }
        let colours = alert.listed && alert.active;
        let Some(device) = alert.device.as_ref().filter(|_| colours) else { return };
        let none = || OfDevice::One(alert.pair, BySeverity::default());
        let held = self.devices.entry(device.clone()).or_insert_with(none);
        step(&mut held.of(alert.pair)[slot(alert.severity)]);
        if held.shrink() {
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
        self.worst_if(device, |_| true)
    }

    /// The same of those alerts whose area and service is allowed, by the index of the pair.
    pub fn worst_within(&self, device: &str, allowed: &[bool]) -> u8 {
        self.worst_if(device, |pair| allowed.get(pair as usize).is_some_and(|a| *a))
    }

    fn worst_if(&self, device: &str, fits: impl Fn(u32) -> bool) -> u8 {
        let parts = self.devices.get(device).into_iter().flat_map(OfDevice::parts);
        let parts = parts.filter(|(pair, _)| fits(*pair));
        parts.filter_map(|(_, sums)| worst(sums)).max().map_or(0, |s| s as u8)
    }

    /// Says of each pair not looked at yet whether the scope holds it.
    pub fn allow(&self, scope: &Scope, allowed: &mut Vec<bool>) {
        let new = &self.pairs[allowed.len()..];
        allowed.extend(new.iter().map(|(area, service, _)| scope.allows(area, service)));
    }

    fn within(&self, allowed: Option<&[bool]>) -> impl Iterator<Item = &(Name, Name, Sums)> {
        let fits = move |i: usize| allowed.is_none_or(|a| a.get(i).is_some_and(|a| *a));
        self.pairs.iter().enumerate().filter(move |(i, _)| fits(*i)).map(|(_, pair)| pair)
    }

    /// Open alerts by number: all, or those of the allowed pairs.
    pub fn counts(&self, allowed: Option<&[bool]>) -> AlertCounts {
        let mut sums = Sums::default();
        match allowed {
            None => sums = self.all,
            Some(_) => self.within(allowed).for_each(|(_, _, of_pair)| sums += of_pair),
        }
        let listed = sums.listed.iter().map(|n| u64::from(*n)).sum();
        let present = (1..=5).filter_map(Severity::from_u8).map(|s| (s, sums.listed[slot(s)]));
        AlertCounts {
            open: sums.open,
            listed,
            held: sums.open - listed,
            unacknowledged: sums.unacknowledged,
            overdue: sums.overdue,
            by_severity: present
                .filter(|(_, n)| *n > 0)
                .map(|(s, n)| (s.as_str(), u64::from(n)))
                .collect(),
        }
    }

    /// Listed alerts and their worst severity, of each service that has one; of all pairs or of
    /// the allowed ones.
    pub fn by_service(&self, allowed: Option<&[bool]>) -> HashMap<Name, (u64, Severity)> {
        let mut services: HashMap<Name, (u64, Severity)> = HashMap::new();
        for (_, service, sums) in self.within(allowed) {
            let Some(worst) = worst(&sums.listed) else { continue };
            let number: u64 = sums.listed.iter().map(|n| u64::from(*n)).sum();
            let held = services.entry(service.clone()).or_insert((0, worst));
            *held = (held.0 + number, held.1.max(worst));
        }
        services
    }
}
