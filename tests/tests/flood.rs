//! The flood of October 2025: báo động I, II and III are raised and cleared at exactly the
//! readings that cross them, at any replay speed, with the same alert ids each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use ioc_tests::feeds::{FLOOD_LEVELS, Level, flood};
use ioc_tests::process::shared_data;
use ioc_tests::{Api, Ioc, IocOptions, simulate};

/// One step of a station's alarm: event time (ms), what happened, class after it.
type Step = (i64, String, usize);

/// What must come of the readings, worked out here from the levels alone.
fn expected(readings: &[Level]) -> BTreeMap<String, Vec<Step>> {
    let mut class: BTreeMap<&str, usize> = BTreeMap::new();
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for r in readings {
        let before = class.insert(r.device, r.class).unwrap_or(0);
        let action = match (before, r.class) {
            (a, b) if a == b => continue,
            (0, _) => "raise",
            (_, 0) => "clear",
            _ => "severity",
        };
        steps.entry(r.device.into()).or_default().push((r.time.0, action.into(), r.class));
    }
    steps
}

/// Replays a file into a fresh `ioc` and gives what its register says: ids, and steps by station.
async fn replay(file: &Path, speed: &str) -> Result<(Vec<String>, BTreeMap<String, Vec<Step>>)> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions { event_clock: true, ..IocOptions::default() })?;
    let file = file.to_str().context("path")?;
    simulate(&["replay", "flood", "--file", file, "--target", &ioc.mqtt_url(), "--speed", speed])
        .await?;
    let api = Api::sign_in(&ioc).await?;
    api.ledger_at_rest(Duration::from_secs(20)).await?;
    let mut ids = Vec::new();
    let mut steps: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for alert in api.alerts().await? {
        if alert["rule"] != "river.flood" {
            continue;
        }
        let id = alert["id"].as_str().context("id")?;
        ids.push(id.to_owned());
        let detail = api.get(&format!("/api/v1/alerts/{id}")).await?;
        for line in detail["audit"].as_array().context("audit")? {
            // What happens to an alert by itself (due times, chains) is not the rule's saying.
            if line["actor"] != "rule:river.flood" {
                continue;
            }
            let action = line["action"].as_str().context("action")?;
            let class = match (action, line["severity"].as_str()) {
                ("clear", _) => 0,
                (_, Some("minor")) => 1,
                (_, Some("major")) => 2,
                (_, Some("critical")) => 3,
                other => anyhow::bail!("unexpected audit line {other:?}"),
            };
            let at = line["at"].as_i64().context("at")?;
            let device = alert["device"].as_str().context("device")?;
            steps.entry(device.into()).or_default().push((at, action.into(), class));
        }
    }
    ids.sort();
    steps.values_mut().for_each(|s| s.sort());
    Ok((ids, steps))
}

/// The recorded rise, begun from calm water and followed by its own mirror image, so that every
/// station also falls through every level. The fall is made up, and only a test.
fn rise_and_fall(dir: &Path, recorded: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(recorded)?;
    let mut lines = text.lines();
    let header = lines.next().context("empty")?;
    let rows: Vec<&str> = lines.filter(|l| !l.trim().is_empty()).collect();
    let columns: Vec<&str> = header.split(',').skip(1).collect();
    let at_fraction = |f: f64, level: usize| -> Result<String> {
        let cells: Result<Vec<String>> = columns
            .iter()
            .map(|c| {
                let (_, _, limits) =
                    FLOOD_LEVELS.iter().find(|(name, ..)| name == c).context("column")?;
                Ok(format!("{:.3}", limits[level] * f))
            })
            .collect();
        Ok(cells?.join(","))
    };
    let mut out = format!("{header}\n");
    // Up through every level: below I, exactly I, just below II, exactly II, exactly III.
    let mut hour = 0;
    let mut stamp = |day: u32| {
        hour += 1;
        format!("2025-10-{day:02}T{hour:02}:00:00+07:00")
    };
    for (f, level) in [(0.5, 0), (1.0, 0), (0.999, 1), (1.0, 1), (1.0, 2)] {
        writeln!(out, "{},{}", stamp(27), at_fraction(f, level)?)?;
    }
    for row in &rows {
        writeln!(out, "{row}")?;
    }
    let mut hour = 0;
    for row in rows.iter().rev() {
        hour += 1;
        let cells = row.split_once(',').context("row")?.1;
        writeln!(out, "2025-10-31T{hour:02}:00:00+07:00,{cells}")?;
    }
    for (f, level) in [(0.999, 2), (1.0, 1), (0.999, 1), (1.0, 0), (0.999, 0)] {
        hour += 1;
        writeln!(out, "2025-10-31T{hour:02}:00:00+07:00,{}", at_fraction(f, level)?)?;
    }
    let path = dir.join("flood_rise_and_fall.csv");
    std::fs::write(&path, out)?;
    Ok(path)
}

#[tokio::test]
async fn recorded_levels_raise_at_exactly_the_readings_that_cross_at_any_speed() -> Result<()> {
    let Some(dir) = shared_data("danang_flood_2025") else { return Ok(()) };
    let file = dir.join("levels.csv");
    let wanted = expected(&flood(&file)?);
    assert_eq!(wanted.len(), 7, "every station reaches an alarm level in the recording");
    let (ids, steps) = replay(&file, "max").await?;
    assert_eq!(steps, wanted);
    // 48 h in about 6 s.
    let (again, steps) = replay(&file, "28800").await?;
    assert_eq!(steps, wanted);
    assert_eq!(ids, again, "the same episodes have the same ids");
    Ok(())
}

#[tokio::test]
async fn rise_and_fall_raises_and_clears_every_level_of_every_station() -> Result<()> {
    let Some(dir) = shared_data("danang_flood_2025") else { return Ok(()) };
    let temp = tempfile::tempdir()?;
    let file = rise_and_fall(temp.path(), &dir.join("levels.csv"))?;
    let wanted = expected(&flood(&file)?);
    for (device, steps) in &wanted {
        let classes: Vec<usize> = steps.iter().map(|s| s.2).collect();
        assert!([1, 2, 3].iter().all(|c| classes.contains(c)), "{device} passes I, II and III");
        assert_eq!(classes.last(), Some(&0), "{device} ends below I");
    }
    let (ids, steps) = replay(&file, "max").await?;
    assert_eq!(steps, wanted);
    let (again, _) = replay(&file, "max").await?;
    assert_eq!(ids, again);
    Ok(())
}
