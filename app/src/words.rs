//! Numbers and spans of time as people read them on a terminal.

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `45s`, `12m`, `3h05m`, `2d4h`: two units at most.
pub(crate) fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..600 => format!("{}m{:02}s", s / 60, s % 60),
        600..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d{}h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// At most six significant digits, without trailing zeros.
pub(crate) fn number(n: f64) -> String {
    let whole = n.abs().max(1.0).log10().floor() as usize + 1;
    let text = format!("{n:.*}", 6usize.saturating_sub(whole));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text of others on a terminal: no control character gets through.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(count));
        let spans = [0, 59_999, 60_000, 599_000, 3_599_000, 3_600_000, 90_000_000].map(span);
        assert_eq!(spans, ["0s", "59s", "1m00s", "9m59s", "59m", "1h00m", "1d1h"]);
        let numbers = [0.0, 2.5, 45.0, 0.123_456_7, 1234.56, 1e7, -3.25].map(number);
        assert_eq!(numbers, ["0", "2.5", "45", "0.12346", "1234.56", "10000000", "-3.25"]);
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
    }
}
