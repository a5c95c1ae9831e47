//! A compiled rule: checked, names looked up, ready for the engine.

use std::collections::BTreeSet;

use ioc_model::{Name, Severity, Text};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::limit::{Limit, Op};
use crate::template::Template;

/// More levels than severities cannot be: each has a higher one.
pub(crate) const MAX_LEVELS: usize = 5;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: Name,
    pub(crate) service: Name,
    pub(crate) name: Text,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) source: String,
    pub(crate) selection: Selection,
    pub(crate) kind: Kind,
    /// Unit symbol and digits of the value the rule speaks of.
    pub(crate) unit: Name,
    pub(crate) digits: u8,
    pub(crate) message: [Template; 2],
    pub(crate) cleared: [Template; 2],
    /// Of everything that decides when it raises and clears, not of its words.
    pub(crate) hash: u64,
}

/// Which devices a rule looks at. Empty lists do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Service codes; empty: every service.
    pub(crate) services: BTreeSet<Name>,
    pub(crate) areas: BTreeSet<Name>,
    pub(crate) devices: BTreeSet<Name>,
    /// Device kinds of the configuration.
    pub(crate) kinds: BTreeSet<String>,
}

impl Selection {
    /// `kind` is that of the configuration, if it knows the device.
    pub(crate) fn matches(
        &self,
        device: &str,
        kind: Option<&str>,
        service: &str,
        area: &str,
    ) -> bool {
        (self.services.is_empty() || self.services.contains(service))
            && (self.areas.is_empty() || self.areas.contains(area))
            && (self.devices.is_empty() || self.devices.contains(device))
            && (self.kinds.is_empty() || kind.is_some_and(|k| self.kinds.contains(k)))
    }
}

/// The kinds of rules.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Threshold(ThresholdRule),
    Window(WindowRule),
    Absence(AbsenceRule),
    Detection(DetectionRule),
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Threshold(_) => "threshold",
            Self::Window(_) => "window",
            Self::Absence(_) => "absence",
            Self::Detection(_) => "detection",
        }
    }

    pub(crate) fn ladder(&self) -> Option<&Ladder> {
        match self {
            Self::Threshold(r) => Some(&r.ladder),
            Self::Window(r) => Some(&r.ladder),
            Self::Absence(_) | Self::Detection(_) => None,
        }
    }

    /// What an alert of the rule is about.
    pub(crate) fn per(&self) -> Per {
        match self {
            Self::Threshold(_) | Self::Absence(_) => Per::Device,
            Self::Window(r) => r.per,
            Self::Detection(r) => r.per,
        }
    }

    /// Severity of a level, from 1.
    pub(crate) fn severity(&self, level: u8) -> Severity {
        match self {
            Self::Absence(r) => r.severity,
            Self::Detection(r) => r.severity,
            Self::Threshold(_) | Self::Window(_) => self
                .ladder()
                .and_then(|l| l.levels.get(usize::from(level).saturating_sub(1)))
                .map_or(Severity::Info, |l| l.severity),
        }
    }
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Per {
    Device,
    /// Ward or commune.
    Area,
    Service,
    /// Road segment of the devices' configuration.
    Segment,
    City,
}

impl Per {
    pub(crate) const ALL: [Self; 5] =
        [Self::Device, Self::Area, Self::Service, Self::Segment, Self::City];

    /// The word after `per:`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Area => "area",
            Self::Service => "service",
            Self::Segment => "segment",
            Self::City => "city",
        }
    }
}

/// A value of one device against a ladder of limits.
#[derive(Clone, Debug)]
pub(crate) struct ThresholdRule {
    pub(crate) property: Name,
    pub(crate) ladder: Ladder,
    pub(crate) and: Vec<AndCondition>,
}

/// A further property of the same device that must hold too.
#[derive(Clone, Debug)]
pub(crate) struct AndCondition {
    pub(crate) property: Name,
    pub(crate) op: Op,
    pub(crate) limit: Limit,
    /// Whether it holds while the device has not yet told the property.
    pub(crate) or_unknown: bool,
}

impl ThresholdRule {
    /// The bits of further conditions of a device that has said nothing.
    pub(crate) fn first_bits(&self) -> u8 {
        let bit = |(i, c): (usize, &AndCondition)| u8::from(c.or_unknown) << i;
        self.and.iter().enumerate().map(bit).sum()
    }
}

/// Levels in order of severity, and how long a value must stay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ladder {
    /// Written as one `severity`, see [`Ladder::switch`].
    pub(crate) switch: bool,
    pub(crate) levels: Vec<Level>,
    pub(crate) for_ms: i64,
    pub(crate) clear_for_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) severity: Severity,
    pub(crate) raise_op: Op,
    pub(crate) raise: Limit,
    pub(crate) clear_op: Op,
    pub(crate) clear: Limit,
    pub(crate) label: Text,
}

/// Limits of a ladder for one device or area: raise and clear of each level.
pub(crate) type LimitSet = SmallVec<[(f64, f64); 4]>;

impl Ladder {
    /// One level for kinds that know only yes (1) and no (0).
    pub(crate) fn switch(severity: Severity, for_ms: i64, clear_for_ms: i64) -> Self {
        let level = Level {
            severity,
            raise_op: Op::Ge,
            raise: Limit::Number(1.0),
            clear_op: Op::Lt,
            clear: Limit::Number(1.0),
            label: Text::default(),
        };
        Self { switch: true, levels: vec![level], for_ms, clear_for_ms }
    }

    /// The limits for a device; `None` if a level has none for it.
    pub(crate) fn limits(&self, device: Option<&str>) -> Option<LimitSet> {
        let of = |l: &Limit| device.map_or_else(|| l.general(), |d| l.for_device(d));
        self.levels.iter().map(|l| Some((of(&l.raise)?, of(&l.clear)?))).collect()
    }
}

/// An aggregate over a window of time against a ladder of limits.
#[derive(Clone, Debug)]
pub(crate) struct WindowRule {
    pub(crate) property: Name,
    pub(crate) per: Per,
    pub(crate) aggregate: Aggregate,
    pub(crate) size_ms: i64,
    pub(crate) slide_ms: i64,
    pub(crate) min_count: u64,
    /// So many slides of the window must hold readings.
    pub(crate) min_filled: usize,
    pub(crate) grace_ms: i64,
    pub(crate) ladder: Ladder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Count,
    Sum,
    Mean,
    /// Mean of levels in dB: of the energies, as LAeq is defined.
    MeanLevel,
    Min,
    Max,
}

impl Aggregate {
    /// What is summed up of a reading.
    #[inline]
    pub(crate) fn summand(self, value: f64) -> f64 {
        if self == Self::MeanLevel { 10f64.powf(value / 10.0) } else { value }
    }
}

/// A device that says nothing.
#[derive(Clone, Debug)]
pub(crate) struct AbsenceRule {
    /// Only this property counts as a sign of life; `None`: anything does.
    pub(crate) property: Option<Name>,
    /// Fixed limit, also for devices without a cadence.
    pub(crate) after_ms: Option<i64>,
    /// Limit as a multiple of the device's cadence.
    pub(crate) cadence: Option<f64>,
    /// A status "offline" raises at once.
    pub(crate) on_status: bool,
    pub(crate) severity: Severity,
}

impl AbsenceRule {
    /// Silence that raises, for a device with this cadence (0: not regular).
    pub(crate) fn limit_ms(&self, cadence_s: u32) -> Option<i64> {
        match self.cadence {
            Some(n) if cadence_s > 0 => Some((n * f64::from(cadence_s) * 1000.0) as i64),
            _ => self.after_ms,
        }
    }
}

/// Camera events in a window of time.
#[derive(Clone, Debug)]
pub(crate) struct DetectionRule {
    pub(crate) kinds: BTreeSet<Name>,
    pub(crate) objects: BTreeSet<Name>,
    pub(crate) zones: BTreeSet<Name>,
    pub(crate) min_confidence: f64,
    pub(crate) min_objects: f64,
    pub(crate) count: usize,
    pub(crate) within_ms: i64,
    pub(crate) quiet_ms: i64,
    pub(crate) per: Per,
    pub(crate) severity: Severity,
}

impl Rule {
    /// 64-bit FNV-1a of everything that decides when the rule raises and clears. `Debug` of
    /// these types is stable: numbers print exactly, sets are ordered.
    pub(crate) fn definition_hash(&self) -> u64 {
        let text = match self.kind.ladder() {
            None => format!("{:?}|{:?}", self.selection, self.kind),
            Some(ladder) => {
                let mut kind = self.kind.clone();
                if let Kind::Threshold(ThresholdRule { ladder: l, .. })
                | Kind::Window(WindowRule { ladder: l, .. }) = &mut kind
                {
                    l.levels.iter_mut().for_each(|level| level.label = Text::default());
                }
                format!("{:?}|{kind:?}|{}", self.selection, ladder.levels.len())
            }
        };
        fnv1a(text.as_bytes())
    }
}

/// 64-bit FNV-1a: the same on every machine.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}
