/// A storm comes back after so long.
const STORM_PERIOD_S: f64 = 900.0;
/// Greatest rain of a place of average luck, mm/h.
const STORM_RAIN_MM_H: f64 = 70.0;

/// Times of the acts that are the same in every run, seconds from the start.
pub(super) const TOWER_FLOODED_S: f64 = 2.0;
pub(super) const WRONG_WAY_S: f64 = 3.0;
const TOWER_DRIES_S: f64 = 100.0;
const TOWER_DRY_S: f64 = 160.0;
const JAM_S: (f64, f64) = (20.0, 420.0);
const CROWD_S: (f64, f64) = (60.0, 240.0);
pub(super) const CAMERA_DARK_S: (f64, f64) = (25.0, 200.0);

/// The state of the city at one moment.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Seconds since the start.
    pub t: f64,
    /// Local time of day in the city's own, possibly faster day: 0 to 24.
    pub hour: f64,
    /// Seconds since the newest storm began, in the time of the shortest storm; negative before the
    /// first.
    storm_s: f64,
}

impl World {
    /// The city `t` seconds after a start at local hour `start_hour`; storms begin after
    /// `storm.0` seconds and take `storm.1` times as long as the shortest.
    pub fn at(t: f64, start_hour: f64, speed: f64, storm: (f64, f64)) -> Self {
        let hour = (start_hour + t * speed / 3600.0).rem_euclid(24.0);
        let since = (t - storm.0) / storm.1;
        let storm_s = if since < 0.0 { since } else { since % STORM_PERIOD_S };
        Self { t, hour, storm_s }
    }

    /// Rain in mm/h at a place with luck 0 to 1.
    pub fn rain(&self, luck: f64) -> f64 {
        STORM_RAIN_MM_H * (0.5 + luck) * hill(self.storm_s, 0.0, 120.0, 300.0)
    }

    /// 0 to 1: water on the streets, which follows the rain.
    pub fn street_water(&self) -> f64 {
        hill(self.storm_s, 30.0, 170.0, 420.0)
    }

    /// 0 to 1: water in the rivers, which follows the streets.
    pub fn river_water(&self) -> f64 {
        hill(self.storm_s, 60.0, 280.0, 600.0)
    }

    /// 0 to 1: the two rush hours.
    pub fn rush(&self) -> f64 {
        bell(self.hour, 7.3, 0.9).max(bell(self.hour, 17.3, 1.2))
    }

    /// 0 to 1: how awake the city is.
    pub fn day(&self) -> f64 {
        let up = ((self.hour - 5.0) / 2.0).clamp(0.0, 1.0);
        let down = ((24.0 - self.hour) / 3.0).clamp(0.0, 1.0);
        up.min(down)
    }

    /// 0 to 1: evening out.
    pub fn evening(&self) -> f64 {
        bell(self.hour, 19.0, 1.8)
    }

    /// 0 to 1: warmth of the day.
    pub fn sun(&self) -> f64 {
        bell(self.hour, 13.5, 3.5)
    }

    /// Depth of the tower that is flooded from the start, m.
    pub(super) fn first_flood(&self) -> f64 {
        if self.t < TOWER_FLOODED_S {
            return 0.0;
        }
        0.6 * ((TOWER_DRY_S - self.t) / (TOWER_DRY_S - TOWER_DRIES_S)).clamp(0.0, 1.0)
    }

    /// The junction with the accident stands still.
    pub(super) fn jam(&self) -> bool {
        (JAM_S.0..JAM_S.1).contains(&self.t)
    }

    /// A crowd has come together.
    pub(super) fn crowd(&self) -> bool {
        (CROWD_S.0..CROWD_S.1).contains(&self.t)
    }
}

/// Smooth from 0 at `from` to 1 at `top` and back to 0 at `to`.
fn hill(x: f64, from: f64, top: f64, to: f64) -> f64 {
    let part = if x < top { (x - from) / (top - from) } else { (to - x) / (to - top) };
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

fn bell(x: f64, middle: f64, width: f64) -> f64 {
    (-((x - middle) / width).powi(2)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(t: f64) -> World {
        World::at(t, 12.0, 1.0, (45.0, 1.0))
    }

    #[test]
    fn the_storm_comes_peaks_goes_and_comes_back() {
        assert_eq!(at(44.0).rain(0.5), 0.0);
        assert!((at(165.0).rain(0.5) - STORM_RAIN_MM_H).abs() < 1e-9);
        assert_eq!(at(346.0).rain(0.5), 0.0);
        assert!(at(45.0 + STORM_PERIOD_S + 120.0).rain(0.5) > 60.0);
    }

    #[test]
    fn water_follows_rain_into_streets_and_rivers() {
        let top = |f: fn(&World) -> f64| {
            (0..900)
                .max_by(|a, b| f(&at(f64::from(*a))).total_cmp(&f(&at(f64::from(*b)))))
                .expect("a moment")
        };
        assert!(top(|w| w.rain(0.5)) < top(World::street_water));
        assert!(top(World::street_water) < top(World::river_water));
        assert_eq!(at(700.0).river_water(), 0.0);
    }

    #[test]
    fn rush_hours_follow_the_accelerated_day() {
        let noon = World::at(0.0, 12.0, 60.0, (45.0, 1.0));
        let evening = World::at(318.0, 12.0, 60.0, (45.0, 1.0));
        assert!(noon.rush() < 0.01 && evening.rush() > 0.99);
    }
}
