//! Ids: stable texts that need no escaping in an address and lead back to what they name.
//!
//! A thing, its location and its feature of interest have the device's id, a sensor the kind's,
//! an observed property the property's. A datastream is `device:property`, an observation
//! `device:property:ms:n`: the nth point (from 0) of that millisecond. Bytes other than
//! letters, digits, `_`, `-` and `.` are `~` and two hexadecimal digits.

use std::fmt::Write as _;

/// One part of an id.
pub(super) fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.') {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "~{b:02X}");
        }
    }
    out
}

/// What a part of an id was made from; `None` for a text that [`part`] does not make.
pub(super) fn whole(part: &str) -> Option<String> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(b) = bytes.next() {
        if b != b'~' {
            out.push(b);
            continue;
        }
        let digit = |b: u8| char::from(b).to_digit(16);
        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    let text = String::from_utf8(out).ok()?;
    (self::part(&text) == part).then_some(text)
}

pub(super) fn datastream(device: &str, property: &str) -> String {
    format!("{}:{}", part(device), part(property))
}

pub(super) fn observation(device: &str, property: &str, ms: i64, n: usize) -> String {
    format!("{}:{}:{ms}:{n}", part(device), part(property))
}

/// Device and property of a datastream's id.
pub(super) fn parse_datastream(id: &str) -> Option<(String, String)> {
    let (device, property) = id.split_once(':')?;
    Some((whole(device)?, whole(property)?))
}

/// Datastream's id, time and number of an observation's id.
pub(super) fn parse_observation(id: &str) -> Option<(&str, i64, usize)> {
    let (rest, n) = id.rsplit_once(':')?;
    let (stream, ms) = rest.rsplit_once(':')?;
    let plain = |t: &str| t == "0" || !t.starts_with(['0', '+']) && t != "-0";
    (plain(n) && plain(ms)).then_some(())?;
    Some((stream, ms.parse().ok()?, n.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_readable_where_they_can_be() {
        assert_eq!(datastream("river-cam-le", "water_level"), "river-cam-le:water_level");
        assert_eq!(datastream("urn:x/1", "event.a'b"), "urn~3Ax~2F1:event.a~27b");
        for wrong in ["a", "a:b:c", "~4", "~zz:a", "~41:a", "a:~C3", "~2f:a"] {
            assert_eq!(parse_datastream(wrong), None, "{wrong}");
        }
        for wrong in ["a:b:1", "a:b:01:0", "a:b:1:+1", "a:b:1:x", "a:b:-0:1"] {
            let parsed = parse_observation(wrong).filter(|(s, ..)| parse_datastream(s).is_some());
            assert_eq!(parsed, None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn ids_lead_back(device in ".{0,20}", property in ".{0,20}", ms: i64, n in 0usize..99) {
            let id = observation(&device, &property, ms, n);
            prop_assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.~:".contains(&b)));
            let (stream, ms2, n2) = parse_observation(&id).expect("an id");
            prop_assert_eq!((ms2, n2), (ms, n));
            prop_assert_eq!(parse_datastream(stream), Some((device, property)));
        }
    }
}
