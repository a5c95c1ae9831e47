//! Line protocol, written by type: what cannot be written safely is refused, never repaired.
//!
//! One reading in is one point out: texts that some server would read differently from how they
//! were meant (control characters, a backslash before a separator or at the end) are refused.

use std::fmt::Write;

use crate::{Quality, Record};

/// Bytes of a text, at most; InfluxDB bounds the whole series key at 64 KiB.
const TEXT_MAX: usize = 1_024;
/// Begin of the fields.
const VALUE: &str = " value=";

/// Why a point has no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A tag or measurement without a text.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Longer than 1,024 bytes.
    #[error("{0} is longer than 1024 bytes")]
    TooLong(&'static str),
    /// A line end, tab, NUL or other control character.
    #[error("{0} holds a control character")]
    Control(&'static str),
    /// A backslash at the end or before a comma, equals sign, space or backslash.
    #[error("{0} holds a backslash that servers read as an escape")]
    Backslash(&'static str),
    /// A measurement that begins with `#` is a comment, with `_` reserved by InfluxDB.
    #[error("measurement begins with `#` or `_`")]
    Reserved,
    /// NaN and infinities have no line protocol.
    #[error("value is not a finite number")]
    NotFinite,
    /// Nanoseconds since 1970 do not fit.
    #[error("time is outside the years 1677 to 2262")]
    Time,
    /// The caller's bound on distinct series: each costs the server memory for ever.
    #[error("more series than the limit; raise `max_series` if the device is right")]
    TooManySeries,
}

/// Appends the lines of one record to `out`, one for each point, each with its end of line, and
/// calls `each` with the result for each point: the offset after its line, or why it has none.
///
/// The time is that of the record in ns plus `dedup_key % 1,000,000`: a delivery repeated after
/// a lost answer overwrites itself, two different readings of one millisecond do not.
pub fn write_record(
    record: &Record,
    out: &mut String,
    each: impl FnMut(Result<usize, (LineError, String)>),
) {
    write_record_if(record, out, |_| true, each);
}

/// As [`write_record`], but only the points whose series (measurement and tags, as in the line)
/// `admit` lets pass; the others are [`LineError::TooManySeries`].
pub fn write_record_if(
    record: &Record,
    out: &mut String,
    mut admit: impl FnMut(&str) -> bool,
    mut each: impl FnMut(Result<usize, (LineError, String)>),
) {
    let nanos = nanos(record);
    record.for_each_point(|property, value, quality| {
        let (service, area, device) = (&record.service, &record.area, &record.device);
        let written = nanos.ok_or(LineError::Time).and_then(|nanos| {
            let point = LinePoint { service, area, device, property, value, quality, nanos };
            let begin = out.len();
            write_point(&point, out)?;
            if !admit(series_of(&out[begin..])) {
                out.truncate(begin);
                return Err(LineError::TooManySeries);
            }
            Ok(())
        });
        match written {
            Ok(()) => each(Ok(out.len())),
            Err(e) => each(Err((e, describe(record, property, value)))),
        }
    });
}

/// Measurement and tags of a line that [`write_point`] wrote. An unescaped space followed by
/// `value=` can only be the begin of its fields.
pub fn series_of(line: &str) -> &str {
    line.rfind(VALUE).map_or(line, |at| &line[..at])
}

/// Time of a record in ns, with the tie-break.
pub fn nanos(record: &Record) -> Option<i64> {
    let tie = (record.dedup_key() % 1_000_000) as i64;
    record.time.0.checked_mul(1_000_000)?.checked_add(tie)
}

/// One point as line protocol tells it: measurement = service; tags area, device, property; fields
/// value and quality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePoint<'a> {
    /// Service code.
    pub service: &'a str,
    /// Area id.
    pub area: &'a str,
    /// Device id.
    pub device: &'a str,
    /// Property name.
    pub property: &'a str,
    /// In the property's unit.
    pub value: f64,
    /// Quality.
    pub quality: Quality,
    /// Nanoseconds since 1970.
    pub nanos: i64,
}

/// Appends one line with its end.
///
/// # Errors
/// Why the point has no line; `out` is then as it was.
pub fn write_point(point: &LinePoint<'_>, out: &mut String) -> Result<(), LineError> {
    let begin = out.len();
    append(point, out).inspect_err(|_| out.truncate(begin))
}

fn append(p: &LinePoint<'_>, out: &mut String) -> Result<(), LineError> {
    if p.service.starts_with(['#', '_']) {
        return Err(LineError::Reserved);
    }
    escape("measurement", p.service, &[',', ' '], out)?;
    for (key, text) in [("area", p.area), ("device", p.device), ("property", p.property)] {
        out.push(',');
        out.push_str(key);
        out.push('=');
        escape(key, text, &[',', '=', ' '], out)?;
    }
    out.push_str(VALUE);
    float(p.value, out)?;
    // Writing to a String does not fail.
    let _ = writeln!(out, ",quality={}i {}", p.quality as u8, p.nanos);
    Ok(())
}

/// Digits that read back as the same bits.
fn float(value: f64, out: &mut String) -> Result<(), LineError> {
    if !value.is_finite() {
        return Err(LineError::NotFinite);
    }
    let plain = value == 0.0 || (1e-7..1e16).contains(&value.abs());
    let _ = if plain { write!(out, "{value}") } else { write!(out, "{value:e}") };
    Ok(())
}

fn escape(
    name: &'static str,
    text: &str,
    special: &[char],
    out: &mut String,
) -> Result<(), LineError> {
    if text.is_empty() {
        return Err(LineError::Empty(name));
    }
    if text.len() > TEXT_MAX {
        return Err(LineError::TooLong(name));
    }
    let mut after_backslash = false;
    for c in text.chars() {
        if c.is_control() {
            return Err(LineError::Control(name));
        }
        if after_backslash && matches!(c, ',' | '=' | ' ' | '\\') {
            return Err(LineError::Backslash(name));
        }
        after_backslash = c == '\\';
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    if after_backslash { Err(LineError::Backslash(name)) } else { Ok(()) }
}

/// A refused point for people: control characters replaced, texts cut.
fn describe(record: &Record, property: &str, value: f64) -> String {
    let clean = |t: &str| -> String {
        t.chars().take(128).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    };
    format!(
        "service `{}` area `{}` device `{}` property `{}` value {value} time {}",
        clean(&record.service),
        clean(&record.area),
        clean(&record.device),
        clean(property),
        record.time,
    )
}

#[cfg(test)]
mod tests {
    use crate::{Body, Timestamp, Values};

    use super::*;

    fn record(service: &str, device: &str, property: &str, value: f64) -> Record {
        let mut values = Values::new();
        values.push((property.into(), value));
        Record {
            device: device.into(),
            area: "hai_chau".into(),
            service: service.into(),
            source: 0,
            time: Timestamp(1_761_588_000_123),
            received: Timestamp(0),
            seq: Some(1),
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality: Quality::Uncertain, values },
        }
    }

    fn lines(r: &Record) -> (String, Vec<LineError>) {
        let (mut out, mut errors) = (String::new(), Vec::new());
        write_record(r, &mut out, |x| {
            if let Err((e, _)) = x {
                errors.push(e);
            }
        });
        (out, errors)
    }

    #[test]
    fn a_reading_is_one_line() {
        let r = record("air", "st-1", "pm25", 35.1);
        let (text, errors) = lines(&r);
        let ns = nanos(&r).expect("in range");
        assert_eq!(ns / 1_000_000, 1_761_588_000_123);
        let expect =
            format!("air,area=hai_chau,device=st-1,property=pm25 value=35.1,quality=1i {ns}\n");
        assert_eq!((text, errors), (expect, vec![]));
    }

    #[test]
    fn two_readings_of_one_millisecond_differ_and_a_repeat_does_not() {
        let (a, b) = (record("air", "d", "pm25", 1.0), record("air", "d", "pm25", 2.0));
        assert_ne!(nanos(&a), nanos(&b));
        let again = Record { received: Timestamp(99), source: 3, ..a.clone() };
        assert_eq!(nanos(&a), nanos(&again));
    }

    #[test]
    fn separators_are_escaped_and_the_unsafe_is_refused() {
        let (text, _) = lines(&record("a b,c=d", "x y,z=\"w\\v\"", "pm25", 1.0));
        assert!(
            text.starts_with("a\\ b\\,c=d,area=hai_chau,device=x\\ y\\,z\\=\"w\\v\",property="),
            "{text}"
        );
        for (service, device, value, error) in [
            ("air", "gone\\", 1.0, LineError::Backslash("device")),
            ("air", "gone\\,x", 1.0, LineError::Backslash("device")),
            ("air", "a\\\\b", 1.0, LineError::Backslash("device")),
            ("air", "a\nb", 1.0, LineError::Control("device")),
            ("air", "a\0b", 1.0, LineError::Control("device")),
            ("air", "", 1.0, LineError::Empty("device")),
            ("#air", "d", 1.0, LineError::Reserved),
            ("air", "d", f64::NAN, LineError::NotFinite),
        ] {
            assert_eq!(
                lines(&record(service, device, "pm25", value)),
                (String::new(), vec![error])
            );
        }
    }

    #[test]
    fn floats_read_back_bit_for_bit() {
        for v in [0.1, -0.0, 1e300, 5e-324, f64::MAX, 123_456_789.123_456_79, 1e-7, 1e16] {
            let mut text = String::new();
            float(v, &mut text).expect("finite");
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(v.to_bits()), "{text}");
            assert!(text.len() < 30, "{text}");
        }
    }
}
