//! A kept message as its owner may look at it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ioc_model::{Body, City, ReceivedMessage, Record};
use serde_json::{Map, Value, json};

use super::raw::Raw;
use crate::decode::{Decoders, Incoming};
use crate::quarantine::{redact, visible};

/// Bytes of a payload that are shown.
const SHOWN_BYTES: usize = 4_096;

/// Decodes the message again: the view tells what today's decoder makes of it.
pub(super) fn shown(city: &City, decoders: &Decoders, raw: &Raw) -> ReceivedMessage {
    let message =
        Incoming { topic: &raw.topic, payload: &raw.payload, retain: raw.retain, received: raw.at };
    let explained = decoders.explain(&message);
    let records = explained.result.map(|d| d.records).unwrap_or_default();
    ReceivedMessage {
        at: raw.at,
        source: raw.source.to_string(),
        topic: visible(&redact::text(raw.topic.to_string())),
        payload: payload_text(&raw.payload),
        bytes: raw.bytes,
        format: explained.format,
        outcome: raw.outcome.clone(),
        records: records.iter().map(|record| masked(record_json(city, record))).collect(),
        ignored: explained.ignored.into_iter().map(|f| visible(&redact::text(f))).collect(),
    }
}

/// Text cut at 4 KiB, or bytes that are no text as base64 of the same length.
fn payload_text(payload: &[u8]) -> String {
    let payload = redact::payload(payload);
    match std::str::from_utf8(&payload) {
        Ok(text) => {
            let end = text.floor_char_boundary(SHOWN_BYTES.min(text.len()));
            visible(&text[..end])
        }
        Err(_) => {
            let end = payload.len().min(SHOWN_BYTES / 4 * 3);
            format!("base64:{}", STANDARD.encode(&payload[..end]))
        }
    }
}

/// A record as JSON: `time` (ms), `device`, `service`, `area`, `seq`?, and `quality`, `values`,
/// `units` of an observation, `detection`, or `status`. Holds no personal data.
pub fn record_json(city: &City, record: &Record) -> Value {
    let mut json = json!({
        "time": record.time.0,
        "device": &*record.device,
        "service": &*record.service,
        "area": &*record.area,
    });
    if let Some(seq) = record.seq {
        json["seq"] = seq.into();
    }
    match &record.body {
        Body::Observation { quality, values } => {
            let of = |f: &dyn Fn(&str, f64) -> Value| -> Map<String, Value> {
                values.iter().map(|(p, v)| (p.to_string(), f(p, *v))).collect()
            };
            let unit = |p: &str, _| city.properties.get(p).map(|p| &*p.unit).into();
            json["quality"] = serde_json::to_value(quality).unwrap_or_default();
            json["values"] = of(&|_, v| v.into()).into();
            json["units"] = of(&unit).into();
        }
        Body::Detection(d) => {
            json["detection"] = json!({
                "kind": &*d.kind,
                "id": d.id.as_deref(),
                "object": d.object.as_deref(),
                "confidence": d.confidence,
                "count": d.count,
                "zone": d.zone.as_deref(),
            });
        }
        Body::Status(s) => json["status"] = json!({"online": s.online, "battery": s.battery}),
    }
    json
}

/// Device strings may look like plates in any field.
fn masked(json: Value) -> Value {
    match json {
        Value::String(text) => visible(&redact::text(text)).into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, masked(v))).collect(),
        other => other,
    }
}
