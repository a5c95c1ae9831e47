//! Ids from hostile texts.

use ioc_model::Name;

/// Longest id.
pub(super) const ID_BYTES: usize = 64;

fn is_id_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-')
}

/// `[A-Za-z0-9_.:-]{1,64}`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(is_id_byte)
}

/// Kinds of detections: `[a-z0-9_]{1,48}`.
pub(super) fn is_kind(text: &str) -> bool {
    (1..=48).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The text as an id: characters that ids may not have become `-`. `None` when nothing of it is
/// left or it is too long to be told from others.
pub(super) fn sanitise(text: &str) -> Option<Name> {
    if is_id(text) {
        return Some(text.into());
    }
    if text.len() > 4 * ID_BYTES {
        return None;
    }
    let id: String =
        text.chars().map(|c| if c.is_ascii() && is_id_byte(c as u8) { c } else { '-' }).collect();
    let id = id.trim_matches('-');
    is_id(id).then(|| id.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_ids_and_replaces_the_rest() {
        assert_eq!(sanitise("cam-1.a:b_C").as_deref(), Some("cam-1.a:b_C"));
        assert_eq!(sanitise("Nút Ngã Ba/1").as_deref(), Some("N-t-Ng--Ba-1"));
        assert_eq!(sanitise("/?/"), None);
        assert_eq!(sanitise(&"x".repeat(65)), None);
    }

    proptest! {
        #[test]
        fn what_comes_out_is_an_id(text in any::<String>()) {
            if let Some(id) = sanitise(&text) {
                prop_assert!(is_id(&id));
            }
        }
    }
}
