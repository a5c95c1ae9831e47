//! The life of alerts in the whole binary: operators, holds, shifts, what devices may not do, and
//! notifications that outlive kills.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ioc_tests::process::{binary, config_folder, copy_folder};
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::webhook::WebhookServer;
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// A reading of a street flood tower; 0.6 m raises a critical alert, 0 m clears it.
fn depth(device: &str, ward: &str, metres: f64) -> Message {
    Message {
        topic: format!("ioc/v1/{ward}/rain_flood/{device}/obs"),
        payload: json!({ "time": now_ms(), "values": { "flood_depth": metres } }).to_string(),
    }
}

async fn publish(ioc: &Ioc, messages: &[Message]) -> Result<()> {
    let mut publisher = Publisher::new(&ioc.mqtt, "alerts-test");
    publisher.publish_all(messages, 1_000.0, LIMIT).await
}

/// Waits until the alert of a device is as `wanted` says.
async fn alert_of(
    api: &Api,
    device: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let path = format!("/api/v1/alerts?device={device}&limit=10");
    wait_until(&format!("{device}: {what}"), LIMIT, async || {
        let page = api.get(&path).await?;
        let newest = page["alerts"].as_array().context("alerts")?.first().cloned();
        match newest {
            Some(alert) if wanted(&alert) => Ok(Some(alert)),
            other => bail!("{other:?}"),
        }
    })
    .await
}

fn id(alert: &Value) -> &str {
    alert["id"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_work_on_alerts_alone_and_in_bulk() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let towers: Vec<String> = (0..4).map(|n| format!("op-{n}")).collect();
    let wet: Vec<Message> = towers.iter().map(|t| depth(t, "hai_chau", 0.6)).collect();
    publish(&ioc, &wet).await?;
    let mut alerts = Vec::new();
    for tower in &towers {
        alerts.push(alert_of(&api, tower, "raised", |a| a["state"] == "UNACK").await?);
    }
    // One cause in one ward is one incident.
    let incidents: BTreeSet<&str> = alerts.iter().filter_map(|a| a["incident"].as_str()).collect();
    assert_eq!(incidents.len(), 1, "{incidents:?}");

    let act = async |id: &str, body: Value| {
        api.post(&format!("/api/v1/alerts/{id}/actions"), &body).await
    };
    // Alone: who comes second hears who was first.
    let (status, answer) = act(id(&alerts[0]), json!({ "action": "acknowledge" })).await?;
    assert_eq!((status, &answer["alert"]["work"]), (200, &json!("acknowledged")), "{answer}");
    let (status, answer) = act(id(&alerts[0]), json!({ "action": "acknowledge" })).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("already_done")), "{answer}");
    assert_eq!(answer["by"], "admin", "{answer}");
    // In bulk: a result for each row.
    let rows: Vec<Value> = alerts.iter().map(|a| json!({ "id": a["id"] })).collect();
    let body = json!({ "action": "acknowledge", "note": "seen on camera", "alerts": rows });
    let (status, bulk) = api.post("/api/v1/alerts/actions", &body).await?;
    assert_eq!((status, &bulk["done"]), (200, &json!(3)), "{bulk}");
    assert_eq!(bulk["results"][0]["refused"]["code"], "already_done", "{bulk}");
    // Taken back: the three are new again, the first is not touched.
    let (status, undone) =
        api.post(&format!("/api/v1/alerts/actions/{}/undo", bulk["act"]), &json!({})).await?;
    assert_eq!((status, &undone["done"]), (200, &json!(3)), "{undone}");
    alert_of(&api, &towers[1], "new again", |a| a["work"] == "new" && a["state"] == "UNACK")
        .await?;
    alert_of(&api, &towers[0], "still acknowledged", |a| a["work"] == "acknowledged").await?;

    // Put aside, with a reason; off the list, counted, and back.
    let until = now_ms() + 3_600_000;
    let shelve = json!({ "action": "shelve", "until": until, "reason": "pump works" });
    assert_eq!(act(id(&alerts[1]), shelve).await?.0, 200);
    let (status, refused) =
        act(id(&alerts[2]), json!({ "action": "shelve", "until": until, "reason": " " })).await?;
    assert_eq!(status, 400, "{refused}");
    let far = json!({ "action": "shelve", "until": now_ms() + 90_000_000, "reason": "long" });
    assert_eq!(act(id(&alerts[2]), far).await?.0, 400);
    let listed = api.get("/api/v1/alerts?open=1&held=0").await?;
    let has = |page: &Value, id: &str| {
        page["alerts"].as_array().is_some_and(|a| a.iter().any(|a| a["id"] == id))
    };
    assert!(!has(&listed, id(&alerts[1])));
    assert_eq!(listed["counts"]["held"], 1, "{}", listed["counts"]);
    assert!(has(&api.get("/api/v1/alerts?held=1").await?, id(&alerts[1])));
    assert_eq!(act(id(&alerts[1]), json!({ "action": "unshelve" })).await?.0, 200);

    // The work to its end: an active alert cannot be closed, a resolved one can after its return.
    let to = json!({ "kind": "agency", "name": "UBND phường Hải Châu" });
    assert_eq!(act(id(&alerts[2]), json!({ "action": "assign", "to": to })).await?.0, 200);
    assert_eq!(act(id(&alerts[2]), json!({ "action": "start" })).await?.0, 200);
    let (status, answer) = act(id(&alerts[2]), json!({ "action": "close" })).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("still_active")), "{answer}");
    let dry: Vec<Message> = towers.iter().map(|t| depth(t, "hai_chau", 0.0)).collect();
    publish(&ioc, &dry).await?;
    // Acknowledged and returned: over. Being worked on: not.
    alert_of(&api, &towers[0], "closed by its return", |a| a["work"] == "closed").await?;
    let returned = |a: &Value| a["condition"] == "returned" && a["work"] == "in_progress";
    alert_of(&api, &towers[2], "returned, work goes on", returned).await?;
    assert_eq!(act(id(&alerts[2]), json!({ "action": "resolve", "note": "drain" })).await?.0, 200);
    assert_eq!(act(id(&alerts[2]), json!({ "action": "close" })).await?.0, 200);

    // The version an operator looked at decides.
    let path = format!("/api/v1/alerts/{}/actions", id(&alerts[3]));
    let json_body = [("content-type", "application/json"), ("if-match", "\"1\"")];
    let comment = json!({ "action": "comment", "text": "late" }).to_string();
    let (status, answer) = api.send("POST", &path, Some(&comment), &json_body).await?;
    assert_eq!(status, 412, "{answer}");

    // Everything is in the log, and the log is whole.
    let detail = api.get(&format!("/api/v1/alerts/{}", id(&alerts[2]))).await?;
    let lines = detail["audit"].as_array().context("audit")?;
    let actions: Vec<&str> = lines.iter().filter_map(|l| l["action"].as_str()).collect();
    assert_eq!(
        actions,
        ["raise", "acknowledge", "undo", "assign", "start", "clear", "resolve", "close"]
    );
    assert_eq!(lines[1]["note"], "seen on camera");
    assert_eq!(lines[1]["origin"], "127.0.0.1");
    assert!(audit_verify(data.path())?.0, "while it runs");
    ioc.stop()?;
    assert!(audit_verify(data.path())?.0, "after its end");
    Ok(())
}

/// `ioc audit verify`: whole or not, and what it printed.
fn audit_verify(data: &Path) -> Result<(bool, String)> {
    let mut command = Command::new(binary("ioc")?);
    let out = command.args(["audit", "verify", "--data"]).arg(data).env("LANG", "C").output()?;
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    Ok((out.status.success(), text.into_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_window_keeps_its_ward_off_the_list() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let window = json!({
        "by": "maintenance", "scope": { "area": "hoa_khanh", "service": "rain_flood" },
        "until": now_ms() + 3_600_000, "reason": "towers are cleaned",
    });
    let (status, answer) = api.post("/api/v1/holds", &window).await?;
    assert_eq!(status, 201, "{answer}");
    publish(&ioc, &[depth("mw-1", "hoa_khanh", 0.6), depth("mw-2", "hai_chau", 0.6)]).await?;
    alert_of(&api, "mw-1", "suppressed", |a| a["state"] == "DSUPR").await?;
    alert_of(&api, "mw-2", "listed", |a| a["state"] == "UNACK").await?;
    let end = format!("/api/v1/holds/{}/end", answer["hold"]["id"]);
    assert_eq!(api.post(&end, &json!({})).await?.0, 200);
    alert_of(&api, "mw-1", "released", |a| a["state"] == "UNACK").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_handed_over_in_both_languages() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    publish(&ioc, &[depth("<script>alert(1)</script>", "hai_chau", 0.6)]).await.ok();
    publish(&ioc, &[depth("ho-1", "hai_chau", 0.6)]).await?;
    alert_of(&api, "ho-1", "raised", |a| a["state"] == "UNACK").await?;
    let (status, shift) = api.post("/api/v1/shifts", &json!({ "position": "desk-1" })).await?;
    assert_eq!(status, 201, "{shift}");
    let entry = json!({ "text": "=cmd|' /C calc'!A0 <b>cống tràn</b>", "open": true });
    assert_eq!(api.post("/api/v1/shifts/log", &entry).await?.0, 201);
    let (status, html) = api.send("GET", "/api/v1/shifts/handover.html?lang=vi", None, &[]).await?;
    let html = html["text"].as_str().unwrap_or_default();
    assert_eq!(status, 200);
    assert!(html.contains("&lt;b&gt;cống tràn&lt;/b&gt;"), "{html}");
    assert!(!html.contains("<b>cống") && !html.contains("<script"), "{html}");
    let (status, csv) = api.send("GET", "/api/v1/shifts/handover.csv", None, &[]).await?;
    let csv = csv["text"].as_str().unwrap_or_default();
    assert_eq!(status, 200);
    assert!(
        csv.starts_with('\u{feff}') && !csv.contains("\n=cmd") && !csv.contains(",=cmd"),
        "{csv}"
    );
    Ok(())
}

/// Nothing a device publishes touches an alert: commands are not taken from devices.
#[tokio::test(flavor = "multi_thread")]
async fn devices_cannot_work_on_alerts() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    publish(&ioc, &[depth("cmd-1", "hai_chau", 0.6)]).await?;
    let alert = alert_of(&api, "cmd-1", "raised", |a| a["state"] == "UNACK").await?;
    let body = json!({ "action": "acknowledge", "id": alert["id"] }).to_string();
    let topics = [
        format!("ioc/v1/alerts/rain_flood/hai_chau/{}", id(&alert)),
        format!("ioc/v1/alerts/{}/acknowledge", id(&alert)),
        "ioc/v1/hai_chau/rain_flood/cmd-1/cmd".into(),
        "ioc/v1/devices/cmd-1/commands".into(),
        format!("ioc/v1/notify/webhook/{}", id(&alert)),
    ];
    let messages: Vec<Message> =
        topics.into_iter().map(|topic| Message { topic, payload: body.clone() }).collect();
    publish(&ioc, &messages).await?;
    let after = api.get(&format!("/api/v1/alerts/{}", id(&alert))).await?;
    assert_eq!(after["alert"]["ver"], alert["ver"], "{after}");
    assert_eq!(after["audit"].as_array().map(Vec::len), Some(1), "{after}");
    let refused = api.get("/api/v1/quarantine?limit=100").await?;
    assert_eq!(refused["messages"].as_array().map(Vec::len), Some(5), "{refused}");
    Ok(())
}

const SECRET: &str = "test-only-key";

/// The shipped configuration with a webhook on loopback: everything at once, each alert by itself.
fn config_with_webhook(data: &Path, webhook: &WebhookServer) -> Result<std::path::PathBuf> {
    let dir = data.join("config");
    copy_folder(&config_folder(), &dir)?;
    std::fs::write(
        dir.join("notify.yaml"),
        format!(
            "receivers:\n  - id: hook\n    language: en\n    webhook:\n      url: http://{}/hook\n      \
             allow_http: true\n      allow_networks: [127.0.0.0/8]\n      signing: {{ secret_env: \
             IOC_TEST_HOOK_KEY }}\nroutes:\n  - id: all\n    match: {{ services: [rain_flood] }}\n    \
             receivers: [hook]\n    group_by: alert\n    wait: 0s\n    interval: 1s\n",
            webhook.address
        ),
    )?;
    Ok(dir)
}

/// The signature as somebody else's program computes it.
fn signature_by_openssl(timestamp: &str, body: &[u8]) -> Result<String> {
    use std::io::Write;
    let mut signed = format!("{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET, "-hex"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    openssl.stdin.take().context("stdin")?.write_all(&signed)?;
    let out = openssl.wait_with_output()?;
    let text = String::from_utf8(out.stdout)?;
    Ok(text.rsplit(' ').next().unwrap_or_default().trim().to_owned())
}

/// Raise and clear of every alert reach the receiver, however often the centre is killed and the
/// receiver fails; what comes twice comes under the same key.
#[tokio::test(flavor = "multi_thread")]
async fn raise_and_clear_reach_a_webhook_through_kills() -> Result<()> {
    const DEVICES: usize = 30;
    const KILLS: usize = 8;
    let data = tempfile::tempdir()?;
    // The receiver has a bad start.
    let webhook = WebhookServer::start(&[500, 503, 429, 500]).await?;
    let config = config_with_webhook(data.path(), &webhook)?;
    let env = vec![("IOC_TEST_HOOK_KEY".to_owned(), SECRET.to_owned())];
    let options = IocOptions { config: Some(config), env, ..IocOptions::default() };
    let mut ioc = Ioc::start(data.path(), &options)?;
    let api = Api::sign_in(&ioc).await?;
    let towers: Vec<String> = (0..DEVICES).map(|n| format!("hook-{n:02}")).collect();
    for (n, metres) in [0.6, 0.0].into_iter().enumerate() {
        let messages: Vec<Message> = towers.iter().map(|t| depth(t, "hai_chau", metres)).collect();
        for kill in 0..KILLS / 2 {
            // A few messages, then a kill at once, while their notifications are under way.
            let part = DEVICES / (KILLS / 2) + 1;
            let from = (kill * part).min(DEVICES);
            publish(&ioc, &messages[from..(from + part).min(DEVICES)]).await?;
            tokio::time::sleep(Duration::from_millis(40 * (kill + n) as u64)).await;
            ioc.kill()?;
            ioc = Ioc::start(data.path(), &options)?;
        }
    }
    let api = api.at(&ioc);
    let mut wanted = BTreeSet::new();
    for tower in &towers {
        let alert = alert_of(&api, tower, "returned", |a| a["condition"] == "returned").await?;
        wanted.insert((id(&alert).to_owned(), "raise".to_owned()));
        wanted.insert((id(&alert).to_owned(), "clear".to_owned()));
    }
    let told = wait_until("raise and clear of each", Duration::from_secs(60), async || {
        let told = told(&webhook);
        let missing: Vec<_> = wanted.iter().filter(|w| !told.contains_key(*w)).collect();
        if missing.is_empty() { Ok(Some(told)) } else { bail!("missing {missing:?}") }
    })
    .await?;
    let doubled: Vec<_> = told.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(doubled.is_empty(), "one change, two keys: {doubled:?}");
    let received = webhook.received();
    for r in received.iter().step_by(7) {
        let own = signature_by_openssl(&r.timestamp, &r.body)?;
        assert_eq!(r.signature, format!("v1={own}"));
    }
    let keys: BTreeSet<&str> = received.iter().map(|r| r.key.as_str()).collect();
    println!(
        "kills {KILLS}, changes {} each under one key, missing 0; requests {}, keys {}",
        wanted.len(),
        received.len(),
        keys.len()
    );
    Ok(())
}

/// (alert, what happened) → the keys under which it was taken.
fn told(webhook: &WebhookServer) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for r in webhook.received().into_iter().filter(|r| r.status == 200) {
        for change in r.json()["changes"].as_array().into_iter().flatten() {
            let text = |field: &str| change[field].as_str().unwrap_or_default().to_owned();
            told.entry((text("alert"), text("reason"))).or_default().insert(r.key.clone());
        }
    }
    told
}
