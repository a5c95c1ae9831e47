//! `kind: expression`: a free predicate, or a number with levels, over the last values of one
//! device. The language is in [`crate::expr`].

mod load;
#[cfg(test)]
pub(crate) mod tests;

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};

use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::expr::{Expression, Lasts, Scope};
use crate::fields::Fields;
use crate::limit::Limit;
use crate::load::{Check, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

pub(crate) use load::{default_fresh, note_devices_without_limit, read};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExpressionRule {
    /// The inputs; the first is `value` and the number that messages show.
    properties: Vec<Property>,
    what: What,
    /// A value older than this is not known any more.
    fresh_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Property {
    id: Name,
    unit: Name,
    digits: u8,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    /// Without `clear`: as soon as `raise` does not hold.
    Predicate {
        raise: Expression,
        clear: Option<Expression>,
    },
    Number {
        value: Expression,
        unit: Name,
        digits: u8,
    },
}

/// 64 bytes, with more than two inputs 16 bytes each on the heap: at most 320.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpressionState {
    lasts: Lasts,
    /// Evaluations without a value: something was not known, a division by zero.
    undefined: u32,
}

/// Verdict of a predicate that raises, of one that clears, and of a value between the two that
/// does neither (hysteresis).
const ON: f64 = 1.0;
const OFF: f64 = 0.0;
const BETWEEN: f64 = 0.5;

impl ExpressionRule {
    fn scope<'a>(&'a self, state: &'a ExpressionState, cx: &Context<'a>) -> Scope<'a> {
        let (lasts, t) = (&state.lasts, state.lasts.newest);
        Scope { lasts, fresh_ms: self.fresh_ms, t, device: cx.device, city: cx.city }
    }

    /// `None`: nothing can be said, and an alert stays as it is.
    #[inline]
    fn judge(&self, scope: &Scope<'_>) -> Option<f64> {
        match &self.what {
            What::Number { value, .. } => value.number(scope),
            What::Predicate { raise, clear } => match (raise.holds(scope), clear) {
                (Some(true), _) => Some(ON),
                (raised, None) => raised.map(|_| OFF),
                (raised, Some(clear)) => match clear.holds(scope) {
                    Some(true) => Some(OFF),
                    _ => raised.map(|_| BETWEEN),
                },
            },
        }
    }

    fn expressions(&self) -> impl Iterator<Item = (&'static str, &Expression)> {
        let (first, second) = match &self.what {
            What::Predicate { raise, clear } => {
                (("raise", raise), clear.as_ref().map(|c| ("clear", c)))
            }
            What::Number { value, .. } => (("value", value), None),
        };
        [first].into_iter().chain(second)
    }
}

impl Operator for ExpressionRule {
    const WORD: &'static str = "expression";
    const PER: &'static [Per] = &[Per::Device];
    type State = ExpressionState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = vec![("properties", print::texts(self.properties.iter().map(|p| &p.id)))];
        out.extend(self.expressions().map(|(key, e)| (key, print::text(e.source.as_str()))));
        if let What::Number { unit, digits, .. } = &self.what {
            out.push(("unit", print::text(&**unit)));
            out.push(("digits", print::number(f64::from(*digits))));
        }
        out.push(("fresh", print::duration(self.fresh_ms)));
        out
    }

    fn inputs(&self) -> Vec<Input> {
        self.properties.iter().map(|p| Input::of(Wanted::Property(p.id.clone()))).collect()
    }

    #[inline]
    fn feed(
        &self,
        state: &mut ExpressionState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        if message.bad {
            return;
        }
        state.lasts.take(message.t, values);
        match self.judge(&self.scope(state, cx)) {
            Some(value) => out.push(Verdict::of(state.lasts.newest, value)),
            None => state.undefined = state.undefined.saturating_add(1),
        }
    }

    fn shown(&self, state: &ExpressionState, cx: &Context<'_>) -> Shown {
        let mut detail = Text::default();
        for (i, p) in self.properties.iter().enumerate() {
            let Some((value, _)) = state.lasts.last(i as u8) else { continue };
            let comma = if detail.en.is_empty() { "" } else { ", " };
            let number = format!("{value:.*}", usize::from(p.digits));
            let (before, after) = (format!("{comma}{} ", p.id), format!(" {}", p.unit));
            detail.vi.push_str(&format!(
                "{before}{}{}",
                number.replace('.', ","),
                after.trim_end()
            ));
            detail.en.push_str(&format!("{before}{number}{}", after.trim_end()));
        }
        let (value, limit) = match &self.what {
            What::Number { .. } => (None, None),
            What::Predicate { raise, .. } => {
                let limits = raise.limits();
                let of = |l: &&Limit| l.at(cx.device.map(|d| &**d), state.lasts.newest);
                (state.lasts.last(0).map(|(v, _)| v), limits.first().and_then(of))
            }
        };
        Shown { value, limit, detail, ..Shown::default() }
    }

    fn explain(&self, state: &ExpressionState, cx: &Context<'_>, evidence: &mut Evidence) {
        let none = Name::from("");
        let device = cx.device.unwrap_or(&none);
        for (i, p) in self.properties.iter().enumerate() {
            match state.lasts.last(i as u8) {
                Some((value, at)) => {
                    evidence.reading(device, &p.id, at, value);
                    if state.lasts.newest - at > self.fresh_ms {
                        evidence.word(&p.id, "too old");
                    }
                }
                None => evidence.word(&p.id, "not known"),
            }
        }
        let scope = self.scope(state, cx);
        for (key, e) in self.expressions() {
            evidence.word(key, e.source.as_str());
            match (e.number(&scope), e.holds(&scope)) {
                (Some(n), _) => evidence.number("result", n),
                (None, Some(b)) => evidence.word(&format!("{key} holds"), b.to_string()),
                (None, None) => evidence.word(&format!("{key} holds"), "no value"),
            }
            for limit in e.limits() {
                let value = limit.at(cx.device.map(|d| &**d), state.lasts.newest);
                if let Some(value) = value {
                    evidence.number(&limit.to_string(), value);
                }
            }
        }
        if state.undefined > 0 {
            evidence.number("evaluations without a value", f64::from(state.undefined));
        }
    }

    fn heap_bytes(&self, state: &ExpressionState) -> usize {
        state.lasts.heap_bytes()
    }
}
