//! Windows of closed blocks, in two tiers: a minute and an hour.
//!
//! What a tier holds is a function of the closed blocks alone: every closed block is in a tier
//! either with its windows or, where windows would hold too few points to pay, by itself
//! (`block.tiers`). So late points need no correction: their block's windows are further parts of
//! the same windows, and readers add parts up. Tails and memory are never in a tier.
//!
//! Bytes of a row: version, then nine columns, each its length (u32 LE) and `pco`: begin (i64, in
//! steps of the tier), min, max, sum, last (f64), time of the last after the begin, count,
//! uncertain, bad (u32).

use ioc_model::{Point, Step, Tier, Timestamp, Window};
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec};

use crate::Error;
use crate::aggregate;
use crate::embedded::block::BlockMeta;

/// Windows in a full row.
pub(crate) const ROW_WINDOWS: usize = 512;
/// Windows pay when they hold so many points each, on average over a block: a window takes some 20
/// bytes, a point 1 to 2.
const PAYS_FROM: usize = 16;

const VERSION: u8 = 1;
const LEVEL: usize = 6;

/// The tiers that are kept beside raw blocks, from fine to coarse.
pub(crate) const TIERS: [Tier; 2] = [Tier::Minute, Tier::Hour];

/// Length of the windows of a tier, ms.
pub(crate) fn length(tier: Tier) -> i64 {
    match tier {
        Tier::Raw => 1,
        Tier::Minute => 60_000,
        Tier::Hour => 3_600_000,
    }
}

/// The bit of a tier in `block.tiers`.
pub(crate) fn bit(tier: Tier) -> i64 {
    match tier {
        Tier::Raw => 0,
        Tier::Minute => 1,
        Tier::Hour => 2,
    }
}

/// The windows of the points of a block, which are in the order of time; `None` when they do not
/// pay.
pub(crate) fn windows(tier: Tier, points: &[Point]) -> Option<Vec<Window>> {
    let step = Step::of(length(tier));
    let mut out: Vec<Window> = Vec::new();
    for p in points {
        let start = step.begin(p.time);
        match out.last_mut() {
            Some(w) if w.start == start => aggregate::add(w, p),
            _ => {
                if (out.len() + 1) * PAYS_FROM > points.len() {
                    return None;
                }
                let mut w = aggregate::empty(start);
                aggregate::add(&mut w, p);
                out.push(w);
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// What the checksum of a row covers in place of the number of the series: the tier too.
pub(crate) fn covered(tier: Tier, series: i64) -> i64 {
    series * 4 + bit(tier)
}

/// What a row of these windows says; `None` without windows. Its times are the begins of the
/// first and the last window.
pub(crate) fn meta(tier: Tier, series: i64, windows: &[Window]) -> Option<BlockMeta> {
    let (first, last) = (windows.first()?, windows.last()?);
    let series = covered(tier, series);
    Some(BlockMeta { series, t_min: first.start.0, t_max: last.start.0, n: windows.len() as i64 })
}

/// Compresses windows that are in the order of their begins, each begin once.
pub(crate) fn encode(tier: Tier, windows: &[Window]) -> Result<Vec<u8>, Error> {
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let steps = config.clone().with_delta_spec(DeltaSpec::TryConsecutive(1));
    let ms = length(tier);
    let mut out = vec![VERSION];
    let starts: Vec<i64> = windows.iter().map(|w| w.start.0.div_euclid(ms)).collect();
    column(&mut out, &starts, &steps)?;
    for of in [|w: &Window| w.min, |w: &Window| w.max, |w: &Window| w.sum, |w: &Window| w.last] {
        column(&mut out, &windows.iter().map(of).collect::<Vec<f64>>(), &config)?;
    }
    let after = |w: &Window| w.last_time.0.saturating_sub(w.start.0).clamp(0, ms) as u32;
    column(&mut out, &windows.iter().map(after).collect::<Vec<u32>>(), &config)?;
    for of in [|w: &Window| w.count, |w: &Window| w.uncertain, |w: &Window| w.bad] {
        let counts = windows.iter().map(|w| u32::try_from(of(w)).unwrap_or(u32::MAX));
        column(&mut out, &counts.collect::<Vec<u32>>(), &config)?;
    }
    Ok(out)
}

fn column<T: Number>(out: &mut Vec<u8>, values: &[T], config: &ChunkConfig) -> Result<(), Error> {
    let bytes = simple_compress(values, config).map_err(Error::Compress)?;
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

/// Reads a row; `None` when its checksum or any length is wrong.
pub(crate) fn decode(tier: Tier, meta: &BlockMeta, crc: u32, data: &[u8]) -> Option<Vec<Window>> {
    if meta.crc(data) != crc {
        return None;
    }
    let (&version, mut rest) = data.split_first()?;
    if version != VERSION {
        return None;
    }
    let n = usize::try_from(meta.n).ok()?;
    let starts: Vec<i64> = take(&mut rest, n)?;
    let (min, max): (Vec<f64>, Vec<f64>) = (take(&mut rest, n)?, take(&mut rest, n)?);
    let (sum, last): (Vec<f64>, Vec<f64>) = (take(&mut rest, n)?, take(&mut rest, n)?);
    let after: Vec<u32> = take(&mut rest, n)?;
    let (count, uncertain): (Vec<u32>, Vec<u32>) = (take(&mut rest, n)?, take(&mut rest, n)?);
    let bad: Vec<u32> = take(&mut rest, n)?;
    let ms = length(tier);
    let window = |i: usize| {
        let start = Timestamp(starts[i].saturating_mul(ms));
        let last_time =
            if count[i] == 0 { Timestamp(i64::MIN) } else { start.plus_ms(i64::from(after[i])) };
        Window {
            start,
            count: u64::from(count[i]),
            uncertain: u64::from(uncertain[i]),
            bad: u64::from(bad[i]),
            min: min[i],
            max: max[i],
            sum: sum[i],
            last: last[i],
            last_time,
        }
    };
    Some((0..n).map(window).collect())
}

fn take<T: Number>(rest: &mut &[u8], n: usize) -> Option<Vec<T>> {
    let (len, after) = rest.split_at_checked(4)?;
    let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
    let (bytes, after) = after.split_at_checked(len)?;
    *rest = after;
    let values: Vec<T> = simple_decompress(bytes).ok()?;
    (values.len() == n).then_some(values)
}

/// Brings windows of several rows together: in the order of their begins, each begin once. Parts
/// of one window are added up in the order in which they are given.
pub(crate) fn combine(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_by_key(|w| w.start);
    windows.dedup_by(|later, earlier| {
        let same = later.start == earlier.start;
        if same {
            aggregate::merge(earlier, later);
        }
        same
    });
    windows
}

#[cfg(test)]
mod tests {
    use ioc_model::Quality;
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = Vec<Point>> {
        let one = (0i64..4_000_000, -1e6f64..1e6, 0u8..3);
        proptest::collection::vec(one, 8..400).prop_map(|mut v| {
            v.sort_by_key(|p| p.0);
            let point =
                |(t, value, q)| Point { time: Timestamp(t), value, quality: Quality::from_u8(q) };
            v.into_iter().map(point).collect()
        })
    }

    fn text(w: &[Window]) -> String {
        format!("{w:?}")
    }

    proptest! {
        #[test]
        fn a_row_gives_back_every_bit(points in points()) {
            for tier in TIERS {
                let Some(windows) = windows(tier, &points) else { continue };
                let meta = meta(tier, 7, &windows).expect("not empty");
                let data = encode(tier, &windows).expect("compresses");
                let back = decode(tier, &meta, meta.crc(&data), &data).expect("decodes");
                prop_assert_eq!(text(&back), text(&windows));
            }
        }

        #[test]
        fn windows_of_parts_added_up_are_the_windows_of_all(points in points(), cut in 0usize..400) {
            let (a, b) = points.split_at(cut.min(points.len()));
            let all = |points: &[Point]| {
                let mut out: Vec<Window> = Vec::new();
                for p in points {
                    let mut w = aggregate::empty(Step::of(60_000).begin(p.time));
                    aggregate::add(&mut w, p);
                    out.push(w);
                }
                combine(out)
            };
            let parts = combine([all(a), all(b)].concat());
            let whole = all(&points);
            prop_assert_eq!(parts.len(), whole.len());
            for (p, w) in parts.iter().zip(&whole) {
                prop_assert!((p.sum - w.sum).abs() <= 1e-9 * w.sum.abs().max(1e6));
                let same = Window { sum: w.sum, ..*p };
                prop_assert_eq!(text(&[same]), text(&[*w]));
            }
        }
    }

    #[test]
    fn windows_of_few_points_do_not_pay() {
        let each = |ms: i64| -> Vec<Point> {
            let point = |i| Point { time: Timestamp(i * ms), value: 1.0, quality: Quality::Good };
            (0..1_000).map(point).collect()
        };
        let pays = |ms| TIERS.map(|t| windows(t, &each(ms)).is_some());
        assert_eq!(pays(1_000), [true, true]);
        assert_eq!(pays(60_000), [false, true]);
        assert_eq!(pays(3_600_000), [false, false]);
    }
}
