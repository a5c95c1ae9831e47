//! InfluxQL text and its answers. No text of a user reaches a query but through [`string`].

use std::collections::BTreeMap;

use ioc_model::{
    Aggregate, LastValue, Name, Point, Quality, RangeQuery, SeriesKey, Step, Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Error;

/// A string literal: quotes, backslashes and line ends escaped (influxql/scanner.go, `ScanString`).
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// Nanoseconds of a moment, at the ends of what InfluxDB knows when it lies beyond.
fn nanos(ms: i64) -> i64 {
    // models/time.go: MinNanoTime, MaxNanoTime.
    ms.saturating_mul(1_000_000).clamp(i64::MIN + 2, i64::MAX - 1)
}

/// The query for a range. Measurements are services: all are asked, the device decides.
pub(crate) fn range(q: &RangeQuery) -> String {
    let filter = format!(
        "FROM /.*/ WHERE \"device\" = {} AND \"property\" = {} AND time >= {} AND time < {}",
        string(&q.series.device),
        string(&q.series.property),
        nanos(q.from.0),
        nanos(q.to.0),
    );
    let limit = q.limit.saturating_add(1).min(i64::MAX as usize);
    match q.step {
        None => format!("SELECT \"value\", \"quality\" {filter} ORDER BY time ASC LIMIT {limit}"),
        Some((step, how)) => format!(
            "SELECT {}(\"value\") AS \"value\", max(\"quality\") AS \"quality\", \
             count(\"value\") AS \"n\" {filter} AND \"quality\" < 2 \
             GROUP BY time({}ms,{}ms) fill(none) ORDER BY time ASC LIMIT {limit}",
            function(how),
            step.ms.max(1),
            step.offset_ms,
        ),
    }
}

fn function(how: Aggregate) -> &'static str {
    match how {
        Aggregate::Mean => "mean",
        Aggregate::Min => "min",
        Aggregate::Max => "max",
        Aggregate::Sum => "sum",
        Aggregate::Count => "count",
        Aggregate::Last => "last",
    }
}

/// The query for the newest point of each series, and so also for the series that exist.
pub(crate) fn last(device: Option<&str>, at: Option<Timestamp>) -> String {
    let mut conditions = Vec::new();
    if let Some(d) = device {
        conditions.push(format!("\"device\" = {}", string(d)));
    }
    if let Some(at) = at {
        conditions.push(format!("time < {}", nanos(at.0.saturating_add(1))));
    }
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    format!(
        "SELECT last(\"value\") AS \"value\", \"quality\" FROM /.*/{filter} \
         GROUP BY \"device\", \"property\""
    )
}

/// Body of an answer of `/query` with `epoch=ns`.
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
    #[serde(default)]
    tags: BTreeMap<String, String>,
    columns: Vec<String>,
    #[serde(default)]
    /// Kept as text: `serde_json` reads numbers one unit of the last place off now and then.
    values: Vec<Vec<Box<RawValue>>>,
}

/// One row: its point, and how many points were made into it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    point: Point,
    n: f64,
}

impl Rows {
    /// Device and property, when the query grouped by them.
    fn key(&self) -> Option<SeriesKey> {
        let tag = |k: &str| self.tags.get(k).map(|t| Name::from(t.as_str()));
        Some(SeriesKey { device: tag("device")?, property: tag("property")? })
    }

    /// Rows that have a time and a value. A row without a number was not written by us.
    fn cells(&self) -> impl Iterator<Item = Cell> {
        let column = |name: &str| self.columns.iter().position(|c| c == name);
        let (time, value) = (column("time"), column("value"));
        let (quality, n) = (column("quality"), column("n"));
        self.values.iter().filter_map(move |row| {
            let text = |i: Option<usize>| row.get(i?).map(|v| v.get());
            let ns: i64 = text(time)?.parse().ok()?;
            let value: f64 = text(value)?.parse().ok()?;
            let quality = text(quality).and_then(|t| t.parse().ok()).unwrap_or(0);
            let point = Point {
                time: Timestamp(ns.div_euclid(1_000_000)),
                value,
                quality: Quality::from_u8(quality),
            };
            let n = text(n).and_then(|t| t.parse().ok()).unwrap_or(1.0);
            Some(Cell { point, n })
        })
    }
}

/// Reads an answer.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Rows>, Error> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|e| Error::Query(format!("unreadable answer: {e}")))?;
    if let Some(e) = body.error {
        return Err(Error::Query(e));
    }
    let mut rows = Vec::new();
    for result in body.results {
        if let Some(e) = result.error {
            return Err(Error::Query(e));
        }
        rows.extend(result.series);
    }
    Ok(rows)
}

/// Brings the rows of several measurements together in the order of time; windows that occur in
/// several (a device that changed its service) are made one.
pub(crate) fn merge(rows: &[Rows], step: Option<(Step, Aggregate)>) -> Vec<Point> {
    let mut cells: Vec<Cell> = rows.iter().flat_map(Rows::cells).collect();
    cells.sort_by_key(|c| c.point.time);
    let Some((_, how)) = step else {
        return cells.into_iter().map(|c| c.point).collect();
    };
    let mut out: Vec<Cell> = Vec::with_capacity(cells.len());
    for c in cells {
        match out.last_mut() {
            Some(o) if o.point.time == c.point.time => *o = combine(*o, c, how),
            _ => out.push(c),
        }
    }
    out.into_iter().map(|c| c.point).collect()
}

/// The newest point of each series, in the order of series.
pub(crate) fn newest(rows: &[Rows]) -> Vec<LastValue> {
    let mut newest: BTreeMap<SeriesKey, Point> = BTreeMap::new();
    for r in rows {
        let (Some(key), Some(cell)) = (r.key(), r.cells().next()) else { continue };
        let point = newest.entry(key).or_insert(cell.point);
        if point.time < cell.point.time {
            *point = cell.point;
        }
    }
    newest.into_iter().map(|(series, point)| LastValue { series, point }).collect()
}

fn combine(a: Cell, b: Cell, how: Aggregate) -> Cell {
    let (x, y, n) = (a.point.value, b.point.value, a.n + b.n);
    let value = match how {
        Aggregate::Mean => (x * a.n + y * b.n) / n,
        Aggregate::Min => x.min(y),
        Aggregate::Max => x.max(y),
        Aggregate::Sum | Aggregate::Count => x + y,
        // Which of two services spoke last inside the window is not known here.
        Aggregate::Last => y,
    };
    let worse = if (a.point.quality as u8) < b.point.quality as u8 { b } else { a };
    Cell { point: Point { value, quality: worse.point.quality, ..a.point }, n }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(step: Option<(Step, Aggregate)>) -> RangeQuery {
        RangeQuery {
            series: SeriesKey { device: "d'; DROP DATABASE x; --".into(), property: "p\\".into() },
            from: Timestamp(1_000),
            to: Timestamp(i64::MAX),
            step,
            limit: 10,
        }
    }

    #[test]
    fn hostile_text_stays_inside_its_literal() {
        assert_eq!(string("a'b\\c\nd\"e"), "'a\\'b\\\\c\\nd\"e'");
        insta::assert_snapshot!(range(&query(None)), @r#"SELECT "value", "quality" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 9223372036854775806 ORDER BY time ASC LIMIT 11"#);
    }

    #[test]
    fn windows_leave_bad_values_out() {
        insta::assert_snapshot!(range(&query(Some((Step::of(60_000), Aggregate::Mean)))), @r#"SELECT mean("value") AS "value", max("quality") AS "quality", count("value") AS "n" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 9223372036854775806 AND "quality" < 2 GROUP BY time(60000ms,0ms) fill(none) ORDER BY time ASC LIMIT 11"#);
    }

    #[test]
    fn answers_of_two_measurements_become_one() {
        let body = br#"{"results":[{"statement_id":0,"series":[
          {"name":"air","columns":["time","value","quality","n"],
           "values":[[60000000000,10.0,0,1],[120000000000,5,1,2]]},
          {"name":"kpi","columns":["time","value","quality","n"],"values":[[60000000000,40.0,1,2]]}
        ]}]}"#;
        let rows = parse(body).expect("valid");
        let points = merge(&rows, Some((Step::of(60_000), Aggregate::Mean)));
        let got: Vec<_> = points.iter().map(|p| (p.time.0, p.value, p.quality)).collect();
        let expect = vec![(60_000, 30.0, Quality::Uncertain), (120_000, 5.0, Quality::Uncertain)];
        assert_eq!(got, expect);
    }

    #[test]
    fn a_servers_error_is_an_error() {
        let body = br#"{"results":[{"statement_id":0,"error":"database not found: x"}]}"#;
        assert!(matches!(parse(body), Err(Error::Query(e)) if e.contains("not found")));
        assert!(parse(b"<html>").is_err());
    }

    proptest::proptest! {
        /// An independent reader of InfluxQL string literals gets the text back and ends exactly
        /// at the closing quote.
        #[test]
        fn a_literal_reads_back(text in "\\PC*|[\\\\'\"\n;a ]{0,20}") {
            let literal = string(&text);
            let mut chars = literal.chars();
            proptest::prop_assert_eq!(chars.next(), Some('\''));
            let mut back = String::new();
            loop {
                match chars.next() {
                    Some('\'') => break,
                    Some('\\') => match chars.next() {
                        Some('n') => back.push('\n'),
                        Some(c @ ('\\' | '\'' | '"')) => back.push(c),
                        other => proptest::prop_assert!(false, "bad escape {:?}", other),
                    },
                    Some(c) => back.push(c),
                    None => proptest::prop_assert!(false, "literal does not end"),
                }
            }
            proptest::prop_assert_eq!(chars.next(), None);
            proptest::prop_assert_eq!(back, text);
        }
    }
}
