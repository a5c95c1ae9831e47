//! Texts and numbers of a row.

use std::io::Write;

use ioc_model::Quality;

/// What a spreadsheet takes for a formula begins with one of these, after any blanks; full-width
/// forms too, which some versions read as the narrow ones.
const FORMULA: &[char] = &['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'];

/// Appends a cell of CSV (RFC 4180) that no spreadsheet takes for a formula and that stays on its
/// line: a text that looks like a formula, or begins with an apostrophe, has an apostrophe put
/// before it (so that [`text_of`] can take it off); control characters become U+FFFD.
pub(super) fn cell(text: &str, out: &mut Vec<u8>) {
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let marked = first.starts_with(FORMULA) || text.starts_with('\'');
    // A byte order mark at the begin of a line would be taken off by readers.
    let odd = |c: char| matches!(c, ',' | '"' | ';' | '\u{feff}') || c.is_control();
    let quoted = marked || text.contains(odd);
    if !quoted {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    if marked {
        out.push(b'\'');
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\"\""),
            c if c.is_control() => out.extend_from_slice("\u{fffd}".as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// The text of a cell that was unquoted.
pub(super) fn text_of(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// Appends digits that read back as the same bits, for CSV and JSON; nothing for what is no finite
/// number.
pub(super) fn float(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return;
    }
    let plain = value == 0.0 || (1e-7..1e16).contains(&value.abs());
    // Writing to a Vec does not fail.
    let _ = if plain { write!(out, "{value}") } else { write!(out, "{value:e}") };
}

/// The word of a quality.
pub(super) fn quality(q: Quality) -> &'static str {
    match q {
        Quality::Good => "good",
        Quality::Uncertain => "uncertain",
        Quality::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        cell(text, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn no_cell_is_a_formula_and_none_spans_lines() {
        for (text, expect) in [
            ("mưa lớn", "mưa lớn"),
            ("=1+1", "\"'=1+1\""),
            ("  =HYPERLINK(\"http://x\")", "\"'  =HYPERLINK(\"\"http://x\"\")\""),
            ("-2", "\"'-2\""),
            ("＝1", "\"'＝1\""),
            ("'=1", "\"''=1\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("a\r\nb\0", "\"a\u{fffd}\u{fffd}b\u{fffd}\""),
            ("\t=1", "\"'\u{fffd}=1\""),
            ("", ""),
        ] {
            assert_eq!(written(text), expect);
        }
    }

    proptest! {
        #[test]
        fn cells_read_back(text in "[^\\p{Cc}]*") {
            let line = written(&text) + ",x\r\n";
            let mut reader =
                ::csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let row = reader.records().next().expect("a row").expect("readable");
            prop_assert_eq!(row.len(), 2);
            prop_assert_eq!(text_of(&row[0]), text);
        }

        #[test]
        fn floats_read_back_bit_for_bit(value: f64) {
            let mut out = Vec::new();
            float(value, &mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            prop_assert!(text.len() < 30);
            if value.is_finite() {
                let json: f64 = serde_json::from_str(&text).expect("JSON");
                prop_assert_eq!(json.to_bits(), value.to_bits());
            }
        }
    }
}
