//! Times as text: ISO 8601 in UTC with milliseconds.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

pub(super) const DAY_MS: i64 = 86_400_000;

/// Years 1 to 9999: what ISO 8601 writes with four digits.
pub(super) const EARLIEST_MS: i64 = -62_135_596_800_000;
pub(super) const LATEST_MS: i64 = 253_402_207_199_999;

/// Date and time of a moment in UTC.
pub(super) fn civil(ms: i64) -> civil::DateTime {
    let ms = ms.clamp(EARLIEST_MS, LATEST_MS);
    Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(TimeZone::UTC).datetime()
}

/// `2025-10-28T01:00:00.000Z`.
pub(super) fn time(ms: i64) -> String {
    let t = civil(ms);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.millisecond()
    )
}

/// Begin and end, separated by a slash.
pub(super) fn period(from: i64, to: i64) -> String {
    format!("{}/{}", time(from), time(to))
}

/// `2025-10-28`, from days since 1970.
pub(super) fn date(day: i64) -> String {
    time(day.saturating_mul(DAY_MS))[..10].to_owned()
}

/// `01:00:00.000`, from ms since midnight.
pub(super) fn clock(ms: i64) -> String {
    time(ms.rem_euclid(DAY_MS))[11..23].to_owned()
}

/// `PT3600.000S`.
pub(super) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}PT{}.{:03}S", ms / 1_000, ms % 1_000)
}

/// A moment with its offset; finer digits are cut to ms.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let ms = text.parse::<Timestamp>().ok()?.as_millisecond();
    (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(ms)
}

/// A date as days since 1970.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let date: civil::Date = text.parse().ok()?;
    let ms = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(ms.div_euclid(DAY_MS))
}

/// A time of day as ms since midnight.
pub(super) fn parse_clock(text: &str) -> Option<i64> {
    let t: civil::Time = text.parse().ok()?;
    let seconds = i64::from(t.hour()) * 3_600 + i64::from(t.minute()) * 60 + i64::from(t.second());
    Some(seconds * 1_000 + i64::from(t.millisecond()))
}

/// A duration of days, hours, minutes and seconds (`P1DT2H`), as ms.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let (days, clock) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, clock)) if !clock.is_empty() => (days, clock),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && clock.is_empty() {
        return None;
    }
    let ms = parts(days, &[('D', 86_400_000.0)])?
        + parts(clock, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1_000.0)])?;
    // Within ±10,000 years, so that sums with moments cannot overflow.
    (ms.abs() <= 3.2e14).then_some((sign * ms).round() as i64)
}

fn parts(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let (mut sum, mut rest) = (0.0, text);
    for (unit, ms) in units {
        if let Some((number, after)) = rest.split_once(*unit) {
            if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                return None;
            }
            sum += number.parse::<f64>().ok()? * ms;
            rest = after;
        }
    }
    rest.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_times_agree() {
        let ms = parse_time("2025-10-28T08:00:00.1239+07:00").expect("valid");
        assert_eq!(time(ms), "2025-10-28T01:00:00.123Z");
        assert_eq!(date(parse_date("2025-10-28").expect("valid")), "2025-10-28");
        assert_eq!(clock(parse_clock("23:59:01.5").expect("valid")), "23:59:01.500");
        assert_eq!(time(i64::MAX), time(LATEST_MS));
        assert_eq!(time(EARLIEST_MS), "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn durations_are_days_to_seconds() {
        assert_eq!(parse_duration("P1DT2H"), Some(93_600_000));
        assert_eq!(parse_duration("-PT1.5S"), Some(-1_500));
        assert_eq!(parse_duration(&duration(93_600_001)), Some(93_600_001));
        for wrong in ["", "P", "PT", "1D", "P1Y", "PT1H1H", "P1DT", "PT1S1M", "P9999999999D"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }
}
