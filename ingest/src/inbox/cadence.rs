//! The usual time between two messages of a device, learned.

/// Intervals remembered.
const RING: usize = 12;
/// Fewer say nothing.
const ENOUGH: usize = 4;
/// Messages of one burst are at most so far apart, ms.
const BURST_MS: f32 = 5_000.0;
/// And at most this part of the time between bursts.
const BURST_PART: f32 = 1.0 / 8.0;

/// The last intervals. Only messages that say something new are noted. A burst (a device that
/// sends each value in a message of its own) counts as one message; a back-fill counts by the
/// times of what it says; the median is not moved by an outage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cadence {
    /// As [`code`]; the first `len` are in use, `at` is overwritten next.
    ring: [u16; RING],
    len: u8,
    at: u8,
    /// Usual interval, ms; 0: not known.
    usual: f32,
    /// Since the first message of the burst, ms.
    burst: f32,
}

impl Cadence {
    /// Notes a message that came, and is of a time, so many ms after the one before.
    pub(super) fn note(&mut self, arrival_ms: i64, phenomenon_ms: i64) {
        let interval = arrival_ms.max(phenomenon_ms).max(0) as f32;
        if interval <= BURST_MS && interval < self.usual * BURST_PART {
            self.burst += interval;
            // Too long for a burst: it sends faster than it did.
            if self.burst > 2.0 * self.usual {
                *self = Self::default();
            }
            return;
        }
        let whole = interval + std::mem::take(&mut self.burst);
        self.ring[usize::from(self.at)] = code(whole);
        self.at = (self.at + 1) % RING as u8;
        self.len = (self.len + 1).min(RING as u8);
        let expected = (whole - self.usual).abs() <= self.usual * BURST_PART;
        // The median moves little when the expected comes: it is looked for once a round then.
        if !expected || self.at == 0 {
            self.usual = self.judge().map_or(0.0, |(_, usual, _)| usual);
        }
    }

    /// Usual interval, seconds, to three digits; `None`: not known, or not regular.
    pub(super) fn seconds(&self) -> Option<f64> {
        let (low, usual, high) = self.judge().filter(|_| usize::from(self.len) >= ENOUGH)?;
        if usual < 1.0 || low * 2.0 < usual || high > usual * 2.0 {
            return None;
        }
        let seconds = f64::from(usual) / 1_000.0;
        let scale = 10f64.powi(2 - seconds.log10().floor() as i32);
        Some((seconds * scale).round() / scale)
    }

    /// Quartile, median, quartile; of the times between bursts if there are bursts.
    fn judge(&self) -> Option<(f32, f32, f32)> {
        let mut sorted = self.ring;
        let sorted = &mut sorted[..usize::from(self.len)];
        sorted.sort_unstable();
        let of = &sorted[between_bursts(sorted)..];
        let at = |part: usize| of.get((of.len().max(1) - 1) * part / 4).map(|c| value(*c));
        Some((at(1)?, at(2)?, at(3)?))
    }
}

/// Where the intervals between bursts begin; 0: there are no bursts.
fn between_bursts(sorted: &[u16]) -> usize {
    let gap = sorted
        .windows(2)
        .position(|w| value(w[0]) <= BURST_MS && value(w[1]) * BURST_PART > value(w[0]));
    let Some(start) = gap.map(|at| at + 1) else { return 0 };
    let (first, last) = (value(sorted[start]), value(sorted[sorted.len() - 1]));
    // Bursts come regularly; gaps in a regular stream do not.
    let regular = sorted.len() - start >= 2 && last <= first * 1.5;
    if regular { start } else { 0 }
}

/// The exponent and 11 bits of the mantissa: in order, and right to 0.05 %. 1 ms to 50 days.
fn code(ms: f32) -> u16 {
    let bits = ms.clamp(1.0, 4.29e9).to_bits();
    (bits.saturating_sub(127 << 23) >> 12) as u16
}

fn value(code: u16) -> f32 {
    f32::from_bits((u32::from(code) << 12) + (127 << 23))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is learned from messages at `(arrival, phenomenon)`, seconds.
    fn learned(messages: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
        let mut cadence = Cadence::default();
        let mut last: Option<(i64, i64)> = None;
        for (arrival, time) in messages {
            let now = ((arrival * 1e3) as i64, (time * 1e3) as i64);
            if let Some(last) = last.replace(now) {
                cadence.note(now.0 - last.0, now.1 - last.1);
            }
        }
        cadence.seconds()
    }

    fn every(step: f64, n: usize) -> impl Iterator<Item = (f64, f64)> {
        (0..n).map(move |i| (i as f64 * step, i as f64 * step))
    }

    #[test]
    fn a_regular_device_is_learned_from_five_messages() {
        for step in [0.1, 1.0, 10.0, 60.0, 900.0, 86_400.0] {
            assert_eq!(learned(every(step, 5)), Some(step));
            assert_eq!(learned(every(step, 500)), Some(step));
        }
        assert_eq!(learned(every(60.0, 4)), None, "three intervals say nothing");
    }

    #[test]
    fn a_burst_counts_as_one_message() {
        for size in [2, 3, 5, 8] {
            let bursts = (0..400).map(|i| (i / size) as f64 * 60.0 + (i % size) as f64 * 0.05);
            let got = learned(bursts.map(|t| (t, t))).expect("regular");
            assert!((got - 60.0).abs() < 0.5, "bursts of {size}: {got}");
        }
    }

    #[test]
    fn an_outage_and_the_back_fill_after_it_move_nothing() {
        let before = every(60.0, 50);
        let filled = (50..110).map(|i| (110.0 * 60.0 + i as f64 * 0.01, i as f64 * 60.0));
        let all: Vec<_> = before.chain(filled).collect();
        assert_eq!(learned(all), Some(60.0));
        let outage = every(60.0, 50).chain((200..210).map(|i| (i as f64 * 60.0, i as f64 * 60.0)));
        assert_eq!(learned(outage), Some(60.0));
    }

    #[test]
    fn a_device_that_is_set_faster_or_slower_is_learned_anew() {
        let faster = every(60.0, 50).chain((0..1_000).map(|i| {
            let t = 3_000.0 + i as f64;
            (t, t)
        }));
        assert_eq!(learned(faster), Some(1.0));
        let slower = every(1.0, 50).chain((0..20).map(|i| {
            let t = 50.0 + i as f64 * 60.0;
            (t, t)
        }));
        assert_eq!(learned(slower), Some(60.0));
    }

    #[test]
    fn what_is_not_regular_is_not_told() {
        // Intervals of 1 s to 2^11 s.
        let wild = (0..60).scan(0.0, |t, i| {
            *t += f64::from(1 << (i * 7 % 12));
            Some((*t, *t))
        });
        assert_eq!(learned(wild), None);
    }

    proptest! {
        #[test]
        fn jitter_does_not_matter(
            step in 2.0f64..5_000.0,
            jitter in prop::collection::vec(-0.2f64..0.2, 20..60),
        ) {
            let messages = jitter.iter().enumerate().map(|(i, j)| {
                let time = i as f64 * step;
                (time + j * step, time)
            });
            let got = learned(messages).expect("regular");
            prop_assert!((got / step - 1.0).abs() < 0.2, "{} for {}", got, step);
        }

        #[test]
        fn a_code_is_in_order_and_right_to_a_thousandth(a in 1.0f32..4e9, b in 1.0f32..4e9) {
            prop_assert_eq!(code(a) < code(b), value(code(a)) < value(code(b)));
            prop_assert!((value(code(a)) / a - 1.0).abs() < 0.001);
        }
    }
}
