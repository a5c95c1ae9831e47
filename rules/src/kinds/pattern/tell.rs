//! What a pattern tells people: its steps with their times, and what it waits for.

use std::fmt::Write;

use ioc_model::{Evidence, Name, Text};

use super::{OFF, PatternRule, PatternState, Seen, Sequence, Step, What};
use crate::kinds::events::{clock, short};
use crate::kinds::{Context, Shown};

/// As messages write it, without a rest where that is exact enough for people.
fn span(ms: i64) -> (i64, &'static str, &'static str) {
    match ms / 1000 {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "ngày", "d"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "giờ", "h"),
        s if s >= 120 => (s / 60, "phút", "min"),
        s => (s, "giây", "s"),
    }
}

pub(super) fn shown(rule: &PatternRule, state: &PatternState) -> Shown {
    let Some(found) = &state.matched else { return Shown::default() };
    let needed: u32 = rule.steps.iter().filter(|s| !s.absent).map(|s| s.times).sum();
    let begin = found.chain.first().map_or(found.t, |s| s.t);
    let mut detail = Text::default();
    if let Some(key) = &found.key {
        let key = short(key);
        let _ = write!(detail.vi, "{key}: ");
        let _ = write!(detail.en, "{key}: ");
    }
    for (i, step) in rule.steps.iter().enumerate() {
        let own = || found.chain.iter().filter(|s| usize::from(s.step) == i);
        let (first, last) = (own().next(), own().next_back());
        let then = if i == 0 { "" } else { " → " };
        detail.vi.push_str(then);
        detail.en.push_str(then);
        tell_step(step, first.zip(last), found.t, &mut detail);
    }
    Shown {
        value: Some(f64::from(needed)),
        limit: Some(f64::from(needed)),
        duration_ms: Some((found.t - begin).max(0)),
        reported: false,
        detail,
    }
}

/// `Mực nước >= 2 m lúc 10:05:00`; writing to a text cannot fail.
fn tell_step(step: &Step, seen: Option<(&Seen, &Seen)>, end: i64, out: &mut Text) {
    let (vi, en) = (&step.label.vi, &step.label.en);
    if step.absent {
        let (n, unit_vi, unit_en) = span(step.within_ms);
        let _ = write!(out.vi, "không có {vi} trong {n} {unit_vi}");
        let _ = write!(out.en, "no {en} for {n} {unit_en}");
        return;
    }
    let Some((first, last)) = seen else {
        out.vi.push_str(vi);
        out.en.push_str(en);
        return;
    };
    let at = clock(last.t, end);
    if step.times > 1 {
        let from = clock(first.t, end);
        let _ = write!(out.vi, "{} lần {vi} ({from}–{at})", step.times);
        let _ = write!(out.en, "{} times {en} ({from}–{at})", step.times);
    } else {
        let _ = write!(out.vi, "{vi} lúc {at}");
        let _ = write!(out.en, "{en} at {at}");
    }
}

pub(super) fn explain(
    rule: &PatternRule,
    state: &PatternState,
    cx: &Context<'_>,
    evidence: &mut Evidence,
) {
    if let Some(found) = &state.matched {
        for seen in &found.chain {
            let property = property(&rule.steps, seen);
            evidence.reading(&seen.device, &property, seen.t, seen.value);
        }
        if let Some(key) = &found.key {
            evidence.word("key", short(key));
        }
        evidence.timer("hold", found.t, found.t.saturating_add(rule.hold_ms));
    }
    let mut moved: Vec<&Sequence> = state.sequences.iter().collect();
    moved.sort_by_key(|s| std::cmp::Reverse(s.touched));
    match moved.first() {
        None => await_first(rule, evidence),
        Some(sequence) => awaited(rule, sequence, cx, evidence),
    }
}

fn property(steps: &[Step], seen: &Seen) -> Name {
    if let Some(event) = &seen.event {
        return event.property();
    }
    match steps.get(usize::from(seen.step)).map(|s| &s.what) {
        Some(What::Value { property, .. }) => property.clone(),
        Some(What::Rule { id, .. }) => format!("rule.{id}").into(),
        Some(What::Event(_)) | None => "event".into(),
    }
}

fn await_first(rule: &PatternRule, evidence: &mut Evidence) {
    if let Some(step) = rule.steps.first() {
        evidence.number("awaited_step", 1.0);
        evidence.word("awaited", step.label.en.clone());
    }
}

/// The farthest step that can still come, and until when.
fn awaited(rule: &PatternRule, sequence: &Sequence, cx: &Context<'_>, evidence: &mut Evidence) {
    if let Some(key) = &sequence.key {
        evidence.word("newest_key", short(key));
    }
    for (i, step) in rule.steps.iter().enumerate().skip(1).rev() {
        let slot = &sequence.slots[i];
        let since = match slot.marks.first() {
            Some(mark) if step.absent => Some(mark.since),
            _ => Some(sequence.slots[i - 1].t).filter(|t| *t != OFF && !step.absent),
        };
        let Some(since) = since else { continue };
        let until = match sequence.waits_until(i, step.within_ms, cx.listening_since) {
            Some(until) if step.absent => until,
            _ => since.saturating_add(step.within_ms),
        };
        if until <= cx.now {
            continue;
        }
        evidence.number("awaited_step", (i + 1) as f64);
        let not = if step.absent { "no " } else { "" };
        evidence.word("awaited", format!("{not}{}", step.label.en));
        count(
            step,
            slot.marks.iter().filter(|m| m.since + step.within_ms > cx.now).count(),
            evidence,
        );
        evidence.timer("within", since, until);
        return;
    }
    await_first(rule, evidence);
    if let (Some(step), Some(slot)) = (rule.steps.first(), sequence.slots.first()) {
        let fresh = || slot.marks.iter().filter(|m| m.since + step.within_ms > cx.now);
        count(step, fresh().count(), evidence);
        if let Some(mark) = fresh().next() {
            evidence.timer("within", mark.since, mark.since.saturating_add(step.within_ms));
        }
    }
}

fn count(step: &Step, so_far: usize, evidence: &mut Evidence) {
    if step.times > 1 {
        evidence.number("times_so_far", so_far as f64);
        evidence.number("times_needed", f64::from(step.times));
    }
}
