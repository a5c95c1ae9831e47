use ioc_model::Timestamp;

use super::WorkTime;

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// By the clock, ms.
    Clock(i64),
    /// Working days: that many times the working time of one day.
    Workdays(u32),
}

impl Span {
    /// `90s`, `5m`, `4h`, `7d`, `1 workday`, `3 workdays`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let n: i64 = text[..digits].parse().ok()?;
        let unit = match text[digits..].trim() {
            "workday" | "workdays" => {
                return u32::try_from(n).ok().filter(|n| (1..=60).contains(n)).map(Self::Workdays);
            }
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let ms = n.checked_mul(unit)?;
        (1_000..=366 * 86_400_000).contains(&ms).then_some(Self::Clock(ms))
    }

    /// The end of the span from `start`.
    pub fn after(self, start: Timestamp, work: &WorkTime) -> Timestamp {
        match self {
            Self::Clock(ms) => start.plus_ms(ms),
            Self::Workdays(n) => work.after(start, i64::from(n) * work.day_ms()),
        }
    }
}
