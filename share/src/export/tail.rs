//! The last whole row of a file that broke off.

use ioc_model::{SeriesKey, Timestamp};
use serde_json::Value;

use super::cells::text_of;
use super::mark::Mark;
use super::request::Format;
use super::zone::Zone;

/// Where a torn file goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Cut the file so that this many bytes of the part looked at stay, then append what an
    /// export with this mark gives.
    After(usize, Mark),
    /// No whole row is in it: begin anew.
    NoRow,
    /// Rows of one moment fill all of the part looked at: look at a longer part.
    LookFurther,
}

/// Finds the last whole row in the last part of a file. `whole`: the part is all of the file.
pub fn last_row(format: Format, zone: &Zone, part: &[u8], whole: bool) -> Tail {
    let (separator, kept): (&[u8], usize) = match format {
        Format::Csv => (b"\r\n", 2),
        // The separator is the first of what the next run writes.
        Format::GeoJson => (b",\n", 0),
        Format::Lines => (b"\n", 1),
        Format::Parquet => return Tail::NoRow,
    };
    let row = |line: &[u8]| match format {
        Format::Csv => csv(line, zone),
        Format::GeoJson => geojson(line, zone),
        Format::Lines | Format::Parquet => lines(line),
    };
    // What is behind the last separator is torn.
    let Some(mut end) = find_last(part, separator) else {
        return if whole { Tail::NoRow } else { Tail::LookFurther };
    };
    let mut last: Option<Row> = None;
    let mut count = 0;
    let mut rest = &part[..end];
    loop {
        let (begin, next) = match find_last(rest, separator) {
            Some(at) => (at + separator.len(), Some(&rest[..at])),
            None if whole => (begin_of_rows(format, rest), None),
            None => return Tail::LookFurther,
        };
        let found = row(&rest[begin..]);
        match (&last, found) {
            (None, Some(found)) => (last, count) = (Some(found), 1),
            (Some(last), Some(found)) if *last == found && found.ordinal.is_none() => count += 1,
            // Comments are made anew.
            (None, None) if rest[begin..].starts_with(b"#") => end = begin.saturating_sub(1),
            _ => break,
        }
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    match last {
        Some(Row { series, time, ordinal }) => {
            let skip = ordinal.map_or(count, |n| n + 1);
            Tail::After(end + kept, Mark { series, time, skip })
        }
        None => Tail::NoRow,
    }
}

/// The first line of GeoJSON ends with the array's bracket, not with a comma.
fn begin_of_rows(format: Format, first: &[u8]) -> usize {
    let bracket = first.windows(2).position(|w| w == b"[\n");
    bracket.filter(|_| format == Format::GeoJson).map_or(0, |at| at + 2)
}

fn find_last(text: &[u8], separator: &[u8]) -> Option<usize> {
    text.windows(separator.len()).rposition(|w| w == separator)
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    series: SeriesKey,
    time: Timestamp,
    /// Its number among those of its time, where the row says it.
    ordinal: Option<usize>,
}

fn csv(line: &[u8], zone: &Zone) -> Option<Row> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let row = reader.records().next()?.ok()?;
    let series =
        SeriesKey { device: text_of(row.get(0)?).into(), property: text_of(row.get(6)?).into() };
    Some(Row { series, time: zone.parse(row.get(8)?)?, ordinal: None })
}

fn geojson(line: &[u8], zone: &Zone) -> Option<Row> {
    let feature: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| feature["properties"][name].as_str();
    let series = SeriesKey { device: text("device")?.into(), property: text("property")?.into() };
    Some(Row { series, time: zone.parse(text("time")?)?, ordinal: None })
}

/// `service,area=…,device=…,property=… value=…,quality=…i nanoseconds`
fn lines(line: &[u8]) -> Option<Row> {
    let line = std::str::from_utf8(line).ok().filter(|l| !l.starts_with('#'))?;
    let mut tags = Vec::new();
    let mut text = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|c| matches!(c, ',' | '=' | ' ')) => {
                text.extend(chars.next());
            }
            ' ' => break,
            ',' => tags.push(std::mem::take(&mut text)),
            c => text.push(c),
        }
    }
    tags.push(text);
    let tag =
        |name: &str| tags.iter().skip(1).find_map(|t| t.strip_prefix(name)?.strip_prefix('='));
    let series = SeriesKey { device: tag("device")?.into(), property: tag("property")?.into() };
    let nanos: i64 = line.rsplit(' ').next()?.parse().ok()?;
    let ordinal = usize::try_from(nanos.rem_euclid(1_000_000)).ok();
    Some(Row { series, time: Timestamp(nanos.div_euclid(1_000_000)), ordinal })
}
