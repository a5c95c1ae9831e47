//! A rule that raises again and again.

use std::collections::VecDeque;

use ioc_model::{Evidence, Name};
use serde::{Deserialize, Serialize};

use super::load::{Read, count, devices_only, span};
use super::text;
use crate::fields::{Fields, is_id, text as word};
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::yaml::Node;

/// `count` times within `within_ms` another rule raised on the same device, or rose in severity:
/// three or more a minute are a chattering alarm (ANSI/ISA-18.2, 16.5.2; EEMUA 191). Clears when
/// it did not for `quiet_ms`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chatter {
    rule: Name,
    count: u32,
    within_ms: i64,
    quiet_ms: i64,
}

const MOST: u32 = 32;

/// 56 B and 8 B for each of `count`, at most 320 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChatterState {
    /// Times of the last rises.
    rises: VecDeque<i64>,
    level: u8,
    until: Option<i64>,
    /// Rises since the alert began.
    total: u32,
}

impl Chatter {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let node = fields.require("rule", &mut check.report);
        let rule = node.and_then(|n| word(n, &mut check.report));
        if let (Some(node), Some(id)) = (node, rule.filter(|id| !is_id(id))) {
            check.report.error(node, format!("`{id}` is not the id of a rule"));
        }
        let times = count("count", 3, (2, MOST), fields, check);
        let within_ms = span("within", Some(60_000), fields, check);
        let quiet_ms = span("quiet", Some(600_000), fields, check);
        let ladder = common.switch(fields, check);
        let (within_ms, quiet_ms, ladder) = (within_ms?, quiet_ms?, ladder?);
        if quiet_ms < within_ms {
            let hint = "else rises already counted would raise again";
            check.report.hinted(fields.node(), "`quiet` is shorter than `within`", hint);
        }
        if ladder.for_ms >= quiet_ms {
            let message = "never fires: `for` is not below `quiet`";
            check.report.error(fields.node(), message);
        }
        let check = Self { rule: rule?.into(), count: times?, within_ms, quiet_ms };
        Some(Read { check, ladder, unit: Name::default(), digits: 0 })
    }
}

impl super::Check for Chatter {
    type State = ChatterState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Rule(self.rule.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        vec![
            ("rule", print::text(&*self.rule)),
            ("count", print::number(self.count)),
            ("within", print::duration(self.within_ms)),
            ("quiet", print::duration(self.quiet_ms)),
        ]
    }

    fn feed(&self, s: &mut ChatterState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Rule { level, .. } = m.said else { return };
        let rose = level > std::mem::replace(&mut s.level, level);
        if !rose {
            return;
        }
        // A transition may be told a moment late; verdicts do not go back.
        let t = s.rises.back().map_or(m.t, |last| m.t.max(*last));
        if s.rises.len() >= self.count as usize {
            s.rises.pop_front();
        }
        s.rises.push_back(t);
        let near = s.rises.front().is_some_and(|first| t - first < self.within_ms);
        let chatters = near && s.rises.len() >= self.count as usize;
        if s.until.is_none() && chatters {
            s.total = self.count - 1;
            out.push(Verdict::switch(t, true));
        }
        if s.until.is_some() || chatters {
            s.total = s.total.saturating_add(1);
            s.until = Some(t.saturating_add(self.quiet_ms));
        }
    }

    fn wake(&self, s: &mut ChatterState, until: i64, out: &mut Verdicts) {
        if let Some(end) = s.until.filter(|end| *end <= until) {
            s.until = None;
            s.rises.clear();
            out.push(Verdict::switch(end, false));
        }
    }

    fn deadline(&self, s: &ChatterState) -> Option<i64> {
        s.until
    }

    fn shown(&self, s: &ChatterState, _: &Context<'_>) -> Shown {
        let (times, rule) = (s.total, &self.rule);
        let within = |l| text::span(self.within_ms, l);
        let detail = text::both(
            |l| {
                format!(
                    "cảnh báo {rule} bật {times} lần, ít nhất {} lần trong {}",
                    self.count,
                    within(l)
                )
            },
            |l| {
                format!("{rule} raised {times} times, at least {} within {}", self.count, within(l))
            },
        );
        Shown {
            value: Some(f64::from(times)),
            limit: Some(f64::from(self.count)),
            duration_ms: Some(self.within_ms),
            detail,
            ..Shown::default()
        }
    }

    fn explain(&self, s: &ChatterState, _: &Context<'_>, evidence: &mut Evidence) {
        evidence.word("rule", &*self.rule);
        evidence.number("rises", s.rises.len() as f64);
        evidence.number("count", f64::from(self.count));
        if let (Some(first), Some(last)) = (s.rises.front(), s.rises.back()) {
            evidence.timer("rises", *first, *last);
            evidence.timer("within", *first, first.saturating_add(self.within_ms));
        }
        if let Some(until) = s.until {
            evidence.timer("quiet", until - self.quiet_ms, until);
        }
    }

    fn heap_bytes(&self, s: &ChatterState) -> usize {
        s.rises.capacity() * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::Said;
    use crate::kinds::bench::Bench;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!("{{ check: chatter, rule: flood.street, severity: info{more} }}"))
    }

    fn levels(b: &mut Bench<HealthRule>, changes: &[(i64, u8)]) {
        for (s, level) in changes {
            b.say(s * 1000, 0, Said::Rule { input: 0, entity: 7, level: *level });
        }
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn three_raises_in_a_minute_raise_until_it_is_quiet() {
        let mut b = bench("");
        levels(&mut b, &[(0, 1), (20, 0), (30, 1), (40, 0), (59, 1), (70, 0), (300, 1)]);
        b.time(2_000_000);
        assert_eq!(b.levels(), [(59_000, 1), (900_000, 0)]);
        assert_eq!(b.shown().value, Some(4.0));
        assert_eq!(b.shown().detail.en, "flood.street raised 4 times, at least 3 within 60 s");
    }

    #[test]
    fn slower_raises_and_falling_severities_are_normal() {
        let mut b = bench("");
        levels(&mut b, &[(0, 1), (10, 0), (30, 1), (40, 0), (60, 1), (90, 0), (120, 1)]);
        assert_eq!(b.levels(), [], "the first is a whole minute before the third");
        let mut b = bench("");
        levels(&mut b, &[(0, 3), (10, 2), (20, 1), (30, 0), (40, 1), (50, 1)]);
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn reads_back_and_refuses_a_quiet_that_is_too_short() {
        bench("").reads_back().expect("plain");
        bench(", count: 5, within: 10m, quiet: 1h, for: 1m").reads_back().expect("all");
        let load = |yaml: &str| Bench::<HealthRule>::load(yaml).err().unwrap_or_default();
        assert!(load("{ check: chatter, severity: info }").contains("`rule` is missing"));
        let short = "{ check: chatter, rule: a.b, within: 1h, quiet: 10m, severity: info }";
        assert!(load(short).contains("shorter than"));
        assert!(load("{ check: chatter, rule: \"a b\", severity: info }").contains("not the id"));
    }
}
