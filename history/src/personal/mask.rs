//! Plates for comparing, and plates for showing. Pure.

/// The plate as it is compared: upper case, letters and digits only; `Đ` counts as `D`, which is
/// what cameras read. Empty if there is neither.
pub(super) fn normalise(plate: &str) -> String {
    let upper = plate.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase);
    upper.map(|c| if matches!(c, 'Đ' | 'Ð') { 'D' } else { c }).collect()
}

/// A normalised plate as it may be shown. Never more than five of its characters, and at least
/// three (or all of a shorter one) are hidden.
///
/// Vietnamese: province, first letter of the series and last digits, as `51F-***.45` for a car,
/// `43C*-***.45` for a motorcycle of series C1, `51F-***4` for an old plate of four digits. All
/// others: at most the first two characters.
pub(super) fn mask(normalised: &str) -> String {
    vietnamese(normalised).unwrap_or_else(|| other(normalised))
}

fn vietnamese(plate: &str) -> Option<String> {
    let bytes = plate.as_bytes();
    let digits = |from: usize| bytes.get(from..).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    let (province, rest) = bytes.split_at_checked(2)?;
    let letter = *rest.first()?;
    if !province.iter().all(u8::is_ascii_digit) || !letter.is_ascii_uppercase() {
        return None;
    }
    // A series of one letter, or of a letter with a letter or digit after it. Where both readings
    // are possible (`43C11234`) it is a car's five digits: no reading shows more.
    let series = match rest.get(1)? {
        b if b.is_ascii_digit() && matches!(bytes.len() - 3, 4 | 5) => 1,
        b if b.is_ascii_alphanumeric() => 2,
        _ => return None,
    };
    let number = bytes.len() - 2 - series;
    if !digits(2 + series) || !matches!(number, 4 | 5) {
        return None;
    }
    let end = if number == 5 { 2 } else { 1 };
    let mut shown = String::from(&plate[..3]);
    shown.push_str(if series == 2 { "*-***" } else { "-***" });
    if number == 5 {
        shown.push('.');
    }
    shown.push_str(&plate[plate.len() - end..]);
    Some(shown)
}

fn other(plate: &str) -> String {
    let length = plate.chars().count();
    if length == 0 {
        return String::new();
    }
    // A mask is shown to people: no letters that look like others or change the direction.
    let shown = plate.chars().take(length.saturating_sub(3).min(2));
    let shown: String = shown.take_while(char::is_ascii_alphanumeric).collect();
    // Always as many stars: the length is not told.
    format!("{shown}****")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(plate: &str, normalised: &str, shown: &str) {
        assert_eq!(normalise(plate), normalised, "{plate}");
        assert_eq!(mask(normalised), shown, "{plate}");
    }

    #[test]
    fn cars_show_province_series_and_the_last_two_digits() {
        check("51F-123.45", "51F12345", "51F-***.45");
        check("51f 12345", "51F12345", "51F-***.45");
        check("43A-678.90\n", "43A67890", "43A-***.90");
        check("30K-001.02", "30K00102", "30K-***.02");
        check("29LD-123.45", "29LD12345", "29L*-***.45");
        check("80-NG-123-45", "80NG12345", "80N*-***.45");
    }

    #[test]
    fn motorcycles_hide_the_second_sign_of_the_series_too() {
        check("43C1-123.45", "43C112345", "43C*-***.45");
        check("59-X3 123.45", "59X312345", "59X*-***.45");
        check("29MĐ1-12345", "29MD112345", "29****");
        check("43-MĐ-123.45", "43MD12345", "43M*-***.45");
    }

    #[test]
    fn old_plates_of_four_digits_show_one() {
        check("51F-1234", "51F1234", "51F-***4");
        check("43H 0007", "43H0007", "43H-***7");
        check("43C1-1234", "43C11234", "43C-***.34");
    }

    #[test]
    fn plates_of_no_known_form_show_two_characters_at_most() {
        check("AA-12-34", "AA1234", "AA****");
        check("ABC 1234", "ABC1234", "AB****");
        check("12", "12", "****");
        check("123", "123", "****");
        check("A123", "A123", "A****");
        check("", "", "");
        check(" -. ", "", "");
        check("粤B·12345", "粤B12345", "****");
        check("unknown", "UNKNOWN", "UN****");
        check("51F-123456789", "51F123456789", "51****");
        check("51FF-123456", "51FF123456", "51****");
        check("5１F-123.45", "5１F12345", "5****");
    }

    fn plate() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{2}[ -]?[A-ZĐ][0-9A-ZĐ]?[ -]?[0-9]{3}[.]?[0-9]{1,2}",
            "[0-9A-Za-z .-]{0,14}",
            "\\PC{0,12}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_mask_never_lets_the_plate_be_read(plate in plate()) {
            let normalised = normalise(&plate);
            let mask = mask(&normalised);
            let shown = mask.chars().filter(|c| c.is_alphanumeric()).count();
            let length = normalised.chars().count();
            prop_assert!(shown <= 5, "{normalised} {mask}");
            prop_assert!(shown == 0 || length - shown >= 3, "{normalised} {mask}");
            prop_assert!(mask.is_ascii() && mask.len() <= 11, "{mask}");
            prop_assert_eq!(mask.is_empty(), normalised.is_empty());
        }

        #[test]
        fn how_a_plate_is_written_does_not_matter(n in 0u32..100_000) {
            let text = format!("{n:05}");
            let dotted = format!("51f-{}.{}", &text[..3], &text[3..]);
            prop_assert_eq!(normalise(&dotted), normalise(&format!("51F {text}")));
        }
    }
}
