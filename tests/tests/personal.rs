//! Canaries: number plates and picture links go in through both doors, in every format, right and
//! wrong, and must come out nowhere but where an administrator asks for one with a reason.

mod personal {
    pub mod canary;
    pub mod search;
}

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ioc_tests::answers::{all_answers, listen};
use ioc_tests::process::{add_user, add_user_with, binary, copy_folder};
use ioc_tests::publisher::{Message as DeviceMessage, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, Mosquitto, now_ms, wait_until};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};

use personal::canary::{Canaries, DEVICE, in_other_fields};
use personal::search::{files_with, journal_bytes, memory_hits};

const LIMIT: Duration = Duration::from_secs(30);
const REASON: &str = "accident report 12/2026, lane 2";

fn settings(broker: u16, keep_days: u32) -> String {
    format!(
        "ingest:\n  subscribers:\n    - name: mosquitto\n      host: 127.0.0.1\n      \
         port: {broker}\n      client_id: ioc-canary\n      \
         topics: [\"ioc/v1/#\", \"frigate/#\", \"+/onvif-ej/#\"]\n\
         journal:\n  retain_age_s: 100000000\n\
         personal:\n  keep:\n    traffic: [red_light, wrong_way]\n    \
         camera_analytics: [lpr]\n  keep_days: {keep_days}\n"
    )
}

fn options(broker: &Mosquitto, env: &[(&str, String)]) -> IocOptions {
    let mut env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    env.push(("IOC_LOG".into(), "trace".into()));
    let settings = Some(settings(broker.port, 30));
    IocOptions { settings, open_data: true, env, ..IocOptions::default() }
}

/// Adds a user and signs in.
async fn user(ioc: &Ioc, data: &Path, name: &str, role: &str) -> Result<Api> {
    let password = add_user(data, name, role)?;
    Ok(Api::first_sign_in(ioc, name, &password).await?.0)
}

/// Publishes as an MQTT 5 device that listens to its errors; all that it was told.
async fn publish_as_device(ioc: &Ioc, messages: &[DeviceMessage]) -> Result<Vec<Vec<u8>>> {
    let mut options = MqttOptions::new(DEVICE, "127.0.0.1", Ioc::port(&ioc.mqtt));
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, messages.len() + 1);
    client.subscribe(format!("ioc/v1/devices/{DEVICE}/errors"), QoS::AtLeastOnce).await?;
    for m in messages {
        client.publish(&*m.topic, QoS::AtLeastOnce, false, m.payload.clone()).await?;
    }
    let (mut told, mut acknowledged, mut errors) = (Vec::new(), 0, 0);
    let all = async {
        while acknowledged < messages.len() || errors == 0 {
            match events.poll().await? {
                Event::Incoming(Packet::PubAck(ack)) => {
                    acknowledged += 1;
                    told.push(format!("{ack:?}").into_bytes());
                }
                Event::Incoming(Packet::Publish(p)) => {
                    errors += 1;
                    told.push(p.payload.to_vec());
                }
                Event::Incoming(Packet::Disconnect(d)) => bail!("{d:?}"),
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, all).await.context("the device was not answered")??;
    println!("the device was told {acknowledged} reason codes and {errors} errors");
    Ok(told)
}

async fn rows(api: &Api) -> Result<Vec<Value>> {
    let list = api.get("/api/v1/personal?limit=1000").await?;
    list["rows"].as_array().cloned().context("rows")
}

/// Through the gateway and through the broker; returns when all is in history and listed.
async fn publish(ioc: &Ioc, broker: &Mosquitto, api: &Api, c: &Canaries) -> Result<Vec<Vec<u8>>> {
    wait_until("the subscription", LIMIT, async || {
        let status = api.get("/api/v1/status").await?;
        let waiting = status["subscribers"].as_array().context("subscribers")?.clone();
        Ok(waiting.iter().all(|s| s["subscribed"] == true).then_some(()))
    })
    .await?;
    let told = publish_as_device(ioc, &c.gateway).await?;
    let mut outside = Publisher::new(&format!("127.0.0.1:{}", broker.port), "canary-broker");
    outside.publish_all(&c.broker, 2_000.0, LIMIT).await?;
    let sent = (c.gateway.len() + c.broker.len()) as u64;
    wait_until("all messages", LIMIT, async || {
        let ledger = api.get("/api/v1/ledger").await?;
        Ok((ioc_tests::http::total(&ledger, "received") == sent).then_some(()))
    })
    .await?;
    api.ledger_at_rest(LIMIT).await?;
    wait_until("all rows", LIMIT, async || {
        Ok((rows(api).await?.len() == c.kept.len()).then_some(()))
    })
    .await
    .context(format!("{} rows expected", c.kept.len()))?;
    Ok(told)
}

fn nothing_clear(where_: &str, found: &[String]) -> Result<()> {
    if !found.is_empty() {
        bail!("{} clear hits in {where_}:\n{}", found.len(), found.join("\n"));
    }
    println!("{where_}: 0 clear hits");
    Ok(())
}

#[tokio::test]
async fn plates_and_links_come_out_only_where_an_administrator_asks_with_a_reason() -> Result<()> {
    let (home, mosquitto) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let data = home.path().join("data");
    std::fs::create_dir(&data)?;
    let broker = Mosquitto::start(mosquitto.path())?;
    let ioc = Ioc::start(&data, &options(&broker, &[]))?;
    let admin = Api::sign_in(&ioc).await?;
    let operator = user(&ioc, &data, "lan", "operator").await?;
    let mut frames = listen(&ioc, &operator).await?;
    let canaries = Canaries::new(now_ms());
    let told = publish(&ioc, &broker, &admin, &canaries).await?;

    // Screens, answers, messages to devices.
    let mut seen = Vec::new();
    for (path, body) in all_answers(&admin).await? {
        seen.extend(canaries.hits(body.as_bytes()).into_iter().map(|c| format!("{path}: {c}")));
    }
    nothing_clear("REST answers", &seen)?;
    nothing_clear("reason codes and errors told to the device", &canaries.hits(&told.concat()))?;
    let (mut heard, mut shown) = (0, Vec::new());
    while let Ok(frame) = frames.try_recv() {
        heard += 1;
        shown.extend(canaries.hits(&frame));
    }
    assert!(heard > 1, "the socket said nothing");
    nothing_clear("WebSocket frames", &shown)?;
    let memory = memory_hits(ioc.id(), &canaries)?;
    println!("memory of the process: {memory}");

    a_view_is_audited(&ioc, &admin, &operator, &canaries).await?;

    ioc.stop()?;
    nothing_clear("files of the data folder", &files_with(&data, &canaries)?)?;
    let log = std::fs::read_to_string(data.join("ioc.log"))?;
    assert!(log.contains("TRACE"), "the log was not at trace level");
    let copy = home.path().join("copy");
    copy_folder(&data, &copy)?;
    let journal = journal_bytes(&copy).await?;
    nothing_clear("the journal, unpacked", &canaries.hits(&journal))?;
    // The search itself finds what is there: what a device writes elsewhere is kept as it is.
    let elsewhere = Canaries::of_texts(&in_other_fields());
    assert_eq!(elsewhere.hits(&journal), in_other_fields(), "the search finds nothing at all");

    the_journal_gives_back_only_what_has_a_key(&data, home.path(), &broker, &canaries).await?;
    age_deletes(&data, home.path(), &broker, &canaries).await?;
    let verify = ["audit", "verify", "--data"];
    let verified = Command::new(binary("ioc")?).args(verify).arg(&data).status()?;
    assert!(verified.success(), "the audit log is not whole");
    Ok(())
}

async fn a_view_is_audited(ioc: &Ioc, admin: &Api, operator: &Api, c: &Canaries) -> Result<()> {
    let rows = rows(operator).await?;
    let mut shown = Vec::new();
    for row in &rows {
        let path = format!("/api/v1/personal/{}/reveal", row["id"]);
        let (status, refused) = operator.post(&path, &json!({ "reason": REASON })).await?;
        assert_eq!((status, &refused["code"]), (403, &json!("not_permitted")));
        let (status, revealed) = admin.post(&path, &json!({ "reason": REASON })).await?;
        assert_eq!(status, 200, "{revealed}");
        shown.push((revealed["plate"].clone(), revealed["snapshot"].clone()));
    }
    let mut expect: Vec<_> = c.kept.iter().map(|(p, s)| (json!(p), json!(s))).collect();
    let sort = |v: &mut Vec<(Value, Value)>| v.sort_by_key(|(p, s)| format!("{p}{s}"));
    sort(&mut shown);
    sort(&mut expect);
    assert_eq!(shown, expect, "what was sealed is what was sent");

    let log = admin.get("/api/v1/audit?limit=5000").await?;
    let lines = log["lines"].as_array().context("lines")?;
    let views: Vec<_> = lines.iter().filter(|l| l["action"] == "personal_viewed").collect();
    assert_eq!(views.len(), rows.len(), "one line for each view, none for a refused one");
    for view in &views {
        assert_eq!((&view["note"], &view["actor"]), (&json!(REASON), &json!("admin")));
        assert!(view["detail"]["row"].is_u64() && view["origin"] == "127.0.0.1", "{view}");
    }
    nothing_clear("the audit log after the views", &c.hits(log.to_string().as_bytes()))?;
    println!("{} rows shown, each with its audit line", rows.len());
    let _ = ioc;
    Ok(())
}

/// A backup with the keys gives back all rows from its journal alone; without them none.
async fn the_journal_gives_back_only_what_has_a_key(
    data: &Path,
    home: &Path,
    broker: &Mosquitto,
    c: &Canaries,
) -> Result<()> {
    for (name, with_keys) in [("with", true), ("without", false)] {
        let copy = home.join(name);
        copy_folder(data, &copy)?;
        for file in ["personal.sqlite", "personal.sqlite-wal", "personal.sqlite-shm"] {
            let _ = std::fs::remove_file(copy.join("personal").join(file));
        }
        if !with_keys {
            std::fs::remove_dir_all(copy.join("personal/keys"))?;
        }
        let ioc = Ioc::start(&copy, &options(broker, &[]))?;
        let admin = user(&ioc, &copy, "restorer", "administrator").await?;
        wait_until("the journal to be read again", LIMIT, async || {
            let status = admin.get("/api/v1/status").await?;
            let read = admin.get("/api/v1/ledger").await.is_ok();
            let rows = rows(&admin).await?.len();
            let done = if with_keys {
                rows == c.kept.len()
            } else {
                read && status["journal"]["next"].as_u64() > Some(0)
            };
            Ok(done.then_some(()))
        })
        .await?;
        // Two looks of the reader later there are still none.
        if !with_keys {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let expect = if with_keys { c.kept.len() } else { 0 };
        assert_eq!(rows(&admin).await?.len(), expect, "{name} keys");
        println!("backup {name} keys: {expect} rows");
        ioc.stop()?;
    }
    Ok(())
}

/// The same data folder, 32 days later by the wall clock.
async fn age_deletes(data: &Path, home: &Path, broker: &Mosquitto, c: &Canaries) -> Result<()> {
    let keys = || -> Result<Vec<String>> {
        let files = std::fs::read_dir(data.join("personal/keys"))?;
        let mut names: Vec<_> =
            files.flatten().map(|f| f.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    };
    let before = keys()?;
    assert!(!before.is_empty());
    let shim = clock_shim(home)?;
    let env = [("LD_PRELOAD", shim), ("IOC_TEST_CLOCK_AHEAD_S", (32 * 86_400).to_string())];
    let ioc = Ioc::start(data, &options(broker, &env))?;
    // Made by the same clock: a first password ends after 7 days.
    let password = add_user_with(data, "auditor", "administrator", &env)?;
    let (admin, _) = Api::first_sign_in(&ioc, "auditor", &password).await?;
    let lines = wait_until("the audit line", LIMIT, async || {
        let log = admin.get("/api/v1/audit?limit=5000").await?;
        let lines = log["lines"].as_array().context("lines")?.clone();
        let told: Vec<Value> =
            lines.into_iter().filter(|l| l["action"] == "personal_expired").collect();
        Ok((!told.is_empty()).then_some(told))
    })
    .await?;
    assert_eq!(lines.len(), 1, "told once");
    assert_eq!(lines[0]["detail"]["rows"], c.kept.len(), "{}", lines[0]);
    assert_eq!(rows(&admin).await?, Vec::<Value>::new());
    let path = "/api/v1/personal/1/reveal";
    assert_eq!(admin.post(path, &json!({ "reason": REASON })).await?.0, 404);
    let after = keys()?;
    assert!(before.iter().all(|k| !after.contains(k)), "{before:?} {after:?}");
    println!("after 32 days: {before:?} deleted, {after:?} there; {}", lines[0]["detail"]);
    ioc.stop()?;
    Ok(())
}

/// A library that puts the wall clock of a process ahead.
fn clock_shim(home: &Path) -> Result<String> {
    const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int end = real(id, now);
    const char *ahead = getenv("IOC_TEST_CLOCK_AHEAD_S");
    if (end == 0 && id == CLOCK_REALTIME && ahead) now->tv_sec += atol(ahead);
    return end;
}
"#;
    let (source, library) = (home.join("clock.c"), home.join("clock.so"));
    std::fs::write(&source, SOURCE)?;
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let built = cc.status().context("cannot run cc")?;
    anyhow::ensure!(built.success(), "cc: {built}");
    Ok(library.display().to_string())
}
