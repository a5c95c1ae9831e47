//! `kind: neighbours`: how many devices that belong together (a ward, a road segment, all within
//! 800 m) say the same: one flooded tower may be a broken one, three are a flood.

mod load;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::members::{MOST, Member, Members, limit_at};
use super::{Context, Input, Loaded, Message, Operator, Said, Verdict, Verdicts, Wanted};
use crate::fields::Fields;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::Per;
use crate::yaml::Node;

/// The rule, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NeighboursRule {
    property: Name,
    op: Op,
    limit: Limit,
    fresh_ms: i64,
    /// Percent of the members with a fresh value, not their number.
    share: bool,
    min_members: usize,
    /// `per: device`: the devices around each one.
    around: Option<Around>,
}

/// Who is near whom, by the configured places; precomputed.
#[derive(Clone, Debug, PartialEq)]
struct Around {
    radius_m: f64,
    /// Devices within the radius of each device, itself among them, sorted.
    near: BTreeMap<Name, Vec<Name>>,
}

/// The fresh readings of the members: 40 bytes per device, at most [`MOST`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NeighboursState {
    members: Members,
    /// Newest moment judged; verdicts do not go back behind it.
    newest: i64,
}

impl NeighboursRule {
    /// The number that is judged; `None` with too few members.
    fn value(&self, members: &Members) -> Option<f64> {
        if members.len() < self.min_members {
            return None;
        }
        match (self.share, members.len()) {
            (true, 0) => None,
            (true, n) => Some(100.0 * members.on() as f64 / n as f64),
            (false, _) => Some(members.on() as f64),
        }
    }

    /// Too few members are no reason to raise, and a running alert cannot be upheld.
    fn verdict(&self, state: &NeighboursState, t: i64) -> Verdict {
        let value = self.value(&state.members);
        Verdict { t, value: value.unwrap_or(0.0), ok: value.is_some() }
    }
}

impl Operator for NeighboursRule {
    const WORD: &'static str = "neighbours";
    const PER: &'static [Per] = &[Per::Area, Per::Segment, Per::Service, Per::City, Per::Device];
    type State = NeighboursState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        load::print(self)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.property.clone()))]
    }

    fn feed(
        &self,
        state: &mut NeighboursState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        self.wake(state, cx, message.t, out);
        let Some((_, value)) = values.iter().find(|(i, _)| *i == 0) else { return };
        state.newest = state.newest.max(message.t);
        // What is stale on arrival, and who has no limit, does not take part.
        let stale = message.t.saturating_add(self.fresh_ms) <= state.newest;
        let limit = limit_at(&self.limit, Some(message.name), message.t);
        let Some(limit) = limit.filter(|_| !stale) else { return };
        let (name, value, on) = (message.name.clone(), *value, self.op.holds(*value, limit));
        state.members.put(Member { name, t: message.t, value, on }, MOST);
        out.push(self.verdict(state, state.newest));
    }

    fn wake(&self, state: &mut NeighboursState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        while let Some(due) = self.deadline(state, cx).filter(|d| *d <= until) {
            if state.members.forget(due, self.fresh_ms) {
                state.newest = state.newest.max(due);
                out.push(self.verdict(state, state.newest));
            }
        }
    }

    fn deadline(&self, state: &NeighboursState, _cx: &Context<'_>) -> Option<i64> {
        state.members.stale_at(self.fresh_ms)
    }

    fn explain(&self, state: &NeighboursState, cx: &Context<'_>, evidence: &mut Evidence) {
        let members = &state.members;
        // Those that agree first, the newest of them; then the others.
        let mut told: Vec<&Member> = members.iter().collect();
        told.sort_by_key(|m| (!m.on, std::cmp::Reverse(m.t)));
        told.truncate(Evidence::MAX_READINGS);
        told.sort_by_key(|m| m.t);
        for m in told {
            evidence.reading(&m.name, &self.property, m.t, m.value);
        }
        evidence.word("is", format!("{} {}", self.op, self.limit));
        evidence.number("agreeing", members.on() as f64);
        evidence.number("fresh_members", members.len() as f64);
        evidence.number("min_members", self.min_members as f64);
        if let Some(near) = cx.device.map(|d| self.heard_by(d)).filter(|n| !n.is_empty()) {
            evidence.number("configured_members", near.len() as f64);
        }
        if members.left_out > 0 {
            evidence.number("left_out", f64::from(members.left_out));
        }
        if let Some(first) = members.iter().filter(|m| m.on).map(|m| m.t).min() {
            evidence.timer("fresh", first, first.saturating_add(self.fresh_ms));
        }
    }

    fn heard_by(&self, speaker: &Name) -> &[Name] {
        let near = self.around.as_ref().and_then(|a| a.near.get(speaker));
        near.map_or(&[], Vec::as_slice)
    }

    fn heap_bytes(&self, state: &NeighboursState) -> usize {
        state.members.heap_bytes()
    }
}
