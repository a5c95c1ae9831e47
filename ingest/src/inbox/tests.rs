use std::collections::{BTreeMap, HashMap};

use ioc_model::{Entry, Ledger, ReceivedOutcome};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::access::Client;
use crate::decode::Incoming;
use crate::decode::shared_data::{RECEIVED, city, decoders};
use crate::error::SinkError;
use crate::intake::{Intake, IntakeConfig, Outcome, RecordSink, SourceHandle};
use crate::quarantine::{Quarantine, QuarantineConfig};

/// A journal that is always ready.
struct Nowhere;

#[async_trait::async_trait]
impl RecordSink for Nowhere {
    async fn append(
        &self,
        _: Vec<Entry>,
    ) -> Result<futures::future::BoxFuture<'static, Result<(), SinkError>>, SinkError> {
        Ok(Box::pin(std::future::ready(Ok(()))))
    }
}

struct Rig {
    intake: Intake,
    door: SourceHandle,
    ledger: Arc<Ledger>,
    _folder: TempDir,
}

fn rig(config: &InboxConfig) -> Rig {
    let folder = TempDir::new().expect("folder");
    let file = folder.path().join("quarantine.sqlite");
    let pace = QuarantineConfig { commit_gap_ms: 0, ..QuarantineConfig::default() };
    let quarantine = Arc::new(Quarantine::open(&file, pace).expect("opens"));
    let ledger = Arc::<Ledger>::default();
    let intake = Intake::new(
        IntakeConfig { max_devices: 50, ..IntakeConfig::default() },
        city(),
        Arc::clone(&ledger),
        decoders("{}"),
        Arc::new(Nowhere),
        quarantine,
    );
    let intake = intake.with_inbox(config);
    let door = intake.source("gateway");
    Rig { intake, door, ledger, _folder: folder }
}

impl Rig {
    async fn send(&self, client: &str, messages: &[(&str, &[u8])], after_ms: i64) -> Vec<Outcome> {
        let received = RECEIVED.plus_ms(after_ms);
        let incoming: Vec<_> = messages
            .iter()
            .map(|(topic, payload)| Incoming { topic, payload, retain: false, received })
            .collect();
        let client = Client::trusted(client);
        self.intake.submit(&self.door, &client, &incoming).await.expect("room").outcomes
    }

    fn received(&self, device: &str) -> Received {
        self.intake.inbox().received(device).expect("something was received")
    }

    fn bytes(&self) -> usize {
        let inbox = self.intake.inbox();
        (0..SHARDS).map(|i| inbox.lock(i).raws.bytes()).sum()
    }
}

const TOPIC: &str = "ioc/v1/hai_chau/air/air-1/obs";

fn obs(after_ms: i64) -> String {
    format!(r#"{{"time":{},"values":{{"pm25":35.1,"pm10":50}}}}"#, RECEIVED.0 + after_ms)
}

#[tokio::test]
async fn an_owner_sees_what_was_sent_and_what_was_made_of_it() {
    let r = rig(&InboxConfig::default());
    r.send("c", &[(TOPIC, obs(0).as_bytes())], 100).await;
    r.send("c", &[(TOPIC, obs(0).as_bytes())], 10_000).await;
    let odd = format!(r#"{{"time":{},"values":{{"pm25":3,"co":-200}}}}"#, RECEIVED.0 + 20_000);
    r.send("c", &[(TOPIC, odd.as_bytes())], 20_000).await;
    r.send("c", &[(TOPIC, b"{\x01")], 30_000).await;
    let all = r.received("air-1");
    assert_eq!((all.messages, all.accepted, all.duplicates, all.refused), (4, 2, 1, 1));
    assert_eq!(all.refused_by, BTreeMap::from([("malformed", 1)]));
    assert_eq!(all.last, Some(RECEIVED.plus_ms(30_000)));
    let properties: Vec<_> = all.properties.iter().map(|p| &**p).collect();
    assert_eq!(properties, ["pm25", "pm10", "co"]);
    let codes: Vec<_> =
        all.recent.iter().map(|m| serde_json::json!(m)["outcome"].clone()).collect();
    assert_eq!(codes, ["refused", "warned", "duplicate", "accepted"], "newest first");

    let refused = &all.recent[0];
    assert_eq!((&*refused.payload, refused.bytes), ("{\u{fffd}", 2));
    assert!(refused.records.is_empty());
    let first = serde_json::to_value(&all.recent[3]).expect("JSON");
    assert_eq!((&first["format"], &first["source"]), (&"native".into(), &"gateway".into()));
    let record = serde_json::json!({
        "time": RECEIVED.0, "device": "air-1", "service": "air", "area": "hai_chau",
        "quality": "good", "values": {"pm25": 35.1, "pm10": 50.0},
        "units": {"pm25": "µg/m³", "pm10": "µg/m³"},
    });
    assert_eq!(first["records"], serde_json::json!([record]));
    assert!(r.intake.inbox().received("air-2").is_none());
}

#[tokio::test]
async fn a_message_that_names_no_device_is_the_clients() {
    let r = rig(&InboxConfig::default());
    r.send("nvr", &[("nowhere", b"{}"), ("frigate/stats", b"{}")], 0).await;
    let all = r.received("nvr");
    assert_eq!((all.messages, all.accepted, all.refused), (2, 1, 1));
    assert_eq!(all.recent.len(), 2);
    assert_eq!(all.recent[1].format, "none");
}

#[tokio::test]
async fn a_message_of_several_devices_is_shown_to_each_once() {
    let r = rig(&InboxConfig::default());
    let entity = |id: &str| {
        format!(
            r#"{{"id":"{id}","type":"AirQualityObserved","dateObserved":"2025-10-27T18:00:00Z",
            "location":{{"type":"Point","coordinates":[108.22,16.07]}},"pm25":12,"temperature":30}}"#
        )
    };
    let payload = format!("[{},{},{}]", entity("A-1"), entity("A-2"), entity("A-1"));
    let outcomes = r.send("broker", &[("fiware/city/x", payload.as_bytes())], 0).await;
    assert_eq!(outcomes, [Outcome::Accepted]);
    for device in ["A-1", "A-2"] {
        let all = r.received(device);
        assert_eq!((all.messages, all.accepted, all.recent.len()), (1, 1, 1), "{device}");
    }
    assert!(r.intake.inbox().received("broker").is_none());
}

#[tokio::test]
async fn personal_data_are_neither_kept_nor_shown() {
    let r = rig(&InboxConfig::default());
    let event = |rest: &str| {
        format!(r#"{{"time":{},"type":"red_light","plate":"51F-123.45"{rest}}}"#, RECEIVED.0)
    };
    let topic = "ioc/v1/hai_chau/traffic/cam-1/event";
    let good = event(r#","snapshot":"http://nvr/secret.jpg","zone":"lane1""#);
    let outcomes = r.send("cam-1", &[(topic, good.as_bytes())], 0).await;
    assert_eq!(outcomes, [Outcome::Accepted]);
    let bad = event(r#","confidence":"x","zone":"51F-999.99""#);
    r.send("cam-1", &[(topic, bad.as_bytes())], 1_000).await;
    // A field nobody knows to be personal is masked when it is looked at.
    let owner = format!(r#"{{"time":{},"type":"crowd","zone":"43A-555.55"}}"#, RECEIVED.0);
    r.send("cam-1", &[(topic, owner.as_bytes())], 2_000).await;
    let all = r.received("cam-1");
    assert_eq!((all.accepted, all.refused, all.recent.len()), (2, 1, 3));
    let text = serde_json::to_string(&all).expect("JSON");
    for secret in ["123.45", "secret", "999.99", "555.55", "nvr"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("lane1"), "the rest is shown: {text}");
    let inbox = r.intake.inbox();
    let key = inbox.key("cam-1");
    let kept = format!(
        "{:?}",
        inbox.lock(inbox.place(key)).raws.of(key)[1..]
            .iter()
            .map(|r| String::from_utf8_lossy(&r.payload).into_owned())
            .collect::<Vec<_>>()
    );
    for secret in ["123.45", "secret", "999.99"] {
        assert!(!kept.contains(secret), "{secret} kept in {kept}");
    }
}

#[tokio::test]
async fn a_flood_of_good_ones_leaves_the_refused_to_be_seen_and_the_other_way_round() {
    let r = rig(&InboxConfig::default());
    for second in 0..3 {
        r.send("c", &[(TOPIC, b"{")], second * 1_000).await;
    }
    for i in 0..2_000 {
        let after = 10_000 + i * 100;
        r.send("c", &[(TOPIC, obs(after).as_bytes())], after).await;
    }
    let all = r.received("air-1");
    let refused =
        |m: &&ioc_model::ReceivedMessage| matches!(m.outcome, ReceivedOutcome::Refused { .. });
    assert_eq!((all.recent.len(), all.recent.iter().filter(refused).count()), (10, 3));
    let seconds: Vec<_> = all.recent.iter().map(|m| m.at.since_ms(RECEIVED) / 1_000).collect();
    assert_eq!(seconds, [209, 208, 207, 206, 205, 204, 203, 2, 1, 0], "one of a second");
    for i in 0..2_000 {
        r.send("c", &[(TOPIC, b"{")], 300_000 + i * 100).await;
    }
    let all = r.received("air-1");
    assert_eq!(all.recent.iter().filter(refused).count(), 5);
}

#[tokio::test]
async fn payloads_that_are_no_text_are_shown_as_base64_and_long_ones_cut() {
    let r = rig(&InboxConfig::default());
    r.send("c", &[(TOPIC, &[0xff, 0x00, 0x80])], 0).await;
    r.send("c", &[(TOPIC, "ế".repeat(9_000).as_bytes())], 1_000).await;
    let all = r.received("air-1");
    assert_eq!(all.recent[1].payload, "base64:/wCA");
    assert_eq!((&*all.recent[0].payload, all.recent[0].bytes), (&*"ế".repeat(1_365), 27_000));
}

#[tokio::test]
async fn the_device_kept_longest_ago_is_forgotten_first() {
    let r = rig(&InboxConfig { max_devices: 1_000, max_bytes: 16 * 40_000 });
    let large = vec![b'x'; 10_000];
    r.send("c", &[("ioc/v1/hai_chau/air/old/obs", &large)], 0).await;
    for i in 0..400 {
        let topic = format!("ioc/v1/hai_chau/air/d{i}/obs");
        r.send("c", &[(&topic, &large)], 1_000 + i).await;
        // One that goes on speaking is never the oldest.
        r.send("c", &[("ioc/v1/hai_chau/air/busy/obs", b"{")], 1_000 * (i + 2)).await;
        assert!(r.bytes() <= 16 * 40_000);
    }
    assert_eq!(r.received("old").recent.len(), 0, "its counters are still there");
    assert_eq!(r.received("old").refused, 1);
    assert_eq!(r.received("busy").recent.len(), 10);
    assert!(r.bytes() > 16 * 20_000, "the room is used");
}

#[tokio::test]
async fn nothing_is_kept_when_nothing_is_to_be_kept() {
    let r = rig(&InboxConfig { max_devices: 0, max_bytes: 0 });
    let outcomes = r.send("c", &[(TOPIC, obs(0).as_bytes()), (TOPIC, b"{")], 0).await;
    assert_eq!(outcomes[0], Outcome::Accepted);
    assert!(r.intake.inbox().received("air-1").is_none());
    let r = rig(&InboxConfig { max_devices: 9, max_bytes: 0 });
    r.send("c", &[(TOPIC, obs(0).as_bytes()), (TOPIC, b"{")], 0).await;
    assert_eq!((r.received("air-1").messages, r.received("air-1").recent.len()), (2, 0));
}

#[test]
fn a_device_costs_at_most_200_bytes_without_raw_messages() {
    let inbox =
        Inbox::new(&InboxConfig::default(), city(), Arc::new(decoders("{}")), RandomState::new());
    let n = 100_000;
    for i in 0..n {
        let key = inbox.key(&format!("device-{i}"));
        inbox.lock(inbox.place(key)).entry(key).expect("room");
    }
    let bytes: usize = (0..SHARDS).map(|i| inbox.lock(i).bytes()).sum();
    println!("{} bytes a device", bytes / n);
    assert!(bytes / n <= 200, "{} bytes a device", bytes / n);
}

/// Topic and payload of a documented Sparkplug message.
fn sparkplug(about: &str) -> (String, Vec<u8>) {
    use base64::Engine as _;
    let lines = include_str!("../../examples/sparkplug.jsonl").lines();
    let examples = lines.map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"));
    let example = examples.into_iter().find(|e| e["about"] == about).expect("documented");
    let text = |field: &str| example[field].as_str().expect("text").to_owned();
    let payload = base64::engine::general_purpose::STANDARD.decode(text("base64"));
    (text("topic"), payload.expect("base64"))
}

#[tokio::test]
async fn looking_changes_nothing_of_what_a_decoder_remembers() {
    let r = rig(&InboxConfig::default());
    let (birth, born) = sparkplug("NBIRTH with aliases, unit and metrics that mean nothing here");
    let (data, said) = sparkplug("NDATA by alias, converted from the unit of the BIRTH");
    let (death, end) = sparkplug("NDEATH takes the edge node and its devices offline");
    r.send("plc-1", &[(&birth, &born)], 0).await;
    let outcomes = r.send("plc-1", &[(&data, &said)], 10_000).await;
    assert!(matches!(outcomes[0], Outcome::Accepted | Outcome::Warned { .. }), "{outcomes:?}");
    let device = r.intake.inbox().received("plc-1").map_or("hoa-xuan.plc-1", |_| "plc-1");
    let shown = r.received(device);
    assert_eq!(shown.recent.len(), 2);
    assert!(shown.recent.iter().all(|m| m.format == "sparkplug" && !m.records.is_empty()));
    // What is looked at ends no session of the stream.
    let message = |topic, payload, after| Incoming {
        topic,
        payload,
        retain: false,
        received: RECEIVED.plus_ms(after),
    };
    let ended = r.intake.decoders().explain(&message(&death, &end, 20_000)).result;
    assert!(!ended.expect("good").records.is_empty());
    let still = r.intake.decoders().decode(&message(&data, &said, 20_000));
    assert!(!still.expect("the session goes on").records.is_empty());
}

/// What a device sends: `(device, kind of message, ms since the one before)`.
fn messages() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    prop::collection::vec((0u8..60, 0u8..6, 0u16..2_000), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever comes: the counters are those of a naive count of the outcomes, the ledger's
    /// law holds, and the bounds of bytes and devices do.
    #[test]
    fn counts_as_a_naive_count_within_its_bounds(sent in messages(), max_bytes in 0usize..60_000) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let r = rig(&InboxConfig { max_devices: 1_000, max_bytes });
            let mut naive: HashMap<String, [u64; 4]> = HashMap::new();
            let mut now = 0;
            for batch in sent.chunks(7) {
                let texts: Vec<(String, Vec<u8>)> = batch.iter().map(|(device, kind, _)| {
                    let topic = format!("ioc/v1/hai_chau/air/d{device}/obs");
                    let payload = match kind {
                        // Few times: many are duplicates.
                        0..=2 => obs(i64::from(*kind) * 3_600_000 - 3_600_000).into_bytes(),
                        3 => obs(now).into_bytes(),
                        4 => b"{".to_vec(),
                        _ => vec![b'{'; 3_000],
                    };
                    (topic, payload)
                }).collect();
                now += batch.iter().map(|(_, _, gap)| i64::from(*gap)).sum::<i64>();
                let messages: Vec<_> = texts.iter().map(|(t, p)| (&**t, &**p)).collect();
                let outcomes = r.send("c", &messages, now).await;
                for ((device, ..), outcome) in batch.iter().zip(outcomes) {
                    let at = match outcome {
                        Outcome::Accepted | Outcome::Warned { .. } | Outcome::Partly { .. } => 0,
                        Outcome::Duplicate => 1,
                        Outcome::Quarantined { .. } => 2,
                        Outcome::Shed => 3,
                    };
                    naive.entry(format!("d{device}")).or_default()[at] += 1;
                }
                assert!(r.bytes() <= max_bytes);
            }
            for (device, [accepted, duplicates, refused, shed]) in naive {
                let got = r.received(&device);
                assert_eq!((got.accepted, got.duplicates, got.refused), (accepted, duplicates, refused));
                assert_eq!(got.messages, accepted + duplicates + refused + shed);
                assert_eq!(got.refused_by.values().sum::<u64>(), refused);
                assert!(got.recent.len() <= 10);
                assert!(got.recent.is_sorted_by(|a, b| a.at >= b.at), "newest first");
            }
            assert_eq!(r.ledger.snapshot().difference, 0);
        });
    }

    #[test]
    fn devices_stay_within_their_number_and_the_newest_are_known(n in 1usize..3_000) {
        let config = InboxConfig { max_devices: 800, max_bytes: 0 };
        let inbox = Inbox::new(&config, the_city(), the_decoders(), RandomState::new());
        for i in 0..n {
            let key = inbox.key(&i.to_string());
            let mut shard = inbox.lock(inbox.place(key));
            let stats = shard.entry(key).expect("room");
            stats.count(Timestamp(i as i64), stats::Kind::Accepted);
        }
        let held: usize = (0..SHARDS).map(|i| inbox.lock(i).devices()).sum();
        prop_assert!(held <= 800, "{} devices", held);
        prop_assert!(n < 400 || held >= 400, "{} devices", held);
        prop_assert!(inbox.received(&(n - 1).to_string()).is_some());
    }
}

fn the_city() -> Arc<City> {
    static CITY: std::sync::LazyLock<Arc<City>> = std::sync::LazyLock::new(city);
    Arc::clone(&CITY)
}

fn the_decoders() -> Arc<Decoders> {
    static DECODERS: std::sync::LazyLock<Arc<Decoders>> =
        std::sync::LazyLock::new(|| Arc::new(decoders("{}")));
    Arc::clone(&DECODERS)
}
