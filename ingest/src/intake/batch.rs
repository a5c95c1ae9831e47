//! The synchronous part of a submission: decode, clock, device limit, duplicates.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Entry, QuarantineReason, Record, SourceCounters};

use super::inflight::Wait;
use super::{Core, Intake, Outcome, SourceHandle, State};
use crate::access::{Client, Standing};
use crate::decode::{Incoming, Refusal, Verdict};
use crate::inbox::{Feed, Said};
use crate::quarantine::Refused;
use crate::registry::{Listed, Met, Registry};

/// What one client hands in at once.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub(super) source: &'a SourceHandle,
    pub(super) client: &'a Client,
    pub(super) messages: &'a [Incoming<'a>],
    /// They come from the quarantine.
    pub(super) is_second: bool,
}

/// What is known of a record beside what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// For duplicates.
    dedup: u64,
    /// Hash of the device's id.
    pub(crate) device: u64,
    /// Arrival less the time the device stated.
    pub(crate) delay_ms: i64,
}

/// A decoded message.
struct Span {
    /// Index of its outcome.
    at: usize,
    records: Range<usize>,
    personal: bool,
}

/// Decoded messages of one submission.
pub(super) struct Batch {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) refused: Vec<Refused>,
    records: Vec<Record>,
    /// Of each record.
    keys: Vec<Key>,
    spans: Vec<Span>,
}

impl Batch {
    pub(super) fn decode(intake: &Intake, read: &Read<'_>) -> Self {
        let n = read.messages.len();
        let mut batch = Self {
            outcomes: Vec::with_capacity(n),
            refused: Vec::new(),
            records: Vec::with_capacity(n),
            keys: Vec::new(),
            spans: Vec::with_capacity(n),
        };
        for message in read.messages {
            let start = batch.records.len();
            let outcome = match judge_one(intake, read, message, &mut batch.records) {
                Ok(verdict) => {
                    let (at, records) = (batch.outcomes.len(), start..batch.records.len());
                    batch.spans.push(Span { at, records, personal: verdict.personal });
                    match verdict.doubt {
                        None => Outcome::Accepted,
                        Some(Refusal { reason, detail, reply, .. }) => {
                            Outcome::Partly { reason, detail, reply }
                        }
                    }
                }
                Err(refusal) => batch.refuse(read, message, refusal),
            };
            batch.outcomes.push(outcome);
        }
        batch.finish(intake, read.source.index);
        batch
    }

    fn refuse(&mut self, read: &Read<'_>, message: &Incoming<'_>, refusal: Refusal) -> Outcome {
        let outcome = Outcome::Quarantined {
            reason: refusal.reason,
            detail: refusal.detail.clone(),
            device: refusal.device.clone(),
            reply: refusal.reply.clone(),
        };
        self.refused.push(Refused::new(&read.source.name, read.client, message, refusal));
        outcome
    }

    /// Door, clock limit and duplicate keys. A record whose clock ran ahead keeps the key of what
    /// it stated: the time of arrival differs between deliveries, and what is ahead now may be
    /// within the limit when it is delivered again.
    fn finish(&mut self, intake: &Intake, source: u16) {
        self.keys.reserve(self.records.len());
        for record in &mut self.records {
            record.source = source;
            let dedup = record.dedup_key();
            let delay_ms = record.received.since_ms(record.time);
            if intake.config.clock_limit_ms.is_some_and(|limit| -delay_ms > limit) {
                record.clamp();
            }
            let device = intake.core.hasher.hash_one(&*record.device);
            self.keys.push(Key { dedup, device, delay_ms });
        }
    }

    /// Decides for each decoded message whether it is new, and opens the submission.
    pub(super) fn deduplicate(&mut self, intake: &Intake, read: &Read<'_>) -> Taken {
        let records = std::mem::take(&mut self.records);
        let keys = std::mem::take(&mut self.keys);
        let mut fresh = vec![false; records.len()];
        let mut seen = Vec::new();

        let mut state = intake.core.lock();
        let tally = self.judge(&mut state, &keys, &mut fresh, &mut seen);
        let ticket = (tally.records > 0).then(|| {
            let own = keys.iter().zip(&fresh).filter(|(_, f)| **f).map(|(k, _)| k.dedup);
            state.in_flight.open(own.collect())
        });
        let waits = match seen.is_empty() {
            true => Vec::new(),
            false => state.in_flight.waits(&seen, ticket),
        };
        drop(state);
        if !read.is_second {
            self.feed(intake, read, &records, &keys);
        }

        let source = read.source;
        source.counters.duplicate.fetch_add(tally.duplicate, Relaxed);
        source.counters.shed.fetch_add(tally.shed, Relaxed);
        // Before the sink has them, so that the rules never count more than this.
        source.counters.records.fetch_add(tally.records, Relaxed);
        let entries = records
            .into_iter()
            .zip(fresh)
            .filter_map(|(r, fresh)| fresh.then_some(Entry::Record(r)))
            .collect();
        Taken {
            core: Arc::clone(&intake.core),
            counters: Arc::clone(&source.counters),
            entries,
            waits,
            ticket,
            accepted: tally.accepted,
            partly: tally.partly,
            records: tally.records,
            empty: tally.empty,
            refused: self.refused.iter().map(|r| r.reason).collect(),
        }
    }
}

/// May this client say this, and what does it say?
fn judge_one(
    intake: &Intake,
    read: &Read<'_>,
    message: &Incoming<'_>,
    records: &mut Vec<Record>,
) -> Result<Verdict, Refusal> {
    let registry = intake.decoders.registry();
    let devices = registry.now();
    read.client.may_publish(&devices, message.topic)?;
    let start = records.len();
    let verdict = intake.decoders.decode_into(message, records)?;
    let said = records.get(start..).unwrap_or_default();
    let mut before: Option<&str> = None;
    for record in said {
        // Messages mostly speak of one device.
        if before.replace(&record.device) == Some(&*record.device) {
            continue;
        }
        let policy = registry.config().unknown_devices;
        let mut judged = read.client.may_say_of(&devices, policy, &record.device);
        // It is met also when it has to wait for approval, not when the client may not name it.
        let waits = matches!(&judged, Err(r) if r.reason == QuarantineReason::DevicePending);
        if (judged.is_ok() || waits) && devices.get(&record.device).is_none() {
            let listed = meet(registry, read.client, record);
            if waits && listed == Listed::No {
                // Nobody will approve what is not listed.
                judged = Err(not_listed(&record.device));
            }
        }
        if let Err(refusal) = judged {
            let refusal = refusal.of(&record.device);
            records.truncate(start);
            return Err(refusal);
        }
    }
    Ok(verdict)
}

fn not_listed(device: &str) -> Refusal {
    let words = format!(
        "`{device}` is not in the registry, which lists no more devices that wait for approval"
    );
    Refusal::new(QuarantineReason::UnknownDevice, words)
}

/// Tells the registry of a device that it does not know.
fn meet(registry: &Registry, client: &Client, record: &Record) -> Listed {
    let is_other = client.standing == Standing::Device && *client.id != *record.device;
    registry.met(&Met {
        device: &record.device,
        area: &record.area,
        service: &record.service,
        parent: is_other.then_some(&*client.id),
        at: record.received,
    })
}

impl Batch {
    /// Marks the records that are `fresh`, collects the keys that were `seen` before.
    fn judge(
        &mut self,
        state: &mut State,
        keys: &[Key],
        fresh: &mut [bool],
        seen: &mut Vec<u64>,
    ) -> Tally {
        let mut tally = Tally::default();
        for Span { at, records, .. } in &self.spans {
            let keys = &keys[records.clone()];
            if !keys.iter().all(|k| state.admit(k.device)) {
                self.outcomes[*at] = Outcome::Shed;
                tally.shed += 1;
                continue;
            }
            let mut new = 0;
            for (key, fresh) in keys.iter().zip(&mut fresh[records.clone()]) {
                *fresh = state.window.insert(key.dedup);
                new += u64::from(*fresh);
                if !*fresh {
                    seen.push(key.dedup);
                }
            }
            match (new, keys.len()) {
                (0, 0) => tally.empty += 1,
                (0, _) => {
                    self.outcomes[*at] = Outcome::Duplicate;
                    tally.duplicate += 1;
                }
                _ => {
                    tally.accepted += 1;
                    tally.partly += u64::from(matches!(self.outcomes[*at], Outcome::Partly { .. }));
                }
            }
            tally.records += new;
        }
        tally
    }

    /// Tells the inbox what became of each message. Some become messages with a remark.
    fn feed(&mut self, intake: &Intake, read: &Read<'_>, records: &[Record], keys: &[Key]) {
        let bound = intake.config.clock_limit_ms;
        let mut feed = Feed::new(&intake.inbox, &read.source.name, &read.client.id, bound);
        let (mut spans, mut refused) = (self.spans.iter(), self.refused.iter());
        for (message, outcome) in read.messages.iter().zip(&mut self.outcomes) {
            if let Outcome::Quarantined { .. } = outcome {
                if let Some(kept) = refused.next() {
                    feed.refused(message, kept, outcome);
                }
            } else if let Some(Span { records: of, personal, .. }) = spans.next() {
                let (records, keys) = (&records[of.clone()], &keys[of.clone()]);
                feed.decoded(message, Said { records, keys, personal: *personal }, outcome);
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    partly: u64,
    records: u64,
    empty: u64,
    duplicate: u64,
    shed: u64,
}

/// What a submission still owes the ledger. What is left when it is dropped was given up.
pub(super) struct Taken {
    core: Arc<Core>,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) entries: Vec<Entry>,
    pub(super) waits: Vec<Wait>,
    ticket: Option<u64>,
    accepted: u64,
    /// Of the accepted.
    partly: u64,
    records: u64,
    empty: u64,
    refused: Vec<QuarantineReason>,
}

impl Taken {
    /// The sink has the records: ticket; messages, those of them that are taken partly, and
    /// records that now depend on the commit.
    pub(super) fn pass_appended(&mut self) -> (u64, [u64; 3]) {
        let accepted = std::mem::take(&mut self.accepted);
        let records = std::mem::take(&mut self.records);
        self.counters.accepted.fetch_add(accepted, Relaxed);
        let partly = std::mem::take(&mut self.partly);
        self.counters.partly.fetch_add(partly, Relaxed);
        (self.ticket.take().unwrap_or(u64::MAX), [accepted, partly, records])
    }

    /// Messages that say nothing for the journal are done.
    pub(super) fn pass_empty(&mut self) {
        self.counters.accepted.fetch_add(std::mem::take(&mut self.empty), Relaxed);
    }

    /// The quarantine has the refusals.
    pub(super) fn pass_refused(&mut self) {
        for reason in self.refused.drain(..) {
            self.counters.quarantine(reason);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.core.lock().give_up(ticket);
        }
        self.counters.records.fetch_sub(self.records, Relaxed);
        let given_up = self.accepted + self.empty + self.refused.len() as u64;
        self.counters.shed.fetch_add(given_up, Relaxed);
    }
}
