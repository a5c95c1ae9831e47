//! Values that rules computed, on their way into the journal: each once, also after a crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_journal::{JournalError, Reader, Ticket};
use ioc_model::{Entry, Ledger, Record, SourceCounters};

use crate::stages::{EntryCodec, EntryJournal};

/// The ledger's name for these records.
const DOOR: &str = "derived";
/// Records of one append; far below what the journal's queue holds.
const AT_ONCE: usize = 1_024;
/// Keys looked up ahead; about 3 MB.
const AHEAD: usize = 131_072;

/// Writes computed records into the journal. Its writer waits for no reader, so waiting for room
/// here holds up the rules and nothing else.
pub(super) struct Derived {
    journal: EntryJournal,
    source: u16,
    counters: Arc<SourceCounters>,
    earlier: Option<Earlier>,
    last: Option<Ticket>,
    /// The journal takes no more: what was computed since is computed again at the next start.
    closed: bool,
}

impl Derived {
    /// Entries from `next` to `end` have been judged before, in part: what they gave may be in
    /// the journal.
    pub(super) fn new(journal: &EntryJournal, ledger: &Ledger, next: u64, end: u64) -> Self {
        let (source, counters) = ledger.source(DOOR);
        let earlier = (next < end).then(|| Earlier {
            reader: journal.reader("derived", next),
            next,
            end,
            keys: HashMap::new(),
            held: 0,
        });
        Self { journal: journal.clone(), source, counters, earlier, last: None, closed: false }
    }

    /// Appends what is not in the journal yet.
    pub(super) async fn put(&mut self, records: Vec<Record>) -> anyhow::Result<()> {
        let mut fresh = Vec::new();
        for record in records {
            if let Some(earlier) = &mut self.earlier
                && earlier.take(record.dedup_key()).await?
            {
                continue;
            }
            fresh.push(Entry::Record(Record { source: self.source, derived: true, ..record }));
        }
        while !fresh.is_empty() && !self.closed {
            let rest = fresh.split_off(fresh.len().min(AT_ONCE));
            self.append(std::mem::replace(&mut fresh, rest)).await?;
        }
        Ok(())
    }

    async fn append(&mut self, entries: Vec<Entry>) -> anyhow::Result<()> {
        let (n, c) = (entries.len() as u64, &self.counters);
        c.received.fetch_add(n, Relaxed);
        // Before the journal has them, so that the rules never count more than this.
        c.records.fetch_add(n, Relaxed);
        match self.journal.append(entries).await {
            Ok(ticket) => {
                c.accepted.fetch_add(n, Relaxed);
                self.last = Some(ticket);
                Ok(())
            }
            Err(e) => {
                c.received.fetch_sub(n, Relaxed);
                c.records.fetch_sub(n, Relaxed);
                match e {
                    JournalError::Closed => {
                        self.closed = true;
                        Ok(())
                    }
                    other => Err(other.into()),
                }
            }
        }
    }

    /// Entries below `next` are judged: earlier values that were not met by now never will be.
    pub(super) fn passed(&mut self, next: u64) {
        if self.earlier.as_ref().is_some_and(|earlier| next >= earlier.end) {
            self.earlier = None;
        }
    }

    /// Waits until all that was put is on disk; `false` if some never will be.
    pub(super) async fn durable(&mut self) -> anyhow::Result<bool> {
        if let Some(ticket) = self.last.take() {
            match ticket.await {
                Ok(_) => {}
                Err(JournalError::Closed) => self.closed = true,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(!self.closed)
    }
}

/// Computed records that an earlier process put into the journal, in the order in which the same
/// entries give them again.
struct Earlier {
    reader: Reader<EntryCodec>,
    next: u64,
    end: u64,
    /// How often each key is there.
    keys: HashMap<u64, u32>,
    held: usize,
}

impl Earlier {
    /// Was this record there? Then it is taken off.
    async fn take(&mut self, key: u64) -> anyhow::Result<bool> {
        while self.held < AHEAD && self.reader.position() < self.end {
            let Some(batch) = self.reader.next().await? else { break };
            for (position, entry) in (batch.first..self.end).zip(&batch.entries) {
                if let Entry::Record(r) = entry
                    && r.derived
                    && position >= self.next
                {
                    *self.keys.entry(r.dedup_key()).or_default() += 1;
                    self.held += 1;
                }
            }
        }
        let Some(count) = self.keys.get_mut(&key) else { return Ok(false) };
        *count -= 1;
        self.held -= 1;
        if *count == 0 {
            self.keys.remove(&key);
        }
        Ok(true)
    }
}
