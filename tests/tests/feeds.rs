//! Recorded road feeds through the whole chain: nothing is lost unaccounted for, and the real
//! defects of the recordings are handled as an operator would want.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use ioc_tests::http::total;
use ioc_tests::process::shared_data;
use ioc_tests::{Api, Ioc, IocOptions, simulate};
use serde_json::Value;

fn event_clock() -> IocOptions {
    IocOptions { event_clock: true, ..IocOptions::default() }
}

fn assert_conserved(ledger: &Value) {
    let sum = total(ledger, "accepted")
        + total(ledger, "quarantined")
        + total(ledger, "duplicate")
        + total(ledger, "shed");
    assert_eq!(total(ledger, "received"), sum, "{ledger}");
    assert_eq!(ledger["difference"], 0);
}

#[tokio::test]
async fn ndw_road_sensors_are_all_accounted_for() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &event_clock())?;
    simulate(&["replay", "ndw", "--target", &ioc.mqtt_url(), "--speed", "max"]).await?;
    let api = Api::sign_in(&ioc).await?;
    let ledger = api.ledger_at_rest(Duration::from_secs(30)).await?;
    assert_conserved(&ledger);
    // 30 minutes × 19 lanes × (flow, speed), PROVENANCE.md.
    assert_eq!(total(&ledger, "received"), 1140, "{ledger}");
    assert_eq!(total(&ledger, "quarantined"), 0, "{ledger}");
    assert_eq!(total(&ledger, "stored"), total(&ledger, "records"));
    // The same recording once more: every message is a duplicate, history holds nothing twice.
    simulate(&["replay", "ndw", "--target", &ioc.mqtt_url(), "--speed", "max"]).await?;
    let again = api.ledger_at_rest(Duration::from_secs(30)).await?;
    assert_conserved(&again);
    assert_eq!(
        total(&again, "duplicate"),
        total(&ledger, "received") + total(&ledger, "duplicate")
    );
    assert_eq!(total(&again, "stored"), total(&ledger, "stored"));
    Ok(())
}

#[tokio::test]
async fn aarhus_week_keeps_its_zeros_and_loses_nothing() -> Result<()> {
    let Some(dir) = shared_data("aarhus_traffic") else { return Ok(()) };
    let file = dir.join("traffic_449sensors_2014-08-05_week.csv.xz");
    let (rows, distinct) = aarhus_rows(&file)?;
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &event_clock())?;
    let path = file.to_str().context("path")?;
    let args = ["replay", "aarhus", "--file", path, "--target", &ioc.mqtt_url(), "--speed", "max"];
    simulate(&args).await?;
    let api = Api::sign_in(&ioc).await?;
    let ledger = api.ledger_at_rest(Duration::from_secs(120)).await?;
    assert_conserved(&ledger);
    assert_eq!(heard(&ledger, "received"), rows, "{ledger}");
    assert_eq!(total(&ledger, "quarantined"), 0, "{ledger}");
    // Rows that repeat a reading to the letter are one reading; all others are kept.
    assert_eq!(heard(&ledger, "accepted"), distinct, "{ledger}");
    assert_eq!(heard(&ledger, "stored"), distinct, "{ledger}");
    // What the derived rules computed is counted at a door of its own.
    assert!(total(&ledger, "stored") > distinct, "{ledger}");
    println!("aarhus ledger: {ledger}");
    Ok(())
}

#[tokio::test]
async fn uci_loses_only_the_hours_without_any_value() -> Result<()> {
    let Some(dir) = shared_data("air_quality_uci") else { return Ok(()) };
    let text = std::fs::read_to_string(dir.join("AirQualityUCI_no_datetime.csv"))?;
    let (mut whole, mut partly, mut none, mut codes) = (0, 0, 0, 0);
    for line in text.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(str::parse).collect::<Result<_, _>>()?;
        // CO(GT), NO2(GT), T, RH: what the replay sends.
        let sent = [cells[0], cells[7], cells[10], cells[11]];
        let missing = sent.iter().filter(|v| **v == -200.0).count() as u64;
        match missing {
            0 => whole += 1,
            4 => none += 1,
            _ => (partly, codes) = (partly + 1, codes + missing),
        }
    }
    assert_eq!((whole, partly, none), (6_941, 2_385, 31), "of 9,357 hours");
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &event_clock())?;
    simulate(&["replay", "uci", "--target", &ioc.mqtt_url(), "--speed", "max"]).await?;
    let api = Api::sign_in(&ioc).await?;
    let ledger = api.ledger_at_rest(Duration::from_secs(60)).await?;
    assert_conserved(&ledger);
    assert_eq!(total(&ledger, "received"), whole + partly + none, "{ledger}");
    assert_eq!(total(&ledger, "quarantined"), none, "{ledger}");
    assert_eq!(total(&ledger, "accepted"), whole + partly, "{ledger}");
    assert_eq!(total(&ledger, "partly"), partly, "{ledger}");
    assert_eq!(total(&ledger, "records"), whole + 2 * partly, "{ledger}");
    assert_eq!(total(&ledger, "stored"), whole + 2 * partly, "{ledger}");
    assert_eq!(total(&ledger, "evaluated"), whole + 2 * partly, "{ledger}");
    let mut kept = 0;
    for property in ["co", "no2", "temperature", "humidity"] {
        let points =
            api.history("uci-multisensor", property, 1_078_000_000_000, 1_120_000_000_000).await?;
        kept += points.iter().filter(|p| p.1 == -200.0).count() as u64;
    }
    assert_eq!(kept, codes, "the codes are in history as they were sent");
    Ok(())
}

/// Rows of the recording, and how many differ in (time, sensor, count, speed).
fn aarhus_rows(file: &std::path::Path) -> Result<(u64, u64)> {
    let out = std::process::Command::new("xzcat").arg(file).output()?;
    let text = String::from_utf8(out.stdout)?;
    let mut distinct = HashSet::new();
    let mut rows = 0;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        distinct.insert((
            cells[0].to_owned(),
            cells[1].to_owned(),
            cells[2].to_owned(),
            cells[3].to_owned(),
        ));
        rows += 1;
    }
    Ok((rows, distinct.len() as u64))
}

/// A count over the doors that devices use.
fn heard(ledger: &serde_json::Value, key: &str) -> u64 {
    let sources = ledger["sources"].as_array().into_iter().flatten();
    let devices = sources.filter(|s| s["source"] != "derived");
    devices.filter_map(|s| s[key].as_u64()).sum()
}
