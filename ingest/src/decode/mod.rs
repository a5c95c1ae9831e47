//! From topic and payload to records in canonical units.

mod cameras;
mod catalogue;
mod chirpstack;
mod config;
mod dahua;
#[cfg(test)]
mod docs;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod example;
#[cfg(test)]
mod examples;
mod fiware;
mod fiware_models;
mod format;
mod frigate;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod hikvision;
mod homie;
mod ids;
mod json;
mod lorawan;
mod mapping;
mod native;
mod nested;
mod onvif;
mod reading;
mod secret;
mod sensorthings;
#[cfg(test)]
pub(crate) mod shared_data;
mod sorted;
mod sparkplug;
mod strict;
mod tape;
mod time;
mod topic;
mod ttn;
mod units;
mod zigbee2mqtt;

use std::fmt::Write as _;
use std::sync::Arc;

use ioc_model::{Body, City, ConfigError, Quality, QuarantineReason, Record, Seal, Timestamp};

pub(crate) use ids::is_id;
pub(crate) use units::{unit_fits, units_like};

use catalogue::{Catalogue, Cx};
pub use chirpstack::ChirpstackConfig;
pub use config::{
    DecodersConfig, FiwareConfig, FrigateConfig, Mapping, MappingPayload, MappingTime,
    MappingValue, OnvifConfig, QualityMapping, TimeFormat,
};
pub use dahua::DahuaConfig;
use format::Format;
pub use hikvision::HikvisionConfig;
pub use homie::{HomieConfig, RetainedValues};
use mapping::MappingDecoder;
use native::Native;
use secret::{Door, Forget, Out};
pub use sensorthings::SensorThingsConfig;
pub use sparkplug::SparkplugConfig;
pub use ttn::TtnConfig;
pub use zigbee2mqtt::Zigbee2MqttConfig;

use crate::quarantine::redact;
use crate::registry::Registry;

/// Largest payload that is looked at.
const PAYLOAD_BYTES: usize = 64 << 10;
/// Longest topic that is looked at.
const TOPIC_BYTES: usize = 256;

/// One MQTT publish as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Topic, UTF-8 already checked by the door.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// The publish's retain flag: set when a broker repeats an old message to a new subscriber.
    pub retain: bool,
    /// When it reached us.
    pub received: Timestamp,
}

/// What a message said.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// In the order of the payload; empty when the message says nothing for the journal.
    pub records: Vec<Record>,
    /// Why some of its values could not be taken for good: those that cannot be are in a record
    /// of bad quality, those of a Sparkplug edge node after a gap are uncertain.
    pub doubt: Option<Refusal>,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As a code.
    pub reason: QuarantineReason,
    /// In words for the device's owner; holds no value of the payload that could be personal.
    pub detail: String,
    /// The device, as far as topic or payload named one.
    pub device: Option<String>,
    /// What to say to the sender so that it can go on: a Sparkplug edge node is asked for its
    /// BIRTH. Published by the gateway, where the sender may subscribe to it.
    pub reply: Option<Box<Reply>>,
}

/// A message of the IOC that answers another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What a good message was besides its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// As in [`Decoded`].
    pub doubt: Option<Refusal>,
    /// It held personal data: its payload must not be kept in clear.
    pub personal: bool,
}

/// A message as its owner may look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Format that takes the topic: `native`, `mapping`, one of the configuration, or `none`.
    pub format: &'static str,
    /// What it says, or why it is refused.
    pub result: Result<Decoded, Refusal>,
    /// Fields that were passed over.
    pub ignored: Vec<String>,
}

impl Refusal {
    pub(crate) fn new(reason: QuarantineReason, detail: impl Into<String>) -> Self {
        // It may quote the name of a field, and devices write anything anywhere.
        Self { reason, detail: redact::text(detail.into()), device: None, reply: None }
    }

    pub(crate) fn of(mut self, device: &str) -> Self {
        self.device.get_or_insert_with(|| device.chars().take(64).collect());
        self
    }
}

/// All decoders; picks one by topic: native, then the configured mappings in their order, then
/// the formats in the order of their list.
#[derive(Debug)]
pub struct Decoders {
    catalogue: Catalogue,
    registry: Arc<Registry>,
    native: Native,
    mappings: Vec<MappingDecoder>,
    formats: Vec<(&'static str, Box<dyn Format>)>,
    door: Door,
}

impl Decoders {
    /// Decoders for a city.
    ///
    /// # Errors
    /// Every mistake of the configuration, each with its place in `file`.
    pub fn new(
        file: &str,
        config: &DecodersConfig,
        city: Arc<City>,
    ) -> Result<Self, Vec<ConfigError>> {
        let registry = Arc::new(Registry::of_city(&city));
        let catalogue = Catalogue::new(city);
        let mut errors = Vec::new();
        let mut mappings = Vec::new();
        for mapping in &config.mappings {
            match MappingDecoder::new(file, mapping, &catalogue) {
                Ok(m) => mappings.push(m),
                Err(e) => errors.extend(e),
            }
        }
        let formats = format::build(file, config, &catalogue, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let (native, door) = (Native::default(), Door(Arc::new(Forget)));
        Ok(Self { catalogue, registry, native, mappings, formats, door })
    }

    /// Names of the formats beside `native` and `mapping`.
    pub fn formats() -> &'static [&'static str] {
        format::NAMES
    }

    /// Looks devices up in `registry` from now on; without it in the city's configuration.
    #[must_use]
    pub fn with_registry(self, registry: Arc<Registry>) -> Self {
        Self { registry, ..self }
    }

    /// The registry devices are looked up in.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Seals number plates and links to pictures with `seal` from now on. Without it they are
    /// forgotten.
    #[must_use]
    pub fn sealing(self, seal: Arc<dyn Seal>) -> Self {
        Self { door: Door(seal), ..self }
    }

    /// Decodes one message.
    ///
    /// # Errors
    /// [`Refusal`] when any part of the message is wrong: a message is taken whole or not at all.
    /// Values outside what their property can physically be are taken, as records of bad quality,
    /// if the message also says something that can be.
    pub fn decode(&self, message: &Incoming<'_>) -> Result<Decoded, Refusal> {
        let mut records = Vec::new();
        let verdict = self.decode_into(message, &mut records)?;
        Ok(Decoded { records, doubt: verdict.doubt })
    }

    /// Decodes one message for someone who wants to know what is made of it. Whatever formats
    /// remember from one message to the next stays as it is.
    pub fn explain(&self, message: &Incoming<'_>) -> Explained {
        let (mut records, mut ignored) = (Vec::new(), Vec::new());
        let out = Out::noting(&mut records, &mut ignored);
        let result = self.decode_onto(message, out).and_then(|told| {
            let doubt = self.doubt(&records)?.or(told.doubt);
            Ok(Decoded { records, doubt })
        });
        Explained { format: self.format_of(message.topic), result, ignored }
    }

    /// The format that takes a topic.
    pub fn format_of(&self, topic: &str) -> &'static str {
        if topic.starts_with(native::PREFIX) {
            return "native";
        }
        if self.mappings.iter().any(|m| m.matches(topic).is_some()) {
            return "mapping";
        }
        self.formats.iter().find(|(_, f)| f.takes(topic)).map_or("none", |(name, _)| name)
    }

    /// Decodes one message onto the end of `records`, which stays as it was on an error. The
    /// records' `source` is 0.
    ///
    /// # Errors
    /// As [`Decoders::decode`].
    pub fn decode_into(
        &self,
        message: &Incoming<'_>,
        records: &mut Vec<Record>,
    ) -> Result<Verdict, Refusal> {
        let before = records.len();
        let end = self.decode_onto(message, Out::new(records)).and_then(|told| {
            let doubt = self.doubt(records.get(before..).unwrap_or_default())?;
            Ok(Verdict { doubt: doubt.or(told.doubt), ..told })
        });
        if end.is_err() {
            records.truncate(before);
        }
        end
    }

    /// What the format itself remarks; on an error what was pushed is to be forgotten.
    fn decode_onto(&self, message: &Incoming<'_>, mut out: Out<'_>) -> Result<Verdict, Refusal> {
        self.dispatch(message, &mut out)?;
        let told = Verdict { doubt: out.take_remark(), personal: out.is_personal() };
        out.seal(&self.door, message.received);
        Ok(told)
    }

    /// Looks for values that cannot be; an error if the message says nothing else.
    fn doubt(&self, records: &[Record]) -> Result<Option<Refusal>, Refusal> {
        let mut doubt: Option<Refusal> = None;
        let (mut impossible, mut else_said) = (0usize, false);
        for record in records {
            let Body::Observation { quality: Quality::Bad, values } = &record.body else {
                else_said = true;
                continue;
            };
            for (name, value) in values {
                let wrong = self.catalogue.property(name).map(|p| p.check(*value));
                let Some(Err((reason, detail))) = wrong else {
                    else_said = true;
                    continue;
                };
                impossible += 1;
                doubt.get_or_insert_with(|| Refusal::new(reason, detail).of(&record.device));
            }
        }
        let Some(mut doubt) = doubt else { return Ok(None) };
        if !else_said {
            return Err(doubt);
        }
        if impossible > 1 {
            // Writing to a String cannot fail.
            let _ = write!(doubt.detail, "; {} more", impossible - 1);
        }
        Ok(Some(doubt))
    }

    fn dispatch(&self, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        let topic = message.topic;
        if topic.len() > TOPIC_BYTES {
            return Err(Refusal::new(
                QuarantineReason::BadId,
                "the topic is longer than 256 bytes",
            ));
        }
        if message.payload.len() > PAYLOAD_BYTES {
            let foreign = self.formats.iter().find(|(_, f)| f.takes(topic));
            if foreign.is_some_and(|(_, f)| f.passes_over(topic)) {
                return Ok(());
            }
            let detail = format!("{} bytes, at most 65536 are taken", message.payload.len());
            let refusal = Refusal::new(QuarantineReason::TooLarge, detail);
            return Err(match native::device_of(topic) {
                Some(device) => refusal.of(device),
                None => refusal,
            });
        }
        if let Some(rest) = topic.strip_prefix(native::PREFIX) {
            return self.native.decode(&self.catalogue, rest, message, out);
        }
        let devices = self.registry.now();
        let cx = Cx { catalogue: &self.catalogue, devices: &devices };
        for mapping in &self.mappings {
            if let Some(captures) = mapping.matches(topic) {
                return mapping.decode(&cx, &captures, message, out);
            }
        }
        match self.formats.iter().find(|(_, f)| f.takes(topic)) {
            Some((_, format)) if out.is_for_a_look() => format.look(&cx, message, out),
            Some((_, format)) => format.decode(&cx, message, out),
            None => {
                Err(Refusal::new(QuarantineReason::UnknownTopic, "no decoder takes this topic"))
            }
        }
    }
}
