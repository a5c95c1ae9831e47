use std::fmt;
use std::str::FromStr;

use ioc_model::{Name, SeriesKey, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// More readings of one millisecond than any series has; a scan has to step over them.
const MAX_SKIP: usize = 1_000_000;
/// Ids are written as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b':').remove(b'-');

/// The last row that somebody has of an export, as `device,property,time,skip`: time in ms since
/// 1970; texts percent-encoded where they hold more than `[A-Za-z0-9_.:-]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its series.
    pub series: SeriesKey,
    /// Its time; of a window, its begin.
    pub time: Timestamp,
    /// How many rows of this series and time are there, this one included; at least 1.
    pub skip: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = utf8_percent_encode(&self.series.device, PLAIN);
        let property = utf8_percent_encode(&self.series.property, PLAIN);
        write!(f, "{device},{property},{},{}", self.time.0, self.skip)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(',');
        let mut next = || parts.next().ok_or(());
        let name = |text: &str| -> Result<Name, ()> {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| ())?;
            Ok(Name::from(&*text))
        };
        let series = SeriesKey { device: name(next()?)?, property: name(next()?)? };
        let time = Timestamp(next()?.parse().map_err(|_| ())?);
        let skip = next()?.parse().map_err(|_| ())?;
        let whole = parts.next().is_none() && (1..=MAX_SKIP).contains(&skip);
        if whole { Ok(Self { series, time, skip }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_is_readable_and_a_wrong_one_refused() {
        let mark: Mark = "air-1,pm25,1761588000000,1".parse().expect("a mark");
        assert_eq!((&*mark.series.device, mark.skip), ("air-1", 1));
        assert_eq!(mark.to_string(), "air-1,pm25,1761588000000,1");
        let bad = ["", "a,b,1", "a,b,1,0", "a,b,1,1,1", "a,b,x,1", "a,b,1,-1", "%ff,b,1,1"];
        for bad in bad.into_iter().chain(["a,b,1,1000001"]) {
            assert_eq!(bad.parse::<Mark>(), Err(()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_mark_reads_back(device in ".*", property in ".*", time: i64, skip in 1..=MAX_SKIP) {
            let series = SeriesKey { device: device.into(), property: property.into() };
            let mark = Mark { series, time: Timestamp(time), skip };
            prop_assert_eq!(mark.to_string().parse(), Ok(mark));
        }
    }
}
