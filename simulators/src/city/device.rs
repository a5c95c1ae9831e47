use std::io::Write;

use ioc_model::{City, DeviceSpec};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::World;
use super::faults::{Fault, Faults, garbage};
use super::senses::{Role, Sense};
use super::world::{CAMERA_DARK_S, WRONG_WAY_S};

/// Chance per message that a camera sees something.
const EVENT: f64 = 1.0 / 25.0;
/// A message in so many is followed by a status.
const STATUS_EVERY: u64 = 10;

/// What a device wants to say: end of the topic, and payload.
pub(super) type Said = (&'static str, Vec<u8>);

/// One simulated device.
pub(super) struct SimDevice {
    /// `ioc/v1/{area}/{service}/{device}/`
    pub(super) topic: String,
    pub(super) interval_s: f64,
    /// Its next regular message, ms since the start.
    pub(super) next_ms: u64,
    pub(super) seq: u64,
    id: String,
    sense: Sense,
    rng: StdRng,
    faults: Option<Faults>,
    last_values: Vec<f64>,
    events: u64,
    dark: bool,
    wrong_way_seen: bool,
}

impl SimDevice {
    pub(super) fn new(
        spec: &DeviceSpec,
        city: &City,
        (seed, role): (u64, Role),
        interval_s: f64,
        faults: bool,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ fnv(&spec.id));
        let sense = Sense::new(spec, city, role, interval_s, &mut rng);
        let first_ms = if role.first_flood { 2_000 } else { (rng.random::<f64>() * 1500.0) as u64 };
        Self {
            topic: format!("ioc/v1/{}/{}/{}/", spec.area, spec.service, spec.id),
            interval_s,
            next_ms: first_ms,
            seq: 0,
            id: spec.id.to_string(),
            sense,
            rng,
            // Devices with a part to play do not fail by chance.
            faults: (faults && role == Role::default()).then(Faults::default),
            last_values: Vec::new(),
            events: 0,
            dark: false,
            wrong_way_seen: false,
        }
    }

    /// Everything it says now; sets the time of its next message.
    pub(super) fn speak(&mut self, w: &World, time_ms: i64) -> Vec<Said> {
        let first = self.seq == 0;
        let jitter = 0.95 + 0.1 * self.rng.random::<f64>();
        self.next_ms += (self.interval_s * jitter * 1000.0) as u64;
        self.hasten_for_acts(w);
        let fault = match &mut self.faults {
            Some(faults) => faults.next(w.t, &mut self.rng),
            None => Fault::None,
        };
        let dark = self.sense.role.dark && (CAMERA_DARK_S.0..CAMERA_DARK_S.1).contains(&w.t);
        if fault == Fault::Silent || dark {
            let goes = dark && !self.dark;
            self.dark |= dark;
            return if goes { vec![("status", status(time_ms, false, None))] } else { vec![] };
        }
        let mut said = Vec::new();
        let battery = (self.sense.kind == "flood_tower").then(|| 70 + self.seq % 30);
        if first || self.dark || self.seq % STATUS_EVERY == STATUS_EVERY - 1 {
            said.push(("status", status(time_ms, true, battery)));
            self.dark = false;
        }
        let good = self.observe(w, time_ms, fault == Fault::Stuck);
        let payload = match fault {
            Fault::Garbage => garbage(&good, time_ms, &mut self.rng),
            _ => good,
        };
        said.push(("obs", payload));
        if self.sense.kind == "camera" {
            self.see(w, time_ms, &mut said);
        }
        self.seq += 1;
        said
    }

    /// The acts have fixed times, which a cadence must not miss.
    fn hasten_for_acts(&mut self, w: &World) {
        let now_ms = (w.t * 1000.0) as u64;
        let role = self.sense.role;
        let acts = [
            (role.wrong_way, WRONG_WAY_S),
            (role.dark, CAMERA_DARK_S.0),
            (role.dark, CAMERA_DARK_S.1),
        ];
        for (plays, at) in acts {
            let at_ms = (at * 1000.0) as u64;
            if plays && now_ms < at_ms {
                self.next_ms = self.next_ms.min(at_ms);
            }
        }
    }

    fn observe(&mut self, w: &World, time_ms: i64, stuck: bool) -> Vec<u8> {
        if !stuck || self.last_values.is_empty() {
            let mut values = Vec::with_capacity(self.sense.properties.len());
            for (property, digits) in &self.sense.properties {
                let scale = 10f64.powi(i32::from(*digits));
                let value = self.sense.value(property, w, &mut self.rng);
                values.push((value * scale).round() / scale);
            }
            self.last_values = values;
        }
        let mut out = Vec::with_capacity(160);
        // Writing to a Vec does not fail.
        let _ = write!(out, "{{\"time\":{time_ms},\"seq\":{},\"values\":{{", self.seq);
        for (n, ((property, _), value)) in
            self.sense.properties.iter().zip(&self.last_values).enumerate()
        {
            let _ = write!(out, "{}\"{property}\":{value}", if n > 0 { "," } else { "" });
        }
        out.extend_from_slice(b"}}");
        out
    }

    fn see(&mut self, w: &World, time_ms: i64, said: &mut Vec<Said>) {
        let draw: f64 = self.rng.random();
        let confidence = 0.6 + 0.39 * self.rng.random::<f64>();
        let plate = self.rng.random_range(10_000..99_999);
        if self.sense.role.wrong_way && !self.wrong_way_seen && w.t >= WRONG_WAY_S {
            self.wrong_way_seen = true;
            said.push(self.event(time_ms, "wrong_way", "car", 0.97, Some(plate), None));
            return;
        }
        if self.sense.role.crowd && w.crowd() {
            let count = self.last_values.first().copied().unwrap_or(0.0) as u64;
            said.push(self.event(time_ms, "crowd", "person", confidence, None, Some(count)));
            return;
        }
        if draw > EVENT {
            return;
        }
        let share = draw / EVENT;
        let (kind, object, plate) = match share {
            s if s < 0.35 => ("red_light", "motorcycle", Some(plate)),
            s if s < 0.65 => ("illegal_parking", "car", Some(plate)),
            s if s < 0.80 => ("no_helmet", "motorcycle", Some(plate)),
            s if s < 0.90 => ("pedestrian_on_road", "person", None),
            s if s < 0.97 => ("stopped_vehicle", "truck", Some(plate)),
            _ => ("wrong_way", "motorcycle", Some(plate)),
        };
        said.push(self.event(time_ms, kind, object, confidence, plate, None));
    }

    fn event(
        &mut self,
        time_ms: i64,
        kind: &str,
        object: &str,
        confidence: f64,
        plate: Option<u32>,
        count: Option<u64>,
    ) -> Said {
        self.events += 1;
        let mut out = format!(
            "{{\"time\":{time_ms},\"id\":\"{}-{time_ms}-{}\",\"type\":\"{kind}\",\
             \"object\":\"{object}\",\"confidence\":{confidence:.2}",
            self.id, self.events
        );
        if let Some(plate) = plate {
            out += &format!(",\"plate\":\"43A-{plate}\"");
        }
        if let Some(count) = count {
            out += &format!(",\"count\":{count}");
        }
        out.push('}');
        ("event", out.into_bytes())
    }
}

fn status(time_ms: i64, online: bool, battery: Option<u64>) -> Vec<u8> {
    let battery = battery.map_or(String::new(), |b| format!(",\"battery\":{b}"));
    format!("{{\"time\":{time_ms},\"online\":{online}{battery}}}").into_bytes()
}

/// FNV-1a: the same on every machine.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}
