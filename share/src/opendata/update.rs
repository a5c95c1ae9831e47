//! How often a dataset is published.

use jiff::Span;

/// The law: published data is brought up to date at least every 3 months (Nghị định 47/2020).
pub(super) const LONGEST_S: u64 = 92 * 86_400;

/// Frequencies of the EU vocabulary with their length in seconds, short to long.
const FREQUENCIES: [(&str, u64); 15] = [
    ("1MIN", 60),
    ("5MIN", 300),
    ("10MIN", 600),
    ("15MIN", 900),
    ("30MIN", 1_800),
    ("HOURLY", 3_600),
    ("BIHOURLY", 7_200),
    ("TRIHOURLY", 10_800),
    ("12HRS", 43_200),
    ("DAILY", 86_400),
    ("WEEKLY", 7 * 86_400),
    ("BIWEEKLY", 14 * 86_400),
    ("MONTHLY", 31 * 86_400),
    ("BIMONTHLY", 62 * 86_400),
    ("QUARTERLY", LONGEST_S),
];

const VOCABULARY: &str = "http://publications.europa.eu/resource/authority/frequency/";

/// How often a dataset is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Seconds from one moment of publishing to the next; at least 1.
    pub seconds: u64,
    code: &'static str,
}

/// Why a text is no [`Update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadUpdate {
    Unreadable,
    Slow,
}

impl Update {
    /// An ISO 8601 duration such as `PT5M`, or an address of the EU frequency vocabulary.
    pub(super) fn parse(text: &str) -> Result<Self, BadUpdate> {
        if let Some(code) = text.strip_prefix(VOCABULARY) {
            let known = FREQUENCIES.iter().find(|(c, _)| *c == code);
            let (code, seconds) = *known.ok_or(BadUpdate::Unreadable)?;
            return Ok(Self { seconds, code });
        }
        let seconds = duration_s(text).filter(|s| *s > 0).ok_or(BadUpdate::Unreadable)?;
        // The next slower word of the vocabulary is a promise that is kept.
        let slower = FREQUENCIES.iter().find(|(_, s)| *s >= seconds);
        slower.map(|(code, _)| Self { seconds, code }).ok_or(BadUpdate::Slow)
    }

    /// Stands in where the file says nothing readable.
    pub(super) const fn daily() -> Self {
        Self { seconds: 86_400, code: "DAILY" }
    }

    /// The frequency as the EU vocabulary names it.
    pub fn frequency(self) -> String {
        format!("{VOCABULARY}{}", self.code)
    }
}

/// Seconds of an ISO 8601 duration; a month counts 30 days, a year 365.
pub(super) fn duration_s(text: &str) -> Option<u64> {
    let span: Span = text.starts_with('P').then(|| text.parse().ok())??;
    let days = i64::from(span.get_years()) * 365
        + i64::from(span.get_months()) * 30
        + i64::from(span.get_weeks()) * 7
        + i64::from(span.get_days());
    let seconds =
        i64::from(span.get_hours()) * 3_600 + span.get_minutes() * 60 + span.get_seconds();
    let whole =
        span.get_milliseconds() == 0 && span.get_microseconds() == 0 && span.get_nanoseconds() == 0;
    u64::try_from(days.checked_mul(86_400)?.checked_add(seconds)?).ok().filter(|_| whole)
}

/// The shortest ISO 8601 duration of a number of seconds.
pub(super) fn iso8601(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut out = "P".to_owned();
    if days > 0 {
        out.push_str(&format!("{days}D"));
    }
    if rest > 0 || days == 0 {
        out.push('T');
        let parts = [(rest / 3_600, 'H'), (rest % 3_600 / 60, 'M'), (rest % 60, 'S')];
        for (n, unit) in parts.into_iter().filter(|(n, _)| *n > 0) {
            out.push_str(&format!("{n}{unit}"));
        }
        if rest == 0 {
            out.push_str("0S");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_frequency_that_the_promise_keeps() {
        let code = |text: &str| Update::parse(text).map(|u| (u.seconds, u.code));
        assert_eq!(code("PT5M"), Ok((300, "5MIN")));
        assert_eq!(code("PT7M"), Ok((420, "10MIN")), "at least every ten minutes");
        assert_eq!(code("P1M"), Ok((30 * 86_400, "MONTHLY")));
        assert_eq!(code("P3M"), Ok((90 * 86_400, "QUARTERLY")));
        assert_eq!(
            code("http://publications.europa.eu/resource/authority/frequency/DAILY"),
            Ok((86_400, "DAILY"))
        );
    }

    #[test]
    fn refuses_what_the_law_refuses_and_what_is_no_duration() {
        assert_eq!(Update::parse("P4M"), Err(BadUpdate::Slow));
        for text in ["", "5m", "PT0S", "-PT5M", "5 minutes", "P", "PT0.5S", "often"] {
            assert_eq!(Update::parse(text), Err(BadUpdate::Unreadable), "{text}");
        }
        let strange = "http://publications.europa.eu/resource/authority/frequency/NEVER";
        assert_eq!(Update::parse(strange), Err(BadUpdate::Unreadable));
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for (s, text) in [(300, "PT5M"), (86_400, "P1D"), (93_784, "P1DT2H3M4S"), (0, "PT0S")] {
            assert_eq!(iso8601(s), text);
            assert_eq!(duration_s(text), Some(s));
        }
    }
}
