use std::sync::Arc;

use ioc_model::{QuarantineReason, QuarantineStore, Timestamp};
use tempfile::TempDir;

use crate::access::Client;
use crate::decode::{Incoming, Refusal};

use super::{Quarantine, QuarantineConfig, Refused, store};

fn refused(device: Option<&str>, payload: impl Into<Vec<u8>>) -> Refused {
    Refused {
        at: Timestamp(1_761_588_000_000),
        source: "gateway".into(),
        topic: "ioc/v1/x\u{7}".into(),
        device: device.map(String::from),
        reason: QuarantineReason::BadField,
        detail: "why".into(),
        payload: payload.into(),
        whole: true,
        client: Client::trusted("test"),
        retain: false,
    }
}

fn open(folder: &TempDir, config: QuarantineConfig) -> Quarantine {
    Quarantine::open(&folder.path().join("quarantine.sqlite"), config).expect("opens")
}

async fn put(quarantine: &Quarantine, rows: Vec<Refused>) {
    quarantine.store(rows).await.expect("room").await.expect("written");
}

fn payloads(quarantine: &Quarantine, device: Option<&str>) -> Vec<String> {
    let rows = quarantine.newest(device, 1_000).expect("readable");
    rows.into_iter().map(|r| r.payload).collect()
}

#[tokio::test]
async fn written_rows_survive_a_restart_and_come_newest_first() {
    let folder = TempDir::new().expect("folder");
    let quarantine = open(&folder, QuarantineConfig::default());
    put(&quarantine, vec![refused(Some("a"), "1"), refused(Some("b"), "2")]).await;
    put(&quarantine, vec![refused(Some("a"), "3")]).await;
    // Nothing is left for the end: what was told durable is in the file before the drop.
    let other = store::Store::open(&folder.path().join("quarantine.sqlite")).expect("opens");
    assert_eq!(other.totals().expect("readable"), (3, 3));
    drop(quarantine);

    let quarantine = open(&folder, QuarantineConfig::default());
    assert_eq!((quarantine.rows(), quarantine.payload_bytes()), (3, 3));
    assert_eq!(payloads(&quarantine, None), ["3", "2", "1"]);
    assert_eq!(payloads(&quarantine, Some("a")), ["3", "1"]);
    let row = quarantine.newest(None, 1).expect("readable").remove(0);
    assert_eq!((row.reason, &*row.topic), (QuarantineReason::BadField, "ioc/v1/x\u{fffd}"));
}

#[tokio::test]
async fn one_device_cannot_push_out_the_others() {
    let folder = TempDir::new().expect("folder");
    let config = QuarantineConfig { max_rows_per_device: 5, ..QuarantineConfig::default() };
    let quarantine = open(&folder, config);
    put(&quarantine, vec![refused(Some("good"), "keep")]).await;
    for round in 0..4 {
        let flood = (0..100).map(|i| refused(Some("bad"), format!("{round}-{i}")));
        put(&quarantine, flood.collect()).await;
    }
    assert_eq!(payloads(&quarantine, Some("bad")), ["3-99", "3-98", "3-97", "3-96", "3-95"]);
    assert_eq!(payloads(&quarantine, Some("good")), ["keep"]);
    assert_eq!((quarantine.rows(), quarantine.dropped()), (6, 395));
}

#[tokio::test]
async fn all_devices_together_stay_within_rows_and_bytes() {
    let folder = TempDir::new().expect("folder");
    let config =
        QuarantineConfig { max_rows: 500, max_bytes: 200_000, ..QuarantineConfig::default() };
    let quarantine = open(&folder, config);
    for round in 0..10 {
        let flood = (0..300).map(|i| refused(Some(&format!("{round}-{i}")), "x"));
        put(&quarantine, flood.collect()).await;
    }
    assert_eq!((quarantine.rows(), quarantine.dropped()), (500, 2_500));
    for i in 0..20 {
        put(&quarantine, vec![refused(Some(&i.to_string()), vec![b'x'; 60_000])]).await;
    }
    assert!(quarantine.payload_bytes() <= 200_000, "{}", quarantine.payload_bytes());
    let file = store::Store::open(&folder.path().join("quarantine.sqlite")).expect("opens");
    let counted = (quarantine.rows(), quarantine.payload_bytes());
    assert_eq!(file.totals().expect("readable"), counted);
}

#[tokio::test]
async fn a_flood_of_large_garbage_does_not_make_the_disk_grow() {
    let folder = TempDir::new().expect("folder");
    let config =
        QuarantineConfig { max_bytes: 1 << 20, commit_gap_ms: 0, ..QuarantineConfig::default() };
    let quarantine = open(&folder, config);
    for round in 0..100 {
        let flood = (0..10).map(|i| refused(Some(&format!("{round}-{i}")), vec![b'x'; 60_000]));
        put(&quarantine, flood.collect()).await;
    }
    let bytes: u64 = std::fs::read_dir(folder.path())
        .expect("folder")
        .map(|e| e.expect("entry").metadata().expect("metadata").len())
        .sum();
    // 60 MB went in; a little more than the limit, one commit, and SQLite's log may be there.
    assert!(bytes < 16 << 20, "{bytes} bytes on disk");
}

#[tokio::test]
async fn the_queue_is_bounded_and_whoever_waits_gets_through() {
    let folder = TempDir::new().expect("folder");
    let config = QuarantineConfig { queue_bytes: 100_000, ..QuarantineConfig::default() };
    let quarantine = Arc::new(open(&folder, config));
    let waits =
        (0..50).map(|i| {
            let quarantine = Arc::clone(&quarantine);
            // Larger than the whole queue: taken alone rather than never.
            async move {
                put(&quarantine, vec![refused(Some(&i.to_string()), vec![b'x'; 200_000])]).await
            }
        });
    futures::future::join_all(waits).await;
    assert_eq!(quarantine.rows(), 50);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let folder = TempDir::new().expect("folder");
    let file = folder.path().join("quarantine.sqlite");
    std::fs::write(&file, vec![b'!'; 10_000]).expect("written");
    let quarantine = open(&folder, QuarantineConfig::default());
    put(&quarantine, vec![refused(None, "1")]).await;
    assert_eq!(payloads(&quarantine, None), ["1"]);
    assert!(folder.path().join("quarantine.sqlite.damaged").exists());
}

#[tokio::test]
async fn payloads_are_shown_cut_and_harmless() {
    let folder = TempDir::new().expect("folder");
    let quarantine = open(&folder, QuarantineConfig::default());
    let long = "ế".repeat(1_000);
    let hostile = "a\u{0}b\u{202e}c\u{200b}\n\u{feff}d<script>";
    put(
        &quarantine,
        vec![refused(None, long), refused(None, hostile), refused(None, [0xff, b'x'])],
    )
    .await;
    let shown = payloads(&quarantine, None);
    assert_eq!(shown[0], "\u{fffd}x");
    assert_eq!(shown[1], "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}\u{fffd}d<script>");
    assert_eq!(shown[2], "ế".repeat(341));
}

#[tokio::test]
async fn a_file_of_an_earlier_version_keeps_its_rows_and_they_are_not_run_again() {
    let folder = TempDir::new().expect("folder");
    let file = folder.path().join("quarantine.sqlite");
    let old = rusqlite::Connection::open(&file).expect("opens");
    old.execute_batch(
        "CREATE TABLE refused (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
             source TEXT NOT NULL, topic TEXT NOT NULL, device TEXT, reason TEXT NOT NULL,
             detail TEXT NOT NULL, payload BLOB NOT NULL);
         CREATE INDEX refused_device ON refused (device, id);
         INSERT INTO refused (at, source, topic, device, reason, detail, payload)
             VALUES (7, 'gateway', 't', 'a', 'bad_field', 'why', x'7b7d');",
    )
    .expect("written");
    drop(old);
    for _ in 0..2 {
        let quarantine = open(&folder, QuarantineConfig::default());
        put(&quarantine, vec![refused(Some("a"), "new")]).await;
        let reader = quarantine.reader();
        let (ids, masked) = reader.to_look_at(Some("a"), None, 9).expect("readable");
        assert!(!ids.contains(&1), "the old row is left as it is");
        assert_eq!((masked, reader.kept(1).expect("readable").is_none()), (1, true));
    }
    let quarantine = open(&folder, QuarantineConfig::default());
    assert_eq!(payloads(&quarantine, None), ["new", "new", "{}"]);
}

#[tokio::test]
async fn rows_are_found_by_device_and_reason() {
    let folder = TempDir::new().expect("folder");
    let quarantine = open(&folder, QuarantineConfig::default());
    let row = |device, reason, payload: &str| Refused { reason, ..refused(device, payload) };
    use QuarantineReason::{BadField, BadUnit};
    let rows = vec![
        row(Some("a"), BadField, "1"),
        row(Some("b"), BadUnit, "2"),
        row(Some("a"), BadUnit, "3"),
        row(None, BadUnit, "4"),
    ];
    put(&quarantine, rows).await;
    let of = |device, reason, limit| {
        let rows = quarantine.newest_of(device, reason, limit).expect("readable");
        rows.into_iter().map(|r| r.payload).collect::<Vec<_>>()
    };
    assert_eq!(of(None, BadUnit, 9), ["4", "3", "2"]);
    assert_eq!(of(None, BadUnit, 2), ["4", "3"]);
    assert_eq!(of(Some("a"), BadUnit, 9), ["3"]);
    assert_eq!(of(Some("b"), BadField, 9), [""; 0]);
}

#[test]
fn a_row_is_whole_when_nothing_was_cut_or_masked() {
    let whole = |topic: &str, payload: &[u8]| {
        let received = Timestamp(0);
        let message = Incoming { topic, payload, retain: true, received };
        let refusal = Refusal::new(QuarantineReason::BadField, "why");
        let row = Refused::new(&"gateway".into(), &Client::device("d"), &message, refusal);
        assert!(row.retain && row.client == Client::device("d"));
        row.whole
    };
    assert!(whole("t", br#"{"pm25":1}"#));
    assert!(whole("t", &[0xff, 0x00]));
    assert!(whole("t", &vec![b'x'; 65_536]));
    assert!(!whole("t", &vec![b'x'; 65_537]));
    assert!(!whole("t", br#"{"plate":"51F-123.45"}"#));
    assert!(!whole(&"t".repeat(257), b"{}"));
}
