//! `kind: gathering`: several moving devices at one place: vessel trackers that lie on one boat
//! ("gửi thiết bị"), buses that stand in a row.
//!
//! The number judged is that of the largest group: a device with all others that are within
//! `within` of it by their last fresh positions. Zones of `except` (harbours, depots) do not count.

#[cfg(test)]
mod tests;

use ioc_model::{Evidence, Name, Text};
use serde::{Deserialize, Serialize};

use super::geofence::{Zone, measure, print_zones, zones};
use super::members::MOST;
use super::{Context, Input, Loaded, Message, Operator, Said, Shown, Verdict, Verdicts, Wanted};
use crate::fields::{Fields, duration};
use crate::geo::Point;
use crate::load::{Check, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

const INPUTS: [&str; 2] = ["latitude", "longitude"];
const DEFAULT_FRESH_MS: i64 = 1_800_000;

/// The rule, compiled. Zones are part of it: a changed outline is a changed rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GatheringRule {
    within_m: f64,
    fresh_ms: i64,
    except: Vec<Zone>,
}

/// Where a device was last: 48 bytes; the name is shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    name: Name,
    t: i64,
    lat: f64,
    lon: f64,
    /// Devices within reach, itself among them.
    near: u32,
}

/// Fresh positions outside of the excepted zones, sorted by name; at most [`MOST`] (192 KiB).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GatheringState {
    places: Vec<Place>,
    /// Newest moment judged; verdicts do not go back behind it.
    newest: i64,
    /// Positions of devices beyond the bound.
    left_out: u32,
}

impl Place {
    fn point(&self) -> Point {
        Point { lon: self.lon, lat: self.lat }
    }
}

impl GatheringRule {
    fn near(&self, a: &Place, b: &Place) -> bool {
        // Latitude alone rules out most; a degree of it is never shorter than 110.5 km.
        (a.lat - b.lat).abs() * 110_500.0 <= self.within_m
            && a.point().distance_m(b.point()) <= self.within_m
    }

    /// Takes a device out of the group, with its part in the others' counts.
    fn remove(&self, state: &mut GatheringState, index: usize) {
        let gone = state.places.remove(index);
        for other in state.places.iter_mut().filter(|o| self.near(&gone, o)) {
            other.near -= 1;
        }
    }

    fn insert(&self, state: &mut GatheringState, mut place: Place) {
        let at = state.places.binary_search_by(|p| p.name.cmp(&place.name));
        let Err(at) = at else { return };
        if state.places.len() >= MOST {
            state.left_out = state.left_out.saturating_add(1);
            return;
        }
        for other in &mut state.places {
            if self.near(&place, other) {
                other.near += 1;
                place.near += 1;
            }
        }
        state.places.insert(at, place);
    }

    /// The device with the most others near it; the first by name of several.
    fn middle<'s>(&self, state: &'s GatheringState) -> Option<&'s Place> {
        state.places.iter().reduce(|a, b| if b.near > a.near { b } else { a })
    }

    fn group<'s>(&self, state: &'s GatheringState) -> Vec<&'s Place> {
        let Some(middle) = self.middle(state) else { return Vec::new() };
        state.places.iter().filter(|p| self.near(middle, p)).collect()
    }

    fn verdict(&self, state: &GatheringState) -> Verdict {
        Verdict::of(state.newest, self.middle(state).map_or(0.0, |p| f64::from(p.near)))
    }
}

impl Operator for GatheringRule {
    const WORD: &'static str = "gathering";
    const PER: &'static [Per] = &[Per::Service, Per::Area, Per::City];
    type State = GatheringState;

    fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Check<'_>,
    ) -> Option<Loaded<Self>> {
        let within = fields.require("within", &mut check.report);
        let within_m = within.and_then(|n| measure(n, "m", (1.0, 100_000.0), check));
        let fresh_ms = match fields.get("fresh") {
            Some(n) => duration(n, 1_000, &mut check.report),
            None => Some(DEFAULT_FRESH_MS),
        };
        let except = fields.get("except").map_or(Some(Vec::new()), |n| zones(n, check));
        let unit: Name = "".into();
        let ladder = common.ladder(fields, Some(&unit), check)?;
        for level in &ladder.levels {
            let never = !level.raise_op.is_upper()
                || super::members::limit_at(&level.raise, None, 0)
                    .is_some_and(|l| level.raise_op.holds(1.0, l));
            if never {
                let hint = "a device alone is a group of one: raise from `>= 2` on";
                let message = format!("`{} {}` holds always", level.raise_op, level.raise);
                check.report.hinted(fields.node(), message, hint);
            }
        }
        let kind = Self { within_m: within_m?, fresh_ms: fresh_ms?, except: except? };
        let cleared = (
            "không còn nhiều thiết bị ở cùng một vị trí",
            "no longer several devices at one place",
        );
        Some(Loaded { kind, ladder, unit, digits: 0, cleared })
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let mut out = vec![
            ("within", print::text(format!("{} m", self.within_m))),
            ("fresh", print::duration(self.fresh_ms)),
        ];
        if !self.except.is_empty() {
            out.push(("except", print_zones(&self.except)));
        }
        out
    }

    fn inputs(&self) -> Vec<Input> {
        INPUTS.into_iter().map(|name| Input::of(Wanted::Property(name.into()))).collect()
    }

    fn feed(
        &self,
        state: &mut GatheringState,
        cx: &Context<'_>,
        message: &Message<'_>,
        out: &mut Verdicts,
    ) {
        let Said::Values(values) = message.said else { return };
        let get = |input: u8| values.iter().find(|(i, _)| *i == input).map(|(_, v)| *v);
        let (Some(lat), Some(lon)) = (get(0), get(1)) else { return };
        self.wake(state, cx, message.t, out);
        state.newest = state.newest.max(message.t);
        let known = state.places.binary_search_by(|p| p.name.cmp(message.name));
        match known {
            Ok(i) if state.places[i].t > message.t => return,
            Ok(i) => self.remove(state, i),
            Err(_) => {}
        }
        let place = Place { name: message.name.clone(), t: message.t, lat, lon, near: 1 };
        let nowhere = lat.abs() > 90.0 || lon.abs() > 180.0 || (lat, lon) == (0.0, 0.0);
        let stale = message.t.saturating_add(self.fresh_ms) <= state.newest;
        let excepted = self.except.iter().any(|z| z.contains(place.point()));
        if !(nowhere || stale || excepted) {
            self.insert(state, place);
        }
        out.push(self.verdict(state));
    }

    fn wake(&self, state: &mut GatheringState, cx: &Context<'_>, until: i64, out: &mut Verdicts) {
        while let Some(due) = self.deadline(state, cx).filter(|d| *d <= until) {
            while let Some(i) =
                state.places.iter().position(|p| p.t.saturating_add(self.fresh_ms) <= due)
            {
                self.remove(state, i);
            }
            state.newest = state.newest.max(due);
            out.push(self.verdict(state));
        }
    }

    fn deadline(&self, state: &GatheringState, _cx: &Context<'_>) -> Option<i64> {
        let oldest = state.places.iter().map(|p| p.t).min()?;
        Some(oldest.saturating_add(self.fresh_ms))
    }

    fn shown(&self, state: &GatheringState, cx: &Context<'_>) -> Shown {
        const NAMED: usize = 5;
        let group = self.group(state);
        let mut detail = Text::default();
        for place in group.iter().take(NAMED) {
            let known = cx.city.devices.get(&place.name).map(|d| &d.name);
            for (text, vi) in [(&mut detail.vi, true), (&mut detail.en, false)] {
                text.push_str(if text.is_empty() { "" } else { ", " });
                text.push_str(known.map_or(&place.name, |n| if vi { &n.vi } else { &n.en }));
            }
        }
        if group.len() > NAMED {
            detail.vi.push_str(", …");
            detail.en.push_str(", …");
        }
        Shown { detail, ..Shown::default() }
    }

    fn explain(&self, state: &GatheringState, _cx: &Context<'_>, evidence: &mut Evidence) {
        let mut group = self.group(state);
        group.truncate(Evidence::MAX_READINGS / 2);
        for place in &group {
            evidence.reading(&place.name, &INPUTS[0].into(), place.t, place.lat);
            evidence.reading(&place.name, &INPUTS[1].into(), place.t, place.lon);
        }
        evidence.number("fresh_devices", state.places.len() as f64);
        evidence.number("within_m", self.within_m);
        if state.left_out > 0 {
            evidence.number("left_out", f64::from(state.left_out));
        }
        if let Some(first) = group.iter().map(|p| p.t).min() {
            evidence.timer("fresh", first, first.saturating_add(self.fresh_ms));
        }
    }

    fn heap_bytes(&self, state: &GatheringState) -> usize {
        state.places.capacity() * size_of::<Place>()
    }
}
