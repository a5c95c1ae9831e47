//! Against the device's own past: a fast mean and a slow one.

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::{Bias, DriftState};
use crate::kinds::{Verdict, Verdicts};

/// Exponentially weighted means of irregular readings: a reading moves a mean with time constant
/// τ by dt/(τ + dt), the backward-Euler form of the first-order low pass, which needs no `exp` and
/// is the same on every machine. While less than τ was heard the slow mean is the plain one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Own {
    pub(super) fast_ms: i64,
    pub(super) over_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OwnState(Option<Means>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Means {
    first: i64,
    last: i64,
    fast: f64,
    slow: f64,
}

impl Own {
    pub(super) fn feed(
        &self,
        s: &mut DriftState,
        (limit, clear): (f64, f64),
        (t, value): (i64, f64),
        out: &mut Verdicts,
    ) {
        let Some(m) = &mut s.own.0 else {
            s.own.0 = Some(Means { first: t, last: t, fast: value, slow: value });
            return;
        };
        if t <= m.last {
            return;
        }
        // One reading after a long gap does not stand for the gap.
        let dt = (t - m.last).min(self.fast_ms) as f64;
        let heard = t - m.first;
        let tau = |ms: i64| ms.min(heard) as f64;
        m.fast += (value - m.fast) * dt / (tau(self.fast_ms) + dt);
        m.slow += (value - m.slow) * dt / (tau(self.over_ms) + dt);
        m.last = t;
        if heard < self.over_ms {
            return;
        }
        let bias = m.fast - m.slow;
        s.on = bias.abs() > limit || (s.on && bias.abs() >= clear);
        if s.on {
            s.found = Some(Bias { device: None, t, bias, others: 0 });
        }
        out.push(Verdict::switch(t, s.on));
    }

    pub(super) fn explain(&self, s: &OwnState, evidence: &mut Evidence) {
        let Some(m) = &s.0 else { return };
        evidence.number("fast_mean", m.fast);
        evidence.number("slow_mean", m.slow);
        evidence.timer("learning", m.first, m.first.saturating_add(self.over_ms));
    }
}
