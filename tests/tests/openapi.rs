//! Schemathesis reads the OpenAPI document and asks the real binary everything it allows and much
//! that it does not: no answer may be a 5xx, have a status or a content type that the document does
//! not name, or a body that its schema does not describe.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ioc_tests::process::{add_user, simulate};
use ioc_tests::{Api, Ioc, IocOptions, wait_until};
use serde_json::{Map, Value, json};
use tokio::process::Command;

/// Requests of the random phase for each operation; the systematic phase has its own number.
const EXAMPLES: &str = "12";
/// The same requests each time.
const SEED: &str = "7";
const LIMIT: Duration = Duration::from_secs(240);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

fn texts(list: &Value, field: &str) -> Vec<Value> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(|item| item.get(field)).filter(|v| !v.is_null()).cloned().collect()
}

/// Ids of what is there, by the paths that take them.
async fn ids(api: &Api, document: &Value) -> Result<Map<String, Value>> {
    let devices = texts(&api.get("/api/v1/devices").await?["devices"], "id");
    let alerts = texts(&api.get("/api/v1/alerts?limit=20").await?["alerts"], "id");
    let rules = texts(&api.get("/api/v1/rules").await?["rules"], "id");
    let incidents = texts(&api.get("/api/v1/incidents").await?["incidents"], "id");
    let receivers = texts(&api.get("/api/v1/notifications/receivers").await?["receivers"], "id");
    ensure!(!devices.is_empty() && !alerts.is_empty() && !rules.is_empty(), "an empty city");
    let kinds = [
        ("/api/v1/devices/", devices.clone()),
        ("/api/v1/registry/", devices.clone()),
        ("/api/v1/alerts/{", alerts),
        ("/api/v1/rules/versions/", vec![json!("1")]),
        ("/api/v1/rules/{", rules),
        ("/api/v1/incidents/", incidents),
        ("/api/v1/notifications/receivers/", receivers),
        ("/api/v1/shifts/", vec![json!("1")]),
        ("/api/v1/holds/", vec![json!("1")]),
        ("/api/v1/personal/", vec![json!("1")]),
        ("/open/", vec![json!("catalog.jsonld"), json!("datasets")]),
        ("/sensorthings/", ["Things", "Datastreams", "Observations"].map(Value::from).into()),
    ];
    let paths = document["paths"].as_object().context("paths")?;
    let mut ids = Map::new();
    for path in paths.keys().filter(|p| p.contains('{')) {
        if let Some((_, of)) = kinds.iter().find(|(start, _)| path.starts_with(start)) {
            ids.insert(path.clone(), json!(of));
        }
    }
    ids.insert("?device".into(), json!(devices));
    Ok(ids)
}

/// Operations that are asked: all but sockets and redirects.
fn operations(document: &Value) -> usize {
    let paths = document["paths"].as_object().into_iter().flatten();
    let asked =
        paths.filter(|(p, _)| !p.starts_with("/signin") && !["/ws", "/mqtt"].contains(&p.as_str()));
    asked.filter_map(|(_, methods)| methods.as_object()).map(Map::len).sum()
}

async fn schemathesis(ioc: &Ioc, work: &Path) -> Result<(bool, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    let made = Command::new("bash").arg(folder.join("venv.sh")).output().await?;
    ensure!(made.status.success(), "venv.sh: {}", String::from_utf8_lossy(&made.stderr));
    let python = String::from_utf8(made.stdout)?.trim().to_owned();
    let base = format!("http://{}", ioc.http);
    let mut command = Command::new(python);
    command.args(["-m", "schemathesis.cli", "--config-file"]);
    command.arg(folder.join("schemathesis.toml"));
    command.arg("run").arg(work.join("openapi.json"));
    command.args(["--url", &base, "-H", &format!("Origin: {base}")]);
    command.args(["--phases", "examples,coverage,fuzzing", "-n", EXAMPLES, "--seed", SEED]);
    command.args(["--checks", CHECKS, "--continue-on-failure", "--generation-database", "none"]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", &folder);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1");
    command.env("IOC_IDS", work.join("ids.json"));
    command.env("IOC_COOKIES", std::fs::read_to_string(work.join("cookies"))?);
    let out = command.current_dir(work).kill_on_drop(true).output();
    let out = tokio::time::timeout(LIMIT, out).await.context("schemathesis did not end")??;
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    Ok((out.status.success(), said))
}

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_names() -> Result<()> {
    let (home, work) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let data = home.path();
    let settings = Some("journal:\n  sync: commit\n".to_owned());
    let ioc = Ioc::start(data, &IocOptions { settings, open_data: true, ..Default::default() })?;
    let api = Api::sign_in(&ioc).await?;
    simulate(&["city", "--target", &ioc.mqtt_url(), "--seconds", "8", "--storm-after", "1"])
        .await?;
    wait_until("alerts", Duration::from_secs(30), async || {
        Ok((!api.alerts().await?.is_empty()).then_some(()))
    })
    .await?;

    let document = api.get("/api/v1/openapi.json").await?;
    std::fs::write(work.path().join("openapi.json"), document.to_string())?;
    let ids = Value::Object(ids(&api, &document).await?).to_string();
    std::fs::write(work.path().join("ids.json"), ids)?;
    let name = "passer-by";
    let password = add_user(data, name, "viewer")?;
    let (_, password) = Api::first_sign_in(&ioc, name, &password).await?;
    // Whoever looks afterwards: the sessions of the others may be ended by what is asked.
    let first = add_user(data, "afterwards", "administrator")?;
    let (afterwards, _) = Api::first_sign_in(&ioc, "afterwards", &first).await?;
    let mut cookies = vec![api.cookie.clone()];
    for _ in 0..8 {
        cookies.push(Api::sign_in_as(&ioc, name, &password).await?.cookie);
    }
    std::fs::write(work.path().join("cookies"), cookies.join(" "))?;

    let (good, said) = schemathesis(&ioc, work.path()).await?;
    let tail: Vec<&str> = said.lines().rev().take(40).collect();
    let summary = tail.iter().rev().skip_while(|l| !l.contains("SUMMARY")).copied();
    println!("{}", summary.collect::<Vec<_>>().join("\n"));
    assert!(good, "{said}");
    let asked = format!("Tested: {}", operations(&document));
    assert!(said.contains(&asked), "not all operations were asked ({asked}):\n{said}");

    // The centre is as it was: it answers, and nothing was counted wrong. Sessions may have been
    // ended: that was asked for too.
    assert_eq!(api.text("/healthz").await?.0, 200);
    afterwards.ledger_at_rest(Duration::from_secs(30)).await?;
    let log = std::fs::read_to_string(data.join("ioc.log"))?;
    let broken: Vec<_> =
        log.lines().filter(|l| l.contains("ERROR") || l.contains("panick")).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    ioc.stop()?;
    Ok(())
}
