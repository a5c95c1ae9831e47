//! Exports of a small store, broken off and gone on.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use ioc_history::{EmbeddedConfig, EmbeddedStore};
use ioc_model::{Body, Entry, Flush, HistoryStore, Ledger, Quality, Record, Timestamp, Values};

use super::*;
use crate::cli::{Cli, Command};

/// 2025-10-28T00:00:00+07:00.
const DAY: Timestamp = Timestamp(1_761_584_400_000);

/// A data folder with three days of two devices, every ten minutes.
fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("history.sqlite");
    let ledger = Arc::<Ledger>::default();
    ledger.source("test");
    let store = EmbeddedStore::open(&path, EmbeddedConfig::default(), ledger, 0).expect("opens");
    let entry = |n: i64, device: &str| {
        let mut values = Values::new();
        values.push(("pm25".into(), n as f64 / 10.0));
        Entry::Record(Record {
            device: device.into(),
            area: "hai_chau".into(),
            service: "environment".into(),
            source: 0,
            time: DAY.plus_ms(n * 600_000),
            received: DAY.plus_ms(n * 600_000),
            seq: None,
            clock_clamped: false,
            derived: false,
            body: Body::Observation { quality: Quality::Good, values },
        })
    };
    let entries: Vec<Entry> = (0..432).flat_map(|n| [entry(n, "air-1"), entry(n, "x-2")]).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        store.append(0, &entries).await.expect("takes");
        store.flush(Flush::All).await.expect("writes");
    });
    dir
}

fn history(data: &Path, line: &str) -> anyhow::Result<()> {
    let data = data.display().to_string();
    let words = ["ioc", "history", "--data", &data].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words)?.command {
        Command::History(args) => command(&args),
        _ => Ok(()),
    }
}

const RANGE: &str = "--from 2025-10-28 --to 2025-10-31";

#[test]
fn a_torn_file_becomes_what_one_run_makes() {
    let data = data();
    let out = |name: &str| data.path().join(name);
    for ending in ["csv", "geojson", "lp"] {
        let (whole, torn) = (out(&format!("whole.{ending}")), out(&format!("torn.{ending}")));
        let run = |file: &Path, more: &str| {
            history(data.path(), &format!("export --out {} {more}", file.display()))
        };
        run(&whole, RANGE).expect("exports");
        let bytes = std::fs::read(&whole).expect("written");
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count() / 10, 86, "{ending}");
        run(&torn, RANGE).expect("exports");
        // What a broken run leaves: a part, and what was asked for.
        let part = crate::history::export::beside(&torn, ".part");
        let query = crate::history::export::beside(&torn, ".part.query");
        for cut in [0, 10, 200, bytes.len() / 2, bytes.len() - 1] {
            std::fs::remove_file(&torn).expect("was there");
            std::fs::write(&part, &bytes[..cut]).expect("writable");
            let asked = format!("format={ending}&from={}&to={}", DAY.0, DAY.0 + 3 * 86_400_000);
            let lang = if Language::choose(None) == Language::En { "&lang=en" } else { "" };
            std::fs::write(&query, asked + lang).expect("writable");
            run(&torn, "--resume").expect("goes on");
            assert_eq!(std::fs::read(&torn).expect("whole"), bytes, "{ending} cut at {cut}");
            assert!(!part.exists() && !query.exists());
        }
        std::fs::write(&torn, "whole").expect("writable");
        run(&torn, "--resume").expect("nothing to do");
        assert_eq!(std::fs::read(&torn).expect("there"), b"whole");
    }
}

#[test]
fn a_folder_gets_a_file_for_each_day_and_keeps_those_it_has() {
    let data = data();
    let days = data.path().join("days");
    let run = |more: &str| {
        history(data.path(), &format!("export --format parquet --out {} {more}", days.display()))
    };
    let names = || {
        let all = std::fs::read_dir(&days).expect("a folder");
        let mut all: Vec<String> =
            all.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        all.sort();
        all
    };
    run("--from 2025-10-28T12:00 --to 2025-10-29T12:00").expect("exports");
    assert_eq!(
        names(),
        ["export.query", "ioc-2025-10-28.parquet", "ioc-2025-10-29.parquet"],
        "whole days"
    );
    let first = days.join("ioc-2025-10-28.parquet");
    assert!(std::fs::read(&first).expect("a file").ends_with(b"PAR1"));
    std::fs::write(&first, "kept").expect("writable");
    run("--resume --to 2025-10-31").expect("goes on");
    assert_eq!(names().len(), 4);
    assert_eq!(std::fs::read(&first).expect("a file"), b"kept");
    let other = run(&format!("{RANGE} --device x-2")).expect_err("another selection");
    assert!(other.is::<Misuse>(), "{other}");
    let none = run("--from 2090-01-01 --to 2090-01-05").expect_err("not over");
    assert!(none.is::<Misuse>(), "{none}");
}

#[test]
fn windows_of_days_are_those_of_the_city() {
    let data = data();
    let out = data.path().join("days.csv");
    let line = format!("export --out {} {RANGE} --step 1d --agg count,max", out.display());
    history(data.path(), &line).expect("exports");
    let csv = std::fs::read_to_string(&out).expect("written");
    let rows: Vec<&str> = csv.lines().skip(1).filter(|l| l.starts_with("x-2,")).collect();
    assert_eq!(rows.len(), 3, "{csv}");
    assert!(rows[0].ends_with(",2025-10-28T00:00:00.000+07:00,14.3,144,good"), "{csv}");
}

#[test]
fn what_is_not_there_is_misuse_and_damage_is_failure() {
    let data = data();
    let misuse = |line: &str| {
        let error = history(data.path(), line).expect_err(line);
        assert!(error.is::<Misuse>(), "{line}: {error}");
    };
    let out = data.path().join("x.csv").display().to_string();
    misuse(&format!("export --out {out} {RANGE} --device nobody"));
    misuse(&format!("export --out {out} --from tomorrow"));
    misuse(&format!("export --out {out} --step 1h --agg median"));
    let empty = tempfile::tempdir().expect("a folder");
    assert!(history(empty.path(), "stats").expect_err("no file").is::<Misuse>());
    assert!(history(data.path(), "stats").is_ok());
    assert!(history(data.path(), "verify").is_ok());
    assert!(history(data.path(), "compact").is_ok());
    // The first byte of a block.
    let path = data.path().join("history.sqlite");
    let conn = rusqlite::Connection::open(&path).expect("opens");
    let changed = conn
        .execute("UPDATE tail SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE slot = 0", [])
        .expect("updates");
    assert_eq!(changed, 1);
    drop(conn);
    let error = history(data.path(), "verify").expect_err("damaged");
    assert!(error.is::<Damaged>(), "{error}");
}
