//! `clusters.yaml`: wards that are looked after together.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Report;
use super::yaml::{at, parse};
use crate::{Area, Cluster, ConfigError, ConfigFiles, Name, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    id: Spanned<String>,
    name: Text,
    areas: Spanned<Vec<Spanned<String>>>,
}

/// Reads the file; a city without it has no clusters.
pub(super) fn clusters(
    files: &ConfigFiles,
    areas: &BTreeMap<Name, Area>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<Name, Cluster> {
    let mut all: BTreeMap<Name, Cluster> = BTreeMap::new();
    let mut report = Report { file: "clusters.yaml", errors };
    if files.get(report.file).is_none() {
        return all;
    }
    for c in parse::<Vec<ClusterFile>>(&mut report, files).unwrap_or_default() {
        let place = at(&c.id);
        report.check_id(place, &c.id.value);
        let id = Name::from(c.id.value);
        if areas.contains_key(&id) || &*id == "unassigned" {
            let hint = "people may be given areas and clusters: choose another id";
            report.add_hint(place, format!("`{id}` is the id of an area"), hint.into());
        }
        if c.areas.value.is_empty() {
            report.add(at(&c.areas), format!("cluster `{id}` has no areas"));
        }
        let mut wards: Vec<Name> = Vec::new();
        for ward in c.areas.value {
            report.check_known(at(&ward), "area", &ward.value, areas);
            if wards.iter().any(|known| **known == *ward.value) {
                report.add(at(&ward), format!("area `{}` is there already", ward.value));
            }
            wards.push(ward.value.into());
        }
        let cluster = Cluster { id: id.clone(), name: c.name, areas: wards };
        if all.insert(id.clone(), cluster).is_some() {
            report.add(place, format!("cluster `{id}` is there already"));
        }
    }
    all
}
