//! How fast a client gets and sends.

use std::time::Duration;

use tokio::time::Instant;

/// Ticks are counted over this long.
const WINDOW: Duration = Duration::from_secs(5);
/// Below this share of what was asked, the page is told.
const SLOW_SHARE: f64 = 0.7;

/// Messages a client may send at once, and per second.
const INBOUND_BURST: f64 = 20.0;
const INBOUND_PER_S: f64 = 10.0;

/// Counts the ticks that a client really got.
#[derive(Debug)]
pub(crate) struct Pace {
    asked: f64,
    counts: bool,
    since: Instant,
    ticks: u32,
    slow: bool,
}

impl Pace {
    pub fn new(asked: f64, now: Instant) -> Self {
        Self { asked, counts: false, since: now, ticks: 0, slow: false }
    }

    pub fn asked(&self) -> f64 {
        self.asked
    }

    /// Starts or stops counting.
    pub fn counts(&mut self, counts: bool, now: Instant) {
        if counts != self.counts {
            (self.counts, self.since, self.ticks) = (counts, now, 0);
        }
    }

    /// One tick was served; returns the pace when the page should be told: while it gets less
    /// than it asked for, and once when that has ended.
    pub fn tick(&mut self, now: Instant) -> Option<f64> {
        self.ticks += 1;
        let long = now.duration_since(self.since);
        // Slow paces need a longer look.
        let window = WINDOW.max(Duration::from_secs_f64(3.0 / self.asked));
        if !self.counts || long < window {
            return None;
        }
        let got = f64::from(self.ticks) / long.as_secs_f64();
        (self.since, self.ticks) = (now, 0);
        let was_slow = std::mem::replace(&mut self.slow, got < self.asked * SLOW_SHARE);
        match (self.slow, was_slow) {
            (true, _) => Some((got * 10.0).round() / 10.0),
            (false, true) => Some(self.asked),
            (false, false) => None,
        }
    }
}

/// A token bucket for what the client sends.
#[derive(Debug)]
pub(crate) struct InboundRate {
    tokens: f64,
    at: Instant,
}

impl InboundRate {
    pub fn new(now: Instant) -> Self {
        Self { tokens: INBOUND_BURST, at: now }
    }

    /// May this message be read?
    pub fn take(&mut self, now: Instant) -> bool {
        let filled = now.duration_since(self.at).as_secs_f64() * INBOUND_PER_S;
        self.tokens = (self.tokens + filled).min(INBOUND_BURST);
        self.at = now;
        let fits = self.tokens >= 1.0;
        if fits {
            self.tokens -= 1.0;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(interval_ms: u64, ticks: u32, pace: &mut Pace, now: &mut Instant) -> Vec<f64> {
        let step = Duration::from_millis(interval_ms);
        let mut told = Vec::new();
        for _ in 0..ticks {
            *now += step;
            told.extend(pace.tick(*now));
        }
        told
    }

    #[test]
    fn tells_a_slow_client_and_tells_when_it_is_over() {
        let mut now = Instant::now();
        let mut pace = Pace::new(5.0, now);
        pace.counts(true, now);
        assert_eq!(told(200, 100, &mut pace, &mut now), Vec::<f64>::new());
        assert_eq!(told(1_000, 10, &mut pace, &mut now), vec![1.0, 1.0]);
        assert_eq!(told(200, 60, &mut pace, &mut now), vec![5.0]);
    }

    #[test]
    fn a_flood_of_messages_is_refused() {
        let now = Instant::now();
        let mut rate = InboundRate::new(now);
        assert_eq!((0..100).filter(|_| rate.take(now)).count(), 20);
        assert!(rate.take(now + Duration::from_millis(200)));
    }
}
