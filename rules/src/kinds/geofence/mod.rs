//! `kind: geofence`: where a moving device is: it enters or leaves a zone, is inside or outside,
//! stays, goes too fast, comes near the boundary.
//!
//! A position decides nothing alone: jumps that no vehicle can make are left out ([`track`]),
//! `min_points` positions in a row must agree, and the boundary has a margin (`jitter`).

mod load;
#[cfg(test)]
mod tests;
mod track;

use ioc_model::{Evidence, EvidenceLimit, Name, Text};
use serde::{Deserialize, Serialize};

use super::members::limit_at;
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::Fields;
use crate::geo::{Point, Shape};
use crate::limit::{Limit, Op};
use crate::load::{Check, Common};
use crate::rule::Per;
use crate::yaml::Node;
use track::{Fix, Track};

pub(crate) use load::{measure, print_zones, zones};

const INPUTS: [&str; 3] = ["latitude", "longitude", "speed"];

/// The rule, compiled. Zones are part of it: a changed outline is a changed rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GeofenceRule {
    zones: Vec<Zone>,
    on: On,
    jitter_m: f64,
    min_points: u8,
    max_gap_ms: i64,
    max_speed_kmh: f64,
}

/// A zone of the city, or an area.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone {
    id: Name,
    shape: Shape,
}

impl Zone {
    pub(crate) fn contains(&self, p: Point) -> bool {
        self.shape.contains(p)
    }
}

/// What is watched for.
#[derive(Clone, Debug, PartialEq)]
enum On {
    Enter { hold_ms: i64 },
    Leave { hold_ms: i64 },
    Inside,
    Outside,
    Dwell { ms: i64 },
    Speed { op: Op, limit: Limit },
    Near { m: f64, from: Side },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Outside,
    Inside,
    Either,
}

/// What is kept of one device: 160 bytes, nothing on the heap but while a jump is doubted
/// (40 bytes).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GeofenceState {
    track: Track,
    /// Zone it is in, from 1; 0 is none; `None`: not known yet.
    place: Option<u8>,
    /// Another place that the last positions say, and how many of them.
    candidate: (u8, u8),
    /// First of those positions.
    candidate_since: i64,
    /// Since when it is in its place; begins anew after a gap.
    since: i64,
    /// It has stayed long enough.
    stayed: bool,
    /// An event (enter, leave) holds until then.
    holds_until: Option<i64>,
    /// Zone that messages speak of, from 1.
    named: u8,
    /// What they show: km/h, m, or ms of a stay.
    shown: f64,
}

impl GeofenceRule {
    /// The zone of a position, from 1; 0 for none. It stays in `current` up to `jitter` beyond.
    fn place(&self, p: Point, current: u8) -> u8 {
        let near = |shape: &Shape, slack: f64| match self.on {
            On::Near { m, from } => {
                let side = match from {
                    Side::Either => true,
                    Side::Inside => shape.contains(p),
                    Side::Outside => !shape.contains(p),
                };
                (side || shape.boundary_within(p, slack)) && shape.boundary_within(p, m + slack)
            }
            _ => shape.contains(p) || (slack > 0.0 && shape.boundary_within(p, slack)),
        };
        let now = self.zone(current).is_some_and(|z| near(&z.shape, self.jitter_m));
        if now {
            return current;
        }
        self.zones.iter().position(|z| near(&z.shape, 0.0)).map_or(0, |i| i as u8 + 1)
    }

    fn zone(&self, number: u8) -> Option<&Zone> {
        self.zones.get(usize::from(number).checked_sub(1)?)
    }

    /// What the latest positions say about the place, after `min_points` of them the place.
    fn locate(&self, state: &mut GeofenceState, fix: &Fix, gap: bool, out: &mut Verdicts) {
        let here = self.place(fix.point(), state.place.unwrap_or(0));
        if state.place == Some(here) {
            state.candidate.1 = 0;
            if gap && !state.stayed {
                state.since = fix.t;
            }
            return;
        }
        if state.candidate.1 == 0 || state.candidate.0 != here {
            state.candidate = (here, 0);
            state.candidate_since = fix.t;
        } else if gap {
            state.candidate_since = fix.t;
        }
        state.candidate.1 = state.candidate.1.saturating_add(1);
        if state.candidate.1 >= self.min_points {
            self.arrive(state, here, fix.t, out);
        }
    }

    fn arrive(&self, state: &mut GeofenceState, here: u8, t: i64, out: &mut Verdicts) {
        let before = state.place.replace(here);
        state.candidate.1 = 0;
        if here != 0 {
            state.named = here;
        }
        let (entered, left) = (before.is_some() && here != 0, before.is_some_and(|b| b != 0));
        let (event, opposite, hold_ms) = match self.on {
            On::Enter { hold_ms } => (entered, left, hold_ms),
            On::Leave { hold_ms } => (left, entered, hold_ms),
            _ => (false, false, 0),
        };
        if event {
            state.holds_until = Some(t.saturating_add(hold_ms));
            // Of a move from zone to zone, `leave` names the one that was left.
            if let (On::Leave { .. }, Some(before)) = (&self.on, before) {
                state.named = before;
            }
            out.push(Verdict::switch(t, true));
        } else if opposite && state.holds_until.take().is_some() {
            out.push(Verdict::switch(t, false));
        }
        state.since = state.candidate_since;
        state.stayed = false;
    }

    /// The conditions that each position is asked for.
    fn judge(&self, state: &mut GeofenceState, who: &Name, fix: &Fix, out: &mut Verdicts) {
        let Some(place) = state.place else { return };
        let inside = place != 0;
        let on = match &self.on {
            On::Enter { .. } | On::Leave { .. } => return,
            On::Inside => inside,
            On::Outside => !inside,
            On::Dwell { ms } => {
                let waits = !state.stayed && inside && state.candidate.1 == 0;
                state.stayed |= waits && fix.t >= state.since.saturating_add(*ms);
                if inside {
                    state.shown = (fix.t - state.since) as f64;
                }
                state.stayed
            }
            On::Near { .. } => {
                if let Some(zone) = self.zone(state.named) {
                    state.shown = zone.shape.boundary_m(fix.point());
                }
                inside
            }
            On::Speed { op, limit } => {
                let speed = state.track.speed_kmh(self.max_gap_ms);
                let limit = limit_at(limit, Some(who), fix.t);
                let (Some(speed), Some(limit)) = (speed, limit) else {
                    // Not known how fast: outside it does not matter.
                    if !inside {
                        out.push(Verdict::switch(fix.t, false));
                    }
                    return;
                };
                state.shown = speed;
                inside && op.holds(speed, limit)
            }
        };
        out.push(Verdict::switch(fix.t, on));
    }

    /// When a stay is long enough, if its device is heard often enough to know.
    fn stay_ends(&self, state: &GeofenceState) -> Option<i64> {
        let On::Dwell { ms } = self.on else { return None };
        let waits = !state.stayed && state.place.is_some_and(|p| p != 0) && state.candidate.1 == 0;
        let last = state.track.last()?;
        let end = state.since.saturating_add(ms);
        (waits && end > last.t && end <= last.t.saturating_add(self.max_gap_ms)).then_some(end)
    }
}

impl Operator for GeofenceRule {
    const WORD: &'static str = "geofence";
    const PER: &'static [Per] = &[Per::Device];
    type State = GeofenceState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        load::load(fields, common, check)
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        load::print(self)
    }

    fn inputs(&self) -> Vec<Input> {
        INPUTS.into_iter().map(|name| Input::of(Wanted::Property(name.into()))).collect()
    }

    fn feed(
        &self,
        state: &mut GeofenceState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        let get = |input: u8| values.iter().find(|(i, _)| *i == input).map(|(_, v)| *v);
        let (Some(lat), Some(lon)) = (get(0), get(1)) else { return };
        self.wake(state, cx, message.t, out);
        let before = state.track.last().map(|f| f.t);
        let (margin, speed) = (self.jitter_m, self.max_speed_kmh);
        let Some(fix) = state.track.take(message.t, (lat, lon), get(2), margin, speed) else {
            return;
        };
        let gap = before.is_none_or(|b| fix.t - b > self.max_gap_ms);
        self.locate(state, &fix, gap, out);
        self.judge(state, message.name, &fix, out);
    }

    fn wake(&self, state: &mut GeofenceState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        let Some(due) = self.deadline(state, cx).filter(|d| *d <= until) else { return };
        if state.holds_until.take().is_some() {
            out.push(Verdict::switch(due, false));
        } else {
            state.stayed = true;
            state.shown = (due - state.since) as f64;
            out.push(Verdict::switch(due, true));
        }
    }

    fn deadline(&self, state: &GeofenceState, _cx: &Context<'_>) -> Option<i64> {
        state.holds_until.or_else(|| self.stay_ends(state))
    }

    fn shown(&self, state: &GeofenceState, cx: &Context<'_>) -> Shown {
        let name = |z: &Zone| {
            let known = cx.city.zones.get(&z.id).or_else(|| cx.city.areas.get(&z.id));
            known.cloned().unwrap_or_else(|| Text { vi: z.id.to_string(), en: z.id.to_string() })
        };
        // Never inside yet: if there is only one zone, it is outside of that one.
        let zone = self.zone(state.named).or(self.zones.first().filter(|_| self.zones.len() == 1));
        let (value, limit, duration_ms) = match &self.on {
            On::Speed { limit, .. } => {
                let t = state.track.last().map_or(0, |f| f.t);
                let limit = limit_at(limit, cx.device.map(|d| &**d), t);
                (Some(state.shown), limit, None)
            }
            On::Near { m, .. } => (Some(state.shown), Some(*m), None),
            On::Dwell { .. } => (None, None, Some(state.shown as i64)),
            _ => (None, None, None),
        };
        let detail = zone.map(name).unwrap_or_default();
        Shown { value, limit, duration_ms, detail, ..Shown::default() }
    }

    fn explain(&self, state: &GeofenceState, cx: &Context<'_>, evidence: &mut Evidence) {
        let unknown = Name::from("");
        let device = cx.device.unwrap_or(&unknown);
        for fix in state.track.oldest_first() {
            let p = fix.point();
            evidence.reading(device, &INPUTS[0].into(), fix.t, p.lat);
            evidence.reading(device, &INPUTS[1].into(), fix.t, p.lon);
            if let Some(speed) = fix.speed_kmh() {
                evidence.reading(device, &INPUTS[2].into(), fix.t, speed);
            }
        }
        let place = match state.place {
            None => "not known yet",
            Some(0) => "outside",
            Some(n) => self.zone(n).map_or("", |z| &z.id),
        };
        evidence.word("place", place);
        if state.candidate.1 > 0 {
            let (place, points) = state.candidate;
            evidence.word("perhaps", self.zone(place).map_or("outside", |z| &z.id));
            evidence.number("perhaps_points", f64::from(points));
            evidence.number("min_points", f64::from(self.min_points));
        }
        if let Some(last) = state.track.last() {
            let distance = |z: &Zone| z.shape.boundary_m(last.point());
            let nearest = self.zones.iter().map(distance).fold(f64::INFINITY, f64::min);
            evidence.number("boundary_m", (nearest * 10.0).round() / 10.0);
        }
        evidence.number("jumps_ignored", f64::from(state.track.ignored));
        self.explain_timers(state, evidence);
    }

    fn heap_bytes(&self, state: &GeofenceState) -> usize {
        state.track.heap_bytes()
    }
}

impl GeofenceRule {
    fn explain_timers(&self, state: &GeofenceState, evidence: &mut Evidence) {
        match &self.on {
            On::Enter { hold_ms } | On::Leave { hold_ms } => {
                if let Some(until) = state.holds_until {
                    evidence.timer("hold", until - hold_ms, until);
                }
            }
            On::Dwell { ms } if state.place.is_some_and(|p| p != 0) => {
                evidence.timer("dwell", state.since, state.since + ms);
            }
            On::Speed { op, limit } => {
                if let Some(speed) = state.track.speed_kmh(self.max_gap_ms) {
                    evidence.number("speed_kmh", (speed * 10.0).round() / 10.0);
                }
                let threshold = match limit {
                    Limit::Named { id, .. } => Some(id.clone()),
                    Limit::Number(_) => None,
                };
                let comparison = format!("{op} {limit}");
                let (source, effective) = (None, None);
                evidence.limit = Some(EvidenceLimit { comparison, threshold, source, effective });
            }
            _ => {}
        }
    }
}
