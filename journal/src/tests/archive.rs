//! Reading without the writer's lock.

use super::*;
use crate::Archive;

fn all(archive: &Archive<Numbers>, from: u64) -> Vec<u64> {
    let batches = archive.read(from).map(|b| b.expect("readable"));
    batches
        .flat_map(|b| (b.first..b.end()).zip(b.entries))
        .filter(|(p, _)| *p >= from)
        .map(|(p, v)| {
            assert_eq!(v, value(p));
            p
        })
        .collect()
}

#[tokio::test]
async fn an_archive_reads_all_that_is_committed_while_the_writer_runs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(JournalConfig { segment_bytes: 4_096, ..config(dir.path()) });
    for n in 1..=60 {
        running.commit(n).await;
    }
    let archive = Archive::open(dir.path(), Numbers).expect("takes no lock");
    let committed: u64 = (1..=60).sum();
    assert_eq!((archive.first(), archive.next()), (0, committed));
    assert!(archive.starts().len() > 3, "several segments");
    running.commit(7).await;
    assert_eq!(all(&archive, 0), (0..committed).collect::<Vec<_>>(), "as it was when opened");
    let middle = archive.starts()[2] + 3;
    assert_eq!(all(&archive, middle), (middle..committed).collect::<Vec<_>>());
    assert_eq!(archive.corrupt(), 0);
    assert!(running.journal.stats().cursors.is_empty(), "retention hears nothing of it");
}

#[tokio::test]
async fn a_record_that_is_being_written_is_no_damage_and_nothing_is_changed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(config(dir.path()));
    running.commit(10).await;
    running.commit(10).await;
    let archive = Archive::open(dir.path(), Numbers).expect("opens");
    let path = archive.segments.path_of(0);
    let whole = fs::read(&path).expect("readable");
    drop(archive);
    // Every length the file can have while its second record is written.
    let copy = tempfile::tempdir().expect("a temporary folder");
    let file = copy.path().join(path.file_name().expect("a name"));
    let mut counts = std::collections::BTreeSet::new();
    for len in (0..=whole.len()).step_by(5).chain([whole.len()]) {
        fs::write(&file, &whole[..len]).expect("writable");
        let archive = Archive::open(copy.path(), Numbers).expect("opens");
        counts.insert(all(&archive, 0).len());
        assert_eq!(archive.corrupt(), 0, "at {len} bytes");
        assert_eq!(fs::metadata(&file).expect("there").len(), len as u64);
    }
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [0, 10, 20]);
}

#[tokio::test]
async fn segments_that_retention_deletes_meanwhile_are_passed_over() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(JournalConfig { segment_bytes: 1_024, ..config(dir.path()) });
    for _ in 0..40 {
        running.commit(20).await;
    }
    let archive = Archive::open(dir.path(), Numbers).expect("opens");
    let starts = archive.starts();
    for start in &starts[..2] {
        fs::remove_file(archive.segments.path_of(*start)).expect("there");
    }
    assert_eq!(all(&archive, 0), (starts[2]..800).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_is_not_made() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let missing = dir.path().join("journal");
    assert!(Archive::open(&missing, Numbers).is_err());
    assert!(!missing.exists());
}
