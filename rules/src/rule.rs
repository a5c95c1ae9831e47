//! A compiled rule: checked, names looked up, ready for the engine.

use std::collections::BTreeSet;

use ioc_model::{Name, Severity, Text};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::hours::Hours;
use crate::kinds::Kind;
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
    pub(crate) per: Per,
    pub(crate) mode: Mode,
    /// When it is judged; `None`: always.
    pub(crate) hours: Option<Hours>,
    pub(crate) unless: Vec<Unless>,
    /// Word of what is behind its alerts; by itself the service.
    pub(crate) cause: Name,
    /// Its alerts stay open after their return until an operator resolves them.
    pub(crate) latched: bool,
    pub(crate) kind: Kind,
    pub(crate) ladder: Ladder,
    /// Unit symbol and digits of the value the rule speaks of.
    pub(crate) unit: Name,
    pub(crate) digits: u8,
    /// In Vietnamese and English.
    pub(crate) message: [Template; 2],
    pub(crate) cleared: [Template; 2],
    /// Of everything that decides when it raises and clears, not of its words.
    pub(crate) hash: u64,
    /// Rules it depends on come before it: their greatest rank and one.
    pub(crate) rank: u16,
}

/// Whether a rule is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    On,
    /// Judges and tells what it would have raised, raises nothing.
    Shadow,
    Off,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::On, Self::Shadow, Self::Off];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// While an alert of another rule runs, this one does not raise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unless {
    pub(crate) rule: Name,
    pub(crate) on: Relation,
}

/// Where the other alert must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// On the same entity or, for a rule about something larger, on what this one belongs to.
    Same,
    /// On the device's gateway (`parent` of the device).
    Parent,
    /// Anywhere in the ward.
    Area,
    /// Anywhere.
    City,
}

impl Relation {
    pub(crate) const ALL: [Self; 4] = [Self::Same, Self::Parent, Self::Area, Self::City];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Parent => "parent",
            Self::Area => "area",
            Self::City => "city",
        }
    }
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

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Levels in order of severity, and how long a value must stay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ladder {
    /// Written as one `severity`, see [`Ladder::switch`].
    pub(crate) switch: bool,
    pub(crate) levels: Vec<Level>,
    pub(crate) for_ms: i64,
    pub(crate) clear_for_ms: i64,
    pub(crate) chatter: Option<Chatter>,
}

/// Holds an alert that comes and goes: raised `raises` times within `within_ms`, it does not clear
/// before its condition was gone for `hold_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chatter {
    /// 2 to [`Chatter::MAX_RAISES`].
    pub(crate) raises: u8,
    pub(crate) within_ms: i64,
    pub(crate) hold_ms: i64,
}

impl Chatter {
    pub(crate) const MAX_RAISES: u8 = 16;
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

/// Limits of a ladder for one entity: raise and clear of each level.
pub(crate) type LimitSet = SmallVec<[(f64, f64); 4]>;

/// Limits of a ladder for one entity over time: since when they hold, oldest first. A level that
/// has no limit (not yet, no longer) is not a number and holds for no value.
pub(crate) type Eras = SmallVec<[(i64, LimitSet); 1]>;

impl Level {
    /// Whether a value ends the level. One without a limit (a threshold that is not in force)
    /// ends with the first value.
    #[inline]
    pub(crate) fn clears(&self, value: f64, clear: f64) -> bool {
        self.clear_op.holds(value, clear) || clear.is_nan()
    }
}

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
        Self { switch: true, levels: vec![level], for_ms, clear_for_ms, chatter: None }
    }

    /// No level: nothing is ever raised.
    pub(crate) fn none() -> Self {
        Self { switch: false, levels: Vec::new(), for_ms: 0, clear_for_ms: 0, chatter: None }
    }

    /// The limits for a device or, without one, the general ones; `None` if a level never has one.
    pub(crate) fn limits(&self, device: Option<&str>) -> Option<Eras> {
        let of = |l: &Limit, t: i64| l.at(device, t).unwrap_or(f64::NAN);
        let all = || self.levels.iter().flat_map(|l| [&l.raise, &l.clear]);
        if all().any(|l| !l.ever(device)) {
            return None;
        }
        let mut starts: Vec<i64> = all().flat_map(|l| l.changes()).collect();
        starts.push(i64::MIN);
        starts.sort_unstable();
        starts.dedup();
        let set = |t: i64| self.levels.iter().map(|l| (of(&l.raise, t), of(&l.clear, t))).collect();
        Some(starts.into_iter().map(|t| (t, set(t))).collect())
    }

    /// Severity of a level, from 1.
    pub(crate) fn severity(&self, level: u8) -> Severity {
        let level = self.levels.get(usize::from(level).saturating_sub(1));
        level.map_or(Severity::Info, |l| l.severity)
    }
}

impl Rule {
    /// 64-bit FNV-1a of everything that decides when the rule raises and clears. `Debug` of
    /// these types is stable: numbers print exactly, sets are ordered.
    pub(crate) fn definition_hash(&self) -> u64 {
        let mut ladder = self.ladder.clone();
        ladder.levels.iter_mut().for_each(|level| level.label = Text::default());
        let Self { selection, per, mode, hours, unless, kind, .. } = self;
        let text =
            format!("{selection:?}|{per:?}|{mode:?}|{hours:?}|{unless:?}|{kind:?}|{ladder:?}");
        fnv1a(text.as_bytes())
    }
}

/// 64-bit FNV-1a: the same on every machine.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}
