//! The meaning of a pattern, written down without any care for speed: with the whole history at
//! hand, every way to pick the steps from it. Times in seconds.

/// A step: values from `low` to `high` match.
#[derive(Clone, Debug)]
pub(super) struct NaiveStep {
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) times: usize,
    pub(super) within: i64,
    pub(super) absent: bool,
}

impl NaiveStep {
    fn matches(&self, value: i64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// A place in the history: time, then deadlines (0) before readings (1), then order of arrival.
type Place = (i64, u8, usize);

/// Where the steps up to each are complete; the last are the matches.
fn completions(steps: &[NaiveStep], history: &[(i64, i64)]) -> Vec<Place> {
    let end = history.last().map_or(0, |h| h.0) + 1_000_000;
    let place = |j: usize| (history[j].0, 1, j);
    let matching =
        |s: &NaiveStep| (0..history.len()).filter(|j| s.matches(history[*j].1)).collect::<Vec<_>>();
    let mut before: Option<Vec<Place>> = None;
    for step in steps {
        let hits = matching(step);
        let mut here = Vec::new();
        match &before {
            None => {
                for (n, &j) in hits.iter().enumerate() {
                    let t = history[j].0;
                    let near = hits[..=n]
                        .iter()
                        .filter(|i| step.times == 1 || history[**i].0 > t - step.within);
                    if near.count() >= step.times {
                        here.push(place(j));
                    }
                }
            }
            Some(starts) if step.absent => {
                for &(t, _, _) in starts {
                    let over = t + step.within;
                    let came = hits.iter().any(|j| (t..over).contains(&history[*j].0));
                    if !came && over < end {
                        here.push((over, 0, 0));
                    }
                }
            }
            Some(starts) => {
                for (n, &j) in hits.iter().enumerate() {
                    let found = starts.iter().any(|start| {
                        let between = hits[..=n].iter().filter(|i| place(**i) > *start).count();
                        place(j) > *start
                            && history[j].0 < start.0 + step.within
                            && between >= step.times
                    });
                    if found {
                        here.push(place(j));
                    }
                }
            }
        }
        here.sort_unstable();
        here.dedup();
        before = Some(here);
    }
    before.unwrap_or_default()
}

/// Times at which the alert comes (1) and goes (0).
pub(super) fn alerts(steps: &[NaiveStep], hold: i64, history: &[(i64, i64)]) -> Vec<(i64, u8)> {
    let matches = completions(steps, history).into_iter().map(|p| (p, true));
    let last = &steps[steps.len() - 1];
    let came = (0..history.len()).filter(|j| last.absent && last.matches(history[*j].1));
    let came = came.map(|j| ((history[j].0, 1, j), false));
    let mut happens: Vec<(Place, bool)> = matches.chain(came).collect();
    happens.sort_unstable();
    let mut out = Vec::new();
    let mut ends: Option<i64> = None;
    for ((t, kind, _), matched) in happens {
        // An alert that ends at the deadline of the next match goes on.
        if let Some(end) = ends.filter(|e| *e < t || (*e == t && kind == 1)) {
            out.push((end, 0));
            ends = None;
        }
        match (matched, ends) {
            (true, None) => {
                out.push((t, 1));
                ends = Some(t + hold);
            }
            (true, Some(end)) => ends = Some(end.max(t + hold)),
            (false, Some(_)) => {
                out.push((t, 0));
                ends = None;
            }
            (false, None) => {}
        }
    }
    out.extend(ends.map(|end| (end, 0)));
    out
}
