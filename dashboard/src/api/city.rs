use std::sync::Arc;

use ioc_model::{Area, City, Cluster, Property, Service, Text, Threshold, Zone};
use serde::Serialize;
use serde_json::{Value, json};

use crate::reply::Document;
use crate::tiles::Tiles;

/// `GET /api/v1/city`.
pub(crate) fn city_document(
    city: &City,
    shelve_max_ms: i64,
    tiles: Option<&Tiles>,
) -> Arc<Document> {
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
        #[serde(skip_serializing_if = "Option::is_none")]
        tiles: Option<&'a Tiles>,
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
        tiles,
    })
}

/// `GET /api/v1/map`: the boundaries with the names of today's configuration; features of areas
/// that the configuration does not know are left out. `zones`, beside them, are the named places of
/// geofence rules.
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
    let zones: Vec<Value> = city.zones.values().map(zone).collect();
    Document::json(&json!({
        "type": "FeatureCollection",
        "features": named,
        "zones": { "type": "FeatureCollection", "features": zones },
    }))
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

fn zone(zone: &Zone) -> Value {
    json!({
        "type": "Feature",
        "properties": {
            "id": zone.id, "name_vi": zone.name.vi, "name_en": zone.name.en, "kind": zone.kind,
        },
        "geometry": { "type": "MultiPolygon", "coordinates": polygons(&zone.rings) },
    })
}

type Ring = Vec<(f64, f64)>;

/// Rings of the even-odd rule as polygons with holes: a ring inside an odd number of others is a
/// hole of the innermost outline around it. Rings do not cross.
fn polygons(rings: &[Ring]) -> Vec<Vec<&Ring>> {
    let around = |ring: &Ring| -> Vec<usize> {
        let Some(&(lon, lat)) = ring.first() else { return Vec::new() };
        let others = rings.iter().enumerate().filter(|(_, r)| !std::ptr::eq(*r, ring));
        others.filter(|(_, r)| within(r, lon, lat)).map(|(i, _)| i).collect()
    };
    let outside: Vec<Vec<usize>> = rings.iter().map(around).collect();
    let outlines = (0..rings.len()).filter(|&i| outside[i].len().is_multiple_of(2));
    outlines
        .map(|i| {
            let holes = (0..rings.len())
                .filter(|&h| outside[h].len() == outside[i].len() + 1 && outside[h].contains(&i));
            std::iter::once(i).chain(holes).map(|r| &rings[r]).collect()
        })
        .collect()
}

/// Even-odd rule for one ring.
fn within(ring: &Ring, x: f64, y: f64) -> bool {
    let edges = ring.iter().zip(ring.iter().skip(1));
    let crossed = edges.filter(|&(&(x0, y0), &(x1, y1))| {
        (y0 > y) != (y1 > y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
    });
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, half: f64) -> Ring {
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0)]
            .map(|(dx, dy)| (x + dx * half, y + dy * half))
            .into()
    }

    #[test]
    fn gives_each_hole_to_the_outline_around_it() {
        let (large, hole, island) =
            (square(0.0, 0.0, 9.0), square(1.0, 0.0, 5.0), square(1.0, 0.0, 2.0));
        let apart = square(30.0, 0.0, 3.0);
        let rings = [hole.clone(), large.clone(), apart.clone(), island.clone()];
        assert_eq!(polygons(&rings), [vec![&large, &hole], vec![&apart], vec![&island]]);
        assert_eq!(polygons(&[]), Vec::<Vec<&Ring>>::new());
    }
}
