//! The synchronous part of a submission: decode, clock, device limit, duplicates.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ioc_model::{Devices, Entry, QuarantineReason, Record, SourceCounters};

use super::inflight::Wait;
use super::{Core, Intake, Outcome, SourceHandle, State};
use crate::access::Client;
use crate::decode::{Incoming, Refusal, Verdict};
use crate::quarantine::Refused;

/// Decoded messages of one submission.
pub(super) struct Batch {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) refused: Vec<Refused>,
    records: Vec<Record>,
    /// Duplicate key and device hash of each record.
    keys: Vec<(u64, u64)>,
    /// Records of each decoded message: index of its outcome, range in `records`.
    spans: Vec<(usize, Range<usize>)>,
}

impl Batch {
    pub(super) fn decode(
        intake: &Intake,
        (source, client): (&SourceHandle, &Client),
        messages: &[Incoming<'_>],
    ) -> Self {
        let mut batch = Self {
            outcomes: Vec::with_capacity(messages.len()),
            refused: Vec::new(),
            records: Vec::with_capacity(messages.len()),
            keys: Vec::new(),
            spans: Vec::with_capacity(messages.len()),
        };
        let devices = intake.decoders.registry().now();
        for message in messages {
            let start = batch.records.len();
            let judged = judge_one(intake, &devices, client, message, &mut batch.records);
            match judged {
                Ok(verdict) => {
                    batch.spans.push((batch.outcomes.len(), start..batch.records.len()));
                    batch.outcomes.push(match verdict.doubt {
                        None => Outcome::Accepted,
                        Some(Refusal { reason, detail, .. }) => Outcome::Partly { reason, detail },
                    });
                }
                Err(refusal) => {
                    let Refusal { reason, detail, device, reply } = refusal.clone();
                    batch.refused.push(Refused::new(&source.name, message, refusal));
                    batch.outcomes.push(Outcome::Quarantined { reason, detail, device, reply });
                }
            }
        }
        batch.finish(intake, source.index);
        batch
    }

    /// Door, clock limit and duplicate keys. A record whose clock ran ahead is told from the next
    /// one by its own counter or else by the time it stated, not by the time of its arrival,
    /// which differs between deliveries.
    fn finish(&mut self, intake: &Intake, source: u16) {
        self.keys.reserve(self.records.len());
        for record in &mut self.records {
            record.source = source;
            let mut key = record.dedup_key();
            if let Some(limit) = intake.config.clock_limit_ms
                && record.time.since_ms(record.received) > limit
            {
                record.time = record.received;
                record.clock_clamped = true;
                if record.seq.is_some() {
                    key = record.dedup_key();
                }
            }
            self.keys.push((key, intake.core.hasher.hash_one(&*record.device)));
        }
    }

    /// Decides for each decoded message whether it is new, and opens the submission.
    pub(super) fn deduplicate(&mut self, intake: &Intake, source: &SourceHandle) -> Taken {
        let records = std::mem::take(&mut self.records);
        let keys = std::mem::take(&mut self.keys);
        let mut fresh = vec![false; records.len()];
        let mut seen = Vec::new();

        let mut state = intake.core.lock();
        let tally = self.judge(&mut state, &keys, &mut fresh, &mut seen);
        let ticket = (tally.records > 0).then(|| {
            let own = keys.iter().zip(&fresh).filter(|(_, f)| **f).map(|((k, _), _)| *k);
            state.in_flight.open(own.collect())
        });
        let waits = match seen.is_empty() {
            true => Vec::new(),
            false => state.in_flight.waits(&seen, ticket),
        };
        drop(state);

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
    devices: &Devices,
    client: &Client,
    message: &Incoming<'_>,
    records: &mut Vec<Record>,
) -> Result<Verdict, Refusal> {
    client.may_publish(devices, message.topic)?;
    let start = records.len();
    let verdict = intake.decoders.decode_into(message, records)?;
    let said = records.get(start..).unwrap_or_default();
    let denied = said.iter().find_map(|r| client.may_speak_for(devices, &r.device).err());
    match denied {
        None => Ok(verdict),
        Some(refusal) => {
            records.truncate(start);
            Err(refusal)
        }
    }
}

impl Batch {
    /// Marks the records that are `fresh`, collects the keys that were `seen` before.
    fn judge(
        &mut self,
        state: &mut State,
        keys: &[(u64, u64)],
        fresh: &mut [bool],
        seen: &mut Vec<u64>,
    ) -> Tally {
        let mut tally = Tally::default();
        for (at, span) in &self.spans {
            let keys = &keys[span.clone()];
            if !keys.iter().all(|(_, device)| state.admit(*device)) {
                self.outcomes[*at] = Outcome::Shed;
                tally.shed += 1;
                continue;
            }
            let mut new = 0;
            for ((key, _), fresh) in keys.iter().zip(&mut fresh[span.clone()]) {
                *fresh = state.window.insert(*key);
                new += u64::from(*fresh);
                if !*fresh {
                    seen.push(*key);
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
