//! Exports of known values, read back.

use std::sync::Arc;

use ioc_model::{Point, Quality, SeriesKey, Text};
use proptest::prelude::*;

use super::*;
use crate::testing::{FakeStore, T0, ask, bytes, devices, key, point, sources, sources_with, text};
use crate::{Answer, Scope, Sources};

mod broken;
mod formats;
mod parquet;
mod readers;
mod resume;
mod scope;

/// Three series, one with two readings of one millisecond and all qualities.
fn store() -> FakeStore {
    let mut store = FakeStore::default()
        .with("air-1", "temperature", &[(0, 28.5), (60_000, -0.25)])
        .with("gauge-1", "water_level", &[(1, 1.25)]);
    let pm25 = [
        point(0, 35.1, Quality::Good),
        point(0, 35.2, Quality::Uncertain),
        point(1_500, 9_999.0, Quality::Bad),
        point(60_000, 1e-9, Quality::Good),
    ];
    store.put("air-1", "pm25", pm25.to_vec());
    store
}

/// The range of all of [`store`], and more parameters.
fn query(more: &str) -> String {
    format!("from={}&to={}&{more}", T0.0, T0.0 + 3_600_000)
}

async fn export(sources: &Sources, query: &str) -> Answer {
    answer(sources, &Scope::city(), &ask("", query)).await
}

async fn whole(sources: &Sources, query: &str) -> String {
    let answer = export(sources, query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    text(answer).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

fn quality(word: &str) -> Quality {
    match word {
        "good" => Quality::Good,
        "uncertain" => Quality::Uncertain,
        _ => Quality::Bad,
    }
}

fn kept(store: &FakeStore) -> Vec<(SeriesKey, Point)> {
    let all = store.series.iter();
    all.flat_map(|(k, points)| points.iter().map(|p| (k.clone(), *p))).collect()
}
