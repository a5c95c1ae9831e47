//! Whether files have changed.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a file's metadata say; unreadable ones count as a state of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    len: u64,
    modified: Option<SystemTime>,
    /// A file that was moved into its place keeps its times but not this.
    inode: u64,
}

/// Watches files by looking at them now and then.
#[derive(Debug)]
pub(super) struct Watched {
    files: Vec<PathBuf>,
    loaded: Vec<Option<Look>>,
    last: Vec<Option<Look>>,
}

impl Watched {
    /// Call before the files are read: a change during the reading is then seen.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let loaded = look(&files);
        Self { files, last: loaded.clone(), loaded }
    }

    /// Whether the files differ from those loaded and have not changed since the last call: one
    /// who writes several of them, or a large one, is waited for. Tells each state once.
    pub(super) fn changed(&mut self) -> bool {
        let now = look(&self.files);
        let settled = now == self.last;
        self.last = now;
        if !settled || self.last == self.loaded {
            return false;
        }
        self.loaded.clone_from(&self.last);
        true
    }

    /// Counts the files as they are now as loaded.
    pub(super) fn loading(&mut self) {
        self.loaded = look(&self.files);
        self.last.clone_from(&self.loaded);
    }
}

fn look(files: &[PathBuf]) -> Vec<Option<Look>> {
    let one = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some(Look { len: meta.len(), modified: meta.modified().ok(), inode: inode(&meta) })
    };
    files.iter().map(one).collect()
}

#[cfg(unix)]
fn inode(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_settled() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&files[0], "1").expect("written");
        let mut watched = Watched::new(files.to_vec());
        assert!(!watched.changed());
        fs::write(&files[1], "new").expect("written");
        assert!(!watched.changed(), "seen for the first time");
        fs::write(&files[0], "12").expect("written");
        assert!(!watched.changed(), "still changing");
        assert!(watched.changed());
        assert!(!watched.changed(), "told once");
        fs::remove_file(&files[1]).expect("removed");
        assert!(!watched.changed());
        assert!(watched.changed(), "a file that is gone is a change");
        // Same length, moved into place.
        fs::write(folder.path().join("c"), "34").expect("written");
        fs::rename(folder.path().join("c"), &files[0]).expect("moved");
        watched.changed();
        assert!(watched.changed());
    }
}
