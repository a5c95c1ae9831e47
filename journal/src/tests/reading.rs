use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Numbers, Running, config, copy_folder, firsts, read_all, recover, value};
use crate::{Journal, JournalConfig, JournalError, OpenReport, Sync};

#[tokio::test]
async fn what_was_committed_is_read_after_reopening() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    for n in [3, 1, 5] {
        running.commit(n).await;
    }
    running.stop();
    let (report, batches, _journal) = recover(dir.path()).await;
    assert_eq!(report, OpenReport { first: 0, next: 9, corrupt: 0, torn_bytes: 0 });
    assert_eq!(firsts(&batches), [0, 3, 4]);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_in_every_sync_mode() {
    for sync in [Sync::Commit, Sync::Interval { ms: 60_000 }, Sync::Off] {
        let (dir, after_kill) = (TempDir::new().expect("folder"), TempDir::new().expect("folder"));
        let running = Running::start(JournalConfig { sync, ..config(dir.path()) });
        for n in [3, 1, 5] {
            running.commit(n).await;
        }
        copy_folder(dir.path(), after_kill.path());
        let (report, batches, _journal) = recover(after_kill.path()).await;
        assert_eq!((report.next, firsts(&batches)), (9, vec![0, 3, 4]), "{sync:?}");
        running.stop();
    }
}

#[tokio::test]
async fn a_journal_dropped_without_close_ends_its_writer_and_reopens() {
    let dir = TempDir::new().expect("temporary folder");
    let (journal, writer, _) = Journal::open(config(dir.path()), Numbers).expect("opens");
    let ticket = journal.append(vec![1]).await.expect("room");
    drop(writer);
    assert!(matches!(ticket.await, Err(JournalError::Closed)), "nobody will commit it");
    assert!(matches!(journal.append(vec![2]).await, Err(JournalError::Closed)));
    drop(journal);
    let (report, batches, _journal) = recover(dir.path()).await;
    assert_eq!((report.next, batches.len()), (0, 0));
}

#[tokio::test]
async fn a_folder_has_one_journal_at_a_time() {
    let dir = TempDir::new().expect("temporary folder");
    let first = Journal::open(config(dir.path()), Numbers).expect("opens");
    let second = Journal::open(config(dir.path()), Numbers);
    assert!(matches!(second, Err(JournalError::Locked { .. })));
    drop(first);
    Journal::open(config(dir.path()), Numbers).expect("free again");
}

#[tokio::test]
async fn a_position_within_a_batch_gives_the_whole_batch() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    for n in [3, 4, 5] {
        running.commit(n).await;
    }
    let from_memory = running.journal.reader("memory", 5).next().await.expect("reads");
    assert_eq!(from_memory.expect("there is one").first, 3);
    running.stop();
    let (_, _, journal) = recover(dir.path()).await;
    assert_eq!(firsts(&read_all(journal.reader("disk", 5)).await), [3, 7]);
}

#[tokio::test]
async fn readers_share_the_batches_in_memory() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    running.commit(3).await;
    let one = running.journal.reader("one", 0).next().await.expect("reads").expect("one batch");
    let two = running.journal.reader("two", 0).next().await.expect("reads").expect("one batch");
    assert!(Arc::ptr_eq(&one, &two));
    running.stop();
}

#[tokio::test]
async fn a_reader_that_lags_behind_the_memory_misses_nothing() {
    let dir = TempDir::new().expect("temporary folder");
    let small = JournalConfig { tail_bytes: 500, segment_bytes: 2_048, ..config(dir.path()) };
    let running = Running::start(small);
    let mut slow = running.journal.reader("slow", 0);
    for round in 0..10 {
        for n in 1..30 {
            running.commit(n).await;
        }
        // Read a little, fall behind again.
        for _ in 0..round {
            slow.next().await.expect("reads").expect("there is more");
        }
    }
    let stats = running.journal.stats();
    assert!(stats.segments > 5 && stats.tail_bytes < 1_000, "most is on disk only: {stats:?}");
    let (at, end) = (slow.position(), stats.next);
    running.stop();
    let rest = read_all(slow).await;
    assert_eq!(rest[0].first, at);
    assert!(rest.windows(2).all(|w| w[0].end() == w[1].first), "no gap, none twice");
    assert_eq!(rest.last().map(|b| b.end()), Some(end));
}

#[tokio::test]
async fn a_waiting_reader_gets_what_is_committed_later_and_ends_at_close() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    let mut reader = running.journal.reader("live", 0);
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(batch) = reader.next().await.expect("reads") {
            seen.push(batch.first);
        }
        seen
    });
    for n in [3, 4, 5] {
        running.commit(n).await;
    }
    running.stop();
    assert_eq!(reading.await.expect("ends"), [0, 3, 7]);
}

#[tokio::test]
async fn a_cancelled_next_loses_nothing() {
    let dir = TempDir::new().expect("temporary folder");
    let small = JournalConfig { tail_bytes: 1, ..config(dir.path()) };
    let running = Running::start(small);
    for _ in 0..50 {
        running.commit(3).await;
    }
    running.journal.close();
    let mut reader = running.journal.reader("hasty", 0);
    let mut seen = Vec::new();
    loop {
        let mut next = pin!(reader.next());
        // Polled once, then dropped if it has to wait.
        let polled = std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
        match polled {
            Poll::Pending => tokio::task::yield_now().await,
            Poll::Ready(batch) => match batch.expect("reads") {
                Some(batch) => seen.push(batch.first),
                None => break,
            },
        }
    }
    assert_eq!(seen, (0..50).map(|i| i * 3).collect::<Vec<u64>>());
    running.stop();
}

#[tokio::test]
async fn a_position_is_found_without_reading_older_segments() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(JournalConfig { segment_bytes: 1_024, ..config(dir.path()) });
    for _ in 0..40 {
        running.commit(10).await;
    }
    running.stop();
    let oldest = dir.path().join(format!("{:020}.seg", 0));
    let len = std::fs::metadata(&oldest).expect("first segment").len() as usize;
    std::fs::write(&oldest, vec![0xff; len]).expect("ruined");
    let (journal, writer, _) = Journal::open(config(dir.path()), Numbers).expect("opens");
    drop(writer);
    assert_eq!(firsts(&read_all(journal.reader("new", 395)).await), [390]);
    assert_eq!(journal.stats().corrupt, 0, "the ruined segment was not read");
    let from_start = read_all(journal.reader("old", 0)).await;
    assert!(from_start[0].first > 0, "what was ruined is lost");
    assert_eq!(journal.stats().corrupt, 1, "and counted when met");
    read_all(journal.reader("old", 0)).await;
    assert_eq!(journal.stats().corrupt, 1, "once");
}

#[tokio::test]
async fn positions_skipped_for_a_consumer_are_never_given_out() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    running.commit(3).await;
    running.stop();
    let running = Running::start_with(config(dir.path()), |w| w.skip_to(1_000));
    assert_eq!(running.commit(1).await, 1_000);
    let across = running.journal.reader("across", 0);
    running.stop();
    assert_eq!(firsts(&read_all(across).await), [0, 1_000], "from disk, then from memory");
    let (report, batches, _journal) = recover(dir.path()).await;
    assert_eq!((report.next, firsts(&batches)), (1_001, vec![0, 1_000]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_batches_any_sizes_any_reopening_read_back_from_anywhere(
        runs in prop::collection::vec(prop::collection::vec(1u64..60, 1..12), 1..5),
        segment_bytes in 1_024u64..4_096,
        tail_bytes in 1usize..4_096,
        from in any::<prop::sample::Index>(),
    ) {
        let dir = TempDir::new().expect("temporary folder");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let config = JournalConfig { segment_bytes, tail_bytes, ..config(dir.path()) };
        let mut expected = Vec::new();
        let mut next = 0;
        for run in runs {
            let running = Running::start(config.clone());
            for n in run {
                expected.push(runtime.block_on(running.commit(n)));
                next += n;
            }
            let in_process = running.journal.reader("all", 0);
            running.stop();
            let live = runtime.block_on(read_all(in_process));
            prop_assert_eq!(&firsts(&live), &expected);
        }
        let (report, batches, journal) = runtime.block_on(recover(dir.path()));
        prop_assert_eq!(report, OpenReport { first: 0, next, corrupt: 0, torn_bytes: 0 });
        prop_assert_eq!(&firsts(&batches), &expected);
        let entries: Vec<u64> = batches.into_iter().flat_map(|b| b.entries).collect();
        prop_assert_eq!(entries, (0..next).map(value).collect::<Vec<_>>());
        let from = from.index(next as usize) as u64;
        let part = runtime.block_on(read_all(journal.reader("part", from)));
        let holds = expected.partition_point(|first| *first <= from) - 1;
        prop_assert_eq!(firsts(&part), &expected[holds..]);
    }
}
