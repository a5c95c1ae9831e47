//! Single readings far away from their neighbours.

use std::collections::VecDeque;

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, amount, count, devices_only, measure, printed, span};
use super::stats::{deviation, median};
use super::text;
use crate::fields::Fields;
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::yaml::Node;

/// The Hampel identifier: a reading further from the median of the last `window` readings than
/// `k` × 1.4826 × their median absolute deviation (F. R. Hampel, "The influence curve and its
/// role in robust estimation", JASA 69, 1974; R. K. Pearson, "Outliers in process modeling and
/// identification", IEEE Trans. Control Syst. Technol. 10, 2002), and than `min_change`: the
/// deviation of a quiet signal is nearly nothing. It must be as far from the reading before it,
/// because the median lags behind a signal that climbs.
///
/// With `back_within`, one that stays away is a change of the world, not a spike: it counts only
/// when one of the next so many readings has gone back at least half of the way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spike {
    of: Measure,
    window: u32,
    k: f64,
    min_change: f64,
    back_within: u32,
    quiet_ms: i64,
}

/// The factor that makes the median absolute deviation of normal noise its standard deviation.
const NORMAL: f64 = 1.4826;
/// Readings of a window; with fewer than the window nothing is judged.
const WINDOW: (u32, u32) = (5, 31);

/// 180 B and 16 B for each reading of the window, at most 680 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpikeState {
    /// Time and value, oldest first.
    last: VecDeque<(i64, f64)>,
    suspect: Option<Suspect>,
    found: Option<Suspect>,
    /// When a running alert clears.
    until: Option<i64>,
    spikes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Suspect {
    t: i64,
    value: f64,
    /// The reading before.
    before: f64,
    median: f64,
    /// Distance from the median that is still normal.
    limit: f64,
    /// Readings it has left to come back.
    left: u32,
}

impl Spike {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let of = measure("property", fields, check);
        let window = count("window", 7, WINDOW, fields, check);
        let k = amount("k", Some(3.0), fields, check);
        let min_change = amount("min_change", None, fields, check);
        let back_within = count("back_within", 1, (0, 10), fields, check);
        let quiet_ms = span("quiet", Some(3_600_000), fields, check);
        let ladder = common.switch(fields, check);
        let (of, (min, max)) = of?;
        let (ladder, quiet_ms, min_change) = (ladder?, quiet_ms?, min_change?);
        if ladder.for_ms >= quiet_ms {
            let hint = "a spike clears after `quiet`: leave `for` out";
            check.report.hinted(fields.node(), "never fires: `for` is not below `quiet`", hint);
        }
        if min_change > max - min {
            let message = format!("never fires: `{}` is from {min} to {max}", of.id);
            check.report.hinted(fields.node(), message, "`min_change` is larger than that");
        }
        let measure = of.clone();
        let (window, k, back_within) = (window?, k?, back_within?);
        let check = Self { of, window, k, min_change, back_within, quiet_ms };
        Some(Read::of(check, ladder, &measure))
    }

    /// Median of the readings before, and the distance from it that is still normal.
    fn normal(&self, s: &SpikeState) -> Option<(f64, f64)> {
        if s.last.len() < self.window as usize {
            return None;
        }
        let mut values: Vec<f64> = s.last.iter().map(|(_, v)| *v).collect();
        let centre = median(&mut values)?;
        let spread = deviation(&mut values, centre)?;
        Some((centre, (self.k * NORMAL * spread).max(self.min_change)))
    }

    /// The spike that this reading completes.
    fn judge(&self, s: &mut SpikeState, t: i64, value: f64) -> Option<Suspect> {
        if let Some(suspect) = &mut s.suspect {
            let (jump, rest) = (suspect.value - suspect.before, value - suspect.before);
            if rest.abs() <= jump.abs() / 2.0 {
                return s.suspect.take();
            }
            suspect.left -= 1;
            if suspect.left == 0 {
                s.suspect = None;
            }
            return None;
        }
        let (median, limit) = self.normal(s)?;
        let before = s.last.back()?.1;
        if (value - median).abs() <= limit || (value - before).abs() <= limit {
            return None;
        }
        let suspect = Suspect { t, value, before, median, limit, left: self.back_within };
        if self.back_within == 0 {
            return Some(suspect);
        }
        s.suspect = Some(suspect);
        None
    }
}

impl super::Check for Spike {
    type State = SpikeState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.of.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        printed(
            &self.of,
            [
                ("window", print::number(self.window)),
                ("k", print::number(self.k)),
                ("min_change", print::number(self.min_change)),
                ("back_within", print::number(self.back_within)),
                ("quiet", print::duration(self.quiet_ms)),
            ],
        )
    }

    fn feed(&self, s: &mut SpikeState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        if let (Some(&(first, _)), Some(&(newest, _))) = (s.last.front(), s.last.back()) {
            if m.t <= newest {
                return;
            }
            // After a gap longer than all that is remembered the old level says nothing.
            if s.last.len() >= self.window as usize && m.t - newest > newest - first {
                s.last.clear();
                s.suspect = None;
            }
        }
        if let Some(spike) = self.judge(s, m.t, value) {
            s.found = Some(spike);
            s.spikes = s.spikes.saturating_add(1);
            s.until = Some(m.t.saturating_add(self.quiet_ms));
            out.push(Verdict::switch(m.t, true));
        }
        if s.last.len() >= self.window as usize {
            s.last.pop_front();
        }
        s.last.push_back((m.t, value));
    }

    fn wake(&self, s: &mut SpikeState, until: i64, out: &mut Verdicts) {
        if let Some(end) = s.until.filter(|end| *end <= until) {
            s.until = None;
            s.spikes = 0;
            out.push(Verdict::switch(end, false));
        }
    }

    fn deadline(&self, s: &SpikeState) -> Option<i64> {
        s.until
    }

    fn shown(&self, s: &SpikeState, _: &Context<'_>) -> Shown {
        let Some(spike) = s.found else { return Shown::default() };
        let words = |l| {
            (text::amount(spike.value, &self.of, l), text::number(spike.median, self.of.digits, l))
        };
        let jump = if spike.value > spike.median { "vọt lên" } else { "tụt xuống" };
        let detail = text::both(
            |l| {
                let (value, median) = words(l);
                format!("giá trị {jump} {value}, trung vị trước đó {median}")
            },
            |l| {
                let (value, median) = words(l);
                format!("a single reading of {value}, the median before it was {median}")
            },
        );
        let beyond = if spike.value > spike.median { spike.limit } else { -spike.limit };
        Shown {
            value: Some(spike.value),
            limit: Some(spike.median + beyond),
            duration_ms: Some(self.quiet_ms),
            detail,
            ..Shown::default()
        }
    }

    fn explain(&self, s: &SpikeState, cx: &Context<'_>, evidence: &mut Evidence) {
        let device = text::id(cx);
        let newest = s.last.iter().rev().take(Evidence::MAX_READINGS).rev();
        for (t, value) in newest {
            evidence.reading(&device, &self.of.id, *t, *value);
        }
        if let Some(spike) = s.found {
            evidence.number("spike", spike.value);
            evidence.number("median", spike.median);
            evidence.number("normal_distance", spike.limit);
            evidence.number("spikes", f64::from(s.spikes));
            if let Some(until) = s.until {
                evidence.timer("quiet", until - self.quiet_ms, until);
            }
        }
    }

    fn heap_bytes(&self, s: &SpikeState) -> usize {
        s.last.capacity() * size_of::<(i64, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::bench::Bench;

    const MIN: i64 = 60_000;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!(
            "{{ check: spike, property: temperature, min_change: 3, quiet: 30m, severity: minor{more} }}"
        ))
    }

    fn feed(b: &mut Bench<HealthRule>, values: &[f64]) {
        for (i, value) in values.iter().enumerate() {
            b.value(i as i64 * 10 * MIN, *value);
        }
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn a_reading_that_jumps_and_comes_back_raises_until_it_is_quiet() {
        let mut b = bench(", window: 5");
        feed(&mut b, &[27.0, 27.1, 27.0, 27.2, 27.1, 55.0, 27.2, 27.1]);
        b.time(120 * MIN);
        assert_eq!(b.levels(), [(60 * MIN, 1), (90 * MIN, 0)]);
        let shown = b.shown();
        assert_eq!((shown.value, shown.limit), (Some(55.0), Some(30.1)));
        assert_eq!(shown.detail.vi, "giá trị vọt lên 55,0 °C, trung vị trước đó 27,1");
        assert_eq!(b.evidence().readings.len(), 5);
    }

    #[test]
    fn a_level_that_stays_is_no_spike_unless_the_rule_says_so() {
        let values = [27.0, 27.1, 27.0, 27.2, 27.1, 55.0, 55.1, 55.2, 55.0, 55.1, 55.2, 55.1];
        let mut b = bench(", window: 5, back_within: 3");
        feed(&mut b, &values);
        assert_eq!(b.levels(), []);
        let mut b = bench(", window: 5, back_within: 0");
        feed(&mut b, &values);
        assert_eq!(b.levels()[0], (50 * MIN, 1));
    }

    #[test]
    fn small_changes_of_a_quiet_signal_and_large_ones_of_a_noisy_one_are_normal() {
        let mut b = bench("");
        feed(&mut b, &[27.0, 27.0, 27.0, 27.0, 27.0, 27.0, 29.9, 27.0, 27.0]);
        assert_eq!(b.levels(), []);
        let mut b = bench("");
        feed(&mut b, &[20.0, 30.0, 22.0, 29.0, 21.0, 31.0, 24.0, 38.0, 26.0, 28.0]);
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn a_signal_that_climbs_away_from_its_median_is_no_spike() {
        let mut b = bench(", window: 5, back_within: 0");
        feed(&mut b, &[20.0, 20.0, 20.0, 20.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0, 32.0]);
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn after_a_long_gap_the_old_level_says_nothing() {
        let mut b = bench(", window: 5");
        feed(&mut b, &[10.0, 10.1, 10.0, 10.2, 10.1, 10.0]);
        b.value(600 * MIN, 30.0).value(610 * MIN, 10.0);
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn reads_back_and_refuses_what_never_fires() {
        bench("").reads_back().expect("plain");
        bench(", window: 31, k: 3.5, back_within: 0, for: 1m, clear_for: 2m")
            .reads_back()
            .expect("all");
        let load = |more: &str| {
            let yaml = format!("{{ check: spike, property: temperature, severity: minor{more} }}");
            Bench::<HealthRule>::load(&yaml).err().unwrap_or_default()
        };
        assert!(load("").contains("`min_change` is missing"));
        assert!(load(", min_change: 0").contains("above 0"));
        assert!(load(", min_change: 121").contains("never fires"));
        assert!(load(", min_change: 3, for: 1h").contains("never fires"));
        assert!(load(", min_change: 3, window: 32").contains("from 5 to 31"));
    }
}
