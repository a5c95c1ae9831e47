//! `absence`: a device that says nothing.

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::{Fields, duration, number, text};
use crate::load::{Check, Common};
use crate::print;
use crate::rule::{Per, Selection};
use crate::yaml::Node;

/// A device that says nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AbsenceRule {
    /// Only this property counts as a sign of life; `None`: anything does.
    property: Option<Name>,
    /// Fixed limit, also for devices without a cadence.
    after_ms: Option<i64>,
    /// Limit as a multiple of the device's cadence.
    cadence: Option<f64>,
    /// A status "offline" raises at once.
    on_status: bool,
}

/// When it was last heard; 40 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AbsenceState {
    /// Phenomenon time of the last sign of life; `i64::MIN` before the first.
    last: i64,
    /// Waiting began here, for a device that the engine learnt of while running; `i64::MIN`
    /// before the engine's first now.
    waiting_since: i64,
    /// The silence that was ended, or that raised.
    silence_ms: i64,
    silent: bool,
    /// The device itself said that it is gone.
    reported: bool,
}

impl Default for AbsenceState {
    fn default() -> Self {
        Self {
            last: i64::MIN,
            waiting_since: i64::MIN,
            silence_ms: 0,
            silent: false,
            reported: false,
        }
    }
}

impl AbsenceRule {
    /// Silence that raises, for a device with this cadence (0: not regular).
    fn limit_ms(&self, cadence_s: u32) -> Option<i64> {
        match self.cadence {
            Some(n) if cadence_s > 0 => Some((n * f64::from(cadence_s) * 1000.0) as i64),
            _ => self.after_ms,
        }
    }

    /// When silence has lasted too long; time in which nobody listened does not count.
    fn end(&self, s: &AbsenceState, cx: &Context<'_>) -> Option<i64> {
        let from = s.last.max(s.waiting_since).max(cx.listening_since);
        Some(from.saturating_add(self.limit_ms(cx.cadence_s)?))
    }

    fn alive(s: &mut AbsenceState, t: i64, out: &mut Verdicts) {
        let before = s.last;
        s.last = s.last.max(t);
        if s.silent {
            s.silence_ms = if before > i64::MIN { (t - before).max(0) } else { 0 };
            (s.silent, s.reported) = (false, false);
            out.push(Verdict::switch(t, false));
        }
    }
}

impl Operator for AbsenceRule {
    const WORD: &'static str = "absence";
    const PER: &'static [Per] = &[Per::Device];
    type State = AbsenceState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        let property = fields.get("property").map(|n| check.property(n));
        let after = fields.get("after").map(|n| duration(n, 1_000, &mut check.report));
        let cadence_at = fields.get("cadence");
        let cadence = cadence_at.map(|n| number(n, &mut check.report).map(|x| (n, x)));
        let on_status = match fields.get("on_status") {
            None => Some(false),
            Some(n) => text(n, &mut check.report).and_then(|word| {
                if word == "offline" {
                    return Some(true);
                }
                check.report.unknown(n, "status", word, ["offline"].into_iter());
                None
            }),
        };
        let ladder = common.switch(fields, check);
        if let Some(Some((node, n))) = cadence
            && !(1.0..=1000.0).contains(&n)
        {
            check.report.error(node, format!("`cadence` is {n}, expected 1 to 1000 times"));
        }
        if after.is_none() && cadence.is_none() {
            let hint = "`after: 10m`, or `cadence: 3` for three times the device's own cadence";
            check.report.hinted(fields.node(), "`after` or `cadence` is missing", hint);
            return None;
        }
        let property = match property {
            None => None,
            Some(found) => Some(found?.0),
        };
        let kind = Self {
            property,
            after_ms: after.flatten(),
            cadence: cadence.flatten().map(|(_, n)| n),
            on_status: on_status?,
        };
        if let (Some(node), None) = (cadence_at, kind.after_ms) {
            note_irregular(node, &common.selection, check);
        }
        let cleared = ("{device}: đã có tín hiệu trở lại", "{device}: reporting again");
        Some(Loaded { kind, ladder: ladder?, unit: "s".into(), digits: 0, cleared })
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = Vec::new();
        out.extend(self.property.as_ref().map(|p| ("property", print::text(&**p))));
        out.extend(self.after_ms.map(|ms| ("after", print::duration(ms))));
        out.extend(self.cadence.map(|n| ("cadence", print::number(n))));
        if self.on_status {
            out.push(("on_status", print::text("offline")));
        }
        out
    }

    fn inputs(&self) -> Vec<Input> {
        let property = self.property.as_ref().map(|p| Input::of(Wanted::Property(p.clone())));
        vec![property.unwrap_or_else(|| Input::of(Wanted::Presence))]
    }

    fn begin(&self, s: &mut AbsenceState, cx: &Context<'_>) {
        s.waiting_since = cx.now;
    }

    fn feed(
        &self,
        s: &mut AbsenceState,
        _cx: &Context<'_>,
        m: &Message<'_>,
        out: &mut Verdicts,
    ) {
        match m.said {
            Said::Values(_) | Said::Alive => Self::alive(s, m.t, out),
            Said::Offline if self.on_status && !s.silent => {
                (s.silent, s.reported) = (true, true);
                out.push(Verdict::switch(m.t, true));
            }
            Said::Offline | Said::Detection(..) | Said::Rule { .. } => {}
        }
    }

    fn wake(&self, s: &mut AbsenceState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        if cx.listening_since == i64::MIN || s.silent {
            return;
        }
        let Some(end) = self.end(s, cx).filter(|end| *end <= until) else { return };
        let limit = self.limit_ms(cx.cadence_s).unwrap_or(0);
        s.silence_ms = if s.last > i64::MIN { end - s.last } else { limit };
        s.silent = true;
        out.push(Verdict::switch(end, true));
    }

    fn deadline(&self, s: &AbsenceState, cx: &Context<'_>) -> Option<i64> {
        if s.silent || cx.listening_since == i64::MIN { None } else { self.end(s, cx) }
    }

    fn is_eager(&self) -> bool {
        true
    }

    fn judges(&self, cadence_s: u32) -> bool {
        self.limit_ms(cadence_s).is_some()
    }

    fn shown(&self, s: &AbsenceState, cx: &Context<'_>) -> Shown {
        let limit = self.limit_ms(cx.cadence_s).map(|ms| ms as f64 / 1000.0);
        Shown {
            value: (!s.reported).then_some(s.silence_ms as f64 / 1000.0),
            limit: limit.filter(|_| s.silent && !s.reported),
            duration_ms: Some(s.silence_ms),
            reported: s.reported,
            ..Shown::default()
        }
    }

    fn explain(&self, s: &AbsenceState, cx: &Context<'_>, e: &mut Evidence) {
        if s.reported {
            e.word("status", "offline");
        }
        if let Some(limit) = self.limit_ms(cx.cadence_s) {
            e.number("limit_s", limit as f64 / 1000.0);
        }
        if cx.cadence_s > 0 {
            e.number("cadence_s", f64::from(cx.cadence_s));
        }
        if let Some(end) = self.end(s, cx).filter(|_| cx.listening_since != i64::MIN) {
            let since = s.last.max(s.waiting_since).max(cx.listening_since);
            e.timer("silence", since, end);
        }
        if s.last == i64::MIN {
            e.word("last", "never heard");
        }
    }
}

fn note_irregular(node: &Node, selection: &Selection, check: &mut Check<'_>) {
    let irregular: Vec<&str> = check
        .city
        .devices
        .values()
        .filter(|d| d.cadence_s == 0)
        .filter(|d| selection.matches(&d.id, Some(&d.kind), &d.service, &d.area))
        .map(|d| &*d.id)
        .collect();
    if !irregular.is_empty() {
        let list = irregular.join(", ");
        check.note(node, format!("not judged, because they have no cadence: {list}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;

    #[test]
    fn three_times_the_cadence_without_a_word_raises_and_a_word_clears() {
        let mut b = Bench::<AbsenceRule>::new("{cadence: 3, after: 2h, severity: minor}");
        b.cadence_s = 600;
        b.say(0, 0, Said::Alive).time(1_799_999);
        assert_eq!(b.levels(), []);
        b.time(1_800_000).say(2_500_000, 0, Said::Alive);
        assert_eq!(b.levels(), [(1_800_000, 1), (2_500_000, 0)]);
        assert_eq!(b.shown().duration_ms, Some(2_500_000));
        b.say(2_600_000, 0, Said::Offline).say(2_700_000, 0, Said::Alive);
        assert_eq!(b.levels().len(), 2, "a status counts only with on_status");
    }

    #[test]
    fn prints_what_it_reads() {
        for yaml in [
            "{cadence: 3, after: 2h, severity: minor}",
            "{after: 90s, property: water_level, on_status: offline, severity: major, for: 1m}",
        ] {
            assert_eq!(Bench::<AbsenceRule>::new(yaml).reads_back(), Ok(()));
        }
    }
}
