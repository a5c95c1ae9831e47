//! `kind: detection`: camera events counted in a sliding window, or objects that stay.

mod load;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ioc_model::{Evidence, EvidenceLimit, Name, Text};

use super::events::{Filter, key_of, short};
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::Fields;
use crate::load::{Check, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

pub(crate) use state::DetectionState;

/// More events are not counted; of detailed ones no more than evidence shows.
const MOST_EVENTS: usize = 1_000;
/// Objects that are watched at once per entity; the one not seen for longest is dropped.
const MOST_TRACKS: usize = 64;
const GAP_MS: i64 = 10_000;

/// Camera events in a window of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DetectionRule {
    filter: Filter,
    mode: Mode,
    within_ms: i64,
    dwell: Option<Dwell>,
}

/// How the number of events is judged.
#[derive(Clone, Debug, PartialEq)]
enum Mode {
    /// So many raise, silence clears.
    Switch { count: u32, threshold: Option<Name>, quiet_ms: i64 },
    /// The number in the window against a ladder.
    Levels,
}

/// An object that is seen again and again, not further apart than the gap, for so long.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dwell {
    dwell_ms: i64,
    gap_ms: i64,
}

impl DetectionRule {
    /// So many events are kept.
    fn most(&self) -> usize {
        match self.mode {
            Mode::Switch { count, .. } => count as usize,
            Mode::Levels => MOST_EVENTS,
        }
    }
}

impl Operator for DetectionRule {
    const WORD: &'static str = "detection";
    const PER: &'static [Per] = &Per::ALL;
    type State = DetectionState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = self.filter.print();
        if let Mode::Switch { count, threshold, quiet_ms } = &self.mode {
            let number = || print::number(*count);
            let count = threshold.as_ref().map_or_else(number, |id| print::text(&**id));
            out.extend([("count", count), ("quiet", print::duration(*quiet_ms))]);
        }
        out.push(("within", print::duration(self.within_ms)));
        if let Some(Dwell { dwell_ms, gap_ms }) = self.dwell {
            out.extend([("dwell", print::duration(dwell_ms)), ("gap", print::duration(gap_ms))]);
        }
        out
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Detection)]
    }

    fn feed(
        &self,
        state: &mut DetectionState,
        _cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Detection(event, mut key) = message.said else { return };
        if !self.filter.fits(event) {
            return;
        }
        if let Some(dwell) = self.dwell {
            // The same object, whatever the event; without an id the class in the zone.
            key = match &event.id {
                Some(id) => key_of(&[message.name, "id", id]),
                None => {
                    let text = |t: &Option<Name>| t.clone().unwrap_or_default();
                    let (object, zone) = (text(&event.object), text(&event.zone));
                    key_of(&[message.name, "class", &object, &zone])
                }
            };
            if !state.sight(dwell, message.t, key) {
                return;
            }
        }
        state.count(self, message, event, key);
        let n = state.events.len();
        match self.mode {
            Mode::Switch { count, .. } if n >= count as usize => {
                state.on = true;
                out.push(Verdict::switch(state.stamp(message.t), true));
            }
            Mode::Switch { .. } => {}
            Mode::Levels => out.push(Verdict::of(state.stamp(message.t), n as f64)),
        }
    }

    fn wake(&self, state: &mut DetectionState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        while let Some(deadline) = self.deadline(state, cx).filter(|d| *d <= until) {
            let time = state.stamp(deadline);
            match self.mode {
                Mode::Switch { .. } => {
                    // All of them are out of the window: quiet is not shorter than it.
                    state.events.clear();
                    state.on = false;
                    out.push(Verdict::switch(time, false));
                }
                Mode::Levels => {
                    state.forget(deadline - self.within_ms);
                    out.push(Verdict::of(time, state.events.len() as f64));
                }
            }
        }
    }

    fn deadline(&self, state: &DetectionState, _cx: &Context<'_>) -> Option<i64> {
        match self.mode {
            Mode::Switch { quiet_ms, .. } => state.on.then(|| state.last.saturating_add(quiet_ms)),
            Mode::Levels => state.events.first().map(|e| e.0.saturating_add(self.within_ms)),
        }
    }

    fn shown(&self, state: &DetectionState, _cx: &Context<'_>) -> Shown {
        let (limit, duration_ms) = match self.mode {
            Mode::Switch { count, quiet_ms, .. } => {
                let over = state.events.is_empty();
                (Some(f64::from(count)), if over { quiet_ms } else { self.within_ms })
            }
            Mode::Levels => (None, self.within_ms),
        };
        let dwelt = self.dwell.and_then(|d| state.longest(d));
        Shown {
            value: Some(state.events.len() as f64),
            limit,
            duration_ms: Some(dwelt.unwrap_or(duration_ms)),
            reported: false,
            detail: detail(state),
        }
    }

    fn explain(&self, state: &DetectionState, cx: &Context<'_>, evidence: &mut Evidence) {
        for event in &state.told {
            evidence.reading(&event.device, &event.what.property(), event.t, event.objects);
        }
        let sets = seen_words(state);
        for (name, words) in ["zones", "objects"].into_iter().zip(sets) {
            if !words.is_empty() {
                evidence.word(name, words);
            }
        }
        evidence.number("events", state.events.len() as f64);
        if let Some((first, _)) = state.events.first() {
            evidence.timer("within", *first, first.saturating_add(self.within_ms));
        }
        if let Mode::Switch { count, threshold, quiet_ms } = &self.mode {
            evidence.limit = Some(EvidenceLimit {
                comparison: format!(">= {count}"),
                threshold: threshold.clone(),
                source: None,
                effective: None,
            });
            if state.last != i64::MIN {
                evidence.timer("quiet", state.last, state.last.saturating_add(*quiet_ms));
            }
        }
        if let Some(dwell) = self.dwell
            && let Some(track) = state.watched(dwell, cx.now)
        {
            evidence.timer("dwell", track.since, track.since.saturating_add(dwell.dwell_ms));
            evidence.timer("gap", track.last, track.last.saturating_add(dwell.gap_ms));
        }
    }

    fn heap_bytes(&self, state: &DetectionState) -> usize {
        state.heap_bytes()
    }
}

/// Zones and classes of the events.
fn seen_words(state: &DetectionState) -> [String; 2] {
    let join = |of: fn(&state::Event) -> &Option<Name>| {
        let set: BTreeSet<&str> = state.told.iter().filter_map(|e| of(e).as_deref()).collect();
        set.into_iter().map(short).collect::<Vec<_>>().join(", ")
    };
    [join(|e| &e.what.zone), join(|e| &e.what.object)]
}

/// Which classes in which zones.
fn detail(state: &DetectionState) -> Text {
    let [zones, objects] = seen_words(state);
    match (objects.is_empty(), zones.is_empty()) {
        (_, true) => Text { vi: objects.clone(), en: objects },
        (true, false) => Text { vi: format!("tại {zones}"), en: format!("in {zones}") },
        (false, false) => {
            Text { vi: format!("{objects} tại {zones}"), en: format!("{objects} in {zones}") }
        }
    }
}
