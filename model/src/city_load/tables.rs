//! `areas.csv` and `devices.csv`.

use std::collections::BTreeMap;

use super::{Report, rows};
use crate::{Area, AreaKind, City, ConfigError, ConfigFiles, DeviceSpec, Name, Text};

/// Longest expected time between two messages of one device: a week.
const MAX_CADENCE_S: f64 = 604_800.0;

pub(super) fn areas(files: &ConfigFiles, errors: &mut Vec<ConfigError>) -> BTreeMap<Name, Area> {
    let mut report = Report { file: "areas.csv", errors };
    let mut areas: BTreeMap<Name, Area> = BTreeMap::new();
    let Some(text) = report.text(files) else { return areas };
    let columns = ["id", "code", "kind", "name_vi", "name_en", "lat", "lon", "area_km2"];
    rows::read(text, (&columns, 0), &mut report, |row, report| {
        let id = row.text(0);
        let kind = match row.text(2) {
            "ward" => Some(AreaKind::Ward),
            "commune" => Some(AreaKind::Commune),
            "special_zone" => Some(AreaKind::SpecialZone),
            other => {
                report.add_hint(
                    row.place(2),
                    format!("unknown kind `{other}`"),
                    "expected ward, commune or special_zone".into(),
                );
                None
            }
        };
        let lat = row.number(5, (-90.0, 90.0), report);
        let lon = row.number(6, (-180.0, 180.0), report);
        let km2 = row.number(7, (0.0, 100_000.0), report);
        if !report.check_id(row.place(0), id) {
            return;
        }
        if areas.contains_key(id) || id == "unassigned" {
            report.add(row.place(0), format!("area `{id}` is there already"));
            return;
        }
        // A row with a bad number is kept, so that what refers to it is not reported too.
        let id = Name::from(id);
        let (lat, lon) = (lat.unwrap_or_default(), lon.unwrap_or_default());
        let (kind, area_km2) = (kind.unwrap_or(AreaKind::Ward), km2.unwrap_or_default());
        let name = Text { vi: row.text(3).into(), en: row.text(4).into() };
        let code = row.text(1).into();
        let area = Area { id: id.clone(), code, name, kind, lat, lon, area_km2, rings: vec![] };
        areas.insert(id, area);
    });
    areas
}

pub(super) fn devices(
    files: &ConfigFiles,
    city: &City,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, DeviceSpec> {
    let mut report = Report { file: "devices.csv", errors };
    let mut devices: BTreeMap<Name, DeviceSpec> = BTreeMap::new();
    let Some(text) = report.text(files) else { return devices };
    let columns = [
        "id",
        "name_vi",
        "name_en",
        "kind",
        "service",
        "area",
        "lat",
        "lon",
        "properties",
        "cadence_s",
        "parent",
        "segment",
    ];
    let mut parents = Vec::new();
    rows::read(text, (&columns, 2), &mut report, |row, report| {
        let id = row.text(0);
        if !report.check_id(row.place(0), id) {
            return;
        }
        if devices.contains_key(id) {
            report.add(row.place(0), format!("device `{id}` is there already"));
            return;
        }
        report.check_known(row.place(4), "service", row.text(4), &city.services);
        if row.text(5) != "unassigned" {
            report.check_known(row.place(5), "area", row.text(5), &city.areas);
        }
        let lat = row.number(6, (-90.0, 90.0), report);
        let lon = row.number(7, (-180.0, 180.0), report);
        let cadence = row.number(9, (0.0, MAX_CADENCE_S), report);
        let mut properties = Vec::new();
        for property in row.text(8).split(';').map(str::trim).filter(|p| !p.is_empty()) {
            if report.check_known(row.place(8), "property", property, &city.properties) {
                properties.push(Name::from(property));
            }
        }
        let named = |column: usize| Some(row.text(column)).filter(|t| !t.is_empty());
        let segment = named(11).filter(|t| report.check_id(row.place(11), t)).map(Name::from);
        let parent = named(10).map(Name::from);
        // A row with a bad number is kept, so that what refers to it is not reported too.
        let id = Name::from(id);
        if parent.is_some() {
            parents.push((id.clone(), row.place(10)));
        }
        devices.insert(
            id.clone(),
            DeviceSpec {
                id,
                name: Text { vi: row.text(1).into(), en: row.text(2).into() },
                kind: row.text(3).into(),
                service: row.text(4).into(),
                area: row.text(5).into(),
                lat: lat.unwrap_or_default(),
                lon: lon.unwrap_or_default(),
                properties,
                cadence_s: cadence.unwrap_or_default() as u32,
                parent,
                segment,
            },
        );
    });
    for (id, place) in parents {
        check_parent(&id, place, &devices, &mut report);
    }
    devices
}

/// A parent must be there, and no device may hang below itself.
fn check_parent(
    id: &Name,
    place: (usize, usize),
    devices: &BTreeMap<Name, DeviceSpec>,
    report: &mut Report<'_>,
) {
    let above = |id: &Name| devices.get(id).and_then(|d| d.parent.clone());
    let Some(parent) = above(id) else { return };
    if !report.check_known(place, "parent device", &parent, devices) {
        return;
    }
    let mut next = Some(parent);
    for _ in 0..devices.len() {
        let Some(here) = next else { return };
        if here == *id {
            let hint = "the parent is the gateway that the device speaks through";
            report.add_hint(place, format!("device `{id}` is its own parent"), hint.into());
            return;
        }
        next = above(&here);
    }
}
