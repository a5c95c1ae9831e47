//! Number plates, pictures and the links to them must not be kept in clear, not even in what was
//! refused (Law 91/2025/QH15). Works on bytes, so that broken JSON and XML are covered too.
//!
//! Masked are the values of all fields with one of [`WORDS`] in their name, every link, and
//! whatever looks like a Vietnamese plate, in whatever field. A mask keeps the length and the
//! separators, so that the owner of the device still sees the form of what it sent.

use std::ops::Range;

/// Longest rest of a field name after the word; a bound, so that hostile bytes cost linear time.
const NAME_BYTES: usize = 64;

/// Native, Frigate and ONVIF names of plates, pictures and persons.
const WORDS: &[&[u8]] = &[
    b"plate",
    b"snapshot",
    b"thumb",
    b"image",
    b"picture",
    b"photo",
    b"face",
    b"sub_label",
    b"uri",
    b"url",
];

/// The payload without what is or may be personal.
pub(crate) fn payload(payload: &[u8]) -> Vec<u8> {
    let mut out = payload.to_vec();
    let mut at = 0;
    while at < payload.len() {
        let Some(word) = WORDS.iter().find(|w| starts_with(&payload[at..], w)) else {
            at += 1;
            continue;
        };
        let after = at + word.len();
        let value = json_value(payload, after).or_else(|| xml_value(payload, after));
        if let Some(value) = &value {
            mask(&mut out[value.clone()]);
        }
        // A plate's object may hold the word again; its values are masked already.
        at = value.map_or(after, |v| v.end.max(after));
    }
    mask_anywhere(&mut out);
    out
}

/// A text for people and logs without plates and links.
pub(crate) fn text(text: String) -> String {
    let mut bytes = text.into_bytes();
    mask_anywhere(&mut bytes);
    // Whole characters only were replaced, by ASCII; were it not so, nothing may be told.
    String::from_utf8(bytes).unwrap_or_default()
}

fn mask_anywhere(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        let found = link(bytes, at).or_else(|| plate(bytes, at));
        if let Some(found) = found {
            at = found.end;
            mask(&mut bytes[found]);
        } else {
            at += 1;
        }
    }
}

/// Where the rest of a link lies whose `://` begins at `at`; some senders escape the slashes.
fn link(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = &bytes[at..];
    let start = [&b"://"[..], br":\/\/"].into_iter().find(|s| rest.starts_with(s))?.len();
    let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'<>`".contains(b);
    let length = rest[start..].iter().position(ends).unwrap_or(rest.len() - start);
    Some(at + start..at + start + length)
}

/// Where a Vietnamese plate lies that begins at `at`: two digits, one or two signs of the series,
/// four or five digits, separators between, and no letter or digit around.
fn plate(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let sign = |i: usize| bytes.get(i).copied().unwrap_or(b' ');
    let separator = |i: usize| usize::from(matches!(sign(i), b'-' | b'.' | b' ' | b'_'));
    if at > 0 && sign(at - 1).is_ascii_alphanumeric()
        || !(sign(at).is_ascii_digit() && sign(at + 1).is_ascii_digit())
    {
        return None;
    }
    let series = at + 2 + separator(at + 2);
    if !sign(series).is_ascii_alphabetic() {
        return None;
    }
    [1, 2].into_iter().find_map(|length| {
        let mut i = series + length;
        if !(series..i).all(|i| sign(i).is_ascii_alphanumeric()) {
            return None;
        }
        i += separator(i);
        let mut digits = 0;
        while digits < 5 {
            // `123.45`, `123-45`
            let gap = if digits == 3 { separator(i) } else { 0 };
            if !sign(i + gap).is_ascii_digit() {
                break;
            }
            i += gap + 1;
            digits += 1;
        }
        (digits >= 4 && !sign(i).is_ascii_alphanumeric()).then_some(at..i)
    })
}

fn starts_with(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).is_some_and(|b| b.eq_ignore_ascii_case(word))
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
    let start = colon + 1 + skip_blank(rest.get(colon + 1..)?);
    let start = match rest.get(colon) {
        Some(b':') => start,
        // `{"Name":"PlateNumber","Value":"…"}`, `<SimpleItem Name="PlateNumber" Value="…"/>`
        _ => named_value(rest, quote + 1)?,
    };
    let length = value_length(&rest[start..]);
    Some(at + start..at + start + length)
}

/// Where the value starts whose `Value` follows at `at`, after the end of its name.
fn named_value(bytes: &[u8], at: usize) -> Option<usize> {
    let skip = |i: usize, of: &[u8]| {
        let rest = bytes.get(i..).unwrap_or_default();
        i + rest.iter().take_while(|b| b.is_ascii_whitespace() || of.contains(b)).count()
    };
    let word = skip(at, b",\"");
    let after = starts_with(bytes.get(word..)?, b"value").then_some(word + 5)?;
    let start = skip(after, b"\":=");
    // The quote belongs to the value.
    Some(start - usize::from(bytes.get(start - 1) == Some(&b'"')))
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

    fn check(given: &str, expect: &str) {
        let masked = payload(given.as_bytes());
        assert_eq!(String::from_utf8_lossy(&masked), expect, "{given}");
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

    #[test]
    fn masks_pictures_persons_and_links() {
        check(r#"{"snapshot":"cam/1.jpg","a":1}"#, r#"{"snapshot":"***/*.***","a":1}"#);
        check(r#"{"ImageURI":"x","a":1}"#, r#"{"ImageURI":"*","a":1}"#);
        check(r#"{"sub_label":["Lan",0.7],"a":1}"#, r#"{"sub_label":["***",*.*],"a":1}"#);
        check(r#"{"a":"http://nvr/1.jpg","b":2}"#, r#"{"a":"http://***/*.***","b":2}"#);
        check(r#"{"a":"rtsp:\/\/nvr\/1","b":2}"#, r#"{"a":"rtsp:\/\/***\/*","b":2}"#);
        check("see https://nvr/1 now", "see https://***/* now");
    }

    #[test]
    fn masks_values_that_are_named_beside_them() {
        check(
            r#"<SimpleItem Name="PlateNumber" Value="RZ3160"/><SimpleItem Name="a" Value="b"/>"#,
            r#"<SimpleItem Name="PlateNumber" Value="******"/><SimpleItem Name="a" Value="b"/>"#,
        );
        check(
            r#"{"Name":"plate", "Value" : "RZ1","a":"b"}"#,
            r#"{"Name":"plate", "Value" : "***","a":"b"}"#,
        );
    }

    #[test]
    fn masks_vietnamese_plates_in_any_field() {
        check(r#"{"zone":"51F-123.45"}"#, r#"{"zone":"***-***.**"}"#);
        check("xe 43c1 123.45!", "xe **** ***.**!");
        check("29LD12345 51F-1234 80-NG-123-45", "********* ***-**** **-**-***-**");
        check(r#"{"51F-123.45":1}"#, r#"{"***-***.**":1}"#);
        for other in ["2026-11-22T13:40:04", "12345", "51F-12", "a51F-12345", "51F-1234567", "3.14"]
        {
            check(other, other);
        }
        assert_eq!(
            text("field `51F-123.45` is not known".into()),
            "field `***-***.**` is not known"
        );
        assert_eq!(text("đường 51F12345 ở".into()), "đường ******** ở");
    }

    proptest! {
        #[test]
        fn a_plate_never_survives(before in "[a-z{},:\" ]{0,20}", after in "[a-z{},:\" ]{0,20}") {
            let given = format!(r#"{before}"plate":"51F98765"{after}"#);
            let masked = payload(given.as_bytes());
            prop_assert!(!String::from_utf8_lossy(&masked).contains("51F98765"));
        }

        #[test]
        fn a_link_never_survives(before in "[a-z{},:\" ]{0,20}", word in "snapshot|pictureLink|x") {
            let given = format!(r#"{before}"{word}":"http://nvr.example/canary"}}"#);
            let masked = payload(given.as_bytes());
            prop_assert!(!String::from_utf8_lossy(&masked).contains("canary"));
        }

        #[test]
        fn arbitrary_bytes_keep_their_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(payload(&bytes).len(), bytes.len());
        }

        #[test]
        fn texts_stay_texts(given in "\\PC{0,60}") {
            prop_assert_eq!(text(given.clone()).is_empty(), given.is_empty());
        }
    }
}
