use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Evidence, Name, Timestamp};

/// A text in both languages of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// Severity of an alert, lowest first (domain.md §1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    /// Thông tin.
    Info = 1,
    /// Chú ý.
    Minor = 2,
    /// Cảnh báo.
    Major = 3,
    /// Nghiêm trọng.
    Critical = 4,
    /// Khẩn cấp.
    Emergency = 5,
}

impl Severity {
    /// The severity of a stored number.
    pub fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            1 => Self::Info,
            2 => Self::Minor,
            3 => Self::Major,
            4 => Self::Critical,
            5 => Self::Emergency,
            _ => return None,
        })
    }

    /// The word used in JSON, topics and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
            Self::Emergency => "emergency",
        }
    }
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "id")]
pub enum Entity {
    /// One device.
    Device(Name),
    /// One ward or commune.
    Area(Name),
    /// One service.
    Service(Name),
    /// One road segment.
    Segment(Name),
    /// The whole city.
    City,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write!(f, "device:{id}"),
            Self::Area(id) => write!(f, "area:{id}"),
            Self::Service(id) => write!(f, "service:{id}"),
            Self::Segment(id) => write!(f, "segment:{id}"),
            Self::City => f.write_str("city"),
        }
    }
}

/// Id of one episode: 32 hex digits, a function of rule, entity and start alone, so that a
/// replay names the same episode the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub String);

impl AlertId {
    /// The id of the episode of `rule` on `entity` that started at `start`: two rounds of 64-bit
    /// FNV-1a with a splitmix finish over `rule \0 entity \0 start`.
    pub fn new(rule: &str, entity: &Entity, start: Timestamp) -> Self {
        let text = format!("{rule}\0{entity}\0{}", start.0);
        let half = |seed: u64| {
            let mut h = 0xcbf2_9ce4_8422_2325u64 ^ seed;
            for b in text.bytes() {
                h = (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
            }
            h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            h ^ (h >> 31)
        };
        Self(format!("{:016x}{:016x}", half(0), half(0x9e37_79b9_7f4a_7c15)))
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Process condition of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// The cause holds.
    Active,
    /// The cause is gone (ISA-18.2: returned to normal).
    Returned,
}

/// One change that the rule engine found: the only thing that flows from rules to alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Position in the journal of the entry that caused it.
    pub position: u64,
    /// The episode.
    pub alert: AlertId,
    /// Rule id.
    pub rule: Name,
    /// What it is about.
    pub entity: Entity,
    /// The device whose record caused it, if one did.
    pub device: Option<Name>,
    /// Area of the entity, or of the device.
    pub area: Name,
    /// Service of the rule, or of the device.
    pub service: Name,
    /// Event time of the change.
    pub time: Timestamp,
    /// What changed.
    pub kind: TransitionKind,
    /// Severity after the change.
    pub severity: Severity,
    /// The value that caused it (mean, count, seconds of silence …), in `unit`.
    pub value: Option<f64>,
    /// The limit that was crossed, in `unit`.
    pub limit: Option<f64>,
    /// Unit symbol for display.
    pub unit: Name,
    /// Rule name in both languages.
    pub name: Text,
    /// Rendered message in both languages.
    pub message: Text,
    /// Word of what is behind it: alerts of one cause in one ward belong together.
    pub cause: Name,
    /// The alert stays open after its condition has returned, until an operator resolves it
    /// (ISA-18.2: latched).
    pub latched: bool,
    /// Why.
    pub evidence: Box<Evidence>,
}

/// Kinds of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransitionKind {
    /// A new episode.
    Raise,
    /// Same episode, other severity (up or down).
    Severity,
    /// The condition returned to normal.
    Clear,
}
