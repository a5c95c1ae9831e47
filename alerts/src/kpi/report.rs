//! The report: a pure function of what was read.

use ioc_model::{KpiFigure, KpiGroup, KpiPeriod, KpiReport, Severity, Timestamp};

use super::episode::{CLOSED, Episode, HELD, REJECTED, Sample};
use super::groups::{Times, groups, of_load};
use super::load::{Asked, DAY, HOUR, Load, TEN_MIN, percent};
use super::marks::{Mark, by_alarm, marks, most_stale, top_ten};
use super::suggest::suggestions;
use super::targets::{FIGURES, Targets};

/// Makes the report.
pub(crate) fn report(sample: &Sample, asked: &Asked, targets: &Targets) -> KpiReport {
    let order = by_alarm(&sample.episodes);
    let marks = marks(sample, &order, asked, &targets.counting);
    let load = Load::of(sample, asked, &targets.counting);
    let held = sample.episodes.iter().filter(|e| asked.covers(e) && e.is(HELD)).count();
    let values = Values { sample, asked, targets, load: &load, marks: &marks };
    let (periods, step_ms) = periods(&load, asked);
    let rules = groups(sample, &marks, &sample.rules, |e| e.rule);
    KpiReport {
        from: Timestamp(asked.from),
        to: Timestamp(asked.to),
        positions: asked.positions,
        alarms: load.alarms.iter().sum(),
        incidents: load.incidents.iter().sum(),
        held: u32::try_from(held).unwrap_or(u32::MAX),
        figures: values.figures(top_ten(sample, &order, &marks)),
        periods,
        step_ms,
        priorities: priorities(sample, &marks),
        rules: named(rules, sample),
        areas: groups(sample, &marks, &sample.areas, |e| e.area),
        services: groups(sample, &marks, &sample.services, |e| e.service),
        suggestions: suggestions(sample, &order, &marks, &targets.suggest),
    }
}

fn named(rules: Vec<KpiGroup>, sample: &Sample) -> Vec<KpiGroup> {
    let names: std::collections::HashMap<&str, _> = sample
        .about
        .iter()
        .map(|(number, about)| (sample.rules.word(*number), &about.name))
        .collect();
    rules
        .into_iter()
        .map(|group| {
            let name = names.get(&*group.id).and_then(|name| (*name).clone());
            KpiGroup { name, ..group }
        })
        .collect()
}

/// Steps of 10 min, of an hour beyond 3 days, of a day beyond 60; the first begins at `from`.
fn periods(load: &Load, asked: &Asked) -> (Vec<KpiPeriod>, i64) {
    let step = match asked.to - asked.from {
        span if span <= 3 * DAY => TEN_MIN,
        span if span <= 60 * DAY => HOUR,
        _ => DAY,
    };
    let tens = usize::try_from(step / TEN_MIN).unwrap_or(1);
    let chunks =
        load.alarms.chunks(tens).zip(load.incidents.chunks(tens).zip(load.flood.chunks(tens)));
    let periods = chunks
        .zip(0i64..)
        .map(|((alarms, (incidents, flood)), i)| KpiPeriod {
            at: Timestamp(asked.from + i * step),
            alarms: alarms.iter().sum(),
            incidents: incidents.iter().sum(),
            flood: flood.contains(&true),
        })
        .collect();
    (periods, step)
}

const SEVERITIES: [Severity; 5] =
    [Severity::Info, Severity::Minor, Severity::Major, Severity::Critical, Severity::Emergency];

/// By the highest severity that an alert had.
fn priorities(sample: &Sample, marks: &[Mark]) -> Vec<(Severity, u32)> {
    let mut counts = [0u32; 5];
    for e in of_load(sample, marks) {
        if let Some(n) = counts.get_mut(usize::from(e.severity).saturating_sub(1)) {
            *n += 1;
        }
    }
    SEVERITIES.into_iter().zip(counts).collect()
}

struct Values<'a> {
    sample: &'a Sample,
    asked: &'a Asked,
    targets: &'a Targets,
    load: &'a Load,
    marks: &'a [Mark],
}

/// Ten of fewer alerts than this are more than 5 % even when no alert came twice: there is nothing
/// to judge.
const TOP_TEN_FROM: usize = 200;

impl Values<'_> {
    /// All figures, in the order of [`FIGURES`].
    fn figures(&self, top_ten: Option<f64>) -> Vec<KpiFigure> {
        let load = of_load(self.sample, self.marks);
        let ack = Times::of(load.iter().filter_map(|e| e.ack_ms()).collect());
        let resolve = Times::of(load.iter().filter_map(|e| e.resolve_ms()).collect());
        let judged = |flag| load.iter().filter(|e| e.is(flag)).count();
        let value = |id: &str| match id {
            "top_ten_share" => top_ten,
            "ack_p50" => ack.p50,
            "ack_p90" => ack.p90,
            "resolve_p50" => resolve.p50,
            "resolve_p90" => resolve.p90,
            "false_share" => percent(judged(REJECTED), judged(CLOSED) + judged(REJECTED)),
            _ => self
                .of_load(id, load.len())
                .or_else(|| self.of_marks(id))
                .or_else(|| share(&load, id)),
        };
        let mut figures: Vec<KpiFigure> =
            FIGURES.iter().map(|(id, unit)| self.figure(id, unit, value(id))).collect();
        if load.len() < TOP_TEN_FROM {
            figures.iter_mut().filter(|f| &*f.id == "top_ten_share").for_each(|f| f.verdict = None);
        }
        figures
    }

    fn figure(&self, id: &str, unit: &str, value: Option<f64>) -> KpiFigure {
        let target = self.targets.figures.get(id);
        KpiFigure {
            id: id.into(),
            value,
            unit: unit.into(),
            target: target.map(|t| t.target),
            limit: target.and_then(|t| t.limit),
            source: target.map(|t| t.source.clone()),
            verdict: self.targets.verdict(id, value),
        }
    }

    fn of_load(&self, id: &str, alarms: usize) -> Option<f64> {
        let (load, asked, counting) = (self.load, self.asked, &self.targets.counting);
        let incidents: usize = load.incidents.iter().map(|n| *n as usize).sum();
        let most = |counts: &[u32]| counts.iter().max().map(|n| asked.per_position(*n));
        let above = |times: usize, limit: u32| {
            let over = |n: &u32| asked.per_position(*n) > f64::from(limit);
            percent(load.alarms_by(times).filter(over).count(), load.alarms_by(times).count())
        };
        match id {
            "per_10_min" => asked.rate(alarms, TEN_MIN),
            "per_hour" => asked.rate(alarms, HOUR),
            "per_day" => asked.rate(alarms, DAY),
            "hours_over_30" => above(6, counting.hour_over),
            "periods_over_10" => above(1, counting.period_over),
            "max_10_min" => most(&load.alarms),
            "time_in_flood" => {
                percent(load.flood.iter().filter(|on| **on).count(), load.flood.len())
            }
            "incidents_per_10_min" => asked.rate(incidents, TEN_MIN),
            "incidents_per_hour" => asked.rate(incidents, HOUR),
            "incidents_max_10_min" => most(&load.incidents),
            "grouped" => percent(alarms - incidents.min(alarms), alarms),
            _ => None,
        }
    }

    fn of_marks(&self, id: &str) -> Option<f64> {
        let count = |has: fn(Mark) -> bool| {
            Some(self.marks.iter().filter(|mark| has(**mark)).count() as f64)
        };
        match id {
            "chattering" => count(Mark::chattering),
            "fleeting" => count(Mark::fleeting),
            "stale" => count(Mark::stale),
            "standing" => count(Mark::standing),
            "unacknowledged" => count(Mark::unacknowledged),
            "stale_max_day" => {
                let counting = &self.targets.counting;
                Some(f64::from(most_stale(&self.sample.episodes, self.asked, counting)))
            }
            _ => None,
        }
    }
}

/// Share of a priority, %. The standard knows three or four; ours are low: info and minor,
/// medium: major, high: critical and emergency, and of these the highest: emergency.
fn share(load: &[&Episode], id: &str) -> Option<f64> {
    let severities = match id {
        "priority_low" => 0..=2,
        "priority_medium" => 3..=3,
        "priority_high" => 4..=u8::MAX,
        "priority_highest" => 5..=u8::MAX,
        _ => return None,
    };
    percent(load.iter().filter(|e| severities.contains(&e.severity)).count(), load.len())
}
