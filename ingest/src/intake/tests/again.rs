//! A second look at what was refused.

use ioc_model::{
    Actor, Device, DeviceState, DeviceStore, Devices, QuarantineRerun, ReceivedStore, Rerun,
};

use super::*;
use crate::quarantine::QuarantineDoor;
use crate::registry::{Registry, RegistryConfig, UnknownDevices};

/// A mapping for meters that was forgotten at first.
const MENDED: &str = r#"
mappings:
  - topic: meters/{device}
    service: air
    area: hai_chau
    time: {pointer: /t, format: epoch_s}
    values:
      - {property: pm25, pointer: /v, unit: "µg/m³", required: true}
"#;

/// Another rig with other decoders on the same quarantine and journal: the process after a
/// restart.
struct Again {
    intake: Arc<Intake>,
    door: QuarantineDoor,
    ledger: Arc<Ledger>,
}

fn again(r: &Rig, yaml: &str, registry: Option<Arc<Registry>>) -> Again {
    let ledger = Arc::<Ledger>::default();
    let decoders = match registry {
        Some(registry) => decoders(yaml).with_registry(registry),
        None => decoders(yaml),
    };
    let intake = Arc::new(Intake::new(
        IntakeConfig::default(),
        city(),
        Arc::clone(&ledger),
        decoders,
        Arc::clone(&r.sink) as Arc<dyn RecordSink>,
        Arc::clone(&r.quarantine),
    ));
    r.sink.taken.lock().expect("lock").iter().for_each(|record| intake.remember(record));
    let _gateway = intake.source("gateway");
    let door = QuarantineDoor::new(Arc::clone(&r.quarantine), Arc::clone(&intake));
    Again { intake, door, ledger }
}

impl Again {
    /// `received accepted quarantined duplicate shed difference` of the quarantine's door.
    fn counts(&self) -> [i64; 6] {
        let s = self.ledger.snapshot().sources.remove(1);
        assert_eq!(s.source, "quarantine");
        let n = [s.received, s.accepted, s.quarantined, s.duplicate, s.shed];
        let [a, b, c, d, e] = n.map(|n| n as i64);
        [a, b, c, d, e, s.difference]
    }

    /// Looks again while commits end well.
    async fn look(
        &self,
        r: &Rig,
        device: Option<&str>,
        reason: Option<QuarantineReason>,
        limit: usize,
    ) -> Rerun {
        while_commits(r, self.door.rerun(device, reason, limit)).await
    }

    async fn look_approved(&self, r: &Rig) -> Rerun {
        while_commits(r, self.door.approved()).await
    }
}

/// What a look came to while commits end well.
async fn while_commits<E: std::fmt::Debug>(
    r: &Rig,
    look: impl Future<Output = Result<Rerun, E>>,
) -> Rerun {
    let commits = async {
        loop {
            r.sink.commit(Ok(()));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = look => done.expect("looked at"),
        () = commits => unreachable!("endless"),
    }
}

/// Refuses messages of `(topic, payload)` that arrive a minute apart.
async fn refuse(r: &Rig, messages: &[(&str, &str)]) {
    for (i, (topic, payload)) in messages.iter().enumerate() {
        let received = RECEIVED.plus_ms(i as i64 * 60_000);
        let message = Incoming { topic, payload: payload.as_bytes(), retain: false, received };
        let submitted = r.intake.submit(&r.door, &CLIENT, &[message]).await.expect("room");
        assert!(matches!(submitted.outcomes[0], Outcome::Quarantined { .. }), "{payload}");
        submitted.durable.await.expect("written");
    }
}

fn meter(i: i64, value: &str) -> String {
    format!(r#"{{"t":{},"v":{value}}}"#, RECEIVED.0 / 1_000 + i)
}

fn done(tried: u64, accepted: u64, duplicates: u64, refused: u64, masked: u64) -> Rerun {
    Rerun { tried, accepted, duplicates, refused, masked }
}

#[tokio::test]
async fn mended_messages_leave_the_quarantine_oldest_first_with_the_time_of_their_arrival() {
    let r = rig(IntakeConfig::default());
    let texts: Vec<String> = (0..150).map(|i| meter(i, "7")).collect();
    let mut messages: Vec<_> = texts.iter().map(|t| ("meters/m1", &**t)).collect();
    messages.push(("meters/m1", r#"{"plate":"51F-123.45"}"#));
    messages.push(("meters/m1", "{"));
    refuse(&r, &messages).await;
    let a = again(&r, MENDED, None);
    assert_eq!(a.look(&r, None, None, 100).await, done(100, 100, 0, 0, 1));
    assert_eq!(r.quarantine.rows(), 52);
    assert_eq!(a.look(&r, None, None, 100).await, done(51, 50, 0, 1, 1));
    assert_eq!(a.counts(), [151, 150, 1, 0, 0, 0]);
    let taken = r.sink.taken.lock().expect("lock");
    for (i, record) in taken.iter().enumerate() {
        let i = i as i64;
        assert_eq!(record.received, RECEIVED.plus_ms(i * 60_000), "oldest first");
        assert_eq!(record.time, RECEIVED.plus_ms(i * 1_000));
        assert_eq!(record.source, 1, "the door `quarantine`");
    }
    let left = r.quarantine.newest(None, 9).expect("readable");
    let left: Vec<_> = left.iter().map(|row| (row.reason, &*row.payload)).collect();
    let masked = (QuarantineReason::UnknownTopic, r#"{"plate":"***-***.**"}"#);
    assert_eq!(left, [(QuarantineReason::Malformed, "{"), masked], "with today's reason");
    assert_eq!((r.quarantine.rows(), r.quarantine.payload_bytes()), (2, 1 + 22));
}

#[tokio::test]
async fn looking_twice_takes_nothing_twice_and_a_crash_between_leaves_a_duplicate() {
    let r = rig(IntakeConfig::default());
    let texts: Vec<String> = (0..3).map(|i| meter(i, "7")).collect();
    refuse(&r, &texts.iter().map(|t| ("meters/m1", &**t)).collect::<Vec<_>>()).await;
    // The process ends when the journal has the records and the rows are still there.
    let crashed = again(&r, MENDED, None);
    let mut look = Box::pin(crashed.door.rerun(None, None, 99));
    while r.sink.taken() < 3 {
        assert!((&mut look).now_or_never().is_none(), "nothing is committed");
        tokio::task::yield_now().await;
    }
    drop(look);
    assert_eq!(r.quarantine.rows(), 3);
    let a = again(&r, MENDED, None);
    assert_eq!(a.look(&r, None, None, 99).await, done(3, 0, 3, 0, 0));
    assert_eq!(a.look(&r, None, None, 99).await, Rerun::default());
    assert_eq!((r.sink.taken(), r.quarantine.rows()), (3, 0));
    assert_eq!(a.counts(), [3, 0, 0, 3, 0, 0]);
}

#[tokio::test]
async fn a_failed_commit_keeps_the_rows_and_is_told() {
    let r = rig(IntakeConfig::default());
    refuse(&r, &[("meters/m1", &meter(0, "7"))]).await;
    let a = again(&r, MENDED, None);
    let failing = async {
        loop {
            r.sink.commit(Err(SinkError::Closed));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        end = a.door.rerun(None, None, 9) => drop(end.expect_err("not durable")),
        () = failing => unreachable!("endless"),
    }
    assert_eq!((r.quarantine.rows(), a.counts()), (1, [1, 0, 0, 0, 1, 0]));
    assert_eq!(a.look(&r, None, None, 9).await, done(1, 1, 0, 0, 0));
}

#[tokio::test]
async fn what_is_refused_again_does_not_stand_in_the_way_of_the_rest() {
    let r = rig(IntakeConfig::default());
    let texts: Vec<String> = (0..10).map(|i| meter(i, if i < 5 { "\"x\"" } else { "7" })).collect();
    refuse(&r, &texts.iter().map(|t| ("meters/m1", &**t)).collect::<Vec<_>>()).await;
    let a = again(&r, MENDED, None);
    assert_eq!(a.look(&r, None, None, 5).await, done(5, 0, 0, 5, 0));
    assert_eq!(a.look(&r, None, None, 5).await, done(5, 5, 0, 0, 0));
    assert_eq!(a.look(&r, None, None, 99).await, done(5, 0, 0, 5, 0));
}

#[tokio::test]
async fn only_the_device_and_reason_asked_for_are_looked_at() {
    let r = rig(IntakeConfig::default());
    let (bad, worse) = (r#"{"time":1,"values":{}}"#, "{");
    let b = "ioc/v1/hai_chau/air/air-2/obs";
    refuse(&r, &[(TOPIC, bad), (TOPIC, worse), (b, worse), ("nowhere", worse)]).await;
    let a = again(&r, "{}", None);
    let malformed = Some(QuarantineReason::Malformed);
    assert_eq!(a.look(&r, Some("air-1"), malformed, 9).await.tried, 1);
    assert_eq!(a.look(&r, Some("air-1"), None, 9).await.tried, 2);
    assert_eq!(a.look(&r, None, malformed, 9).await.tried, 2);
    assert_eq!(a.look(&r, None, None, 9).await.tried, 4);
    assert_eq!(r.quarantine.newest(None, 9).expect("readable").len(), 4, "no row is doubled");
    assert_eq!(a.intake.inbox().received("air-1"), None, "the inbox does not hear of it");
}

/// One that waited for approval, as the registry's engineer refuses it.
fn pending(device: &str, seq: u64, client: Client) -> crate::Refused {
    let payload = obs(seq);
    let topic = format!("ioc/v1/hai_chau/air/{device}/obs");
    let refusal = crate::decode::Refusal {
        reason: QuarantineReason::DevicePending,
        detail: "waits for approval".into(),
        device: Some(device.into()),
        reply: None,
    };
    crate::Refused::new(&"gateway".into(), &client, &message(&topic, &payload), refusal)
}

#[tokio::test]
async fn messages_of_a_device_are_taken_when_it_is_approved() {
    let r = rig(IntakeConfig::default());
    let rows = vec![
        pending("new-1", 1, Client::device("new-1")),
        pending("new-2", 2, Client::trusted("x")),
        pending("new-3", 3, Client::trusted("x")),
    ];
    r.quarantine.store(rows).await.expect("room").await.expect("written");
    let device = |id: &str, state| {
        let device = Device::unknown(id, &"air".into(), &"hai_chau".into(), RECEIVED);
        Arc::new(Device { state, ..device })
    };
    let devices: Devices =
        [device("new-1", DeviceState::Approved), device("new-2", DeviceState::Pending)]
            .into_iter()
            .collect();
    let a = again(&r, "{}", Some(Arc::new(Registry::of(devices))));
    let stop = tokio_util::sync::CancellationToken::new();
    let until_gone = async {
        while r.quarantine.rows() == 3 {
            r.sink.commit(Ok(()));
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = futures::future::join(a.door.follow(stop.clone()), until_gone);
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, both).await.expect("the approved device's message leaves");
    let taken: Vec<_> =
        r.sink.taken.lock().expect("lock").iter().map(|r| r.device.to_string()).collect();
    assert_eq!(taken, ["new-1"]);
    assert_eq!((r.quarantine.rows(), a.counts()), (2, [1, 1, 0, 0, 0, 0]));
}

#[tokio::test]
async fn rights_are_judged_with_the_client_that_sent_it() {
    let r = rig(IntakeConfig::default());
    let row = |client| {
        let payload = obs(1);
        let refusal = crate::decode::Refusal::new(QuarantineReason::BadField, "why");
        let topic = "ioc/v1/alerts/x";
        crate::Refused::new(&"gateway".into(), &client, &message(topic, &payload), refusal)
    };
    let rows = vec![row(Client::device("d")), row(Client::trusted("t"))];
    r.quarantine.store(rows).await.expect("room").await.expect("written");
    let a = again(&r, "{}", None);
    assert_eq!(a.look(&r, None, None, 9).await, done(2, 0, 0, 2, 0));
    let left = r.quarantine.newest(None, 9).expect("readable");
    assert!(left.iter().all(|r| r.reason == QuarantineReason::NotAuthorised));
}

/// A registry on a disk with a policy, and an intake that judges by it.
fn strict(r: &Rig, folder: &TempDir, policy: UnknownDevices, max_pending: usize) -> Again {
    let config =
        RegistryConfig { unknown_devices: policy, max_pending, ..RegistryConfig::default() };
    let registry = Registry::open(&folder.path().join("devices.sqlite"), config, city());
    again(r, "{}", Some(registry.expect("opens")))
}

#[tokio::test]
async fn an_unknown_device_waits_is_filled_in_and_taken_when_it_is_approved() {
    let folder = TempDir::new().expect("folder");
    let r = rig(IntakeConfig::default());
    let a = strict(&r, &folder, UnknownDevices::Hold, 1);
    let door = a.intake.source("gateway");
    let mut reasons = Vec::new();
    for (client, topic, seq) in [
        (Client::device("new-1"), "ioc/v1/unassigned/air/new-1/obs", 1),
        (Client::device("new-1"), "ioc/v1/unassigned/air/new-1/obs", 2),
        (Client::device("new-2"), "ioc/v1/unassigned/air/new-2/obs", 3),
        (Client::device("new-1"), "ioc/v1/unassigned/air/air-9/obs", 4),
    ] {
        let payload = obs(seq);
        let submitted = a.intake.submit(&door, &client, &[message(topic, &payload)]).await;
        let submitted = submitted.expect("room");
        let Outcome::Quarantined { reason, detail, device, .. } = &submitted.outcomes[0] else {
            unreachable!("{:?}", submitted.outcomes)
        };
        reasons.push((*reason, device.clone()));
        assert!(!detail.is_empty());
        submitted.durable.await.expect("written");
    }
    use QuarantineReason::{DevicePending, NotAuthorised, UnknownDevice};
    let of = |reason, device: &str| (reason, Some(device.to_owned()));
    assert_eq!(
        reasons[..3],
        [of(DevicePending, "new-1"), of(DevicePending, "new-1"), of(UnknownDevice, "new-2"),]
    );
    assert_eq!(reasons[3].0, NotAuthorised, "and nobody was listed for it");
    let registry = a.intake.decoders().registry();
    assert_eq!(registry.pending(), 1);
    registry.maintain(RECEIVED).expect("written");
    assert_eq!(a.look_approved(&r).await, Rerun::default(), "not approved yet");
    let actor = Actor { user: "lan".into(), origin: None, at: RECEIVED };
    registry.set_state("new-1", DeviceState::Approved, &actor).expect("known");
    assert_eq!(a.look_approved(&r).await, done(2, 2, 0, 0, 0));
    assert_eq!(r.quarantine.rows(), 2);
}

#[tokio::test]
async fn whoever_approves_a_device_finds_what_it_sends_and_how_often() {
    let folder = TempDir::new().expect("folder");
    let r = rig(IntakeConfig::default());
    let a = strict(&r, &folder, UnknownDevices::Accept, 9);
    let door = a.intake.source("gateway");
    let registry = a.intake.decoders().registry();
    for minute in 0..6 {
        let received = RECEIVED.plus_ms(minute * 60_000);
        let time = received.0;
        let payload = format!(r#"{{"time":{time},"values":{{"pm25":35,"o3":40}}}}"#);
        let (topic, payload) = ("ioc/v1/hai_chau/air/new-1/obs", payload.as_bytes());
        let message = Incoming { topic, payload, retain: false, received };
        let submitted = a.intake.submit(&door, &CLIENT, &[message]).await.expect("room");
        assert_eq!(submitted.outcomes, [Outcome::Accepted]);
    }
    registry.maintain(RECEIVED).expect("written");
    a.intake.inbox().teach(registry);
    registry.maintain(RECEIVED).expect("written");
    let devices = registry.now();
    let device = devices.get("new-1").expect("listed");
    let properties: Vec<_> = device.properties.iter().map(|p| &**p).collect();
    assert_eq!((device.state, device.cadence_s), (DeviceState::Pending, 60));
    assert_eq!(properties, ["pm25", "o3"]);
}
