use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tempfile::TempDir;

use super::{Running, config, until};
use crate::storage::{Record, Storage};
use crate::{JournalConfig, JournalError, Sync};

/// A disk that does as it is told.
#[derive(Default)]
struct Disk {
    full: AtomicBool,
    fail_sync: AtomicBool,
    syncs: AtomicU64,
    /// Positions and counts that were written.
    records: Mutex<Vec<(u64, u32)>>,
}

struct DiskStorage {
    disk: Arc<Disk>,
    /// Each write waits for a word from here, if it is there.
    gate: Option<mpsc::Receiver<()>>,
}

impl Storage for DiskStorage {
    fn append(&mut self, record: &Record<'_>, _now_ms: u64) -> Result<bool, JournalError> {
        if let Some(gate) = &self.gate {
            gate.recv().expect("the test holds the gate");
        }
        if self.disk.full.load(Ordering::SeqCst) {
            let source = io::Error::from(io::ErrorKind::StorageFull);
            return Err(JournalError::Write { path: PathBuf::from("x.seg"), source });
        }
        self.disk.records.lock().expect("not poisoned").push((record.first, record.count));
        Ok(false)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        if self.disk.fail_sync.load(Ordering::SeqCst) {
            let source = io::Error::other("input/output error");
            return Err(JournalError::Sync { path: PathBuf::from("x.seg"), source });
        }
        Ok(())
    }

    fn retain(&mut self, _: Option<(&str, u64)>, _: u64) -> Result<(), JournalError> {
        Ok(())
    }
}

fn start_on(disk: &Arc<Disk>, gate: Option<mpsc::Receiver<()>>, config: JournalConfig) -> Running {
    let storage = Box::new(DiskStorage { disk: Arc::clone(disk), gate });
    Running::start_with(config, |writer| {
        writer.storage = storage;
        writer.disk_full_retry = Duration::from_millis(1);
    })
}

fn durable(dir: &TempDir) -> JournalConfig {
    JournalConfig { sync: Sync::Commit, ..config(dir.path()) }
}

#[tokio::test]
async fn a_full_disk_keeps_the_batch_and_commits_it_when_there_is_room() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    disk.full.store(true, Ordering::SeqCst);
    let running = start_on(&disk, None, JournalConfig { queue_entries: 3, ..durable(&dir) });
    let journal = &running.journal;
    let mut ticket = journal.append(vec![1, 2, 3]).await.expect("there is room in the queue");
    until("the state is shown", || journal.stats().disk_full).await;
    until("it is tried again", || journal.stats().disk_full_retries > 3).await;
    {
        let mut more = pin!(journal.append(vec![4]));
        let polled = std::future::poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_pending()));
        assert!(polled.await, "append waits");
        let polled =
            std::future::poll_fn(|cx| Poll::Ready(pin!(&mut ticket).poll(cx).is_pending()));
        assert!(polled.await, "nothing is acknowledged");
        disk.full.store(false, Ordering::SeqCst);
        assert_eq!(ticket.await.expect("committed at last"), 0);
        assert_eq!(more.await.expect("room again").await.expect("committed"), 3);
    }
    assert!(!journal.stats().disk_full);
    running.stop();
    assert_eq!(*disk.records.lock().expect("not poisoned"), [(0, 3), (3, 1)], "each once");
}

#[tokio::test]
async fn a_failed_sync_is_never_retried_and_fails_every_ticket() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    let (open, gate) = mpsc::channel();
    let running = start_on(&disk, Some(gate), durable(&dir));
    let mut reader = running.journal.reader("rules", 0);
    let committed = running.journal.append(vec![1]).await.expect("room");
    open.send(()).expect("writer waits");
    committed.await.expect("this one is durable");
    disk.fail_sync.store(true, Ordering::SeqCst);
    let in_commit = running.journal.append(vec![2]).await.expect("room");
    until("the batch is taken", || running.journal.stats().queue_entries == 0).await;
    let queued = running.journal.append(vec![3]).await.expect("room");
    open.send(()).expect("writer waits");
    assert!(matches!(in_commit.await, Err(JournalError::Stopped(_))));
    assert!(matches!(queued.await, Err(JournalError::Stopped(_))));
    let failed = running.writer.join().expect("no panic").expect_err("the process must end");
    let JournalError::Stopped(cause) = failed else { unreachable!("{failed}") };
    assert!(matches!(*cause, JournalError::Sync { .. }));
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 2, "one good, one bad, none after it");
    let refused = running.journal.append(vec![4]).await;
    assert!(matches!(refused, Err(JournalError::Stopped(_))));
    let seen = reader.next().await.expect("what is durable is read").expect("one batch");
    assert_eq!(seen.entries, [1]);
    assert!(matches!(reader.next().await, Err(JournalError::Stopped(_))));
}

#[tokio::test]
async fn closing_while_the_disk_is_full_ends_with_the_batch_not_acknowledged() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    disk.full.store(true, Ordering::SeqCst);
    let running = start_on(&disk, None, durable(&dir));
    let ticket = running.journal.append(vec![1]).await.expect("room");
    until("the disk is full", || running.journal.stats().disk_full).await;
    running.journal.close();
    assert!(matches!(ticket.await, Err(JournalError::Stopped(_))));
    assert!(running.writer.join().expect("no panic").is_err());
}

#[tokio::test]
async fn what_arrives_during_a_commit_is_committed_together() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    let (open, gate) = mpsc::channel();
    let running = start_on(&disk, Some(gate), durable(&dir));
    let mut tickets = vec![running.journal.append(vec![0]).await.expect("room")];
    until("the first is taken", || running.journal.stats().queue_entries == 0).await;
    for i in 1..=100 {
        tickets.push(running.journal.append(vec![i, i]).await.expect("room"));
    }
    open.send(()).expect("writer waits");
    open.send(()).expect("writer waits");
    let mut positions = Vec::new();
    for ticket in tickets {
        positions.push(ticket.await.expect("committed"));
    }
    let expected: Vec<u64> = std::iter::once(0).chain((0..100).map(|i| 1 + 2 * i)).collect();
    assert_eq!(positions, expected, "in order, each the position of its first entry");
    drop(open);
    running.stop();
    assert_eq!(*disk.records.lock().expect("not poisoned"), [(0, 1), (1, 200)]);
}

#[tokio::test]
async fn batches_are_closed_by_entries_and_never_split_an_append() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    let (open, gate) = mpsc::channel();
    let config = JournalConfig { batch_max_entries: 10, ..durable(&dir) };
    let running = start_on(&disk, Some(gate), config);
    let mut tickets = vec![running.journal.append(vec![0]).await.expect("room")];
    until("the first is taken", || running.journal.stats().queue_entries == 0).await;
    for n in [4, 4, 4, 25, 1] {
        tickets.push(running.journal.append(vec![7; n]).await.expect("room"));
    }
    for _ in 0..5 {
        open.send(()).expect("writer waits");
    }
    for ticket in tickets {
        ticket.await.expect("committed");
    }
    drop(open);
    running.stop();
    let counts: Vec<u32> =
        disk.records.lock().expect("not poisoned").iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [1, 8, 4, 25, 1]);
}

#[tokio::test]
async fn an_append_beyond_the_queue_is_refused_at_once() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(JournalConfig { queue_entries: 3, ..config(dir.path()) });
    let refused = running.journal.append(vec![0; 4]).await;
    assert!(matches!(refused, Err(JournalError::AppendTooLarge { entries: 4, max: 3 })));
    running.stop();
}

#[tokio::test]
async fn an_empty_append_tells_the_next_position() {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    running.commit(3).await;
    let ticket = running.journal.append(Vec::new()).await.expect("room");
    assert_eq!(ticket.await.expect("answered"), 3);
    assert_eq!(running.stop().commits, 1, "and writes nothing");
}

#[tokio::test]
async fn close_commits_what_is_queued() {
    let dir = TempDir::new().expect("temporary folder");
    let disk = Arc::new(Disk::default());
    let (open, gate) = mpsc::channel();
    let running = start_on(&disk, Some(gate), durable(&dir));
    let first = running.journal.append(vec![1]).await.expect("room");
    until("the first is taken", || running.journal.stats().queue_entries == 0).await;
    let queued = running.journal.append(vec![2]).await.expect("room");
    running.journal.close();
    assert!(matches!(running.journal.append(vec![3]).await, Err(JournalError::Closed)));
    open.send(()).expect("writer waits");
    open.send(()).expect("writer waits");
    assert_eq!(first.await.expect("committed"), 0);
    assert_eq!(queued.await.expect("committed"), 1);
    assert_eq!(running.stop().entries, 2);
}
