//! Text for one SMS: 160 characters of the GSM 7-bit alphabet (3GPP TS 23.038), Vietnamese without
//! its marks. Any other character would turn the message into UCS-2 with 70 characters.

/// Characters of one SMS.
const MAX: usize = 160;

/// Vowels with all their marks, by the letter that stays.
const FOLD: &[(char, &str)] = &[
    ('a', "àáảãạăằắẳẵặâầấẩẫậ"),
    ('e', "èéẻẽẹêềếểễệ"),
    ('i', "ìíỉĩị"),
    ('o', "òóỏõọôồốổỗộơờớởỡợ"),
    ('u', "ùúủũụưừứửữự"),
    ('y', "ỳýỷỹỵ"),
    ('d', "đ"),
];

/// At most 160 characters of the alphabet; an end of `..` shows that some are gone.
pub(super) fn sms(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match plain(c) {
            Some(p) => out.push(p),
            None => out.push_str(spelled(c)),
        }
    }
    // Everything is one byte by now.
    if out.len() > MAX {
        out.truncate(MAX - 2);
        out.push_str("..");
    }
    out
}

/// The letter of a letter with marks. Combining marks (NFD) disappear in [`spelled`].
fn plain(c: char) -> Option<char> {
    // The extension table (^{}[]~\|) costs two places each: its characters are spelled.
    if c.is_ascii_alphanumeric() || " !\"#$%&'()*+,-./:;<=>?@_\n".contains(c) {
        return Some(c);
    }
    let lower = c.to_lowercase().next()?;
    let (letter, _) = FOLD.iter().find(|(_, marked)| marked.contains(lower))?;
    Some(if c == lower { *letter } else { letter.to_ascii_uppercase() })
}

fn spelled(c: char) -> &'static str {
    match c {
        '\u{300}'..='\u{36f}' => "",
        '[' | '{' => "(",
        ']' | '}' => ")",
        '–' | '—' | '~' | '•' | '·' | '|' => "-",
        '…' => "..",
        '“' | '”' => "\"",
        '’' | '‘' | '`' => "'",
        'µ' | 'μ' => "u",
        '²' => "2",
        '³' => "3",
        '°' => " do ",
        '≥' => ">=",
        '≤' => "<=",
        '→' => "->",
        '\\' => "/",
        c if c.is_whitespace() || c.is_control() => " ",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_loses_its_marks_and_nothing_else() {
        assert_eq!(
            sms("[Khẩn cấp] Lũ sông Vu Gia – Ái Nghĩa ≥ 9,5 m"),
            "(Khan cap) Lu song Vu Gia - Ai Nghia >= 9,5 m"
        );
        assert_eq!(sms("ĐƯỜNG NGẬP đường ngập ỶẴỘỰỂ"), "DUONG NGAP duong ngap YAOUE");
        assert_eq!(sms("PM2.5 35 µg/m³ 🚨"), "PM2.5 35 ug/m3 ?");
        assert_eq!(sms("e\u{302}\u{301}"), "e", "combining marks");
    }

    #[test]
    fn every_vietnamese_letter_is_folded() {
        for (letter, marked) in FOLD {
            for c in marked.chars() {
                assert_eq!(sms(&c.to_string()), letter.to_string());
                let upper: String = c.to_uppercase().collect();
                assert_eq!(sms(&upper), letter.to_uppercase().to_string());
            }
        }
    }

    #[test]
    fn no_text_is_longer_than_one_message() {
        for text in ["ữ".repeat(500), "°".repeat(100), "[…]".repeat(80), "a".repeat(160)] {
            let sms = sms(&text);
            assert!(sms.len() <= MAX && sms.is_ascii(), "{sms}");
        }
        assert_eq!(sms(&"a".repeat(160)).len(), 160);
        assert!(sms(&"a".repeat(161)).ends_with(".."));
    }
}
