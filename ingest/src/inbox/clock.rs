//! How a device's clock stands to ours.

use ioc_model::{ClockState, Timestamp};

/// Delays remembered.
const RING: usize = 7;
/// Late messages in a row before a clock is called behind.
const LATE: u8 = 5;
/// And over at least so long: a back-fill of a few seconds says nothing.
const LATE_S: i64 = 60;
/// A run of late messages that is not judged after so long is looked at afresh.
const AFRESH_S: i64 = 600;
/// A device is told about its clock at most so often.
const TELL_S: i64 = 60;

/// What is to be told about a clock, ms off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    Ahead(i64),
    /// The least of the last delays.
    Behind(i64),
}

/// The last delays from phenomenon to arrival of live messages, and the run of late ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// ms; the first `len` are in use, `at` is overwritten next.
    delays: [f32; RING],
    len: u8,
    at: u8,
    /// Late messages in a row.
    late: u8,
    pub(super) state: ClockState,
    /// Arrival (seconds since 1970) and delay (ms) of the first of the run.
    late_since: u32,
    late_first: f32,
    /// When the device was told last, seconds since 1970; 0: never.
    told: u32,
}

impl Clock {
    /// Notes the delay of a message that says something new; `bound` in ms.
    pub(super) fn note(&mut self, at: Timestamp, delay: i64, bound: i64) {
        self.delays[usize::from(self.at)] = delay as f32;
        self.at = (self.at + 1) % RING as u8;
        self.len = (self.len + 1).min(RING as u8);
        if delay <= bound {
            self.late = 0;
            self.state = if delay < -bound { ClockState::Ahead } else { ClockState::Good };
            return;
        }
        if self.late == 0 || self.state == ClockState::Ahead {
            self.state = ClockState::Good;
            self.start_run(at, delay);
            return;
        }
        self.late = self.late.saturating_add(1);
        let lasted = i64::from(seconds(at)) - i64::from(self.late_since);
        if self.late < LATE || lasted < LATE_S || self.state == ClockState::Behind {
            return;
        }
        // What was kept back comes faster than it was measured: its delays shrink. Those of a
        // clock that is behind stay.
        let shrunk = (self.late_first as i64).saturating_sub(delay);
        if shrunk <= lasted * 1_000 / 4 && self.is_steady(bound, lasted * 1_000) {
            self.state = ClockState::Behind;
        } else if lasted > AFRESH_S {
            self.start_run(at, delay);
        }
    }

    fn start_run(&mut self, at: Timestamp, delay: i64) {
        (self.late, self.late_since, self.late_first) = (1, seconds(at), delay as f32);
    }

    /// Batches of old readings come with delays that differ by as much as they cover.
    fn is_steady(&self, bound: i64, lasted: i64) -> bool {
        let (least, most) = self.extremes();
        let spread = most.saturating_sub(least);
        // A clock that has stopped is late by ever more.
        let stopped = self.latest() >= most && spread <= lasted;
        spread <= bound || stopped
    }

    fn latest(&self) -> i64 {
        self.delays[(usize::from(self.at) + RING - 1) % RING] as i64
    }

    fn extremes(&self) -> (i64, i64) {
        let used = &self.delays[..usize::from(self.len)];
        let least = used.iter().copied().fold(f32::INFINITY, f32::min);
        let most = used.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (least as i64, most as i64)
    }

    /// What the device is to be told now, if anything.
    pub(super) fn remark(&mut self, at: Timestamp) -> Option<Remark> {
        // A clock of ours that was set back must not silence for long.
        let since = i64::from(seconds(at)) - i64::from(self.told);
        if self.state == ClockState::Good || (0..TELL_S).contains(&since) {
            return None;
        }
        self.told = seconds(at);
        Some(match self.state {
            ClockState::Ahead => Remark::Ahead(self.latest().saturating_neg()),
            ClockState::Good | ClockState::Behind => Remark::Behind(self.extremes().0),
        })
    }

    /// Median of the last delays, ms.
    pub(super) fn skew_ms(&self) -> Option<i64> {
        let mut sorted = self.delays;
        let sorted = &mut sorted[..usize::from(self.len)];
        sorted.sort_unstable_by(f32::total_cmp);
        sorted.get(sorted.len() / 2).map(|d| *d as i64)
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.0.div_euclid(1_000)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: i64 = 300_000;
    const HOUR: i64 = 3_600_000;

    /// The state after messages of `(arrival, delay)`.
    fn after(messages: impl IntoIterator<Item = (i64, i64)>) -> ClockState {
        let mut clock = Clock::default();
        for (at, delay) in messages {
            clock.note(Timestamp(at), delay, BOUND);
        }
        clock.state
    }

    fn minutes(n: i64, delay: impl Fn(i64) -> i64) -> Vec<(i64, i64)> {
        (0..n).map(|i| (i * 60_000, delay(i))).collect()
    }

    #[test]
    fn a_clock_is_behind_when_all_is_late_for_a_while() {
        assert_eq!(after(minutes(5, |i| HOUR + i * 37 % 900)), ClockState::Behind);
        assert_eq!(after(minutes(4, |_| HOUR)), ClockState::Good, "four are too few");
        let fast = (0..59).map(|i| (i * 1_000, HOUR));
        assert_eq!(after(fast), ClockState::Good, "less than a minute is too short");
        let fast = (0..61).map(|i| (i * 1_000, HOUR));
        assert_eq!(after(fast), ClockState::Behind);
        assert_eq!(after(minutes(50, |_| BOUND)), ClockState::Good, "within the bound");
        assert_eq!(after(minutes(50, |_| BOUND + 1)), ClockState::Behind);
        assert_eq!(after(minutes(50, |i| HOUR + i * 60_000)), ClockState::Behind, "stopped");
    }

    #[test]
    fn a_back_fill_is_no_clock_that_is_behind() {
        // One hour is sent again at twice to a hundred times the speed of life.
        for speed in [2, 3, 5, 10, 100] {
            let mut clock = Clock::default();
            for i in 0..3_600 {
                let (at, delay) = (i * 1_000 / speed, HOUR - i * 1_000 + i * 1_000 / speed);
                clock.note(Timestamp(at), delay, BOUND);
                assert_eq!(clock.state, ClockState::Good, "speed {speed}, message {i}");
            }
        }
        // A logger hands over an hour of readings every hour, the oldest or the newest first.
        for newest_first in [false, true] {
            let mut clock = Clock::default();
            for i in 0..600i64 {
                let back = if newest_first { i % 60 } else { 59 - i % 60 };
                let at = i / 60 * HOUR + i % 60 * 20;
                clock.note(Timestamp(at), back * 60_000, BOUND);
                assert_eq!(clock.state, ClockState::Good, "{newest_first} {i}");
            }
        }
    }

    #[test]
    fn one_good_message_clears_and_one_bad_one_says_nothing() {
        let mut messages = minutes(50, |_| HOUR);
        messages.push((50 * 60_000, 200));
        assert_eq!(after(messages.clone()), ClockState::Good);
        messages.push((51 * 60_000, HOUR));
        assert_eq!(after(messages), ClockState::Good);
        assert_eq!(after([(0, -HOUR)]), ClockState::Ahead);
        assert_eq!(after([(0, -HOUR), (60_000, 0)]), ClockState::Good);
        assert_eq!(after([(0, -HOUR), (60_000, HOUR)]), ClockState::Good);
    }

    #[test]
    fn a_clock_that_is_set_nearer_and_stays_behind_is_found_again() {
        let messages = minutes(60, |i| if i < 3 { 20 * HOUR } else { HOUR });
        assert_eq!(after(messages), ClockState::Behind);
    }

    #[test]
    fn a_device_is_told_once_a_minute() {
        let mut clock = Clock::default();
        let mut told = Vec::new();
        for i in 0..130i64 {
            let at = Timestamp(1_761_588_000_000 + i * 1_000);
            clock.note(at, -HOUR, BOUND);
            if let Some(remark) = clock.remark(at) {
                told.push((i, remark));
            }
        }
        assert_eq!(told, [0, 60, 120].map(|i| (i, Remark::Ahead(HOUR))));
        assert_eq!(clock.skew_ms(), Some(-HOUR));
        let back = Timestamp(1_761_580_000_000);
        clock.note(back, -HOUR, BOUND);
        assert!(clock.remark(back).is_some(), "our clock was set back");
    }

    #[test]
    fn one_outlier_does_not_move_the_usual_delay() {
        let mut clock = Clock::default();
        for delay in [120, 80, 90, HOUR, 110, -HOUR, 100] {
            clock.note(Timestamp(0), delay, BOUND);
        }
        assert_eq!(clock.skew_ms(), Some(100));
    }
}
