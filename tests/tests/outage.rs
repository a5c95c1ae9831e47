//! InfluxDB away for a minute under load, as the whole binary lives through it: the strict fake,
//! and the real VictoriaMetrics. Alerts do not notice, and nothing is missing afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ioc_tests::http::total;
use ioc_tests::influx_fake::line::Field;
use ioc_tests::influx_fake::{InfluxFake, TOKEN};
use ioc_tests::process::{free_port, terminate};
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};

const RATE: f64 = 1_000.0;
const AWAY: Duration = Duration::from_secs(60);
const BEFORE: Duration = Duration::from_secs(4);
/// Published while the server is there, away, and there again.
const MESSAGES: usize = 70_000;

/// Readings numbered by their value; one of the devices floods in the middle of the outage.
fn messages() -> Vec<Message> {
    let start = now_ms();
    let reading = |n: usize| {
        let time = start + (n as f64 / RATE * 1000.0) as i64;
        let (service, device, property, value) = if n == MESSAGES / 2 {
            ("rain_flood", "outage-tower".to_owned(), "flood_depth", 0.7)
        } else {
            ("traffic", format!("outage-{:02}", n % 20), "vehicle_count", n as f64)
        };
        Message {
            topic: format!("ioc/v1/hai_chau/{service}/{device}/obs"),
            payload: format!(
                "{{\"time\":{time},\"seq\":{n},\"values\":{{\"{property}\":{value}}}}}"
            ),
        }
    };
    (0..MESSAGES).map(reading).collect()
}

fn settings(url: &str) -> IocOptions {
    let settings = format!(
        "history:\n  backend: influxdb\n  influxdb:\n    url: {url}\n    backoff_max_ms: 2000\n"
    );
    IocOptions {
        settings: Some(settings),
        env: vec![("IOC_INFLUX_TOKEN".into(), TOKEN.into())],
        ..IocOptions::default()
    }
}

/// Publishes through the outage that `stop` and `start` make, and checks alerts and ledger.
async fn live_through(
    options: &IocOptions,
    outage: impl AsyncFnOnce() -> Result<()>,
) -> Result<(tempfile::TempDir, Ioc)> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), options)?;
    let api = Api::sign_in(&ioc).await?;
    let address = ioc.mqtt.clone();
    let publishing = tokio::spawn(async move {
        let mut publisher = Publisher::new(&address, "outage-test");
        publisher.publish_all(&messages(), RATE, Duration::from_secs(150)).await
    });
    outage().await?;
    publishing.await??;
    let begin = Instant::now();
    let ledger = api.ledger_at_rest(Duration::from_secs(60)).await?;
    println!("caught up {:?} after the last acknowledgement", begin.elapsed());
    assert_eq!(total(&ledger, "stored"), MESSAGES as u64, "{ledger}");
    assert_eq!(total(&ledger, "dead_lettered"), 0);
    let flooded = api.alerts().await?;
    assert!(flooded.iter().any(|a| a["device"] == "outage-tower"), "the alert did not wait");
    Ok((data, ioc))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_away_for_a_minute_misses_nothing() -> Result<()> {
    let mut fake = InfluxFake::start().await?;
    let options = settings(&fake.url());
    let _running = live_through(&options, async || {
        tokio::time::sleep(BEFORE).await;
        fake.stop().await;
        tokio::time::sleep(AWAY).await;
        fake.restart().await
    })
    .await?;
    let points = fake.points("ioc");
    let values: BTreeSet<u64> = points
        .iter()
        .filter_map(|(_, _, fields)| match fields.get("value") {
            Some(Field::Float(v)) if *v >= 1.0 => Some(*v as u64),
            _ => None,
        })
        .collect();
    assert_eq!(points.len(), MESSAGES, "one point for each reading");
    // 0 and the one flood reading are below 1.
    assert_eq!(values.len(), MESSAGES - 2);
    Ok(())
}

/// The real VictoriaMetrics, which can be ended and started again.
struct Victoria {
    child: Option<Child>,
    port: u16,
    data: tempfile::TempDir,
}

impl Victoria {
    fn new() -> Result<Self> {
        Ok(Self { child: None, port: free_port()?, data: tempfile::tempdir()? })
    }

    fn start(&mut self) -> Result<()> {
        let child = Command::new("/usr/bin/victoria-metrics")
            .arg(format!("-storageDataPath={}", self.data.path().display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{}", self.port))
            .arg("-retentionPeriod=100y")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            terminate(child.id())?;
            child.wait()?;
        }
        Ok(())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn numbers(&self) -> Result<Vec<u64>> {
        reqwest::get(format!("{}/internal/force_flush", self.url())).await?.error_for_status()?;
        let url = format!("{}/api/v1/export?match[]=traffic_value", self.url());
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let mut numbers = Vec::new();
        for line in text.lines() {
            let series: serde_json::Value = serde_json::from_str(line)?;
            let values = series["values"].as_array().context("values")?;
            numbers.extend(values.iter().filter_map(|v| v.as_f64()).map(|v| v as u64));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_away_for_a_minute_misses_nothing() -> Result<()> {
    if !Path::new("/usr/bin/victoria-metrics").is_file() {
        println!("skipped: victoria-metrics is not installed");
        return Ok(());
    }
    let mut victoria = Victoria::new()?;
    victoria.start()?;
    let options = settings(&victoria.url());
    let _running = live_through(&options, async || {
        tokio::time::sleep(BEFORE).await;
        victoria.stop()?;
        tokio::time::sleep(AWAY).await;
        victoria.start()
    })
    .await?;
    // What it took is searchable a moment later.
    let wanted: Vec<u64> = (0..MESSAGES as u64).filter(|n| *n != MESSAGES as u64 / 2).collect();
    wait_until("every number in VictoriaMetrics", Duration::from_secs(30), async || {
        let numbers = victoria.numbers().await?;
        anyhow::ensure!(numbers.len() <= wanted.len(), "{} numbers", numbers.len());
        Ok((numbers == wanted).then_some(()))
    })
    .await
}
