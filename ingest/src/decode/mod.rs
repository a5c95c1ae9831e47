//! From topic and payload to records in canonical units.

mod catalogue;
mod config;
mod fiware;
mod fiware_models;
mod frigate;
mod ids;
mod json;
mod mapping;
mod native;
mod onvif;
mod secret;
#[cfg(test)]
pub(crate) mod shared_data;
mod sorted;
mod strict;
mod time;
mod topic;
mod units;

use std::fmt::Write as _;
use std::sync::Arc;

use ioc_model::{Body, City, ConfigError, Quality, QuarantineReason, Record, Seal, Timestamp};

use catalogue::Catalogue;
pub use config::{
    DecodersConfig, FiwareConfig, FrigateConfig, Mapping, MappingTime, MappingValue, OnvifConfig,
    QualityMapping, TimeFormat,
};
use fiware::Fiware;
use frigate::Frigate;
use mapping::MappingDecoder;
use native::Native;
use onvif::Onvif;
use secret::{Door, Forget, Out};

use crate::quarantine::redact;

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
    /// Why some of its values could not be taken for good; they are in a record of bad quality.
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
}

impl Refusal {
    fn new(reason: QuarantineReason, detail: impl Into<String>) -> Self {
        // It may quote the name of a field, and devices write anything anywhere.
        Self { reason, detail: redact::text(detail.into()), device: None }
    }

    fn of(mut self, device: &str) -> Self {
        self.device.get_or_insert_with(|| device.chars().take(64).collect());
        self
    }
}

/// All decoders; picks one by topic: native, then the configured mappings in their order, then
/// FIWARE, Frigate and ONVIF by their topics.
#[derive(Debug)]
pub struct Decoders {
    catalogue: Catalogue,
    native: Native,
    mappings: Vec<MappingDecoder>,
    fiware: Option<Fiware>,
    frigate: Option<Frigate>,
    onvif: Option<Onvif>,
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
        let catalogue = Catalogue::new(city);
        let mut errors = Vec::new();
        let mut mappings = Vec::new();
        for mapping in &config.mappings {
            match MappingDecoder::new(file, mapping, &catalogue) {
                Ok(m) => mappings.push(m),
                Err(e) => errors.extend(e),
            }
        }
        let fiware = config.fiware.as_ref().map(|c| Fiware::new(file, c, &catalogue, &mut errors));
        let frigate =
            config.frigate.as_ref().map(|c| Frigate::new(file, c, &catalogue, &mut errors));
        let onvif = config.onvif.as_ref().map(|c| Onvif::new(file, c, &catalogue, &mut errors));
        if !errors.is_empty() {
            return Err(errors);
        }
        let (native, door) = (Native::default(), Door(Arc::new(Forget)));
        Ok(Self { catalogue, native, mappings, fiware, frigate, onvif, door })
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
        let doubt = self.decode_into(message, &mut records)?;
        Ok(Decoded { records, doubt })
    }

    /// Decodes one message onto the end of `records`, which stays as it was on an error; returns
    /// the doubt as in [`Decoded`]. The records' `source` is 0.
    ///
    /// # Errors
    /// As [`Decoders::decode`].
    pub fn decode_into(
        &self,
        message: &Incoming<'_>,
        records: &mut Vec<Record>,
    ) -> Result<Option<Refusal>, Refusal> {
        let before = records.len();
        let mut out = Out::new(records);
        let end = self.dispatch(message, &mut out);
        if end.is_ok() {
            out.seal(&self.door, message.received);
        }
        let end = end.and_then(|()| self.doubt(records.get(before..).unwrap_or_default()));
        if end.is_err() {
            records.truncate(before);
        }
        end
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
        for mapping in &self.mappings {
            if let Some(captures) = mapping.matches(topic) {
                return mapping.decode(&self.catalogue, &captures, message, out.records);
            }
        }
        if let Some(fiware) = self.fiware.as_ref().filter(|f| f.takes(topic)) {
            return fiware.decode(&self.catalogue, message, out.records);
        }
        if let Some((frigate, rest)) =
            self.frigate.as_ref().and_then(|f| Some((f, f.rest_of(topic)?)))
        {
            return frigate.decode(&self.catalogue, rest, message, out);
        }
        if let Some((onvif, parts)) = self.onvif.as_ref().and_then(|o| Some((o, o.split(topic)?))) {
            return onvif.decode(&self.catalogue, &parts, message, out);
        }
        Err(Refusal::new(QuarantineReason::UnknownTopic, "no decoder takes this topic"))
    }
}
