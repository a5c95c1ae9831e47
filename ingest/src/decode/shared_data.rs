//! What the decoders' tests share: the shipped city and the payloads of `../shared/data`.

use std::path::Path;

use ioc_model::{Body, Record};

pub(crate) use super::example::{RECEIVED, city};
use super::{Decoders, DecodersConfig, Explained, Incoming, Refusal};

/// Decoders for the shipped city with a configuration.
pub(crate) fn decoders(yaml: &str) -> Decoders {
    let config = DecodersConfig::from_yaml("decoders.yaml", yaml).expect("form");
    Decoders::new("decoders.yaml", &config, city()).expect("meaning")
}

/// The mistakes of a configuration as texts.
pub(crate) fn mistakes(yaml: &str) -> Vec<String> {
    let config = match DecodersConfig::from_yaml("decoders.yaml", yaml) {
        Ok(config) => config,
        Err(e) => return vec![e.to_string()],
    };
    let errors = Decoders::new("decoders.yaml", &config, city()).expect_err("mistakes");
    errors.iter().map(ToString::to_string).collect()
}

/// Decodes one message.
pub(crate) fn decode(
    decoders: &Decoders,
    topic: &str,
    payload: impl AsRef<[u8]>,
) -> Result<Vec<Record>, Refusal> {
    let payload = payload.as_ref();
    let message = Incoming { topic, payload, retain: false, received: RECEIVED };
    decoders.decode(&message).map(|d| d.records)
}

/// What someone who looks twice sees of a message.
pub(crate) fn look_twice(decoders: &Decoders, message: &Incoming<'_>) -> Explained {
    let first = decoders.explain(message);
    assert_eq!(decoders.explain(message), first, "{}: looking changes it", message.topic);
    first
}

/// A record in one line: `area/service/device time body`, for comparing with what is expected.
pub(crate) fn line(record: &Record) -> String {
    let Record { area, service, device, time, .. } = record;
    let body = match &record.body {
        Body::Observation { quality, values } => {
            let values: Vec<String> = values.iter().map(|(p, v)| format!("{p}={v}")).collect();
            format!("{quality:?} {}", values.join(" "))
        }
        Body::Detection(d) => {
            let word = |o: &Option<ioc_model::Name>| o.as_deref().unwrap_or("-").to_owned();
            let number = |o: Option<f64>| o.map_or("-".into(), |n| n.to_string());
            let (id, object, zone) = (word(&d.id), word(&d.object), word(&d.zone));
            let (confidence, count) = (number(d.confidence), number(d.count));
            format!("{} id={id} object={object} p={confidence} n={count} zone={zone}", d.kind)
        }
        Body::Status(s) => format!("online={} battery={:?}", s.online, s.battery),
    };
    format!("{area}/{service}/{device} {} {body}", time.0)
}

/// The one record of a message, as [`line`].
pub(crate) fn one(decoders: &Decoders, topic: &str, payload: impl AsRef<[u8]>) -> String {
    match decode(decoders, topic, payload) {
        Ok(records) if records.len() == 1 => line(&records[0]),
        Ok(records) => format!("{} records", records.len()),
        Err(r) => format!("{}: {}", r.reason.as_str(), r.detail),
    }
}

/// A payload of `../shared/data`, or `None` with a word when the folder is not there.
pub(crate) fn shared(path: &str) -> Option<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    let bytes = std::fs::read(&file).ok();
    if bytes.is_none() {
        println!("skipped: {} is missing", file.display());
    }
    bytes
}
