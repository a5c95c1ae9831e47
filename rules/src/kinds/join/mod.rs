//! `kind: join`: conditions on several properties of one ward (service, road segment, city) that
//! hold at the same time, whichever devices tell them: rain and flood depth.

mod load;
#[cfg(test)]
mod tests;

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};

use super::members::{MOST, Member, Members, limit_at};
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::Fields;
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::{Per, Selection};
use crate::template::{Language, write_number};
use crate::yaml::Node;

/// The rule, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JoinRule {
    inputs: Vec<Side>,
    /// So many inputs must hold.
    at_least: usize,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
struct Side {
    name: Name,
    property: Name,
    unit: Name,
    digits: u8,
    op: Op,
    limit: Limit,
    take: Take,
    fresh_ms: i64,
    selection: Option<Selection>,
}

/// What of several devices is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Take {
    Any,
    All,
    Max,
    Min,
    Mean,
}

/// The fresh readings of each input: 40 bytes per device and input, at most [`MOST`] together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct JoinState {
    sides: Vec<Members>,
    /// Newest moment judged; verdicts do not go back behind it.
    newest: i64,
}

impl Side {
    /// The number that is compared, or that of the device which decides.
    fn value(&self, members: &Members) -> Option<f64> {
        let values = members.iter().map(|m| m.value);
        let extreme =
            |upper: bool| values.clone().reduce(|a, b| if upper { a.max(b) } else { a.min(b) });
        match self.take {
            Take::Max => extreme(true),
            Take::Min => extreme(false),
            Take::Mean if members.len() == 0 => None,
            Take::Mean => Some(values.sum::<f64>() / members.len() as f64),
            Take::Any | Take::All => self.telling(members).map(|m| m.value),
        }
    }

    /// The device that speaks for the group: the furthest one for `any`, the least for `all`.
    fn telling<'m>(&self, members: &'m Members) -> Option<&'m Member> {
        let most = match self.take {
            Take::Max => true,
            Take::Min => false,
            Take::Any => self.op.is_upper(),
            Take::All => !self.op.is_upper(),
            Take::Mean => return None,
        };
        // Those that satisfy come first: their own limits may differ.
        let want = self.take == Take::Any && members.on() > 0;
        let further =
            |a: &Member, b: &Member| if most { b.value > a.value } else { b.value < a.value };
        let candidates = members.iter().filter(|m| !want || m.on);
        candidates.reduce(|a, b| if further(a, b) { b } else { a })
    }

    fn holds(&self, members: &Members, t: i64) -> bool {
        match self.take {
            Take::Any => members.on() > 0,
            Take::All => members.len() > 0 && members.on() == members.len(),
            Take::Max | Take::Min | Take::Mean => {
                let limit = limit_at(&self.limit, None, t);
                self.value(members).zip(limit).is_some_and(|(v, l)| self.op.holds(v, l))
            }
        }
    }
}

impl JoinRule {
    fn holding(&self, state: &JoinState) -> usize {
        self.inputs.iter().zip(&state.sides).filter(|(i, m)| i.holds(m, state.newest)).count()
    }

    fn verdict(&self, state: &JoinState, t: i64) -> Verdict {
        Verdict::switch(t, self.holding(state) >= self.at_least)
    }

    /// Most devices of one input.
    fn most(&self) -> usize {
        MOST / self.inputs.len().max(1)
    }
}

impl Operator for JoinRule {
    const WORD: &'static str = "join";
    const PER: &'static [Per] = &[Per::Area, Per::Service, Per::Segment, Per::City];
    type State = JoinState;

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
        let input = |side: &Side| Input {
            what: Wanted::Property(side.property.clone()),
            selection: side.selection.clone(),
        };
        self.inputs.iter().map(input).collect()
    }

    fn feed(
        &self,
        state: &mut JoinState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        self.wake(state, cx, message.t, out);
        state.sides.resize(self.inputs.len(), Members::default());
        state.newest = state.newest.max(message.t);
        for (input, value) in values {
            let i = usize::from(*input);
            let (Some(side), Some(members)) = (self.inputs.get(i), state.sides.get_mut(i)) else {
                continue;
            };
            // What is stale on arrival, and who has no limit, does not take part.
            let limit = limit_at(&side.limit, Some(message.name), message.t);
            let stale = message.t.saturating_add(side.fresh_ms) <= state.newest;
            let Some(limit) = limit.filter(|_| !stale) else { continue };
            let (name, value) = (message.name.clone(), *value);
            let on = side.op.holds(value, limit);
            members.put(Member { name, t: message.t, value, on }, self.most());
        }
        out.push(self.verdict(state, state.newest));
    }

    fn wake(&self, state: &mut JoinState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        while let Some(due) = self.deadline(state, cx).filter(|d| *d <= until) {
            let mut changed = false;
            for (side, members) in self.inputs.iter().zip(&mut state.sides) {
                changed |= members.forget(due, side.fresh_ms);
            }
            if changed {
                state.newest = state.newest.max(due);
                out.push(self.verdict(state, state.newest));
            }
        }
    }

    fn deadline(&self, state: &JoinState, _cx: &Context<'_>) -> Option<i64> {
        let stale = |(side, members): (&Side, &Members)| members.stale_at(side.fresh_ms);
        self.inputs.iter().zip(&state.sides).filter_map(stale).min()
    }

    fn shown(&self, state: &JoinState, cx: &Context<'_>) -> Shown {
        let mut detail = Text::default();
        for (side, members) in self.inputs.iter().zip(&state.sides) {
            let Some(value) = side.value(members).filter(|_| side.holds(members, state.newest))
            else {
                continue;
            };
            let name = cx.city.properties.get(&side.property);
            for (text, language) in [(&mut detail.vi, Language::Vi), (&mut detail.en, Language::En)]
            {
                if !text.is_empty() {
                    text.push_str("; ");
                }
                let vi = language == Language::Vi;
                text.push_str(name.map_or(&side.property, |n| if vi { &n.vi } else { &n.en }));
                text.push(' ');
                write_number(Some(value), side.digits, language, text);
                if !side.unit.is_empty() {
                    text.push(' ');
                    text.push_str(&side.unit);
                }
            }
        }
        Shown {
            value: Some(self.holding(state) as f64),
            limit: Some(self.at_least as f64),
            detail,
            ..Shown::default()
        }
    }

    fn explain(&self, state: &JoinState, _cx: &Context<'_>, evidence: &mut Evidence) {
        let each = (Evidence::MAX_READINGS / self.inputs.len().max(1)).max(1);
        let mut readings: Vec<(&Name, &Member)> = Vec::new();
        let none = Members::default();
        for (i, side) in self.inputs.iter().enumerate() {
            let members = state.sides.get(i).unwrap_or(&none);
            evidence.word(&format!("{}.is", side.name), format!("{} {}", side.op, side.limit));
            evidence.number(
                &format!("{}.holds", side.name),
                f64::from(side.holds(members, state.newest)),
            );
            evidence.number(&format!("{}.devices", side.name), members.len() as f64);
            evidence.number(&format!("{}.agreeing", side.name), members.on() as f64);
            if let Some(value) = side.value(members) {
                evidence.number(&format!("{}.value", side.name), value);
            }
            if members.left_out > 0 {
                let name = format!("{}.left_out", side.name);
                evidence.number(&name, f64::from(members.left_out));
            }
            // Those that satisfy first, then the newest.
            let mut own: Vec<&Member> = members.iter().collect();
            own.sort_by_key(|m| (!m.on, std::cmp::Reverse(m.t)));
            readings.extend(own.into_iter().take(each).map(|m| (&side.property, m)));
            if let Some(newest) = members.iter().filter(|m| m.on).max_by_key(|m| m.t) {
                let name = format!("{}.fresh", side.name);
                evidence.timer(&name, newest.t, newest.t.saturating_add(side.fresh_ms));
            }
        }
        readings.sort_by_key(|(_, m)| m.t);
        for (property, m) in readings {
            evidence.reading(&m.name, property, m.t, m.value);
        }
        evidence.number("at_least", self.at_least as f64);
    }

    fn heap_bytes(&self, state: &JoinState) -> usize {
        let sides = state.sides.capacity() * size_of::<Members>();
        sides + state.sides.iter().map(Members::heap_bytes).sum::<usize>()
    }
}
