//! NGSI-LD (ETSI GS CIM 009): an entity for each station, of the dataset's Smart Data Model.
//!
//! Each entity carries what its terms mean itself, with the addresses that the core context and
//! the model's context give them, so that it can be read without fetching anything. On request
//! the addresses of those contexts stand there instead.

use std::collections::BTreeMap;

use ioc_model::{Name, Quality, Timestamp};
use serde_json::{Map, Value, json};

use super::geojson::Set;
use super::models::{Attribute, TimeIn, unit_code};
use super::read::{Chunk, Row, Station};

const CORE: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";
/// Terms of the core context and of what all models share.
const RESERVED: [&str; 12] = [
    "id",
    "type",
    "value",
    "location",
    "name",
    "alternateName",
    "areaServed",
    "dataProvider",
    "dateObserved",
    "quality",
    "source",
    "scope",
];

/// The newest values: normalised entities.
pub(super) fn latest(set: &Set<'_>, chunks: &[Chunk], linked: bool) -> Value {
    let mut found: BTreeMap<usize, Vec<(&Name, &Row)>> = BTreeMap::new();
    for chunk in chunks {
        let rows = chunk.rows.iter().map(|r| (&chunk.property, r));
        found.entry(chunk.station).or_default().extend(rows);
    }
    let context = context(set, linked);
    let entity = |(n, rows): (&usize, &Vec<(&Name, &Row)>)| {
        let station = set.stations.get(*n)?;
        let mut entity = described(set, station, &context);
        for (property, row) in rows {
            entity.insert(term(set, property), attribute(set, property, row));
        }
        let newest = rows.iter().map(|(_, row)| row).max_by_key(|r| r.time)?;
        observed(set, newest, &mut entity);
        Some(Value::Object(entity))
    };
    found.iter().filter_map(entity).collect()
}

/// A range: the temporal representation, each attribute with its values in the order of time.
pub(super) fn range(set: &Set<'_>, chunks: &[Chunk], linked: bool) -> Value {
    let mut found: BTreeMap<usize, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    for chunk in chunks {
        let rows = chunk.rows.iter().map(|r| attribute(set, &chunk.property, r));
        let values = found.entry(chunk.station).or_default();
        values.entry(term(set, &chunk.property)).or_default().extend(rows);
    }
    let context = context(set, linked);
    let entity = |(n, values): (usize, BTreeMap<String, Vec<Value>>)| {
        let mut entity = described(set, set.stations.get(n)?, &context);
        entity.extend(values.into_iter().map(|(k, v)| (k, Value::Array(v))));
        Some(Value::Object(entity))
    };
    found.into_iter().filter_map(entity).collect()
}

/// What is known of a station besides its values.
fn described(set: &Set<'_>, station: &Station, context: &Value) -> Map<String, Value> {
    let model = set.dataset.model.name();
    let text = |value: &str| json!({ "type": "Property", "value": value });
    let (lat, lon) = station.place;
    let entity = json!({
        "@context": context,
        "id": format!("urn:ngsi-ld:{model}:{}", station.id),
        "type": model,
        "name": text(&station.name.vi),
        "alternateName": text(&station.name.en),
        "areaServed": text(&station.area.vi),
        "dataProvider": text(&set.catalogue.publisher.name.vi),
        "location": {
            "type": "GeoProperty",
            "value": { "type": "Point", "coordinates": [lon, lat] },
        },
    });
    match entity {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn attribute(set: &Set<'_>, property: &Name, row: &Row) -> Value {
    let known = set.dataset.model.attribute(property);
    let symbol = set.city.properties.get(property).map_or("", |p| &p.unit);
    let unit = known.map(|a| a.unit).or_else(|| unit_code(symbol));
    let mut value = json!({
        "type": "Property",
        "value": known.map_or(row.value, |a| scaled(a, row.value)),
        "observedAt": utc(row.time),
    });
    if let (Value::Object(map), Some(unit)) = (&mut value, unit) {
        map.insert("unitCode".into(), json!(unit));
    }
    if let (Value::Object(map), Quality::Uncertain) = (&mut value, row.quality) {
        map.insert("quality".into(), json!({ "type": "Property", "value": "uncertain" }));
    }
    value
}

/// 0.29 instead of 0.29000000000000004: percent have no more digits than they came with.
fn scaled(attribute: &Attribute, value: f64) -> f64 {
    if attribute.factor == 1.0 { value } else { (value * attribute.factor * 1e9).round() / 1e9 }
}

/// When the model's own attributes say that it was observed.
fn observed(set: &Set<'_>, row: &Row, entity: &mut Map<String, Value>) {
    let time = utc(row.time);
    let moment = || json!({ "type": "Property", "value": { "@type": "DateTime", "@value": time } });
    match set.dataset.model.time() {
        TimeIn::DateObserved => {
            entity.insert("dateObserved".into(), moment());
        }
        TimeIn::ObservationDateTime => {
            entity.insert("observationDateTime".into(), moment());
        }
        TimeIn::FromTo => {
            let interval = format!("{time}/{time}");
            let interval = json!({ "type": "Property", "value": interval });
            entity.insert("dateObserved".into(), interval);
            entity.insert("dateObservedFrom".into(), moment());
            entity.insert("dateObservedTo".into(), moment());
        }
    }
}

/// NGSI-LD wants UTC.
fn utc(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| time.to_string(), |t| t.to_string())
}

/// The attribute that a property is written as.
fn term(set: &Set<'_>, property: &Name) -> String {
    match set.dataset.model.attribute(property) {
        Some(attribute) => attribute.name.to_owned(),
        None if RESERVED.contains(&&**property) => format!("property-{property}"),
        None => property.to_string(),
    }
}

fn context(set: &Set<'_>, linked: bool) -> Value {
    let model = set.dataset.model;
    let mut own = Map::new();
    let mut theirs = Map::new();
    own.insert("quality".into(), json!(format!("{}#quality", set.address)));
    for property in &set.dataset.properties {
        match model.attribute(property) {
            Some(a) => theirs.insert(a.name.into(), json!(model.iri(a.name))),
            None => {
                let meaning = format!("{}#{property}", set.address);
                own.insert(term(set, property), json!(meaning))
            }
        };
    }
    if linked {
        return json!([own, model.context(), CORE]);
    }
    for name in ["dateObservedFrom", "dateObservedTo", "observationDateTime"] {
        theirs.insert(name.into(), json!(model.iri(name)));
    }
    for name in ["name", "alternateName", "areaServed", "dataProvider", "dateObserved"] {
        theirs.insert(name.into(), json!(format!("https://smartdatamodels.org/{name}")));
    }
    theirs.insert(model.name().into(), json!(model.iri(model.name())));
    theirs.extend(own);
    theirs.extend(core());
    Value::Object(theirs)
}

/// The terms of the core context that we use.
fn core() -> Map<String, Value> {
    let ngsi = |name: &str| format!("https://uri.etsi.org/ngsi-ld/{name}");
    let mut map = Map::new();
    map.insert("id".into(), json!("@id"));
    map.insert("type".into(), json!("@type"));
    for name in ["Property", "GeoProperty", "DateTime", "location", "unitCode"] {
        map.insert(name.into(), json!(ngsi(name)));
    }
    map.insert("value".into(), json!(ngsi("hasValue")));
    let time = json!({ "@id": ngsi("observedAt"), "@type": ngsi("DateTime") });
    map.insert("observedAt".into(), time);
    let geo = |name: &str| format!("https://purl.org/geojson/vocab#{name}");
    map.insert("Point".into(), json!(geo("Point")));
    map.insert("coordinates".into(), json!({ "@id": geo("coordinates"), "@container": "@list" }));
    map
}
