//! What is kept of a pattern on one entity.

use ioc_model::Name;
use serde::{Deserialize, Serialize};

use super::OFF;
use super::sequence::{Chain, Sequence};
use crate::kinds::events::key_of;
use crate::kinds::{Message, Said, Verdict, Verdicts};

/// 88 bytes; 48 per sequence that has begun, 88 per step of it, 48 for each thing that matched
/// (at most 16 per step) and about as much again for each time of a step that has to happen
/// several times (at most 100) and each start that waits for an absence (at most 18). At most 64
/// sequences. An entity on which no first step has matched keeps nothing but the 88 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PatternState {
    pub(super) sequences: Vec<Sequence>,
    /// When the alert ends; [`OFF`] if there is none.
    pub(super) hold: i64,
    /// Time of the last verdict; the next is not before it.
    stamp: i64,
    /// The last match.
    pub(super) matched: Option<Box<Match>>,
    /// Running alerts of other rules: input, entity.
    pub(super) active: Vec<(u8, u32)>,
    /// The event heard last, for a rule that hears one for each of its selections.
    heard: u64,
}

impl Default for PatternState {
    fn default() -> Self {
        let (sequences, active) = (Vec::new(), Vec::new());
        Self { sequences, hold: OFF, stamp: i64::MIN, matched: None, active, heard: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Match {
    pub(super) t: i64,
    pub(super) key: Option<Name>,
    pub(super) chain: Chain,
}

impl PatternState {
    /// A device that several selections name is heard once for each: one event is no sequence.
    pub(super) fn is_new(&mut self, m: &Message<'_>) -> bool {
        let Said::Detection(d, key) = m.said else { return true };
        let numbers = format!("{} {key}", m.t);
        let text = |t: &Option<Name>| t.clone().unwrap_or_default();
        let now = key_of(&[m.name, &numbers, &d.kind, &text(&d.object), &text(&d.zone)]);
        std::mem::replace(&mut self.heard, now) != now
    }

    fn say(&mut self, t: i64, on: bool, out: &mut Verdicts) {
        self.stamp = self.stamp.max(t);
        out.push(Verdict::switch(self.stamp, on));
    }

    pub(super) fn end(&mut self, t: i64, out: &mut Verdicts) {
        self.hold = OFF;
        self.say(t, false, out);
    }

    pub(super) fn matched(&mut self, found: Match, hold_ms: i64, out: &mut Verdicts) {
        let t = found.t;
        self.hold = self.hold.max(t.saturating_add(hold_ms));
        match &mut self.matched {
            Some(last) => **last = found,
            None => self.matched = Some(Box::new(found)),
        }
        self.say(t, true, out);
    }

    /// What was missing has come: the alert ends, unless another key's match holds it.
    pub(super) fn refuted(&mut self, t: i64, out: &mut Verdicts) {
        if self.hold == OFF {
            return;
        }
        let others = self.sequences.iter().map(|s| s.until).max().unwrap_or(OFF);
        if others > t {
            self.hold = others;
        } else {
            self.end(t.min(self.hold), out);
        }
    }
}
