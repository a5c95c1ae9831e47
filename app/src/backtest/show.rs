//! A backtest as tables for people.

use std::io::{self, Write};

use ioc_model::{Entity, Timestamp};
use ioc_rules::{Diff, Episode, Report, RuleReport, Span};

use super::Outcome;
use crate::cli::Language;
use crate::words::{count, one_line, span};

/// Writes everything, `list` alerts of each list.
pub(super) fn tables(
    o: &Outcome,
    language: Language,
    list: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let (r, c) = (&o.report, &o.report.coverage);
    let until = c.last.map_or(r.to, |last| last.min(r.to));
    writeln!(out, "{} to {until} ({} clock)", r.from, r.clock)?;
    if let Some(warm) = c.warm_up_from.filter(|warm| *warm < r.from) {
        let (n, t) = (count(c.warm_up_records), span(r.from.since_ms(warm)));
        writeln!(out, "warm-up of {t} before it: {n} records")?;
    }
    let rate = if o.seconds > 0.0 { o.records as f64 / o.seconds } else { 0.0 };
    writeln!(
        out,
        "{} records judged in {:.2} s ({}/s), {} of them late{}",
        count(o.records),
        o.seconds,
        count(rate as u64),
        count(c.late),
        if o.corrupt > 0 { format!("; {} damaged batches skipped", o.corrupt) } else { "".into() },
    )?;
    writeln!(out)?;
    match (&o.against, &o.diff) {
        (Some(against), Some(diff)) => {
            summary("with these rules", r, out)?;
            summary("with --against", against, out)?;
            difference(diff, language, list, out)
        }
        _ => {
            summary("raised", r, out)?;
            rules(&r.rules, out)?;
            entities(r, out)?;
            episodes(r, language, list, out)
        }
    }
}

fn summary(title: &str, r: &Report, out: &mut impl Write) -> io::Result<()> {
    let (l, d) = (&r.load, &r.durations);
    writeln!(
        out,
        "{title}: {} alerts; {} more ran from before, {} still ran at the end",
        count(r.raised),
        count(r.carried),
        count(r.open)
    )?;
    writeln!(
        out,
        "  load: {:.1} an hour, at most {}; hours over 6/12/30: {}/{}/{} of {:.2}; \
         10 minutes over 10: {} ({:.1} % of the time), at most {}",
        l.mean_per_hour,
        l.max_per_hour,
        l.hours_over_6,
        l.hours_over_12,
        l.hours_over_30,
        l.hours,
        l.floods,
        l.flood_share * 100.0,
        l.max_per_10_min
    )?;
    if d.ended > 0 {
        writeln!(
            out,
            "  they ran: median {}, 9 of 10 up to {}, longest {}; under a minute: {}, over a day: {}",
            span(d.median_ms),
            span(d.p90_ms),
            span(d.longest_ms),
            d.under_a_minute,
            d.over_a_day
        )?;
    }
    Ok(())
}

fn rules(rules: &[RuleReport], out: &mut impl Write) -> io::Result<()> {
    let heard: Vec<&RuleReport> = rules.iter().filter(|r| r.raised + r.carried > 0).collect();
    if !heard.is_empty() {
        let (w, e) = (widest(heard.iter().map(|r| &*r.rule), "rule"), "emerg/crit/maj/min/info");
        writeln!(
            out,
            "\n{:w$}  {:>7} {:>7} {:>5} {:>8}  {:>23}  active",
            "rule", "raised", "before", "open", "entities", e
        )?;
        for r in heard {
            let [info, minor, major, critical, emergency] = r.by_severity;
            let by = format!("{emergency}/{critical}/{major}/{minor}/{info}");
            let shadow = if r.mode == "shadow" { "  (shadow)" } else { "" };
            writeln!(
                out,
                "{:w$}  {:>7} {:>7} {:>5} {:>8}  {by:>23}  {}{shadow}",
                r.rule,
                r.raised,
                r.carried,
                r.open,
                r.entities,
                span(r.active_ms)
            )?;
        }
    }
    let silent: Vec<&str> =
        rules.iter().filter(|r| r.raised + r.carried == 0).map(|r| &*r.rule).collect();
    if !silent.is_empty() {
        writeln!(out, "raised nothing: {}", silent.join(", "))?;
    }
    Ok(())
}

fn entities(r: &Report, out: &mut impl Write) -> io::Result<()> {
    if r.top_entities.is_empty() {
        return Ok(());
    }
    let w = widest(r.top_entities.iter().take(10).map(|e| e.entity.to_string()), "entity");
    writeln!(out, "\n{:w$}  {:>7}  share", "entity", "raised")?;
    for e in r.top_entities.iter().take(10) {
        let entity = e.entity.to_string();
        writeln!(out, "{entity:w$}  {:>7}  {:.1} %", e.raised, e.share * 100.0)?;
    }
    Ok(())
}

fn episodes(r: &Report, language: Language, list: usize, out: &mut impl Write) -> io::Result<()> {
    if r.episodes.is_empty() || list == 0 {
        return Ok(());
    }
    writeln!(out)?;
    for e in r.episodes.iter().take(list) {
        line("", e, language, out)?;
    }
    more(r.episodes.len() as u64 + r.left_out, list, out)
}

fn difference(d: &Diff, language: Language, list: usize, out: &mut impl Write) -> io::Result<()> {
    let w = widest(d.rules.iter().map(|r| &*r.rule), "rule");
    writeln!(
        out,
        "\n{:w$}  {:>7} {:>9} {:>9} {:>12} {:>8}",
        "rule", "these", "--against", "only here", "only against", "changed"
    )?;
    for r in &d.rules {
        writeln!(
            out,
            "{:w$}  {:>7} {:>9} {:>9} {:>12} {:>8}",
            r.rule, r.a, r.b, r.only_a, r.only_b, r.changed
        )?;
    }
    for (sign, episodes) in [("+ ", &d.only_a), ("- ", &d.only_b)] {
        if !episodes.is_empty() && list > 0 {
            writeln!(out)?;
        }
        for e in episodes.iter().take(list) {
            line(sign, e, language, out)?;
        }
        more(episodes.len() as u64, list, out)?;
    }
    let changed: Vec<_> = d.both.iter().filter(|p| p.a != p.b).collect();
    for pair in changed.iter().take(list) {
        let Span { start, end, severity } = pair.b;
        writeln!(
            out,
            "~ {}  {} {}: {} {} instead of {start} {} {}",
            ran(&pair.a),
            pair.rule,
            pair.entity,
            pair.a.severity.as_str(),
            pair.a.start,
            severity.as_str(),
            lasting(start, end),
        )?;
    }
    more(changed.len() as u64, list, out)?;
    if d.left_out > 0 {
        writeln!(out, "{} alerts too many to compare", count(d.left_out))?;
    }
    Ok(())
}

fn ran(s: &Span) -> String {
    lasting(s.start, s.end)
}

fn lasting(start: Timestamp, end: Option<Timestamp>) -> String {
    end.map_or_else(|| "open".into(), |end| span(end.since_ms(start)))
}

fn line(sign: &str, e: &Episode, language: Language, out: &mut impl Write) -> io::Result<()> {
    let entity = match &e.entity {
        Entity::City => "city".to_owned(),
        entity => entity.to_string(),
    };
    let mark = match (e.carried, e.shadow) {
        (true, _) => " (from before)",
        (_, true) => " (shadow)",
        _ => "",
    };
    let message = one_line(language.pick(&e.message));
    let (severity, ran) = (e.severity.as_str(), lasting(e.start, e.end));
    writeln!(
        out,
        "{sign}{}  {ran:>8}  {severity:9}  {}  {entity}  {message}{mark}",
        e.start, e.rule
    )
}

fn more(all: u64, listed: usize, out: &mut impl Write) -> io::Result<()> {
    match all.saturating_sub(listed as u64) {
        0 => Ok(()),
        n => writeln!(out, "… and {} more (--list N, or --json for all)", count(n)),
    }
}

fn widest(names: impl Iterator<Item = impl AsRef<str>>, head: &str) -> usize {
    names.map(|n| n.as_ref().chars().count()).fold(head.len(), usize::max)
}
