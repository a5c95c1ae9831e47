//! `boundaries.geojson`: outlines of the areas.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Report;
use crate::{Area, ConfigError, ConfigFiles, Name};

const FILE: &str = "boundaries.geojson";

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow)]
    features: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize)]
struct Properties {
    id: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon(Vec<Vec<(f64, f64)>>),
    MultiPolygon(Vec<Vec<Vec<(f64, f64)>>>),
}

/// Puts the rings into the areas and returns the text as it is served.
pub(super) fn load(
    files: &ConfigFiles,
    areas: &mut BTreeMap<Name, Area>,
    errors: &mut Vec<ConfigError>,
) -> String {
    let mut report = Report { file: FILE, errors };
    let Some(text) = report.text(files) else { return String::new() };
    let collection: Collection<'_> = match serde_json::from_str(text) {
        Ok(collection) => collection,
        Err(e) => {
            report.add((e.line(), e.column()), format!("not a feature collection: {}", plain(&e)));
            return String::new();
        }
    };
    for raw in collection.features {
        let place = place_of(text, raw.get());
        let feature: Feature = match serde_json::from_str(raw.get()) {
            Ok(feature) => feature,
            Err(e) => {
                report.add_hint(
                    place,
                    format!("not a usable feature: {}", plain(&e)),
                    "expected the property id and a Polygon or MultiPolygon".into(),
                );
                continue;
            }
        };
        let id = feature.properties.id.as_str();
        if !report.check_known(place, "area", id, areas) {
            continue;
        }
        if let Some(area) = areas.get_mut(id) {
            area.rings.extend(match feature.geometry {
                Geometry::Polygon(rings) => rings,
                Geometry::MultiPolygon(parts) => parts.into_iter().flatten().collect(),
            });
        }
    }
    for area in areas.values().filter(|a| a.rings.is_empty()) {
        report.add((0, 0), format!("area `{}` has no boundary", area.id));
    }
    text.to_string()
}

/// Line and column (characters, from 1) of a part of `text`.
pub(super) fn place_of(text: &str, part: &str) -> (usize, usize) {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = &text[..offset.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The message without serde_json's own place.
pub(super) fn plain(e: &serde_json::Error) -> String {
    let text = e.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_string()
}
