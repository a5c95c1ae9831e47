//! A device whose values are not as always: no limit has to be known.
//!
//! The verdict is the score of [`AnomalyDetector`], 0 to 1. An anomaly begins when the score
//! reaches the lowest level and is as large as `min_change`; while it lasts its highest score
//! counts. It is over when the score has been below the lowest level's `clear` for `quiet`: that
//! takes readings, silence ends nothing.

mod fields;
#[cfg(test)]
mod tests;

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};

use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::anomaly::{AnomalyDetector, Finding, Part};
use crate::fields::Fields;
use crate::load::{Check, Common};
use crate::rule::Per;
use crate::yaml::Node;

/// One property of one device against its own past.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnomalyRule {
    property: Name,
    /// Where the lowest level raises and clears.
    raise: f64,
    clear: f64,
    /// Nothing is judged until the device has been heard for so long.
    min_history_ms: i64,
    /// Smaller anomalies are nobody's business; unit of the property.
    min_change: f64,
    quiet_ms: i64,
}

/// The detector and what it found. 8 bytes here and at most 4.2 KiB on the heap
/// ([`AnomalyDetector::MAX_BYTES`] and what was found).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AnomalyState(Option<Box<Watched>>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Watched {
    detector: AnomalyDetector,
    /// First reading.
    since: i64,
    last: Seen,
    running: Option<Running>,
}

/// A reading and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    t: i64,
    value: f64,
    finding: Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Running {
    since: i64,
    /// With the highest score.
    peak: Seen,
    /// Since when the score is normal again.
    calm_since: Option<i64>,
}

impl AnomalyRule {
    /// Takes in a reading; the verdict on it, if there can be one.
    fn judge(&self, watched: &mut Watched, t: i64, value: f64) -> Option<Verdict> {
        let finding = watched.detector.judge(t, value);
        let seen = Seen { t, value, finding };
        watched.last = seen;
        if t.saturating_sub(watched.since) < self.min_history_ms {
            return None;
        }
        let matters = finding.change >= self.min_change;
        let Some(running) = &mut watched.running else {
            if finding.level >= self.raise && matters {
                watched.running = Some(Running { since: t, peak: seen, calm_since: None });
            }
            return Some(Verdict::of(t, if matters { finding.level } else { 0.0 }));
        };
        if finding.level >= self.clear && matters {
            running.calm_since = None;
            if finding.level > running.peak.finding.level {
                running.peak = seen;
            }
        } else {
            running.calm_since.get_or_insert(t);
        }
        Some(Verdict::of(t, running.peak.finding.level))
    }

    fn end(&self, watched: &Watched) -> Option<i64> {
        let calm = watched.running.as_ref()?.calm_since?;
        Some(calm.saturating_add(self.quiet_ms))
    }
}

impl Operator for AnomalyRule {
    const WORD: &'static str = "anomaly";
    const PER: &'static [Per] = &[Per::Device];
    type State = AnomalyState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        fields::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        fields::print(self)
    }

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.property.clone()))]
    }

    fn feed(
        &self,
        state: &mut AnomalyState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values([(_, value), ..]) = message.said else { return };
        let (t, value) = (message.t, *value);
        if let Some(watched) = &mut state.0 {
            if t < watched.last.t {
                return;
            }
            self.wake(state, cx, t, out);
        }
        let watched = state.0.get_or_insert_with(|| {
            Box::new(Watched {
                detector: AnomalyDetector::new(),
                since: t,
                last: Seen { t, value, finding: Finding::default() },
                running: None,
            })
        });
        out.extend(self.judge(watched, t, value));
    }

    fn wake(&self, state: &mut AnomalyState, _cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        let Some(watched) = &mut state.0 else { return };
        if let Some(end) = self.end(watched).filter(|end| *end <= until) {
            watched.running = None;
            out.push(Verdict::of(end, 0.0));
        }
    }

    fn deadline(&self, state: &AnomalyState, _cx: &Context<'_>) -> Option<i64> {
        state.0.as_ref().and_then(|w| self.end(w))
    }

    fn shown(&self, state: &AnomalyState, _cx: &Context<'_>) -> Shown {
        let Some(watched) = &state.0 else { return Shown::default() };
        let seen = watched.running.map_or(watched.last, |r| r.peak);
        Shown {
            value: Some(seen.value),
            limit: Some(seen.finding.expected),
            detail: words(seen.finding.part),
            ..Shown::default()
        }
    }

    fn explain(&self, state: &AnomalyState, cx: &Context<'_>, evidence: &mut Evidence) {
        let Some(watched) = &state.0 else { return };
        let running = watched.running;
        let seen = running.map_or(watched.last, |r| r.peak);
        if let Some(device) = cx.device {
            evidence.reading(device, &self.property, seen.t, seen.value);
            if watched.last.t != seen.t {
                evidence.reading(device, &self.property, watched.last.t, watched.last.value);
            }
        }
        let finding = seen.finding;
        evidence.word("part", finding.part.word());
        evidence.number("expected", finding.expected);
        evidence.number("actual", seen.value);
        evidence.number("change", finding.change);
        evidence.number("score", finding.level);
        evidence.number("score now", watched.last.finding.level);
        evidence.number("raises at", self.raise);
        evidence.number("min_change", self.min_change);
        evidence.number("values seen", watched.detector.seen() as f64);
        let judged = watched.since.saturating_add(self.min_history_ms);
        if watched.last.t < judged {
            evidence.timer("min_history", watched.since, judged);
        }
        if let Some(calm) = running.and_then(|r| r.calm_since) {
            evidence.timer("quiet", calm, calm.saturating_add(self.quiet_ms));
        }
    }

    fn heap_bytes(&self, state: &AnomalyState) -> usize {
        state.0.as_ref().map_or(0, |w| size_of::<Watched>() + w.detector.heap_bytes())
    }
}

/// `{detail}`.
fn words(part: Part) -> Text {
    let (vi, en) = match part {
        Part::Spike => ("đột biến", "a spike"),
        Part::Shift => ("mức trung bình lệch hẳn", "the level has shifted"),
        Part::Season => ("khác thường lệ vào giờ này", "not as usual at this time"),
        Part::Unrest => ("dao động mạnh hơn thường lệ", "moves more than usual"),
        Part::Flat => ("đứng yên bất thường", "does not move any more"),
    };
    Text { vi: vi.into(), en: en.into() }
}
