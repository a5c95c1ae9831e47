//! A device whose clock is wrong.

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Read, count, devices_only, span};
use super::mask::Mask;
use super::text;
use crate::fields::Fields;
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::template::Language;
use crate::yaml::Node;

/// `count` of the last `of` messages whose time is wrong: ahead (ingest set it to the arrival),
/// more than `limit_ms` behind, or jumping back by more than that. Clears when all of the last
/// `of` are right.
///
/// A message that is behind because a gateway delivers a backlog is none: then messages come
/// closer together than the times they tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clock {
    limit_ms: i64,
    count: u32,
    of: u32,
}

/// 88 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClockState {
    mask: Mask,
    /// Time and arrival of the last message.
    last: Option<(i64, i64)>,
    /// Newest time.
    newest: Option<i64>,
    on: bool,
    found: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Fault {
    kind: FaultKind,
    t: i64,
    /// How far off, as far as it is known.
    by_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum FaultKind {
    Ahead,
    Behind,
    Back,
}

impl Clock {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let limit_ms = span("limit", Some(300_000), fields, check);
        let times = count("count", 3, (1, 64), fields, check);
        let of = count("of", 5, (1, 64), fields, check);
        let ladder = common.switch(fields, check);
        let (times, of) = (times?, of?);
        if times > of {
            let message = format!("never fires: `count` {times} is more than `of` {of}");
            check.report.error(fields.node(), message);
        }
        let check = Self { limit_ms: limit_ms?, count: times, of };
        Some(Read { check, ladder: ladder?, unit: "s".into(), digits: 0 })
    }

    /// Recordings are replayed years later: the engine's now is what a time is compared with.
    fn fault(&self, s: &ClockState, cx: &Context<'_>, m: &Message<'_>) -> Option<Fault> {
        let fault = |kind, by_ms| Some(Fault { kind, t: m.t, by_ms });
        if m.clamped {
            return fault(FaultKind::Ahead, 0);
        }
        let back = s.newest.map_or(0, |newest| newest - m.t);
        if back > self.limit_ms {
            return fault(FaultKind::Back, back);
        }
        let now = if cx.now == i64::MIN { m.received } else { cx.now.min(m.received) };
        let lag = now - m.t;
        let backlog = s.last.is_some_and(|(t, at)| (m.received - at) * 2 < m.t - t);
        if lag > self.limit_ms && !backlog {
            return fault(FaultKind::Behind, lag);
        }
        None
    }
}

impl super::Check for Clock {
    type State = ClockState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::Presence)]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        vec![
            ("limit", print::duration(self.limit_ms)),
            ("count", print::number(self.count)),
            ("of", print::number(self.of)),
        ]
    }

    fn feed(&self, s: &mut ClockState, cx: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        if !matches!(m.said, Said::Alive) || s.last.is_some_and(|(_, at)| m.received < at) {
            return;
        }
        let fault = self.fault(s, cx, m);
        s.mask.push(fault.is_some());
        s.last = Some((m.t, m.received));
        let newest = s.newest.map_or(m.t, |t| t.max(m.t));
        s.newest = Some(newest);
        let wrong = s.mask.count(self.of);
        s.on = if s.on { wrong > 0 } else { wrong >= self.count };
        s.found = fault.or(s.found);
        out.push(Verdict::switch(newest, s.on));
    }

    fn shown(&self, s: &ClockState, _: &Context<'_>) -> Shown {
        let Some(fault) = s.found else { return Shown::default() };
        let by = |l| text::span(fault.by_ms, l);
        let detail = text::both(
            |l: Language| match fault.kind {
                FaultKind::Ahead => "đồng hồ thiết bị chạy trước giờ thực".to_owned(),
                FaultKind::Behind => format!("đồng hồ thiết bị chậm {}", by(l)),
                FaultKind::Back => format!("giờ của thiết bị nhảy lùi {}", by(l)),
            },
            |l: Language| match fault.kind {
                FaultKind::Ahead => "the device's clock runs ahead".to_owned(),
                FaultKind::Behind => format!("the device's clock is {} behind", by(l)),
                FaultKind::Back => format!("the device's time jumped back by {}", by(l)),
            },
        );
        let value = (fault.kind != FaultKind::Ahead).then_some((fault.by_ms / 1000) as f64);
        let limit = Some((self.limit_ms / 1000) as f64);
        Shown { value, limit, duration_ms: Some(fault.by_ms), detail, ..Shown::default() }
    }

    fn explain(&self, s: &ClockState, _: &Context<'_>, evidence: &mut Evidence) {
        evidence.number("wrong_messages", f64::from(s.mask.count(self.of)));
        evidence.number("of_the_last", f64::from(s.mask.seen(self.of)));
        evidence.number("limit_s", (self.limit_ms / 1000) as f64);
        if let Some(fault) = s.found {
            let word = match fault.kind {
                FaultKind::Ahead => "ahead",
                FaultKind::Behind => "behind",
                FaultKind::Back => "jumped back",
            };
            evidence.word("clock", word);
            if fault.kind != FaultKind::Ahead {
                evidence.timer("off", fault.t, fault.t.saturating_add(fault.by_ms));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::bench::{Bench, T0};
    use crate::kinds::{Message, Said};

    const MIN: i64 = 60_000;

    fn bench(more: &str) -> Bench<HealthRule> {
        Bench::new(&format!("{{ check: clock, severity: minor{more} }}"))
    }

    /// A message that comes at minute `at` and tells minute `t`.
    fn say(b: &mut Bench<HealthRule>, at: i64, t: i64, clamped: bool) {
        let (received, t) = (T0 + at * MIN, T0 + t * MIN);
        b.time(at * MIN);
        let (name, said) = ("d0".into(), Said::Alive);
        b.message(&Message { t, received, clamped, bad: false, device: 0, name: &name, said });
    }

    /// The worked timeline of docs/rules.md.
    #[test]
    fn a_clock_that_is_behind_raises_and_clears_when_it_is_set_right() {
        let mut b = bench("");
        say(&mut b, 0, 0, false);
        for at in [10, 20, 30] {
            say(&mut b, at, at - 8, false);
        }
        assert_eq!(b.levels(), [(22 * MIN, 1)]);
        assert_eq!(b.shown().detail.vi, "đồng hồ thiết bị chậm 8 phút");
        for at in [40, 50, 60, 70, 80] {
            say(&mut b, at, at, false);
        }
        assert_eq!(b.levels(), [(22 * MIN, 1), (80 * MIN, 0)]);
    }

    #[test]
    fn clamped_times_count_as_ahead_and_single_ones_do_not_raise() {
        let mut b = bench("");
        for at in 0..20 {
            say(&mut b, at, at, at % 5 < 2);
        }
        assert_eq!(b.levels(), [], "two of five");
        say(&mut b, 20, 20, true);
        say(&mut b, 21, 21, true);
        say(&mut b, 22, 22, true);
        assert_eq!(b.levels(), [(22 * MIN, 1)]);
        assert_eq!(b.shown().detail.en, "the device's clock runs ahead");
        assert_eq!(b.evidence().facts[0].value, Some(3.0));
    }

    #[test]
    fn a_backlog_of_a_gateway_is_no_wrong_clock() {
        let mut b = bench("");
        say(&mut b, 0, 0, false);
        for minute in 1..60 {
            say(&mut b, 60, minute, false);
        }
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn times_that_jump_back_are_told_at_the_newest_time() {
        let mut b = bench(", count: 2");
        say(&mut b, 100, 100, false);
        say(&mut b, 101, 41, false);
        say(&mut b, 102, 42, false);
        assert_eq!(b.levels(), [(100 * MIN, 1)]);
        assert_eq!(b.shown().detail.en, "the device's time jumped back by 58 min");
        assert_eq!(b.shown().value, Some(58.0 * 60.0));
    }

    #[test]
    fn a_replay_at_event_time_has_no_lag() {
        let mut b = bench("");
        for minute in 0..10 {
            b.time(minute * MIN);
            let (name, said) = ("d0".into(), Said::Alive);
            let (t, received) = (T0 + minute * MIN, T0 + 400 * 86_400_000 + minute * 5_000);
            let m =
                Message { t, received, clamped: false, bad: false, device: 0, name: &name, said };
            b.message(&m);
        }
        assert_eq!(b.levels(), []);
    }

    #[test]
    fn reads_back_and_refuses_more_than_all() {
        bench("").reads_back().expect("plain");
        bench(", limit: 90s, count: 64, of: 64, for: 1m").reads_back().expect("all");
        let error = Bench::<HealthRule>::load("{ check: clock, count: 6, severity: minor }");
        assert!(error.err().expect("mistake").contains("never fires"));
    }
}
