//! How devices fail: silence, a stuck value, garbage.

use rand::Rng;
use rand::rngs::StdRng;

/// Chances per message.
const SILENT: f64 = 1.0 / 400.0;
const STUCK: f64 = 1.0 / 300.0;
const GARBAGE: f64 = 1.0 / 200.0;

/// What happens to this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It is not sent, nor those after it for a while.
    Silent,
    /// It repeats the values of the one before.
    Stuck,
    /// Its payload is broken.
    Garbage,
}

/// The state of one device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    silent_until_s: f64,
    stuck: u32,
}

impl Faults {
    pub(super) fn next(&mut self, t: f64, rng: &mut StdRng) -> Fault {
        // The draw is taken in any case: a device's other luck must not depend on its faults.
        let draw: f64 = rng.random();
        let length: f64 = rng.random();
        if t < self.silent_until_s {
            return Fault::Silent;
        }
        if self.stuck > 0 {
            self.stuck -= 1;
            return Fault::Stuck;
        }
        if draw < SILENT {
            self.silent_until_s = t + 60.0 + 180.0 * length;
            return Fault::Silent;
        }
        if draw < SILENT + STUCK {
            self.stuck = 5 + (length * 20.0) as u32;
            return Fault::Stuck;
        }
        if draw < SILENT + STUCK + GARBAGE {
            return Fault::Garbage;
        }
        Fault::None
    }
}

/// A payload as broken devices send them.
pub(super) fn garbage(good: &[u8], time_ms: i64, rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..6) {
        0 => good[..good.len() / 2].to_vec(),
        1 => b"\x00\xff\x13garbage".to_vec(),
        2 => Vec::new(),
        3 => format!("{{\"time\":{time_ms},\"values\":{{\"temperature\":9999}}}}").into_bytes(),
        4 => format!("{{\"time\":{},\"values\":{{\"battery\":50}}}}", time_ms / 1000).into_bytes(),
        _ => format!("{{\"time\":{time_ms},\"values\":{{\"pm25\":\"NaN\"}}}}").into_bytes(),
    }
}
