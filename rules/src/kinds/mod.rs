//! The kinds of rules. A kind turns what devices say into numbers for its rule's ladder of levels;
//! everything else (levels, `for`, hysteresis, active hours, `unless`, episodes, messages, timers,
//! checkpoints, lateness) is the engine's and the same for all kinds.
//!
//! A new kind is one file here with an [`Operator`], and one line in `kinds!` below.
//!
//! **Invariant:** an operator is a function of its state and what it is fed: no clock, no
//! randomness, no iteration over unordered maps.

mod operator;

pub(crate) use operator::{
    Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted,
};

use std::fmt::Debug;

use ioc_model::{Name, Severity};
use serde::{Deserialize, Serialize};

use crate::fields::Fields;
use crate::load::{Check, Common};
use crate::rule::{Ladder, Per};
use crate::yaml::Node;

macro_rules! kinds {
    ($($Kind:ident = $module:ident :: $Operator:ident),+ $(,)?) => {
        $(pub(crate) mod $module;)+

        /// A rule of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Kind {
            $($Kind($module::$Operator),)+
        }

        /// The states of one rule, one per entity.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) enum States {
            $($Kind(Vec<<$module::$Operator as Operator>::State>),)+
        }

        /// The words after `kind:`.
        pub(crate) const WORDS: &[&str] = &[$($module::$Operator::WORD),+];

        impl Kind {
            pub(crate) fn word(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => $module::$Operator::WORD,)+
                }
            }

            /// What rules of a kind can be about; `None`: no such kind.
            pub(crate) fn pers(word: &str) -> Option<&'static [Per]> {
                match word {
                    $(w if w == $module::$Operator::WORD => Some($module::$Operator::PER),)+
                    _ => None,
                }
            }

            /// Reads the fields of a kind; `None` with an error told.
            pub(crate) fn load(
                word: &str,
                fields: &mut Fields<'_>,
                common: &Common,
                check: &mut Check<'_>,
            ) -> Option<Loaded<Self>> {
                match word {
                    $(w if w == $module::$Operator::WORD => {
                        let loaded = $module::$Operator::load(fields, common, check)?;
                        Some(loaded.map(Self::$Kind))
                    })+
                    _ => None,
                }
            }

            pub(crate) fn print(&self) -> Vec<(&'static str, Node)> {
                match self {
                    $(Self::$Kind(k) => k.print(),)+
                }
            }

            pub(crate) fn link<'l>(
                &mut self,
                ladder: impl Fn(&str) -> Option<&'l Ladder>,
            ) -> Vec<(Name, Option<Severity>)> {
                match self {
                    $(Self::$Kind(k) => k.link(ladder),)+
                }
            }

            pub(crate) fn inputs(&self) -> Vec<Input> {
                match self {
                    $(Self::$Kind(k) => k.inputs(),)+
                }
            }

            #[inline]
            pub(crate) fn grace_ms(&self) -> i64 {
                match self {
                    $(Self::$Kind(k) => k.grace_ms(),)+
                }
            }

            pub(crate) fn heard_by(&self, speaker: &Name) -> &[Name] {
                match self {
                    $(Self::$Kind(k) => k.heard_by(speaker),)+
                }
            }

            pub(crate) fn is_eager(&self) -> bool {
                match self {
                    $(Self::$Kind(k) => k.is_eager(),)+
                }
            }

            pub(crate) fn judges(&self, cadence_s: u32) -> bool {
                match self {
                    $(Self::$Kind(k) => k.judges(cadence_s),)+
                }
            }

            pub(crate) fn output(&self) -> Option<&Name> {
                match self {
                    $(Self::$Kind(k) => k.output(),)+
                }
            }

            pub(crate) fn states(&self) -> States {
                match self {
                    $(Self::$Kind(_) => States::$Kind(Vec::new()),)+
                }
            }

            /// The kind and its states, typed. `None` only if they are of different kinds.
            #[inline]
            pub(crate) fn visit<V: Visit>(&self, states: &mut States, visit: V) -> Option<V::Out> {
                match (self, states) {
                    $((Self::$Kind(k), States::$Kind(s)) => Some(visit.visit(k, s)),)+
                    _ => None,
                }
            }

            /// The kind and its states, typed, to look at.
            pub(crate) fn look<V: Look>(&self, states: &States, look: V) -> Option<V::Out> {
                match (self, states) {
                    $((Self::$Kind(k), States::$Kind(s)) => Some(look.look(k, s)),)+
                    _ => None,
                }
            }
        }

        impl States {
            pub(crate) fn len(&self) -> usize {
                match self {
                    $(Self::$Kind(s) => s.len(),)+
                }
            }

            /// A fresh state at the end, or in place of that of an entity that was forgotten.
            pub(crate) fn reset(&mut self, slot: usize) {
                match self {
                    $(Self::$Kind(s) => match s.get_mut(slot) {
                        Some(state) => *state = Default::default(),
                        None => s.push(Default::default()),
                    },)+
                }
            }

            /// Bytes of the states themselves, without what they keep on the heap.
            pub(crate) fn bytes(&self) -> usize {
                match self {
                    $(Self::$Kind(s) => std::mem::size_of_val(&s[..]),)+
                }
            }
        }
    };
}

/// Something done with a kind and its states, whatever the kind.
pub(crate) trait Visit {
    type Out;
    fn visit<K: Operator>(self, kind: &K, states: &mut [K::State]) -> Self::Out;
}

/// As [`Visit`], without changing anything.
pub(crate) trait Look {
    type Out;
    fn look<K: Operator>(self, kind: &K, states: &[K::State]) -> Self::Out;
}

impl<K> Loaded<K> {
    fn map<T>(self, f: impl FnOnce(K) -> T) -> Loaded<T> {
        let Self { kind, ladder, unit, digits, cleared } = self;
        Loaded { kind: f(kind), ladder, unit, digits, cleared }
    }
}

kinds! {
    Threshold = threshold::ThresholdRule,
    Absence = absence::AbsenceRule,
    Window = window::WindowRule,
    Rate = rate::RateRule,
    Detection = detection::DetectionRule,
    Pattern = pattern::PatternRule,
    Composite = composite::CompositeRule,
    Geofence = geofence::GeofenceRule,
    Gathering = gathering::GatheringRule,
    Join = join::JoinRule,
    Neighbours = neighbours::NeighboursRule,
    Anomaly = anomaly::AnomalyRule,
    Health = health::HealthRule,
    Derived = derived::DerivedRule,
    Expression = expression::ExpressionRule,
}

mod events;
mod members;
pub(crate) mod reach;

#[cfg(test)]
pub(crate) mod bench;
