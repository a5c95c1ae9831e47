//! The report against a recomputation that is as plain as it can be: loops over everything.

use std::collections::{BTreeMap, BTreeSet};

use ioc_model::{KpiGroup, KpiReport};
use proptest::prelude::*;

use super::super::episode::{About, CHATTER, CLOSED, Episode, HELD, NEVER, REJECTED, Sample};
use super::super::load::{Asked, DAY, HOUR, TEN_MIN};
use super::super::metrics::{last_day, metrics};
use super::super::report::report;
use super::super::targets::Targets;
use super::{episode, sample};

const NOW: i64 = 1_785_500_000_000;

fn any_episode(span: i64) -> impl Strategy<Value = Episode> {
    let spans = prop_oneof![
        Just(0),
        Just(5_000),
        Just(59_999),
        Just(60_000),
        Just(TEN_MIN),
        Just(3 * HOUR),
        Just(DAY),
        Just(DAY + 1),
        Just(3 * DAY),
    ];
    let after = || proptest::option::of(spans.clone());
    // Wall time may lie before an event time.
    let early = || prop_oneof![6 => after(), 1 => Just(Some(-5_000))];
    let raised = prop_oneof![
        4 => 0..span / 10_000,
        1 => -5 * DAY / 10_000..span / 10_000 + 100,
        4 => 0..30i64,
    ];
    let ids = (0u64..5, 0u64..6, 0u16..4, 0u16..3, 1u8..=5, 0u8..6);
    (raised, (after(), early(), early(), after()), ids, any::<bool>()).prop_map(
        |(
            raised,
            (clear, ack, resolve, close),
            (alarm, incident, rule, area, sev, flags),
            late,
        )| {
            let raised = NOW + raised * 10_000;
            let at = |after: Option<i64>| after.map_or(NEVER, |ms| raised + ms);
            let closed = if late { NEVER } else { at(close) };
            let flags = match flags {
                0 => HELD,
                1 => CHATTER,
                _ if closed == NEVER => 0,
                2 => REJECTED,
                _ => CLOSED,
            };
            Episode {
                cleared: at(clear),
                acked: at(ack),
                resolved: at(resolve),
                closed,
                alarm: alarm + 10 * u64::from(rule),
                incident,
                rule,
                area,
                service: area,
                severity: sev,
                flags,
                ..episode(raised, None)
            }
        },
    )
}

fn any_case() -> impl Strategy<Value = (Sample, Asked)> {
    let spans = prop_oneof![
        Just(9 * 60_000),
        Just(HOUR),
        Just(DAY),
        Just(36 * HOUR + 1),
        Just(3 * DAY),
        Just(4 * DAY - 1),
        Just(61 * DAY),
    ];
    spans.prop_flat_map(|span| {
        let episodes = proptest::collection::vec(any_episode(span), 0..120);
        (episodes, 1u32..4, proptest::collection::hash_set(1u64..6, 0..5), 0i64..2).prop_map(
            move |(episodes, positions, begun, timer)| {
                let mut sample = sample(episodes);
                sample.begun = begun;
                for rule in 0..4 {
                    let about =
                        About { name: None, for_ms: timer * 10_000, clear_for_ms: timer * 5_000 };
                    sample.about.insert(rule, about);
                }
                (sample, Asked { from: NOW, to: NOW + span, positions })
            },
        )
    })
}

struct Naive<'a> {
    all: &'a [Episode],
    begun: Vec<u64>,
    asked: Asked,
}

impl<'a> Naive<'a> {
    fn load(&self) -> Vec<&'a Episode> {
        let within = |e: &&Episode| {
            e.raised >= self.asked.from && e.raised < self.asked.to && e.flags & HELD == 0
        };
        self.all.iter().filter(within).collect()
    }

    fn counts(&self, step: i64) -> Vec<usize> {
        let mut counts = Vec::new();
        let mut begin = self.asked.from;
        while begin < self.asked.to {
            let load = self.load();
            let within = |e: &&&Episode| e.raised >= begin && e.raised < begin + step;
            counts.push(load.iter().filter(within).count());
            begin += step;
        }
        counts
    }

    /// Raises of incidents that begin, by their time.
    fn begins(&self) -> Vec<i64> {
        let mut first: BTreeMap<u64, i64> = BTreeMap::new();
        let mut alone = Vec::new();
        for e in self.load() {
            if e.incident == 0 {
                alone.push(e.raised);
            } else if self.begun.contains(&e.incident) {
                let at = first.entry(e.incident).or_insert(i64::MAX);
                *at = e.raised.min(*at);
            }
        }
        alone.extend(first.values());
        alone
    }

    fn chatters(&self, e: &Episode) -> bool {
        let load = self.load();
        let same: Vec<i64> = load.iter().filter(|o| o.alarm == e.alarm).map(|o| o.raised).collect();
        e.flags & CHATTER != 0
            || same.iter().any(|begin| {
                let window = *begin..*begin + 60_000;
                window.contains(&e.raised)
                    && same.iter().filter(|t| window.contains(t)).count() >= 3
            })
    }

    fn fleets(e: &Episode) -> bool {
        let gone = e.cleared != NEVER && e.cleared - e.raised < 60_000;
        gone && (e.acked == NEVER || e.acked >= e.cleared)
    }

    fn listed(&self) -> Vec<&'a Episode> {
        let to = self.asked.to;
        self.all.iter().filter(|e| e.flags & HELD == 0 && e.raised < to).collect()
    }

    fn stands(&self, e: &Episode) -> bool {
        e.cleared >= self.asked.to && e.closed >= self.asked.to
    }

    fn is_stale(&self, e: &Episode) -> bool {
        self.stands(e) && self.asked.to - e.raised > DAY
    }

    fn stale_max_day(&self) -> usize {
        let mut most = 0;
        let mut begin = self.asked.from;
        while begin < self.asked.to {
            let end = (begin + DAY).min(self.asked.to);
            let stale = |e: &&&Episode| {
                let moment = begin.max(e.raised + DAY + 1);
                moment < end && moment < e.cleared && moment < e.closed
            };
            most = most.max(self.listed().iter().filter(stale).count());
            begin += DAY;
        }
        most
    }

    fn flood_share(&self) -> Option<f64> {
        let counts = self.counts(TEN_MIN);
        let (mut on, mut periods) = (false, 0);
        for n in &counts {
            let each = *n as f64 / f64::from(self.asked.positions);
            if each > 10.0 {
                on = true;
            } else if each < 5.0 {
                on = false;
            }
            periods += usize::from(on);
        }
        share(periods, counts.len())
    }

    fn over(&self, step: i64, limit: f64) -> Option<f64> {
        let counts = self.counts(step);
        let each = |n: &&usize| **n as f64 / f64::from(self.asked.positions) > limit;
        share(counts.iter().filter(each).count(), counts.len())
    }

    fn rate(&self, count: usize, step: i64) -> Option<f64> {
        let span = self.asked.to - self.asked.from;
        (span >= step)
            .then(|| count as f64 / (span as f64 / step as f64) / f64::from(self.asked.positions))
    }

    fn top_ten(&self) -> Option<f64> {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for e in self.load() {
            *counts.entry(e.alarm).or_default() += 1;
        }
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort();
        share(counts.iter().rev().take(10).sum(), self.load().len())
    }

    fn figure(&self, id: &str) -> Option<f64> {
        let load = self.load();
        let n = load.len();
        let of =
            |test: &dyn Fn(&Episode) -> bool| Some(load.iter().filter(|e| test(e)).count() as f64);
        let at_end = |test: &dyn Fn(&Episode) -> bool| {
            Some(self.listed().iter().filter(|e| test(e)).count() as f64)
        };
        let severity =
            |from: u8, to: u8| share(count(&load, |e| (from..=to).contains(&e.severity)), n);
        let positions = f64::from(self.asked.positions);
        let begins = self.begins();
        match id {
            "per_10_min" => self.rate(n, TEN_MIN),
            "per_hour" => self.rate(n, HOUR),
            "per_day" => self.rate(n, DAY),
            "hours_over_30" => self.over(HOUR, 30.0),
            "periods_over_10" => self.over(TEN_MIN, 10.0),
            "max_10_min" => self.counts(TEN_MIN).iter().max().map(|n| *n as f64 / positions),
            "time_in_flood" => self.flood_share(),
            "top_ten_share" => self.top_ten(),
            "chattering" => of(&|e| self.chatters(e)),
            "fleeting" => of(&Self::fleets),
            "stale" => at_end(&|e| self.is_stale(e)),
            "stale_max_day" => Some(self.stale_max_day() as f64),
            "standing" => at_end(&|e| self.stands(e)),
            "unacknowledged" => at_end(&|e| e.acked >= self.asked.to && e.closed >= self.asked.to),
            "priority_low" => severity(1, 2),
            "priority_medium" => severity(3, 3),
            "priority_high" => severity(4, 5),
            "priority_highest" => severity(5, 5),
            "ack_p50" => rank(&acks(&load), 50),
            "ack_p90" => rank(&acks(&load), 90),
            "resolve_p50" => rank(&resolves(&load), 50),
            "resolve_p90" => rank(&resolves(&load), 90),
            "false_share" => share(
                count(&load, |e| e.flags & REJECTED != 0),
                count(&load, |e| e.flags & (REJECTED | CLOSED) != 0),
            ),
            "incidents_per_10_min" => self.rate(begins.len(), TEN_MIN),
            "incidents_per_hour" => self.rate(begins.len(), HOUR),
            "incidents_max_10_min" => {
                let period = |t: &i64| (t - self.asked.from) / TEN_MIN;
                let periods: BTreeSet<i64> = begins.iter().map(period).collect();
                let most =
                    periods.iter().map(|p| begins.iter().filter(|t| period(t) == *p).count()).max();
                Some(most.unwrap_or(0) as f64 / positions)
            }
            "grouped" => share(n - begins.len(), n),
            _ => Some(f64::NAN), // the oracle must know every figure
        }
    }

    fn group(&self, kind: impl Fn(&Episode) -> u16, n: u16) -> (Vec<usize>, Vec<Option<f64>>) {
        let load: Vec<&Episode> = self.load().into_iter().filter(|e| kind(e) == n).collect();
        let listed: Vec<&Episode> = self.listed().into_iter().filter(|e| kind(e) == n).collect();
        (
            vec![
                load.len(),
                count(&listed, |e| self.stands(e)),
                count(&listed, |e| self.is_stale(e)),
                count(&load, |e| self.chatters(e)),
                count(&load, Self::fleets),
            ],
            vec![
                rank(&acks(&load), 50),
                rank(&acks(&load), 90),
                rank(&resolves(&load), 50),
                rank(&resolves(&load), 90),
                share(
                    count(&load, |e| e.flags & REJECTED != 0),
                    count(&load, |e| e.flags & (REJECTED | CLOSED) != 0),
                ),
                share(load.len(), self.load().len()),
            ],
        )
    }
}

fn count(of: &[&Episode], test: impl Fn(&Episode) -> bool) -> usize {
    of.iter().filter(|e| test(e)).count()
}

fn share(part: usize, all: usize) -> Option<f64> {
    if all == 0 { None } else { Some(part as f64 / all as f64 * 100.0) }
}

fn acks(of: &[&Episode]) -> Vec<i64> {
    of.iter().filter(|e| e.acked != NEVER).map(|e| (e.acked - e.raised).max(0)).collect()
}

fn resolves(of: &[&Episode]) -> Vec<i64> {
    let done = of.iter().filter(|e| e.resolved != NEVER && e.flags & REJECTED == 0);
    done.map(|e| (e.resolved - e.raised).max(0)).collect()
}

/// The smallest value that so many percent are not above.
fn rank(values: &[i64], percent: usize) -> Option<f64> {
    let covers =
        |v: &&i64| values.iter().filter(|o| *o <= *v).count() * 100 >= percent * values.len();
    values.iter().filter(covers).min().map(|ms| *ms as f64 / 1000.0)
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (a, b) => a == b,
    }
}

fn same_groups(
    groups: &[KpiGroup],
    naive: &Naive<'_>,
    kind: (&str, impl Fn(&Episode) -> u16 + Copy),
) -> Result<(), TestCaseError> {
    let mut seen = 0;
    for n in 0..4 {
        let id = format!("{}{n}", kind.0);
        let (counts, times) = naive.group(kind.1, n);
        let Some(group) = groups.iter().find(|g| *g.id == *id) else {
            prop_assert_eq!((counts[0], counts[1]), (0, 0), "{} is missing", id);
            continue;
        };
        seen += 1;
        let got = [group.alarms, group.standing, group.stale, group.chattering, group.fleeting];
        prop_assert_eq!(got.map(|n| n as usize).to_vec(), counts, "{}", id);
        let got = [
            group.ack_p50_s,
            group.ack_p90_s,
            group.resolve_p50_s,
            group.resolve_p90_s,
            group.false_share,
        ];
        for (got, expect) in got.into_iter().zip(&times) {
            prop_assert!(near(got, *expect), "{}: {:?} {:?}", id, got, times);
        }
        prop_assert!(near(Some(group.share), Some(times[5].unwrap_or(0.0))));
    }
    prop_assert_eq!(seen, groups.len(), "no group is listed twice");
    let order: Vec<u32> = groups.iter().map(|g| g.alarms).collect();
    prop_assert!(order.is_sorted_by(|a, b| a >= b));
    Ok(())
}

fn same_periods(report: &KpiReport, naive: &Naive<'_>) -> Result<(), TestCaseError> {
    let span = naive.asked.to - naive.asked.from;
    let step = match span {
        s if s <= 3 * DAY => TEN_MIN,
        s if s <= 60 * DAY => HOUR,
        _ => DAY,
    };
    prop_assert_eq!(report.step_ms, step);
    let times: Vec<i64> = report.periods.iter().map(|p| p.at.0).collect();
    let expect: Vec<i64> = (0..).map(|i| naive.asked.from + i * step).take(times.len()).collect();
    prop_assert_eq!(times, expect, "no gaps");
    let alarms: Vec<usize> = report.periods.iter().map(|p| p.alarms as usize).collect();
    prop_assert_eq!(alarms, naive.counts(step));
    let incidents: u32 = report.periods.iter().map(|p| p.incidents).sum();
    prop_assert_eq!(incidents, report.incidents);
    prop_assert_eq!(report.incidents as usize, naive.begins().len());
    prop_assert_eq!(report.periods.iter().any(|p| p.flood), naive.flood_share() > Some(0.0));
    Ok(())
}

/// What a suggestion claims, counted again.
fn same_spares(
    report: &KpiReport,
    sample: &Sample,
    naive: &Naive<'_>,
) -> Result<(), TestCaseError> {
    for s in report.suggestions.iter().filter(|s| &*s.field == "for") {
        let rule: u16 = s.rule.trim_start_matches("rule.").parse().expect("one of ours");
        let about = &sample.about[&rule];
        let value = ms(&s.value);
        prop_assert!(value > about.for_ms && value <= 900_000);
        let spared = |e: &Episode| {
            let active = (e.cleared - e.raised - about.clear_for_ms).max(0) + about.for_ms;
            e.rule == rule && e.cleared != NEVER && e.flags & CHATTER == 0 && active < value
        };
        prop_assert_eq!(s.spares as usize, count(&naive.load(), spared));
    }
    prop_assert!(report.suggestions.len() <= 10);
    prop_assert!(report.suggestions.is_sorted_by(|a, b| a.spares >= b.spares));
    Ok(())
}

fn ms(text: &str) -> i64 {
    let (digits, unit) = text.split_at(text.len() - 1);
    let n: i64 = digits.parse().expect("a number");
    match unit {
        "s" => n * 1000,
        "m" => n * 60_000,
        _ => n * HOUR,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_report_is_what_plain_counting_finds((sample, asked) in any_case()) {
        let begun: Vec<u64> = sample.begun.iter().copied().collect();
        let naive = Naive { all: &sample.episodes, begun, asked };
        let report = report(&sample, &asked, &Targets::default());
        for figure in &report.figures {
            let expect = naive.figure(&figure.id);
            prop_assert!(near(figure.value, expect), "{}: {:?}, not {:?}", figure.id, figure.value, expect);
        }
        prop_assert_eq!(report.alarms as usize, naive.load().len());
        let held = |e: &&Episode| asked.covers(e) && e.flags & HELD != 0;
        prop_assert_eq!(report.held as usize, sample.episodes.iter().filter(held).count());
        for (i, (severity, n)) in report.priorities.iter().enumerate() {
            prop_assert_eq!(*severity as usize, i + 1);
            prop_assert_eq!(*n as usize, count(&naive.load(), |e| usize::from(e.severity) == i + 1));
        }
        same_periods(&report, &naive)?;
        same_groups(&report.rules, &naive, ("rule.", |e| e.rule))?;
        same_groups(&report.areas, &naive, ("area-", |e| e.area))?;
        same_groups(&report.services, &naive, ("service_", |e| e.service))?;
        same_spares(&report, &sample, &naive)?;
    }

    #[test]
    fn metrics_agree_with_the_report_of_the_same_day(episodes in proptest::collection::vec(any_episode(DAY), 0..80)) {
        let sample = sample(episodes);
        let asked = last_day(NOW + DAY, 2);
        let (metrics, report) =
            (metrics(&sample, &asked, &Targets::default()), report(&sample, &asked, &Targets::default()));
        let figure = |id: &str| report.figures.iter().find(|f| &*f.id == id).and_then(|f| f.value);
        prop_assert_eq!(metrics.alarms_day, report.alarms);
        prop_assert_eq!(metrics.incidents_day, report.incidents);
        prop_assert_eq!(metrics.held_day, report.held);
        prop_assert_eq!(Some(f64::from(metrics.standing)), figure("standing"));
        prop_assert_eq!(Some(f64::from(metrics.stale)), figure("stale"));
        prop_assert_eq!(Some(f64::from(metrics.unacknowledged)), figure("unacknowledged"));
        prop_assert_eq!(metrics.ack_p50_s, figure("ack_p50"));
        let last = &report.periods[report.periods.len() - 6..];
        prop_assert_eq!(metrics.per_hour * 2.0, f64::from(last.iter().map(|p| p.alarms).sum::<u32>()));
        prop_assert_eq!(metrics.per_10_min * 2.0, f64::from(last[5].alarms));
        prop_assert_eq!(metrics.flood, last[5].flood);
    }
}

#[test]
fn a_time_in_which_nothing_happened_has_no_shares_and_no_load() {
    let asked = Asked { from: NOW, to: NOW + DAY, positions: 1 };
    let report = report(&sample(Vec::new()), &asked, &Targets::default());
    assert_eq!((report.alarms, report.incidents, report.held), (0, 0, 0));
    assert_eq!(report.periods.len(), 144);
    assert!(report.rules.is_empty() && report.suggestions.is_empty());
    let value = |id: &str| report.figures.iter().find(|f| &*f.id == id).expect("it is there");
    assert_eq!(value("per_hour").value, Some(0.0));
    assert_eq!(value("per_hour").verdict, Some(ioc_model::KpiVerdict::Good));
    for id in ["top_ten_share", "priority_high", "ack_p50", "false_share", "grouped"] {
        assert_eq!((value(id).value, value(id).verdict), (None, None), "{id}");
    }
}

#[test]
fn a_storm_counts_once_after_grouping() {
    let storm =
        |i: i64| Episode { alarm: i as u64, incident: 7, ..episode(NOW + i * 10_000, None) };
    let mut sample = sample((0..60).map(storm).collect());
    let asked = Asked { from: NOW, to: NOW + HOUR, positions: 2 };
    let was = report(&sample, &asked, &Targets::default());
    assert_eq!((was.alarms, was.incidents), (60, 0), "the incident began before");
    sample.begun.insert(7);
    let now = report(&sample, &asked, &Targets::default());
    assert_eq!((now.alarms, now.incidents), (60, 1));
    assert_eq!((now.periods[0].alarms, now.periods[0].incidents), (60, 1));
    assert!(now.periods[0].flood && !now.periods[1].flood);
}
