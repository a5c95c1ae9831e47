//! The contract of a kind: what it is fed, what it finds, what it shows.

use std::fmt::Debug;

use ioc_model::{Detection, Evidence, Name, Severity, Text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use crate::fields::Fields;
use crate::load::{Check, Common};
use crate::rule::{Ladder, Per, Selection};
use crate::ruleset::CityView;
use crate::yaml::Node;

/// A kind of rule, compiled.
pub(crate) trait Operator: Sized + Clone + Debug + PartialEq {
    /// The word after `kind:`.
    const WORD: &'static str;
    /// What its alerts can be about; the first is the default.
    const PER: &'static [Per];
    /// What is kept per entity. Bounded: say the bound in its docs.
    type State: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned;

    /// Reads the fields of this kind; mistakes go to `check.report`, all of them.
    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>>;

    /// The fields of this kind as [`Operator::load`] reads them, without the ladder's:
    /// `load(print(rule)) == rule`. Helpers are in [`crate::print`].
    fn print(&self) -> Vec<(&'static str, Node)>;

    /// Looks up what it needs to know of the rules it names, once all are known, and returns
    /// those that can never count: unknown, or without a level so severe.
    fn link<'l>(
        &mut self,
        _ladder: impl Fn(&str) -> Option<&'l Ladder>,
    ) -> Vec<(Name, Option<Severity>)> {
        Vec::new()
    }

    /// What it wants to be fed, in the order of input numbers; at most 250.
    fn inputs(&self) -> Vec<Input>;

    /// The entity becomes known, or time begins for one that is.
    fn begin(&self, _state: &mut Self::State, _cx: &Context<'_>) {}

    /// A message with something for this rule. Called in the order of event time per device; for
    /// entities of several devices, of arrival. Verdicts may not go back in time.
    fn feed(
        &self,
        state: &mut Self::State,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    );

    /// Time has come to `until`: do everything that was due at or before it, in order.
    fn wake(&self, _state: &mut Self::State, _cx: &Context<'_>, _until: i64, _out: &mut Verdicts) {}

    /// When [`Operator::wake`] has something to do next, if nothing else is heard. After
    /// `wake(until)` it is later than `until`.
    fn deadline(&self, _state: &Self::State, _cx: &Context<'_>) -> Option<i64> {
        None
    }

    /// So long after a deadline stragglers are still waited for (`grace`).
    fn grace_ms(&self) -> i64 {
        0
    }

    /// What the message of a transition shows beside the number that was judged.
    fn shown(&self, _state: &Self::State, _cx: &Context<'_>) -> Shown {
        Shown::default()
    }

    /// Why: adds readings, window contents and timers to the evidence of a transition. Also
    /// asked for "why not" while nothing is raised.
    fn explain(&self, _state: &Self::State, _cx: &Context<'_>, _evidence: &mut Evidence) {}

    /// Values computed by this rule that are observations again: property, time, value. Called
    /// after each feed and wake; empties what was gathered.
    fn derived(&self, _state: &mut Self::State, _out: &mut Vec<(Name, i64, f64)>) {}

    /// For rules about devices and their surroundings: the devices that are to hear what this one
    /// says, itself among them; empty: only itself.
    fn heard_by(&self, _speaker: &Name) -> &[Name] {
        &[]
    }

    /// Waiting begins when a device is known, not at its first word (silence).
    fn is_eager(&self) -> bool {
        false
    }

    /// Whether an entity with this cadence can be judged at all.
    fn judges(&self, _cadence_s: u32) -> bool {
        true
    }

    /// The property its derived values have.
    fn output(&self) -> Option<&Name> {
        None
    }

    /// Bytes the state keeps on the heap.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// A kind as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded<K> {
    pub(crate) kind: K,
    /// From [`Common::ladder`] or, for kinds that only know yes and no, [`Common::switch`].
    pub(crate) ladder: Ladder,
    /// Unit symbol and digits of the value that messages show.
    pub(crate) unit: Name,
    pub(crate) digits: u8,
    /// `cleared:` if the rule does not say one: Vietnamese, English.
    pub(crate) cleared: (&'static str, &'static str),
}

/// Something a rule wants to be fed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) what: Wanted,
    /// Other devices than the rule's `where`.
    pub(crate) selection: Option<Selection>,
}

impl Input {
    pub(crate) fn of(what: Wanted) -> Self {
        Self { what, selection: None }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// Good and uncertain values of a property.
    Property(Name),
    /// Values of a property whatever their quality, see [`Message::bad`].
    AnyQuality(Name),
    /// Detections.
    Detection,
    /// Any sign of life, and "offline".
    Presence,
    /// Changes of level of another rule on the same entity, or on entities of the same area when
    /// this rule is about areas.
    Rule(Name),
}

/// A message as one rule sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// Phenomenon time, ms.
    pub(crate) t: i64,
    /// When it reached us, ms.
    pub(crate) received: i64,
    /// The device's clock ran ahead and `t` was set to `received`.
    pub(crate) clamped: bool,
    /// Flagged bad: only given to [`Wanted::AnyQuality`].
    pub(crate) bad: bool,
    /// Number of the speaker in this engine: tells the members of a group apart. Never in
    /// anything that leaves the engine.
    pub(crate) device: u32,
    /// Id of the speaker.
    pub(crate) name: &'a Name,
    pub(crate) said: Said<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    /// The values of one message that the rule wants: input number and value, each finite.
    Values(&'a [(u8, f64)]),
    /// A camera event and the key that tells it from others (the same event told twice has the
    /// same key).
    Detection(&'a Detection, u64),
    /// A sign of life.
    Alive,
    /// The device, or its broker, says that it is gone.
    Offline,
    /// Another rule changed its level on `entity`; 0 is normal.
    Rule { input: u8, entity: u32, level: u8 },
}

/// What an operator may know beside its state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// The engine's now, ms; `i64::MIN` before the first.
    pub(crate) now: i64,
    /// Since when records are heard without a gap.
    pub(crate) listening_since: i64,
    /// Expected seconds between messages of the entity's device; 0: not regular or no device.
    pub(crate) cadence_s: u32,
    /// The entity's device, if it is one.
    pub(crate) device: Option<&'a Name>,
    pub(crate) city: &'a CityView,
}

/// What a kind found at a moment, for the ladder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) t: i64,
    /// The number that the levels judge; for kinds that know only yes and no 1 or 0.
    pub(crate) value: f64,
    /// Further conditions hold; while not, nothing raises and a running alert clears.
    pub(crate) ok: bool,
}

impl Verdict {
    pub(crate) fn of(t: i64, value: f64) -> Self {
        Self { t, value, ok: true }
    }

    pub(crate) fn switch(t: i64, on: bool) -> Self {
        Self::of(t, if on { 1.0 } else { 0.0 })
    }
}

pub(crate) type Verdicts = SmallVec<[Verdict; 2]>;

/// What a message shows. `None`: the number that was judged, the limit of the level.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) value: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// `{duration}`; `None`: the rule's `for`.
    pub(crate) duration_ms: Option<i64>,
    /// `{cause}`: the device itself said that it is gone.
    pub(crate) reported: bool,
    /// `{detail}`.
    pub(crate) detail: Text,
}
