//! The same figures per rule, ward and service, and the times people took.

use ioc_model::KpiGroup;

use super::episode::{CLOSED, Episode, Names, REJECTED, Sample};
use super::load::{percent, percentile, seconds};
use super::marks::Mark;

/// Most rows of one table.
const MOST: usize = 100;

/// Median and 90th percentile of a time, s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
}

impl Times {
    pub fn of(mut ms: Vec<i64>) -> Self {
        ms.sort_unstable();
        Self::of_sorted(&ms)
    }

    fn of_sorted(ms: &[i64]) -> Self {
        Self { p50: percentile(ms, 50).map(seconds), p90: percentile(ms, 90).map(seconds) }
    }

    /// Of each number that `kind` gives, at its place; one list at a time, so that a million
    /// alerts need a few MB and not a list for each of all groups.
    fn by(
        load: &[&Episode],
        groups: usize,
        kind: impl Fn(&Episode) -> u16,
        time: impl Fn(&Episode) -> Option<i64>,
    ) -> Vec<Self> {
        let mut all: Vec<(u16, i64)> =
            load.iter().filter_map(|e| Some((kind(e), time(e)?))).collect();
        all.sort_unstable();
        let mut times = vec![Self::default(); groups];
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            let sorted: Vec<i64> = group.iter().map(|(_, ms)| *ms).collect();
            if let Some(of) = times.get_mut(usize::from(group[0].0)) {
                *of = Self::of_sorted(&sorted);
            }
        }
        times
    }
}

#[derive(Clone, Copy, Default)]
struct Tally {
    alarms: u32,
    standing: u32,
    stale: u32,
    chattering: u32,
    fleeting: u32,
    closed: u32,
    rejected: u32,
}

impl Tally {
    fn add(&mut self, e: &Episode, mark: Mark) {
        self.standing += u32::from(mark.standing());
        self.stale += u32::from(mark.stale());
        if !mark.load() {
            return;
        }
        self.alarms += 1;
        self.chattering += u32::from(mark.chattering());
        self.fleeting += u32::from(mark.fleeting());
        self.closed += u32::from(e.is(CLOSED));
        self.rejected += u32::from(e.is(REJECTED));
    }
}

/// Most alerts first, then most standing ones; at most 100. Those with neither are left out.
pub(crate) fn groups(
    sample: &Sample,
    marks: &[Mark],
    names: &Names,
    kind: impl Fn(&Episode) -> u16 + Copy,
) -> Vec<KpiGroup> {
    let mut tallies = vec![Tally::default(); names.len()];
    for (e, mark) in sample.episodes.iter().zip(marks) {
        if let Some(tally) = tallies.get_mut(usize::from(kind(e))) {
            tally.add(e, *mark);
        }
    }
    let load = of_load(sample, marks);
    let acks = Times::by(&load, names.len(), kind, Episode::ack_ms);
    let resolves = Times::by(&load, names.len(), kind, Episode::resolve_ms);
    let mut groups: Vec<KpiGroup> = tallies
        .iter()
        .zip(acks.iter().zip(&resolves))
        .enumerate()
        .filter(|(_, (t, _))| t.alarms > 0 || t.standing > 0)
        .map(|(n, (t, (ack, resolve)))| KpiGroup {
            id: names.word(u16::try_from(n).unwrap_or(u16::MAX)).into(),
            name: None,
            alarms: t.alarms,
            share: percent(t.alarms as usize, load.len()).unwrap_or(0.0),
            standing: t.standing,
            stale: t.stale,
            chattering: t.chattering,
            fleeting: t.fleeting,
            ack_p50_s: ack.p50,
            ack_p90_s: ack.p90,
            resolve_p50_s: resolve.p50,
            resolve_p90_s: resolve.p90,
            false_share: percent(t.rejected as usize, (t.closed + t.rejected) as usize),
        })
        .collect();
    groups.sort_by(|a, b| {
        (b.alarms, b.standing).cmp(&(a.alarms, a.standing)).then_with(|| a.id.cmp(&b.id))
    });
    groups.truncate(MOST);
    groups
}

/// The alerts that are load.
pub(crate) fn of_load<'a>(sample: &'a Sample, marks: &[Mark]) -> Vec<&'a Episode> {
    sample.episodes.iter().zip(marks).filter(|(_, m)| m.load()).map(|(e, _)| e).collect()
}
