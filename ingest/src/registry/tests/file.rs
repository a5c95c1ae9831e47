use rusqlite::Connection;

use super::*;

/// Overwrites the middle of the file: pages, not the header.
fn damage(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("there");
    let length = file.metadata().expect("length").len();
    let junk = vec![0xa5; usize::try_from(length).expect("small") - 4096];
    file.write_all_at(&junk, 4096).expect("written");
}

/// A registry with one device and one token, closed.
fn closed(copied: bool) -> (Bench, String) {
    let bench = Bench::new();
    bench.registry.put(air("a1"), &lan()).expect("taken");
    let token = bench.registry.issue_token("a1", "box", &lan()).expect("made").token;
    if copied {
        bench.registry.maintain(Timestamp(61_000)).expect("maintained");
    }
    // What is in the log is moved to the file itself.
    let db = Connection::open(bench.path()).expect("opens");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("moved");
    (bench, token)
}

#[test]
fn a_damaged_file_is_set_aside_and_its_copy_is_taken() {
    let (mut bench, token) = closed(true);
    bench.registry = Arc::new(Registry::of(Devices::default()));
    damage(&bench.path());
    let again = bench.open();
    assert_eq!(again.restored(), Some(Restored::Copy));
    assert!(again.token("a1", token.as_bytes()).is_some(), "no token is lost");
    assert!(bench.dir.path().join("devices.sqlite.damaged").exists());
    let audit = Arc::<Mutex<Vec<_>>>::default();
    again.tell(book(&audit));
    again.maintain(Timestamp(1)).expect("maintained");
    let lines = audit.lock().expect("no panic");
    let (action, user, detail) = lines.last().expect("told");
    assert_eq!(
        (&**action, &**user, &detail["from"]),
        ("registry_restored", "system", &"copy".into())
    );
}

#[test]
fn a_file_that_is_gone_comes_back_from_its_copy() {
    let (mut bench, token) = closed(true);
    bench.registry = Arc::new(Registry::of(Devices::default()));
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(store::beside(&bench.path(), suffix));
    }
    let again = bench.open();
    assert_eq!(again.restored(), Some(Restored::Copy));
    assert!(again.token("a1", token.as_bytes()).is_some());
}

#[test]
fn without_a_copy_the_configured_devices_are_left_and_it_is_told() {
    for text in [None, Some("this is no database, it is a letter".repeat(200))] {
        let (mut bench, token) = closed(false);
        bench.registry = Arc::new(Registry::of(Devices::default()));
        match text {
            Some(text) => std::fs::write(bench.path(), text).expect("written"),
            None => damage(&bench.path()),
        }
        let tool = Registry::open_beside(&bench.path(), RegistryConfig::default(), city());
        let told = tool.expect_err("a tool mends nothing").to_string();
        assert!(told.contains("is damaged"), "{told}");
        let again = bench.open();
        assert_eq!(again.restored(), Some(Restored::Nothing));
        assert_eq!(again.now().len(), bench.city.devices.len());
        assert_eq!(again.token("a1", token.as_bytes()), None);
    }
}

#[test]
fn a_right_that_was_taken_away_does_not_come_back_with_the_copy() {
    let (mut bench, token) = closed(true);
    let id = bench.registry.tokens("a1").expect("there")[0].id;
    bench.registry.revoke_token("a1", id, &lan()).expect("revoked");
    // Sooner than the next copy of other changes.
    bench.registry.maintain(Timestamp(62_000)).expect("maintained");
    bench.registry = Arc::new(Registry::of(Devices::default()));
    std::fs::write(bench.path(), "x".repeat(10_000)).expect("written");
    let again = bench.open();
    assert_eq!(again.restored(), Some(Restored::Copy));
    assert_eq!(again.token("a1", token.as_bytes()), None);
}

#[test]
fn the_file_of_a_later_version_is_not_touched() {
    let (bench, _) = closed(true);
    let db = Connection::open(bench.path()).expect("opens");
    db.pragma_update(None, "user_version", 9).expect("set");
    let refused = Registry::open(&bench.path(), RegistryConfig::default(), city());
    assert!(matches!(refused, Err(crate::IngestError::RegistryLater { version: 9, .. })));
}

#[test]
fn what_another_process_changes_is_seen_and_not_overwritten() {
    let bench = Bench::new();
    let other = Registry::open_beside(&bench.path(), RegistryConfig::default(), city());
    let other = other.expect("opens beside it");
    assert!(bench.registry.maintain(Timestamp(1)).expect("maintained").is_empty());
    let moved = *bench.registry.changes().borrow();
    other.put(Device { aliases: vec!["A8".into()], ..air("a1") }, &lan()).expect("taken");
    let token = other.issue_token("a1", "box", &lan()).expect("made").token;
    assert!(bench.registry.now().get("a1").is_none());
    let changed = bench.registry.maintain(Timestamp(2)).expect("maintained");
    assert_eq!(changed.iter().map(|d| &*d.id).collect::<Vec<_>>(), ["a1"]);
    assert!(*bench.registry.changes().borrow() > moved);
    assert!(bench.registry.token("a1", token.as_bytes()).is_some());
    assert_eq!(bench.actions(), ["device_added", "device_token_made"], "told by the centre");
    // A change on old knowledge is checked against the file as it is.
    other.put(Device { aliases: vec!["B9".into()], ..air("b1") }, &lan()).expect("taken");
    let told = bench.registry.put(Device { aliases: vec!["B9".into()], ..air("b2") }, &lan());
    assert!(mistakes(told)[0].contains("alias `B9` is one of device `b1`"));
    other.set_state("b1", DeviceState::Blocked, &lan()).expect("blocked");
    bench.registry.refresh().expect("read");
    assert_eq!(bench.registry.now().get("b1").map(|d| d.state), Some(DeviceState::Blocked));
}

#[test]
fn what_was_learned_does_not_undo_what_another_process_decided() {
    let bench = Bench::new();
    let met =
        Met { device: "n1", area: "hai_chau", service: "air", parent: None, at: Timestamp(1) };
    bench.registry.met(&met);
    bench.registry.maintain(Timestamp(1)).expect("maintained");
    let other = Registry::open_beside(&bench.path(), RegistryConfig::default(), city());
    other.expect("opens").set_state("n1", DeviceState::Blocked, &lan()).expect("blocked");
    bench.registry.learned("n1", 10, &[]);
    bench.registry.settle().expect("written");
    assert_eq!(bench.open().now().get("n1").map(|d| d.state), Some(DeviceState::Blocked));
}
