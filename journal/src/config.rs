use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::JournalError;

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sync {
    /// fdatasync, then acknowledge: what was acknowledged survives a power cut.
    #[default]
    Commit,
    /// Acknowledge when the system has the bytes, fdatasync every `ms`: survives kill -9; a power
    /// cut may cost the last `ms`.
    Interval {
        /// Milliseconds between two fdatasync.
        ms: u64,
    },
    /// Never fdatasync: survives kill -9; what a power cut costs is up to the system.
    Off,
}

/// Settings of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    /// Folder of the segment files; made if absent. One journal per folder.
    pub dir: PathBuf,
    /// When a commit counts as done.
    pub sync: Sync,
    /// A batch is closed at this many entries. One `append` is never split, so a batch may hold
    /// up to one `append` more.
    pub batch_max_entries: usize,
    /// A batch is closed at about this many encoded bytes, judged by the mean size so far.
    pub batch_max_bytes: usize,
    /// Least time between the starts of two commits. An entry that finds the writer idle for that
    /// long is committed at once; nothing waits longer than this for company. 0: never wait.
    pub batch_linger_ms: u64,
    /// Entries that may be appended and not yet committed. When full, `append` waits; nothing is
    /// dropped.
    pub queue_entries: usize,
    /// Recent committed batches kept in memory for the readers, in bytes (encoded size plus the
    /// size of the entry type). When full, the oldest leave; readers find them on disk.
    pub tail_bytes: usize,
    /// Size at which a segment file is closed.
    pub segment_bytes: u64,
    /// The oldest segments are deleted while all together are larger than this.
    pub retain_bytes: u64,
    /// Segments last written longer ago than this are deleted, seconds.
    pub retain_age_s: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("journal"),
            sync: Sync::Commit,
            batch_max_entries: 8_192,
            batch_max_bytes: 1 << 20,
            batch_linger_ms: 2,
            queue_entries: 65_536,
            tail_bytes: 4 << 20,
            segment_bytes: 64 << 20,
            retain_bytes: 4 << 30,
            retain_age_s: 7 * 86_400,
        }
    }
}

impl JournalConfig {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// [`JournalError::Config`] names the first setting that cannot work.
    pub fn validate(&self) -> Result<(), JournalError> {
        let refuse = |setting, reason| Err(JournalError::Config { setting, reason });
        if self.batch_max_entries == 0 {
            return refuse("batch_max_entries", "must be at least 1");
        }
        if self.batch_max_bytes == 0 {
            return refuse("batch_max_bytes", "must be at least 1");
        }
        if self.queue_entries == 0 || self.queue_entries > 1 << 24 {
            return refuse("queue_entries", "must be 1 to 16777216");
        }
        if !(1_024..=1 << 30).contains(&self.segment_bytes) {
            return refuse("segment_bytes", "must be 1024 to 1073741824");
        }
        if self.retain_bytes < self.segment_bytes {
            return refuse("retain_bytes", "must be at least segment_bytes");
        }
        if self.retain_age_s == 0 {
            return refuse("retain_age_s", "must be at least 1");
        }
        match self.sync {
            Sync::Interval { ms: 0 } => refuse("sync.interval.ms", "must be at least 1"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_valid_and_commits_durably() {
        let config = JournalConfig::default();
        config.validate().expect("the shipped default");
        assert_eq!(config.sync, Sync::Commit);
    }

    #[test]
    fn refuses_a_queue_without_room() {
        let config = JournalConfig { queue_entries: 0, ..JournalConfig::default() };
        let error = config.validate().expect_err("no entry would fit");
        assert_eq!(error.to_string(), "journal setting queue_entries must be 1 to 16777216");
    }
}
