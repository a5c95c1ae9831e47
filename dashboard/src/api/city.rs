use std::sync::Arc;

use ioc_model::{Area, City, Cluster, Property, Service, Text, Threshold};
use serde::Serialize;
use serde_json::{Value, json};

use crate::reply::Document;

/// `GET /api/v1/city`.
pub(crate) fn city_document(city: &City, shelve_max_ms: i64) -> Arc<Document> {
    #[derive(Serialize)]
    struct Alerts {
        shelve_max_ms: i64,
    }
    #[derive(Serialize)]
    struct Answer<'a> {
        name: &'a Text,
        time_zone: &'a str,
        view: (f64, f64, f64),
        areas: Vec<&'a Area>,
        clusters: Vec<&'a Cluster>,
        services: Vec<&'a Service>,
        properties: Vec<&'a Property>,
        thresholds: Vec<&'a Threshold>,
        alerts: Alerts,
    }
    let mut services: Vec<_> = city.services.values().collect();
    services.sort_by_key(|s| s.order);
    Document::json(&Answer {
        name: &city.name,
        time_zone: &city.time_zone,
        view: city.view,
        areas: city.areas.values().collect(),
        clusters: city.clusters.values().collect(),
        services,
        properties: city.properties.values().collect(),
        thresholds: city.thresholds.values().collect(),
        alerts: Alerts { shelve_max_ms },
    })
}

/// `GET /api/v1/map`: the boundaries with the names of today's configuration; features of areas
/// that the configuration does not know are left out.
pub(crate) fn map_document(city: &City) -> Arc<Document> {
    let source: Value = match serde_json::from_str(&city.boundaries) {
        Ok(source) => source,
        Err(_) if city.boundaries.is_empty() => Value::Null,
        Err(error) => {
            tracing::warn!(%error, "boundaries are not JSON; the map is empty");
            Value::Null
        }
    };
    let features = source["features"].as_array().map_or(&[][..], Vec::as_slice);
    let named: Vec<Value> = features.iter().filter_map(|f| feature(city, f)).collect();
    Document::json(&json!({ "type": "FeatureCollection", "features": named }))
}

fn feature(city: &City, source: &Value) -> Option<Value> {
    let id = source["properties"]["id"].as_str().or(source["id"].as_str())?;
    let name = &city.areas.get(id)?.name;
    Some(json!({
        "type": "Feature",
        "properties": { "id": id, "name_vi": name.vi, "name_en": name.en },
        "geometry": source["geometry"],
    }))
}
