//! The parts together.

use serde::{Deserialize, Serialize};

use super::flat::Flat;
use super::season::Season;
use super::tail::{Channel, Smooth};

/// No part is believed to be more surprised than this: the score is then 1.
const MOST: f64 = 20.0;
/// While something unusual lasts, only so much more is news.
const RISE: f64 = 1.1;
/// What is no news is told with this share of its surprise.
const OLD_NEWS: f64 = 0.5;
/// What was told fades within so many values …
const FADES: f64 = 400.0;
/// … and faster after so many values with a surprise below [`CALM`].
const FADES_IN_CALM: f64 = 50.0;
const CALM_VALUES: u8 = 12;
const CALM: f64 = 4.0;
/// A silence of so many cadences is a gap: the step over it says nothing.
const GAP: f64 = 4.0;
/// Larger numbers are cut: their squares would not be numbers any more.
const LARGEST: f64 = 1e15;

/// What noticed something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The value, or its step from the one before, is further out than ever.
    #[default]
    Spike,
    /// The mean of the last values is.
    Shift,
    /// It is not what is usual at this time of the day or week.
    Season,
    /// It moves more than usual.
    Unrest,
    /// It does not move any more.
    Flat,
}

impl Part {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Shift => "shift",
            Self::Season => "season",
            Self::Unrest => "unrest",
            Self::Flat => "flat",
        }
    }
}

/// What is to be said about a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// 0 to 1, high when something unusual begins or gets worse: the surprise −ln p, divided by
    /// 20. At 0.5 one of the parts says that it expects the like once in 22,000 values (e¹⁰).
    pub score: f64,
    /// The same, and high as long as it lasts.
    pub level: f64,
    /// What noticed most.
    pub part: Part,
    /// What would have been usual: by the time of day or week, else the mean.
    pub expected: f64,
    /// How large the anomaly is, in the unit of the value: the distance from the mean, from the
    /// value before or from what is usual at this time; for [`Part::Unrest`] what the mean step
    /// has grown by, for [`Part::Flat`] the usual deviation, which is missing.
    pub change: f64,
}

/// A streaming detector for one series; see [the module](self).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnomalyDetector {
    seen: f64,
    last_t: i64,
    last: f64,
    cadence_ms: f64,
    value: Channel,
    slow: Smooth,
    slow_value: Channel,
    step: Channel,
    slow_step: Smooth,
    unrest: Channel,
    residual: Channel,
    residuals: [Smooth; 2],
    slow_residual: [Channel; 2],
    flat: Flat,
    season: Option<Season>,
    told: f64,
    calm: u8,
}

/// The most surprised part so far.
struct Most {
    surprise: f64,
    part: Part,
    change: f64,
}

impl Most {
    /// Of equally surprised parts the first is named.
    fn hear(&mut self, surprise: f64, part: Part, change: f64) {
        let surprise = surprise.min(MOST);
        if surprise > self.surprise {
            *self = Self { surprise, part, change: change.abs() };
        }
    }
}

impl AnomalyDetector {
    /// No series needs more, heap included.
    pub const MAX_BYTES: usize = 4096;

    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The score of a value, see [`Finding::score`]; then learns. Time in ms; values should come
    /// in its order. What is not a number is ignored and scores 0.
    pub fn step(&mut self, t_ms: i64, value: f64) -> f64 {
        self.judge(t_ms, value).score
    }

    /// Everything about a value; then learns.
    pub fn judge(&mut self, t_ms: i64, value: f64) -> Finding {
        if !value.is_finite() {
            return Finding::default();
        }
        let x = value.clamp(-LARGEST, LARGEST);
        if self.seen == 0.0 {
            (self.last, self.last_t, self.slow) = (x, t_ms, Smooth(x));
        }
        self.seen += 1.0;
        let gap = self.pace(t_ms);
        let deviation = self.value.deviation();
        let mut most = Most { surprise: 0.0, part: Part::Spike, change: 0.0 };
        self.by_value(x, deviation, &mut most);
        if !gap {
            self.by_step(x, deviation, &mut most);
        }
        let usual = self.season.get_or_insert_default().step(t_ms, x, deviation);
        if let Some(usual) = usual {
            self.by_season(usual.residual, deviation, &mut most);
        }
        let same = self.seen > 1.0 && (x - self.last).abs() <= 1e-9 * x.abs().max(1e-9);
        most.hear(self.flat.step(same && !gap, self.seen), Part::Flat, deviation);
        (self.last, self.last_t) = (x, t_ms);
        let expected = usual.map_or(self.value.mean(), |u| u.expected);
        let surprise = most.surprise;
        let news = self.news(surprise);
        Finding {
            score: news / MOST,
            level: surprise / MOST,
            part: most.part,
            expected,
            change: most.change,
        }
    }

    /// Follows the cadence (a running median); whether the value comes after a gap.
    fn pace(&mut self, t_ms: i64) -> bool {
        let dt = t_ms.saturating_sub(self.last_t) as f64;
        if self.seen == 2.0 {
            self.cadence_ms = dt.max(0.0);
        } else if dt > 0.0 {
            let towards = dt - self.cadence_ms;
            self.cadence_ms += 0.05 * self.cadence_ms.max(1.0) * towards.signum();
            if self.seen < 50.0 {
                let most = self.cadence_ms.max(1.0);
                self.cadence_ms += 0.1 * (dt - self.cadence_ms).clamp(-most, most);
            }
        }
        self.seen > 1.0 && dt > GAP * self.cadence_ms
    }

    fn by_value(&mut self, x: f64, deviation: f64, most: &mut Most) {
        let mean = self.value.mean();
        let (up, down) = self.value.step(x, 0.01 * deviation);
        most.hear(up.max(down), Part::Spike, x - mean);
        let slow = self.slow.step(x, (1.0f64 / 16.0).max(1.0 / self.seen));
        let mean = self.slow_value.mean();
        let (up, down) = self.slow_value.step(slow, 0.01 * deviation);
        most.hear(up.max(down), Part::Shift, slow - mean);
    }

    fn by_step(&mut self, x: f64, deviation: f64, most: &mut Most) {
        let step = (x - self.last).abs();
        let (up, _) = self.step.step(step, 0.01 * deviation);
        most.hear(up, Part::Spike, step);
        let slow = self.slow_step.step(step, (1.0f64 / 64.0).max(1.0 / self.seen));
        let mean = self.unrest.mean();
        let (up, _) = self.unrest.step(slow, 0.01 * deviation);
        most.hear(up, Part::Unrest, slow - mean);
    }

    fn by_season(&mut self, residual: f64, deviation: f64, most: &mut Most) {
        let floor = 0.02 * deviation;
        let (up, down) = self.residual.step(residual, floor);
        most.hear(up.max(down), Part::Season, residual);
        for (i, span) in [4.0f64, 16.0].into_iter().enumerate() {
            let slow = self.residuals[i].step(residual, 1.0 / span);
            let (up, down) = self.slow_residual[i].step(slow, floor);
            most.hear(up.max(down), Part::Season, slow);
        }
    }

    /// What of a surprise is news: something unusual is told when it begins and when it gets
    /// worse.
    fn news(&mut self, surprise: f64) -> f64 {
        let news = if surprise > self.told * RISE { surprise } else { OLD_NEWS * surprise };
        self.calm = if surprise < CALM { self.calm.saturating_add(1) } else { 0 };
        let fades = if self.calm > CALM_VALUES { FADES_IN_CALM } else { FADES };
        self.told = (self.told * (1.0 - 1.0 / fades)).max(surprise);
        news
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.season.as_ref().map_or(0, Season::heap_bytes)
    }

    /// Values seen.
    pub fn seen(&self) -> u64 {
        self.seen as u64
    }
}
