//! Query strings and percent-encoding: every value is checked, a bad one is a 400 that names it.

use ioc_model::{Severity, Timestamp};

use crate::reply::ApiError;

/// More parameters than any route has.
const MAX_PARAMETERS: usize = 32;
/// 9999-12-31T23:59:59.999Z.
const LAST_MS: i64 = 253_402_300_799_999;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(raw: &str) -> Result<Self, ApiError> {
        let pairs = raw.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name, true)?, decode(value, true)?))
        });
        let pairs: Option<Vec<_>> = pairs.collect();
        let bad = || {
            ApiError::bad_request(
                "bad_query",
                "the query is not at most 32 percent-encoded parameters",
            )
        };
        let pairs = pairs.filter(|p| p.len() <= MAX_PARAMETERS).ok_or_else(bad)?;
        if let Some(i) = (1..pairs.len()).find(|i| pairs[..*i].iter().any(|p| p.0 == pairs[*i].0)) {
            return Err(bad_parameter(&pairs[i].0, "is given twice"));
        }
        Ok(Self(pairs))
    }

    /// A parameter; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// An id: `[A-Za-z0-9_.:-]{1,64}`.
    pub fn id(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let text = self.text(name);
        match text {
            Some(t) if !is_id(t) => Err(bad_parameter(name, "is not an id")),
            _ => Ok(text),
        }
    }

    pub fn required_id(&self, name: &str) -> Result<&str, ApiError> {
        self.id(name)?.ok_or_else(|| bad_parameter(name, "is missing"))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |t: &str| t.parse().map_err(|_| bad_parameter(name, "is not an integer"));
        self.text(name).map(parse).transpose()
    }

    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        Ok(self.integer(name)?.map(Timestamp))
    }

    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(bad_parameter(name, "is neither 0 nor 1")),
        }
    }

    /// `1`, `0`, or absent for both.
    pub fn choice(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some(_) => self.flag(name).map(Some),
        }
    }

    /// One line of free text.
    pub fn line(&self, name: &str, max_chars: usize) -> Result<Option<&str>, ApiError> {
        let text = self.text(name);
        let bad = |t: &str| t.chars().count() > max_chars || t.chars().any(char::is_control);
        match text {
            Some(t) if bad(t) => Err(bad_parameter(name, "is not a short line of text")),
            _ => Ok(text),
        }
    }

    /// `from` and `to`; by default the last `length_ms` before `now`.
    pub fn range(
        &self,
        now: Timestamp,
        length_ms: i64,
    ) -> Result<(Timestamp, Timestamp), ApiError> {
        let to = self.time("to")?.unwrap_or(now);
        let from = self.time("from")?.unwrap_or(to.plus_ms(-length_ms));
        for (name, time) in [("from", from), ("to", to)] {
            // So that no sum or difference of two can leave the numbers.
            if !(0..=LAST_MS).contains(&time.0) {
                return Err(bad_parameter(name, "is not between the years 1970 and 9999"));
            }
        }
        if from >= to {
            return Err(bad_parameter("from", "is not before `to`"));
        }
        Ok((from, to))
    }

    /// A count from 1 to `max`.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.integer("limit")? {
            None => Ok(default),
            Some(n) if (1..=max as i64).contains(&n) => Ok(n as usize),
            Some(_) => Err(bad_parameter("limit", &format!("is not between 1 and {max}"))),
        }
    }

    pub fn severity(&self, name: &str) -> Result<Option<Severity>, ApiError> {
        let Some(word) = self.text(name) else { return Ok(None) };
        let found = (1..=5).filter_map(Severity::from_u8).find(|s| s.as_str() == word);
        found.map(Some).ok_or_else(|| bad_parameter(name, "is not a severity"))
    }
}

/// A 400 that names the parameter.
pub(crate) fn bad_parameter(name: &str, problem: &str) -> ApiError {
    let name: String = name.chars().take(64).collect();
    ApiError::bad_request("bad_parameter", format!("parameter `{name}` {problem}"))
}

/// Is it an id of the system?
pub(crate) fn is_id(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}

/// Undoes percent-encoding (and `+` in queries); `None` when it is broken or not UTF-8.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            b'+' if plus_is_space => b' ',
            b => b,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_or_refuses() {
        assert_eq!(decode("a%3Ab+c", true).as_deref(), Some("a:b c"));
        assert_eq!(decode("a+b", false).as_deref(), Some("a+b"));
        assert_eq!(decode("%C4%90%C3%A0", true).as_deref(), Some("Đà"));
        for broken in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(broken, true), None, "{broken}");
        }
    }

    #[test]
    fn checks_every_kind_of_value() {
        let q = Query::parse("open=1&limit=5&device=a:b&min_severity=major&from=7&empty=")
            .expect("a good query");
        assert!(q.flag("open").expect("a flag"));
        assert_eq!(q.limit(1, 10).expect("a limit"), 5);
        assert_eq!(q.id("device").expect("an id"), Some("a:b"));
        assert_eq!(q.severity("min_severity").expect("a severity"), Some(Severity::Major));
        assert_eq!(q.time("from").expect("a time"), Some(Timestamp(7)));
        assert_eq!(q.text("empty"), None);
        assert!(q.required_id("absent").is_err());
    }

    #[test]
    fn ranges_have_an_order_and_bounds() {
        let range = |text: &str| Query::parse(text).expect("pairs").range(Timestamp(1_000), 600);
        assert_eq!(range("").expect("the default"), (Timestamp(400), Timestamp(1_000)));
        assert_eq!(range("to=900").expect("before it"), (Timestamp(300), Timestamp(900)));
        for bad in ["from=5&to=5", "from=-1", "to=9223372036854775807", "to=100", "from=x"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn three_way_flags_and_lines() {
        let q = Query::parse("held=0&work=1&who=%C4%90%C3%A0+N%E1%BA%B5ng&nul=a%00b&two=2")
            .expect("pairs");
        assert_eq!(q.choice("held").expect("a flag"), Some(false));
        assert_eq!(q.choice("absent").expect("no flag"), None);
        assert!(q.choice("two").is_err());
        assert_eq!(q.line("who", 7).expect("a line"), Some("Đà Nẵng"));
        assert!(q.line("who", 6).is_err() && q.line("nul", 9).is_err());
    }

    #[test]
    fn refuses_bad_values() {
        let q = Query::parse("open=2&limit=0&device=a%2Fb&min_severity=bad&from=x").expect("pairs");
        assert!(q.flag("open").is_err());
        assert!(q.limit(1, 10).is_err());
        assert!(q.id("device").is_err());
        assert!(q.severity("min_severity").is_err());
        assert!(q.time("from").is_err());
        assert!(Query::parse("a=1&a=2").is_err());
        assert!(Query::parse("a=%zz").is_err());
        let many: Vec<String> = (0..33).map(|i| format!("p{i}=1")).collect();
        assert!(Query::parse(&many.join("&")).is_err());
    }
}
