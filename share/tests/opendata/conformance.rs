//! Validators by others accept what we serve, and refuse what is broken.
//!
//! `tests/opendata/venv.sh` installs them once (pySHACL with the official DCAT-AP 3.0 shapes, PyLD,
//! the list of Smart Data Models, geojson-validator); the checks themselves need no network.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::store::World;

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/opendata");

/// The validators' Python; made once if nobody did before.
fn python() -> PathBuf {
    let made = Command::new(format!("{TOOLS}/venv.sh")).output().expect("a shell");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "tests/opendata/venv.sh: {said}");
    String::from_utf8_lossy(&made.stdout).trim().into()
}

/// Runs a check over files: `Ok` with what it says of them, or what it finds wrong.
fn validate(check: &str, files: &[&Path]) -> Result<String, String> {
    let mut command = Command::new(python());
    command.arg(format!("{TOOLS}/validate.py")).arg(check).args(files);
    let done = command.output().expect("Python runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&done.stderr);
    match done.status.code() {
        Some(0) => Ok(said),
        Some(1) => Err(said),
        other => panic!("the validator itself failed ({other:?}): {said}{trouble}"),
    }
}

struct Served {
    folder: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

async fn get(world: &World, address: &str) -> String {
    let (status, text) = world.text(address).await;
    assert_eq!(status, 200, "{address}: {text}");
    text
}

#[tokio::test]
async fn a_dcat_validator_accepts_the_catalogue() {
    let world = World::shipped();
    let served = Served::new();
    let file = served.put("catalog.jsonld", &get(&world, "/catalog.jsonld").await);
    let said = validate("dcat", &[&file]).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(said.contains("datasets 8, distributions 24, services 1"), "{said}");
}

/// Each change makes the catalogue wrong by DCAT-AP, and the validator says where.
#[tokio::test]
async fn a_dcat_validator_refuses_a_broken_catalogue() {
    let world = World::shipped();
    let whole: Value = serde_json::from_str(&get(&world, "/catalog.jsonld").await).expect("JSON");
    let served = Served::new();
    type Break = fn(&mut Value) -> Option<Value>;
    let breaks: [(&str, Break, &str); 6] = [
        ("title", |c| c.as_object_mut()?.remove("dct:title"), "dcterms:title"),
        ("publisher", |c| c.as_object_mut()?.remove("dct:publisher"), "dcterms:publisher"),
        (
            "description",
            |c| c["dcat:dataset"][3].as_object_mut()?.remove("dct:description"),
            "dcterms:description",
        ),
        (
            "access",
            |c| {
                c["dcat:dataset"][2]["dcat:distribution"][1]
                    .as_object_mut()?
                    .remove("dcat:accessURL")
            },
            "dcat:accessURL",
        ),
        (
            "endpoint",
            |c| c["dcat:service"].as_object_mut()?.remove("dcat:endpointURL"),
            "dcat:endpointURL",
        ),
        (
            "frequency",
            |c| {
                c["dcat:dataset"][0]
                    .as_object_mut()?
                    .insert("dct:accrualPeriodicity".into(), "often".into())
            },
            "dcterms:accrualPeriodicity",
        ),
    ];
    let mut files = Vec::new();
    for (name, change, _) in breaks {
        let mut broken = whole.clone();
        assert!(change(&mut broken).is_some(), "{name} was there");
        files.push(served.put(&format!("{name}.jsonld"), &broken.to_string()));
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let wrong = validate("dcat", &paths).expect_err("all are broken");
    for (name, _, expect) in breaks {
        let report = wrong.split(&format!("\n{name}.jsonld: Validation Report")).nth(1);
        let report = report.unwrap_or_else(|| panic!("{name} was accepted: {wrong}"));
        let report = report.split("Validation Report").next().unwrap_or_default();
        assert!(report.contains(&format!("Result Path: {expect}")), "{name}: {report}");
    }
}

#[tokio::test]
async fn ngsi_ld_expands_without_a_network_to_the_terms_of_the_models() {
    let world = World::shipped();
    let served = Served::new();
    let mut files = Vec::new();
    for dataset in &world.open.catalogue().expect("on").datasets {
        let address = format!("/datasets/{}/data.jsonld", dataset.id);
        files.push(served.put(&format!("{}.jsonld", dataset.id), &get(&world, &address).await));
        let range = get(&world, &format!("{address}?from=2026-10-15&step=PT1H")).await;
        files.push(served.put(&format!("{}.range.jsonld", dataset.id), &range));
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let said = validate("ngsi", &paths).unwrap_or_else(|wrong| panic!("{wrong}"));
    for model in ["AirQualityObserved", "FloodMonitoring", "OffStreetParking", "WeatherObserved"] {
        assert!(said.contains(model), "{said}");
    }
}

#[tokio::test]
async fn broken_ngsi_ld_is_refused() {
    let world = World::shipped();
    let served = Served::new();
    let whole = get(&world, "/datasets/air-quality/data.jsonld").await;
    for (from, to, expect) in [
        ("dataModel.Environment/pm25", "dataModel.Environment/pm26", "pm26"),
        ("\"unitCode\":\"GQ\"", "\"unit_code\":\"GQ\"", "unit_code"),
        ("urn:ngsi-ld:AirQualityObserved", "AirQualityObserved", "is no URI"),
        ("\"observedAt\":\"2026", "\"observedAt\":\"at 2026", "observedAt"),
    ] {
        assert!(whole.contains(from), "{from}");
        let file = served.put("broken.jsonld", &whole.replace(from, to));
        let wrong = validate("ngsi", &[&file]).expect_err(to);
        assert!(wrong.contains(expect), "{to}: {wrong}");
    }
}

#[tokio::test]
async fn a_geojson_validator_accepts_the_collections() {
    let world = World::shipped();
    let served = Served::new();
    let mut files = Vec::new();
    for dataset in &world.open.catalogue().expect("on").datasets {
        let address = format!("/datasets/{}/data.geojson", dataset.id);
        files.push(served.put(&format!("{}.geojson", dataset.id), &get(&world, &address).await));
        let range = get(&world, &format!("{address}?from=2026-10-15&step=PT1H")).await;
        files.push(served.put(&format!("{}.range.geojson", dataset.id), &range));
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let said = validate("geojson", &paths).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(said.contains("features"), "{said}");
    let text = std::fs::read_to_string(&files[0]).expect("a file");
    for (from, to) in [("\"Point\"", "\"Dot\""), ("\"coordinates\"", "\"places\"")] {
        let file = served.put("broken.geojson", &text.replace(from, to));
        validate("geojson", &[&file]).expect_err(to);
    }
}

#[tokio::test]
async fn csv_is_read_by_another_reader() {
    let world = World::shipped();
    let served = Served::new();
    let mut files = Vec::new();
    for dataset in &world.open.catalogue().expect("on").datasets {
        let address = format!("/datasets/{}/data.csv?from=2026-10-15", dataset.id);
        files.push(served.put(&format!("{}.csv", dataset.id), &get(&world, &address).await));
    }
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let said = validate("csv", &paths).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(said.contains("rows"), "{said}");
}
