//! Against the other devices of the area or city.

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::super::stats::median;
use super::{Bias, DriftState};
use crate::kinds::{Verdict, Verdicts};

/// A window is so many slots. In each slot the mean of a device is compared with the median of
/// the means of the others; its bias is the median of these differences over the window.
pub(super) const SLOTS: i64 = 24;
/// Slots begin at local midnight (UTC+7).
const LOCAL_OFFSET_MS: i64 = 7 * 3_600_000;
/// A device needs differences in so many slots.
const LEAST: usize = 12;
/// Further devices of an area are not looked at.
const MOST_DEVICES: usize = 32;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Peers {
    pub(super) slot_ms: i64,
    /// Fewer others than this cannot tell who is wrong.
    pub(super) min_peers: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PeersState {
    /// The slot that is open.
    slot: Option<i64>,
    /// By id.
    pub(super) members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    id: Name,
    /// Of the open slot.
    sum: f64,
    count: u32,
    /// Last slot with a reading.
    heard: i64,
    /// Slot and difference from the others, oldest first.
    differences: Vec<(i64, f64)>,
    drifts: bool,
}

impl Member {
    fn bias(&self) -> Option<f64> {
        if self.differences.len() < LEAST {
            return None;
        }
        let mut values: Vec<f64> = self.differences.iter().map(|(_, d)| *d).collect();
        median(&mut values)
    }
}

impl PeersState {
    pub(super) fn heap_bytes(&self) -> usize {
        let lists = self.members.iter().map(|m| m.differences.capacity() * size_of::<(i64, f64)>());
        self.members.capacity() * size_of::<Member>() + lists.sum::<usize>()
    }
}

impl Peers {
    fn slot(&self, t: i64) -> i64 {
        t.saturating_add(LOCAL_OFFSET_MS).div_euclid(self.slot_ms)
    }

    fn end(&self, slot: i64) -> i64 {
        (slot + 1).saturating_mul(self.slot_ms).saturating_sub(LOCAL_OFFSET_MS)
    }

    pub(super) fn deadline(&self, s: &PeersState) -> Option<i64> {
        s.slot.map(|slot| self.end(slot))
    }

    pub(super) fn is_due(&self, s: &PeersState, t: i64) -> bool {
        s.slot.is_some_and(|slot| self.slot(t) > slot)
    }

    /// Adds a reading; one of a slot that is closed is left out.
    pub(super) fn add(&self, s: &mut PeersState, id: &Name, t: i64, value: f64) {
        let slot = *s.slot.get_or_insert_with(|| self.slot(t));
        if self.slot(t) != slot {
            return;
        }
        let at = match s.members.binary_search_by(|m| m.id.cmp(id)) {
            Ok(at) => at,
            Err(_) if s.members.len() >= MOST_DEVICES => return,
            Err(at) => {
                let (id, differences) = (id.clone(), Vec::new());
                let new =
                    Member { id, sum: 0.0, count: 0, heard: slot, differences, drifts: false };
                s.members.insert(at, new);
                at
            }
        };
        if let Some(m) = s.members.get_mut(at) {
            m.sum += value;
            m.count += 1;
            m.heard = slot;
        }
    }

    /// Compares the devices of the open slot and closes it.
    pub(super) fn close(&self, s: &mut DriftState, (limit, clear): (f64, f64), out: &mut Verdicts) {
        let Some(slot) = s.peers.slot.take() else { return };
        let members = &mut s.peers.members;
        let means: Vec<Option<f64>> =
            members.iter().map(|m| (m.count > 0).then(|| m.sum / f64::from(m.count))).collect();
        for (i, m) in members.iter_mut().enumerate() {
            let others = means.iter().enumerate().filter(|(j, _)| *j != i);
            let mut others: Vec<f64> = others.filter_map(|(_, mean)| *mean).collect();
            (m.sum, m.count) = (0.0, 0);
            m.differences.retain(|(at, _)| *at > slot - SLOTS);
            if let Some(mean) = means.get(i).copied().flatten()
                && others.len() >= self.min_peers as usize
                && let Some(middle) = median(&mut others)
            {
                m.differences.push((slot, mean - middle));
            }
            let bias = m.bias().unwrap_or(0.0).abs();
            m.drifts = bias > limit || (m.drifts && bias >= clear);
        }
        members.retain(|m| m.heard > slot - SLOTS);
        let t = self.end(slot);
        let drifting = members.iter().filter(|m| m.drifts);
        let biases = drifting.filter_map(|m| Some((m.bias()?, &m.id)));
        let worst = biases.max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
        let others = means.iter().flatten().count().saturating_sub(1);
        s.on = worst.is_some();
        if let Some((bias, id)) = worst {
            s.found = Some(Bias { device: Some(id.clone()), t, bias, others });
        }
        out.push(Verdict::switch(t, s.on));
    }

    pub(super) fn explain(&self, s: &PeersState, evidence: &mut Evidence) {
        evidence.number("devices", s.members.len() as f64);
        for m in s.members.iter().take(8) {
            if let Some(bias) = m.bias() {
                evidence.number(&format!("bias of {}", m.id), bias);
            }
        }
    }
}
