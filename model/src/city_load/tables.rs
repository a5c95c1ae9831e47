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
    rows::read(text, &columns, &mut report, |row, report| {
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
    ];
    rows::read(text, &columns, &mut report, |row, report| {
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
        // A row with a bad number is kept, so that what refers to it is not reported too.
        let id = Name::from(id);
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
            },
        );
    });
    devices
}
