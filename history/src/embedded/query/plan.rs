//! Which tier answers which stretch of a range.

use ioc_model::{Step, Tier};

use crate::embedded::maintain::Floors;
use crate::embedded::rollup;

/// Times beyond this (300 million years) are no measurements; sums of times cannot overflow.
const END: i64 = i64::MAX / 4;

/// From fine to coarse.
const ALL: [Tier; 3] = [Tier::Raw, Tier::Minute, Tier::Hour];

/// A stretch of the range that one tier answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) tier: Tier,
    /// The windows asked for can be made of those of the tier; else these come as they are.
    pub(super) fits: bool,
}

/// A stretch in which a tier cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) tier: Tier,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Cuts a range into segments, in the order of time. The coarsest tier of which the windows asked
/// for can be made answers whole windows of it, the finest one that is kept the edges. Where no
/// fitting tier is kept, the finest of those kept answers in its own length; where nothing is
/// kept, whatever is left of the coarsest.
pub(super) fn plan(
    (from, to): (i64, i64),
    step: Step,
    floors: &Floors,
    broken: &[Broken],
) -> Vec<Segment> {
    let (from, to) = (from.clamp(-END, END), to.clamp(-END, END));
    let mut out = Vec::new();
    let mut at = from;
    while at < to {
        let next = ALL.map(|t| floors.of(t)).into_iter().filter(|f| *f > at).min();
        let end = next.unwrap_or(to).min(to);
        stretch((at, end), step, floors, &mut out);
        at = end;
    }
    around(out, step, floors, broken)
}

/// Whether windows of a tier add up to those asked for.
fn fits(tier: Tier, step: Step) -> bool {
    let length = rollup::length(tier);
    step.ms.max(1) % length == 0 && step.offset_ms % length == 0
}

/// A stretch in which the same tiers are kept.
fn stretch((from, to): (i64, i64), step: Step, floors: &Floors, out: &mut Vec<Segment>) {
    let kept: Vec<Tier> = ALL.into_iter().filter(|t| floors.of(*t) <= from).collect();
    let finest = kept.first().copied().unwrap_or(Tier::Hour);
    let best = kept.iter().rev().find(|t| fits(**t, step)).copied().unwrap_or(finest);
    let mut add = |from, to, tier| {
        if from < to {
            out.push(Segment { from, to, tier, fits: fits(tier, step) });
        }
    };
    let (begin, end) = (down(from, best), up(to, best));
    if best == finest {
        return add(begin, end, best);
    }
    let (whole_from, whole_to) = (up(from, best), down(to, best));
    if whole_from >= whole_to {
        return add(down(from, finest), up(to, finest), finest);
    }
    add(down(from, finest), whole_from, finest);
    add(whole_from, whole_to, best);
    add(whole_to, up(to, finest), finest);
}

/// Raw points where a tier is broken and they are kept.
fn around(plan: Vec<Segment>, step: Step, floors: &Floors, broken: &[Broken]) -> Vec<Segment> {
    let mut plan = plan;
    for b in broken {
        let (from, to) = (b.from.max(floors.of(Tier::Raw)), b.to);
        let mut next = Vec::with_capacity(plan.len() + 2);
        for s in plan {
            let (cut_from, cut_to) = (from.max(s.from), to.min(s.to));
            if s.tier != b.tier || cut_from >= cut_to {
                next.push(s);
                continue;
            }
            let raw = Segment { tier: Tier::Raw, fits: fits(Tier::Raw, step), ..s };
            let parts = [
                Segment { to: cut_from, ..s },
                Segment { from: cut_from, to: cut_to, ..raw },
                Segment { from: cut_to, ..s },
            ];
            next.extend(parts.into_iter().filter(|s| s.from < s.to));
        }
        plan = next;
    }
    plan
}

/// The begin of the window of a tier that holds `t`.
fn down(t: i64, tier: Tier) -> i64 {
    t - t.rem_euclid(rollup::length(tier))
}

fn up(t: i64, tier: Tier) -> i64 {
    down(t + rollup::length(tier) - 1, tier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: i64 = 60_000;
    const H: i64 = 3_600_000;
    const D: i64 = 24 * H;

    fn check(range: (i64, i64), step: Step, floors: [i64; 3], expect: &[(i64, i64, Tier, bool)]) {
        let floors = Floors::new(floors[0], floors[1], floors[2]);
        let got: Vec<_> = plan(range, step, &floors, &[])
            .into_iter()
            .map(|s| (s.from, s.to, s.tier, s.fits))
            .collect();
        assert_eq!(got, expect);
    }

    const NONE: [i64; 3] = [i64::MIN; 3];

    #[test]
    fn the_coarsest_tier_that_divides_step_and_offset_answers() {
        use Tier::{Hour, Minute, Raw};
        let range = (D, 2 * D);
        let local_day = Step { ms: D, offset_ms: -7 * H };
        for (step, tier) in [
            (Step::of(D), Hour),
            (local_day, Hour),
            (Step::of(15 * M), Minute),
            (Step { ms: H, offset_ms: 30 * M }, Minute),
            (Step { ms: H, offset_ms: 1_000 }, Raw),
            (Step::of(90_000), Raw),
        ] {
            check(range, step, NONE, &[(D, 2 * D, tier, true)]);
        }
    }

    #[test]
    fn edges_of_an_unaligned_range_come_from_the_finest_tier() {
        use Tier::{Hour, Minute, Raw};
        let range = (D + 1, D + 2 * H + 5);
        let raw = [
            (D + 1, D + H, Raw, true),
            (D + H, D + 2 * H, Hour, true),
            (D + 2 * H, D + 2 * H + 5, Raw, true),
        ];
        check(range, Step::of(H), NONE, &raw);
        check((D + 1, D + H + 5), Step::of(H), NONE, &[(D + 1, D + H + 5, Raw, true)]);
        let minute = [
            (D, D + H, Minute, true),
            (D + H, D + 2 * H, Hour, true),
            (D + 2 * H, D + 2 * H + M, Minute, true),
        ];
        check(range, Step::of(H), [9 * D, 0, 0], &minute);
        check(range, Step::of(H), [9 * D, 9 * D, 0], &[(D, D + 3 * H, Hour, true)]);
    }

    #[test]
    fn what_was_given_up_is_answered_by_the_next_tier_in_its_own_length() {
        use Tier::{Hour, Minute, Raw};
        let floors = [3 * D, 2 * D, D];
        let range = (0, 4 * D);
        let quarters = [
            (0, D, Hour, false),
            (D, 2 * D, Hour, false),
            (2 * D, 3 * D, Minute, true),
            (3 * D, 4 * D, Minute, true),
        ];
        check(range, Step::of(15 * M), floors, &quarters);
        let odd = [
            (0, D, Hour, false),
            (D, 2 * D, Hour, false),
            (2 * D, 3 * D, Minute, false),
            (3 * D, 4 * D, Raw, true),
        ];
        check(range, Step::of(90_000), floors, &odd);
    }

    #[test]
    fn raw_points_stand_in_for_a_broken_tier_where_they_are_kept() {
        let floors = Floors::new(2 * D, 0, 0);
        let broken = [Broken { tier: Tier::Hour, from: D, to: 3 * D }];
        let got = plan((0, 4 * D), Step::of(H), &floors, &broken);
        let got: Vec<_> = got.into_iter().map(|s| (s.from / D, s.to / D, s.tier)).collect();
        assert_eq!(got, [(0, 2, Tier::Hour), (2, 3, Tier::Raw), (3, 4, Tier::Hour)]);
    }

    #[test]
    fn endless_ranges_are_planned() {
        let got = plan((i64::MIN, i64::MAX), Step::of(H), &Floors::new(0, 0, 0), &[]);
        assert!(got.iter().all(|s| s.from < s.to));
        assert!(got.windows(2).all(|w| w[0].to == w[1].from));
    }
}
