//! The protobuf of Sparkplug B (`sparkplug_b.proto`), as far as it is read here. Fields that are
//! left out (data sets, templates, metadata, files) are passed over by prost without a copy, and
//! with them everything that could be nested.

use prost::{Message, Oneof};

use ioc_model::{Quality, QuarantineReason};

use super::super::Refusal;
use super::super::json::Json;

/// Metrics that one message may hold.
pub(super) const METRICS: usize = 4_096;

/// Word by which a payload says that its body is another, compressed one.
const COMPRESSED: &str = "SPBV1.0_COMPRESSED";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
    #[prost(string, optional, tag = "4")]
    pub(super) uuid: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(super) is_transient: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(super) properties: Option<PropertySet>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15")]
    pub(super) value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Bool(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertySet {
    #[prost(string, repeated, tag = "1")]
    pub(super) keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) values: Vec<PropertyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertyValue {
    #[prost(uint32, optional, tag = "1")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "2")]
    pub(super) is_null: Option<bool>,
    #[prost(oneof = "Property", tags = "3, 4, 8")]
    pub(super) value: Option<Property>,
}

/// Values of the properties that are read.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Property {
    #[prost(uint32, tag = "3")]
    Int(u32),
    #[prost(uint64, tag = "4")]
    Long(u64),
    #[prost(string, tag = "8")]
    Text(String),
}

/// Reads a payload.
pub(super) fn read(bytes: &[u8]) -> Result<Payload, Refusal> {
    let payload = Payload::decode(bytes).map_err(|_| {
        // prost's words quote nothing, but they change from version to version.
        Refusal::new(QuarantineReason::Malformed, "not a Sparkplug B protobuf payload")
    })?;
    if payload.uuid.as_deref() == Some(COMPRESSED) {
        let detail = "compressed Sparkplug payloads are not read; switch compression off";
        return Err(Refusal::new(QuarantineReason::Malformed, detail));
    }
    if payload.metrics.len() > METRICS {
        let detail = format!("{} metrics, at most {METRICS} are taken", payload.metrics.len());
        return Err(Refusal::new(QuarantineReason::TooLarge, detail));
    }
    Ok(payload)
}

impl Metric {
    /// The value by its datatype (`known`: as the BIRTH said it); `None` for null, and for data
    /// sets, templates and bytes.
    pub(super) fn json(&self, known: Option<u32>) -> Option<Json<'_>> {
        if self.is_null == Some(true) {
            return None;
        }
        Some(match self.value.as_ref()? {
            Value::Int(n) => Json::Integer(signed(*n, self.datatype.or(known))),
            Value::Long(n) if matches!(self.datatype.or(known), Some(4)) => {
                Json::Integer(*n as i64)
            }
            Value::Long(n) => i64::try_from(*n).map_or(Json::Number(*n as f64), Json::Integer),
            // By its shortest digits: 25.4 is meant, not 25.399999618530273.
            Value::Float(f) => Json::Number(f.to_string().parse().unwrap_or(f64::from(*f))),
            Value::Double(d) => Json::Number(*d),
            Value::Bool(b) => Json::Bool(*b),
            Value::Text(t) => Json::Text(t.as_str().into()),
        })
    }

    fn property(&self, key: &str) -> Option<&Property> {
        let set = self.properties.as_ref()?;
        let index = set.keys.iter().position(|k| k == key)?;
        let value = set.values.get(index).filter(|v| v.is_null != Some(true))?;
        value.value.as_ref()
    }

    /// The unit that the metric states of itself.
    pub(super) fn unit(&self) -> Option<&str> {
        match self.property("engUnit").or_else(|| self.property("Engineering Units"))? {
            Property::Text(unit) if unit.len() <= 64 => Some(unit.trim()),
            _ => None,
        }
    }

    /// The `Quality` property; without it a value is good.
    pub(super) fn quality(&self) -> Quality {
        match self.property("Quality") {
            None => Quality::Good,
            Some(Property::Int(code)) => quality(*code),
            Some(Property::Long(code)) => u32::try_from(*code).map_or(Quality::Uncertain, quality),
            Some(Property::Text(_)) => Quality::Uncertain,
        }
    }
}

/// 192 good, 0 bad and 500 stale are the codes of the specification. Others are read as OPC has
/// them: 64 to 127 uncertain, and in Ignition's 32-bit codes the two highest bits.
fn quality(code: u32) -> Quality {
    match code {
        192..=255 => Quality::Good,
        0..=63 | 500 => Quality::Bad,
        0x8000_0000.. => Quality::Bad,
        _ => Quality::Uncertain,
    }
}

/// Small signed integers travel as `uint32`: the whole two's complement, or that of their width.
fn signed(bits: u32, datatype: Option<u32>) -> i64 {
    match datatype {
        Some(1) => i64::from(bits as u8 as i8),
        Some(2) => i64::from(bits as u16 as i16),
        Some(3) => i64::from(bits as i32),
        _ => i64::from(bits),
    }
}

/// Asks an edge node for its BIRTH certificates. Commands have no sequence number.
pub(super) fn rebirth(now_ms: i64) -> Vec<u8> {
    let timestamp = u64::try_from(now_ms).ok();
    let metric = Metric {
        name: Some("Node Control/Rebirth".into()),
        timestamp,
        datatype: Some(11),
        value: Some(Value::Bool(true)),
        ..Metric::default()
    };
    Payload { timestamp, metrics: vec![metric], ..Payload::default() }.encode_to_vec()
}
