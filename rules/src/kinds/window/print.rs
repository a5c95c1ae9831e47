//! A window rule back to its fields.

use super::aggregate::{Aggregate, Events};
use super::{Over, Span, WindowRule};
use crate::load::print_comparison;
use crate::print;
use crate::yaml::Node;

pub(super) fn word(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "count",
        Aggregate::Sum => "sum",
        Aggregate::Mean => "mean",
        Aggregate::MeanLevel => "mean_level",
        Aggregate::Min => "min",
        Aggregate::Max => "max",
        Aggregate::Stddev => "stddev",
        Aggregate::Percentile(_) => "percentile",
        Aggregate::Distinct(_) => "distinct",
    }
}

pub(super) fn print(rule: &WindowRule) -> Vec<(&'static str, Node)> {
    let mut out = match &rule.over {
        Over::Property(property) => vec![("property", print::text(&**property))],
        Over::Events(events) => print_events(events),
    };
    out.push(("aggregate", print::text(word(rule.aggregate))));
    match rule.aggregate {
        Aggregate::Percentile(p) => out.push(("percentile", print::number(p))),
        Aggregate::Distinct(of) => out.push(("of", print::text(of.word()))),
        _ => {}
    }
    if let Some((op, limit)) = &rule.only {
        out.push(("only", print_comparison(*op, limit)));
    }
    match rule.span {
        Span::Panes(shape) => {
            out.push(("size", print::duration(shape.size_ms)));
            out.push(("slide", print::duration(shape.slide_ms)));
        }
        Span::Each { size_ms } => {
            out.push(("size", print::duration(size_ms)));
            out.push(("slide", print::text("each")));
        }
        Span::Session { gap_ms, max_ms, early } => {
            out.push(("gap", print::duration(gap_ms)));
            out.extend(max_ms.map(|ms| ("max", print::duration(ms))));
            out.push(("early", print::boolean(early)));
        }
    }
    out.push(("min_count", print::number(rule.min_count as u32)));
    if rule.min_filled > 0 {
        out.push(("min_filled", print::number(rule.min_filled as u32)));
    }
    out.push(("grace", print::duration(rule.grace_ms)));
    out
}

fn print_events(events: &Events) -> Vec<(&'static str, Node)> {
    let mut out = vec![("detects", print::texts(&events.kinds))];
    for (key, names) in [("objects", &events.objects), ("zones", &events.zones)] {
        if !names.is_empty() {
            out.push((key, print::texts(names)));
        }
    }
    if events.min_confidence > 0.0 {
        out.push(("min_confidence", print::number(events.min_confidence)));
    }
    out
}
