//! Makes the answers of queries from points in the order of time: raw, or by windows.

use std::ops::ControlFlow;

use ioc_model::{Point, Quality, SeriesPoints, SeriesWindows, Step, Window};

/// A window without points.
pub(crate) fn empty(start: ioc_model::Timestamp) -> Window {
    Window {
        start,
        count: 0,
        uncertain: 0,
        bad: 0,
        min: f64::NAN,
        max: f64::NAN,
        sum: 0.0,
        last: f64::NAN,
        last_time: ioc_model::Timestamp(i64::MIN),
    }
}

/// Adds a point to its window. Points of one moment are given in the order of arrival.
pub(crate) fn add(w: &mut Window, p: &Point) {
    if p.quality == Quality::Bad {
        w.bad += 1;
        return;
    }
    // `f64::min` leaves the NaN of an empty window out.
    w.min = w.min.min(p.value);
    w.max = w.max.max(p.value);
    w.sum += p.value;
    w.count += 1;
    w.uncertain += u64::from(p.quality != Quality::Good);
    if p.time >= w.last_time {
        (w.last, w.last_time) = (p.value, p.time);
    }
}

/// Takes another part of the same window in; where both have a latest point of one moment, that
/// of `other` came later.
pub(crate) fn merge(w: &mut Window, other: &Window) {
    w.bad += other.bad;
    if other.count == 0 {
        return;
    }
    w.min = w.min.min(other.min);
    w.max = w.max.max(other.max);
    w.sum += other.sum;
    w.count += other.count;
    w.uncertain += other.uncertain;
    if other.last_time >= w.last_time {
        (w.last, w.last_time) = (other.last, other.last_time);
    }
}

/// Takes raw points in the order of time until the limit is reached.
pub(crate) struct Points {
    limit: usize,
    out: SeriesPoints,
}

impl Points {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, out: SeriesPoints::default() }
    }

    /// Takes the next point; `Break` says that no further point can change the answer.
    pub(crate) fn push(&mut self, point: Point) -> ControlFlow<()> {
        if self.out.points.len() >= self.limit {
            self.out.truncated = true;
            return ControlFlow::Break(());
        }
        self.out.points.push(point);
        ControlFlow::Continue(())
    }

    /// The answer.
    pub(crate) fn finish(self) -> SeriesPoints {
        self.out
    }
}

/// All windows of points that are in the order of time.
pub(crate) fn windows_of(step: Step, points: &[Point]) -> Vec<Window> {
    let mut out: Vec<Window> = Vec::new();
    let mut end = i64::MIN;
    for p in points {
        match out.last_mut() {
            Some(w) if p.time.0 < end => add(w, p),
            _ => {
                let start = step.begin(p.time);
                end = start.0.saturating_add(step.ms.max(1));
                let mut w = empty(start);
                add(&mut w, p);
                out.push(w);
            }
        }
    }
    out
}

/// Points of an aggregate from windows; those without a usable point are left out.
pub(crate) fn points(windows: SeriesWindows, how: ioc_model::Aggregate) -> SeriesPoints {
    let point =
        |w: &Window| w.value(how).map(|value| Point { time: w.start, value, quality: w.quality() });
    SeriesPoints {
        points: windows.windows.iter().filter_map(point).collect(),
        truncated: windows.truncated,
        tier: windows.tier,
        raw_from: None,
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::{Aggregate, Timestamp};

    use super::*;

    fn p(time: i64, value: f64, quality: Quality) -> Point {
        Point { time: Timestamp(time), value, quality }
    }

    fn input() -> [Point; 6] {
        [
            p(-1, 9.0, Quality::Good),
            p(0, 1.0, Quality::Good),
            p(5, 100.0, Quality::Bad),
            p(9, 3.0, Quality::Uncertain),
            p(15, 8.0, Quality::Bad),
            p(30, 7.0, Quality::Good),
        ]
    }

    fn check(step: Step, how: Aggregate, expect: &[(i64, f64)]) {
        let windows =
            SeriesWindows { windows: windows_of(step, &input()), ..SeriesWindows::default() };
        let got = points(windows, how);
        let pairs: Vec<_> = got.points.iter().map(|p| (p.time.0, p.value)).collect();
        assert_eq!(pairs.as_slice(), expect);
    }

    #[test]
    fn windows_are_aligned_and_leave_bad_values_out_of_aggregates() {
        let ten = Step::of(10);
        check(ten, Aggregate::Mean, &[(-10, 9.0), (0, 2.0), (30, 7.0)]);
        check(ten, Aggregate::Count, &[(-10, 1.0), (0, 2.0), (30, 1.0)]);
        check(ten, Aggregate::Min, &[(-10, 9.0), (0, 1.0), (30, 7.0)]);
        check(ten, Aggregate::Max, &[(-10, 9.0), (0, 3.0), (30, 7.0)]);
        check(ten, Aggregate::Sum, &[(-10, 9.0), (0, 4.0), (30, 7.0)]);
        check(ten, Aggregate::Last, &[(-10, 9.0), (0, 3.0), (30, 7.0)]);
        let moved = Step { ms: 10, offset_ms: -3 };
        check(moved, Aggregate::Sum, &[(-3, 10.0), (7, 3.0), (27, 7.0)]);
    }

    #[test]
    fn a_window_counts_bad_and_uncertain_points() {
        let w = windows_of(Step::of(10), &input());
        let counts: Vec<_> = w.iter().map(|w| (w.start.0, w.count, w.uncertain, w.bad)).collect();
        assert_eq!(counts, [(-10, 1, 0, 0), (0, 2, 1, 1), (10, 0, 0, 1), (30, 1, 0, 0)]);
        assert_eq!(w[1].quality(), Quality::Uncertain);
    }

    #[test]
    fn the_limit_counts_answers_and_says_when_there_are_more() {
        let mut raw = Points::new(2);
        let pushed: Vec<bool> = input().map(|p| raw.push(p).is_break()).to_vec();
        assert!(pushed[2]);
        let got = raw.finish();
        assert_eq!((got.points.len(), got.truncated), (2, true));
    }

    #[test]
    fn parts_of_a_window_make_the_window() {
        for cut in 0..6 {
            let (mut whole, mut a, mut b) =
                (empty(Timestamp(0)), empty(Timestamp(0)), empty(Timestamp(0)));
            for (i, point) in input().iter().enumerate() {
                add(&mut whole, point);
                add(if i < cut { &mut a } else { &mut b }, point);
            }
            merge(&mut a, &b);
            assert_eq!(a, whole);
        }
    }
}
