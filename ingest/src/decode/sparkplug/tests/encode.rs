//! Payloads as an edge node writes them.

use crate::decode::sparkplug::wire::{
    Metric, Payload, Property, PropertySet, PropertyValue, Value,
};

pub(super) fn payload(
    timestamp: u64,
    seq: impl Into<Option<u64>>,
    metrics: Vec<Metric>,
) -> Payload {
    Payload { timestamp: Some(timestamp), metrics, seq: seq.into(), uuid: None }
}

/// A metric; the empty name is left out, as DATA with aliases does.
pub(super) fn metric(name: &str, alias: Option<u64>, value: Value) -> Metric {
    let datatype = match value {
        Value::Int(_) => 3,
        Value::Long(_) => 4,
        Value::Float(_) => 9,
        Value::Double(_) => 10,
        Value::Bool(_) => 11,
        Value::Text(_) => 12,
    };
    let name = (!name.is_empty()).then(|| name.to_owned());
    // As the specification has it: DATA leaves out what the BIRTH said.
    let datatype = name.is_some().then_some(datatype);
    Metric { name, alias, datatype, value: Some(value), ..Metric::default() }
}

pub(super) fn bd_seq(n: u64) -> Metric {
    metric("bdSeq", None, Value::Long(n))
}

pub(super) fn property(key: &str, value: &str) -> Option<PropertySet> {
    let value = match value.parse() {
        Ok(number) => Property::Int(number),
        Err(_) => Property::Text(value.into()),
    };
    let value = PropertyValue { datatype: None, is_null: None, value: Some(value) };
    Some(PropertySet { keys: vec![key.into()], values: vec![value] })
}
