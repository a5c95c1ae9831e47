//! What a request asks for.

use ioc_model::{Name, Step, Timestamp};

use super::config::{Dataset, local_step, ms};
use super::update::duration_s;

const DAY_MS: i64 = 86_400_000;
const LONGEST_STEP_S: u64 = 31 * 86_400;

/// Language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    Vi,
    En,
}

impl Lang {
    pub fn pick<T>(self, vi: T, en: T) -> T {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    pub fn of(self, text: &ioc_model::Text) -> &str {
        self.pick(&text.vi, &text.en)
    }

    pub fn code(self) -> &'static str {
        self.pick("vi", "en")
    }

    fn parse(code: &str) -> Option<Self> {
        let code = code.trim().to_ascii_lowercase();
        match code.split('-').next() {
            Some("vi") => Some(Self::Vi),
            Some("en") => Some(Self::En),
            _ => None,
        }
    }

    /// The one of ours that `Accept-Language` likes best; Vietnamese when it says nothing.
    pub fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::Vi);
        for part in header.split(',').take(20) {
            let (code, q) = part.split_once(";q=").unwrap_or((part, "1"));
            let q: f64 = q.trim().parse().unwrap_or(0.0);
            if let Some(lang) = Self::parse(code).filter(|_| q > best.0) {
                best = (q, lang);
            }
        }
        best.1
    }
}

/// Why a request is refused, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub vi: String,
    pub en: String,
}

impl Refusal {
    pub fn bad(code: &'static str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { status: 400, code, vi: vi.into(), en: en.into() }
    }

    pub fn not_found() -> Self {
        Self {
            status: 404,
            code: "not_found",
            vi: "Không có trang hoặc bộ dữ liệu này".into(),
            en: "There is no such page or dataset".into(),
        }
    }
}

/// The text after the `?`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub step_s: Option<u64>,
    pub device: Option<Name>,
    pub lang: Option<Lang>,
    /// NGSI-LD with the addresses of the published contexts instead of their terms.
    pub linked_context: bool,
}

/// What is read for a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted {
    Latest,
    Range { from: Timestamp, to: Timestamp, step: Option<Step> },
}

impl Params {
    /// Reads a query; `allowed` are the names that mean something here.
    pub fn parse(query: &str, allowed: &[&str]) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !allowed.contains(&name.as_str()) {
                let list = allowed.join(", ");
                return Err(Refusal::bad(
                    "unknown_parameter",
                    format!("Tham số không được biết; có thể dùng: {list}"),
                    format!("Unknown parameter; known are: {list}"),
                ));
            }
            if seen.contains(&name) {
                return Err(unreadable(&name, "chỉ được ghi một lần", "may be given only once"));
            }
            params.set(&name, &value)?;
            seen.push(name);
        }
        Ok(params)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "from" => self.from = Some(moment(name, value)?),
            "to" => self.to = Some(moment(name, value)?),
            "step" => self.step_s = Some(step(value)?),
            "device" => self.device = Some(value.into()),
            "lang" => {
                let lang = Lang::parse(value);
                self.lang = Some(
                    lang.ok_or_else(|| unreadable(name, "là `vi` hoặc `en`", "is `vi` or `en`"))?,
                );
            }
            _ => match value {
                "inline" => self.linked_context = false,
                "linked" => self.linked_context = true,
                _ => {
                    let (vi, en) = ("là `inline` hoặc `linked`", "is `inline` or `linked`");
                    return Err(unreadable(name, vi, en));
                }
            },
        }
        Ok(())
    }

    /// Fits the range to what the dataset gives up to its horizon.
    pub fn wanted(&self, dataset: &Dataset, horizon: Timestamp) -> Result<Wanted, Refusal> {
        if self.from.is_none() && self.to.is_none() && self.step_s.is_none() {
            return Ok(Wanted::Latest);
        }
        let step_s = self.step_s.unwrap_or(dataset.step_s);
        if dataset.step_s > 0 && step_s % dataset.step_s != 0 {
            let finest = dataset.step_s;
            return Err(unreadable(
                "step",
                &format!("phải là bội số của {finest} giây"),
                &format!("must be a multiple of {finest} seconds"),
            ));
        }
        let step = (step_s > 0).then(|| local_step(ms(step_s)));
        let begin = |t: Timestamp| step.map_or(t, |s| s.begin(t));
        let reach = dataset.reach(horizon);
        // Only windows that are over are given.
        let to = begin(self.to.map_or(horizon, |t| t.min(horizon)));
        let from = self.from.unwrap_or_else(|| to.plus_ms(-DAY_MS.max(ms(step_s))).max(reach));
        if from < reach {
            let days = dataset.days;
            return Err(unreadable(
                "from",
                &format!("sớm hơn {days} ngày mà bộ dữ liệu này có"),
                &format!("is earlier than the {days} days that this dataset reaches back"),
            ));
        }
        let from = begin(from);
        if from >= to {
            let (vi, en) = (
                format!("phải trước `to` và trước {horizon} (thời điểm công bố mới nhất)"),
                format!("must be before `to` and before {horizon}, the latest publication"),
            );
            return Err(unreadable("from", &vi, &en));
        }
        Ok(Wanted::Range { from, to, step })
    }
}

fn unreadable(name: &str, vi: &str, en: &str) -> Refusal {
    Refusal::bad("bad_parameter", format!("`{name}` {vi}"), format!("`{name}` {en}"))
}

/// A `+` stays one: it belongs to `+07:00`, and no value of ours has blanks.
fn decoded(text: &str) -> Result<String, Refusal> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8();
    let text = text.ok().filter(|t| t.len() <= 200 && !t.chars().any(char::is_control));
    text.map(|t| t.into_owned()).ok_or_else(|| {
        Refusal::bad("bad_query", "Không đọc được câu hỏi", "The query cannot be read")
    })
}

/// RFC 3339, a day of the city, or ms since 1970.
fn moment(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let day = || {
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).ok()?;
        Timestamp::from_epoch_ms(midnight.timestamp().as_millisecond()).ok()
    };
    let epoch = || Timestamp::from_epoch_ms(text.parse().ok()?).ok();
    Timestamp::parse_rfc3339(text).ok().or_else(day).or_else(epoch).ok_or_else(|| {
        let example = "2026-01-31T07:00:00+07:00, 2026-01-31";
        unreadable(
            name,
            &format!("không phải thời điểm, ví dụ: {example}"),
            &format!("is no time, as in {example}"),
        )
    })
}

fn step(text: &str) -> Result<u64, Refusal> {
    let seconds = text.parse().ok().or_else(|| duration_s(text));
    seconds.filter(|s| (1..=LONGEST_STEP_S).contains(s)).ok_or_else(|| {
        unreadable(
            "step",
            "không phải khoảng thời gian đến 31 ngày, ví dụ: PT1H, 3600",
            "is no span of time up to 31 days, as in PT1H, 3600",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_language_that_is_liked_best() {
        for (header, lang) in [
            ("", Lang::Vi),
            ("en-GB,en;q=0.9,vi;q=0.3", Lang::En),
            ("fr, vi-VN;q=0.5, en;q=0.4", Lang::Vi),
            ("fr", Lang::Vi),
            ("en;q=0, vi;q=nonsense", Lang::Vi),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }

    #[test]
    fn reads_times_as_people_and_programs_write_them() {
        let read = |q: &str| Params::parse(q, &["from"]).map(|p| p.from.map(|t| t.0));
        let midnight = Ok(Some(1_769_792_400_000));
        assert_eq!(read("from=2026-01-31"), midnight);
        assert_eq!(read("from=2026-01-31T00:00:00+07:00"), midnight);
        assert_eq!(read("from=2026-01-31T00%3A00%3A00%2B07%3A00"), midnight);
        assert_eq!(read("from=2026-01-30T17:00:00Z"), midnight);
        assert_eq!(read("from=1769792400000"), midnight);
        for bad in ["from=", "from=yesterday", "from=2026-1-1", "from=1769792400", "from=%ff"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("form=2026-01-31").is_err(), "a slip is not passed over in silence");
        assert!(read("from=2026-01-31&from=2026-01-31").is_err());
    }
}
