use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Sealed, Timestamp};

/// A short shared text: an id of a device, area, service, property or rule.
pub type Name = Arc<str>;

/// Property name and value in the property's catalogue unit.
pub type Values = SmallVec<[(Name, f64); 2]>;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An accepted record.
    Record(Record),
    /// The wall clock said this; written about once a second so that rules need no clock.
    Tick(Timestamp),
}

/// What a device said, decoded and in canonical units.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Device id, unique in the city.
    pub device: Name,
    /// Area id (ward or commune slug, `unassigned` if not known).
    pub area: Name,
    /// Service code of the catalogue.
    pub service: Name,
    /// Index of the door it came through, in the order of [`crate::Ledger::source`] calls.
    pub source: u16,
    /// Phenomenon time: when it was measured or seen.
    pub time: Timestamp,
    /// When it reached us.
    pub received: Timestamp,
    /// The device's own counter, if it sends one. Of a record whose clock was clamped: its
    /// [`Record::dedup_key`] before, so that a redelivery is known whatever our clock says then.
    pub seq: Option<u64>,
    /// The device's clock ran ahead and `time` was set to `received`; see [`Record::clamp`].
    pub clock_clamped: bool,
    /// A `derived` rule computed it from other records; the rules have judged it already.
    pub derived: bool,
    /// What was said.
    pub body: Body,
}

/// The three things a device can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Measured values of one moment.
    Observation {
        /// The sender's own judgement.
        quality: Quality,
        /// At least one value.
        values: Values,
    },
    /// A camera (or other detector) saw something.
    Detection(Box<Detection>),
    /// The device about itself.
    Status(Status),
}

/// A detection of a camera or other detector. Plates are never kept in clear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// Kind, a slug such as `wrong_way` or `crowd`.
    pub kind: Name,
    /// The sender's id of the event, for redelivery.
    pub id: Option<Name>,
    /// Class of the object, such as `car` or `person`.
    pub object: Option<Name>,
    /// 0 to 1.
    pub confidence: Option<f64>,
    /// Number of objects.
    pub count: Option<f64>,
    /// Zone of the picture.
    pub zone: Option<Name>,
    /// Plate and picture, sealed.
    pub personal: Option<Box<Sealed>>,
}

/// State of a device as it reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    /// `false` also when the broker reported the device's will.
    pub online: bool,
    /// Battery charge, %.
    pub battery: Option<f64>,
}

/// Quality of a value (OPC UA words; `Good` unless the sender says otherwise).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Quality {
    /// Usable.
    #[default]
    Good = 0,
    /// Usable with care.
    Uncertain = 1,
    /// Neither raises nor clears an alert.
    Bad = 2,
}

impl Quality {
    /// The quality of a stored byte; unknown bytes count as bad.
    pub fn from_u8(b: u8) -> Self {
        match b {
            0 => Self::Good,
            1 => Self::Uncertain,
            _ => Self::Bad,
        }
    }
}

impl Record {
    /// Calls `f(property, value, quality)` for every point this record gives to history and
    /// screens. A detection is the property `event.<kind>` with its count (1 if it has none);
    /// a status is `online` (0 or 1) and `battery`.
    pub fn for_each_point(&self, mut f: impl FnMut(&Name, f64, Quality)) {
        match &self.body {
            Body::Observation { quality, values } => {
                for (property, value) in values {
                    f(property, *value, *quality);
                }
            }
            Body::Detection(d) => {
                f(&Name::from(format!("event.{}", d.kind)), d.count.unwrap_or(1.0), Quality::Good);
            }
            Body::Status(s) => {
                f(&Name::from("online"), f64::from(u8::from(s.online)), Quality::Good);
                if let Some(battery) = s.battery {
                    f(&Name::from("battery"), battery, Quality::Good);
                }
            }
        }
    }

    /// Sets the time to that of the arrival, because the device's clock ran ahead. The key stays
    /// that of what the device stated.
    pub fn clamp(&mut self) {
        self.seq = Some(self.dedup_key());
        self.time = self.received;
        self.clock_clamped = true;
    }

    /// A stable 64-bit key of what was said (a word-wise splitmix64 hash over device, time, seq and body, not over
    /// `received`, `source` or the area): two deliveries of one message have the same key, on
    /// every machine and after every restart.
    pub fn dedup_key(&self) -> u64 {
        if self.clock_clamped
            && let Some(key) = self.seq
        {
            return key;
        }
        let mut h = StableHash::default();
        h.text(&self.device);
        // A clamped time is the time of arrival, which differs between deliveries (of journals
        // whose clamped records hold no key).
        h.word(if self.clock_clamped { 0 } else { self.time.0 as u64 });
        h.word(self.seq.map_or(0, |s| s.wrapping_add(1)));
        match &self.body {
            Body::Observation { quality, values } => {
                h.word(*quality as u64);
                for (p, v) in values {
                    h.text(p);
                    h.word(v.to_bits());
                }
            }
            Body::Detection(d) => {
                h.word(100);
                h.text(&d.kind);
                for t in [&d.id, &d.object, &d.zone].into_iter() {
                    h.text(t.as_deref().unwrap_or(""));
                }
                h.word(d.confidence.unwrap_or(-1.0).to_bits());
                h.word(d.count.unwrap_or(-1.0).to_bits());
                // Two vehicles in one millisecond, where the sender has no ids.
                if let Some(sealed) = d.personal.as_ref().filter(|_| d.id.is_none()) {
                    h.word(sealed.pseudonym);
                }
            }
            Body::Status(s) => {
                h.word(200 + u64::from(s.online));
                h.word(s.battery.unwrap_or(-1.0).to_bits());
            }
        }
        h.0
    }
}

/// Word-wise splitmix64 hash, for keys that must not change between runs.
struct StableHash(u64);

impl Default for StableHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl StableHash {
    fn word(&mut self, w: u64) {
        let mut z = (self.0 ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = z ^ (z >> 31);
    }

    fn text(&mut self, t: &str) {
        self.word(t.len() as u64);
        for chunk in t.as_bytes().chunks(8) {
            let mut w = [0u8; 8];
            for (to, from) in w.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.word(u64::from_le_bytes(w));
        }
    }
}
