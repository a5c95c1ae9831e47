//! Answers of `/query`, and what is made of them.

use std::collections::{BTreeMap, HashMap};

use ioc_model::{LastValue, Name, Point, Quality, SeriesKey, Step, Timestamp, Window};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, aggregate};

/// Body of an answer with `epoch=ns`, or a part of it.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    results: Vec<StatementResult>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct StatementResult {
    #[serde(default)]
    series: Vec<Rows>,
    error: Option<String>,
}

/// Rows of one measurement and tag set.
#[derive(Deserialize)]
pub(crate) struct Rows {
    /// The measurement.
    #[serde(default)]
    name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    columns: Vec<String>,
    #[serde(default)]
    /// Kept as text: `serde_json` reads numbers one unit of the last place off now and then.
    values: Vec<Vec<Box<RawValue>>>,
}

/// Reads an answer, or a part of it.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Rows>, Error> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|e| Error::Query(format!("unreadable answer: {e}")))?;
    if let Some(e) = body.error {
        return Err(Error::QueryRefused(e));
    }
    let mut rows = Vec::new();
    for result in body.results {
        if let Some(e) = result.error {
            return Err(Error::QueryRefused(e));
        }
        rows.extend(result.series);
    }
    Ok(rows)
}

/// One row, by the names of its columns.
struct Row<'a> {
    columns: &'a [String],
    values: &'a [Box<RawValue>],
}

impl Row<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|c| c == column)?;
        self.values.get(at).map(|v| v.get())
    }

    fn number<T: std::str::FromStr>(&self, column: &str) -> Option<T> {
        self.text(column)?.parse().ok()
    }

    fn ms(&self) -> Option<Timestamp> {
        self.number("time").map(ms)
    }

    fn point(&self) -> Option<(i64, Point)> {
        let ns: i64 = self.number("time")?;
        let quality = Quality::from_u8(self.number("quality").unwrap_or(0));
        Some((ns, Point { time: ms(ns), value: self.number("value")?, quality }))
    }
}

fn ms(ns: i64) -> Timestamp {
    Timestamp(ns.div_euclid(1_000_000))
}

impl Rows {
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.values.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// Device and property of a row, when the query grouped by them: InfluxDB 1 and 2 say them
    /// once for all rows, InfluxDB 3 in columns.
    fn key(&self, row: &Row<'_>) -> Option<SeriesKey> {
        let tag = |k: &str| match self.tags.get(k) {
            Some(tag) => Some(Name::from(tag.as_str())),
            None => serde_json::from_str::<String>(row.text(k)?).ok().map(Name::from),
        };
        Some(SeriesKey { device: tag("device")?, property: tag("property")? })
    }

    /// Points with their times in ns. A row without a number was not written by us.
    fn points(&self) -> impl Iterator<Item = (i64, Point)> {
        self.rows().filter_map(|row| row.point())
    }

    /// Series of an answer to `SHOW SERIES`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = SeriesKey> {
        self.rows().filter_map(|row| {
            let text: String = serde_json::from_str(row.text("key")?).ok()?;
            series_key(&text)
        })
    }
}

/// Device and property of a series as the index has it: `air,area=hai_chau,device=st-1,…`.
fn series_key(text: &str) -> Option<SeriesKey> {
    let (mut device, mut property) = (None, None);
    let mut parts = split(text, ',').into_iter();
    let _measurement = parts.next()?;
    for part in parts {
        let pair = split(part, '=');
        let [key, value] = pair.as_slice() else { return None };
        match *key {
            "device" => device = Some(plain(value)),
            "property" => property = Some(plain(value)),
            _ => {}
        }
    }
    Some(SeriesKey { device: device?, property: property? })
}

/// Cuts at a separator that has no backslash before it.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut out, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        if c == separator && !escaped {
            out.push(&text[begin..i]);
            begin = i + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    out.push(&text[begin..]);
    out
}

/// A text of a series without its escapes.
fn plain(text: &str) -> Name {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|c| matches!(c, ',' | '=' | ' '));
        if !escapes {
            out.push(c);
        }
    }
    out.into()
}

/// Brings the points of several measurements together in the order of time; those of one ms in
/// that of their ns, so that pages follow each other exactly.
pub(crate) fn points(rows: &[Rows]) -> Vec<Point> {
    let mut points: Vec<(i64, Point)> = rows.iter().flat_map(Rows::points).collect();
    points.sort_by_key(|p| p.0);
    points.into_iter().map(|p| p.1).collect()
}

/// Answers to the questions for windows in [`super::influxql`]; what was not asked is empty.
#[derive(Default)]
pub(crate) struct WindowAnswers {
    pub(crate) usable: Vec<Rows>,
    pub(crate) bad: Vec<Rows>,
    pub(crate) first: Vec<Rows>,
    pub(crate) latest: Vec<Rows>,
}

/// Makes windows. Those that occur in several measurements (a device that changed its service)
/// are made one.
pub(crate) fn windows(answers: &WindowAnswers, step: Step) -> Vec<Window> {
    let latest = Latest::new(answers, step);
    let mut out: Vec<Window> = Vec::new();
    for rows in &answers.usable {
        out.extend(rows.rows().filter_map(|row| usable(&row, &rows.name, &latest)));
    }
    for rows in &answers.bad {
        out.extend(rows.rows().filter_map(|row| {
            let bad: u64 = row.number("bad")?;
            (bad > 0).then_some(Window { bad, ..aggregate::empty(row.ms()?) })
        }));
    }
    out.sort_by_key(|w| w.start);
    out.dedup_by(|later, earlier| {
        let same = later.start == earlier.start;
        if same {
            aggregate::merge(earlier, later);
        }
        same
    });
    out
}

fn usable(row: &Row<'_>, measurement: &str, latest: &Latest<'_>) -> Option<Window> {
    let start = row.ms()?;
    let count: u64 = row.number("n").filter(|n| *n > 0)?;
    Some(Window {
        start,
        count,
        uncertain: row.number("uncertain").unwrap_or(0).min(count),
        bad: 0,
        min: row.number("lo")?,
        max: row.number("hi")?,
        sum: row.number("total")?,
        last: row.number("value")?,
        last_time: latest.time(measurement, start),
    })
}

/// When the latest point of each window came.
struct Latest<'a> {
    step: Step,
    /// Time of the first point of each measurement, ns.
    first: HashMap<&'a str, i64>,
    /// Time since then, by measurement and begin of the window.
    since: HashMap<(&'a str, Timestamp), i64>,
}

impl<'a> Latest<'a> {
    fn new(answers: &'a WindowAnswers, step: Step) -> Self {
        let first = |r: &'a Rows| Some((&*r.name, r.rows().next()?.number("time")?));
        let since = |r: &'a Rows| {
            r.rows().filter_map(|row| Some(((&*r.name, row.ms()?), row.number("since")?)))
        };
        Self {
            step,
            first: answers.first.iter().filter_map(first).collect(),
            since: answers.latest.iter().flat_map(since).collect(),
        }
    }

    /// The time of the latest point; the begin of the window where it was not asked for, or came
    /// between the questions.
    fn time(&self, measurement: &'a str, start: Timestamp) -> Timestamp {
        let since = self.since.get(&(measurement, start)).copied().unwrap_or(0);
        let time = self.first.get(measurement).map(|first| ms(first.saturating_add(since)));
        time.filter(|t| self.step.begin(*t) == start).unwrap_or(start)
    }
}

/// The newer of the known and the given newest point of each series.
pub(crate) fn take_newest(newest: &mut BTreeMap<SeriesKey, Point>, rows: &Rows) {
    for row in rows.rows() {
        let (Some(key), Some((_, found))) = (rows.key(&row), row.point()) else { continue };
        let point = newest.entry(key).or_insert(found);
        if point.time < found.time {
            *point = found;
        }
    }
}

/// Newest points in the order of series.
pub(crate) fn last_values(newest: BTreeMap<SeriesKey, Point>) -> Vec<LastValue> {
    newest.into_iter().map(|(series, point)| LastValue { series, point }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(series: &str) -> Vec<Rows> {
        let body = format!(r#"{{"results":[{{"statement_id":0,"series":[{series}]}}]}}"#);
        parse(body.as_bytes()).expect("valid")
    }

    #[test]
    fn answers_of_two_measurements_become_one_window() {
        let columns = r#""columns":["time","n","lo","hi","total","value","uncertain"]"#;
        let answers = WindowAnswers {
            usable: rows(&format!(
                r#"{{"name":"air",{columns},"values":[[60000000000,2,1,9,10,9,1],[120000000000,1,5,5,5,5,0]]}},
                   {{"name":"kpi",{columns},"values":[[60000000000,1,4.5,4.5,4.5,4.5,0]]}}"#
            )),
            bad: rows(
                r#"{"name":"air","columns":["time","bad"],"values":[[60000000000,3],[180000000000,1]]}"#,
            ),
            first: rows(
                r#"{"name":"air","columns":["time","value"],"values":[[60001000007,1]]},
                   {"name":"kpi","columns":["time","value"],"values":[[61000000000,4.5]]}"#,
            ),
            latest: rows(
                r#"{"name":"air","columns":["time","since"],"values":[[60000000000,500000000],[120000000000,60000000000]]}"#,
            ),
        };
        let got = windows(&answers, Step::of(60_000));
        let short: Vec<_> = got
            .iter()
            .map(|w| (w.start.0, w.count, w.uncertain, w.bad, w.last, w.last_time.0))
            .collect();
        let none = i64::MIN;
        assert_eq!(short[..2], [(60_000, 3, 1, 3, 4.5, 61_000), (120_000, 1, 0, 0, 5.0, 120_001)]);
        assert_eq!((got[0].min, got[0].max, got[0].sum), (1.0, 9.0, 14.5));
        assert_eq!((got[2].start.0, got[2].count, got[2].bad), (180_000, 0, 1));
        assert!(got[2].last.is_nan() && got[2].last_time.0 == none);
    }

    #[test]
    fn points_of_one_ms_come_in_the_order_of_their_ns() {
        let of = |name: &str, values: &str| {
            format!(
                r#"{{"name":"{name}","columns":["time","value","quality"],"values":[{values}]}}"#
            )
        };
        let answer =
            [of("air", "[1000001,1,0],[1000009,3,2]"), of("kpi", "[1000002,2,1],[1000010,null,0]")];
        let points = points(&rows(&answer.join(",")));
        let got: Vec<_> = points.iter().map(|p| (p.time.0, p.value, p.quality as u8)).collect();
        assert_eq!(got, [(1, 1.0, 0), (1, 2.0, 1), (1, 3.0, 2)]);
    }

    #[test]
    fn newest_points_are_found_by_tags_or_columns() {
        let by_tags = rows(
            r#"{"name":"air","tags":{"device":"d","property":"p"},"columns":["time","value","quality"],"values":[[1000000,1,0]]},
               {"name":"kpi","tags":{"device":"d","property":"p"},"columns":["time","value","quality"],"values":[[3000000,3,1]]},
               {"name":"air","tags":{"device":"é\"","property":"p"},"columns":["time","value","quality"],"values":[[2000000,2,0]]}"#,
        );
        let by_columns = rows(
            r#"{"name":"air","columns":["time","device","property","value","quality"],"values":[[1000000,"d","p",1,0],[2000000,"é\"","p",2,0]]},
               {"name":"kpi","columns":["time","device","property","value","quality"],"values":[[3000000,"d","p",3,1]]}"#,
        );
        for rows in [by_tags, by_columns] {
            let mut newest = BTreeMap::new();
            rows.iter().for_each(|r| take_newest(&mut newest, r));
            let got: Vec<_> = last_values(newest)
                .iter()
                .map(|l| (l.series.device.to_string(), l.point.time.0, l.point.value))
                .collect();
            assert_eq!(got, [("d".to_owned(), 3, 3.0), ("é\"".to_owned(), 2, 2.0)]);
        }
    }

    #[test]
    fn a_servers_error_is_an_error() {
        let body = br#"{"results":[{"statement_id":0,"error":"database not found: x"}]}"#;
        assert!(matches!(parse(body), Err(Error::QueryRefused(e)) if e.contains("not found")));
        assert!(parse(b"<html>").is_err());
    }

    proptest::proptest! {
        /// Whatever the writer writes, the key of its series reads back.
        #[test]
        fn a_key_of_the_index_reads_back(
            device in "[a-z,=\\\\ \"'é😀]{1,12}", property in "[a-z,=\\\\ \"']{1,8}",
            service in "[a-z,=\\\\ ]{1,8}",
        ) {
            let mut line = String::new();
            let written = ioc_model::line::write_point(&ioc_model::line::LinePoint {
                service: &service,
                area: "a b",
                device: &device,
                property: &property,
                value: 1.0,
                quality: Quality::Good,
                nanos: 1,
            }, &mut line);
            if written.is_ok() {
                let (key, _) = line.rsplit_once(" value=").expect("fields");
                let got = series_key(key);
                let expect = SeriesKey { device: device.into(), property: property.into() };
                proptest::prop_assert_eq!(got, Some(expect), "{}", line);
            }
        }
    }
}
