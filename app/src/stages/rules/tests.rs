//! The stage with a real journal, register and versions, killed and taken up again.

use ioc_alerts::RegisterParts;
use ioc_alerts::policy::Policy;
use ioc_journal::{Journal, JournalConfig};
use ioc_model::{AlertFilter, AlertStore, Body, Quality, Record, Scope, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::*;
use crate::rulebook::{self, Loader, NewVersion, RuleFiles};
use crate::stages::{EntryCodec, wall};

const T0: i64 = 1_761_588_000_000;
const SECONDS: i64 = 75;

const KEEP: &str = "
  - id: keep
    kind: threshold
    service: rain_flood
    name: { vi: k, en: k }
    property: flood_depth
    for: 60s
    levels:
      - { severity: major, raise: '>= 0.5', clear: '< 0.4' }
    message: { vi: k, en: k }
  - id: park
    kind: derived
    service: bus_parking
    name: { vi: p, en: p }
    index: occupancy
    output: parking_occupancy
    message: { vi: p, en: p }
";

fn flood(id: &str, limit: f64) -> String {
    format!(
        "  - id: {id}\n    kind: threshold\n    service: rain_flood\n    name: {{ vi: g, en: g }}\n    \
         property: flood_depth\n    levels:\n      - {{ severity: minor, raise: '>= {limit}', clear: \
         '< {limit}' }}\n    message: {{ vi: g, en: g }}\n"
    )
}

/// Before: `keep` and `goes`. After: `keep` and `comes`.
fn texts() -> [String; 2] {
    [("goes", 0.1), ("comes", 0.3)].map(|(id, limit)| format!("rules:{KEEP}{}", flood(id, limit)))
}

struct World {
    dir: tempfile::TempDir,
    journal: EntryJournal,
    register: Arc<Register>,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
    view: Arc<RulesView>,
    every: Duration,
    text: String,
    /// The stage has a runtime of its own, so that a kill leaves no work behind.
    running: Option<(Runtime, mpsc::Sender<Request>, Arc<Loader>)>,
}

impl World {
    fn new(every: Duration) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = JournalConfig { dir: dir.path().join("journal"), ..JournalConfig::default() };
        let (journal, writer, _) = Journal::open(config, EntryCodec).expect("opens");
        tokio::task::spawn_blocking(move || writer.run());
        let (files, city) = rulebook::tests::base();
        let policy = Policy::load(&files, &city).expect("defaults");
        let parts = RegisterParts { city, policy: Arc::new(policy), listener: Arc::new(|_| {}) };
        let register = Register::open(&dir.path().join("alerts.sqlite"), parts);
        let [text, _] = texts();
        let mut world = Self {
            dir,
            journal,
            register: Arc::new(register.expect("opens")),
            ledger: Arc::default(),
            progress: Arc::default(),
            view: Arc::default(),
            every,
            text,
            running: None,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let (mut files, city) = rulebook::tests::base();
        files.0.insert("rules/t.yaml".into(), self.text.clone());
        let path = self.dir.path().join("rules/versions.sqlite");
        let mut start = rulebook::start(&path, &files, &city).expect("good rules");
        let (tx, rx) = mpsc::channel(REQUESTS);
        let links = RulesLinks {
            checkpoint: self.dir.path().join("rules.checkpoint"),
            checkpoint_every: self.every,
            register: Arc::clone(&self.register),
            journal: self.journal.clone(),
            ledger: Arc::clone(&self.ledger),
            live: Arc::new(Live::new(&city, Vec::new())),
            progress: Arc::clone(&self.progress),
            view: Arc::clone(&self.view),
        };
        let stage = RulesStage::open(&mut start, EngineConfig::default(), rx, links);
        let stage = stage.expect("opens");
        self.progress.rules.store(0, Relaxed);
        let from = self.journal.stats().next;
        let runtime = Runtime::new().expect("threads");
        runtime.spawn(async move {
            if let Err(e) = stage.run(from).await {
                eprintln!("the stage failed: {e:#}");
            }
        });
        self.running = Some((runtime, tx, start.loader));
    }

    async fn kill(&mut self) {
        if let Some((runtime, ..)) = self.running.take() {
            let end = move || runtime.shutdown_timeout(Duration::from_secs(10));
            tokio::task::spawn_blocking(end).await.expect("ends");
        }
    }

    async fn append(&self, entry: Entry) {
        let ticket = self.journal.append(vec![entry]).await.expect("room");
        ticket.await.expect("committed");
    }

    /// All entries there are, derived ones too, are judged.
    async fn judged(&self) {
        for _ in 0..2_000 {
            if self.progress.rules.load(Relaxed) >= self.journal.stats().next {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the stage does not get on");
    }

    async fn adopt(&mut self) {
        let [_, text] = texts();
        self.text = text;
        let (mut all, _) = rulebook::tests::base();
        all.0.insert("rules/t.yaml".into(), self.text.clone());
        all.0.retain(|path, _| path == "thresholds.yaml" || path.starts_with("rules/"));
        let files: RuleFiles = all.0;
        let (_, tx, loader) = self.running.as_ref().expect("runs");
        let set = loader.load(&files).expect("good rules");
        let new = NewVersion {
            parent: Some(1),
            at: wall(),
            author: "lan".into(),
            note: None,
            change: Default::default(),
            trial: None,
            files,
        };
        let (reply, answer) = oneshot::channel();
        let ask = Request::Adopt { new: Box::new(new), set, reply };
        tx.send(ask).await.map_err(drop).expect("listens");
        let (number, _) = answer.await.expect("answers").expect("durable");
        assert_eq!((number, self.view.running().version), (2, 2));
    }

    /// What the register says: rule, raised, cleared, lines of its history.
    fn alerts(&self) -> Vec<(String, i64, Option<i64>, usize)> {
        let filter = AlertFilter { limit: 1_000, ..AlertFilter::of(Scope::city()) };
        let (rows, _) = self.register.list(&filter).expect("reads");
        let line = |r: &ioc_model::AlertRow| {
            let audit = self.register.audit(&r.id).expect("reads").len();
            let since = |t: Timestamp| (t.0 - T0) / 1_000;
            (r.rule.to_string(), since(r.raised_at), r.cleared_at.map(since), audit)
        };
        let mut alerts: Vec<_> = rows.iter().map(line).collect();
        alerts.sort();
        alerts
    }

    /// Times and values of the computed records in the journal.
    async fn computed(&self) -> Vec<(i64, f64)> {
        let mut reader = self.journal.reader("test", 0);
        let mut found = Vec::new();
        while reader.position() < self.journal.stats().next {
            let batch = reader.next().await.expect("reads").expect("some");
            for entry in &batch.entries {
                let Entry::Record(r) = entry else { continue };
                let Body::Observation { values, .. } = &r.body else { continue };
                if r.derived {
                    assert_eq!(&*values[0].0, "parking_occupancy");
                    found.push(((r.time.0 - T0) / 1_000, values[0].1.round()));
                }
            }
        }
        found.sort_by_key(|(t, _)| *t);
        found
    }
}

impl Drop for World {
    /// Ends the writer, for which the runtime waits.
    fn drop(&mut self) {
        self.journal.close();
        if let Some((runtime, ..)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

fn reading(second: i64, device: &str, service: &str, values: &[(&str, f64)]) -> Entry {
    Entry::Record(Record {
        device: device.into(),
        area: "hai_chau".into(),
        service: service.into(),
        // No door of this process.
        source: 9,
        time: Timestamp(T0 + second * 1_000),
        received: Timestamp(T0 + second * 1_000),
        seq: None,
        clock_clamped: false,
        derived: false,
        body: Body::Observation {
            quality: Quality::Good,
            values: values.iter().map(|(p, v)| ((*p).into(), *v)).collect(),
        },
    })
}

/// A minute and a quarter; the rules are exchanged after second 30. Killed after these seconds,
/// and right after the exchange if `at_exchange`.
async fn play(kills: &[i64], at_exchange: bool, every: Duration) -> World {
    let mut world = World::new(every);
    for second in 0..SECONDS {
        world.append(Entry::Tick(Timestamp(T0 + second * 1_000))).await;
        if second == 1 || second == 40 {
            world.append(reading(second, "tower-x", "rain_flood", &[("flood_depth", 0.6)])).await;
        }
        if second % 10 == 5 {
            let values = [("parking_total", 100.0), ("parking_free", second as f64)];
            world.append(reading(second, "car-park-x", "bus_parking", &values)).await;
        }
        if second == 30 {
            world.judged().await;
            world.adopt().await;
            if at_exchange {
                world.kill().await;
                world.start();
            }
        }
        if kills.contains(&second) {
            world.judged().await;
            world.kill().await;
            world.start();
        }
    }
    world.judged().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_rules_keeps_running_timers_and_returns_alerts_of_rules_that_went() {
    let world = play(&[], false, CHECKPOINT_EVERY).await;
    let expected = [
        ("comes".to_owned(), 40, None, 1),
        ("goes".to_owned(), 1, Some(30), 2),
        // Its minute began at second 1, before the exchange.
        ("keep".to_owned(), 61, None, 1),
    ];
    assert_eq!(world.alerts(), expected);
    let computed: Vec<(i64, f64)> = (0..7).map(|n| (n * 10 + 5, 95.0 - 10.0 * n as f64)).collect();
    assert_eq!(world.computed().await, computed);
    let ledger = world.ledger.snapshot();
    let door = ledger.sources.iter().find(|s| s.source == "derived").expect("a door");
    assert_eq!((door.received, door.accepted, door.records, door.evaluated), (7, 7, 7, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_anywhere_the_same_alerts_and_each_computed_value_once() {
    let calm = play(&[], false, CHECKPOINT_EVERY).await;
    let (alerts, computed) = (calm.alerts(), calm.computed().await);
    // Checkpoints after each batch, and none at all: then everything is judged again.
    for every in [Duration::ZERO, Duration::from_secs(3_600)] {
        for kills in [&[0, 15, 29, 30][..], &[31, 41], &[5, 25, 60, 61, 70]] {
            let world = play(kills, true, every).await;
            assert_eq!(world.alerts(), alerts, "{kills:?} {every:?}");
            assert_eq!(world.computed().await, computed, "{kills:?} {every:?}");
            assert_eq!(world.view.running().version, 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_changed_while_nothing_ran_hold_from_the_journals_end() {
    let mut world = play(&[], false, CHECKPOINT_EVERY).await;
    world.kill().await;
    let end = world.journal.stats().next;
    [world.text, _] = texts();
    world.start();
    world.append(reading(SECONDS, "tower-y", "rain_flood", &[("flood_depth", 0.2)])).await;
    world.judged().await;
    let running = world.view.running();
    assert_eq!((running.version, running.position), (3, end));
    let goes: Vec<_> = world.alerts().into_iter().filter(|a| a.0 == "goes").collect();
    assert_eq!(goes.len(), 2, "the old one, and one of the reading after the end: {goes:?}");
}
