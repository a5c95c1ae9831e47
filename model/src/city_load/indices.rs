//! `indices.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Report;
use super::yaml::{at, parse};
use crate::indices::{Breakpoints, Index, IndexLevel};
use crate::{ConfigError, ConfigFiles, Name, Property, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexFile {
    id: Spanned<String>,
    name: Text,
    unit: String,
    source: String,
    effective: Spanned<String>,
    #[serde(default)]
    note: Option<String>,
    scale: Spanned<Vec<f64>>,
    tables: Spanned<Vec<TableFile>>,
    levels: Spanned<Vec<LevelFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    property: Spanned<String>,
    unit: Spanned<String>,
    average: Spanned<String>,
    at: Spanned<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelFile {
    up_to: Spanned<f64>,
    name: Text,
    colour: Spanned<String>,
}

/// Reads the file; a city without it has no indices.
pub(super) fn indices(
    files: &ConfigFiles,
    properties: &BTreeMap<Name, Property>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Index> {
    let mut all = BTreeMap::new();
    let mut report = Report { file: "indices.yaml", errors };
    if files.get(report.file).is_none() {
        return all;
    }
    for i in parse::<Vec<IndexFile>>(&mut report, files).unwrap_or_default() {
        let place = at(&i.id);
        report.check_id(place, &i.id.value);
        check_index(&i, &mut report);
        let scale = i.scale.value;
        let mut tables: Vec<Breakpoints> = Vec::new();
        for t in i.tables.value {
            let place = at(&t.property);
            let Some(t) = table(t, scale.len(), properties, &mut report) else { continue };
            if tables.iter().any(|o| (&o.property, o.average_h) == (&t.property, t.average_h)) {
                let message = format!("`{}` has a table for {} h already", t.property, t.average_h);
                report.add(place, message);
            }
            tables.push(t);
        }
        let id = Name::from(i.id.value);
        let index = Index {
            id: id.clone(),
            name: i.name,
            unit: i.unit.into(),
            source: i.source,
            effective: i.effective.value,
            note: i.note,
            scale,
            tables,
            levels: levels(i.levels.value, &mut report),
        };
        if all.insert(id.clone(), index).is_some() {
            report.add(place, format!("index `{id}` is there already"));
        }
    }
    all
}

fn check_index(i: &IndexFile, report: &mut Report<'_>) {
    if i.scale.value.len() < 2 || !rises(&i.scale.value) {
        report.add(at(&i.scale), "`scale` needs two or more numbers that rise".into());
    }
    if i.tables.value.is_empty() {
        report.add(at(&i.tables), "at least one table is needed".into());
    }
    let tops: Vec<f64> = i.levels.value.iter().map(|l| l.up_to.value).collect();
    if tops.is_empty() || !rises(&tops) {
        report.add(at(&i.levels), "levels are needed, from the lowest `up_to` up".into());
    }
    if i.effective.value.parse::<jiff::civil::Date>().is_err() {
        report.add_hint(
            at(&i.effective),
            format!("`{}` is not a date", i.effective.value),
            "as in 2019-11-12".into(),
        );
    }
}

/// Finite numbers, each above the one before.
fn rises(numbers: &[f64]) -> bool {
    numbers.iter().all(|n| n.is_finite()) && numbers.windows(2).all(|w| w[0] < w[1])
}

fn table(
    t: TableFile,
    scale: usize,
    properties: &BTreeMap<Name, Property>,
    report: &mut Report<'_>,
) -> Option<Breakpoints> {
    let known = report.check_known(at(&t.property), "property", &t.property.value, properties);
    let property = properties.get(t.property.value.as_str());
    if let Some(p) = property
        && *p.unit != *t.unit.value
    {
        let message = format!("`{}` is in `{}`, not in `{}`", p.id, p.unit, t.unit.value);
        report.add_hint(at(&t.unit), message, "convert the table to the property's unit".into());
    }
    let hours = t.average.value.strip_suffix('h').and_then(|n| n.parse::<u32>().ok());
    if !hours.is_some_and(|h| (1..=24).contains(&h)) {
        let message = format!("`{}` is not an averaging time", t.average.value);
        report.add_hint(at(&t.average), message, "1h to 24h".into());
    }
    if t.at.value.len() < 2 || !rises(&t.at.value) {
        report.add(at(&t.at), "`at` needs two or more numbers that rise".into());
    } else if t.at.value.len() > scale {
        let message = format!("{} breakpoints for a scale of {scale}", t.at.value.len());
        report.add(at(&t.at), message);
    }
    known.then_some(())?;
    Some(Breakpoints { property: t.property.value.into(), average_h: hours?, at: t.at.value })
}

fn levels(files: Vec<LevelFile>, report: &mut Report<'_>) -> Vec<IndexLevel> {
    let mut all = Vec::new();
    for l in files {
        let hex = l.colour.value.strip_prefix('#').unwrap_or_default();
        if hex.len() != 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            let message = format!("`{}` is not a colour", l.colour.value);
            report.add_hint(at(&l.colour), message, "as in \"#ff7e00\"".into());
        }
        all.push(IndexLevel { up_to: l.up_to.value, name: l.name, colour: l.colour.value });
    }
    all
}
