//! Device ids inside of entity ids.

/// The part of an entity id that names the device: without URN parts, and without the time that
/// some models append (it would make every reading a new device).
pub(super) fn tail<'i>(id: &'i str, model: &str) -> &'i str {
    let undated = date(id).map_or(id, |at| id[..at].trim_end_matches(['-', '_', ':', '.']));
    let id = if undated.is_empty() { id } else { undated };
    match after(id, model) {
        Some(rest) => rest,
        None if id.starts_with("urn:") || id.starts_with("uri:") => {
            id.rsplit(':').find(|part| !part.is_empty()).unwrap_or(id)
        }
        None => id,
    }
}

/// What follows the model's name and a colon, where that name begins the id or one of its parts.
fn after<'i>(id: &'i str, model: &str) -> Option<&'i str> {
    let mut part = id;
    loop {
        let rest = part.strip_prefix(model).and_then(|rest| rest.strip_prefix(':'));
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            return Some(rest);
        }
        part = part.split_once(':')?.1;
    }
}

/// Where a date begins: `2016-12-07T`.
fn date(id: &str) -> Option<usize> {
    let bytes = id.as_bytes();
    let digits = |from: usize, to: usize| bytes[from..to].iter().all(u8::is_ascii_digit);
    // Looked for by its `T`, which is rarer than digits.
    let mut ends = (10..bytes.len()).filter(|&t| bytes[t] == b'T');
    ends.find_map(|t| {
        let at = t - 10;
        let dashes = bytes[at + 4] == b'-' && bytes[at + 7] == b'-';
        let date = dashes && digits(at, at + 4) && digits(at + 5, at + 7) && digits(at + 8, t);
        date.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_keeps_its_id_from_reading_to_reading() {
        for (id, model, expect) in [
            ("a1", "M", "a1"),
            ("urn:ngsi-ld:M:a1", "M", "a1"),
            ("urn:ngsi-ld:M:M:a1", "M", "M:a1"),
            ("M:city:a1", "M", "city:a1"),
            ("urn:ngsi-ld:x:y:a1", "M", "a1"),
            ("urn:ngsi-ld:Mx:a1", "M", "a1"),
            ("M-st-2016-12-28T11:00:00_2016-12-28T12:00:00", "M", "M-st"),
            ("st.2016-11-30T07-00-00.00Z", "M", "st"),
            ("2016-11-30T07", "M", "2016-11-30T07"),
            ("đường-2016-12-28T11", "M", "đường"),
            ("ABCDEFGHIJKT", "M", "ABCDEFGHIJKT"),
            ("urn:", "M", "urn"),
            ("", "M", ""),
        ] {
            assert_eq!(tail(id, model), expect, "{id}");
        }
    }
}
