use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{Running, config, read_all, until};
use crate::JournalConfig;

fn small(dir: &TempDir) -> JournalConfig {
    JournalConfig { segment_bytes: 1_024, retain_bytes: 4_096, tail_bytes: 1, ..config(dir.path()) }
}

fn files(dir: &TempDir) -> usize {
    let names = fs::read_dir(dir.path()).expect("folder");
    names.filter(|f| f.as_ref().is_ok_and(|f| f.path().extension().is_some())).count()
}

#[tokio::test]
async fn bytes_delete_the_oldest_segments_behind_every_cursor() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(small(&dir));
    for _ in 0..100 {
        let first = running.commit(10).await;
        running.journal.set_cursor("rules", first);
        running.journal.set_cursor("history", first);
    }
    let stats = running.journal.stats();
    assert!(stats.bytes <= 4_096 + 1_024, "at most one segment over: {stats:?}");
    assert_eq!(stats.segments as usize, files(&dir));
    assert_eq!(stats.retention_passed_cursor, 0);
    let oldest = running.journal.reader("new", 0).next().await.expect("reads").expect("one");
    assert_eq!(oldest.first, stats.first, "a reader from 0 begins at the first there is");
    assert!(stats.first > 0);
    running.stop();
}

#[tokio::test]
async fn passing_a_slow_cursor_is_counted_and_its_reader_goes_on_behind_the_gap() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(small(&dir));
    running.commit(10).await;
    let mut slow = running.journal.reader("history", 0);
    assert_eq!(slow.next().await.expect("reads").expect("one batch").first, 0);
    for _ in 0..100 {
        running.commit(10).await;
    }
    let stats = running.journal.stats();
    assert!(stats.retention_passed_cursor > 0);
    assert_eq!(stats.cursors["history"], 0, "one batch handed out, not yet dealt with");
    running.stop();
    let rest = read_all(slow).await;
    assert_eq!(rest[0].first, stats.first);
    assert_eq!(rest.last().map(|b| b.end()), Some(stats.next));
}

#[tokio::test]
async fn age_deletes_whole_segments_but_never_the_newest() {
    let dir = TempDir::new().expect("temporary folder");
    let config = JournalConfig { retain_bytes: 1 << 20, retain_age_s: 3_600, ..small(&dir) };
    let running = Running::start(config.clone());
    for _ in 0..40 {
        running.commit(10).await;
    }
    running.stop();
    let before = files(&dir);
    assert!(before > 3);
    let old = SystemTime::now() - Duration::from_secs(3_700);
    for item in fs::read_dir(dir.path()).expect("folder") {
        let file = File::options().write(true).open(item.expect("entry").path()).expect("opens");
        file.set_modified(old).expect("time is set");
    }
    let running = Running::start(config);
    running.journal.set_cursor("rules", 400);
    until("the old ones are gone", || running.journal.stats().segments == 1).await;
    assert_eq!(files(&dir), 1);
    let stats = running.journal.stats();
    assert_eq!(stats.next, 400);
    assert!(stats.first < 400, "the newest stays");
    running.stop();
}
