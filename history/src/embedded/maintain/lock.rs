//! Only one process writes to a database.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;

/// A process that is just ending may still hold the file.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(20);

/// The right to write to a database, held until it is dropped; the kernel takes it back when the
/// process dies. It lies on a file of its own, `<path>.lock`, because SQLite has locks of the
/// database file itself.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held, not used")] File);

impl FileLock {
    /// Takes the lock of the database at `path`; waits up to 2 s for a holder that is ending.
    ///
    /// # Errors
    /// [`Error::InUse`] when another holds it, [`Error::Folder`] when the file cannot be made.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let name = PathBuf::from(format!("{}.lock", path.display()));
        let failed = |source| Error::Folder { path: name.clone(), source };
        let file =
            File::options().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(RETRY);
                }
                Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.into() }),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("history.db");
        let first = FileLock::take(&path).expect("free");
        let refused = FileLock::take(&path).expect_err("held");
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        drop(first);
        FileLock::take(&path).expect("free again");
    }
}
