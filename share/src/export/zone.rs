//! Times of the city's zone, read and written.

use std::io::Write;

use ioc_model::{City, Timestamp};
use jiff::tz::{Offset, TimeZone};

/// Offsets change at multiples of this, ms.
const SLOT_MS: i64 = 900_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;

/// The city's time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// That of a city; +07:00 where the machine does not know it.
    pub fn of(city: &City) -> Self {
        let fixed = |_| TimeZone::fixed(Offset::constant(7));
        Self(TimeZone::get(&city.time_zone).unwrap_or_else(fixed))
    }

    /// Milliseconds since 1970, RFC 3339, or a local `2026-11-20` or `2026-11-20T08:00[:05]`.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        let ms = match text.parse::<i64>() {
            Ok(ms) => ms,
            // A plus sign that was not percent-encoded is a space.
            Err(_) => match text.replace(' ', "+").parse::<jiff::Timestamp>() {
                Ok(t) => t.as_millisecond(),
                Err(_) => {
                    let local = text.parse::<jiff::civil::DateTime>().ok()?;
                    self.0.to_timestamp(local).ok()?.as_millisecond()
                }
            },
        };
        (0..=LAST_MS).contains(&ms).then_some(Timestamp(ms))
    }

    /// Begin of the local day after the one that holds `t`.
    pub fn next_day(&self, t: Timestamp) -> Option<Timestamp> {
        let t = jiff::Timestamp::from_millisecond(t.0).ok()?;
        let day = self.0.to_datetime(t).date().tomorrow().ok()?;
        let begin = self.0.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()?;
        Some(Timestamp(begin.as_millisecond()))
    }

    /// Begin of the local day that holds `t`.
    pub fn day(&self, t: Timestamp) -> Option<Timestamp> {
        let t = jiff::Timestamp::from_millisecond(t.0).ok()?;
        let day = self.0.to_datetime(t).date().to_datetime(jiff::civil::Time::midnight());
        Some(Timestamp(self.0.to_timestamp(day).ok()?.as_millisecond()))
    }

    /// Where days begin at a moment, ms from midnight UTC: −25,200,000 in UTC+7.
    pub fn day_offset_ms(&self, t: Timestamp) -> i64 {
        let t = jiff::Timestamp::from_millisecond(t.0).unwrap_or_default();
        -1_000 * i64::from(self.0.to_offset(t).seconds())
    }

    /// `2026-11-20`, or `2026-11-20T0830` if it is not the begin of a day: for file names.
    pub fn short(&self, t: Timestamp) -> String {
        let Ok(t) = jiff::Timestamp::from_millisecond(t.0) else { return t.0.to_string() };
        let local = self.0.to_datetime(t);
        match local.time() == jiff::civil::Time::midnight() {
            true => local.date().to_string(),
            false => local.strftime("%Y-%m-%dT%H%M").to_string(),
        }
    }
}

/// Writes ISO 8601 with milliseconds and offset, always of one length, so that programs that guess
/// a column's form from its first row guess right.
pub(super) struct TimeText {
    zone: Zone,
    /// Whose slot `head` and `minute` are of.
    slot: Option<i64>,
    /// `2026-11-20T08:`
    head: String,
    minute: i64,
    /// `+07:00`
    tail: String,
}

impl TimeText {
    pub fn new(zone: Zone) -> Self {
        Self { zone, slot: None, head: String::new(), minute: 0, tail: String::new() }
    }

    pub fn write(&mut self, t: Timestamp, out: &mut Vec<u8>) {
        let slot = t.0.div_euclid(SLOT_MS);
        if self.slot != Some(slot) && !self.enter(slot) {
            // A local time that is not of whole quarters (before 1972), or no time at all.
            out.extend_from_slice(t.to_string().as_bytes());
            return;
        }
        let ms = t.0.rem_euclid(SLOT_MS);
        let minute = self.minute + ms / 60_000;
        out.extend_from_slice(self.head.as_bytes());
        // Writing to a Vec does not fail.
        let _ = write!(out, "{minute:02}:{:02}.{:03}", ms % 60_000 / 1_000, ms % 1_000);
        out.extend_from_slice(self.tail.as_bytes());
    }

    fn enter(&mut self, slot: i64) -> bool {
        self.slot = None;
        let begin = slot.checked_mul(SLOT_MS).and_then(|t| {
            let moment = jiff::Timestamp::from_millisecond(t).ok()?;
            (0..=LAST_MS).contains(&t).then_some(moment)
        });
        let Some(begin) = begin else { return false };
        let offset = self.zone.0.to_offset(begin);
        let (seconds, local) = (offset.seconds(), offset.to_datetime(begin));
        if i64::from(seconds) * 1_000 % SLOT_MS != 0 {
            return false;
        }
        let (y, m, d, h) = (local.year(), local.month(), local.day(), local.hour());
        self.head = format!("{y:04}-{m:02}-{d:02}T{h:02}:");
        self.minute = i64::from(local.minute());
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        self.tail = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        self.slot = Some(slot);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::of(&City { time_zone: name.into(), ..City::default() })
    }

    fn text(zone: &str, ms: i64) -> String {
        let mut out = Vec::new();
        TimeText::new(self::zone(zone)).write(Timestamp(ms), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn times_have_one_length_and_the_citys_offset() {
        assert_eq!(text("Asia/Ho_Chi_Minh", 1_761_588_000_000), "2025-10-28T01:00:00.000+07:00");
        assert_eq!(text("Asia/Ho_Chi_Minh", 1_761_587_999_999), "2025-10-28T00:59:59.999+07:00");
        assert_eq!(text("Asia/Kathmandu", 1_761_588_000_001), "2025-10-27T23:45:00.001+05:45");
        assert_eq!(text("America/St_Johns", 1_761_588_000_000), "2025-10-27T15:30:00.000-02:30");
        assert_eq!(text("Asia/Ho_Chi_Minh", i64::MIN), format!("{}ms", i64::MIN));
    }

    #[test]
    fn reads_what_people_and_programs_write() {
        let zone = zone("Asia/Ho_Chi_Minh");
        let read = |t: &str| zone.parse(t).map(|t| t.0);
        let t0 = Some(1_761_588_000_000);
        assert_eq!(read("1761588000000"), t0);
        assert_eq!(read("2025-10-28T01:00:00+07:00"), t0);
        assert_eq!(read("2025-10-28T01:00:00 07:00"), t0, "a plus sign as a query gives it");
        assert_eq!(read("2025-10-27T18:00:00Z"), t0);
        assert_eq!(read("2025-10-28T01:00"), t0);
        assert_eq!(read("2025-10-28"), Some(1_761_588_000_000 - 3_600_000));
        for bad in ["", "-1", "yesterday", "2025-13-01", "99999999999999999", "1e12"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let day = zone.parse("2025-10-28").expect("a day");
        assert_eq!(zone.next_day(Timestamp(1_761_588_000_000)), zone.parse("2025-10-29"));
        assert_eq!(zone.day(Timestamp(1_761_588_000_000)), Some(day));
        assert_eq!(zone.day(day), Some(day));
        assert_eq!(zone.day_offset_ms(day), -25_200_000);
        assert_eq!(zone.short(day), "2025-10-28");
        assert_eq!(zone.short(Timestamp(1_761_588_000_000)), "2025-10-28T0100");
    }

    proptest! {
        #[test]
        fn a_written_time_reads_back(times in prop::collection::vec(0i64..4_102_444_800_000, 1..20)) {
            // New York has two offsets a year.
            let zone = zone("America/New_York");
            let mut writer = TimeText::new(zone.clone());
            for t in times {
                let mut out = Vec::new();
                writer.write(Timestamp(t), &mut out);
                let text = String::from_utf8(out).expect("UTF-8");
                prop_assert_eq!(text.len(), 29);
                prop_assert_eq!(zone.parse(&text), Some(Timestamp(t)), "{}", text);
            }
        }
    }
}
