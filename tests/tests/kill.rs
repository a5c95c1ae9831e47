//! `kill -9` under load: nothing acknowledged is missing, nothing is there twice, no alert is
//! doubled or lost, and each start is ready soon. Directly, and through Mosquitto.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ioc_tests::process::free_port;
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, Mosquitto, now_ms, wait_until};

const RATE: f64 = 2_000.0;
const DEVICES: usize = 50;
const KILLS: usize = 20;
/// A tower is wet for this many of its readings, then dry for as many.
const WET: usize = 40;

/// Numbered readings: the water depth carries the number in its fraction, so that each is unique
/// and its crossing of 0.50 m is known.
fn messages(seconds: usize) -> Vec<Message> {
    let start = now_ms();
    (0..seconds * RATE as usize)
        .map(|n| {
            let device = n % DEVICES;
            let turn = n / DEVICES;
            let wet = (turn / WET) % 2 == 1;
            let depth = f64::from(u8::from(wet)) * 0.6 + turn as f64 * 1e-6;
            let time = start + (n as f64 / RATE * 1000.0) as i64;
            Message {
                topic: format!("ioc/v1/hai_chau/rain_flood/kill-{device:02}/obs"),
                payload: format!(
                    "{{\"time\":{time},\"seq\":{n},\"values\":{{\"flood_depth\":{depth:.6}}}}}"
                ),
            }
        })
        .collect()
}

/// Numbers 0.. of this linear congruential generator decide when to kill: random, yet repeatable.
fn pause(n: usize) -> Duration {
    let x = (n as u64 + 1)
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    Duration::from_millis(150 + (x >> 33) % 1_200)
}

struct Seen {
    points: usize,
    connections: usize,
    ready: Vec<Duration>,
}

/// Starts and kills `ioc` while `publisher` works, then checks what the survivors say.
async fn torture(options: &IocOptions, publish_to: impl Fn(&Ioc) -> String) -> Result<Seen> {
    let data = tempfile::tempdir()?;
    let mut ioc = Ioc::start(data.path(), options)?;
    let api = Api::sign_in(&ioc).await?;
    // What a broker takes before anybody has subscribed is nobody's loss.
    wait_until("every subscription", Duration::from_secs(10), async || {
        let status = api.get("/api/v1/status").await?;
        let waiting = status["subscribers"].as_array().context("subscribers")?.clone();
        Ok(waiting.iter().all(|s| s["subscribed"] == true).then_some(()))
    })
    .await?;
    let target = publish_to(&ioc);
    let all = messages(KILLS + 10);
    let (from, count) = (now_ms() - 60_000, all.len());
    let feed = all.clone();
    let publishing = tokio::spawn(async move {
        let mut publisher = Publisher::new(&target, "kill-test");
        publisher.publish_all(&feed, RATE, Duration::from_secs(240)).await?;
        anyhow::Ok(publisher)
    });
    let mut ready = Vec::new();
    for n in 0..KILLS {
        tokio::time::sleep(pause(n)).await;
        ioc.kill()?;
        ioc = Ioc::start(data.path(), options)?;
        ready.push(ioc.ready_after);
    }
    let publisher = publishing.await??;
    assert_eq!(publisher.acknowledged.len(), count);
    check(&api.at(&ioc), &all, from).await?;
    println!(
        "kills {KILLS}, messages {count}, connections {}, ready max {:?}",
        publisher.connections,
        ready.iter().max()
    );
    Ok(Seen { points: count, connections: publisher.connections, ready })
}

async fn check(api: &Api, all: &[Message], from: i64) -> Result<()> {
    wait_until("all readings in history", Duration::from_secs(60), async || {
        let last = format!("kill-{:02}", DEVICES - 1);
        let points = api.history(&last, "flood_depth", from, now_ms() + 120_000).await?;
        Ok((points.len() >= all.len() / DEVICES).then_some(()))
    })
    .await?;
    let mut wanted_alerts = BTreeMap::new();
    for device in 0..DEVICES {
        let name = format!("kill-{device:02}");
        let points = api.history(&name, "flood_depth", from, now_ms() + 120_000).await?;
        let turns: Vec<u64> =
            points.iter().map(|(_, v)| (v * 1e6).round() as u64 % 600_000).collect();
        let distinct: BTreeSet<u64> = turns.iter().copied().collect();
        let wanted: BTreeSet<u64> = (0..(all.len() / DEVICES) as u64).collect();
        let missing: Vec<_> = wanted.difference(&distinct).take(5).collect();
        assert!(missing.is_empty(), "{name}: missing readings {missing:?}");
        assert_eq!(turns.len(), distinct.len(), "{name}: a reading is there twice");
        // A wet spell begins at turns 40, 120, 200 …
        let turns = all.len() / DEVICES;
        wanted_alerts.insert(name, (turns + WET - 1) / (2 * WET));
    }
    let mut alerts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for alert in api.alerts().await? {
        if alert["rule"] == "flood.street" {
            let device = alert["device"].as_str().context("device")?;
            alerts
                .entry(device.into())
                .or_default()
                .push(alert["raised_at"].as_i64().context("at")?);
        }
    }
    for (device, wanted) in wanted_alerts {
        let raised = alerts.remove(&device).unwrap_or_default();
        let distinct: BTreeSet<_> = raised.iter().collect();
        assert_eq!(distinct.len(), raised.len(), "{device}: an alert is there twice");
        assert_eq!(raised.len(), wanted, "{device}: every wet spell is one alert");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_over_twenty_kills() -> Result<()> {
    let options = IocOptions { mqtt_port: free_port()?, ..IocOptions::default() };
    let start = Instant::now();
    let seen = torture(&options, |ioc| ioc.mqtt.clone()).await?;
    assert!(seen.connections > 1, "the publisher noticed the kills, or they tested nothing");
    println!("gateway: {} points in {:?}, ready {:?}", seen.points, start.elapsed(), seen.ready);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_by_mosquitto_is_lost_over_twenty_kills_of_the_subscriber()
-> Result<()> {
    let dir = tempfile::tempdir()?;
    let broker = Mosquitto::start(dir.path())?;
    let settings = format!(
        "ingest:\n  subscribers:\n    - name: mosquitto\n      host: 127.0.0.1\n      port: {}\n      client_id: ioc-kill-test\n      topics: [\"ioc/v1/#\"]\n",
        broker.port
    );
    let options = IocOptions { settings: Some(settings), ..IocOptions::default() };
    let address = format!("127.0.0.1:{}", broker.port);
    let seen = torture(&options, |_| address.clone()).await?;
    println!("mosquitto: {} points, ready {:?}", seen.points, seen.ready);
    Ok(())
}
