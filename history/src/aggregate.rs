//! Makes the answer of a range query from points in the order of time: raw or by windows.

use std::ops::ControlFlow;

use ioc_model::{Aggregate, Point, Quality, SeriesPoints, Timestamp};

/// Takes points in the order of time until the limit is reached.
pub(crate) struct Collector {
    step: Option<(i64, Aggregate)>,
    limit: usize,
    window: Option<Window>,
    out: SeriesPoints,
}

struct Window {
    index: i64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
    count: u64,
    /// The worse of the qualities that went in.
    uncertain: bool,
}

impl Collector {
    pub(crate) fn new(step: Option<(i64, Aggregate)>, limit: usize) -> Self {
        let step = step.map(|(ms, how)| (ms.max(1), how));
        Self { step, limit, window: None, out: SeriesPoints::default() }
    }

    /// Takes the next point; `Break` says that no further point can change the answer.
    pub(crate) fn push(&mut self, point: Point) -> ControlFlow<()> {
        let Some((step_ms, how)) = self.step else {
            return self.emit(point);
        };
        if point.quality == Quality::Bad {
            return ControlFlow::Continue(());
        }
        let index = point.time.0.div_euclid(step_ms);
        match &mut self.window {
            Some(w) if w.index == index => w.add(&point),
            _ => {
                let done = self.window.replace(Window::new(index, &point));
                if let Some(done) = done {
                    return self.emit(done.point(step_ms, how));
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The answer.
    pub(crate) fn finish(mut self) -> SeriesPoints {
        if let (Some((step_ms, how)), Some(window), false) =
            (self.step, self.window.take(), self.out.truncated)
        {
            let _ = self.emit(window.point(step_ms, how));
        }
        self.out
    }

    fn emit(&mut self, point: Point) -> ControlFlow<()> {
        if self.out.points.len() >= self.limit {
            self.out.truncated = true;
            return ControlFlow::Break(());
        }
        self.out.points.push(point);
        ControlFlow::Continue(())
    }
}

impl Window {
    fn new(index: i64, p: &Point) -> Self {
        let uncertain = p.quality != Quality::Good;
        Self { index, sum: p.value, min: p.value, max: p.value, last: p.value, count: 1, uncertain }
    }

    fn add(&mut self, p: &Point) {
        self.sum += p.value;
        self.min = self.min.min(p.value);
        self.max = self.max.max(p.value);
        self.last = p.value;
        self.count += 1;
        self.uncertain |= p.quality != Quality::Good;
    }

    fn point(&self, step_ms: i64, how: Aggregate) -> Point {
        let value = match how {
            Aggregate::Mean => self.sum / self.count as f64,
            Aggregate::Min => self.min,
            Aggregate::Max => self.max,
            Aggregate::Count => self.count as f64,
            Aggregate::Last => self.last,
        };
        let quality = if self.uncertain { Quality::Uncertain } else { Quality::Good };
        Point { time: Timestamp(self.index.saturating_mul(step_ms)), value, quality }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(time: i64, value: f64, quality: Quality) -> Point {
        Point { time: Timestamp(time), value, quality }
    }

    fn check(step: Option<(i64, Aggregate)>, limit: usize, expect: &[(i64, f64)], truncated: bool) {
        let mut c = Collector::new(step, limit);
        for point in [
            p(-1, 9.0, Quality::Good),
            p(0, 1.0, Quality::Good),
            p(5, 100.0, Quality::Bad),
            p(9, 3.0, Quality::Uncertain),
            p(30, 7.0, Quality::Good),
        ] {
            if c.push(point).is_break() {
                break;
            }
        }
        let got = c.finish();
        let pairs: Vec<_> = got.points.iter().map(|p| (p.time.0, p.value)).collect();
        assert_eq!((pairs.as_slice(), got.truncated), (expect, truncated));
    }

    #[test]
    fn windows_are_aligned_to_the_epoch_and_leave_bad_values_out() {
        check(Some((10, Aggregate::Mean)), 9, &[(-10, 9.0), (0, 2.0), (30, 7.0)], false);
        check(Some((10, Aggregate::Count)), 9, &[(-10, 1.0), (0, 2.0), (30, 1.0)], false);
        check(Some((10, Aggregate::Min)), 9, &[(-10, 9.0), (0, 1.0), (30, 7.0)], false);
        check(Some((10, Aggregate::Max)), 9, &[(-10, 9.0), (0, 3.0), (30, 7.0)], false);
        check(Some((10, Aggregate::Last)), 9, &[(-10, 9.0), (0, 3.0), (30, 7.0)], false);
    }

    #[test]
    fn the_limit_counts_answers_and_says_when_there_are_more() {
        check(Some((10, Aggregate::Mean)), 2, &[(-10, 9.0), (0, 2.0)], true);
        check(Some((10, Aggregate::Mean)), 3, &[(-10, 9.0), (0, 2.0), (30, 7.0)], false);
        check(None, 2, &[(-1, 9.0), (0, 1.0)], true);
        check(None, 5, &[(-1, 9.0), (0, 1.0), (5, 100.0), (9, 3.0), (30, 7.0)], false);
    }
}
