mod again;
mod time;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use ioc_model::{
    Entry, Ledger, Private, QuarantineReason, QuarantineStore, Record, Seal, Sealed, Timestamp,
};
use tempfile::TempDir;

use super::{Intake, IntakeConfig, Outcome, RecordSink, SourceHandle};
use crate::access::Client;
use crate::decode::Incoming;
use crate::decode::shared_data::{RECEIVED, city, decoders};
use crate::error::{IngestError, SinkError};
use crate::quarantine::{Quarantine, QuarantineConfig};

static CLIENT: LazyLock<Client> = LazyLock::new(|| Client::trusted("test"));

type Commit = oneshot::Sender<Result<(), SinkError>>;

/// A sink whose room and commits the test holds in its hand.
#[derive(Default)]
struct HeldSink {
    taken: Mutex<Vec<Record>>,
    commits: Mutex<Vec<Commit>>,
    full: AtomicBool,
    closed: AtomicBool,
    room: tokio::sync::Notify,
}

impl HeldSink {
    fn commit(&self, end: Result<(), SinkError>) {
        for commit in self.commits.lock().expect("lock").drain(..) {
            let _ = commit.send(end.clone());
        }
    }

    fn taken(&self) -> usize {
        self.taken.lock().expect("lock").len()
    }
}

#[async_trait]
impl RecordSink for HeldSink {
    async fn append(
        &self,
        entries: Vec<Entry>,
    ) -> Result<BoxFuture<'static, Result<(), SinkError>>, SinkError> {
        while self.full.load(SeqCst) {
            self.room.notified().await;
        }
        if self.closed.load(SeqCst) {
            return Err(SinkError::Closed);
        }
        let records = entries.into_iter().map(|e| match e {
            Entry::Record(r) => r,
            Entry::Tick(t) => unreachable!("the intake writes no tick {t}"),
        });
        self.taken.lock().expect("lock").extend(records);
        let (commit, committed) = oneshot::channel();
        self.commits.lock().expect("lock").push(commit);
        Ok(committed.map(|r| r.unwrap_or(Err(SinkError::Closed))).boxed())
    }
}

struct Rig {
    sink: Arc<HeldSink>,
    ledger: Arc<Ledger>,
    quarantine: Arc<Quarantine>,
    intake: Intake,
    door: SourceHandle,
    _folder: TempDir,
}

fn rig(config: IntakeConfig) -> Rig {
    let folder = TempDir::new().expect("folder");
    let file = folder.path().join("quarantine.sqlite");
    let quarantine = Quarantine::open(&file, QuarantineConfig::default()).expect("opens");
    let quarantine = Arc::new(quarantine);
    let (sink, ledger) = (Arc::<HeldSink>::default(), Arc::<Ledger>::default());
    let intake = Intake::new(
        config,
        city(),
        Arc::clone(&ledger),
        decoders("{}"),
        Arc::clone(&sink) as Arc<dyn RecordSink>,
        Arc::clone(&quarantine),
    );
    let door = intake.source("gateway");
    Rig { sink, ledger, quarantine, intake, door, _folder: folder }
}

const TOPIC: &str = "ioc/v1/hai_chau/air/air-1/obs";

fn obs(seq: u64) -> String {
    format!(r#"{{"time":{},"seq":{seq},"values":{{"pm25":35.1}}}}"#, RECEIVED.0)
}

fn message<'a>(topic: &'a str, payload: &'a str) -> Incoming<'a> {
    Incoming { topic, payload: payload.as_bytes(), retain: false, received: RECEIVED }
}

impl Rig {
    /// `received accepted quarantined duplicate shed records difference`.
    fn counts(&self) -> [i64; 7] {
        let s = self.ledger.snapshot().sources.remove(0);
        let n = [s.received, s.accepted, s.quarantined, s.duplicate, s.shed, s.records];
        let [a, b, c, d, e, f] = n.map(|n| n as i64);
        [a, b, c, d, e, f, s.difference]
    }
}

#[tokio::test]
async fn a_submission_is_durable_when_records_and_refusals_are_on_disk() {
    let r = rig(IntakeConfig::default());
    let (one, two) = (obs(1), obs(2));
    let messages =
        [message(TOPIC, &one), message(TOPIC, "{"), message(TOPIC, &two), message(TOPIC, &one)];
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    assert_eq!(submitted.outcomes[0], Outcome::Accepted);
    assert!(matches!(
        submitted.outcomes[1],
        Outcome::Quarantined { reason: QuarantineReason::Malformed, .. }
    ));
    assert_eq!(submitted.outcomes[2..], [Outcome::Accepted, Outcome::Duplicate]);
    let mut durable = submitted.durable;
    assert!((&mut durable).now_or_never().is_none(), "nothing is committed yet");
    r.sink.commit(Ok(()));
    durable.await.expect("durable");
    assert_eq!(r.quarantine.newest(Some("air-1"), 9).expect("readable").len(), 1);
    assert_eq!(r.counts(), [4, 2, 1, 1, 0, 2, 0]);
    assert_eq!(r.intake.core.lock().in_flight.len(), 0);
}

#[tokio::test]
async fn a_duplicate_waits_for_the_commit_of_its_first_delivery() {
    let r = rig(IntakeConfig::default());
    let payload = obs(1);
    let first = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    // The device's connection breaks: nobody polls the first delivery any more.
    drop(first);
    let again = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    assert_eq!(again.outcomes, [Outcome::Duplicate]);
    let mut durable = again.durable;
    assert!((&mut durable).now_or_never().is_none(), "the first delivery is not committed");
    r.sink.commit(Ok(()));
    durable.await.expect("durable");
    let late = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    late.durable.now_or_never().expect("committed long ago").expect("durable");
    assert_eq!((r.sink.taken(), r.counts()), (1, [3, 1, 0, 2, 0, 1, 0]));
}

#[tokio::test]
async fn a_failed_commit_forgets_its_keys_and_fails_its_duplicates() {
    let r = rig(IntakeConfig::default());
    let payload = obs(1);
    let first = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    let again = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    r.sink.commit(Err(SinkError::Closed));
    assert!(matches!(again.durable.await, Err(IngestError::FirstDelivery)));
    assert!(matches!(first.durable.await, Err(IngestError::Sink(SinkError::Closed))));
    assert_eq!(r.counts(), [2, 0, 0, 1, 1, 0, 0]);
    let third = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    assert_eq!(third.outcomes, [Outcome::Accepted], "the redelivery is new again");
    r.sink.commit(Ok(()));
    third.durable.await.expect("durable");
    assert_eq!(r.counts(), [3, 1, 0, 1, 1, 1, 0]);
}

#[tokio::test]
async fn a_full_sink_makes_the_door_wait_and_a_door_that_leaves_gives_up_cleanly() {
    let r = rig(IntakeConfig::default());
    let payload = obs(1);
    let messages = [message(TOPIC, &payload)];
    r.sink.full.store(true, SeqCst);
    let mut waiting = Box::pin(r.intake.submit(&r.door, &CLIENT, &messages));
    assert!((&mut waiting).now_or_never().is_none(), "there is no room");
    let again =
        r.intake.submit(&r.door, &CLIENT, &messages).await.expect("a duplicate needs no room");
    assert_eq!(again.outcomes, [Outcome::Duplicate]);
    drop(waiting);
    assert!(matches!(again.durable.await, Err(IngestError::FirstDelivery)));
    assert_eq!(r.counts(), [2, 0, 0, 1, 1, 0, 0]);

    r.sink.full.store(false, SeqCst);
    let third = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    assert_eq!(third.outcomes, [Outcome::Accepted]);
}

#[tokio::test]
async fn a_duplicate_of_a_waiting_message_is_durable_with_it() {
    let r = rig(IntakeConfig::default());
    let payload = obs(1);
    let messages = [message(TOPIC, &payload)];
    r.sink.full.store(true, SeqCst);
    let mut waiting = Box::pin(r.intake.submit(&r.door, &CLIENT, &messages));
    assert!((&mut waiting).now_or_never().is_none());
    let mut again = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("duplicate").durable;
    r.sink.full.store(false, SeqCst);
    r.sink.room.notify_waiters();
    let first = waiting.await.expect("room");
    assert!((&mut again).now_or_never().is_none(), "taken, but not committed");
    r.sink.commit(Ok(()));
    again.await.expect("durable");
    first.durable.await.expect("durable");
    assert_eq!(r.counts(), [2, 1, 0, 1, 0, 1, 0]);
}

#[tokio::test]
async fn a_closed_sink_is_an_error_and_nothing_is_lost_from_the_books() {
    let r = rig(IntakeConfig::default());
    r.sink.closed.store(true, SeqCst);
    let payload = obs(1);
    let messages = [message(TOPIC, &payload), message(TOPIC, "{")];
    let error = r.intake.submit(&r.door, &CLIENT, &messages).await.err().expect("closed");
    assert!(!error.is_retryable());
    assert_eq!(r.counts(), [2, 0, 0, 0, 2, 0, 0]);
}

#[tokio::test]
async fn submissions_whose_door_left_are_swept_up() {
    let r = rig(IntakeConfig::default());
    for seq in 0..3_000 {
        drop(r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &obs(seq))]).await.expect("room"));
        r.sink.commit(Ok(()));
    }
    assert!(r.intake.core.lock().in_flight.len() <= 1_100);
    assert_eq!(r.counts(), [3_000, 3_000, 0, 0, 0, 3_000, 0]);
}

#[tokio::test]
async fn the_window_is_rebuilt_from_the_journal() {
    let r = rig(IntakeConfig::default());
    let payload = obs(1);
    let first = r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    r.sink.commit(Ok(()));
    first.durable.await.expect("durable");
    let record = r.sink.taken.lock().expect("lock").remove(0);

    let after_restart = rig(IntakeConfig::default());
    after_restart.intake.remember(&record);
    let again = after_restart
        .intake
        .submit(&after_restart.door, &CLIENT, &[message(TOPIC, &payload)])
        .await;
    let again = again.expect("room");
    assert_eq!(again.outcomes, [Outcome::Duplicate]);
    again.durable.now_or_never().expect("in the journal").expect("durable");
}

#[tokio::test]
async fn devices_beyond_the_limit_are_shed_and_known_ones_never() {
    let r = rig(IntakeConfig { max_devices: 2, ..IntakeConfig::default() });
    let payload = obs(1);
    let configured = city().devices.keys().next().expect("a device").to_string();
    let topics: Vec<String> = ["a", "b", "c", "a", &configured]
        .iter()
        .map(|d| format!("ioc/v1/hai_chau/air/{d}/obs"))
        .collect();
    let messages: Vec<_> = topics.iter().map(|t| message(t, &payload)).collect();
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    use Outcome::{Accepted, Duplicate, Shed};
    assert_eq!(submitted.outcomes, [Accepted, Accepted, Shed, Duplicate, Accepted]);
    assert_eq!(r.counts(), [5, 3, 0, 1, 1, 3, 0]);
}

#[tokio::test]
async fn clocks_that_run_ahead_are_set_to_the_time_of_arrival() {
    let ahead = |ms: i64| format!(r#"{{"time":{},"values":{{"pm25":35.1}}}}"#, RECEIVED.0 + ms);
    let check = async |limit: Option<i64>, ms: i64, expect: (Timestamp, bool)| {
        let r = rig(IntakeConfig { clock_limit_ms: limit, ..IntakeConfig::default() });
        r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &ahead(ms))]).await.expect("room");
        let record = r.sink.taken.lock().expect("lock").remove(0);
        assert_eq!((record.time, record.clock_clamped), expect, "{limit:?} {ms}");
    };
    check(Some(300_000), 300_001, (RECEIVED, true)).await;
    check(Some(300_000), 300_000, (RECEIVED.plus_ms(300_000), false)).await;
    check(None, 86_400_000, (RECEIVED.plus_ms(86_400_000), false)).await;
}

#[tokio::test]
async fn equal_readings_of_a_clock_that_runs_ahead_are_not_duplicates() {
    let r = rig(IntakeConfig::default());
    let reading =
        |ms: i64| format!(r#"{{"time":{},"values":{{"pm25":35.1}}}}"#, RECEIVED.0 + 3_600_000 + ms);
    let texts = [reading(0), reading(1_000), reading(0)];
    let messages: Vec<_> = texts.iter().map(|t| message(TOPIC, t)).collect();
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    let said = "the clock of `air-1` is 3600 s ahead of ours; the reading is kept with the time of \
                its arrival";
    let told = Outcome::Warned { reason: QuarantineReason::ClockAhead, detail: said.into() };
    assert_eq!(submitted.outcomes, [told, Outcome::Accepted, Outcome::Duplicate]);
}

#[tokio::test]
async fn messages_that_say_nothing_are_accepted_without_records() {
    let r = rig(IntakeConfig::default());
    let submitted =
        r.intake.submit(&r.door, &CLIENT, &[message("frigate/stats", "{}")]).await.expect("room");
    assert_eq!(submitted.outcomes, [Outcome::Accepted]);
    submitted.durable.now_or_never().expect("nothing to wait for").expect("durable");
    assert_eq!(r.counts(), [1, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_sparkplug_gap_is_accepted_with_a_reply_that_asks_for_the_birth() {
    let r = rig(IntakeConfig::default());
    // Payloads of nothing but their sequence numbers.
    let messages =
        [message("spBv1.0/g/NBIRTH/e", "\u{18}\u{0}"), message("spBv1.0/g/NDATA/e", "\u{18}\u{5}")];
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    let Outcome::Partly { reason, reply: Some(reply), .. } = &submitted.outcomes[1] else {
        unreachable!("{:?}", submitted.outcomes)
    };
    assert_eq!((*reason, &*reply.topic), (QuarantineReason::NoBirth, "spBv1.0/g/NCMD/e"));
}

#[tokio::test]
async fn possible_and_impossible_values_are_two_records_of_one_accepted_message() {
    let r = rig(IntakeConfig::default());
    let payload =
        format!(r#"{{"time":{},"seq":7,"values":{{"pm25":35.1,"co":-200}}}}"#, RECEIVED.0);
    let none = format!(r#"{{"time":{},"seq":8,"values":{{"pm25":-200,"co":-200}}}}"#, RECEIVED.0);
    let messages = [message(TOPIC, &payload), message(TOPIC, &none), message(TOPIC, &payload)];
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    let outcomes: Vec<_> = submitted.outcomes.iter().map(|o| format!("{o:?}")).collect();
    let said = "`co` is -200, possible are 0 to 200000 µg/m³";
    assert_eq!(
        outcomes[0],
        format!("Partly {{ reason: OutOfRange, detail: {said:?}, reply: None }}")
    );
    assert!(outcomes[1].starts_with("Quarantined { reason: OutOfRange, detail: \"`pm25` is -200"));
    assert_eq!(outcomes[2], "Duplicate", "both records were there before");
    r.sink.commit(Ok(()));
    submitted.durable.await.expect("durable");
    // received accepted quarantined duplicate shed records difference
    assert_eq!(r.counts(), [3, 1, 1, 1, 0, 2, 0]);
    assert_eq!(r.ledger.snapshot().sources[0].partly, 1);
    let taken = r.sink.taken.lock().expect("lock");
    let (good, bad) = (&taken[0], &taken[1]);
    assert_eq!((good.time, good.seq), (bad.time, bad.seq));
    assert_ne!(good.dedup_key(), bad.dedup_key());
}

#[tokio::test]
async fn a_failed_commit_takes_back_what_was_taken_partly() {
    let r = rig(IntakeConfig::default());
    let payload = format!(r#"{{"time":{},"values":{{"pm25":35.1,"co":-200}}}}"#, RECEIVED.0);
    let submitted =
        r.intake.submit(&r.door, &CLIENT, &[message(TOPIC, &payload)]).await.expect("room");
    assert_eq!(r.ledger.snapshot().sources[0].partly, 1);
    r.sink.commit(Err(SinkError::Closed));
    submitted.durable.await.expect_err("not durable");
    assert_eq!(r.counts(), [1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(r.ledger.snapshot().sources[0].partly, 0);
}

/// Whatever doors do at the same time, and however commits end: nothing is in doubt at rest, and
/// no accepted record is in the journal twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_books_balance_under_concurrency() {
    let r = Arc::new(rig(IntakeConfig::default()));
    let doors = (0..8u64).map(|door| {
        let r = Arc::clone(&r);
        tokio::task::spawn(async move {
            for round in 0..200u64 {
                // Neighbouring doors send half of the same messages.
                let texts: Vec<String> =
                    (0..5).map(|i| obs((door / 2) * 10_000 + round * 5 + i)).collect();
                let mut messages: Vec<_> = texts.iter().map(|t| message(TOPIC, t)).collect();
                if round % 50 == 0 {
                    messages.push(message(TOPIC, "["));
                }
                let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
                let commit = round % 7 != 0;
                r.sink.commit(if commit { Ok(()) } else { Err(SinkError::Closed) });
                if round % 3 != 0 {
                    let _ = submitted.durable.await;
                }
            }
        })
    });
    let committer = {
        let r = Arc::clone(&r);
        tokio::task::spawn(async move {
            loop {
                r.sink.commit(Ok(()));
                tokio::task::yield_now().await;
            }
        })
    };
    for end in futures::future::join_all(doors).await {
        end.expect("no door panics");
    }
    committer.abort();
    r.sink.commit(Ok(()));
    let counts = r.counts();
    assert_eq!(counts[6], 0, "difference of {counts:?}");
    assert_eq!(counts[0], 8 * (200 * 5 + 4));
    assert_eq!(counts[2], 8 * 4);
    assert!(counts[1] > 0 && counts[3] > 0 && counts[4] > 0, "{counts:?}");
}

#[test]
fn outcomes_of_every_reason_are_counted_by_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(async {
        let r = rig(IntakeConfig::default());
        for (topic, payload) in [
            ("nowhere", "{}"),
            ("ioc/v1/hai_chau/air/a b/obs", "{}"),
            ("ioc/v1/hai_chau/magic/a/obs", "{}"),
            ("ioc/v1/atlantis/air/a/obs", "{}"),
            (TOPIC, "{}"),
            (TOPIC, "{"),
            (TOPIC, r#"{"values":{"pm25":1}}"#),
            (TOPIC, r#"{"time":1761588000123,"values":{"x":1}}"#),
            (TOPIC, r#"{"time":1761588000123,"values":{"pm25":-1}}"#),
        ] {
            r.intake.submit(&r.door, &CLIENT, &[message(topic, payload)]).await.expect("room");
        }
        let by_reason = r.ledger.snapshot().sources.remove(0).quarantined_by_reason;
        let expect = [
            "bad_field",
            "bad_id",
            "bad_time",
            "malformed",
            "out_of_range",
            "unknown_area",
            "unknown_property",
            "unknown_service",
            "unknown_topic",
        ];
        let expect: BTreeMap<_, _> = expect.into_iter().map(|w| (w, 1)).collect();
        assert_eq!(by_reason, expect);
    });
}

/// A pseudonym for each plate.
struct Pseudonyms;

impl Seal for Pseudonyms {
    fn seal(&self, _: &str, _: &str, _: Timestamp, p: &Private<'_>) -> Option<Sealed> {
        let pseudonym = p.plate?.bytes().fold(0, |h: u64, b| h.wrapping_mul(31) + u64::from(b));
        Some(Sealed { key: 1, mask: "***".into(), pseudonym, bytes: Box::default() })
    }
}

#[tokio::test]
async fn two_plates_in_one_millisecond_are_two_detections_and_a_redelivery_is_none() {
    let mut r = rig(IntakeConfig::default());
    r.intake.decoders = Arc::new(decoders("{}").sealing(Arc::new(Pseudonyms)));
    let event =
        |plate: &str| format!(r#"{{"time":{},"type":"red_light","plate":"{plate}"}}"#, RECEIVED.0);
    let topic = "ioc/v1/hai_chau/traffic/cam-1/event";
    let payloads = [event("51F-123.45"), event("51F-123.46"), event("51F-123.45")];
    let messages = payloads.each_ref().map(|p| message(topic, p));
    let submitted = r.intake.submit(&r.door, &CLIENT, &messages).await.expect("room");
    let expect = [Outcome::Accepted, Outcome::Accepted, Outcome::Duplicate];
    assert_eq!(submitted.outcomes, expect);
    let taken = r.sink.taken.lock().expect("lock").clone();
    assert!(!format!("{taken:?}").contains("123.4"), "{taken:?}");
    // After a restart the journal's records say the same.
    let again = rig(IntakeConfig::default());
    let mut intake = again.intake;
    intake.decoders = Arc::new(decoders("{}").sealing(Arc::new(Pseudonyms)));
    taken.iter().for_each(|record| intake.remember(record));
    let door = intake.source("gateway");
    let submitted = intake.submit(&door, &CLIENT, &messages).await.expect("room");
    assert_eq!(submitted.outcomes, vec![Outcome::Duplicate; 3]);
}
