//! `health`: what is wrong with a sensor, not with the city. One device (or, for drift against
//! peers, the devices of an area or of the city), one `check`.
//!
//! Nothing is judged between readings: a device that falls silent keeps its state, and silence
//! itself is the matter of `absence`. A message refused by ingest as a whole never comes here.

mod capacity;
mod chatter;
mod clock;
#[cfg(test)]
mod data;
mod drift;
mod load;
mod mask;
mod quality;
mod range;
mod spike;
mod stats;
mod stuck;
mod text;
mod unit;

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::{Context, Input, Loaded, Message, Operator, Shown, Verdicts};
use crate::fields::Fields;
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

use capacity::Capacity;
use chatter::Chatter;
use clock::Clock;
use drift::Drift;
use quality::BadQuality;
use range::Range;
use spike::Spike;
use stuck::Stuck;
use unit::UnitMistake;

/// One way in which a sensor can be wrong.
pub(crate) trait Check {
    type State: Default;

    fn inputs(&self) -> Vec<Input>;
    fn print(&self) -> Vec<(&'static str, Node)>;
    fn feed(&self, state: &mut Self::State, cx: &Context<'_>, m: &Message<'_>, out: &mut Verdicts);
    fn shown(&self, state: &Self::State, cx: &Context<'_>) -> Shown;
    fn explain(&self, state: &Self::State, cx: &Context<'_>, evidence: &mut Evidence);

    fn wake(&self, _state: &mut Self::State, _until: i64, _out: &mut Verdicts) {}

    fn deadline(&self, _state: &Self::State) -> Option<i64> {
        None
    }

    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

macro_rules! checks {
    ($($word:literal $name:ident ($check:ty)),* $(,)?) => {
        /// A rule of kind `health`: its check.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum HealthRule {
            $($name($check),)*
        }

        /// State of the check of one entity; bounds are at each check.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(crate) enum HealthState {
            #[default]
            Nothing,
            $($name(Box<<$check as Check>::State>),)*
        }

        /// The words after `check:`.
        const WORDS: &[&str] = &[$($word),*];

        impl HealthRule {
            fn load_check(
                word: &str,
                fields: &mut Fields<'_>,
                common: &Common,
                check: &mut Checking<'_>,
            ) -> Option<Loaded<Self>> {
                match word {
                    $($word => {
                        let read = <$check>::load(fields, common, check)?;
                        Some(read.into_loaded(Self::$name))
                    })*
                    _ => None,
                }
            }

            /// The state of this check; another one, as after a change of the rule, is dropped.
            fn ready(&self, state: &mut HealthState) {
                match (self, &*state) {
                    $((Self::$name(_), HealthState::$name(_)) => {})*
                    $((Self::$name(_), _) => *state = HealthState::$name(Box::default()),)*
                }
            }
        }

        impl Operator for HealthRule {
            const WORD: &'static str = "health";
            const PER: &'static [Per] = &[Per::Device, Per::Area, Per::City];
            type State = HealthState;

            fn load(
                fields: &mut Fields<'_>,
                common: &Common,
                check: &mut Checking<'_>,
            ) -> Option<Loaded<Self>> {
                let word = load::check_word(fields, check)?;
                Self::load_check(word, fields, common, check)
            }

            fn print(&self) -> Vec<(&'static str, Node)> {
                let (word, mut rest) = match self {
                    $(Self::$name(c) => ($word, c.print()),)*
                };
                rest.insert(0, ("check", print::text(word)));
                rest
            }

            fn inputs(&self) -> Vec<Input> {
                match self {
                    $(Self::$name(c) => c.inputs(),)*
                }
            }

            fn feed(
                &self,
                state: &mut HealthState,
                cx: &Context<'_>,
                message: &Message<'_>,
                out: &mut Verdicts,
            ) {
                self.ready(state);
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => c.feed(s, cx, message, out),)*
                    _ => {}
                }
            }

            fn wake(
                &self,
                state: &mut HealthState,
                _cx: &Context<'_>,
                until: i64,
                out: &mut Verdicts,
            ) {
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => c.wake(s, until, out),)*
                    _ => {}
                }
            }

            fn deadline(&self, state: &HealthState, _cx: &Context<'_>) -> Option<i64> {
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => c.deadline(s),)*
                    _ => None,
                }
            }

            fn shown(&self, state: &HealthState, cx: &Context<'_>) -> Shown {
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => c.shown(s, cx),)*
                    _ => Shown::default(),
                }
            }

            fn explain(&self, state: &HealthState, cx: &Context<'_>, evidence: &mut Evidence) {
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => c.explain(s, cx, evidence),)*
                    _ => {}
                }
            }

            fn heap_bytes(&self, state: &HealthState) -> usize {
                match (self, state) {
                    $((Self::$name(c), HealthState::$name(s)) => {
                        size_of_val(&**s) + c.heap_bytes(s)
                    })*
                    _ => 0,
                }
            }
        }
    };
}

checks! {
    "stuck" Stuck (Stuck),
    "spike" Spike (Spike),
    "drift" Drift (Drift),
    "range" Range (Range),
    "capacity" Capacity (Capacity),
    "unit" Unit (UnitMistake),
    "clock" Clock (Clock),
    "chatter" Chatter (Chatter),
    "quality" Quality (BadQuality),
}
