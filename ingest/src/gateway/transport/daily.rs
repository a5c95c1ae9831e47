//! Something to be said again once a day as long as it holds.

use ioc_model::Timestamp;

const DAY_MS: i64 = 24 * 3_600_000;

/// When it was said last.
#[derive(Debug, Default)]
pub(super) struct Daily(Option<Timestamp>);

impl Daily {
    /// Whether it is time to say it; it then counts as said. A clock that was set back does not
    /// silence it for longer than a day.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.0.is_none_or(|last| now.since_ms(last).abs() >= DAY_MS);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_at_once_and_then_once_a_day() {
        let mut daily = Daily::default();
        let said: Vec<i64> =
            (0..72).filter(|hour| daily.is_due(Timestamp(hour * 3_600_000))).collect();
        assert_eq!(said, [0, 24, 48]);
    }

    #[test]
    fn a_clock_set_back_silences_nothing_for_long() {
        let mut daily = Daily::default();
        assert!(daily.is_due(Timestamp(100 * DAY_MS)));
        assert!(daily.is_due(Timestamp(0)));
    }
}
