//! Too many readings that their sender, or ingest, calls bad.

use ioc_model::Evidence;
use serde::{Deserialize, Serialize};

use super::load::{Measure, Read, count, devices_only, measure, printed};
use super::mask::Mask;
use super::text;
use crate::fields::Fields;
use crate::kinds::{Context, Input, Message, Said, Shown, Verdict, Verdicts, Wanted};
use crate::load::{Check as Checking, Common};
use crate::print;
use crate::yaml::Node;

/// `count` bad ones of the last `of` readings; clears when at most half of `count` are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadQuality {
    property: Measure,
    count: u32,
    of: u32,
}

/// 64 B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct QualityState {
    mask: Mask,
    /// The last bad reading.
    bad: Option<(i64, f64)>,
    newest: Option<i64>,
    on: bool,
}

impl BadQuality {
    pub(super) fn load(
        fields: &mut Fields<'_>,
        common: &Common,
        check: &mut Checking<'_>,
    ) -> Option<Read<Self>> {
        devices_only(fields, common, check);
        let property = measure("property", fields, check);
        let times = count("count", 10, (1, 64), fields, check);
        let of = count("of", 20, (1, 64), fields, check);
        let ladder = common.switch(fields, check);
        let (times, of) = (times?, of?);
        if times > of {
            let message = format!("never fires: `count` {times} is more than `of` {of}");
            check.report.error(fields.node(), message);
        }
        let property = property?.0;
        let measure = property.clone();
        Some(Read::of(Self { property, count: times, of }, ladder?, &measure))
    }
}

impl super::Check for BadQuality {
    type State = QualityState;

    fn inputs(&self) -> Vec<Input> {
        vec![Input::of(Wanted::AnyQuality(self.property.id.clone()))]
    }

    fn print(&self) -> Vec<(&'static str, Node)> {
        let of = [("count", print::number(self.count)), ("of", print::number(self.of))];
        printed(&self.property, of)
    }

    fn feed(&self, s: &mut QualityState, _: &Context<'_>, m: &Message<'_>, out: &mut Verdicts) {
        let Said::Values(&[(_, value), ..]) = m.said else { return };
        if s.newest.is_some_and(|t| m.t <= t) {
            return;
        }
        s.newest = Some(m.t);
        s.mask.push(m.bad);
        if m.bad {
            s.bad = Some((m.t, value));
        }
        let bad = s.mask.count(self.of);
        s.on = if s.on { bad > self.count / 2 } else { bad >= self.count };
        out.push(Verdict::switch(m.t, s.on));
    }

    fn shown(&self, s: &QualityState, _: &Context<'_>) -> Shown {
        let (bad, of) = (s.mask.count(self.of), s.mask.seen(self.of));
        let detail = text::both(
            |_| format!("{bad} trong {of} giá trị gần nhất bị đánh dấu hỏng"),
            |_| format!("{bad} of the last {of} readings are flagged bad"),
        );
        Shown { value: s.bad.map(|b| b.1), detail, ..Shown::default() }
    }

    fn explain(&self, s: &QualityState, cx: &Context<'_>, evidence: &mut Evidence) {
        if let Some((t, value)) = s.bad {
            evidence.reading(&text::id(cx), &self.property.id, t, value);
        }
        evidence.number("bad", f64::from(s.mask.count(self.of)));
        evidence.number("of_the_last", f64::from(s.mask.seen(self.of)));
        evidence.number("count", f64::from(self.count));
    }
}

#[cfg(test)]
mod tests {
    use super::super::HealthRule;
    use crate::kinds::bench::{Bench, T0};
    use crate::kinds::{Message, Said};

    const MIN: i64 = 60_000;

    #[test]
    fn raises_at_so_many_bad_ones_of_the_last_and_clears_at_half() {
        let yaml = "{ check: quality, property: pm25, count: 4, of: 6, severity: minor }";
        let mut b = Bench::<HealthRule>::new(yaml);
        for (i, bad) in "bgbbbggggg".chars().map(|c| c == 'b').enumerate() {
            let t = T0 + i as i64 * MIN;
            let (name, said) = ("d0".into(), Said::Values(&[(0, 12.0)]));
            b.message(&Message {
                t,
                received: t,
                clamped: false,
                bad,
                device: 0,
                name: &name,
                said,
            });
        }
        assert_eq!(b.levels(), [(4 * MIN, 1), (8 * MIN, 0)]);
        assert_eq!(b.shown().detail.en, "1 of the last 6 readings are flagged bad");
        b.reads_back().expect("all");
        let error = Bench::<HealthRule>::load(
            "{ check: quality, property: pm25, count: 7, of: 6, severity: minor }",
        );
        assert!(error.err().expect("mistake").contains("never fires"));
    }
}
