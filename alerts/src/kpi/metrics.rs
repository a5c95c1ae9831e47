//! The few figures that are scraped.

use super::episode::{HELD, Sample};
use super::groups::Times;
use super::load::{Asked, DAY, HOUR, Load, TEN_MIN};
use super::marks::{Mark, by_alarm, marks};
use super::targets::Targets;

/// The alarm system now: gauges for Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KpiMetrics {
    /// Operator positions on duty, at least 1; rates are per position.
    pub positions: u32,
    /// Alerts raised in the last 24 h, without held ones.
    pub alarms_day: u32,
    /// Incidents begun in the last 24 h.
    pub incidents_day: u32,
    /// Alerts of the last 24 h that were held back when they were raised.
    pub held_day: u32,
    /// Alerts of the last hour per position.
    pub per_hour: f64,
    /// Alerts of the last 10 min per position.
    pub per_10_min: f64,
    /// Incidents begun in the last hour per position.
    pub incidents_per_hour: f64,
    /// An alarm flood is on.
    pub flood: bool,
    /// Active now.
    pub standing: u32,
    /// Active for more than 24 h.
    pub stale: u32,
    /// Neither acknowledged nor closed.
    pub unacknowledged: u32,
    /// Median time to acknowledge of the last 24 h, s.
    pub ack_p50_s: Option<f64>,
}

/// The last day before a moment.
pub(crate) fn last_day(now: i64, positions: u32) -> Asked {
    Asked { from: now.saturating_sub(DAY), to: now, positions }
}

pub(crate) fn metrics(sample: &Sample, asked: &Asked, targets: &Targets) -> KpiMetrics {
    let order = by_alarm(&sample.episodes);
    let marks = marks(sample, &order, asked, &targets.counting);
    let load = Load::of(sample, asked, &targets.counting);
    let last = |counts: &[u32], periods: usize| {
        asked.per_position(counts.iter().rev().take(periods).sum())
    };
    let hour = usize::try_from(HOUR / TEN_MIN).unwrap_or(1);
    let count = |has: fn(Mark) -> bool| {
        u32::try_from(marks.iter().filter(|mark| has(**mark)).count()).unwrap_or(u32::MAX)
    };
    let held = sample.episodes.iter().filter(|e| asked.covers(e) && e.is(HELD)).count();
    let listed = sample.episodes.iter().filter(|e| asked.loads(e));
    KpiMetrics {
        positions: asked.positions,
        alarms_day: load.alarms.iter().sum(),
        incidents_day: load.incidents.iter().sum(),
        held_day: u32::try_from(held).unwrap_or(u32::MAX),
        per_hour: last(&load.alarms, hour),
        per_10_min: last(&load.alarms, 1),
        incidents_per_hour: last(&load.incidents, hour),
        flood: load.flood.last().copied().unwrap_or(false),
        standing: count(Mark::standing),
        stale: count(Mark::stale),
        unacknowledged: count(Mark::unacknowledged),
        ack_p50_s: Times::of(listed.filter_map(|e| e.ack_ms()).collect()).p50,
    }
}
