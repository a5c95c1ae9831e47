//! Reading a [`Node`] tree with all mistakes collected: typed getters, unknown keys, hints.

use std::collections::BTreeSet;

use ioc_model::{ConfigError, Severity, Text};

use crate::yaml::{Node, Value};

/// The mistakes of one file.
pub(crate) struct Report {
    pub(crate) file: String,
    pub(crate) errors: Vec<ConfigError>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: Vec::new() }
    }

    pub(crate) fn error(&mut self, node: &Node, message: impl Into<String>) {
        self.errors.push(ConfigError::new(&self.file, node.line, node.column, message));
    }

    pub(crate) fn hinted(
        &mut self,
        node: &Node,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let error = ConfigError::new(&self.file, node.line, node.column, message);
        self.errors.push(error.hint(hint));
    }

    /// `message`, with a "did you mean" if a candidate is close, else the list of candidates.
    pub(crate) fn unknown<'a>(
        &mut self,
        node: &Node,
        what: &str,
        name: &str,
        candidates: impl Iterator<Item = &'a str>,
    ) {
        let message = format!("unknown {what} `{name}`");
        match suggestion(name, candidates) {
            Some(hint) => self.hinted(node, message, hint),
            None => self.error(node, message),
        }
    }
}

/// "did you mean `x`?" when a candidate is near, "one of: …" when there are few.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let all: BTreeSet<&str> = candidates.collect();
    if let Some(close) = closest(name, all.iter().copied()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let list: Vec<&str> = all.into_iter().collect();
    (!list.is_empty() && list.len() <= 24).then(|| format!("one of: {}", list.join(", ")))
}

/// The candidate nearest to `name`, if it is near enough to be a slip.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let slack = ((name.chars().count() + 1) / 3).clamp(1, 3);
    candidates
        .map(|c| (edit_distance(name, c), c))
        .filter(|&(d, _)| d <= slack)
        .min()
        .map(|(_, c)| c)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// A map that is being read: remembers what was asked for, so that the rest is unknown.
pub(crate) struct Fields<'n> {
    node: &'n Node,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// `None`, with an error, if the node is no map.
    pub(crate) fn open(node: &'n Node, what: &str, report: &mut Report) -> Option<Self> {
        if let Value::Map(_) = node.value {
            return Some(Self { node, asked: Vec::new() });
        }
        report.error(node, format!("expected {what} as a map, found {}", node.value.kind()));
        None
    }

    pub(crate) fn node(&self) -> &'n Node {
        self.node
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        let Value::Map(entries) = &self.node.value else { return None };
        entries.iter().find(|(k, _)| k.name == key).map(|(_, n)| n)
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&mut self, key: &'static str, report: &mut Report) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            report.error(self.node, format!("`{key}` is missing"));
        }
        found
    }

    /// Reports the keys nobody asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        let Value::Map(entries) = &self.node.value else { return };
        for (key, _) in entries {
            if !self.asked.contains(&key.name.as_str()) {
                let at = Node { line: key.line, column: key.column, value: Value::Null };
                report.unknown(&at, "field", &key.name, self.asked.iter().copied());
            }
        }
    }
}

/// A text that is not empty.
pub(crate) fn text<'n>(node: &'n Node, report: &mut Report) -> Option<&'n str> {
    match &node.value {
        Value::Text(t) if !t.trim().is_empty() => Some(t),
        Value::Text(_) | Value::Null => {
            report.error(node, "expected a text, found nothing");
            None
        }
        other => {
            let message = format!("expected a text, found {}", other.kind());
            report.hinted(node, message, "put it in quotes");
            None
        }
    }
}

pub(crate) fn boolean(node: &Node, report: &mut Report) -> Option<bool> {
    if let Value::Bool(b) = node.value {
        return Some(b);
    }
    report.error(node, format!("expected true or false, found {}", node.value.kind()));
    None
}

pub(crate) fn number(node: &Node, report: &mut Report) -> Option<f64> {
    match node.value {
        Value::Number(n) if n.is_finite() => Some(n),
        ref other => {
            report.error(node, format!("expected a number, found {}", other.kind()));
            None
        }
    }
}

/// A whole number from `min` to `max`.
pub(crate) fn whole(node: &Node, min: u32, max: u32, report: &mut Report) -> Option<u32> {
    let n = number(node, report)?;
    if n.fract() == 0.0 && n >= f64::from(min) && n <= f64::from(max) {
        return Some(n as u32);
    }
    report.error(node, format!("expected a whole number from {min} to {max}, found {n}"));
    None
}

/// One text or a list of texts.
pub(crate) fn texts<'n>(node: &'n Node, report: &mut Report) -> Vec<(&'n Node, &'n str)> {
    match &node.value {
        Value::List(items) => {
            items.iter().filter_map(|n| text(n, report).map(|t| (n, t))).collect()
        }
        _ => text(node, report).map(|t| (node, t)).into_iter().collect(),
    }
}

/// A text in both languages.
pub(crate) fn both(node: &Node, report: &mut Report) -> Option<Text> {
    let mut fields = Fields::open(node, "a text in both languages {vi, en}", report)?;
    let mut side = |key: &'static str| match fields.get(key) {
        Some(n) => text(n, report).map(str::to_owned),
        None => {
            let message = format!("the translation `{key}` is missing");
            report.hinted(node, message, "write both `vi` and `en`");
            None
        }
    };
    let (vi, en) = (side("vi"), side("en"));
    fields.finish(report);
    Some(Text { vi: vi?, en: en? })
}

/// A span of time such as `90s`, `5m`, `24h`, in ms; at least `min_ms`.
pub(crate) fn duration(node: &Node, min_ms: i64, report: &mut Report) -> Option<i64> {
    const HINT: &str = "write a whole number and a unit: 500ms, 90s, 5m, 24h, 7d";
    let Value::Text(t) = &node.value else {
        let message = format!("expected a span of time, found {}", node.value.kind());
        report.hinted(node, message, HINT);
        return None;
    };
    let Some(ms) = parse_duration(t) else {
        report.hinted(node, format!("`{t}` is not a span of time"), HINT);
        return None;
    };
    if ms < min_ms {
        report.error(node, format!("`{t}` is too short, at least {min_ms} ms are needed"));
        return None;
    }
    if ms > MAX_DURATION_MS {
        report.error(node, format!("`{t}` is too long, at most 366d are possible"));
        return None;
    }
    Some(ms)
}

const MAX_DURATION_MS: i64 = 366 * 86_400_000;

/// Milliseconds of a span of time as rules write it: `500ms`, `90s`, `5m`, `24h`, `7d`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let n: i64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    n.checked_mul(unit)
}

pub(crate) fn severity(node: &Node, report: &mut Report) -> Option<Severity> {
    const WORDS: [&str; 5] = ["info", "minor", "major", "critical", "emergency"];
    let word = text(node, report)?;
    match WORDS.iter().position(|w| *w == word) {
        Some(i) => Severity::from_u8(i as u8 + 1),
        None => {
            report.unknown(node, "severity", word, WORDS.into_iter());
            None
        }
    }
}

/// An id: `[A-Za-z0-9_.:-]{1,64}`.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_known_unit() {
        assert_eq!(parse_duration("90s"), Some(90_000));
        assert_eq!(parse_duration("24h"), Some(86_400_000));
        assert_eq!(parse_duration("500ms"), Some(500));
        for bad in ["", "5", "m", "-5m", "1.5h", "5 weeks", "99999999999999999d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        let names = ["water_level", "flood_depth"];
        assert_eq!(closest("water_levl", names.into_iter()), Some("water_level"));
        assert_eq!(closest("pm25", names.into_iter()), None);
    }
}
