//! The last messages of each device as they came, bounded in bytes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use ioc_model::{ReceivedOutcome, Timestamp};

use crate::intake::KeyHasher;

/// Messages kept of one device.
pub(super) const OF_DEVICE: usize = 10;
/// What one costs beside its texts, bytes.
const OVERHEAD: usize = 192;

/// One message as it is kept.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) at: Timestamp,
    pub(super) source: Arc<str>,
    pub(super) topic: Box<str>,
    /// Masked already if the message held, or may have held, personal data.
    pub(super) payload: Box<[u8]>,
    /// Length of the payload as it came.
    pub(super) bytes: usize,
    pub(super) retain: bool,
    pub(super) outcome: ReceivedOutcome,
}

impl Raw {
    /// Refused, or with a remark: what an owner looks for.
    pub(super) fn is_remarked(&self) -> bool {
        matches!(self.outcome, ReceivedOutcome::Refused { .. } | ReceivedOutcome::Warned { .. })
    }

    fn cost(&self) -> usize {
        let detail = match &self.outcome {
            ReceivedOutcome::Refused { detail, .. } | ReceivedOutcome::Warned { detail, .. } => {
                detail.len()
            }
            _ => 0,
        };
        self.payload.len() + self.topic.len() + detail + OVERHEAD
    }
}

#[derive(Default)]
struct Kept {
    /// Place in the order of devices.
    tick: u64,
    /// Oldest first.
    messages: VecDeque<Arc<Raw>>,
    remarked: usize,
}

/// The kept messages of the devices of one shard.
pub(super) struct Raws {
    by_device: HashMap<u64, Kept, BuildHasherDefault<KeyHasher>>,
    /// Devices, the one that was kept longest ago first.
    order: BTreeMap<u64, u64>,
    tick: u64,
    bytes: usize,
    max_bytes: usize,
}

impl Raws {
    pub(super) fn new(max_bytes: usize) -> Self {
        let (by_device, order) = Default::default();
        Self { by_device, order, tick: 0, bytes: 0, max_bytes }
    }

    /// Newest first.
    pub(super) fn of(&self, key: u64) -> Vec<Arc<Raw>> {
        let kept = self.by_device.get(&key);
        kept.map(|k| k.messages.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// Keeps a message. Half of a device's places are for those with a remark: a flood of one
    /// sort does not push out the other.
    pub(super) fn keep(&mut self, key: u64, raw: Arc<Raw>) {
        if raw.cost() > self.max_bytes {
            return;
        }
        self.tick += 1;
        let kept = self.by_device.entry(key).or_default();
        if !kept.messages.is_empty() {
            self.order.remove(&kept.tick);
        }
        kept.tick = self.tick;
        self.order.insert(self.tick, key);
        self.bytes += raw.cost();
        kept.remarked += usize::from(raw.is_remarked());
        kept.messages.push_back(raw);
        if kept.messages.len() > OF_DEVICE {
            let remarked = kept.remarked > OF_DEVICE / 2;
            let oldest = kept.messages.iter().position(|m| m.is_remarked() == remarked);
            if let Some(gone) = oldest.and_then(|at| kept.messages.remove(at)) {
                kept.remarked -= usize::from(remarked);
                self.bytes -= gone.cost();
            }
        }
        while self.bytes > self.max_bytes {
            self.forget_some(key);
        }
    }

    /// Forgets a device.
    pub(super) fn forget(&mut self, key: u64) {
        if let Some(gone) = self.by_device.remove(&key) {
            self.order.remove(&gone.tick);
            self.bytes -= gone.messages.iter().map(|m| m.cost()).sum::<usize>();
        }
    }

    /// Forgets the device that was kept longest ago; of `newest`, when it is alone, its oldest.
    fn forget_some(&mut self, newest: u64) {
        let Some(key) = self.order.first_key_value().map(|(_, key)| *key) else {
            self.bytes = 0;
            return;
        };
        if key != newest {
            self.forget(key);
        } else if let Some(kept) = self.by_device.get_mut(&key)
            && let Some(gone) = kept.messages.pop_front()
        {
            kept.remarked -= usize::from(gone.is_remarked());
            self.bytes -= gone.cost();
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let counted: usize =
            self.by_device.values().flat_map(|k| &k.messages).map(|m| m.cost()).sum();
        assert_eq!(counted, self.bytes, "the books of the bytes are right");
        assert_eq!(self.order.len(), self.by_device.len());
        counted
    }
}
