//! Promises about the tree itself: which crate may know which, and files that no engine here can run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a file of the repository")
}

/// `ioc-*` packages among the (not dev-) dependencies of a crate.
fn own_dependencies(folder: &str) -> BTreeSet<String> {
    let text = read(&format!("{folder}/Cargo.toml"));
    let section = text.split("\n[dependencies]").nth(1).unwrap_or("");
    let section = section.split("\n[").next().unwrap_or("");
    section
        .lines()
        .filter_map(|l| l.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("ioc-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn arrows_point_from_app_over_stages_to_model() {
    for stage in ["ingest", "rules", "alerts", "history", "share"] {
        let allowed = BTreeSet::from(["ioc-model".to_owned()]);
        assert_eq!(own_dependencies(stage), allowed, "{stage} may know ioc-model only");
    }
    // The benchmark of the anomaly detector needs the detector.
    let measured = BTreeSet::from(["ioc-model".to_owned(), "ioc-rules".to_owned()]);
    assert_eq!(own_dependencies("simulators"), measured);
    assert_eq!(own_dependencies("model"), BTreeSet::new(), "model knows nobody");
    assert_eq!(own_dependencies("journal"), BTreeSet::new(), "the journal knows no payload");
    let page = BTreeSet::from(["ioc-model", "ioc-share", "ioc-ui"].map(str::to_owned));
    assert_eq!(own_dependencies("dashboard"), page);
}

#[test]
fn compose_file_names_the_parts_and_only_files_that_exist() {
    let compose: Value =
        serde_saphyr::from_str(&read("docker-compose.yml")).expect("docker-compose.yml is YAML");
    let services = compose["services"].as_object().expect("services");
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["influxdb", "ioc", "mosquitto", "prometheus", "simulator"]));
    for (name, service) in services {
        assert!(
            service["image"].is_string() || service["build"].is_string(),
            "{name} has neither image nor build"
        );
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let from = volume.as_str().and_then(|v| v.split(':').next()).expect("a volume");
            if from.starts_with("./") {
                assert!(root().join(from).exists(), "{name} mounts {from}, which is not there");
            } else {
                assert!(!compose["volumes"][from].is_string(), "{name}: {from} is declared");
                assert!(
                    compose["volumes"].as_object().is_some_and(|v| v.contains_key(from)),
                    "{name} uses the undeclared volume {from}"
                );
            }
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().expect("a port");
            assert!(port.starts_with("127.0.0.1:"), "{name} opens {port} to the world");
        }
    }
    let influx = &services["influxdb"]["environment"];
    assert_eq!(influx["DOCKER_INFLUXDB_INIT_MODE"], "setup");
    for secret in ["DOCKER_INFLUXDB_INIT_PASSWORD", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"] {
        let value = influx[secret].as_str().expect(secret);
        assert!(value.starts_with("${"), "{secret} is written into the file");
    }
    let scrape: Value =
        serde_saphyr::from_str(&read("deploy/prometheus.yml")).expect("prometheus.yml is YAML");
    assert_eq!(scrape["scrape_configs"][0]["metrics_path"], "/metrics");
}

#[test]
fn dockerfile_builds_the_binaries_that_the_makefile_builds() {
    let docker = read("Dockerfile");
    let makefile = read("Makefile");
    for package in ["-p ioc ", "-p ioc-sim"] {
        assert!(makefile.contains(package) && docker.contains(package), "{package}");
    }
    let version = read("Cargo.toml")
        .lines()
        .find_map(|l| {
            l.strip_prefix("rust-version = \"").map(|v| v.trim_end_matches('"').to_owned())
        })
        .expect("rust-version");
    assert!(docker.contains(&format!("FROM rust:{version}")), "Dockerfile uses another Rust");
}
