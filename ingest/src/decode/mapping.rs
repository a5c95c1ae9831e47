//! Formats described by configuration: JSON read by pointers, and plain values on a topic per
//! metric.
//!
//! Empty payloads (deletes) say nothing, nor do retained repeats of messages that have no time of
//! their own. A metric of the topic that is not mapped is passed over: one device publishes many.

use ioc_model::{ConfigError, Quality, QuarantineReason, Record, Timestamp};
use jiff::tz::TimeZone;
use serde_saphyr::Spanned;

use super::catalogue::{Catalogue, Cx, Hints, PropertyInfo, short};
use super::config::{
    Mapping, MappingPayload, MappingTime, MappingValue, QualityMapping, TimeFormat, mistake,
};
use super::ids::sanitise;
use super::json::Json;
use super::secret::Out;
use super::sorted::Sorted;
use super::topic::{Capture, Captures, Pattern};
use super::units::Conversion;
use super::{Incoming, Refusal, time};

/// A checked [`Mapping`].
#[derive(Debug)]
pub(super) struct MappingDecoder {
    pattern: Pattern,
    payload: MappingPayload,
    device: Option<Pointer>,
    service: Option<String>,
    area: Option<String>,
    time: TimeSource,
    seq: Option<Pointer>,
    values: Vec<Value>,
    quality: Option<(Pointer, QualityMapping)>,
}

type Pointer = Vec<String>;

#[derive(Debug)]
enum TimeSource {
    Received,
    At { pointer: Pointer, format: TimeFormat, zone: Option<TimeZone> },
}

#[derive(Debug)]
struct Value {
    property: PropertyInfo,
    /// Read only where the topic says so.
    level: Option<String>,
    pointer: Pointer,
    conversion: Conversion,
    required: bool,
}

fn bad_field(detail: impl Into<String>) -> Refusal {
    Refusal::new(QuarantineReason::BadField, detail)
}

/// Checks a mapping; collects every mistake.
struct Check<'a> {
    file: &'a str,
    catalogue: &'a Catalogue,
    errors: Vec<ConfigError>,
}

impl Check<'_> {
    fn wrong<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.errors.push(mistake(self.file, at, message));
    }

    fn pointer(&mut self, text: &Spanned<String>) -> Pointer {
        if !text.value.is_empty() && !text.value.starts_with('/') {
            let hint = format!("write `/{}`", text.value);
            self.errors.push(mistake(self.file, text, "pointer must start with `/`").hint(hint));
        }
        let unescape = |token: &str| token.replace("~1", "/").replace("~0", "~");
        text.value.split('/').skip(1).map(unescape).collect()
    }

    fn time(&mut self, config: &MappingTime) -> TimeSource {
        let format = config.format.value;
        let zone = config.zone.as_ref().and_then(|text| {
            let zone = time::zone(&text.value);
            if zone.is_none() {
                self.wrong(text, format!("time zone `{}` is not known", text.value));
            }
            if format != TimeFormat::Rfc3339 {
                self.wrong(text, "only rfc3339 times have a zone");
            }
            zone
        });
        match (&config.pointer, format) {
            (None, TimeFormat::Received) => TimeSource::Received,
            (Some(at), TimeFormat::Received) => {
                self.wrong(at, "a time of format `received` has no pointer");
                TimeSource::Received
            }
            (None, _) => {
                self.wrong(&config.format, "time needs a pointer");
                TimeSource::Received
            }
            (Some(pointer), format) => {
                TimeSource::At { pointer: self.pointer(pointer), format, zone }
            }
        }
    }

    fn value(&mut self, config: &MappingValue, by_level: bool) -> Option<Value> {
        let pointer = self.pointer(&config.pointer);
        if let Some(level) = config.level.as_ref().filter(|_| !by_level) {
            self.wrong(level, "the topic has no `{property}`");
        }
        let level = config.level.as_ref().unwrap_or(&config.property).value.clone();
        let Some(property) = self.catalogue.property(&config.property.value) else {
            let message = format!("property `{}` is not in the catalogue", config.property.value);
            self.wrong(&config.property, message);
            return None;
        };
        let Some(conversion) = Conversion::between(&config.unit.value, &property.unit) else {
            let message = format!("unit `{}` cannot become `{}`", config.unit.value, property.unit);
            self.wrong(&config.unit, message);
            return None;
        };
        let property = property.clone();
        let level = by_level.then_some(level);
        Some(Value { property, level, pointer, conversion, required: config.required })
    }

    /// A metric can only mean one property.
    fn levels(&mut self, config: &Mapping) {
        let levels: Vec<_> =
            config.values.iter().map(|v| v.level.as_ref().unwrap_or(&v.property)).collect();
        for (i, level) in levels.iter().enumerate() {
            if levels[..i].iter().any(|before| before.value == level.value) {
                self.wrong(level, format!("level `{}` comes twice", level.value));
            }
        }
    }

    /// A plain payload has nothing to point to but itself.
    fn plain(&mut self, config: &Mapping) {
        let pointers = (config.values.iter().map(|v| &v.pointer))
            .chain(&config.device)
            .chain(&config.seq)
            .chain(&config.time.pointer)
            .chain(config.quality.as_ref().map(|q| &q.pointer));
        for pointer in pointers.filter(|p| !p.value.is_empty()) {
            self.wrong(pointer, "a plain payload has only the pointer ``");
        }
    }

    fn origin(&mut self, config: &Mapping) -> Pattern {
        let pattern = Pattern::parse(&config.topic.value).unwrap_or_else(|message| {
            self.wrong(&config.topic, message);
            Pattern::default()
        });
        let names_device = config.topic.value.contains("{device}") || config.device.is_some();
        if !names_device {
            self.wrong(&config.topic, "neither the topic has `{device}` nor is `device` set");
        }
        if let Some(service) = &config.service
            && self.catalogue.service(&service.value).is_none()
        {
            self.wrong(service, format!("service `{}` is not in the catalogue", service.value));
        }
        if let Some(area) = &config.area
            && self.catalogue.area(&area.value).is_none()
        {
            self.wrong(area, format!("area `{}` is not in the city", area.value));
        }
        pattern
    }
}

impl MappingDecoder {
    pub(super) fn new(
        file: &str,
        config: &Mapping,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut check = Check { file, catalogue, errors: Vec::new() };
        let pattern = check.origin(config);
        let by_level = config.topic.value.split('/').any(|level| level == "{property}");
        let values: Vec<_> =
            config.values.iter().filter_map(|v| check.value(v, by_level)).collect();
        if by_level {
            check.levels(config);
        }
        if config.payload == MappingPayload::Plain {
            check.plain(config);
        }
        if config.values.is_empty() {
            check.wrong(&config.topic, "a mapping needs at least one value");
        }
        let decoder = Self {
            payload: config.payload,
            device: config.device.as_ref().map(|p| check.pointer(p)),
            service: config.service.as_ref().map(|s| s.value.clone()),
            area: config.area.as_ref().map(|a| a.value.clone()),
            time: check.time(&config.time),
            seq: config.seq.as_ref().map(|p| check.pointer(p)),
            values,
            quality: config.quality.as_ref().map(|q| (check.pointer(&q.pointer), q.clone())),
            pattern,
        };
        if check.errors.is_empty() { Ok(decoder) } else { Err(check.errors) }
    }

    pub(super) fn matches<'t>(&self, topic: &'t str) -> Option<Captures<'t>> {
        self.pattern.matches(topic)
    }

    pub(super) fn decode(
        &self,
        cx: &Cx<'_>,
        captures: &Captures<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        let captured = |c| captures.iter().find(|(k, _)| *k == c).map(|(_, t)| *t);
        let named = captured(Capture::Device);
        let is_repeat = message.retain && matches!(self.time, TimeSource::Received);
        if message.payload.is_empty() || is_repeat {
            return Ok(());
        }
        let level = captured(Capture::Property);
        if let Some(level) = level
            && !self.values.iter().any(|v| v.level.as_deref() == Some(level))
        {
            out.ignore(level);
            return Ok(());
        }
        let json = self.payload(message.payload).map_err(|r| match named {
            Some(device) => r.of(device),
            None => r,
        })?;
        let in_payload = || self.device.as_ref().and_then(|p| json.at(p)).and_then(Json::text);
        let device = in_payload().or(named).ok_or_else(|| bad_field("the device id is missing"))?;
        let refuse = |r: Refusal| r.of(device);
        let id = sanitise(device).ok_or_else(|| {
            refuse(Refusal::new(QuarantineReason::BadId, "the device id cannot be used"))
        })?;
        let hints = Hints {
            area: captured(Capture::Area).or(self.area.as_deref()),
            service: captured(Capture::Service).or(self.service.as_deref()),
            ..Hints::default()
        };
        let origin = cx.resolve(id, &hints).map_err(refuse)?;
        let quality = self.quality(&json).map_err(refuse)?;
        let values = self.values(&json, level).map_err(refuse)?;
        let seq =
            self.seq.as_ref().and_then(|p| json.at(p)).map(|s| {
                integer(s).ok_or_else(|| refuse(bad_field("the counter is not a number")))
            });
        let (body, impossible) = values.into_bodies(quality);
        let record = Record {
            device: origin.device,
            area: origin.area,
            service: origin.service,
            source: 0,
            time: self.time(&json, message.received).map_err(refuse)?,
            received: message.received,
            seq: seq.transpose()?,
            clock_clamped: false,
            derived: false,
            body,
        };
        let impossible = impossible.map(|body| Record { body, ..record.clone() });
        out.say(record);
        out.records.extend(impossible);
        Ok(())
    }

    fn payload<'p>(&self, payload: &'p [u8]) -> Result<Json<'p>, Refusal> {
        match self.payload {
            MappingPayload::Json => Json::parse(payload),
            MappingPayload::Plain => std::str::from_utf8(payload)
                .map(|text| Json::Text(text.into()))
                .map_err(|_| Refusal::new(QuarantineReason::Malformed, "the payload is not UTF-8")),
        }
    }

    fn values(&self, json: &Json<'_>, level: Option<&str>) -> Result<Sorted, Refusal> {
        let mut values = Sorted::default();
        for value in self.values.iter().filter(|v| v.level.as_deref() == level) {
            let name = &value.property.name;
            let found = match json.at(&value.pointer) {
                None | Some(Json::Null) if value.required => {
                    return Err(bad_field(format!("`{name}` is missing")));
                }
                None | Some(Json::Null) => continue,
                Some(found) => found,
            };
            let number =
                found.number().ok_or_else(|| bad_field(format!("`{name}` is not a number")))?;
            let pushed = values.push(&value.property, value.conversion.apply(number));
            pushed.map_err(|(reason, detail)| Refusal::new(reason, detail))?;
        }
        if values.is_empty() {
            return Err(bad_field("none of the mapped values is there"));
        }
        Ok(values)
    }

    fn time(&self, json: &Json<'_>, received: Timestamp) -> Result<Timestamp, Refusal> {
        let TimeSource::At { pointer, format, zone } = &self.time else { return Ok(received) };
        let bad = |detail: &str| Refusal::new(QuarantineReason::BadTime, detail);
        let found = json.at(pointer).ok_or_else(|| bad("the time is missing"))?;
        match format {
            TimeFormat::EpochMs => time::epoch_ms(
                integer(found)
                    .and_then(|ms| i64::try_from(ms).ok())
                    .ok_or_else(|| bad("the time is not integer milliseconds"))?,
            ),
            TimeFormat::EpochS => {
                time::epoch_s(found.number().ok_or_else(|| bad("the time is not in seconds"))?)
            }
            TimeFormat::Rfc3339 | TimeFormat::Received => {
                let text = found.text().ok_or_else(|| bad("the time is not a text"))?;
                time::rfc3339(text, zone.as_ref())
            }
        }
    }

    fn quality(&self, json: &Json<'_>) -> Result<Quality, Refusal> {
        let Some((pointer, words)) = &self.quality else { return Ok(Quality::Good) };
        let word = match json.at(pointer) {
            None | Some(Json::Null) => return Ok(Quality::Good),
            Some(Json::Text(t)) => t.clone().into_owned(),
            Some(Json::Integer(n)) => n.to_string(),
            Some(Json::Bool(b)) => b.to_string(),
            Some(_) => return Err(bad_field("the quality is no word")),
        };
        let among = |list: &[String]| list.contains(&word);
        match () {
            () if among(&words.good) => Ok(Quality::Good),
            () if among(&words.uncertain) => Ok(Quality::Uncertain),
            () if among(&words.bad) => Ok(Quality::Bad),
            () => Err(bad_field(format!("quality `{}` is not mapped", short(&word)))),
        }
    }
}

fn integer(json: &Json<'_>) -> Option<u64> {
    match json {
        Json::Integer(n) => u64::try_from(*n).ok(),
        Json::Text(t) => t.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
