//! What the formats of LoRaWAN network servers share.
//!
//! The frame counter is not the record's counter: it starts again at 0 with every join, so it
//! does not identify a message. The time does, to the nanosecond, and is the same in a redelivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use ioc_model::{Body, ConfigError, Device, Name, Quality, QuarantineReason, Status, Timestamp};

use super::catalogue::{Catalogue, Cx, Hints, Origin, short};
use super::frigate::check_service;
use super::json::Json;
use super::reading::{Moment, Named, Reading};
use super::secret::Out;
use super::{Refusal, time};

/// Services of devices that the registry does not know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Services<'c> {
    pub(super) default: &'c str,
    /// By application.
    pub(super) applications: &'c BTreeMap<String, String>,
}

impl<'c> Services<'c> {
    pub(super) fn check(
        self,
        format: &str,
        file: &str,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        for service in self.applications.values().map(String::as_str).chain([self.default]) {
            check_service(format, service, catalogue, &mut wrong);
        }
    }

    pub(super) fn of(self, application: &str) -> &'c str {
        self.applications.get(application).map_or(self.default, String::as_str)
    }
}

pub(super) fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

/// A device EUI: 16 hexadecimal digits. ChirpStack writes them small, The Things Stack large, and
/// people either way.
#[derive(Clone, Copy)]
pub(super) struct Eui([u8; 16]);

impl Eui {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let digits: Option<[u8; 16]> = text.as_bytes().try_into().ok();
        digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit)).map(Self).ok_or_else(|| {
            let detail = format!("`{}` is no device EUI of 16 hexadecimal digits", short(text));
            Refusal::new(QuarantineReason::BadId, detail)
        })
    }

    fn text(digits: &[u8; 16]) -> &str {
        // Checked when parsed.
        std::str::from_utf8(digits).unwrap_or_default()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text.as_bytes())
    }

    /// The device whose id or alias it is, in small letters, in large ones or as it came.
    pub(super) fn device<'a>(&self, cx: &Cx<'a>) -> Option<&'a Arc<Device>> {
        let (small, large) = (self.0.to_ascii_lowercase(), self.0.to_ascii_uppercase());
        let find = |digits: &Vec<u8>| cx.devices.called(std::str::from_utf8(digits).ok()?);
        find(&small).or_else(|| find(&large)).or_else(|| cx.devices.called(Self::text(&self.0)))
    }

    /// The id of a device that the registry does not know.
    pub(super) fn id(&self) -> Name {
        Self::text(&self.0).to_ascii_lowercase().into()
    }

    /// The refusal of a message of the device, under the id that its owner knows.
    pub(super) fn blame(&self, cx: &Cx<'_>, refusal: Refusal) -> Refusal {
        match self.device(cx) {
            Some(device) => refusal.of(&device.id),
            None => refusal.of(&self.id()),
        }
    }
}

/// A message of one device: everything but its values.
pub(super) struct Uplink<'a> {
    pub(super) device: Option<&'a Arc<Device>>,
    pub(super) origin: Origin,
    pub(super) moment: Moment,
}

impl<'a> Uplink<'a> {
    /// `id`: of a device that the registry does not know.
    pub(super) fn new(
        cx: &Cx<'a>,
        device: Option<&'a Arc<Device>>,
        id: impl FnOnce() -> Name,
        hints: &Hints<'_>,
        moment: Moment,
    ) -> Result<Self, Refusal> {
        let id = device.map_or_else(id, |d| Arc::clone(&d.id));
        Ok(Self { device, origin: cx.resolve(id, hints)?, moment })
    }

    /// That the device was heard, and its battery.
    pub(super) fn alive(&self, battery: Option<f64>, out: &mut Out<'_>) {
        let status = Status { online: true, battery };
        out.say(self.moment.record(&self.origin, Body::Status(status)));
    }

    /// Where the device was found to be.
    pub(super) fn position(
        &self,
        cx: &Cx<'_>,
        (lon, lat): (f64, f64),
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let mut reading = Reading::default();
        for (name, value) in [("latitude", lat), ("longitude", lon)] {
            if let Some(property) = cx.property(name) {
                reading.put(property, &Named { name, unit: None }, None, value)?;
            }
        }
        reading.say(&self.origin, &self.moment, Quality::Good, out);
        Ok(())
    }
}

/// Longitude and latitude of a location. Zeros are omitted by both servers, so a location that
/// lacks one is not read: on the equator or the meridian of Greenwich, or broken.
pub(super) fn place(location: &Json<'_>) -> Option<(f64, f64)> {
    let degrees =
        |name: &str, most: f64| location.get(name)?.number().filter(|n| (-most..=most).contains(n));
    Some((degrees("longitude", 180.0)?, degrees("latitude", 90.0)?))
}

/// A battery level in percent. Levels of the radio protocol (1 to 254, 255 for unknown) are not
/// percent; servers have converted them.
pub(super) fn percent(name: &str, level: &Json<'_>) -> Result<f64, Refusal> {
    let level = level.number().ok_or_else(|| bad_field(format!("`{name}` must be a number")))?;
    if (0.0..=100.0).contains(&level) {
        return Ok(level);
    }
    let detail = format!("`{name}` is {level}, possible are 0 to 100 %");
    Err(Refusal::new(QuarantineReason::OutOfRange, detail))
}

/// The time under a name; servers write nanoseconds and `+00:00` or `Z`.
pub(super) fn stamp(json: &Json<'_>, name: &str) -> Result<Timestamp, Refusal> {
    let text = json.get(name).and_then(Json::text).ok_or_else(|| {
        let detail = format!("`{name}` is missing or no text");
        Refusal::new(QuarantineReason::BadTime, detail)
    })?;
    time::rfc3339(text, None)
}

/// An object, told apart from the binary encoding that both servers can be set to.
pub(super) fn object<'p>(payload: &'p [u8], hint: &str) -> Result<Json<'p>, Refusal> {
    match payload.trim_ascii_start().first() {
        Some(b'{') => Json::parse(payload),
        _ => Err(Refusal::new(QuarantineReason::Malformed, hint)),
    }
}
