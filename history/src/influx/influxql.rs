//! InfluxQL text. No text of a user reaches a query but through [`string`].
//!
//! One statement a request: InfluxDB 3 takes no more.

use ioc_model::{RangeQuery, SeriesFilter, SeriesKey, Timestamp, WindowQuery};

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

fn time(from: Timestamp, to: Timestamp) -> String {
    format!("time >= {} AND time < {}", nanos(from.0), nanos(to.0))
}

/// Where a series is. Measurements are services: all are asked, the device decides.
fn of_series(series: &SeriesKey) -> String {
    let (device, property) = (string(&series.device), string(&series.property));
    format!("FROM /.*/ WHERE \"device\" = {device} AND \"property\" = {property}")
}

/// One more than asked for says that there are more.
fn limit(n: usize) -> usize {
    n.saturating_add(1).min(i64::MAX as usize)
}

/// Raw points.
pub(crate) fn raw(q: &RangeQuery) -> String {
    format!(
        "SELECT \"value\", \"quality\" {} AND {} ORDER BY time ASC LIMIT {}",
        of_series(&q.series),
        time(q.from, q.to),
        limit(q.limit),
    )
}

/// The windows of the usable points, with all aggregates; its times are their begins.
pub(crate) fn usable(q: &WindowQuery) -> String {
    let (of_usable, by) = (of_usable(q), by(q));
    format!(
        "SELECT count(\"value\") AS \"n\", min(\"value\") AS \"lo\", max(\"value\") AS \"hi\", \
         sum(\"value\") AS \"total\", last(\"value\") AS \"value\", \
         sum(\"quality\") AS \"uncertain\" {of_usable} {by}"
    )
}

/// The windows of the bad points.
pub(crate) fn bad(q: &WindowQuery) -> String {
    let (of_series, time, by) = (of_series(&q.series), time(q.from, q.to), by(q));
    format!("SELECT count(\"quality\") AS \"bad\" {of_series} AND {time} AND \"quality\" >= 2 {by}")
}

/// The first usable point, with its time.
pub(crate) fn first(q: &WindowQuery) -> String {
    format!("SELECT first(\"value\") AS \"value\" {}", of_usable(q))
}

/// How long after the first usable point the latest of each window came, in ns. InfluxQL gives no
/// point's time together with windows; sums of the distances between points do.
///
/// The range must be one that has windows: InfluxDB 1 answers nothing when it begins at the first
/// moment of all.
pub(crate) fn latest(q: &WindowQuery) -> String {
    let (of_usable, time, by) = (of_usable(q), time(q.from, q.to), by(q));
    format!(
        "SELECT last(\"since\") AS \"since\" FROM (SELECT cumulative_sum(\"gap\") AS \"since\" \
         FROM (SELECT elapsed(\"value\", 1ns) AS \"gap\" {of_usable})) WHERE {time} {by}"
    )
}

fn of_usable(q: &WindowQuery) -> String {
    format!("{} AND {} AND \"quality\" < 2", of_series(&q.series), time(q.from, q.to))
}

fn by(q: &WindowQuery) -> String {
    let ms = q.step.ms.max(1);
    let (offset, limit) = (q.step.offset_ms.rem_euclid(ms), limit(q.limit));
    format!("GROUP BY time({ms}ms,{offset}ms) fill(none) ORDER BY time ASC LIMIT {limit}")
}

/// The query for the newest point of each series.
pub(crate) fn last(filter: &SeriesFilter, at: Option<Timestamp>) -> String {
    let mut conditions = tags(filter);
    if let Some(at) = at {
        conditions.push(format!("time < {}", nanos(at.0.saturating_add(1))));
    }
    let filter = whereas(&conditions);
    format!(
        "SELECT last(\"value\") AS \"value\", \"quality\" FROM /.*/{filter} \
         GROUP BY \"device\", \"property\""
    )
}

/// The query for the series that exist, from the index alone.
pub(crate) fn series(filter: &SeriesFilter) -> String {
    format!("SHOW SERIES FROM /.*/{}", whereas(&tags(filter)))
}

fn tags(filter: &SeriesFilter) -> Vec<String> {
    let one = |key: &str, text: &Option<ioc_model::Name>| {
        text.as_ref().map(|t| format!("\"{key}\" = {}", string(t)))
    };
    let both = [one("device", &filter.device), one("property", &filter.property)];
    both.into_iter().flatten().collect()
}

fn whereas(conditions: &[String]) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::Step;

    use super::*;

    fn hostile() -> SeriesKey {
        SeriesKey { device: "d'; DROP DATABASE x; --".into(), property: "p\\".into() }
    }

    #[test]
    fn hostile_text_stays_inside_its_literal() {
        assert_eq!(string("a'b\\c\nd\"e"), "'a\\'b\\\\c\\nd\"e'");
        let query = RangeQuery {
            series: hostile(),
            from: Timestamp(1_000),
            to: Timestamp(i64::MAX),
            step: None,
            limit: 10,
        };
        insta::assert_snapshot!(raw(&query), @r#"SELECT "value", "quality" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 9223372036854775806 ORDER BY time ASC LIMIT 11"#);
        let filter = SeriesFilter { property: Some("'".into()), ..SeriesFilter::of(Some("\\")) };
        insta::assert_snapshot!(series(&filter), @r#"SHOW SERIES FROM /.*/ WHERE "device" = '\\' AND "property" = '\''"#);
        insta::assert_snapshot!(last(&filter, Some(Timestamp(5))), @r#"SELECT last("value") AS "value", "quality" FROM /.*/ WHERE "device" = '\\' AND "property" = '\'' AND time < 6000000 GROUP BY "device", "property""#);
    }

    #[test]
    fn windows_are_asked_for_by_quality_and_offset() {
        let query = WindowQuery {
            series: hostile(),
            from: Timestamp(1_000),
            to: Timestamp(2_000),
            step: Step { ms: 86_400_000, offset_ms: -25_200_000 },
            limit: 10,
        };
        insta::assert_snapshot!(usable(&query), @r#"SELECT count("value") AS "n", min("value") AS "lo", max("value") AS "hi", sum("value") AS "total", last("value") AS "value", sum("quality") AS "uncertain" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 2000000000 AND "quality" < 2 GROUP BY time(86400000ms,61200000ms) fill(none) ORDER BY time ASC LIMIT 11"#);
        insta::assert_snapshot!(bad(&query), @r#"SELECT count("quality") AS "bad" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 2000000000 AND "quality" >= 2 GROUP BY time(86400000ms,61200000ms) fill(none) ORDER BY time ASC LIMIT 11"#);
        insta::assert_snapshot!(first(&query), @r#"SELECT first("value") AS "value" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 2000000000 AND "quality" < 2"#);
        insta::assert_snapshot!(latest(&query), @r#"SELECT last("since") AS "since" FROM (SELECT cumulative_sum("gap") AS "since" FROM (SELECT elapsed("value", 1ns) AS "gap" FROM /.*/ WHERE "device" = 'd\'; DROP DATABASE x; --' AND "property" = 'p\\' AND time >= 1000000000 AND time < 2000000000 AND "quality" < 2)) WHERE time >= 1000000000 AND time < 2000000000 GROUP BY time(86400000ms,61200000ms) fill(none) ORDER BY time ASC LIMIT 11"#);
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
