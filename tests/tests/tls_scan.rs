//! SSLyze looks at both TLS listeners of the real binary, MQTT and the page: TLS 1.3 alone, no
//! weak suite or curve, none of the known holes, and the certificate that was configured.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ioc_tests::{Ioc, IocOptions, certificates};
use serde_json::Value;
use tokio::process::Command;

const OLD: [&str; 5] = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"];
const SUITES: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// Curves of 128 bits of security and more that rustls with ring has.
const CURVES: [&str; 3] = ["X25519", "secp256r1", "secp384r1"];

fn settings(folder: &Path, tls12: bool) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let tls = format!(
        "      certificate_file: {}\n      key_file: {}\n      tls12: {tls12}\n",
        file("server.pem"),
        file("server.key")
    );
    format!(
        "ingest:\n  gateway:\n    tls:\n      listen: 127.0.0.1:0\n{tls}\
         dashboard:\n    tls:\n{tls}"
    )
}

/// What SSLyze found, by scan.
async fn scan(address: &str, ca: &Path) -> Result<Value> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("tls/venv.sh");
    let made = Command::new("bash").arg(venv).output().await?;
    ensure!(made.status.success(), "venv.sh: {}", String::from_utf8_lossy(&made.stderr));
    let python = String::from_utf8(made.stdout)?.trim().to_owned();
    let json = tempfile::NamedTempFile::new()?;
    let mut sslyze = Command::new(python);
    sslyze.args(["-m", "sslyze", "--json_out"]).arg(json.path());
    sslyze.arg("--certinfo_ca_file").arg(ca).args(["--mozilla_config", "modern"]);
    sslyze.args(["--early_data", "--resum", "--slow_connection", address]);
    let out = sslyze.output().await?;
    let found: Value = serde_json::from_slice(&std::fs::read(json.path())?).with_context(|| {
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    })?;
    let result = &found["server_scan_results"][0];
    ensure!(result["scan_status"] == "COMPLETED", "{result}");
    Ok(result["scan_result"].clone())
}

fn names<'a>(list: &'a Value, name: impl Fn(&'a Value) -> &'a Value) -> Vec<&'a str> {
    let mut names: Vec<_> =
        list.as_array().into_iter().flatten().filter_map(|x| name(x).as_str()).collect();
    names.sort_unstable();
    names
}

fn suites<'a>(found: &'a Value, version: &str) -> Vec<&'a str> {
    let scan = &found[format!("{version}_cipher_suites")];
    assert_eq!(scan["status"], "COMPLETED", "{version}");
    names(&scan["result"]["accepted_cipher_suites"], |s| &s["cipher_suite"]["name"])
}

fn is_as_it_should_be(what: &str, found: &Value, certificate: &str) {
    for version in OLD {
        assert_eq!(suites(found, version), Vec::<&str>::new(), "{what} takes {version}");
    }
    assert_eq!(suites(found, "tls_1_3"), SUITES, "{what}");
    let result = |scan: &str| {
        assert_eq!(found[scan]["status"], "COMPLETED", "{what}: {scan}");
        &found[scan]["result"]
    };
    assert_eq!(names(&result("elliptic_curves")["supported_curves"], |c| &c["name"]), CURVES);
    let good = [
        ("tls_compression", "supports_compression", false),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false),
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false),
    ];
    for (scan, field, value) in good {
        assert_eq!(result(scan)[field], value, "{what}: {scan}");
    }
    // It asks in HTTP; of MQTT it cannot tell.
    if what == "https" {
        assert_eq!(result("tls_1_3_early_data")["supports_early_data"], false);
    }
    assert_eq!(result("robot")["robot_result"], "NOT_VULNERABLE_RSA_NOT_SUPPORTED", "{what}");

    let deployment = &result("certificate_info")["certificate_deployments"][0];
    let sent = deployment["received_certificate_chain"][0]["as_pem"].as_str().expect("a PEM");
    assert_eq!(sent.trim(), certificate.trim(), "{what}: another certificate");
    // The trial authority is in no public store; the one of the trial trusts it.
    let paths = deployment["path_validation_results"].as_array().expect("stores");
    assert!(paths.iter().any(|p| p["was_validation_successful"] == true), "{what}: {paths:#?}");
    println!(
        "{what}: sslyze finds TLS 1.3 only ({}), curves {}, no compression, renegotiation, early \
         data, CCS injection, Heartbleed or ROBOT; the certificate is ours",
        SUITES.join(", "),
        CURVES.join(", ")
    );
}

#[tokio::test]
async fn both_tls_listeners_speak_tls_1_3_only_and_show_our_certificate() -> Result<()> {
    let (home, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    certificates(folder.path())?;
    let options =
        IocOptions { settings: Some(settings(folder.path(), false)), ..Default::default() };
    let ioc = Ioc::start(home.path(), &options)?;
    let certificate = std::fs::read_to_string(folder.path().join("server.pem"))?;
    let ca = folder.path().join("ca.pem");
    let mqtts = ioc.mqtts.clone().context("no TLS listener of MQTT")?;
    for (what, address) in [("mqtts", &mqtts), ("https", &ioc.http)] {
        is_as_it_should_be(what, &scan(address, &ca).await?, &certificate);
    }
    ioc.stop()?;
    Ok(())
}

/// The switch for old devices and browsers opens what it says, and the scan would see more.
#[tokio::test]
async fn the_switch_for_tls_1_2_is_seen_by_the_scan_and_opens_nothing_weak() -> Result<()> {
    let (home, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    certificates(folder.path())?;
    let options =
        IocOptions { settings: Some(settings(folder.path(), true)), ..Default::default() };
    let ioc = Ioc::start(home.path(), &options)?;
    let mqtts = ioc.mqtts.clone().context("no TLS listener of MQTT")?;
    for address in [&mqtts, &ioc.http] {
        let found = scan(address, &folder.path().join("ca.pem")).await?;
        let open = suites(&found, "tls_1_2");
        assert!(!open.is_empty(), "the scan does not see TLS 1.2");
        for suite in open {
            let good = suite.starts_with("TLS_ECDHE_ECDSA_WITH_")
                && ["_GCM_SHA256", "_GCM_SHA384", "_CHACHA20_POLY1305_SHA256"]
                    .iter()
                    .any(|end| suite.ends_with(end));
            assert!(good, "{suite}");
        }
        for version in &OLD[..4] {
            assert_eq!(suites(&found, version), Vec::<&str>::new(), "{version}");
        }
    }
    ioc.stop()?;
    Ok(())
}
