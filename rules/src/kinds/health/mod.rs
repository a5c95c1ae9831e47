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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Said;
    use crate::kinds::bench::Bench;

    const RULES: [&str; 9] = [
        "{ check: stuck, property: pm25, for: 1h, severity: minor }",
        "{ check: spike, property: pm25, min_change: 5, window: 31, severity: minor }",
        "{ check: drift, property: pm25, against: self, limit: 5, severity: minor }",
        "{ check: range, property: pm25, count: 16, max: 15, severity: minor }",
        "{ check: capacity, property: parking_free, not_above: parking_total, severity: minor }",
        "{ check: unit, property: pm25, severity: minor }",
        "{ check: clock, severity: minor }",
        "{ check: chatter, rule: a.b, count: 32, within: 1h, quiet: 2h, severity: minor }",
        "{ check: quality, property: pm25, severity: minor }",
    ];

    fn fed(yaml: &str) -> Bench<HealthRule> {
        let mut b = Bench::<HealthRule>::new(yaml);
        for i in 0..500_i64 {
            let values = [(0, 10.0 + (i % 7) as f64), (1, 12.0)];
            b.say(i * 60_000, 0, Said::Values(&values[..]));
            b.say(i * 60_000, 0, Said::Alive);
            b.say(i * 60_000, 0, Said::Rule { input: 0, entity: 1, level: (i % 2) as u8 });
        }
        b
    }

    #[test]
    fn every_state_survives_a_checkpoint_and_stays_small() {
        for (yaml, word) in RULES.iter().zip(WORDS) {
            let b = fed(yaml);
            assert!(yaml.contains(&format!("check: {word},")), "{yaml}");
            assert_ne!(b.state, HealthState::default(), "{yaml}");
            let bytes = postcard::to_allocvec(&b.state).expect("writes");
            let back: HealthState = postcard::from_bytes(&bytes).expect("reads");
            assert_eq!(back, b.state, "{yaml}");
            let heap = b.kind.heap_bytes(&b.state);
            println!("{word}: {heap} B of heap");
            assert!(heap <= 800, "{yaml}: {heap}");
        }
    }

    #[test]
    fn a_state_of_another_check_is_dropped() {
        let mut b = fed(RULES[0]);
        b.kind = fed(RULES[1]).kind;
        b.value(600 * 60_000, 10.0);
        assert!(matches!(b.state, HealthState::Spike(_)));
    }

    #[test]
    fn without_a_check_only_that_is_told() {
        let load = |yaml: &str| Bench::<HealthRule>::load(yaml).err().unwrap_or_default();
        let missing = load("{ property: pm25, for: 1h, min_peers: 3, severity: minor }");
        assert_eq!(missing, "t.yaml:1:1: `check` is missing");
        let unknown = load("{ check: dritf, property: pm25, limit: 1, severity: minor }");
        assert!(unknown.ends_with("did you mean `drift`?"), "{unknown}");
    }
}
