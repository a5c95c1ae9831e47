use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A setting cannot work.
    #[error("journal setting {setting} {reason}")]
    Config {
        /// Name of the setting.
        setting: &'static str,
        /// Why it is refused.
        reason: &'static str,
    },
    /// Another process, or another handle of this one, has the folder.
    #[error("journal {dir} is in use by another process")]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// A folder or file could not be opened, made, listed or deleted.
    #[error("cannot open journal file {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read journal file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written. When the disk is full the writer waits and tries again.
    #[error("cannot write journal file {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// fsync failed: nobody knows what is on disk, so it is never tried again.
    #[error("cannot sync journal file {path}")]
    Sync {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is whole and says that a later version wrote it.
    #[error("journal file {path} has version {version}, this program reads {known}")]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// Ours.
        known: u32,
    },
    /// One `append` has more entries than the queue can ever hold.
    #[error("{entries} entries in one append, the queue holds {max}")]
    AppendTooLarge {
        /// Entries given.
        entries: usize,
        /// `queue_entries`.
        max: usize,
    },
    /// One batch encodes to more than a record may hold.
    #[error("batch of {bytes} bytes, a record holds {max}")]
    BatchTooLarge {
        /// Encoded size.
        bytes: usize,
        /// Limit.
        max: usize,
    },
    /// `close` was called, or the writer is gone.
    #[error("journal is closed")]
    Closed,
    /// A thread that read for a reader ended early (the runtime stops).
    #[error("reading the journal was cut off")]
    ReadCutOff(#[source] tokio::task::JoinError),
    /// The writer failed; nothing after that was committed.
    #[error("journal stopped")]
    Stopped(#[source] Arc<JournalError>),
}

impl JournalError {
    pub(crate) fn open(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Open { path: path.to_owned(), source }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }

    pub(crate) fn sync(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Sync { path: path.to_owned(), source }
    }

    /// The disk is full, and nothing of the batch was kept: the one case where trying again is
    /// safe and may help. An fsync error never is.
    pub(crate) fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Write { source, .. } | Self::Open { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
