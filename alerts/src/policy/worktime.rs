use std::collections::BTreeSet;

use ioc_model::Timestamp;

/// Offset of local time, ms: Asia/Ho_Chi_Minh has had no other since 1975.
const LOCAL_OFFSET_MS: i64 = 7 * 3_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// A calendar without a single working day would be searched for ever.
const LOOK_AHEAD_DAYS: i64 = 400;

/// Working time: spans of the day on some days of the week, none on public holidays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkTime {
    /// Bit 0 is Monday.
    pub(super) days: u8,
    /// Minutes of the day, from and to, in order, not overlapping.
    pub(super) hours: Vec<(i64, i64)>,
    /// Local days since 1970-01-01.
    pub(super) holidays: BTreeSet<i64>,
}

impl WorkTime {
    /// Working time of one day, ms.
    pub fn day_ms(&self) -> i64 {
        self.hours.iter().map(|(from, to)| (to - from) * MINUTE_MS).sum()
    }

    /// The moment at which `work_ms` of working time have passed since `start`. Beyond 400 days
    /// without enough of it, the end of that time.
    pub fn after(&self, start: Timestamp, work_ms: i64) -> Timestamp {
        let local = start.0.saturating_add(LOCAL_OFFSET_MS);
        let first = local.div_euclid(DAY_MS);
        let mut left = work_ms;
        for day in first..first + LOOK_AHEAD_DAYS {
            for (from, to) in self.spans(day) {
                let from = from.max(local);
                if from >= to {
                    continue;
                }
                if to - from >= left {
                    return Timestamp(from + left - LOCAL_OFFSET_MS);
                }
                left -= to - from;
            }
        }
        start.plus_ms(LOOK_AHEAD_DAYS * DAY_MS)
    }

    /// Whether work is done at that moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = at.0.saturating_add(LOCAL_OFFSET_MS);
        self.spans(local.div_euclid(DAY_MS)).any(|(from, to)| (from..to).contains(&local))
    }

    /// Working spans of a day in local ms since 1970.
    fn spans(&self, day: i64) -> impl Iterator<Item = (i64, i64)> {
        // 1970-01-01 was a Thursday.
        let weekday = 1u8 << (day + 3).rem_euclid(7);
        let works = self.days & weekday != 0 && !self.holidays.contains(&day);
        let base = day * DAY_MS;
        self.hours
            .iter()
            .filter(move |_| works)
            .map(move |(from, to)| (base + from * MINUTE_MS, base + to * MINUTE_MS))
    }
}
