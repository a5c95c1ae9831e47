//! `kind: derived`: numbers computed of what one device says, which are observations again:
//! VN_AQI, heat index, travel-speed index, occupancy, or any expression.

mod hours;
mod load;
#[cfg(test)]
mod tests;

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::expr::{Expression, Lasts, Scope};
use crate::fields::Fields;
use crate::index::traffic::{FreeFlow, speed_index};
use crate::index::{heat, occupancy};
use crate::limit::Limit;
use crate::load::{Check, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;
use hours::{AqiRule, Hours, Span};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DerivedRule {
    source: Source,
    /// Property the values become, and what is possible for it: the rest is dropped.
    output: Name,
    possible: (f64, f64),
    /// Inputs older than this are not known any more.
    fresh_ms: i64,
    inputs: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Aqi(AqiRule),
    /// Of temperature and humidity.
    Heat,
    /// Of speed; traffic flow, if it is told, says whether anybody drives.
    Speed(FreeFlowRule),
    /// Of total and free spaces.
    Occupancy,
    Value(Expression),
}

#[derive(Clone, Debug, PartialEq)]
enum FreeFlowRule {
    Given(Limit),
    /// Percentile of the road's speeds, told once it has been learned for `warm_up_ms`.
    Learned {
        percent: f64,
        warm_up_ms: i64,
    },
}

/// 96 bytes; with VN_AQI 1.2 KiB, with a learned free flow 144 bytes, with more than two inputs 16
/// bytes each on the heap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DerivedState {
    lasts: Lasts,
    hours: Option<Box<Hours>>,
    flow: Option<Box<FreeFlow>>,
    /// Values not yet handed over: empty but within one call of the engine.
    out: SmallVec<[(i64, f64); 1]>,
    /// Last value and its time.
    last: Option<(i64, f64)>,
    /// Values that could not be: out of the property's range, no value.
    dropped: u32,
}

impl DerivedState {
    fn emit(&mut self, rule: &DerivedRule, t: i64, value: f64, verdicts: &mut Verdicts) {
        if !(rule.possible.0..=rule.possible.1).contains(&value) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.last = Some((t, value));
        self.out.push((t, value));
        verdicts.push(Verdict::of(t, value));
    }
}

impl DerivedRule {
    /// The value at the newest reading; `None`: there is none.
    fn value(
        &self,
        state: &mut DerivedState,
        cx: &Context<'_>,
        heard: &[(u8, f64)],
    ) -> Option<f64> {
        let t = state.lasts.newest;
        let get = |input| state.lasts.get(input, t, self.fresh_ms);
        match &self.source {
            Source::Aqi(_) => None,
            Source::Heat => heat::heat_index(get(0)?, get(1)?),
            Source::Occupancy => occupancy(get(0)?, get(1)?),
            Source::Value(expression) => {
                let lasts = &state.lasts;
                let scope =
                    Scope { lasts, fresh_ms: self.fresh_ms, t, device: cx.device, city: cx.city };
                expression.number(&scope)
            }
            Source::Speed(FreeFlowRule::Given(limit)) => {
                let free = limit.at(cx.device.map(|d| &**d), t);
                speed_index(driven(heard)?, free?)
            }
            Source::Speed(FreeFlowRule::Learned { percent, warm_up_ms }) => {
                let speed = driven(heard)?;
                let flow = state.flow.get_or_insert_with(|| Box::new(FreeFlow::new(t)));
                if speed >= 0.0 {
                    flow.learn(t, speed);
                }
                let learned = flow.age_ms(t) >= *warm_up_ms;
                let free = learned.then(|| flow.percentile(*percent)).flatten();
                speed_index(speed, free?)
            }
        }
    }

    /// Values that are missing because of what was said, not because nothing was to be said.
    fn counts_as_dropped(&self, state: &DerivedState) -> bool {
        let known = |input| state.lasts.get(input, state.lasts.newest, self.fresh_ms).is_some();
        match &self.source {
            Source::Heat | Source::Occupancy | Source::Value(_) => {
                (0..self.inputs.len() as u8).all(known)
            }
            Source::Aqi(_) | Source::Speed(_) => false,
        }
    }
}

/// The speed of a message, unless it says that nobody drives: then there is no speed.
fn driven(heard: &[(u8, f64)]) -> Option<f64> {
    if heard.iter().any(|(input, value)| *input == 1 && *value <= 0.0) {
        return None;
    }
    heard.iter().find(|(input, _)| *input == 0).map(|(_, speed)| *speed)
}

impl Operator for DerivedRule {
    const WORD: &'static str = "derived";
    const PER: &'static [Per] = &[Per::Device];
    type State = DerivedState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = match &self.source {
            Source::Value(e) => vec![("value", print::text(e.source.as_str()))],
            other => vec![("index", print::text(load::word(other)))],
        };
        out.push(("output", print::text(&*self.output)));
        match &self.source {
            Source::Aqi(rule) => {
                out.push(("completeness", print::number(rule.completeness)));
                out.push(("every", print::duration(i64::from(rule.every_s) * 1_000)));
                out.push(("grace", print::duration(rule.grace_ms)));
            }
            Source::Speed(FreeFlowRule::Given(limit)) => out.push((
                "free_flow",
                match limit {
                    Limit::Number(n) => print::number(*n),
                    named => print::text(named.to_string()),
                },
            )),
            Source::Speed(FreeFlowRule::Learned { percent, warm_up_ms }) => {
                out.push(("percentile", print::number(*percent)));
                out.push(("warm_up", print::duration(*warm_up_ms)));
            }
            Source::Heat | Source::Occupancy | Source::Value(_) => {
                out.push(("fresh", print::duration(self.fresh_ms)));
            }
        }
        out
    }

    fn inputs(&self) -> Vec<Input> {
        self.inputs.iter().map(|p| Input::of(Wanted::Property(p.clone()))).collect()
    }

    fn feed(
        &self,
        state: &mut DerivedState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(heard) = message.said else { return };
        if message.bad {
            return;
        }
        if let Source::Aqi(rule) = &self.source {
            let first = || Box::new(Hours::new(rule, message.t));
            let mut hours = state.hours.take().unwrap_or_else(first);
            let said = (message.t, heard);
            hours.take(rule, cx.cadence_s, said, &mut |t, v| state.emit(self, t, v, out));
            state.hours = Some(hours);
            return;
        }
        state.lasts.take(message.t, heard);
        match self.value(state, cx, heard) {
            Some(value) => state.emit(self, state.lasts.newest, value, out),
            None if self.counts_as_dropped(state) => {
                state.dropped = state.dropped.saturating_add(1);
            }
            None => {}
        }
    }

    fn wake(&self, state: &mut DerivedState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        let Source::Aqi(rule) = &self.source else { return };
        let Some(mut hours) = state.hours.take() else { return };
        hours.wake(rule, cx.cadence_s, until, &mut |t, v| state.emit(self, t, v, out));
        state.hours = Some(hours);
    }

    fn deadline(&self, state: &DerivedState, _cx: &Context<'_>) -> Option<i64> {
        state.hours.as_ref()?.deadline()
    }

    fn grace_ms(&self) -> i64 {
        match &self.source {
            Source::Aqi(rule) => rule.grace_ms,
            _ => 0,
        }
    }

    fn shown(&self, state: &DerivedState, _cx: &Context<'_>) -> Shown {
        let mut shown = Shown::default();
        if let (Source::Aqi(rule), Some(hours)) = (&self.source, &state.hours) {
            shown.duration_ms = Some(rule.span_ms());
            if let Some((property, _, value, _)) = hours.parts(rule).first() {
                let en = format!("{property} {value:.1} µg/m³");
                let number = format!("{value:.1}").replace('.', ",");
                shown.detail = Text { vi: format!("{property} {number} µg/m³"), en };
            }
        }
        shown
    }

    fn explain(&self, state: &DerivedState, cx: &Context<'_>, evidence: &mut Evidence) {
        let none = Name::from("");
        let device = cx.device.unwrap_or(&none);
        if let Some((t, value)) = state.last {
            evidence.reading(device, &self.output, t, value);
        }
        match (&self.source, &state.hours) {
            (Source::Aqi(rule), Some(hours)) => explain_aqi(rule, hours, evidence),
            (Source::Aqi(_), None) => {}
            _ => self.explain_inputs(state, device, evidence),
        }
        if state.dropped > 0 {
            evidence.number("values left out", f64::from(state.dropped));
        }
    }

    fn derived(&self, state: &mut DerivedState, out: &mut Vec<(Name, i64, f64)>) {
        out.extend(state.out.drain(..).map(|(t, value)| (self.output.clone(), t, value)));
    }

    fn heap_bytes(&self, state: &DerivedState) -> usize {
        let hours = state.hours.as_ref().map_or(0, |h| h.heap_bytes());
        let flow = state.flow.as_ref().map_or(0, |_| size_of::<FreeFlow>());
        state.lasts.heap_bytes() + hours + flow
    }
}

impl DerivedRule {
    fn explain_inputs(&self, state: &DerivedState, device: &Name, evidence: &mut Evidence) {
        for (i, property) in self.inputs.iter().enumerate() {
            match state.lasts.last(i as u8) {
                Some((value, at)) => {
                    evidence.reading(device, property, at, value);
                    if state.lasts.newest - at > self.fresh_ms {
                        evidence.word(property, "too old");
                    }
                }
                None => evidence.word(property, "not known"),
            }
        }
        match &self.source {
            Source::Value(e) => evidence.word("value", e.source.as_str()),
            Source::Speed(FreeFlowRule::Given(limit)) => {
                if let Some(free) = limit.at(Some(device), state.lasts.newest) {
                    evidence.number("free flow", free);
                }
            }
            Source::Speed(FreeFlowRule::Learned { percent, warm_up_ms }) => {
                let Some(flow) = &state.flow else { return };
                if let Some(free) = flow.percentile(*percent) {
                    evidence.number("free flow", free);
                }
                let since = state.lasts.newest - flow.age_ms(state.lasts.newest);
                evidence.timer("warm_up", since, since.saturating_add(*warm_up_ms));
            }
            Source::Aqi(_) | Source::Heat | Source::Occupancy => {}
        }
    }
}

impl AqiRule {
    fn span_ms(&self) -> i64 {
        match self.span {
            Span::Hour => 3_600_000,
            Span::Day => 86_400_000,
        }
    }
}

fn explain_aqi(rule: &AqiRule, hours: &Hours, evidence: &mut Evidence) {
    let parts = hours.parts(rule);
    if !parts.is_empty() {
        evidence.timer("window", hours.at - rule.span_ms(), hours.at);
    }
    for (property, average_h, concentration, index) in parts {
        let what = match (rule.span, average_h) {
            (Span::Hour, 24) => "Nowcast".to_owned(),
            (_, h) => format!("{h} h"),
        };
        evidence.number(&format!("{property} {what}"), concentration);
        evidence.number(&format!("{property} {what}, index"), index);
    }
    for (pollutant, (known, of_day)) in rule.pollutants.iter().zip(hours.complete()) {
        let name = &pollutant.property;
        let (what, count) = match rule.span {
            Span::Hour => ("hours of the last 12", f64::from(known.count_ones())),
            Span::Day => ("hours of the running day", f64::from(of_day)),
        };
        evidence.number(&format!("{name}: complete {what}"), count);
    }
    if hours.late > 0 {
        evidence.number("readings of hours that were over", f64::from(hours.late));
    }
}
