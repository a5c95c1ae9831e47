//! Cells of tables that people open in a spreadsheet (RFC 4180).

/// One cell. What a spreadsheet takes for a formula begins with one of these, after any blanks;
/// full-width forms too, which some versions read as the narrow ones.
pub fn field(out: &mut String, text: &str) {
    const FORMULA: &[char] = &['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'];
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let formula = first.starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n']);
    let plain = !formula && !text.contains([',', '"', '\r', '\n', ';', '\t']);
    if plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    if formula {
        out.push('\'');
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\"\""),
            // The end of a text for many programs.
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One line of cells.
pub fn line(out: &mut String, cells: &[impl AsRef<str>]) {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        field(out, cell.as_ref());
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut out = String::new();
        field(&mut out, text);
        assert_eq!(out, expect);
    }

    #[test]
    fn no_cell_is_a_formula() {
        check("mưa lớn", "mưa lớn");
        check("=1+1", "\"'=1+1\"");
        check("  =HYPERLINK(\"http://x\")", "\"'  =HYPERLINK(\"\"http://x\"\")\"");
        check("+84 905", "\"'+84 905\"");
        check("-2", "\"'-2\"");
        check("@SUM(A1)", "\"'@SUM(A1)\"");
        check("\t=1", "\"'\t=1\"");
        check("＝1", "\"'＝1\"");
        check("\u{200b}x", "\u{200b}x");
    }

    #[test]
    fn cells_stay_cells() {
        check("a,b", "\"a,b\"");
        check("a\r\nb", "\"a\r\nb\"");
        check("say \"x\"", "\"say \"\"x\"\"\"");
        check("a;b", "\"a;b\"");
        check("", "");
    }
}
