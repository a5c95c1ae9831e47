//! What the intake tells of each submission.

use std::sync::{Arc, MutexGuard};

use ioc_model::{QuarantineReason, ReceivedOutcome, Record};

use super::Inbox;
use super::clock::Remark;
use super::raw::Raw;
use super::shard::Shard;
use super::stats::Kind;
use crate::decode::Incoming;
use crate::intake::{Key, Outcome};
use crate::quarantine::{Refused, redact};

/// What a message was decoded to.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) records: &'a [Record],
    /// Of the records.
    pub(crate) keys: &'a [Key],
    /// It held personal data.
    pub(crate) personal: bool,
}

/// Notes the messages of one submission. The lock of a shard is held from one message to the
/// next while they are of the same shard: mostly once for all of a submission.
pub(crate) struct Feed<'a> {
    inbox: &'a Inbox,
    door: &'a Arc<str>,
    client: &'a str,
    /// See [`crate::IntakeConfig::clock_limit_ms`].
    bound: Option<i64>,
    shard: Option<(usize, MutexGuard<'a, Shard>)>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(
        inbox: &'a Inbox,
        door: &'a Arc<str>,
        client: &'a str,
        bound: Option<i64>,
    ) -> Self {
        Self { inbox, door, client, bound, shard: None }
    }

    fn shard(&mut self, key: u64) -> &mut Shard {
        let place = self.inbox.place(key);
        if self.shard.as_ref().is_none_or(|(held, _)| *held != place) {
            // The one before is let go first: two shards are never held.
            self.shard = None;
        }
        &mut self.shard.get_or_insert_with(|| (place, self.inbox.lock(place))).1
    }

    /// A message that was understood. It becomes one with a remark if a device's clock is off and
    /// the device has not been told of late.
    pub(crate) fn decoded(&mut self, message: &Incoming<'_>, said: Said<'_>, out: &mut Outcome) {
        let payload = Payload::Decoded { of: message.payload, personal: said.personal };
        let said_by = |at: usize| said.keys.get(at).map(|k| k.device);
        let Some(first) = said_by(0) else {
            let key = self.inbox.key(self.client);
            return self.note(message, key, None, payload, out);
        };
        self.note(message, first, Some((said, 0)), payload, out);
        for at in 1..said.keys.len() {
            let Some(key) = said_by(at) else { continue };
            // A record of the device before is the usual case.
            if said_by(at - 1) != Some(key) && said.keys[..at].iter().all(|k| k.device != key) {
                self.note(message, key, Some((said, at)), payload, out);
            }
        }
    }

    /// A message that was refused, and how it is kept.
    pub(crate) fn refused(&mut self, message: &Incoming<'_>, kept: &Refused, out: &mut Outcome) {
        let key = self.inbox.key(kept.device.as_deref().unwrap_or(self.client));
        self.note(message, key, None, Payload::Masked(&kept.payload), out);
    }

    /// Notes a message under one device; `said` with the place of the device's first record.
    fn note(
        &mut self,
        message: &Incoming<'_>,
        key: u64,
        said: Option<(Said<'_>, usize)>,
        payload: Payload<'_>,
        out: &mut Outcome,
    ) {
        let (inbox, bound, door) = (self.inbox, self.bound, self.door);
        let shard = self.shard(key);
        let Some(stats) = shard.entry(key) else { return };
        let kind = kind_of(out);
        stats.count(message.received, kind);
        if kind == Kind::Accepted
            && let Some((said, at)) = said
        {
            let of_device = said.records.iter().zip(said.keys).filter(|(_, k)| k.device == key);
            of_device.for_each(|(r, _)| stats.seen.note(&inbox.names, &inbox.hasher, r));
            // What a broker repeats is old by nature.
            if !message.retain {
                let (record, delay) = (&said.records[at], said.keys[at].delay_ms);
                stats.learn(message.received, record.time);
                if let Some(bound) = bound {
                    stats.clock.note(message.received, delay, bound);
                    if *out == Outcome::Accepted
                        && let Some(remark) = stats.clock.remark(message.received)
                    {
                        *out = warned(&record.device, remark);
                    }
                }
            }
        }
        let remarked = !matches!(out, Outcome::Accepted | Outcome::Duplicate | Outcome::Shed);
        if stats.is_kept(message.received, remarked)
            && (remarked || shard.may_keep(message.received))
        {
            shard.raws.keep(key, Arc::new(raw(door, message, payload, out)));
        }
    }
}

#[derive(Clone, Copy)]
enum Payload<'a> {
    Decoded {
        of: &'a [u8],
        personal: bool,
    },
    /// As the quarantine keeps it.
    Masked(&'a [u8]),
}

fn raw(door: &Arc<str>, message: &Incoming<'_>, payload: Payload<'_>, out: &Outcome) -> Raw {
    let payload = match payload {
        Payload::Decoded { of, personal: true } => redact::payload(of),
        Payload::Decoded { of, personal: false } => of.to_vec(),
        Payload::Masked(masked) => masked.to_vec(),
    };
    Raw {
        at: message.received,
        source: Arc::clone(door),
        topic: message.topic.chars().take(256).collect(),
        payload: payload.into(),
        bytes: message.payload.len(),
        retain: message.retain,
        outcome: outcome_of(out),
    }
}

fn kind_of(outcome: &Outcome) -> Kind {
    match outcome {
        Outcome::Accepted | Outcome::Warned { .. } | Outcome::Partly { .. } => Kind::Accepted,
        Outcome::Duplicate => Kind::Duplicate,
        Outcome::Quarantined { reason, .. } => Kind::Refused(*reason),
        Outcome::Shed => Kind::Shed,
    }
}

fn outcome_of(outcome: &Outcome) -> ReceivedOutcome {
    match outcome {
        Outcome::Accepted => ReceivedOutcome::Accepted,
        Outcome::Warned { reason, detail } | Outcome::Partly { reason, detail, .. } => {
            ReceivedOutcome::Warned { reason: *reason, detail: detail.clone() }
        }
        Outcome::Duplicate => ReceivedOutcome::Duplicate,
        Outcome::Quarantined { reason, detail, .. } => {
            ReceivedOutcome::Refused { reason: *reason, detail: detail.clone() }
        }
        Outcome::Shed => ReceivedOutcome::Shed,
    }
}

/// Tells the owner what its clock does, and what that means for its readings.
fn warned(device: &str, remark: Remark) -> Outcome {
    let (reason, detail) = match remark {
        Remark::Ahead(ms) => (
            QuarantineReason::ClockAhead,
            format!(
                "the clock of `{device}` is {} s ahead of ours; the reading is kept with the time \
                 of its arrival",
                ms / 1_000
            ),
        ),
        Remark::Behind(ms) => (
            QuarantineReason::ClockBehind,
            format!(
                "all that `{device}` sent of late came {} s or more after its time; if it was not \
                 kept back, the clock is behind ours",
                ms / 1_000
            ),
        ),
    };
    Outcome::Warned { reason, detail: redact::text(detail) }
}
