//! GeoJSON (RFC 7946): a feature for each station, or for each station and moment of a range.

use std::collections::BTreeMap;

use ioc_model::{City, Name, Quality, Timestamp};
use serde_json::{Map, Value, json};

use super::config::{Catalogue, Dataset};
use super::read::{Chunk, Row, Station};

/// A collection with the newest values.
pub(super) fn latest(set: &Set<'_>, chunks: &[Chunk]) -> Value {
    let mut values: BTreeMap<usize, Vec<(&Name, &Row)>> = BTreeMap::new();
    for chunk in chunks {
        let rows = chunk.rows.iter().map(|r| (&chunk.property, r));
        values.entry(chunk.station).or_default().extend(rows);
    }
    let feature = |(n, station): (usize, &Station)| {
        let found = values.remove(&n).unwrap_or_default();
        let time = found.iter().map(|(_, r)| r.time).max();
        let id = json!(station.id);
        set.feature(station, id, time, &found)
    };
    set.collection(set.stations.iter().enumerate().map(feature).collect())
}

/// A collection of a range.
pub(super) fn range(set: &Set<'_>, chunks: &[Chunk]) -> Value {
    let mut values: BTreeMap<(usize, Timestamp), Vec<(&Name, &Row)>> = BTreeMap::new();
    for chunk in chunks {
        for row in &chunk.rows {
            let found = values.entry((chunk.station, row.time)).or_default();
            found.push((&chunk.property, row));
        }
    }
    let features = values.iter().filter_map(|((n, time), found)| {
        let station = set.stations.get(*n)?;
        let id = json!(format!("{}/{}", station.id, time));
        Some(set.feature(station, id, Some(*time), found))
    });
    set.collection(features.collect())
}

/// What a document is about.
pub(super) struct Set<'a> {
    pub catalogue: &'a Catalogue,
    pub dataset: &'a Dataset,
    pub stations: &'a [Station],
    pub city: &'a City,
    /// Address of the dataset.
    pub address: String,
}

impl Set<'_> {
    fn feature(
        &self,
        station: &Station,
        id: Value,
        time: Option<Timestamp>,
        found: &[(&Name, &Row)],
    ) -> Value {
        let mut properties = Map::new();
        properties.insert("device".into(), json!(station.id));
        properties.insert("name_vi".into(), json!(station.name.vi));
        properties.insert("name_en".into(), json!(station.name.en));
        properties.insert("area_vi".into(), json!(station.area.vi));
        properties.insert("area_en".into(), json!(station.area.en));
        properties.insert("time".into(), json!(time.map(Timestamp::to_rfc3339)));
        for (property, row) in found {
            properties.insert(property.to_string(), json!(row.value));
            if Some(row.time) != time {
                properties.insert(format!("{property}.time"), json!(row.time.to_rfc3339()));
            }
            if let Some((min, max, count)) = row.spread {
                properties.insert(format!("{property}.min"), json!(min));
                properties.insert(format!("{property}.max"), json!(max));
                properties.insert(format!("{property}.count"), json!(count));
            }
            if row.quality != Quality::Good {
                properties.insert(format!("{property}.quality"), json!("uncertain"));
            }
        }
        let (lat, lon) = station.place;
        json!({
            "type": "Feature",
            "id": id,
            "geometry": { "type": "Point", "coordinates": [lon, lat] },
            "properties": properties,
        })
    }

    fn collection(&self, features: Vec<Value>) -> Value {
        let unit = |p: &Name| {
            let unit = self.city.properties.get(p).map_or("", |p| &p.unit);
            (p.to_string(), json!(unit))
        };
        let units: Map<String, Value> = self.dataset.properties.iter().map(unit).collect();
        json!({
            "type": "FeatureCollection",
            "dataset": self.address,
            "title": self.dataset.title,
            "license": self.catalogue.licence.uri,
            "attribution": self.catalogue.attribution,
            "units": units,
            "features": features,
        })
    }
}
