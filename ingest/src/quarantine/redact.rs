//! Number plates must not be kept in clear, not even in what was refused (Law 91/2025/QH15).

use std::ops::Range;

/// Longest rest of a field name after the word; a bound, so that hostile bytes cost linear time.
const NAME_BYTES: usize = 64;

/// The payload with the values of all fields whose name holds `plate` masked by `*`. Works on
/// bytes, so that broken JSON and XML are covered too.
pub(super) fn mask_plates(payload: &[u8]) -> Vec<u8> {
    let mut out = payload.to_vec();
    let mut at = 0;
    while let Some(found) = find_word(&payload[at..]) {
        let after = at + found + 5;
        let value = json_value(payload, after).or_else(|| xml_value(payload, after));
        if let Some(value) = &value {
            mask(&mut out[value.clone()]);
        }
        // A plate's object may hold the word again; its values are masked already.
        at = value.map_or(after, |v| v.end.max(after));
    }
    out
}

fn find_word(bytes: &[u8]) -> Option<usize> {
    bytes.windows(5).position(|w| w.eq_ignore_ascii_case(b"plate"))
}

fn mask(value: &mut [u8]) {
    for b in value {
        if b.is_ascii_alphanumeric() || !b.is_ascii() {
            *b = b'*';
        }
    }
}

/// Where the value of a JSON key that goes on at `at` lies.
fn json_value(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &bytes[at..];
    let quote = rest
        .iter()
        .take(NAME_BYTES)
        .position(|b| !b.is_ascii_alphanumeric() && *b != b'_' && *b != b'-')?;
    if rest[quote] != b'"' {
        return None;
    }
    let colon = quote + 1 + skip_blank(&rest[quote + 1..]);
    if rest.get(colon) != Some(&b':') {
        return None;
    }
    let start = colon + 1 + skip_blank(&rest[colon + 1..]);
    let length = value_length(&rest[start..]);
    Some(at + start..at + start + length)
}

fn skip_blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Length of the JSON value at the start, to the end if it never closes.
fn value_length(bytes: &[u8]) -> usize {
    let (mut depth, mut text, mut escaped) = (0u32, false, false);
    for (i, b) in bytes.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => {
                text = !text;
                if !text && depth == 0 {
                    return i + 1;
                }
            }
            _ if text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return i + depth as usize,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return i,
            _ => {}
        }
    }
    bytes.len()
}

/// Where the text of an XML element whose name goes on at `at` lies.
fn xml_value(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let name = bytes[at..].iter().take(NAME_BYTES);
    let close = name.into_iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_')?;
    if bytes[at + close] != b'>' {
        return None;
    }
    let start = at + close + 1;
    let length = bytes[start..].iter().position(|b| *b == b'<').unwrap_or(bytes.len() - start);
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(payload: &str, expect: &str) {
        let masked = mask_plates(payload.as_bytes());
        assert_eq!(String::from_utf8_lossy(&masked), expect, "{payload}");
    }

    #[test]
    fn masks_plates_in_json_broken_json_and_xml() {
        check(r#"{"plate":"51F-123.45","a":1}"#, r#"{"plate":"***-***.**","a":1}"#);
        check(r#"{"plate" : "43A\"9" , "a":"b"}"#, r#"{"plate" : "***\"*" , "a":"b"}"#);
        check(
            r#"{"recognized_license_plate":"ABC1","x":2}"#,
            r#"{"recognized_license_plate":"****","x":2}"#,
        );
        check(
            r#"{"LicensePlateInfo":{"PlateNumber":"43A1","c":"VN"},"Speed":5}"#,
            r#"{"LicensePlateInfo":{"***********":"****","*":"**"},"Speed":5}"#,
        );
        check(r#"{"plate":"43A"#, r#"{"plate":"***"#);
        check(r#"{"plate":["43A",12],"a":1}"#, r#"{"plate":["***",**],"a":1}"#);
        check("<licensePlate>43A1</licensePlate>", "<licensePlate>****</licensePlate>");
        check(r#"{"a":"plate","b":"c"}"#, r#"{"a":"plate","b":"c"}"#);
    }

    proptest! {
        #[test]
        fn a_plate_never_survives(before in "[a-z{},:\" ]{0,20}", after in "[a-z{},:\" ]{0,20}") {
            let payload = format!(r#"{before}"plate":"51F98765"{after}"#);
            let masked = mask_plates(payload.as_bytes());
            prop_assert!(!String::from_utf8_lossy(&masked).contains("51F98765"));
        }

        #[test]
        fn arbitrary_bytes_keep_their_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(mask_plates(&bytes).len(), bytes.len());
        }
    }
}
