//! The last positions of a device, without those that it cannot have.

use serde::{Deserialize, Serialize};

use crate::geo::Point;

/// Positions kept, for evidence and speed.
const KEPT: usize = 4;
/// So many positions in a row that no vehicle can have reached from the last one, but each from
/// the one before, mean that the last one was wrong.
const AGREE: u8 = 3;
const UNIT: f64 = 1e7;

/// A position; degrees in ten-millionths (1 cm), as GPS receivers give them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fix {
    pub(super) t: i64,
    lat: i32,
    lon: i32,
    /// km/h as the device says; negative: it does not.
    speed: f32,
}

impl Fix {
    /// `None` where no device of a city is: off the earth, or at 0, 0, which receivers without a
    /// position send.
    fn new(t: i64, (lat, lon): (f64, f64), speed: Option<f64>) -> Option<Self> {
        let good = lat.abs() <= 90.0 && lon.abs() <= 180.0 && (lat, lon) != (0.0, 0.0);
        let speed = speed.filter(|s| *s >= 0.0).map_or(-1.0, |s| s as f32);
        let whole = |degrees: f64| (degrees * UNIT).round() as i32;
        good.then(|| Self { t, lat: whole(lat), lon: whole(lon), speed })
    }

    pub(super) fn point(&self) -> Point {
        Point { lon: f64::from(self.lon) / UNIT, lat: f64::from(self.lat) / UNIT }
    }

    /// As the device says.
    pub(super) fn speed_kmh(&self) -> Option<f64> {
        (self.speed >= 0.0).then_some(f64::from(self.speed))
    }

    /// Whether one can get to `to` in the time, each position being `margin_m` wrong or less.
    fn reaches(&self, to: &Self, margin_m: f64, max_kmh: f64) -> bool {
        let hours = (to.t - self.t) as f64 / 3_600_000.0;
        let km = (self.point().distance_m(to.point()) - margin_m) / 1000.0;
        km <= max_kmh * hours
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    /// Newest first.
    fixes: [Fix; KEPT],
    len: u8,
    /// The last position that was left out as a jump, and how many in a row agree with it.
    doubted: Option<Box<(Fix, u8)>>,
    /// Positions left out.
    pub(super) ignored: u32,
}

impl Track {
    pub(super) fn last(&self) -> Option<&Fix> {
        self.fixes[..usize::from(self.len)].first()
    }

    pub(super) fn oldest_first(&self) -> impl Iterator<Item = &Fix> {
        self.fixes[..usize::from(self.len)].iter().rev()
    }

    /// Adds a position unless it is no newer than the last, nowhere, or a jump.
    pub(super) fn take(
        &mut self,
        t: i64,
        place: (f64, f64),
        speed: Option<f64>,
        margin_m: f64,
        max_kmh: f64,
    ) -> Option<Fix> {
        if self.last().is_some_and(|last| t <= last.t) {
            return None;
        }
        let Some(fix) = Fix::new(t, place, speed) else {
            self.ignored = self.ignored.saturating_add(1);
            return None;
        };
        if self.last().is_some_and(|last| !last.reaches(&fix, margin_m, max_kmh)) {
            let follows = |d: &Fix| d.t < fix.t && d.reaches(&fix, margin_m, max_kmh);
            let agreeing = self.doubted.as_ref().filter(|d| follows(&d.0)).map_or(0, |d| d.1) + 1;
            if agreeing < AGREE {
                self.ignored = self.ignored.saturating_add(1);
                self.doubted = Some(Box::new((fix, agreeing)));
                return None;
            }
            // What was known before was wrong: nothing is computed from it.
            self.len = 0;
        }
        self.doubted = None;
        self.fixes.rotate_right(1);
        self.fixes[0] = fix;
        self.len = (self.len + 1).min(KEPT as u8);
        Some(fix)
    }

    /// Speed as the device says, else from the last two positions if they are close in time.
    pub(super) fn speed_kmh(&self, max_gap_ms: i64) -> Option<f64> {
        let last = self.last()?;
        last.speed_kmh().or_else(|| {
            let before = self.fixes[..usize::from(self.len)].get(1)?;
            let ms = last.t - before.t;
            let km = last.point().distance_m(before.point()) / 1000.0;
            (ms <= max_gap_ms).then(|| km / (ms as f64 / 3_600_000.0))
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.doubted.as_ref().map_or(0, |_| size_of::<(Fix, u8)>())
    }
}
