//! The fields of a window rule.

use std::collections::BTreeSet;

use ioc_model::Name;

use super::aggregate::{Aggregate, Events, Of};
use super::sketch::MOST_KEYS;
use super::{Over, Span, WindowRule, each, panes};
use crate::fields::{Fields, Report, boolean, duration, number, text, texts, whole};
use crate::kinds::Loaded;
use crate::kinds::reach::Reach;
use crate::load::{Check, Common, comparison};
use crate::rule::Per;
use crate::yaml::Node;

/// A window of more panes than this would cost kilobytes per device.
const MOST_PANES: i64 = 1440;
/// Each pane of a percentile or a distinct keeps kilobytes itself.
const MOST_KEEPING_PANES: i64 = 288;
const SHORTEST_MS: i64 = 100;
/// Devices of one area are not in step with each other.
const GROUP_GRACE_MS: i64 = 5_000;

const AGGREGATES: [&str; 9] =
    ["count", "sum", "mean", "mean_level", "min", "max", "stddev", "percentile", "distinct"];

/// What the numbers that go into the window are.
struct Source {
    over: Over,
    unit: Name,
    digits: u8,
    /// Physical limits.
    low: f64,
    high: f64,
}

pub(super) fn load(
    fields: &mut Fields<'_>,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<Loaded<WindowRule>> {
    let source = source(fields, check);
    let aggregate = aggregate(fields, source.as_ref(), check);
    let only = fields.get("only");
    let only = match (only, &source) {
        (Some(n), Some(s)) => comparison(n, &s.unit, check).map(Some),
        (Some(_), None) => None,
        (None, _) => Some(None),
    };
    let span = span(fields, aggregate, check);
    let min_filled = min_filled(fields, span, &mut check.report);
    let min_count = match fields.get("min_count") {
        Some(n) => whole(n, 0, 1_000_000, &mut check.report),
        None => Some(match aggregate {
            Some(a) if a.counts() => 0,
            Some(Aggregate::Stddev) => 2,
            _ => 1,
        }),
    };
    let grace_ms = grace(fields, common, span, &mut check.report);
    let numbers = matches!(aggregate, Some(Aggregate::Count | Aggregate::Distinct(_)));
    let unit = if numbers { Some(Name::from("")) } else { source.as_ref().map(|s| s.unit.clone()) };
    let ladder = common.ladder(fields, unit.as_ref(), check);
    let (source, aggregate, ladder) = (source?, aggregate?, ladder?);
    let kind = WindowRule {
        over: source.over.clone(),
        per: common.per,
        aggregate,
        span: span?,
        only: only?,
        min_count: u64::from(min_count?),
        min_filled: min_filled?,
        grace_ms: grace_ms?,
    };
    reach(&kind, &source).check(fields, &ladder, check);
    Some(Loaded {
        ladder,
        unit: unit?,
        digits: if numbers { 0 } else { source.digits },
        cleared: (
            "{device}: trở lại bình thường ({value} {unit})",
            "{device}: back to normal ({value} {unit})",
        ),
        kind,
    })
}

/// `property`, or `detects` with what narrows it.
fn source(fields: &mut Fields<'_>, check: &mut Check<'_>) -> Option<Source> {
    let (property, detects) = (fields.get("property"), fields.get("detects"));
    let narrow = [fields.get("objects"), fields.get("zones"), fields.get("min_confidence")];
    if let (Some(_), Some(n)) = (property, detects) {
        check.report.error(n, "a window is over a `property` or over what a camera `detects`");
        return None;
    }
    if let Some(node) = detects {
        return events(node, narrow, check);
    }
    for node in narrow.into_iter().flatten() {
        let message = "`objects`, `zones` and `min_confidence` narrow what a camera `detects`";
        check.report.error(node, message);
    }
    let Some(node) = property else {
        let hint = "`property: pm25`, or `detects: crowd` for camera events";
        check.report.hinted(fields.node(), "`property` is missing", hint);
        return None;
    };
    let (property, unit, digits) = check.property(node)?;
    let limits = check.city.properties.get(&property).map(|p| (p.min, p.max));
    let (low, high) = limits.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    Some(Source { over: Over::Property(property), unit, digits, low, high })
}

fn events(node: &Node, narrow: [Option<&Node>; 3], check: &mut Check<'_>) -> Option<Source> {
    let mut names = |n: Option<&Node>| -> BTreeSet<Name> {
        let list = n.map(|n| texts(n, &mut check.report)).unwrap_or_default();
        list.into_iter().map(|(_, t)| t.into()).collect()
    };
    let [objects, zones, confidence] = narrow;
    let (kinds, objects, zones) = (names(Some(node)), names(objects), names(zones));
    let min_confidence = match confidence {
        None => 0.0,
        Some(n) => {
            let value = number(n, &mut check.report)?;
            if !(0.0..=1.0).contains(&value) {
                let message = format!("expected a confidence from 0 to 1, found {value}");
                check.report.error(n, message);
                return None;
            }
            value
        }
    };
    if kinds.is_empty() {
        check.report.error(node, "at least one type of event is needed");
        return None;
    }
    let over = Over::Events(Events { kinds, objects, zones, min_confidence });
    Some(Source { over, unit: "".into(), digits: 1, low: 0.0, high: f64::INFINITY })
}

fn aggregate(
    fields: &mut Fields<'_>,
    source: Option<&Source>,
    check: &mut Check<'_>,
) -> Option<Aggregate> {
    let node = fields.require("aggregate", &mut check.report);
    let (percentile, of) = (fields.get("percentile"), fields.get("of"));
    let node = node?;
    let word = text(node, &mut check.report)?;
    for (field, key, only) in [(percentile, "percentile", "percentile"), (of, "of", "distinct")] {
        if let Some(n) = field.filter(|_| word != only) {
            check.report.error(n, format!("`{key}` is for `aggregate: {only}`"));
        }
    }
    Some(match word {
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "mean" => Aggregate::Mean,
        "mean_level" => {
            if let Some(s) = source
                && !s.unit.starts_with("dB")
            {
                let message = format!("`mean_level` is for levels in dB, not for `{}`", s.unit);
                check.report.error(node, message);
            }
            Aggregate::MeanLevel
        }
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "stddev" => Aggregate::Stddev,
        "percentile" => Aggregate::Percentile(percent(node, percentile, &mut check.report)?),
        "distinct" => Aggregate::Distinct(distinct(of, source, check)?),
        _ => {
            check.report.unknown(node, "aggregate", word, AGGREGATES.into_iter());
            return None;
        }
    })
}

fn percent(aggregate: &Node, node: Option<&Node>, report: &mut Report) -> Option<f64> {
    let Some(node) = node else {
        report.hinted(aggregate, "which percentile?", "add `percentile: 95`");
        return None;
    };
    let p = number(node, report)?;
    if p > 0.0 && p <= 100.0 {
        return Some(p);
    }
    report.error(node, format!("a percentile is above 0 and at most 100, found {p}"));
    None
}

fn distinct(node: Option<&Node>, source: Option<&Source>, check: &mut Check<'_>) -> Option<Of> {
    let events = matches!(source?.over, Over::Events(_));
    let Some(node) = node else {
        return Some(if events { Of::Object } else { Of::Value });
    };
    let word = text(node, &mut check.report)?;
    let known = Of::WORDS.into_iter().filter(|(_, of)| match of {
        Of::Device => true,
        Of::Value => !events,
        Of::Object | Of::Zone | Of::Type => events,
    });
    let known: Vec<(&str, Of)> = known.collect();
    let found = known.iter().find(|(w, _)| *w == word).map(|(_, of)| *of);
    if found.is_none() {
        check.report.unknown(node, "`of`", word, known.iter().map(|(w, _)| *w));
    }
    found
}

fn span(
    fields: &mut Fields<'_>,
    aggregate: Option<Aggregate>,
    check: &mut Check<'_>,
) -> Option<Span> {
    let report = &mut check.report;
    let (size, slide, gap) = (fields.get("size"), fields.get("slide"), fields.get("gap"));
    let (max, early) = (fields.get("max"), fields.get("early"));
    if let Some(gap) = gap {
        for node in [size, slide].into_iter().flatten() {
            report.error(node, "a session has a `gap`, no `size` and no `slide`");
        }
        return session(gap, max, early, report);
    }
    for node in [max, early].into_iter().flatten() {
        report.hinted(node, "`max` and `early` are for sessions", "add `gap: 10m`");
    }
    let Some(size) = size else {
        let hint = "`size: 1h`, or `gap: 10m` for a session";
        report.hinted(fields.node(), "`size` is missing", hint);
        return None;
    };
    let size_ms = duration(size, SHORTEST_MS, report);
    let Some(slide) = slide else {
        return size_ms.map(|size_ms| Span::Panes(panes::Shape { size_ms, slide_ms: size_ms }));
    };
    if text(slide, report)? == "each" {
        return size_ms.map(|size_ms| Span::Each { size_ms });
    }
    let slide_ms = duration(slide, SHORTEST_MS, report);
    let (size_ms, slide_ms) = (size_ms?, slide_ms?);
    let keeps = aggregate.is_some_and(Aggregate::keeps);
    let most = if keeps { MOST_KEEPING_PANES } else { MOST_PANES };
    if slide_ms > size_ms || size_ms % slide_ms != 0 || size_ms / slide_ms > most {
        let hint = format!(
            "the size must be 1 to {most} times the slide, without a rest; `slide: each` judges \
             at every reading"
        );
        report.hinted(slide, "size and slide do not fit together", hint);
        return None;
    }
    Some(Span::Panes(panes::Shape { size_ms, slide_ms }))
}

fn session(
    gap: &Node,
    max: Option<&Node>,
    early: Option<&Node>,
    report: &mut Report,
) -> Option<Span> {
    let gap_ms = duration(gap, SHORTEST_MS, report);
    let max_ms = max.map(|n| duration(n, SHORTEST_MS, report));
    let early = early.map_or(Some(false), |n| boolean(n, report));
    let max_ms = match max_ms {
        None => None,
        Some(ms) => Some(ms?),
    };
    if let (Some(gap_ms), Some(max_ms), Some(node)) = (gap_ms, max_ms, max)
        && max_ms <= gap_ms
    {
        report.error(node, "`max` is not longer than `gap`: no gap would ever end a session");
        return None;
    }
    Some(Span::Session { gap_ms: gap_ms?, max_ms, early: early? })
}

fn min_filled(fields: &mut Fields<'_>, span: Option<Span>, report: &mut Report) -> Option<usize> {
    let Some(node) = fields.get("min_filled") else { return Some(0) };
    let filled = whole(node, 1, MOST_PANES as u32, report)?;
    match span? {
        Span::Panes(shape) => {
            let slides = shape.size_ms / shape.slide_ms;
            if i64::from(filled) > slides {
                report.error(node, format!("the window has only {slides} slides"));
            }
        }
        Span::Each { .. } | Span::Session { .. } => {
            let message = "`min_filled` counts slides, of which this window has none";
            report.hinted(node, message, "`min_count` counts readings");
        }
    }
    Some(filled as usize)
}

fn grace(
    fields: &mut Fields<'_>,
    common: &Common,
    span: Option<Span>,
    report: &mut Report,
) -> Option<i64> {
    let Some(node) = fields.get("grace") else {
        return Some(if common.per == Per::Device { 0 } else { GROUP_GRACE_MS });
    };
    let ms = duration(node, 0, report)?;
    if let Some(Span::Panes(shape)) = span
        && ms / shape.slide_ms > MOST_PANES
    {
        let message = format!("a grace of more than {MOST_PANES} slides");
        report.hinted(node, message, "make `slide` longer");
    }
    Some(ms)
}

/// The values that a window can have.
fn reach(rule: &WindowRule, source: &Source) -> Reach {
    let (low, high) = (source.low, source.high);
    let ends = matches!(rule.span, Span::Session { early: true, .. });
    // A session begins with a reading.
    let least = rule.min_count.max(u64::from(matches!(rule.span, Span::Session { .. })));
    let panes = match rule.span {
        Span::Panes(shape) => shape.size_ms / shape.slide_ms,
        _ => 1,
    };
    let (low, high) = match rule.aggregate {
        Aggregate::Count => (least as f64, f64::INFINITY),
        Aggregate::Distinct(_) if matches!(rule.span, Span::Each { .. }) => {
            (least.min(1) as f64, each::MOST_VALUES as f64)
        }
        Aggregate::Distinct(_) => (least.min(1) as f64, (panes * MOST_KEYS as i64) as f64),
        Aggregate::Sum => (
            if low < 0.0 { f64::NEG_INFINITY } else { least as f64 * low },
            if high > 0.0 { f64::INFINITY } else { 0.0 },
        ),
        // Half of the values at each end; n / (n - 1) is at most 2.
        Aggregate::Stddev => (0.0, (high - low) * std::f64::consts::FRAC_1_SQRT_2),
        _ => (low, high),
    };
    Reach { low, high, ends }
}
