//! `ioc backtest` and `ioc explain` on real data folders, beside a running centre: the alerts are
//! those of the register, and why they were raised can be read.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ioc_tests::process::binary;
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, now_ms, simulate};
use serde_json::Value;

/// Runs `ioc` to its end.
fn ioc(args: &[&str]) -> Result<Output> {
    Ok(Command::new(binary("ioc")?).args(args).env("LANG", "C").output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(out: &Output) -> Result<Value> {
    ensure!(out.status.success(), "{}: {}", out.status, text(&out.stderr));
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// Id → rule, start, end, highest severity, as text.
type Alerts = BTreeMap<String, String>;

async fn of_register(api: &Api) -> Result<Alerts> {
    let line = |a: Value| {
        let line =
            format!("{} {} {} {}", a["rule"], a["raised_at"], a["cleared_at"], a["severity_max"]);
        Some((a["id"].as_str()?.to_owned(), line))
    };
    Ok(api.alerts().await?.into_iter().filter_map(line).collect())
}

fn of_backtest(report: &Value) -> Result<Alerts> {
    let line = |e: &Value| {
        let line = format!("{} {} {} {}", e["rule"], e["start"], e["end"], e["severity"]);
        Some((e["alert"].as_str()?.to_owned(), line))
    };
    Ok(report["episodes"].as_array().context("episodes")?.iter().filter_map(line).collect())
}

/// `n` readings per second of three towers for so many seconds: wet for 20, dry for 20.
fn flood(seconds: usize, n: usize) -> Vec<Message> {
    let start = now_ms();
    let message = |i: usize| {
        let wet = (i / 60) % 2 == 1;
        let time = start + (i * 1000 / n) as i64;
        let depth = if wet { 0.55 } else { 0.0 };
        Message {
            topic: format!("ioc/v1/hai_chau/rain_flood/tower-{}/obs", i % 3),
            payload: format!(
                "{{\"time\":{time},\"seq\":{i},\"values\":{{\"flood_depth\":{depth}}}}}"
            ),
        }
    };
    (0..seconds * n).map(message).collect()
}

async fn publish(ioc: &Ioc, seconds: usize) -> Result<()> {
    let mut publisher = Publisher::new(&ioc.mqtt, "backtest-test");
    publisher.publish_all(&flood(seconds, 60), 60.0, Duration::from_secs(60)).await
}

fn rules_with_limit(dir: &Path, limit: f64) -> Result<()> {
    let yaml = format!(
        "rules:
  - id: flood.street
    kind: threshold
    service: rain_flood
    name: {{ vi: Ngập, en: Flood }}
    property: flood_depth
    levels: [{{ severity: critical, raise: '>= {limit}', clear: '< {limit}' }}]
    message: {{ vi: '{{device}} ngập', en: '{{device}} is wet' }}
"
    );
    Ok(std::fs::write(dir.join("flood.yaml"), yaml)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_beside_a_running_centre_raises_what_the_centre_raised() -> Result<()> {
    let data = tempfile::tempdir()?;
    let folder = data.path().to_str().context("path")?;
    let started = now_ms();
    let mut centre = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&centre).await?;
    // The journal begins with the first tick; a period must begin after it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let from = ioc_model::Timestamp(now_ms()).to_string();
    publish(&centre, 5).await?;
    centre.kill()?;
    centre = Ioc::start(data.path(), &IocOptions::default())?;
    let api = api.at(&centre);
    publish(&centre, 4).await?;
    api.ledger_at_rest(Duration::from_secs(20)).await?;

    let mut args = vec!["backtest", "--data", folder, "--from", &from, "--json"];
    let live = of_register(&api).await?;
    let found = json(&ioc(&args)?)?;
    assert!(live.len() >= 9, "{live:#?}");
    assert_eq!(of_backtest(&found["report"])?, live);
    assert_eq!(found["report"]["clock"], "wall");
    assert_eq!(found["report"]["raised"], live.len());
    assert_eq!(found["records"], 9 * 60);

    // Against two versions of the rule.
    let (same, higher) = (tempfile::tempdir()?, tempfile::tempdir()?);
    rules_with_limit(same.path(), 0.5)?;
    rules_with_limit(higher.path(), 0.9)?;
    let higher = higher.path().to_str().context("path")?;
    args.extend(["--against", higher, "--exit-code", same.path().to_str().context("path")?]);
    let out = ioc(&args)?;
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
    let diff: Value = serde_json::from_slice(&out.stdout)?;
    let floods = live.values().filter(|a| a.starts_with("\"flood.street\"")).count();
    assert_eq!(diff["diff"]["only_a"].as_array().context("only_a")?.len(), floods);
    assert_eq!(diff["against"]["raised"], 0);
    let table = text(&ioc(&["backtest", "--data", folder, "--from", &from])?.stdout);
    assert!(table.contains("flood.street") && table.contains("hours over 6/12/30"), "{table}");

    // What is not there is said, with the right exit code.
    let early = ioc_model::Timestamp(started - 3_600_000).to_string();
    let out = ioc(&["backtest", "--data", folder, "--from", &early])?;
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("no longer reaches back"), "{}", text(&out.stderr));
    let out = ioc(&["backtest", "--data", folder, "--from", "yesterday"])?;
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));

    // One that is over: the last of a tower may still run.
    let over = |a: &str| a.starts_with("\"flood.street\"") && !a.contains(" null ");
    let flood = live.iter().find(|(_, a)| over(a));
    explains(&api, folder, flood.context("an alert that is over")?.0).await?;
    centre.stop()?;
    args.truncate(6);
    let found = json(&ioc(&args)?)?;
    assert_eq!(of_backtest(&found["report"])?, live, "also when nothing runs");
    Ok(())
}

async fn explains(api: &Api, data: &str, id: &str) -> Result<()> {
    let detail = api.get(&format!("/api/v1/alerts/{id}")).await?;
    let evidence = &detail["audit"][0]["evidence"];
    assert_eq!(evidence["readings"][0]["value"], 0.55, "{detail:#}");
    let source = evidence["limit"]["source"].as_str().context("source")?;
    let out = ioc(&["explain", &id[..16], "--data", data])?;
    let said = text(&out.stdout);
    assert!(out.status.success(), "{}", text(&out.stderr));
    for word in ["RAISED", "CLEARED", "flood_depth 0.55", source, "+07:00"] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
    let said = text(&ioc(&["explain", id, "--data", data, "--lang", "vi"])?.stdout);
    assert!(said.contains("PHÁT SINH") && said.contains("căn cứ"), "{said}");
    let found = json(&ioc(&["explain", id, "--data", data, "--json"])?)?;
    assert_eq!(found["alert"], detail["alert"]);
    assert_eq!(found["audit"][0]["evidence"], *evidence);
    assert_eq!(ioc(&["explain", "ffffffffffff", "--data", data])?.status.code(), Some(2));
    assert_eq!(ioc(&["explain", id, "--data", "/nowhere"])?.status.code(), Some(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_flood_is_judged_by_its_own_times() -> Result<()> {
    let data = tempfile::tempdir()?;
    let folder = data.path().to_str().context("path")?;
    let options = IocOptions { event_clock: true, ..IocOptions::default() };
    let centre = Ioc::start(data.path(), &options)?;
    let target = centre.mqtt_url();
    simulate(&["replay", "flood", "--target", &target, "--speed", "max"]).await?;
    let api = Api::sign_in(&centre).await?;
    api.ledger_at_rest(Duration::from_secs(20)).await?;
    let live = of_register(&api).await?;
    let all = ["backtest", "--data", folder, "--from", "2025-10-25", "--json"];
    let out = ioc(&all)?;
    assert_eq!(out.status.code(), Some(2), "it begins later");
    let begins = text(&out.stderr);
    let begins = begins.split("begins at ").nth(1).and_then(|t| t.split_whitespace().next());
    let begins = begins.context("the error says where it begins")?;
    let found = json(&ioc(&["backtest", "--data", folder, "--from", begins, "--json"])?)?;
    assert_eq!(found["report"]["clock"], "event");
    assert!(live.len() > 3, "{live:#?}");
    assert_eq!(of_backtest(&found["report"])?, live);
    Ok(())
}
