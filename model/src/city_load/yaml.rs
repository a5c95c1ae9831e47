//! `city.yaml`, `services.yaml`, `properties.yaml`, `thresholds.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use super::Report;
use crate::{
    City, ConfigError, ConfigFiles, Name, Property, Service, ServiceGroup, Text, Threshold,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CityFile {
    name: Text,
    time_zone: Spanned<String>,
    view: View,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    lon: f64,
    lat: f64,
    zoom: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    id: Spanned<String>,
    order: u32,
    group: ServiceGroup,
    name: Text,
    #[serde(default)]
    indicators: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyFile {
    id: Spanned<String>,
    name: Text,
    unit: String,
    min: f64,
    max: Spanned<f64>,
    #[serde(default)]
    digits: u8,
    #[serde(default)]
    normal: Option<Spanned<(f64, f64)>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdFile {
    id: Spanned<String>,
    unit: Spanned<String>,
    #[serde(default)]
    value: Option<f64>,
    #[serde(default)]
    by_device: BTreeMap<String, Spanned<f64>>,
    source: String,
    effective: Spanned<String>,
    #[serde(default)]
    note: Option<String>,
}

/// Place of a value: where it is written.
fn at<T>(value: &Spanned<T>) -> (usize, usize) {
    (value.referenced.line() as usize, value.referenced.column() as usize)
}

/// Reads a file; a mistake of form is reported and gives nothing.
fn parse<T: DeserializeOwned>(report: &mut Report<'_>, files: &ConfigFiles) -> Option<T> {
    let text = report.text(files)?;
    match serde_saphyr::from_str(text) {
        Ok(value) => Some(value),
        Err(e) => {
            let place = e.location().map_or((0, 0), |l| (l.line() as usize, l.column() as usize));
            match word_at(text, place) {
                Some(word) => report.add_hint(place, message_of(&e), format!("found `{word}`")),
                None => report.add(place, message_of(&e)),
            }
            None
        }
    }
}

/// The parser's words on one line, without its own place and picture.
fn message_of(e: &serde_saphyr::Error) -> String {
    let text = e.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).trim().to_string()
}

/// The word that starts at a place.
fn word_at(text: &str, (line, column): (usize, usize)) -> Option<String> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let rest = line.chars().skip(column.checked_sub(1)?);
    let word: String = rest.take_while(|c| !c.is_whitespace()).take(40).collect();
    (!word.is_empty()).then_some(word)
}

pub(super) fn city(files: &ConfigFiles, city: &mut City, errors: &mut Vec<ConfigError>) {
    let mut report = Report { file: "city.yaml", errors };
    let Some(file) = parse::<CityFile>(&mut report, files) else { return };
    if jiff::tz::TimeZone::get(&file.time_zone.value).is_err() {
        report.add_hint(
            at(&file.time_zone),
            format!("unknown time zone `{}`", file.time_zone.value),
            "an IANA name such as Asia/Ho_Chi_Minh".into(),
        );
    }
    city.name = file.name;
    city.time_zone = file.time_zone.value;
    city.view = (file.view.lon, file.view.lat, file.view.zoom);
}

pub(super) fn properties(
    files: &ConfigFiles,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Property> {
    let mut report = Report { file: "properties.yaml", errors };
    let mut all = BTreeMap::new();
    for p in parse::<Vec<PropertyFile>>(&mut report, files).unwrap_or_default() {
        let place = at(&p.id);
        report.check_id(place, &p.id.value);
        if p.min >= p.max.value {
            report.add(at(&p.max), format!("max {} is not above min {}", p.max.value, p.min));
        }
        if let Some(normal) = &p.normal {
            let (low, high) = normal.value;
            if !(p.min <= low && low < high && high <= p.max.value) {
                report.add_hint(
                    at(normal),
                    format!("the normal band {low} to {high} is not inside min and max"),
                    "low first, both within what is physically possible".into(),
                );
            }
        }
        let id = Name::from(p.id.value);
        let property = Property {
            id: id.clone(),
            name: p.name,
            unit: p.unit.into(),
            min: p.min,
            max: p.max.value,
            digits: p.digits,
            normal: p.normal.map(|n| n.value),
        };
        if all.insert(id.clone(), property).is_some() {
            report.add(place, format!("property `{id}` is there already"));
        }
    }
    all
}

pub(super) fn services(
    files: &ConfigFiles,
    properties: &BTreeMap<Name, Property>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Service> {
    let mut report = Report { file: "services.yaml", errors };
    let mut all = BTreeMap::new();
    for s in parse::<Vec<ServiceFile>>(&mut report, files).unwrap_or_default() {
        let place = at(&s.id);
        report.check_id(place, &s.id.value);
        for i in &s.indicators {
            report.check_known(at(i), "property", &i.value, properties);
        }
        let id = Name::from(s.id.value);
        let service = Service {
            id: id.clone(),
            order: s.order,
            group: s.group,
            name: s.name,
            indicators: s.indicators.into_iter().map(|i| i.value.into()).collect(),
        };
        if all.insert(id.clone(), service).is_some() {
            report.add(place, format!("service `{id}` is there already"));
        }
    }
    all
}

pub(super) fn thresholds(
    files: &ConfigFiles,
    city: &City,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Threshold> {
    let mut report = Report { file: "thresholds.yaml", errors };
    let mut all = BTreeMap::new();
    for t in parse::<Vec<ThresholdFile>>(&mut report, files).unwrap_or_default() {
        let place = at(&t.id);
        report.check_id(place, &t.id.value);
        check_threshold(&t, city, &mut report);
        let id = Name::from(t.id.value);
        let threshold = Threshold {
            id: id.clone(),
            unit: t.unit.value.into(),
            value: t.value,
            by_device: t.by_device.into_iter().map(|(d, v)| (d.into(), v.value)).collect(),
            source: t.source,
            effective: t.effective.value,
            note: t.note,
        };
        if all.insert(id.clone(), threshold).is_some() {
            report.add(place, format!("threshold `{id}` is there already"));
        }
    }
    all
}

fn check_threshold(t: &ThresholdFile, city: &City, report: &mut Report<'_>) {
    if t.value.is_none() && t.by_device.is_empty() {
        report.add_hint(
            at(&t.id),
            format!("threshold `{}` has no value", t.id.value),
            "give `value` or `by_device`".into(),
        );
    }
    // A limit of a rate of change is in the property's unit per time.
    let unit = &*t.unit.value;
    let per_time = ["/s", "/min", "/h", "/d"].iter().find_map(|per| unit.strip_suffix(per));
    let is_known = |u: &str| city.properties.values().any(|p| *p.unit == *u);
    if !city.properties.is_empty() && !is_known(unit) && !per_time.is_some_and(is_known) {
        report.add_hint(
            at(&t.unit),
            format!("no property has the unit `{}`", t.unit.value),
            "write the unit as in properties.yaml".into(),
        );
    }
    for (device, value) in &t.by_device {
        report.check_known(at(value), "device", device, &city.devices);
    }
    if t.effective.value.parse::<jiff::civil::Date>().is_err() {
        report.add_hint(
            at(&t.effective),
            format!("`{}` is not a date", t.effective.value),
            "as in 2023-09-12".into(),
        );
    }
}
