use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Running, config, firsts, recover};
use crate::segments::FILE_HEADER;
use crate::{Journal, JournalError};

/// Entries per record.
const N: u64 = 16;
/// With `cargo test --release` every bit of a 64 KiB segment is flipped.
const RECORDS: u64 = if cfg!(debug_assertions) { 12 } else { 405 };

/// A segment of `records` records, and where each ends.
async fn segment(records: u64) -> (Vec<u8>, Vec<usize>) {
    let dir = TempDir::new().expect("temporary folder");
    let running = Running::start(config(dir.path()));
    let mut ends = Vec::new();
    for _ in 0..records {
        running.commit(N).await;
        ends.push(running.journal.stats().bytes as usize);
    }
    running.stop();
    (fs::read(segment_path(dir.path())).expect("one segment"), ends)
}

fn segment_path(dir: &Path) -> PathBuf {
    dir.join(format!("{:020}.seg", 0))
}

/// On memory if there is, since each case is a folder of its own.
fn work_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.expect("folder")
}

/// Puts `bytes` as the only segment.
fn put(dir: &Path, bytes: &[u8]) {
    for item in fs::read_dir(dir).expect("folder") {
        fs::remove_file(item.expect("entry").path()).expect("removed");
    }
    fs::write(segment_path(dir), bytes).expect("written");
}

/// After damage the journal must go on as if nothing was: new entries under positions that were
/// never used, all readable at the next start.
async fn goes_on(dir: &Path, survivors: &[u64], next: u64) {
    let running = Running::start(config(dir));
    assert_eq!(running.commit(5).await, next);
    running.stop();
    let (report, batches, _journal) = recover(dir).await;
    assert_eq!((report.next, report.torn_bytes), (next + 5, 0));
    assert_eq!(firsts(&batches), [survivors, &[next]].concat());
}

#[tokio::test]
async fn any_flipped_bit_costs_at_most_its_record_and_is_counted() {
    let (mut bytes, ends) = segment(RECORDS).await;
    let dir = work_folder();
    let all: Vec<u64> = (0..RECORDS).map(|i| i * N).collect();
    for bit in 0..bytes.len() * 8 {
        let byte = bit / 8;
        bytes[byte] ^= 1 << (bit % 8);
        put(dir.path(), &bytes);
        bytes[byte] ^= 1 << (bit % 8);
        let (report, batches, journal) = recover(dir.path()).await;
        let stats = journal.stats();
        drop(journal);
        let mut expected = all.clone();
        if byte < FILE_HEADER {
            assert_eq!((stats.damaged_headers, stats.corrupt), (1, 0), "bit {bit}");
        } else {
            expected.remove(ends.iter().filter(|end| **end <= byte).count());
            assert_eq!((stats.damaged_headers, stats.corrupt), (0, 1), "bit {bit}");
        }
        assert_eq!(firsts(&batches), expected, "bit {bit}");
        assert!(report.next >= RECORDS * N, "bit {bit}: no position is used twice");
        if bit % 97 == 0 {
            goes_on(dir.path(), &expected, report.next).await;
        }
    }
}

#[tokio::test]
async fn a_cut_at_any_byte_costs_only_what_is_behind_it() {
    let (bytes, ends) = segment(12).await;
    let dir = work_folder();
    for len in 0..=bytes.len() {
        put(dir.path(), &bytes[..len]);
        let (report, batches, journal) = recover(dir.path()).await;
        drop(journal);
        let whole = ends.iter().filter(|end| **end <= len).count() as u64;
        let survivors: Vec<u64> = (0..whole).map(|i| i * N).collect();
        assert_eq!(firsts(&batches), survivors, "cut at {len}");
        let border = whole.checked_sub(1).map_or(FILE_HEADER, |i| ends[i as usize]);
        let torn = if len < FILE_HEADER { len } else { len - border };
        assert_eq!((report.corrupt, report.torn_bytes), (0, torn as u64), "cut at {len}");
        goes_on(dir.path(), &survivors, whole * N).await;
    }
}

#[tokio::test]
async fn zeros_after_a_power_cut_are_a_torn_tail() {
    let (bytes, _) = segment(3).await;
    let dir = work_folder();
    put(dir.path(), &[&bytes[..], &[0; 9_000]].concat());
    let (report, batches, journal) = recover(dir.path()).await;
    drop(journal);
    assert_eq!((report.corrupt, report.torn_bytes, report.next), (0, 9_000, 3 * N));
    goes_on(dir.path(), &firsts(&batches), 3 * N).await;
}

#[tokio::test]
async fn a_ruined_page_costs_the_records_on_it() {
    let (bytes, ends) = segment(100).await;
    let dir = work_folder();
    let mut ruined = bytes.clone();
    ruined[4_096..8_192].fill(0xa5);
    put(dir.path(), &ruined);
    let (_, batches, journal) = recover(dir.path()).await;
    let hit = |i: &u64| {
        let (start, end) = (ends[*i as usize] - (ends[1] - ends[0]), ends[*i as usize]);
        end > 4_096 && start < 8_192
    };
    let survivors: Vec<u64> = (0..100).filter(|i| !hit(i)).map(|i| i * N).collect();
    assert_eq!(firsts(&batches), survivors);
    assert!(journal.stats().corrupt >= 1);
}

#[tokio::test]
async fn a_record_inside_an_entry_is_not_taken_for_one() {
    // A device that knows the format could send a whole record as its payload. A position without
    // zeros keeps LZ4 from changing it.
    let start = 0x1122_3344_5566_7788;
    let (dir, other) = (work_folder(), work_folder());
    let path = dir.path().join(format!("{start:020}.seg"));
    let running = Running::start_with(config(dir.path()), |w| w.skip_to(start));
    running.commit(N).await;
    let mut forged = fs::read(&path).expect("one segment")[FILE_HEADER..].to_vec();
    let damaged_at = FILE_HEADER + forged.len();
    forged.resize(forged.len().next_multiple_of(8), 0);
    let entries: Vec<u64> =
        forged.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    let ticket = running.journal.append(entries).await.expect("room");
    let after = ticket.await.expect("committed") + (forged.len() / 8) as u64;
    running.commit(N).await;
    running.stop();
    // The header around it is damaged, so that the scan looks for the next record within.
    let mut stored = fs::read(&path).expect("one segment");
    let forged = &forged[..damaged_at - FILE_HEADER];
    let copies = stored.windows(forged.len()).filter(|w| *w == forged).count();
    assert_eq!(copies, 2, "the forged record is on disk as it was sent");
    stored[damaged_at] ^= 1;
    fs::write(other.path().join(path.file_name().expect("a name")), &stored).expect("written");
    let (_, batches, journal) = recover(other.path()).await;
    assert_eq!(firsts(&batches), [start, after], "its position was used, so it is no record");
    assert_eq!(journal.stats().corrupt, 1);
}

#[tokio::test]
async fn a_segment_of_a_later_version_is_refused() {
    let (mut bytes, _) = segment(1).await;
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    let dir = work_folder();
    put(dir.path(), &bytes);
    let error = Journal::open(config(dir.path()), super::Numbers).err().expect("not ours");
    assert!(matches!(error, JournalError::Version { version: 2, known: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_foreign_file_in_the_folder_is_left_alone() {
    let dir = work_folder();
    for name in ["notes.txt", "1.seg", "0000000000000000000x.seg"] {
        let path = dir.path().join(name);
        OpenOptions::new().create_new(true).write(true).open(path).expect("made");
    }
    let (report, batches, _journal) = recover(dir.path()).await;
    assert_eq!((report.next, batches.len()), (0, 0));
    assert!(dir.path().join("1.seg").exists());
}
