//! A block: up to [`BLOCK_POINTS`] points of one series, compressed, with a checksum.
//!
//! Bytes: version, length of the times (u32 LE), length of the values (u32 LE), times (`pco`,
//! i64 ms), values (`pco`, f64), then runs of equal quality as (quality u8, length u16 LE); no
//! runs when all are good.

use ioc_model::{Point, Quality, Timestamp};
use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec};

use crate::Error;

/// Points in a full block: small enough to decode in some 10 µs, large enough for `pco`
/// (12 points cost 8.6 bytes each on the Aarhus week, 288 points 1.2).
pub(crate) const BLOCK_POINTS: usize = 1_000;

const VERSION: u8 = 1;
const HEADER: usize = 9;
/// Compression level of `pco`; 8 (its default) costs half as much CPU again for 1 % less.
const LEVEL: usize = 6;
/// The same for a block that grows and will be written again.
const GROWING_LEVEL: usize = 4;

/// Where a block belongs and what it should hold; covered by its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockMeta {
    /// Number of the series.
    pub(crate) series: i64,
    /// Time of the first point, ms.
    pub(crate) t_min: i64,
    /// Time of the last point, ms.
    pub(crate) t_max: i64,
    /// Number of points.
    pub(crate) n: i64,
}

impl BlockMeta {
    /// What a block of these points says; `None` without points.
    pub(crate) fn of(series: i64, points: &[Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        Some(Self { series, t_min: first.time.0, t_max: last.time.0, n: points.len() as i64 })
    }

    /// Checksum over this and the bytes.
    pub(crate) fn crc(&self, data: &[u8]) -> u32 {
        let mut h = crc32fast::Hasher::new();
        for word in [self.series, self.t_min, self.t_max, self.n] {
            h.update(&word.to_le_bytes());
        }
        h.update(data);
        h.finalize()
    }
}

/// Compresses the points of a closed block, which are in the order of time.
pub(crate) fn encode(points: &[Point]) -> Result<Vec<u8>, Error> {
    encode_as(points, &ChunkConfig::default().with_compression_level(LEVEL))
}

/// The same for a block that grows and will be written again: half the CPU for some 10 % more
/// bytes. Differences suit counters and slow values, and cost little where they do not help; to
/// try which is better takes as long as the rest.
pub(crate) fn encode_growing(points: &[Point]) -> Result<Vec<u8>, Error> {
    let config = ChunkConfig::default().with_compression_level(GROWING_LEVEL);
    encode_as(points, &config.with_delta_spec(DeltaSpec::TryConsecutive(1)))
}

fn encode_as(points: &[Point], config: &ChunkConfig) -> Result<Vec<u8>, Error> {
    let times: Vec<i64> = points.iter().map(|p| p.time.0).collect();
    let values: Vec<f64> = points.iter().map(|p| p.value).collect();
    // A regular cadence becomes one constant. Differences of these differences cost 0.1 byte a
    // point more where a cadence jitters, and gain nothing where it does not.
    let by_time = config.clone().with_delta_spec(DeltaSpec::TryConsecutive(1));
    let times = simple_compress(&times, &by_time).map_err(Error::Compress)?;
    let values = simple_compress(&values, config).map_err(Error::Compress)?;
    let mut out = Vec::with_capacity(HEADER + times.len() + values.len());
    out.push(VERSION);
    out.extend_from_slice(&(times.len() as u32).to_le_bytes());
    out.extend_from_slice(&(values.len() as u32).to_le_bytes());
    out.extend_from_slice(&times);
    out.extend_from_slice(&values);
    put_qualities(points, &mut out);
    Ok(out)
}

fn put_qualities(points: &[Point], out: &mut Vec<u8>) {
    if points.iter().all(|p| p.quality == Quality::Good) {
        return;
    }
    for run in points.chunk_by(|a, b| a.quality == b.quality) {
        for part in run.chunks(usize::from(u16::MAX)) {
            out.push(part.first().map_or(0, |p| p.quality as u8));
            out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        }
    }
}

/// Reads a block; `None` when its checksum or any length is wrong.
pub(crate) fn decode(meta: &BlockMeta, crc: u32, data: &[u8]) -> Option<Vec<Point>> {
    if meta.crc(data) != crc || *data.first()? != VERSION {
        return None;
    }
    let times_len = u32::from_le_bytes(data.get(1..5)?.try_into().ok()?) as usize;
    let values_len = u32::from_le_bytes(data.get(5..HEADER)?.try_into().ok()?) as usize;
    let values_at = HEADER.checked_add(times_len)?;
    let runs_at = values_at.checked_add(values_len)?;
    let times: Vec<i64> = simple_decompress(data.get(HEADER..values_at)?).ok()?;
    let values: Vec<f64> = simple_decompress(data.get(values_at..runs_at)?).ok()?;
    if times.len() != values.len() || times.len() as i64 != meta.n {
        return None;
    }
    let mut points: Vec<Point> = times
        .into_iter()
        .zip(values)
        .map(|(t, value)| Point { time: Timestamp(t), value, quality: Quality::Good })
        .collect();
    let mut at = 0_usize;
    for run in data.get(runs_at..)?.chunks_exact(3) {
        let len = usize::from(u16::from_le_bytes([run[1], run[2]]));
        for p in points.get_mut(at..at.checked_add(len)?)? {
            p.quality = Quality::from_u8(run[0]);
        }
        at += len;
    }
    Some(points)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = Vec<Point>> {
        let one = (0i64..4_000_000_000_000, proptest::num::f64::ANY, 0u8..3);
        proptest::collection::vec(one, 1..400).prop_map(|mut v| {
            v.sort_by_key(|p| p.0);
            let point =
                |(t, value, q)| Point { time: Timestamp(t), value, quality: Quality::from_u8(q) };
            v.into_iter().map(point).collect()
        })
    }

    proptest! {
        #[test]
        fn a_block_gives_back_every_bit(points in points()) {
            let meta = BlockMeta::of(7, &points).expect("not empty");
            let bits = |v: &[Point]| -> Vec<_> {
                v.iter().map(|p| (p.time.0, p.value.to_bits(), p.quality)).collect()
            };
            for encode in [encode, encode_growing] {
                let data = encode(&points).expect("compresses");
                let back = decode(&meta, meta.crc(&data), &data).expect("decodes");
                prop_assert_eq!(bits(&back), bits(&points));
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let points: Vec<Point> = (0..300i64)
            .map(|i| Point {
                time: Timestamp(1_700_000_000_000 + i * 1000),
                value: 20.0 + (i % 17) as f64 * 0.1,
                quality: if i % 50 == 0 { Quality::Bad } else { Quality::Good },
            })
            .collect();
        let meta = BlockMeta::of(1, &points).expect("not empty");
        let data = encode(&points).expect("compresses");
        let crc = meta.crc(&data);
        assert!(decode(&meta, crc, &data).is_some());
        for bit in 0..data.len() * 8 {
            let mut damaged = data.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&meta, crc, &damaged).is_none(), "bit {bit}");
        }
        let moved = BlockMeta { series: 2, ..meta };
        assert!(decode(&moved, crc, &data).is_none(), "a block of another series");
    }
}
