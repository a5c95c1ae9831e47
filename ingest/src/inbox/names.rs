//! Names of properties as small numbers, and those one device has sent.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{PoisonError, RwLock};

use ahash::RandomState;
use ioc_model::{Body, Name, Record};

/// Names known in all: the catalogue's, and kinds of events, which devices invent.
const NAMES: usize = 4_096;
/// Names of one device.
const OF_DEVICE: usize = 64;

/// All names, by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<Name, u16, RandomState>,
    names: Vec<Name>,
}

impl Names {
    /// The number of a name; `None`: there are too many.
    fn number(&self, name: &str) -> Option<u16> {
        let known = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.by_name.get(name) {
            return Some(*number);
        }
        drop(known);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = table.by_name.get(name) {
            return Some(*number);
        }
        let number = u16::try_from(table.names.len()).ok().filter(|n| usize::from(*n) < NAMES)?;
        let name = Name::from(name);
        table.names.push(Name::clone(&name));
        table.by_name.insert(name, number);
        Some(number)
    }

    pub(super) fn of(&self, seen: &Seen) -> Vec<Name> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        seen.numbers.iter().filter_map(|n| table.names.get(usize::from(*n)).cloned()).collect()
    }
}

/// What one device has sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// In the order they came.
    numbers: Box<[u16]>,
    /// Fingerprints of the last bodies that had nothing new.
    known: [u32; 2],
}

impl Seen {
    /// Notes the properties of a record. Bodies that look like one of the last two cost no look.
    pub(super) fn note(&mut self, names: &Names, hasher: &RandomState, record: &Record) {
        let print = fingerprint(hasher, &record.body);
        if self.known.contains(&print) {
            return;
        }
        self.known.rotate_right(1);
        self.known[0] = print;
        match &record.body {
            Body::Observation { values, .. } => {
                values.iter().for_each(|(property, _)| self.add(names, property));
            }
            Body::Detection(d) => self.add(names, &format!("event.{}", d.kind)),
            Body::Status(s) => {
                self.add(names, "online");
                if s.battery.is_some() {
                    self.add(names, "battery");
                }
            }
        }
    }

    fn add(&mut self, names: &Names, name: &str) {
        let Some(number) = names.number(name) else { return };
        if self.numbers.contains(&number) || self.numbers.len() >= OF_DEVICE {
            return;
        }
        let mut numbers = std::mem::take(&mut self.numbers).into_vec();
        numbers.reserve_exact(1);
        numbers.push(number);
        self.numbers = numbers.into();
    }
}

/// Equal for bodies of the same properties. Names of the catalogue are shared: where they lie
/// says which they are. Were one not of the catalogue, a name could be missing in the view.
fn fingerprint(hasher: &RandomState, body: &Body) -> u32 {
    let hash = match body {
        Body::Observation { values, .. } => {
            let mut hash = 1u64;
            for (property, _) in values {
                let place = property.as_ptr().addr() as u64;
                hash = (hash ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
            }
            hash
        }
        Body::Detection(d) => {
            let mut kind = hasher.build_hasher();
            kind.write(d.kind.as_bytes());
            kind.finish()
        }
        Body::Status(s) => 2 + u64::from(s.battery.is_some()),
    };
    // 0 is no fingerprint.
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}

#[cfg(test)]
mod tests {
    use ioc_model::{Detection, Quality, Status, Timestamp};

    use super::*;

    fn record(body: Body) -> Record {
        let name = Name::from("x");
        Record {
            device: name.clone(),
            area: name.clone(),
            service: name,
            source: 0,
            time: Timestamp(0),
            received: Timestamp(0),
            seq: None,
            clock_clamped: false,
            derived: false,
            body,
        }
    }

    fn observation(properties: &[&str]) -> Record {
        let values = properties.iter().map(|p| (Name::from(*p), 1.0)).collect();
        record(Body::Observation { quality: Quality::Good, values })
    }

    #[test]
    fn properties_events_and_status_are_seen_once_each() {
        let (names, hasher) = (Names::default(), RandomState::new());
        let mut seen = Seen::default();
        let crowd = Detection { kind: "crowd".into(), ..Detection::default() };
        for r in [
            observation(&["pm25", "pm10"]),
            observation(&["pm10", "o3"]),
            record(Body::Detection(Box::new(crowd))),
            record(Body::Status(Status { online: true, battery: None })),
            record(Body::Status(Status { online: true, battery: Some(3.0) })),
            observation(&["pm25"]),
        ] {
            seen.note(&names, &hasher, &r);
            seen.note(&names, &hasher, &r);
        }
        let told = names.of(&seen);
        let told: Vec<&str> = told.iter().map(|n| &**n).collect();
        assert_eq!(told, ["pm25", "pm10", "o3", "event.crowd", "online", "battery"]);
    }

    #[test]
    fn invented_names_are_bounded_of_a_device_and_in_all() {
        let (names, hasher) = (Names::default(), RandomState::new());
        for device in 0..100 {
            let mut seen = Seen::default();
            // All alive at once, as those of a catalogue are.
            let records: Vec<_> =
                (0..100).map(|i| observation(&[&format!("{device}-{i}")])).collect();
            records.iter().for_each(|r| seen.note(&names, &hasher, r));
            assert!(names.of(&seen).len() <= OF_DEVICE);
        }
        assert_eq!(names.table.read().expect("lock").names.len(), NAMES);
    }
}
