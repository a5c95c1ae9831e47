//! FIWARE Smart Data Models: NGSI-v2 and NGSI-LD, key-values and normalised, GeoJSON features;
//! one entity, an array, or a notification `{"data": […]}`.
//!
//! Decisions: an interval counts at its end. A time without offset is refused unless the
//! configuration names the zone. A unit that an entity states wins over the model's convention;
//! one that cannot be converted refuses the message. Truth values and null are no numbers and
//! are passed over (models allow `precipitation: false`).

use ioc_model::{ConfigError, Name, Quality, QuarantineReason, Record, Timestamp};
use jiff::tz::TimeZone;

use super::catalogue::{Catalogue, Cx, Hints, PropertyInfo, short};
use super::config::FiwareConfig;
use super::fiware_models::{Attribute, MODELS, Model};
use super::format::Format;
use super::ids::sanitise;
use super::json::Json;
use super::secret::Out;
use super::sorted::Sorted;
use super::topic::Pattern;
use super::units::Conversion;
use super::{Incoming, Refusal, time};

/// Attributes that hold the phenomenon time, best first: models give the end of an interval
/// with an offset where the interval text has none.
const TIMES: [&str; 4] = ["dateObservedTo", "dateObserved", "observationDateTime", "TimeInstant"];

#[derive(Debug)]
pub(super) struct Fiware {
    topics: Vec<Pattern>,
    zone: Option<TimeZone>,
}

impl Fiware {
    pub(super) fn new(
        file: &str,
        config: &FiwareConfig,
        _catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        let mut topics = Vec::new();
        for topic in &config.topics {
            match Pattern::parse(topic) {
                Ok(pattern) => topics.push(pattern),
                Err(message) => wrong(format!("fiware: {message}")),
            }
        }
        let zone = config.zone.as_deref().and_then(|text| {
            let zone = time::zone(text);
            if zone.is_none() {
                wrong(format!("fiware: time zone `{text}` is not known"));
            }
            zone
        });
        Self { topics, zone }
    }
}

impl Format for Fiware {
    fn takes(&self, topic: &str) -> bool {
        self.topics.iter().any(|p| p.matches(topic).is_some())
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let json = Json::parse(message.payload)?;
        let list = match &json {
            Json::Array(items) => Some(&**items),
            other if other.get("type").is_none() => other.get("data").and_then(Json::items),
            _ => None,
        };
        let Some(list) = list else {
            return Entity::new(&json)?.decode(self, cx, message, out);
        };
        for (i, item) in list.iter().enumerate() {
            let end = Entity::new(item).and_then(|e| e.decode(self, cx, message, out));
            end.map_err(|mut r| {
                r.detail = format!("entity {i}: {}", r.detail);
                r
            })?;
        }
        Ok(())
    }
}

struct Entity<'a> {
    id: &'a str,
    model: &'static Model,
    fields: &'a Json<'a>,
}

/// An attribute's value, whichever way it was written, and its stated unit.
struct Stated<'a> {
    value: &'a Json<'a>,
    unit: Option<&'a str>,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

impl<'a> Entity<'a> {
    fn new(json: &'a Json<'a>) -> Result<Self, Refusal> {
        let id = json.get("id").and_then(Json::text);
        let id = id.ok_or_else(|| bad_field("an entity needs `id`"))?;
        // GeoJSON feature: the attributes are its properties.
        let fields = match json.get("type").and_then(Json::text) {
            Some("Feature") => json.get("properties").unwrap_or(json),
            _ => json,
        };
        let kind = fields.get("type").and_then(Json::text);
        let kind = kind.ok_or_else(|| bad_field("an entity needs `type`").of(id))?;
        let model = MODELS.iter().find(|m| m.name == kind).ok_or_else(|| {
            bad_field(format!("entity type `{}` is not decoded", short(kind))).of(id)
        })?;
        Ok(Self { id, model, fields })
    }

    fn decode(
        &self,
        fiware: &Fiware,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let device = self.device()?;
        let end = self.records(fiware, cx, message, Name::clone(&device), out);
        end.map_err(|r| r.of(&device))
    }

    fn records(
        &self,
        fiware: &Fiware,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        device: Name,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let hints = Hints {
            place: self.place(),
            default_service: Some(self.model.service),
            ..Hints::default()
        };
        let origin = cx.resolve(device, &hints)?;
        let (start, time) = self.times(fiware.zone.as_ref())?;
        let values = self.values(cx, start, time)?;
        let (body, impossible) = values.into_bodies(Quality::Good);
        let record = Record {
            device: origin.device,
            area: origin.area,
            service: origin.service,
            source: 0,
            time,
            received: message.received,
            seq: None,
            clock_clamped: false,
            derived: false,
            body,
        };
        let impossible = impossible.map(|body| Record { body, ..record.clone() });
        out.say(record);
        out.records.extend(impossible);
        Ok(())
    }

    /// Key-values, `{"value": …}`, `{"object": …}` or `{"value": {"@value": …}}`.
    fn stated(&self, name: &str) -> Option<Stated<'a>> {
        let raw = self.fields.get(name)?;
        let inner = raw.get("value").or_else(|| raw.get("object")).unwrap_or(raw);
        let value = inner.get("@value").unwrap_or(inner);
        let metadata = || raw.get("metadata")?.get("unitCode")?.get("value");
        let unit = raw.get("unitCode").or_else(metadata).and_then(Json::text);
        Some(Stated { value, unit })
    }

    /// `refDevice`, else `stationID`, else the entity's own id; always the last part of a URN.
    fn device(&self) -> Result<Name, Refusal> {
        let text = |name: &str| match self.stated(name)?.value {
            Json::Array(items) => items.first()?.text(),
            value => value.text(),
        };
        let id = text("refDevice")
            .map(|d| tail(d, "Device"))
            .or_else(|| text("stationID"))
            .unwrap_or_else(|| tail(self.id, self.model.name));
        sanitise(id).ok_or_else(|| {
            Refusal::new(QuarantineReason::BadId, "the entity id cannot be a device id").of(id)
        })
    }

    /// A point of the entity's location: longitude, latitude.
    fn place(&self) -> Option<(f64, f64)> {
        let location = self.stated("location")?.value;
        let mut at = location.get("coordinates")?;
        // Lines and polygons: the middle vertex of the first part.
        while let Some(items) =
            at.items().filter(|i| i.first().is_some_and(|f| f.items().is_some()))
        {
            at = items.get(if items[0].items()?[0].items().is_some() {
                0
            } else {
                items.len() / 2
            })?;
        }
        match at.items()? {
            [lon, lat, ..] => Some((lon.number()?, lat.number()?)),
            _ => None,
        }
    }

    /// Start (if stated) and end of the phenomenon time.
    fn times(&self, zone: Option<&TimeZone>) -> Result<(Option<Timestamp>, Timestamp), Refusal> {
        let mut first_error = None;
        let mut end = None;
        let mut interval_start = None;
        for name in TIMES {
            let Some(text) = self.stated(name).and_then(|s| s.value.text()) else { continue };
            let (from, to) = text.split_once('/').map_or((None, text), |(f, t)| (Some(f), t));
            interval_start = interval_start.or(from);
            if end.is_none() {
                match time::rfc3339(to, zone) {
                    Ok(time) => end = Some(time),
                    Err(e) => first_error = first_error.or(Some(e)),
                }
            }
        }
        let missing =
            || Refusal::new(QuarantineReason::BadTime, "no attribute holds the observation time");
        let end = end.ok_or_else(|| first_error.unwrap_or_else(missing))?;
        let start = self.stated("dateObservedFrom").and_then(|s| s.value.text());
        let start = start.or(interval_start).and_then(|t| time::rfc3339(t, zone).ok());
        Ok((start, end))
    }

    fn values(
        &self,
        cx: &Cx<'_>,
        start: Option<Timestamp>,
        end: Timestamp,
    ) -> Result<Sorted, Refusal> {
        let mut values = Sorted::default();
        for attribute in self.model.attributes {
            let Some(property) = cx.property(attribute.property) else { continue };
            if let Some(value) = self.value(attribute, property)? {
                push(&mut values, property, value)?;
            }
        }
        self.add_level(cx, &mut values)?;
        self.add_hourly_flow(cx, &mut values, start, end)?;
        if values.is_empty() {
            return Err(bad_field("no attribute holds a value with a known unit"));
        }
        Ok(values)
    }

    fn value(
        &self,
        attribute: &Attribute,
        property: &PropertyInfo,
    ) -> Result<Option<f64>, Refusal> {
        let found = attribute.names.iter().find_map(|n| Some((*n, self.stated(n)?)));
        let Some((name, stated)) = found else { return Ok(None) };
        if matches!(stated.value, Json::Null | Json::Bool(_)) {
            return Ok(None);
        }
        let Some(unit) = stated.unit.or(attribute.unit) else { return Ok(None) };
        let conversion = Conversion::between(unit, &property.unit).ok_or_else(|| {
            let detail = format!("`{name}` has unit `{}`, which cannot be converted", short(unit));
            Refusal::new(QuarantineReason::BadUnit, detail)
        })?;
        let number = stated.value.number();
        let number = number.ok_or_else(|| bad_field(format!("`{name}` is not a number")))?;
        Ok(Some(conversion.apply(number)))
    }

    /// FloodMonitoring: the level is the reference level less the measured distance.
    fn add_level(&self, cx: &Cx<'_>, values: &mut Sorted) -> Result<(), Refusal> {
        if self.model.name != "FloodMonitoring" || !values.is_empty() {
            return Ok(());
        }
        let Some(property) = cx.property("water_level") else { return Ok(()) };
        let metres = |name: &'static str| {
            let names: &'static [&'static str] = match name {
                "referenceLevel" => &["referenceLevel"],
                _ => &["measuredDistance"],
            };
            self.value(&Attribute { names, property: "water_level", unit: Some("m") }, property)
        };
        if let (Some(reference), Some(distance)) =
            (metres("referenceLevel")?, metres("measuredDistance")?)
        {
            push(values, property, reference - distance)?;
        }
        Ok(())
    }

    /// TrafficFlowObserved: vehicles per hour where the length of the period is stated.
    fn add_hourly_flow(
        &self,
        cx: &Cx<'_>,
        values: &mut Sorted,
        start: Option<Timestamp>,
        end: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(property) = cx.property("traffic_flow") else { return Ok(()) };
        let mut found = values.possible.iter();
        let count = found.find(|(name, _)| &**name == "vehicle_count").map(|(_, n)| *n);
        let period_ms = start.map_or(0, |s| end.since_ms(s));
        if let Some(count) = count.filter(|_| period_ms > 0) {
            push(values, property, count * 3.6e6 / period_ms as f64)?;
        }
        Ok(())
    }
}

fn push(values: &mut Sorted, property: &PropertyInfo, value: f64) -> Result<(), Refusal> {
    values.push(property, value).map_err(|(reason, detail)| Refusal::new(reason, detail))
}

/// The part of an entity id that names the device: without URN parts, and without the time that
/// some models append (it would make every reading a new device).
fn tail<'i>(id: &'i str, model: &str) -> &'i str {
    let is_date = |w: &[u8]| {
        let shape = b"dddd-dd-ddT";
        w.iter().zip(shape).all(|(b, s)| match s {
            b'd' => b.is_ascii_digit(),
            s => b == s,
        })
    };
    let date = id.as_bytes().windows(11).position(is_date);
    let undated = date.map_or(id, |at| id[..at].trim_end_matches(['-', '_', ':', '.']));
    let id = if undated.is_empty() { id } else { undated };
    let after_model = id.split_once(model).and_then(|(before, rest)| {
        let starts = before.is_empty() || before.ends_with(':');
        rest.strip_prefix(':').filter(|rest| starts && !rest.is_empty())
    });
    match after_model {
        Some(rest) => rest,
        None if id.starts_with("urn:") || id.starts_with("uri:") => {
            id.rsplit(':').find(|part| !part.is_empty()).unwrap_or(id)
        }
        None => id,
    }
}

#[cfg(test)]
mod tests;
