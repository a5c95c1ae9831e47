use serde::{Deserialize, Serialize};

use crate::{Name, Timestamp};

/// Why a rule changed its mind: everything it went by, as far as it is kept (bounded by the
/// kind of rule; raw readings are in history).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// Readings that decided, oldest first; at most [`Evidence::MAX_READINGS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<EvidenceReading>,
    /// What a window of time held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<EvidenceWindow>,
    /// The limit that was crossed, with its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<EvidenceLimit>,
    /// Spans of time that ran out or are running.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<EvidenceTimer>,
    /// Rules whose running alerts hold this one back (`unless`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inhibited_by: Vec<Name>,
    /// Further numbers and words, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<EvidenceFact>,
}

/// One reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceReading {
    /// Who said it.
    pub device: Name,
    /// Property, or `event.<kind>` for a detection.
    pub property: Name,
    /// Phenomenon time.
    pub time: Timestamp,
    /// Value in the property's unit.
    pub value: f64,
}

/// What a window held when it was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceWindow {
    /// Begin, inclusive.
    pub from: Timestamp,
    /// End, exclusive.
    pub to: Timestamp,
    /// Readings.
    pub count: u64,
    /// Smallest reading, if there was one.
    pub min: Option<f64>,
    /// Largest reading.
    pub max: Option<f64>,
    /// The aggregate that was judged.
    pub value: Option<f64>,
}

/// The limit that was crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceLimit {
    /// Comparison as it was judged, such as `> 45`.
    pub comparison: String,
    /// Named threshold, if it is one.
    pub threshold: Option<Name>,
    /// Law or document of the threshold.
    pub source: Option<String>,
    /// First day of the value.
    pub effective: Option<String>,
}

/// A span of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceTimer {
    /// `for`, `clear_for`, `window`, `silence`, `quiet`, `dwell`, `within`, …
    pub name: Name,
    /// When it began.
    pub since: Timestamp,
    /// When it ran out or will run out.
    pub until: Timestamp,
}

/// A number or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceFact {
    /// What it is.
    pub name: Name,
    /// Number.
    pub value: Option<f64>,
    /// Word.
    pub text: Option<String>,
}

impl Evidence {
    /// More readings than this are not kept with a transition.
    pub const MAX_READINGS: usize = 16;

    /// Adds a reading; beyond [`Evidence::MAX_READINGS`] the oldest is dropped.
    pub fn reading(&mut self, device: &Name, property: &Name, time_ms: i64, value: f64) {
        if self.readings.len() == Self::MAX_READINGS {
            self.readings.remove(0);
        }
        let (device, property) = (device.clone(), property.clone());
        self.readings.push(EvidenceReading { device, property, time: Timestamp(time_ms), value });
    }

    /// Adds a span of time.
    pub fn timer(&mut self, name: &str, since_ms: i64, until_ms: i64) {
        let (since, until) = (Timestamp(since_ms), Timestamp(until_ms));
        self.timers.push(EvidenceTimer { name: name.into(), since, until });
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, value: f64) {
        self.facts.push(EvidenceFact { name: name.into(), value: Some(value), text: None });
    }

    /// Adds a word.
    pub fn word(&mut self, name: &str, text: impl Into<String>) {
        self.facts.push(EvidenceFact { name: name.into(), value: None, text: Some(text.into()) });
    }

    /// True if there is nothing to show.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
