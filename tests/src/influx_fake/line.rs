//! Line protocol read strictly, after the reference ("Line protocol", InfluxDB 2) and not after
//! the writer under test. Where real servers disagree with each other the line is refused.

use std::collections::BTreeMap;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// `35.1`
    Float(f64),
    /// `35i`
    Integer(i64),
    /// `35u`
    Unsigned(u64),
    /// `t`, `true`, `F` …
    Boolean(bool),
    /// `"text"`
    Text(String),
}

impl Field {
    /// The name in messages about type conflicts.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Integer(_) => "integer",
            Self::Unsigned(_) => "unsigned",
            Self::Boolean(_) => "boolean",
            Self::Text(_) => "string",
        }
    }
}

/// Measurement and tags: what makes a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Its first word.
    pub measurement: String,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it belongs.
    pub series: Series,
    /// Fields by key; at least one.
    pub fields: BTreeMap<String, Field>,
    /// As written; its unit is that of the request.
    pub time: Option<i64>,
}

/// Reads all lines of a body: text and result of each. Empty lines and comments are skipped.
pub fn lines(body: &str) -> impl Iterator<Item = (&str, Result<Line, String>)> {
    body.split('\n')
        .filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'))
        .map(|l| (l, line(l)))
}

/// Reads one line.
pub fn line(text: &str) -> Result<Line, String> {
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!("control character {c:?}"));
    }
    let mut r = Reader { rest: text };
    let measurement = r.word(&[',', ' '], "measurement")?;
    let mut tags = BTreeMap::new();
    while r.eat(',') {
        let key = r.word(&['=', ',', ' '], "tag key")?;
        r.expect('=', "missing tag value")?;
        let value = r.word(&['=', ',', ' '], "tag value")?;
        if tags.insert(key, value).is_some() {
            return Err("duplicate tags".into());
        }
    }
    r.expect(' ', "missing fields")?;
    let mut fields = BTreeMap::new();
    loop {
        let key = r.word(&['=', ',', ' '], "field key")?;
        r.expect('=', "missing field value")?;
        let value = r.field()?;
        if fields.insert(key, value).is_some() {
            return Err("duplicate field".into());
        }
        if !r.eat(',') {
            break;
        }
    }
    let time = match r.eat(' ') {
        true => Some(r.rest.parse().map_err(|_| format!("bad timestamp `{}`", r.rest))?),
        false if r.rest.is_empty() => None,
        false => return Err(format!("left over `{}`", r.rest)),
    };
    Ok(Line { series: Series { measurement, tags }, fields, time })
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char, otherwise: &str) -> Result<(), String> {
        if self.eat(c) { Ok(()) } else { Err(otherwise.into()) }
    }

    /// Text up to an unescaped one of `ends`.
    fn word(&mut self, ends: &[char], what: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((i, c)) = chars.next() {
            if ends.contains(&c) {
                end = i;
                break;
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.peek().map(|(_, c)| *c) {
                Some(special @ (',' | '=' | ' ')) => {
                    out.push(special);
                    chars.next();
                }
                // Servers differ on whether this escapes a backslash or the separator after it.
                Some('\\') | None => return Err(format!("ambiguous backslash in {what}")),
                Some(_) => out.push('\\'),
            }
        }
        if out.is_empty() {
            return Err(format!("missing {what}"));
        }
        self.rest = &self.rest[end..];
        Ok(out)
    }

    fn field(&mut self) -> Result<Field, String> {
        if self.eat('"') {
            return self.text();
        }
        let end = self.rest.find([',', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let bad = || format!("invalid field value `{word}`");
        match word {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(Field::Boolean(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(Field::Boolean(false)),
            _ => {}
        }
        if let Some(digits) = word.strip_suffix('i') {
            return digits.parse().map(Field::Integer).map_err(|_| bad());
        }
        if let Some(digits) = word.strip_suffix('u') {
            return digits.parse().map(Field::Unsigned).map_err(|_| bad());
        }
        // Rust also reads "inf" and "nan".
        if !word.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) {
            return Err(bad());
        }
        let value: f64 = word.parse().map_err(|_| bad())?;
        if value.is_finite() { Ok(Field::Float(value)) } else { Err(bad()) }
    }

    fn text(&mut self) -> Result<Field, String> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[i + 1..];
                    return Ok(Field::Text(out));
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    Some((_, c)) => out.extend(['\\', c]),
                    None => break,
                },
                _ => out.push(c),
            }
        }
        Err("unterminated string".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_examples_of_the_reference() {
        let l =
            line(r#"my\ m,tag\ key\=1=v\,1,b=c\d f1="a \"b\", c",f2=-1.5e3,f3=7i,f4=7u,f5=t 15"#)
                .expect("valid");
        assert_eq!(l.series.measurement, "my m");
        assert_eq!(l.series.tags["tag key=1"], "v,1");
        assert_eq!(l.series.tags["b"], "c\\d");
        assert_eq!(l.fields["f1"], Field::Text("a \"b\", c".into()));
        assert_eq!(l.fields["f2"], Field::Float(-1500.0));
        assert_eq!(l.fields["f3"], Field::Integer(7));
        assert_eq!((l.fields.len(), l.time), (5, Some(15)));
    }

    #[test]
    fn refuses_what_is_no_line() {
        for bad in [
            "m",
            "m ",
            "m,t f=1",
            "m,t= f=1",
            "m,=v f=1",
            "m f",
            "m f=",
            "m f=1 x",
            "m f=1 1 1",
            "m f=nan",
            "m f=inf",
            "m f=1x",
            "m,a=1,a=2 f=1",
            "m f=1,f=2",
            "m,a=b\\\\,c f=1",
            "m,a=b\t f=1",
            "m f=\"x",
            ",t=1 f=1",
            "m f=1e999",
        ] {
            assert!(line(bad).is_err(), "{bad}");
        }
        assert_eq!(lines("# comment\n\nm f=1\nm f\n").filter(|(_, r)| r.is_ok()).count(), 1);
    }
}
