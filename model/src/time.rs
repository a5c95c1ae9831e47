use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Why a time text was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not RFC 3339, or without an offset.
    #[error("`{0}` is not an RFC 3339 time with an offset")]
    NotRfc3339(String),
    /// Outside the years 2000 to 2100.
    #[error("time {0} ms is outside the years 2000 to 2100")]
    OutOfRange(i64),
}

const YEAR_2000_MS: i64 = 946_684_800_000;
const YEAR_2100_MS: i64 = 4_102_444_800_000;

impl Timestamp {
    /// Checks that an integer is a plausible time in ms since the epoch (years 2000 to 2100).
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] otherwise: seconds or microseconds end here instead of in 1970.
    pub fn from_epoch_ms(ms: i64) -> Result<Self, TimeError> {
        if (YEAR_2000_MS..YEAR_2100_MS).contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(TimeError::OutOfRange(ms))
        }
    }

    /// Parses an RFC 3339 text that has an offset (`Z` or `+07:00`); finer digits are cut to ms.
    ///
    /// # Errors
    /// [`TimeError`] when the text is no such time or lies outside 2000 to 2100.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| TimeError::NotRfc3339(text.chars().take(64).collect()))?;
        Self::from_epoch_ms(moment.as_millisecond())
    }

    /// RFC 3339 in the city's offset (+07:00, Asia/Ho_Chi_Minh has had no other since 1975).
    pub fn to_rfc3339(self) -> String {
        self.to_string()
    }

    /// This moment moved by `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment, saturating.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = jiff::tz::Offset::constant(7);
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{}", t.display_with_offset(offset)),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_offsets_and_cuts_nanoseconds() {
        let t = Timestamp::parse_rfc3339("2025-10-28T01:00:00.123456789+07:00").expect("valid");
        assert_eq!(t.0, 1_761_588_000_123);
        assert_eq!(t.to_rfc3339(), "2025-10-28T01:00:00.123+07:00");
    }

    #[test]
    fn refuses_zone_less_and_second_epochs() {
        assert!(Timestamp::parse_rfc3339("2025-10-28T01:00:00").is_err());
        assert!(Timestamp::from_epoch_ms(1_761_588_000).is_err());
    }
}
