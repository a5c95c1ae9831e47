//! Hourly means of several pollutants of one station, and the VN_AQI made of them.

use ioc_model::{Breakpoints, Name};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::index::aqi::{self, Concentration, NOWCAST_HOURS};
use crate::hours::LOCAL_OFFSET_MS;

const HOUR_MS: i64 = 3_600_000;
/// Readings closer together than this count as one for completeness.
const SLOT_S: i64 = 300;
const HOURS_8: usize = 8;
/// So many hours after the last reading nothing is left that an index could be made of.
const FORGET_HOURS: i64 = 48;

/// Which of the two indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Hour,
    Day,
}

/// A VN_AQI as a rule has it: the tables of the decision, how complete an hour must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AqiRule {
    pub(super) span: Span,
    pub(super) scale: Vec<f64>,
    pub(super) pollutants: Vec<Pollutant>,
    /// Share of an hour's readings, of a day's hours and of 8 hours that must be there, %.
    pub(super) completeness: f64,
    /// Seconds between readings of devices whose cadence is not configured.
    pub(super) every_s: u32,
    pub(super) grace_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pollutant {
    pub(super) property: Name,
    /// For 1 h, 8 h or 24 h; dust has one for 24 h.
    pub(super) tables: Vec<Breakpoints>,
}

impl Pollutant {
    fn is_dust(&self) -> bool {
        self.tables.iter().any(is_dust)
    }
}

/// The decision gives dust as 24-hour values; all else is gas.
fn is_dust(table: &Breakpoints) -> bool {
    table.average_h == 24
}

impl AqiRule {
    /// Equal parts of an hour that are looked at for readings: one per reading expected, of 5
    /// minutes or more.
    fn slots(&self, cadence_s: u32) -> i64 {
        let every = if cadence_s > 0 { cadence_s } else { self.every_s };
        (3_600 / i64::from(every).max(SLOT_S)).clamp(1, 3_600 / SLOT_S)
    }

    /// How many of `of` are enough.
    fn enough(&self, of: i64) -> u32 {
        ((self.completeness * of as f64 / 100.0).ceil() as u32).max(1)
    }
}

/// The state of one station: about 190 bytes per pollutant, 1.2 KiB for the six of the decision,
/// whatever the number of readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hours {
    /// The hour that closes next, local hours since 1970.
    hour: i64,
    series: Vec<Series>,
    /// What the last index was made of: pollutant, table, concentration.
    seen: SmallVec<[(u8, u8, f64); 4]>,
    /// End of the hour or day of the last index.
    pub(super) at: i64,
    /// Readings of hours that were closed.
    pub(super) late: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Series {
    /// Of the hour that closes next and of the one after it.
    open: [Acc; 2],
    /// Means of the closed hours, newest first, where the bit of the mask is set.
    means: [f64; NOWCAST_HOURS],
    known: u16,
    day: Day,
}

/// Readings of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Acc {
    sum: f64,
    count: u32,
    /// A bit per slot that holds a reading.
    slots: u16,
}

/// Hourly means of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    sum: f64,
    hours: u8,
    max_1h: f64,
    /// Of the 8 hours that end in the day, if `has_8h`.
    max_8h: f64,
    has_8h: bool,
}

/// Local hour of a moment.
fn hour_of(t: i64) -> i64 {
    t.saturating_add(LOCAL_OFFSET_MS).div_euclid(HOUR_MS)
}

/// The moment an hour ends.
fn end_of(hour: i64) -> i64 {
    (hour + 1) * HOUR_MS - LOCAL_OFFSET_MS
}

impl Hours {
    pub(super) fn new(rule: &AqiRule, t: i64) -> Self {
        Self {
            hour: hour_of(t),
            series: vec![Series::default(); rule.pollutants.len()],
            seen: SmallVec::new(),
            at: i64::MIN,
            late: 0,
        }
    }

    /// Takes the readings of a message; hours that must be over are closed first.
    pub(super) fn take(
        &mut self,
        rule: &AqiRule,
        cadence_s: u32,
        (t, values): (i64, &[(u8, f64)]),
        out: &mut impl FnMut(i64, f64),
    ) {
        let hour = hour_of(t);
        if hour < self.hour {
            self.late = self.late.saturating_add(1);
            return;
        }
        // Two hours are open: a straggler may come until `grace` after its hour.
        let first = if self.is_waiting() { hour - 1 } else { hour };
        for _ in 0..FORGET_HOURS.min(first - self.hour) {
            self.close(rule, cadence_s, out);
        }
        self.hour = self.hour.max(first);
        let slots = rule.slots(cadence_s);
        let into = (t - (end_of(hour) - HOUR_MS)).clamp(0, HOUR_MS - 1);
        let slot = 1u16 << (into * slots / HOUR_MS);
        for (input, value) in values {
            let Some(series) = self.series.get_mut(usize::from(*input)) else { continue };
            let acc = &mut series.open[usize::from(hour != self.hour)];
            acc.sum += value;
            acc.count += 1;
            acc.slots |= slot;
        }
    }

    /// When the next hour is to be closed.
    pub(super) fn deadline(&self) -> Option<i64> {
        self.is_waiting().then(|| end_of(self.hour))
    }

    /// Closes the hours that end until then.
    pub(super) fn wake(
        &mut self,
        rule: &AqiRule,
        cadence_s: u32,
        until: i64,
        out: &mut impl FnMut(i64, f64),
    ) {
        while self.deadline().is_some_and(|end| end <= until) {
            self.close(rule, cadence_s, out);
        }
    }

    /// Something may still come out: readings, hours for Nowcast, a day that has begun.
    fn is_waiting(&self) -> bool {
        self.series
            .iter()
            .any(|s| s.open.iter().any(|a| a.count > 0) || s.known & 0b11 != 0 || s.day.hours > 0)
    }

    fn close(&mut self, rule: &AqiRule, cadence_s: u32, out: &mut impl FnMut(i64, f64)) {
        let need = rule.enough(rule.slots(cadence_s));
        let need_8h = rule.enough(HOURS_8 as i64);
        let end = end_of(self.hour);
        for series in &mut self.series {
            series.close(need, need_8h);
        }
        self.hour += 1;
        let day_ends = self.hour.rem_euclid(24) == 0;
        let seen = match rule.span {
            Span::Hour => Some(self.hour_values(rule)),
            Span::Day => day_ends.then(|| self.day_values(rule)),
        };
        if day_ends {
            self.series.iter_mut().for_each(|s| s.day = Day::default());
        }
        let Some(seen) = seen else { return };
        let all: SmallVec<[Concentration<'_>; 8]> = seen
            .iter()
            .map(|(p, table, value)| Concentration {
                table: &rule.pollutants[usize::from(*p)].tables[usize::from(*table)],
                value: *value,
            })
            .collect();
        if let Some((value, _)) = aqi::station(&rule.scale, &all, is_dust) {
            (self.at, self.seen) = (end, seen);
            out(end, value);
        }
    }

    /// Nowcast of the dust, the hour's mean of the gases.
    fn hour_values(&self, rule: &AqiRule) -> SmallVec<[(u8, u8, f64); 4]> {
        let mut all = SmallVec::new();
        for (p, (pollutant, series)) in rule.pollutants.iter().zip(&self.series).enumerate() {
            let value = if pollutant.is_dust() {
                aqi::nowcast(&series.hours()).map(|n| n.value)
            } else {
                series.mean(0)
            };
            let table = pollutant.tables.iter().position(|t| is_dust(t) || t.average_h == 1);
            if let (Some(value), Some(table)) = (value, table) {
                all.push((p as u8, table as u8, value));
            }
        }
        all
    }

    /// The mean of the day for dust, for gases the largest mean of 1 and of 8 hours.
    fn day_values(&self, rule: &AqiRule) -> SmallVec<[(u8, u8, f64); 4]> {
        let mut all = SmallVec::new();
        for (p, (pollutant, series)) in rule.pollutants.iter().zip(&self.series).enumerate() {
            let day = &series.day;
            if u32::from(day.hours) < rule.enough(24) {
                continue;
            }
            for (n, table) in pollutant.tables.iter().enumerate() {
                let value = match table.average_h {
                    24 => day.sum / f64::from(day.hours),
                    8 if day.has_8h => day.max_8h,
                    1 => day.max_1h,
                    _ => continue,
                };
                all.push((p as u8, n as u8, value));
            }
        }
        all
    }

    /// What the last index was made of: property, averaging time, concentration, its index; the
    /// one that decided first.
    pub(super) fn parts<'r>(&self, rule: &'r AqiRule) -> Vec<(&'r Name, u32, f64, f64)> {
        let mut all = Vec::new();
        for (p, table, value) in &self.seen {
            let Some(pollutant) = rule.pollutants.get(usize::from(*p)) else { continue };
            let Some(table) = pollutant.tables.get(usize::from(*table)) else { continue };
            if let Some(index) = aqi::sub_index(&rule.scale, table, *value) {
                all.push((&pollutant.property, table.average_h, *value, index.round()));
            }
        }
        all.sort_by(|a, b| b.3.total_cmp(&a.3));
        all
    }

    /// Per pollutant: of the last 12 hours those with a mean, newest as bit 0, and the hours of
    /// the running day.
    pub(super) fn complete(&self) -> impl Iterator<Item = (u16, u8)> {
        self.series.iter().map(|s| (s.known, s.day.hours))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let seen = if self.seen.spilled() { self.seen.capacity() * 16 } else { 0 };
        size_of::<Self>() + self.series.capacity() * size_of::<Series>() + seen
    }
}

impl Series {
    fn close(&mut self, need: u32, need_8h: u32) {
        let acc = std::mem::take(&mut self.open[0]);
        self.open.swap(0, 1);
        self.means.copy_within(0..NOWCAST_HOURS - 1, 1);
        self.known = self.known << 1 & ((1 << NOWCAST_HOURS) - 1);
        if acc.count > 0 && acc.slots.count_ones() >= need {
            self.means[0] = acc.sum / f64::from(acc.count);
            self.known |= 1;
            self.day.max_1h = if self.day.hours == 0 {
                self.means[0]
            } else {
                self.day.max_1h.max(self.means[0])
            };
            self.day.sum += self.means[0];
            self.day.hours += 1;
        }
        let of_8: SmallVec<[f64; HOURS_8]> = (0..HOURS_8).filter_map(|i| self.mean(i)).collect();
        if of_8.len() as u32 >= need_8h {
            let mean = of_8.iter().sum::<f64>() / of_8.len() as f64;
            self.day.max_8h = if self.day.has_8h { self.day.max_8h.max(mean) } else { mean };
            self.day.has_8h = true;
        }
    }

    /// The mean of an hour, 0 the newest.
    fn mean(&self, i: usize) -> Option<f64> {
        (self.known >> i & 1 == 1).then(|| self.means[i])
    }

    fn hours(&self) -> [Option<f64>; NOWCAST_HOURS] {
        std::array::from_fn(|i| self.mean(i))
    }
}
