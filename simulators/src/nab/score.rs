//! The scoring of NAB v1.1, as its documents describe it (Lavin and Ahmad, "Evaluating Real-time
//! Anomaly Detection Algorithms: the Numenta Anomaly Benchmark", 2015).
//!
//! Each row after the probation has a weight: inside a window a sigmoid that is 1 at its left end
//! and 0 at its right one, outside one that falls from 0 to −1 with the distance from the last
//! window. Of a window only the best detection counts, a missed one costs; every false one costs.

use super::corpus::Series;

/// What hits, misses and false alarms are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Name, as upstream.
    pub name: &'static str,
    /// A detection in a window, at most.
    pub tp: f64,
    /// A missed window.
    pub missed: f64,
    /// A detection outside of windows, at most.
    pub fp: f64,
}

/// The three profiles of `config/profiles.json`.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", tp: 1.0, missed: 1.0, fp: 0.11 },
    Profile { name: "low FP", tp: 1.0, missed: 1.0, fp: 0.22 },
    Profile { name: "low FN", tp: 1.0, missed: 2.0, fp: 0.11 },
];

/// 2/(1+e^(5y)) − 1.
fn sigmoid(y: f64) -> f64 {
    2.0 / (1.0 + (5.0 * y).exp()) - 1.0
}

/// What a detection at each row is worth before the weights of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// In the probation: nothing.
    Ignored,
    /// In the window of this number: 0 to 1.
    Hit(usize, f64),
    /// Outside: −1 to 0.
    False(f64),
}

/// The worth of all rows of a series.
pub fn worths(series: &Series) -> Vec<Worth> {
    let probation = series.probation();
    (0..series.rows.len())
        .map(|i| {
            if i < probation {
                return Worth::Ignored;
            }
            let inside = series.windows.iter().position(|(l, r)| (*l..=*r).contains(&i));
            if let Some(n) = inside {
                let (l, r) = series.windows[n];
                let position = -((r - i + 1) as f64) / (r - l + 1) as f64;
                return Worth::Hit(n, sigmoid(position) / sigmoid(-1.0));
            }
            let Some((l, r)) = series.windows.iter().rev().find(|(_, r)| *r < i) else {
                return Worth::False(-1.0);
            };
            let y = (i - r) as f64 / ((r - l + 1) as f64 - 1.0);
            Worth::False(if y > 3.0 { -1.0 } else { sigmoid(y) })
        })
        .collect()
}

/// Detections of one series, or added up over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Raw score.
    pub raw: f64,
    /// Windows.
    pub windows: usize,
    /// Windows with a detection.
    pub found: usize,
    /// Rows at or over the threshold in windows.
    pub tp: usize,
    /// Rows at or over it outside.
    pub fp: usize,
    /// Rows below it outside.
    pub tn: usize,
    /// Rows below it in windows.
    pub missed: usize,
}

impl Tally {
    /// Together with another.
    pub fn plus(self, other: Self) -> Self {
        Self {
            raw: self.raw + other.raw,
            windows: self.windows + other.windows,
            found: self.found + other.found,
            tp: self.tp + other.tp,
            fp: self.fp + other.fp,
            tn: self.tn + other.tn,
            missed: self.missed + other.missed,
        }
    }

    /// 0: as good as no detection at all; 100: every window at its first row, nothing else.
    /// `None` without windows.
    pub fn normalised(&self, profile: &Profile) -> Option<f64> {
        (self.windows > 0).then(|| normalised(self.raw, self.windows, profile))
    }
}

/// The normalised score of a raw one.
pub fn normalised(raw: f64, windows: usize, profile: &Profile) -> f64 {
    let (perfect, null) = (windows as f64 * profile.tp, -(windows as f64) * profile.missed);
    100.0 * (raw - null) / (perfect - null)
}

/// Scores one series at a threshold; `worths` are its [`worths`].
pub fn tally(
    series: &Series,
    worths: &[Worth],
    scores: &[f64],
    threshold: f64,
    profile: &Profile,
) -> Tally {
    let mut best = vec![None::<f64>; series.windows.len()];
    let mut out = Tally { windows: best.len(), ..Tally::default() };
    for (worth, score) in worths.iter().zip(scores) {
        match (worth, *score >= threshold) {
            (Worth::Ignored, _) => {}
            (Worth::Hit(n, w), true) => {
                out.tp += 1;
                best[*n] = Some(best[*n].map_or(*w, |b| b.max(*w)));
            }
            (Worth::Hit(..), false) => out.missed += 1,
            (Worth::False(w), true) => {
                out.fp += 1;
                out.raw += w * profile.fp;
            }
            (Worth::False(_), false) => out.tn += 1,
        }
    }
    for b in best {
        out.found += usize::from(b.is_some());
        out.raw += b.map_or(-profile.missed, |w| w * profile.tp);
    }
    out
}

/// A series with what a detector said of it.
#[derive(Clone, Debug)]
pub struct Scored<'a> {
    /// The series.
    pub series: &'a Series,
    /// Its [`worths`].
    pub worths: Vec<Worth>,
    /// Score of each row.
    pub scores: Vec<f64>,
}

impl<'a> Scored<'a> {
    /// Scores of a detector for a series.
    pub fn new(series: &'a Series, scores: Vec<f64>) -> Self {
        Self { series, worths: worths(series), scores }
    }

    /// At a threshold.
    pub fn tally(&self, threshold: f64, profile: &Profile) -> Tally {
        tally(self.series, &self.worths, &self.scores, threshold, profile)
    }
}

/// The one threshold that is best for all series together and the raw score there. If nothing is
/// better than no detection, the threshold lies above all scores.
pub fn best_threshold(all: &[Scored<'_>], profile: &Profile) -> (f64, f64) {
    // (score, series, worth) from the highest score down: each step adds its rows to what is
    // detected already.
    let mut rows: Vec<(f64, usize, Worth)> = Vec::new();
    for (s, scored) in all.iter().enumerate() {
        let of = scored.worths.iter().zip(&scored.scores);
        rows.extend(of.filter(|(w, _)| **w != Worth::Ignored).map(|(w, score)| (*score, s, *w)));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best_of: Vec<Vec<Option<f64>>> =
        all.iter().map(|s| vec![None; s.series.windows.len()]).collect();
    let windows: usize = best_of.iter().map(Vec::len).sum();
    let mut raw = -(windows as f64) * profile.missed;
    let above = rows.first().map_or(1.1, |r| r.0 + 0.1);
    let mut best = (above, raw);
    for (i, (score, s, worth)) in rows.iter().enumerate() {
        match worth {
            Worth::Ignored => {}
            Worth::False(w) => raw += w * profile.fp,
            Worth::Hit(n, w) => {
                let slot = &mut best_of[*s][*n];
                let before = slot.map_or(-profile.missed, |b| b * profile.tp);
                *slot = Some(slot.map_or(*w, |b| b.max(*w)));
                raw += slot.unwrap_or(0.0) * profile.tp - before;
            }
        }
        // Rows of equal score are detected together.
        let last = rows.get(i + 1).is_none_or(|next| next.0 < *score);
        if last && raw > best.1 {
            best = (*score, raw);
        }
    }
    best
}
