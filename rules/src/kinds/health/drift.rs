//! A slow bias: against the other devices of the area or city, or against the device's own past.

mod own;
mod peers;

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, amount, count, measure, printed, span};
use super::text;
use crate::fields::{Fields, text as word};
use crate::kinds::{Context, Input, Message, Said, Shown, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::rule::Per;
use crate::yaml::Node;

use own::Own;
use peers::Peers;

/// A bias beyond `limit` that lasts; clears below `clear`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drift {
    of: Measure,
    against: Against,
    limit: f64,
    clear: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Against {
    Peers(Peers),
    Own(Own),
}

/// 136 B, and against peers at most 620 B for each of at most 32 devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DriftState {
    peers: peers::PeersState,
    own: own::OwnState,
    on: bool,
    found: Option<Bias>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bias {
    /// Which device, of several.
    device: Option<Name>,
    t: i64,
    bias: f64,
    /// Other devices it was compared with.
    others: usize,
}

impl Drift {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        let of = measure("property", fields, check);
        let node = fields.require("against", &mut check.report);
        let with_peers = node.and_then(|n| match word(n, &mut check.report)? {
            "peers" => Some(true),
            "self" => Some(false),
            other => {
                check.report.unknown(n, "`against`", other, ["peers", "self"].into_iter());
                None
            }
        });
        let over = span("over", Some(86_400_000), fields, check);
        let limit = amount("limit", None, fields, check);
        let clear = amount("clear", limit.map(|l| l * 0.8).or(Some(0.0)), fields, check);
        let min_peers = match with_peers {
            Some(false) => Some(0),
            _ => count("min_peers", 2, (2, 32), fields, check),
        };
        let fast = match with_peers {
            Some(true) => Some(0),
            _ => span("fast", Some(over.unwrap_or(0) / 7), fields, check),
        };
        let ladder = common.switch(fields, check);
        let per_device = common.per == Per::Device;
        match with_peers {
            Some(true) if per_device => {
                let hint = "the alert is about the area and names the device";
                check.report.hinted(fields.node(), "peers need `per: area` or `per: city`", hint);
            }
            Some(false) if !per_device => {
                let message =
                    format!("`against: self` is per device, not per {}", common.per.word());
                check.report.hinted(fields.node(), message, "leave `per` out");
            }
            _ => {}
        }
        let (of, (min, max)) = of?;
        let (over, limit, clear, fast) = (over?, limit?, clear?, fast?);
        if over < peers::SLOTS * 60_000 {
            let message = format!("`over` is too short, at least {} min are needed", peers::SLOTS);
            check.report.error(fields.node(), message);
        }
        if clear > limit {
            check.report.error(fields.node(), format!("`clear` {clear} is above `limit` {limit}"));
        }
        if limit >= max - min {
            let message = format!("never fires: `{}` is from {min} to {max}", of.id);
            check.report.error(fields.node(), message);
        }
        let against = if with_peers? {
            Against::Peers(Peers { slot_ms: over / peers::SLOTS, min_peers: min_peers? })
        } else {
            if fast * 2 > over {
                let message = "`fast` must be at most half of `over`";
                check.report.error(fields.node(), message);
            }
            Against::Own(Own { fast_ms: fast, over_ms: over })
        };
        let measure = of.clone();
        Some(Read::of(Self { of, against, limit, clear }, ladder?, &measure))
    }

    fn over_ms(&self) -> i64 {
        match &self.against {
            Against::Peers(p) => p.slot_ms * peers::SLOTS,
            Against::Own(o) => o.over_ms,
        }
    }
}

impl super::Check for Drift {
    type State = DriftState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Property(self.of.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let word = if matches!(self.against, Against::Own(_)) { "self" } else { "peers" };
        let mut out = printed(
            &self.of,
            [
                ("against", print::text(word)),
                ("over", print::duration(self.over_ms())),
                ("limit", print::number(self.limit)),
                ("clear", print::number(self.clear)),
            ],
        );
        out.push(match &self.against {
            Against::Peers(p) => ("min_peers", print::number(p.min_peers)),
            Against::Own(o) => ("fast", print::duration(o.fast_ms)),
        });
        out
    }

    fn feed(&self, s: &mut DriftState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        match &self.against {
            Against::Peers(peers) => {
                if peers.is_due(&s.peers, m.t) {
                    peers.close(s, (self.limit, self.clear), out);
                }
                peers.add(&mut s.peers, m.name, m.t, value);
            }
            Against::Own(own) => own.feed(s, (self.limit, self.clear), (m.t, value), out),
        }
    }

    fn wake(&self, s: &mut DriftState, until: i64, out: &mut Verdicts) {
        if let Against::Peers(peers) = &self.against
            && peers.deadline(&s.peers).is_some_and(|end| end <= until)
        {
            peers.close(s, (self.limit, self.clear), out);
        }
    }

    fn deadline(&self, s: &DriftState) -> Option<i64> {
        match &self.against {
            Against::Peers(peers) => peers.deadline(&s.peers),
            Against::Own(_) => None,
        }
    }

    fn shown(&self, s: &DriftState, cx: &Context<'_>) -> Shown {
        let Some(found) = &s.found else { return Shown::default() };
        let sign = if found.bias < 0.0 { "-" } else { "+" };
        let by = |l| format!("{sign}{}", text::amount(found.bias.abs(), &self.of, l));
        let over = |l| text::span(self.over_ms(), l);
        let others = found.others;
        let detail = match &found.device {
            Some(id) => {
                let name = text::device(id, cx);
                text::both(
                    |l| {
                        format!(
                            "{} lệch {} so với trung vị của {others} thiết bị khác trong {}",
                            name.vi,
                            by(l),
                            over(l)
                        )
                    },
                    |l| {
                        format!(
                            "{} is off by {} from the median of {others} others over {}",
                            name.en,
                            by(l),
                            over(l)
                        )
                    },
                )
            }
            None => text::both(
                |l| format!("mức đo lệch {} so với {} qua", by(l), over(l)),
                |l| format!("the level moved by {} against the last {}", by(l), over(l)),
            ),
        };
        let duration_ms = Some(self.over_ms());
        let limit = Some(self.limit.copysign(found.bias));
        Shown { value: Some(found.bias), limit, duration_ms, detail, ..Shown::default() }
    }

    fn explain(&self, s: &DriftState, _: &Context<'_>, evidence: &mut Evidence) {
        evidence.number("limit", self.limit);
        evidence.number("clear", self.clear);
        match &self.against {
            Against::Peers(p) => p.explain(&s.peers, evidence),
            Against::Own(o) => o.explain(&s.own, evidence),
        }
        if let Some(found) = &s.found {
            evidence.number("bias", found.bias);
            evidence.timer("over", found.t.saturating_sub(self.over_ms()), found.t);
        }
    }

    fn heap_bytes(&self, s: &DriftState) -> usize {
        s.peers.heap_bytes()
    }
}

#[cfg(test)]
mod tests;
