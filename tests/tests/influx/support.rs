//! Readings to store, and what must be found afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ioc_history::{InfluxConfig, InfluxStore};
use ioc_model::line::nanos;
use ioc_model::{
    Body, Entry, HistoryStore, Ledger, Quality, Record, SourceCounters, Timestamp, Values,
};
use ioc_tests::influx_fake::line::Field;
use ioc_tests::influx_fake::{InfluxFake, TOKEN};
pub use ioc_tests::now_ms;
use tempfile::TempDir;

pub const LIMIT: Duration = Duration::from_secs(20);

/// A store on a fake, in a folder of its own.
pub struct Setup {
    pub fake: InfluxFake,
    pub folder: TempDir,
    pub ledger: Arc<Ledger>,
    pub door: Arc<SourceCounters>,
    pub config: InfluxConfig,
}

impl Setup {
    pub async fn new() -> Self {
        let fake = InfluxFake::start().await.expect("fake starts");
        let folder = tempfile::tempdir().expect("folder");
        let token = folder.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).expect("token file");
        let ledger = Arc::<Ledger>::default();
        let (_, door) = ledger.source("gateway");
        let config = InfluxConfig {
            url: fake.url(),
            token_file: Some(token),
            batch_age_ms: 20,
            timeout_ms: 400,
            backoff_min_ms: 10,
            backoff_max_ms: 200,
            probe_interval_ms: 50,
            ..InfluxConfig::default()
        };
        Self { fake, folder, ledger, door, config }
    }

    pub async fn open(&self) -> InfluxStore {
        let ledger = Arc::clone(&self.ledger);
        InfluxStore::open(self.folder.path(), self.config.clone(), ledger, 0)
            .await
            .expect("store opens")
    }

    /// (stored, dead-lettered) records of the ledger.
    pub fn counted(&self) -> (u64, u64) {
        (self.door.stored.load(Relaxed), self.door.dead_lettered.load(Relaxed))
    }

    /// Times of the attempts at the same lines, for each lane that sends.
    pub fn attempts_by_lane(&self) -> Vec<Vec<Instant>> {
        let mut lanes: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        for w in &self.fake.world().log {
            lanes.entry(w.first.clone()).or_default().push(w.at);
        }
        lanes.into_values().collect()
    }

    /// The bucket holds exactly the points of `entries`, each once.
    pub fn assert_stored<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let mut expect = BTreeMap::new();
        for entry in entries {
            let Entry::Record(r) = entry else { continue };
            let ns = nanos(r).expect("a time of today");
            r.for_each_point(|property, value, quality| {
                let key = (r.service.to_string(), r.device.to_string(), property.to_string(), ns);
                let same = expect.insert(key, (value, quality as i64));
                assert!(same.is_none(), "the test's readings differ");
            });
        }
        let mut got = BTreeMap::new();
        for (series, ns, fields) in self.fake.points("ioc") {
            let tag = |k: &str| series.tags[k].clone();
            assert_eq!(series.tags.len(), 3, "area, device, property");
            let (Field::Float(value), Field::Integer(quality)) =
                (&fields["value"], &fields["quality"])
            else {
                unreachable!("fields have the types of the contract: {fields:?}");
            };
            let key = (series.measurement.clone(), tag("device"), tag("property"), ns);
            got.insert(key, (*value, *quality));
        }
        let missing = expect.iter().find(|(k, v)| got.get(*k) != Some(*v));
        let extra = got.keys().find(|k| !expect.contains_key(*k));
        assert!(missing.is_none() && extra.is_none(), "missing {missing:?}, extra {extra:?}");
    }
}

/// `n` readings of ten devices from `first` on, one a millisecond.
pub fn readings(first: usize, n: usize) -> Vec<Entry> {
    let begin = now_ms() - 60_000;
    (first..first + n)
        .map(|i| reading("air", &format!("st-{}", i % 10), begin + i as i64, i as f64))
        .collect()
}

pub fn reading(service: &str, device: &str, time: i64, value: f64) -> Entry {
    let mut values = Values::new();
    values.push(("pm25".into(), value));
    Entry::Record(Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: service.into(),
        source: 0,
        time: Timestamp(time),
        received: Timestamp(time),
        seq: None,
        clock_clamped: false,
        derived: false,
        body: Body::Observation { quality: Quality::Good, values },
    })
}

/// Flushes until the cursor is at `end`, as the application does.
pub async fn flush_to(store: &InfluxStore, end: u64) {
    ioc_tests::wait_until("history cursor", LIMIT, async || {
        let at = store.flush(ioc_model::Flush::All).await?;
        Ok((at >= end).then_some(()))
    })
    .await
    .expect("everything gets an answer");
    assert_eq!(store.cursor().await.expect("cursor"), end);
}
