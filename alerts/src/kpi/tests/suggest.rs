use ioc_model::KpiSuggestion;

use super::super::episode::{About, CHATTER, CLOSED, Episode, REJECTED, Sample};
use super::super::load::{Asked, DAY, HOUR};
use super::super::report::report;
use super::super::targets::Targets;
use super::{episode, sample};

fn suggest(sample: &Sample) -> Vec<KpiSuggestion> {
    let asked = Asked { from: 0, to: 30 * DAY, positions: 1 };
    report(sample, &asked, &Targets::default()).suggestions
}

fn about(sample: &mut Sample, for_ms: i64, clear_for_ms: i64) {
    sample.about.insert(0, About { name: None, for_ms, clear_for_ms });
}

/// Far apart, on different things; `n` of each span.
fn spread(spans: &[(usize, i64)]) -> Vec<Episode> {
    let all = spans.iter().flat_map(|(n, ms)| std::iter::repeat_n(*ms, *n));
    all.enumerate()
        .map(|(i, ms)| {
            let raised = i as i64 * HOUR;
            Episode { alarm: i as u64, ..episode(raised, Some(raised + ms)) }
        })
        .collect()
}

fn only<'a>(all: &'a [KpiSuggestion], field: &str) -> &'a KpiSuggestion {
    let mut of = all.iter().filter(|s| &*s.field == field);
    let first = of.next().expect("it is proposed");
    assert!(of.next().is_none(), "once");
    first
}

#[test]
fn fleeting_alerts_ask_for_a_for_that_covers_nine_of_ten() {
    // 20 short ones: 18 of 20 s, 2 of 50 s; and 10 real ones of an hour.
    let mut sample = sample(spread(&[(18, 20_000), (2, 50_000), (10, HOUR)]));
    about(&mut sample, 0, 0);
    let all = suggest(&sample);
    let s = only(&all, "for");
    assert_eq!((&*s.rule, &*s.value, s.spares), ("rule.0", "30s", 18));
    assert_eq!(s.why.en, "20 of 30 alerts were fleeting or chattering");
}

#[test]
fn a_for_that_is_there_is_added_to() {
    let mut sample = sample(spread(&[(20, 20_000), (10, HOUR)]));
    about(&mut sample, 60_000, 0);
    // The condition held 60 s before the raise and 20 s after it.
    let all = suggest(&sample);
    assert_eq!((&*only(&all, "for").value, only(&all, "for").spares), ("2m", 20));
}

#[test]
fn no_step_spares_what_lasts_exactly_as_long() {
    let mut sample = sample(spread(&[(20, 30_000)]));
    about(&mut sample, 0, 0);
    assert_eq!(only(&suggest(&sample), "for").value, "1m", "30s would still raise");
}

#[test]
fn short_gaps_ask_for_a_clear_for() {
    // One thing, 5 min on and 90 s off, 20 times; every raise but the first could be spared.
    let flapping = |i: i64| episode(i * 390_000, Some(i * 390_000 + 300_000));
    let mut sample = sample((0..20).map(flapping).collect());
    about(&mut sample, 0, 0);
    let all = suggest(&sample);
    let s = only(&all, "clear_for");
    assert_eq!((&*s.value, s.spares), ("2m", 19));
    about(&mut sample, 0, 60_000);
    // It is off for 60 s before it clears: 150 s in all.
    assert_eq!(only(&suggest(&sample), "clear_for").value, "3m");
}

#[test]
fn what_the_rule_held_together_is_no_measure() {
    let held = |e: Episode| Episode { flags: CHATTER, ..e };
    let mut sample = sample(spread(&[(30, 20_000)]).into_iter().map(held).collect());
    about(&mut sample, 0, 0);
    assert!(suggest(&sample).iter().all(|s| &*s.field != "for"));
}

#[test]
fn mostly_rejected_rules_belong_in_the_shadow() {
    let mut alerts = spread(&[(30, HOUR)]);
    for (i, e) in alerts.iter_mut().enumerate() {
        e.flags = match i {
            0..6 => REJECTED,
            6..12 => CLOSED,
            _ => 0,
        };
    }
    let mut sample = sample(alerts);
    about(&mut sample, 0, 0);
    let all = suggest(&sample);
    let s = only(&all, "mode");
    assert_eq!((&*s.value, s.spares), ("shadow", 30));
    assert_eq!(s.why.vi, "6 trong 12 cảnh báo đã xử lý là báo động giả");
    sample.episodes[0].flags = CLOSED;
    assert!(suggest(&sample).iter().all(|s| &*s.field != "mode"), "5 of 12");
}

#[test]
fn a_rule_with_much_of_the_load_is_looked_at_when_nothing_else_is_known() {
    let mut sample = sample(spread(&[(30, HOUR)]));
    about(&mut sample, 0, 0);
    let all = suggest(&sample);
    assert_eq!((all.len(), &*only(&all, "look").value, all[0].spares), (1, "", 0));
    assert_eq!(all[0].why.en, "100 % of all alerts come from this one rule");
}

#[test]
fn few_alerts_say_nothing() {
    let mut sample = sample(spread(&[(9, 20_000)]));
    about(&mut sample, 0, 0);
    assert!(suggest(&sample).is_empty());
}

#[test]
fn a_time_that_would_hide_too_much_is_not_proposed() {
    let mut sample = sample(spread(&[(20, 20_000)]));
    about(&mut sample, 900_000, 0);
    assert!(suggest(&sample).iter().all(|s| &*s.field != "for"), "15 min is the longest");
}
