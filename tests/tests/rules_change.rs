//! Rules change by REST and by file under 10,000 messages a second, with a kill in between:
//! nothing is lost or doubled, and what an unchanged rule was waiting for comes in its time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ioc_tests::process::{config_folder, copy_folder, free_port};
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use serde_json::{Value, json};

const RATE: f64 = 10_000.0;
const SECONDS: usize = 40;
const DEVICES: usize = 500;
/// `for:` of the rule that is never changed.
const HOLD_MS: i64 = 12_000;

const RULES: &str = r#"# Rules of the test.
rules:
  # Never changed.
  - id: hold
    kind: threshold
    service: rain_flood
    name: { vi: "giữ", en: "hold" }
    property: flood_depth
    for: 12s
    levels:
      - { severity: major, raise: ">= 0.5", clear: "< 0.4" }
    message: { vi: "giữ", en: "hold" }

  # Changed all the time.
  - id: dust
    kind: threshold
    service: air
    name: { vi: "bụi", en: "dust" }
    property: pm25
    levels:
      - { severity: minor, raise: "> 50", clear: "< 45" }
    message: { vi: "bụi", en: "dust" }

  - id: park
    kind: derived
    service: bus_parking
    name: { vi: "đỗ", en: "park" }
    index: occupancy
    output: parking_occupancy
    message: { vi: "đỗ", en: "park" }
"#;

fn added(limit: f64) -> String {
    format!(
        "id: added\nkind: threshold\nservice: rain_flood\nname: {{ vi: x, en: x }}\n\
         property: flood_depth\nlevels:\n  - {{ severity: minor, raise: '>= {limit}', clear: '< {limit}' }}\n\
         message: {{ vi: x, en: x }}\n"
    )
}

/// The shipped city with the rules of this test.
fn folder(at: &Path) -> Result<PathBuf> {
    let dir = at.join("config");
    copy_folder(&config_folder(), &dir)?;
    std::fs::remove_dir_all(dir.join("rules"))?;
    std::fs::create_dir(dir.join("rules"))?;
    std::fs::write(dir.join("rules/test.yaml"), RULES)?;
    std::fs::write(dir.join("ioc.yaml"), "rules:\n  trial_s: 2\n")?;
    Ok(dir)
}

/// Below every limit, and each reading unique.
fn load() -> Vec<Message> {
    let start = now_ms();
    (0..SECONDS * RATE as usize)
        .map(|n| {
            let time = start + (n as f64 / RATE * 1000.0) as i64;
            let depth = (n / DEVICES) as f64 * 1e-6;
            Message {
                topic: format!("ioc/v1/hai_chau/rain_flood/load-{:03}/obs", n % DEVICES),
                payload: format!(
                    "{{\"time\":{time},\"seq\":{n},\"values\":{{\"flood_depth\":{depth:.6}}}}}"
                ),
            }
        })
        .collect()
}

struct Centre {
    api: Api,
    ioc: Ioc,
    options: IocOptions,
    data: tempfile::TempDir,
    rules: PathBuf,
    parked: usize,
    /// Device and time of each reading whose minute must run out undisturbed.
    held: Vec<(String, i64)>,
}

impl Centre {
    async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let config = folder(data.path())?;
        let rules = config.join("rules/test.yaml");
        let options =
            IocOptions { mqtt_port: free_port()?, config: Some(config), ..IocOptions::default() };
        let ioc = Ioc::start(data.path(), &options)?;
        let api = Api::sign_in(&ioc).await?;
        Ok(Self { api, ioc, options, data, rules, parked: 0, held: Vec::new() })
    }

    async fn say(&self, device: &str, service: &str, values: Value) -> Result<i64> {
        let time = now_ms();
        let message = Message {
            topic: format!("ioc/v1/hai_chau/{service}/{device}/obs"),
            payload: json!({ "time": time, "values": values }).to_string(),
        };
        let mut publisher = Publisher::new(&self.ioc.mqtt, &format!("say-{device}-{time}"));
        publisher.publish_all(&[message], 1_000.0, Duration::from_secs(20)).await?;
        Ok(time)
    }

    /// A tower goes under water and stays there; a car park tells its places.
    async fn witness(&mut self) -> Result<()> {
        let device = format!("held-{}", self.held.len());
        let time = self.say(&device, "rain_flood", json!({ "flood_depth": 0.7 })).await?;
        self.held.push((device, time));
        let free = self.parked as f64;
        self.say("park-x", "bus_parking", json!({ "parking_total": 100, "parking_free": free }))
            .await?;
        self.parked += 1;
        Ok(())
    }

    async fn put(&self, id: &str, text: &str, headers: &[(&str, &str)]) -> Result<(u16, Value)> {
        self.api.send("PUT", &format!("/api/v1/rules/{id}"), Some(text), headers).await
    }

    async fn rules(&self) -> Result<Value> {
        self.api.get("/api/v1/rules").await
    }

    async fn version(&self) -> Result<u64> {
        self.rules().await?["version"].as_u64().context("version")
    }

    async fn rule(&self, id: &str) -> Result<Option<Value>> {
        let rules = self.rules().await?;
        let rules = rules["rules"].as_array().context("rules")?.clone();
        Ok(rules.into_iter().find(|r| r["id"] == id))
    }

    async fn alerts_of(&self, rule: &str) -> Result<Vec<Value>> {
        Ok(self.api.alerts().await?.into_iter().filter(|a| a["rule"] == rule).collect())
    }

    /// kill -9 and a new start on the same folders.
    async fn kill(mut self) -> Result<Self> {
        self.ioc.kill()?;
        self.ioc = Ioc::start(self.data.path(), &self.options)?;
        self.api = self.api.at(&self.ioc);
        Ok(self)
    }

    /// Waits for a version after `before`.
    async fn after(&self, before: u64) -> Result<u64> {
        wait_until("a new version", Duration::from_secs(30), async || {
            let version = self.version().await?;
            Ok((version > before).then_some(version))
        })
        .await
    }
}

/// Everything that can be done to rules, one after the other.
async fn change_everything(c: &mut Centre) -> Result<()> {
    c.witness().await?;
    assert_eq!(c.version().await?, 1);
    // Made by REST.
    let (status, made) = c.put("added", &added(0.9), &[("if-match", "\"1\"")]).await?;
    assert_eq!((status, &made["version"]), (200, &json!(2)), "{made}");
    assert_eq!(made["change"]["added"], json!(["added"]));
    assert!(made["trial"]["entries"].as_u64().is_some_and(|n| n > 0), "{made}");
    let (status, late) = c.put("added", &added(0.8), &[("if-match", "\"1\"")]).await?;
    assert_eq!((status, &late["code"]), (412, &json!("outdated")));
    c.witness().await?;

    // Edited in its file: its alert returns.
    c.say("dusty", "air", json!({ "pm25": 55 })).await?;
    wait_until("an alert of dust", Duration::from_secs(10), async || {
        Ok((!c.alerts_of("dust").await?.is_empty()).then_some(()))
    })
    .await?;
    std::fs::write(&c.rules, RULES.replace("> 50", "> 60"))?;
    assert_eq!(c.after(2).await?, 3);
    wait_until("the clear of a changed rule", Duration::from_secs(10), async || {
        let alerts = c.alerts_of("dust").await?;
        Ok((alerts.len() == 1 && alerts[0]["condition"] == "returned").then_some(()))
    })
    .await?;
    let rule = c.rule("dust").await?.context("dust")?;
    assert_eq!(rule["changed"]["author"], "file");
    c.witness().await?;

    // Switched off, and what it says of itself.
    let body = json!({ "mode": "off", "note": "works" }).to_string();
    let kind = [("content-type", "application/json")];
    let (status, made) = c.api.send("PATCH", "/api/v1/rules/dust", Some(&body), &kind).await?;
    assert_eq!((status, &made["version"]), (200, &json!(4)), "{made}");
    assert!(std::fs::read_to_string(&c.rules)?.contains("    mode: \"off\"\n"));
    let why = c.api.get("/api/v1/rules/hold/explain?entity=device:held-0").await?;
    assert_eq!(why["rule"], "hold", "{why}");

    // A bad text by REST, a bad file: the set before runs on.
    let (status, refused) = c.put("added", "id: added\nkind: thresold\n", &[]).await?;
    assert_eq!((status, &refused["code"]), (422, &json!("rules_wrong")));
    assert!(refused["mistakes"].as_array().is_some_and(|m| m.len() >= 2), "{refused}");
    let good = std::fs::read_to_string(&c.rules)?;
    std::fs::write(&c.rules, good.replace("flood_depth", "flod_depth"))?;
    wait_until("the mistakes in the status", Duration::from_secs(20), async || {
        let status = c.api.get("/api/v1/status").await?;
        let mistakes =
            status["rules"]["trouble"]["mistakes"].as_array().context("none yet")?.clone();
        Ok(mistakes.iter().any(|m| m["file"] == "rules/test.yaml" && m["line"] == 8).then_some(()))
    })
    .await?;
    assert_eq!(c.version().await?, 4);
    assert_eq!(reqwest::get(c.ioc.url("/readyz")).await?.status(), 200);
    let (status, refused) = c.put("added", &added(0.8), &[]).await?;
    assert_eq!((status, &refused["code"]), (409, &json!("folder_differs")));
    std::fs::write(&c.rules, good)?;
    wait_until("no trouble", Duration::from_secs(20), async || {
        let status = c.api.get("/api/v1/status").await?;
        Ok(status["rules"]["trouble"].is_null().then_some(()))
    })
    .await?;
    c.witness().await?;

    // Back to what was before the edit: the files too.
    let (status, made) = c.api.post("/api/v1/rules/versions/2/rollback", &json!({})).await?;
    assert_eq!((status, &made["version"]), (200, &json!(5)), "{made}");
    assert_eq!(std::fs::read_to_string(&c.rules)?, RULES);
    let version = c.api.get("/api/v1/rules/versions/3").await?;
    let diff = version["diff"].as_str().context("diff")?;
    assert!(diff.contains("-      - { severity: minor, raise: \"> 50\"") && diff.contains("> 60"));
    c.say("dusty", "air", json!({ "pm25": 56 })).await?;
    c.witness().await?;
    Ok(())
}

/// Every unchanged rule's alert is there once, at exactly its time.
async fn check_held(c: &Centre) -> Result<()> {
    let all = wait_until("all held alerts", Duration::from_secs(40), async || {
        let alerts = c.alerts_of("hold").await?;
        if alerts.len() < c.held.len() {
            bail!("{} of {}", alerts.len(), c.held.len());
        }
        Ok(Some(alerts))
    })
    .await?;
    let mut raised: Vec<(String, i64)> = Vec::new();
    for alert in &all {
        let device = alert["device"].as_str().context("device")?.to_owned();
        raised.push((device, alert["raised_at"].as_i64().context("raised_at")?));
        assert_eq!(alert["condition"], "active");
    }
    raised.sort();
    let mut expected = c.held.clone();
    expected.iter_mut().for_each(|(_, t)| *t += HOLD_MS);
    expected.sort();
    assert_eq!(raised, expected);
    Ok(())
}

/// Every acknowledged reading is in history once; each computed value too.
async fn check_history(c: &Centre, from: i64) -> Result<()> {
    let wanted: BTreeSet<u64> = (0..(SECONDS * RATE as usize / DEVICES) as u64).collect();
    for device in 0..DEVICES {
        let name = format!("load-{device:03}");
        let points = wait_until("all readings", Duration::from_secs(60), async || {
            let points = c.api.history(&name, "flood_depth", from, now_ms() + 120_000).await?;
            Ok((points.len() >= wanted.len()).then_some(points))
        })
        .await?;
        let turns: Vec<u64> = points.iter().map(|(_, v)| (v * 1e6).round() as u64).collect();
        assert_eq!(turns.len(), wanted.len(), "{name}: a reading is there twice");
        assert_eq!(turns.into_iter().collect::<BTreeSet<_>>(), wanted, "{name}");
    }
    let parked = c.api.history("park-x", "parking_occupancy", from, now_ms() + 120_000).await?;
    let values: Vec<f64> = parked.iter().map(|(_, v)| v.round()).collect();
    let expected: Vec<f64> = (0..c.parked).map(|n| 100.0 - n as f64).collect();
    assert_eq!(values, expected, "each computed value once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_change_under_load_and_over_a_kill_without_gap_or_double() -> Result<()> {
    let mut c = Centre::start().await?;
    let (from, target, messages) = (now_ms() - 60_000, c.ioc.mqtt.clone(), load());
    let count = messages.len();
    let begun = Instant::now();
    let publishing = tokio::spawn(async move {
        let mut publisher = Publisher::new(&target, "load");
        publisher.publish_all(&messages, RATE, Duration::from_secs(240)).await?;
        anyhow::Ok((publisher, begun.elapsed()))
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    change_everything(&mut c).await?;
    let status = c.api.get("/api/v1/status").await?;
    println!("changes in {:?}; last swap {} us", begun.elapsed(), status["rules"]["last_swap_us"]);

    // kill -9 right after a change.
    let (status, made) = c.put("added", &added(0.95), &[]).await?;
    assert_eq!((status, &made["version"]), (200, &json!(6)), "{made}");
    let before = c.rules().await?;
    let c = c.kill().await?;
    let after = c.rules().await?;
    assert_eq!(after["version"], before["version"]);
    let sources = |rules: &Value| -> Vec<Value> {
        rules["rules"].as_array().into_iter().flatten().map(|r| r["source"].clone()).collect()
    };
    assert_eq!(sources(&after), sources(&before));
    let mut c = c;
    c.witness().await?;

    let (publisher, took) = publishing.await??;
    assert_eq!(publisher.acknowledged.len(), count);
    assert!(publisher.connections > 1, "the kill was under load, or it tested nothing");
    println!("{count} messages in {took:?}: {:.0} a second", count as f64 / took.as_secs_f64());
    check_held(&c).await?;
    let dust = c.alerts_of("dust").await?;
    let conditions: Vec<_> = dust.iter().map(|a| a["condition"].clone()).collect();
    assert_eq!(conditions, [json!("returned"), json!("active")], "{dust:?}");
    let ledger = c.api.ledger_at_rest(Duration::from_secs(60)).await?;
    println!("{ledger}");
    check_history(&c, from).await?;
    let what = json!({ "id": "added", "text": added(0.6) });
    let (status, job) = c.api.post("/api/v1/rules/backtest", &what).await?;
    assert_eq!(status, 200, "{job}");
    let done = wait_until("the backtest", Duration::from_secs(60), async || {
        let state = c.api.get(&format!("/api/v1/rules/backtest/{}", job["job"])).await?;
        Ok((state["state"] != "running").then_some(state))
    })
    .await?;
    // All towers that were held are above 0.6, and none above the 0.95 that runs.
    let raised = |of: &str| {
        done["result"][of]["episodes"]
            .as_array()
            .map_or(0, |all| all.iter().filter(|e| e["rule"] == "added").count())
    };
    assert_eq!((raised("report"), raised("against")), (c.held.len(), 0), "{done}");
    let metrics = reqwest::get(c.ioc.url("/metrics")).await?.text().await?;
    for name in [
        "ioc_rule_evaluations_total{rule=\"hold\"}",
        "ioc_rule_cpu_seconds_total",
        "ioc_rule_state_bytes",
        "ioc_rules_version 6",
        "ioc_rules_folder_mistakes 0",
    ] {
        assert!(metrics.contains(name), "{name}\n{metrics}");
    }
    Ok(())
}
