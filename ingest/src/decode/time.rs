//! Times of foreign formats.

use ioc_model::{QuarantineReason, Timestamp};
use jiff::civil;
use jiff::tz::TimeZone;

use super::Refusal;
use super::catalogue::short;

fn bad(detail: String) -> Refusal {
    Refusal::new(QuarantineReason::BadTime, detail)
}

/// Reads RFC 3339; a text without offset only if `zone` says which one is meant.
pub(super) fn rfc3339(text: &str, zone: Option<&TimeZone>) -> Result<Timestamp, Refusal> {
    let error = match Timestamp::parse_rfc3339(text) {
        Ok(time) => return Ok(time),
        Err(e) => e,
    };
    let civil: Option<civil::DateTime> = text.parse().ok().filter(|_| !text.ends_with(['Z', 'z']));
    let (Some(civil), Some(zone)) = (civil, zone) else {
        return Err(match civil {
            Some(_) => bad(format!("time `{}` has no offset", short(text))),
            None => bad(error.to_string()),
        });
    };
    let moment = zone
        .to_timestamp(civil)
        .map_err(|_| bad(format!("time `{}` is not in the calendar", short(text))))?;
    epoch_ms(moment.as_millisecond())
}

/// Checks integer milliseconds.
pub(super) fn epoch_ms(ms: i64) -> Result<Timestamp, Refusal> {
    Timestamp::from_epoch_ms(ms).map_err(|e| bad(e.to_string()))
}

/// Reads seconds with a fraction.
pub(super) fn epoch_s(seconds: f64) -> Result<Timestamp, Refusal> {
    // Far outside of i64 the cast saturates, and the range check refuses.
    epoch_ms((seconds * 1e3).round() as i64)
}

/// A zone of the configuration: `UTC`, an IANA name or `+07:00`.
pub(super) fn zone(text: &str) -> Option<TimeZone> {
    if text == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Some((sign, rest)) = text.split_at_checked(1).filter(|(s, _)| matches!(*s, "+" | "-")) {
        let (hours, minutes) = rest.split_once(':')?;
        let two_digits = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let minutes: i32 = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
        let seconds = if sign == "-" { -minutes * 60 } else { minutes * 60 };
        return jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    }
    TimeZone::get(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, zone_text: Option<&str>, expect: Result<i64, &str>) {
        let zone = zone_text.map(|z| zone(z).expect("zone"));
        match (rfc3339(text, zone.as_ref()), expect) {
            (Ok(t), Ok(ms)) => assert_eq!(t.0, ms, "{text}"),
            (Err(r), Err(e)) => assert!(r.detail.contains(e), "{text}: {}", r.detail),
            (got, _) => assert_eq!(format!("{got:?}"), "", "{text}"),
        }
    }

    #[test]
    fn zone_less_times_need_a_configured_zone() {
        check("2016-03-15T11:00:00", None, Err("no offset"));
        check("2016-03-15T11:00:00", Some("UTC"), Ok(1_458_039_600_000));
        check("2016-03-15T11:00:00", Some("+07:00"), Ok(1_458_014_400_000));
        check("2016-03-15T11:00:00+05:30", Some("+07:00"), Ok(1_458_019_800_000));
        check("2020-03-17T08:45:00.209Z", None, Ok(1_584_434_700_209));
        check("yesterday", Some("UTC"), Err("not an RFC 3339"));
        check("2016-02-30T11:00:00", Some("UTC"), Err("not an RFC 3339"));
    }

    #[test]
    fn float_seconds_become_milliseconds() {
        let t = epoch_s(1_607_123_962.082_975).expect("valid");
        assert_eq!(t.0, 1_607_123_962_083);
        assert!(epoch_s(1e300).is_err());
        assert!(epoch_s(12.0).is_err());
    }

    #[test]
    fn refuses_zones_that_do_not_exist() {
        assert!(zone("Mars/Olympus").is_none());
        assert!(zone("+7").is_none());
        assert!(zone("-05:00").is_some());
    }
}
