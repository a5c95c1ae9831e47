//! `zones.geojson`: named places for geofences.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Report;
use super::boundaries::{place_of, plain};
use crate::{Area, ConfigError, ConfigFiles, Name, Text, Zone};

const FILE: &str = "zones.geojson";
const SHAPE: &str =
    "expected the properties id, name_vi, name_en, kind and a Polygon or MultiPolygon";

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow)]
    features: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Feature<'a> {
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow)]
    geometry: Geometry<'a>,
}

/// Further properties are left alone: map tools add their own.
#[derive(Deserialize)]
struct Properties {
    id: String,
    name_vi: String,
    name_en: String,
    kind: String,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Deserialize)]
struct Geometry<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    coordinates: &'a RawValue,
}

/// A GeoJSON position: longitude, latitude and perhaps a height, which is left out.
#[derive(Deserialize)]
#[serde(try_from = "Vec<f64>")]
struct Position(f64, f64);

impl TryFrom<Vec<f64>> for Position {
    type Error = &'static str;

    fn try_from(v: Vec<f64>) -> Result<Self, Self::Error> {
        match v[..] {
            [lon, lat] | [lon, lat, _] => Ok(Self(lon, lat)),
            _ => Err("a position is [longitude, latitude]"),
        }
    }
}

/// The zones; none if the file is not there.
pub(super) fn load(
    files: &ConfigFiles,
    areas: &BTreeMap<Name, Area>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Zone> {
    let mut zones = BTreeMap::new();
    let Some(text) = files.get(FILE) else { return zones };
    let mut source = Source { text, report: Report { file: FILE, errors } };
    let collection: Collection<'_> = match serde_json::from_str(text) {
        Ok(collection) => collection,
        Err(e) => {
            let message = format!("not a feature collection: {}", plain(&e));
            source.report.add((e.line(), e.column()), message);
            return zones;
        }
    };
    for raw in collection.features {
        let Some(zone) = source.zone(raw, areas) else { continue };
        if zones.contains_key(&zone.id) {
            source.report.add(source.place(raw), format!("zone `{}` is there already", zone.id));
            continue;
        }
        zones.insert(zone.id.clone(), zone);
    }
    zones
}

struct Source<'t, 'e> {
    text: &'t str,
    report: Report<'e>,
}

impl<'t> Source<'t, '_> {
    fn place(&self, raw: &RawValue) -> (usize, usize) {
        place_of(self.text, raw.get())
    }

    /// Reads a part of the text; a mistake is told at its place in the file.
    fn read<T: Deserialize<'t>>(&mut self, raw: &'t RawValue, what: &str) -> Option<T> {
        serde_json::from_str(raw.get()).map_err(|e| self.refuse(raw, what, &e)).ok()
    }

    fn read_owned<T: DeserializeOwned>(&mut self, raw: &RawValue, what: &str) -> Option<T> {
        serde_json::from_str(raw.get()).map_err(|e| self.refuse(raw, what, &e)).ok()
    }

    fn refuse(&mut self, raw: &RawValue, what: &str, e: &serde_json::Error) {
        let (line, column) = self.place(raw);
        let place = match e.line() {
            0 | 1 => (line, column + e.column().saturating_sub(1)),
            further => (line + further - 1, e.column()),
        };
        let message = format!("not {what}: {}", plain(e));
        self.report.add_hint(place, message, SHAPE.into());
    }

    fn zone(&mut self, raw: &'t RawValue, areas: &BTreeMap<Name, Area>) -> Option<Zone> {
        let feature: Feature<'t> = self.read(raw, "a usable feature")?;
        let rings = self.rings(&feature.geometry);
        let properties: Properties =
            self.read_owned(feature.properties, "the properties of a zone")?;
        let place = self.place(feature.properties);
        if !self.report.check_id(place, &properties.id) {
            return None;
        }
        let id = Name::from(properties.id);
        if areas.contains_key(&id) {
            let hint = "rules may name areas as zones: choose another id";
            self.report.add_hint(place, format!("`{id}` is the id of an area"), hint.into());
            return None;
        }
        let rings = rings?;
        Some(Zone {
            id,
            name: Text { vi: properties.name_vi, en: properties.name_en },
            kind: properties.kind,
            bounds: bounds(&rings),
            rings,
            source: properties.source,
        })
    }

    fn rings(&mut self, geometry: &Geometry<'t>) -> Option<Vec<Vec<(f64, f64)>>> {
        let raw = geometry.coordinates;
        let parts: Vec<Vec<&'t RawValue>> = match geometry.kind.as_str() {
            "Polygon" => vec![self.read(raw, "the rings of a Polygon")?],
            "MultiPolygon" => self.read(raw, "the polygons of a MultiPolygon")?,
            other => {
                let message = format!("a zone cannot be a `{other}`");
                self.report.add_hint(self.place(raw), message, SHAPE.into());
                return None;
            }
        };
        let rings: Vec<_> = parts.into_iter().flatten().map(|ring| self.ring(ring)).collect();
        if rings.is_empty() {
            self.report.add(self.place(raw), "the zone has no outline".into());
            return None;
        }
        rings.into_iter().collect()
    }

    fn ring(&mut self, raw: &'t RawValue) -> Option<Vec<(f64, f64)>> {
        let ring: Vec<Position> = self.read_owned(raw, "a ring of positions")?;
        let ring: Vec<(f64, f64)> = ring.into_iter().map(|p| (p.0, p.1)).collect();
        let place = self.place(raw);
        let on_earth = |&(lon, lat): &(f64, f64)| {
            (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)
        };
        if let Some((lon, lat)) = ring.iter().find(|p| !on_earth(p)) {
            let message = format!("no place on earth: longitude {lon}, latitude {lat}");
            self.report.add_hint(place, message, "longitude comes first".into());
            return None;
        }
        if ring.len() < 4 || ring.first() != ring.last() {
            let message = "a ring needs at least four positions, the last like the first";
            self.report.add(place, message.into());
            return None;
        }
        Some(ring)
    }
}

fn bounds(rings: &[Vec<(f64, f64)>]) -> (f64, f64, f64, f64) {
    let start = (f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
    rings
        .iter()
        .flatten()
        .fold(start, |b, &(lon, lat)| (b.0.min(lon), b.1.min(lat), b.2.max(lon), b.3.max(lat)))
}
