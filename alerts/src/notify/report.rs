//! Collects the mistakes of `notify.yaml`, each with its place.

use ioc_model::ConfigError;
use serde_saphyr::Spanned;

/// The file.
pub const FILE: &str = "notify.yaml";

/// Mistakes so far.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order they were found.
    pub errors: Vec<ConfigError>,
}

impl Report {
    /// A mistake at the place of a value, and what to do about it.
    pub fn wrong<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, hint: &str) {
        let (line, column) = (at.referenced.line() as usize, at.referenced.column() as usize);
        self.errors.push(ConfigError::new(FILE, line, column, message).hint(hint));
    }

    /// A word that is not one of `known`; the nearest one is the hint.
    pub fn unknown<'a>(
        &mut self,
        at: &Spanned<String>,
        what: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let known: Vec<&str> = known.into_iter().collect();
        let near = known.iter().map(|k| (distance(k, &at.value), *k)).min();
        let hint = match near {
            Some((d, word)) if d <= 2 => format!("did you mean `{word}`?"),
            _ if known.is_empty() => format!("there is no {what} yet"),
            _ if known.len() <= 20 => format!("one of {}", known.join(", ")),
            _ => format!("{} are known, such as `{}`", known.len(), known[0]),
        };
        self.wrong(at, format!("unknown {what} `{}`", at.value), &hint);
    }

    /// `30s`, `5m`, `4h`, `1d` as milliseconds, within bounds.
    pub fn duration(&mut self, at: &Spanned<String>, bounds: (i64, i64)) -> Option<i64> {
        let Some(ms) = duration_ms(&at.value) else {
            let hint = "a number and ms, s, m, h or d, such as 30s";
            self.wrong(at, format!("`{}` is not a duration", at.value), hint);
            return None;
        };
        if !(bounds.0..=bounds.1).contains(&ms) {
            let hint = format!("from {} to {} s", bounds.0 / 1000, bounds.1 / 1000);
            self.wrong(at, format!("`{}` is out of range", at.value), &hint);
            return None;
        }
        Some(ms)
    }
}

fn duration_ms(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (corner + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        let cases = [("30s", Some(30_000)), ("5m", Some(300_000)), ("1d", Some(86_400_000))];
        for (text, ms) in cases.into_iter().chain([("5", None), ("m", None), ("-5s", None)]) {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
        assert_eq!(duration_ms("99999999999999999d"), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("river", "rivers"), 1);
        assert_eq!(distance("cam_le", "cam_la"), 1);
        assert_eq!(distance("a", "xyz"), 3);
    }
}
