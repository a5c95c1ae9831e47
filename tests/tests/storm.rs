//! A storm day told in a minute: what the alarm load is, alert by alert and grouped, and that the
//! alarm system's own figures agree with the register.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use ioc_tests::{Api, Ioc, IocOptions, simulate, wait_until};
use serde_json::Value;

/// 27 October 2026, 00:00 in Đà Nẵng, ms.
const START_MS: i64 = 1_793_034_000_000;
const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_day_is_fewer_incidents_than_alerts_and_the_figures_agree() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions { event_clock: true, ..IocOptions::default() })?;
    let api = Api::sign_in(&ioc).await?;
    // From 06:00 to 16:00 it rains, streets and rivers rise and fall until 22:00.
    let target = ioc.mqtt_url();
    let args = "city --start 2026-10-27T00:00:00+07:00 --seconds 86399 --pace 1440 --seed 7 \
                --storm-after 21600 --storm-length 96 --max-interval 120 --target";
    let mut args: Vec<&str> = args.split_whitespace().collect();
    args.push(&target);
    simulate(&args).await?;
    let ledger = api.ledger_at_rest(Duration::from_secs(60)).await?;
    let sources = ledger["sources"].as_array().context("sources")?;
    let received: u64 = sources.iter().filter_map(|s| s["received"].as_u64()).sum();

    let alerts = api.alerts().await?;
    let raised: Vec<&Value> = alerts
        .iter()
        .filter(|a| {
            a["raised_at"].as_i64().is_some_and(|t| (START_MS..START_MS + DAY_MS).contains(&t))
        })
        .collect();
    assert!(raised.len() > 50, "a storm day raises alerts: {}", raised.len());
    let mut members: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in &raised {
        *members.entry(alert["incident"].as_str().context("no incident")?).or_default() += 1;
    }
    let incidents = incidents(&api).await?;
    let known: BTreeSet<&str> = incidents.iter().filter_map(|i| i["id"].as_str()).collect();
    for (id, n) in &members {
        assert!(known.contains(id), "incident {id} of {n} alerts is not listed");
    }
    for incident in &incidents {
        let of = incident["id"].as_str().and_then(|id| members.get(id));
        assert_eq!(incident["alerts"].as_u64(), of.map(|n| *n as u64), "{incident}");
    }
    assert!(members.len() * 2 < raised.len(), "{} of {}", members.len(), raised.len());

    // The report counts what the register holds.
    let path = format!("/api/v1/kpi?from={START_MS}&to={}&positions=1", START_MS + DAY_MS);
    let report =
        wait_until("the report", Duration::from_secs(20), async || Ok(Some(api.get(&path).await?)))
            .await?;
    assert_eq!(
        report["alarms"].as_u64().zip(report["held"].as_u64()).map(|(a, h)| a + h),
        Some(raised.len() as u64)
    );
    let periods = report["periods"].as_array().context("periods")?;
    assert_eq!(periods.len(), 144);
    let sum = |field: &str| periods.iter().filter_map(|p| p[field].as_u64()).sum::<u64>();
    let most = |field: &str| periods.iter().filter_map(|p| p[field].as_u64()).max().unwrap_or(0);
    assert_eq!(Some(sum("alarms")), report["alarms"].as_u64());
    assert_eq!(Some(sum("incidents")), report["incidents"].as_u64());
    let over = |field: &str| periods.iter().filter(|p| p[field].as_u64() > Some(10)).count();
    println!(
        "messages {}, alerts {} (held {}), incidents {}; per 10 min mean {:.2} -> {:.2}, most {} -> \
         {}, periods over 10: {} -> {}",
        received,
        report["alarms"],
        report["held"],
        report["incidents"],
        sum("alarms") as f64 / 144.0,
        sum("incidents") as f64 / 144.0,
        most("alarms"),
        most("incidents"),
        over("alarms"),
        over("incidents"),
    );
    for figure in report["figures"].as_array().context("figures")? {
        println!(
            "  {} {} {} ({})",
            figure["id"], figure["value"], figure["unit"], figure["verdict"]
        );
    }
    if let Ok(file) = std::env::var("IOC_STORM_REPORT") {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

async fn incidents(api: &Api) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut path = String::from("/api/v1/incidents?limit=500");
    loop {
        let page = api.get(&path).await?;
        all.extend(page["incidents"].as_array().context("incidents")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/incidents?limit=500&cursor={next}"),
            None => return Ok(all),
        }
    }
}
