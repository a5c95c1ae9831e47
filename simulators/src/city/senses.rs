//! What a device of each kind measures in a world.

use ioc_model::{City, DeviceSpec, Name};
use rand::Rng;
use rand::rngs::StdRng;

use super::World;

/// The roles of the acts that are the same in every run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    /// Its street is under water from the start.
    pub(super) first_flood: bool,
    /// The accident.
    pub(super) jam: bool,
    /// The crowd.
    pub(super) crowd: bool,
    /// The car on the wrong way.
    pub(super) wrong_way: bool,
    /// Loses its connection early on.
    pub(super) dark: bool,
}

/// What stays the same about a device.
#[derive(Clone, Debug)]
pub(super) struct Sense {
    pub(super) kind: String,
    pub(super) properties: Vec<(Name, u8)>,
    pub(super) role: Role,
    /// 0 to 1, for its whole life: height of its street, load of its junction, …
    luck: f64,
    /// Level without rain and at the height of the flood, m.
    river: (f64, f64),
    interval_s: f64,
}

impl Sense {
    pub(super) fn new(
        spec: &DeviceSpec,
        city: &City,
        role: Role,
        interval_s: f64,
        rng: &mut StdRng,
    ) -> Self {
        let digits = |p: &Name| city.properties.get(p).map_or(2, |p| p.digits);
        let luck = rng.random::<f64>();
        let level = |id: &str| city.thresholds.get(id).and_then(|t| t.for_device(&spec.id));
        let river = match (level("flood.bd1"), level("flood.bd3")) {
            (Some(one), Some(three)) => {
                let span = three - one;
                (one - 0.5 * span, three + span * (0.5 * luck - 0.2))
            }
            _ => (0.5 + 2.0 * luck, 2.0 + 2.5 * luck),
        };
        Self {
            kind: spec.kind.clone(),
            properties: spec.properties.iter().map(|p| (p.clone(), digits(p))).collect(),
            role,
            luck,
            river,
            interval_s,
        }
    }

    /// The value of one property now.
    pub(super) fn value(&self, property: &str, w: &World, rng: &mut StdRng) -> f64 {
        let noise = |rng: &mut StdRng, size: f64| (rng.random::<f64>() - 0.5) * 2.0 * size;
        let luck = self.luck;
        let wet = w.rain(luck) / 100.0;
        match property {
            "water_level" => {
                let (base, top) = self.river;
                base + (top - base) * w.river_water() + noise(rng, 0.01)
            }
            "flood_depth" => (self.flood_depth(w) + noise(rng, 0.012)).max(-0.02),
            "rain_intensity" => w.rain(luck) * (1.0 + noise(rng, 0.1)),
            "rainfall" => w.rain(luck) * self.interval_s / 3600.0,
            "temperature" => 24.0 + 6.0 * w.sun() - 3.0 * wet + luck + noise(rng, 0.2),
            "humidity" => (82.0 - 18.0 * w.sun() + 25.0 * wet + noise(rng, 2.0)).clamp(30.0, 99.0),
            "pressure" => 1011.0 - 6.0 * wet + luck + noise(rng, 0.2),
            "wind_speed" => (2.0 + 11.0 * wet + noise(rng, 1.0)).max(0.0),
            "pm25" => self.dust(w, rng, 14.0),
            "pm10" => self.dust(w, rng, 26.0),
            "no2" => 12.0 + 40.0 * w.rush() * (0.5 + luck) + noise(rng, 3.0).abs(),
            "so2" => 4.0 + 5.0 * luck + noise(rng, 1.0),
            "co" => 350.0 + 900.0 * w.rush() * (0.5 + luck) + noise(rng, 30.0),
            "o3" => 25.0 + 60.0 * w.sun() + noise(rng, 4.0),
            "noise_laeq" => self.noise_level(w) + noise(rng, 1.5),
            "noise_lamax" => self.noise_level(w) + 9.0 + noise(rng, 4.0),
            "speed" => self.speed(w) * (1.0 + noise(rng, 0.06)),
            "traffic_flow" => self.flow(w) * (1.0 + noise(rng, 0.08)),
            "vehicle_count" => {
                (self.flow(w) * self.interval_s / 3600.0 * (1.0 + noise(rng, 0.15))).max(0.0)
            }
            "occupancy" => {
                (12.0 + 70.0 * (1.0 - self.speed(w) / 45.0) + noise(rng, 3.0)).clamp(0.0, 100.0)
            }
            "people_count" => self.people(w) * (1.0 + noise(rng, 0.1)),
            "parking_total" => self.spaces(),
            "parking_free" => (self.spaces() * (1.0 - 0.9 * w.day() * (0.6 + 0.4 * luck))
                + noise(rng, 3.0))
            .clamp(0.0, self.spaces()),
            "ph" => 7.2 + 0.6 * luck + noise(rng, 0.05),
            "dissolved_oxygen" => 4.6 + 2.5 * luck + 0.8 * w.sun() + noise(rng, 0.1),
            "salinity" => {
                let tide = 190.0 + 90.0 * (w.t / 240.0).sin() + noise(rng, 4.0);
                tide * (1.0 - 0.8 * w.river_water())
            }
            "discharge" => {
                0.15 + 0.35 * luck * w.day() + 0.5 * w.street_water() + noise(rng, 0.01).abs()
            }
            _ => luck * 10.0 + noise(rng, 0.5),
        }
    }

    fn flood_depth(&self, w: &World) -> f64 {
        let first = if self.role.first_flood { w.first_flood() } else { 0.0 };
        let storm = match self.kind.as_str() {
            "flood_warning_tower" => w.river_water() * (self.luck - 0.4).max(0.0) * 2.0,
            // A third of the streets lie low: up to 1.2 m; the others see puddles.
            _ if self.luck > 0.65 => w.street_water() * (0.2 + (self.luck - 0.65) * 3.0),
            _ => w.street_water() * 0.12 * self.luck,
        };
        first.max(storm)
    }

    fn dust(&self, w: &World, rng: &mut StdRng, base: f64) -> f64 {
        let dry = 1.0 - 0.6 * (w.rain(self.luck) / 100.0).min(1.0);
        let grain = 1.0 + (rng.random::<f64>() - 0.5) * 0.2;
        (base * (0.7 + 0.6 * self.luck) + base * w.rush()) * dry * grain
    }

    fn noise_level(&self, w: &World) -> f64 {
        46.0 + 4.0 * self.luck + 13.0 * w.day() + 6.0 * w.rush()
    }

    /// Share of the junction's capacity that is asked for.
    fn demand(&self, w: &World) -> f64 {
        0.08 + 0.3 * w.day() + (0.35 + 0.35 * self.luck) * w.rush()
    }

    fn speed(&self, w: &World) -> f64 {
        if self.role.jam && w.jam() {
            return 6.0;
        }
        let wet = 1.0 - 0.35 * (w.rain(self.luck) / 70.0).min(1.0);
        (44.0 * (1.0 - 0.85 * self.demand(w).powi(2)) * wet).max(4.0)
    }

    /// Vehicles per hour.
    fn flow(&self, w: &World) -> f64 {
        let open = if self.role.jam && w.jam() { 0.3 } else { 1.0 };
        (1200.0 + 2400.0 * self.luck) * self.demand(w) * open
    }

    fn people(&self, w: &World) -> f64 {
        let usual = 5.0 + 25.0 * w.day() + 110.0 * self.luck * w.evening();
        if self.role.crowd && w.crowd() { usual + 320.0 } else { usual.round() }
    }

    fn spaces(&self) -> f64 {
        (60.0 + 240.0 * self.luck).round()
    }
}
