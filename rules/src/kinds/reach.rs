//! Levels that no value of a rule can raise or clear.

use std::collections::BTreeSet;

use ioc_model::Name;

use crate::fields::Fields;
use crate::limit::{Limit, Op};
use crate::load::Check;
use crate::rule::Ladder;

/// What a kind can find: values from `low` to `high`, ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reach {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Ends of its own that a kind's alerts have, beside `clear`.
    pub(crate) ends: bool,
}

impl Reach {
    fn meets(self, op: Op, limit: f64) -> bool {
        op.holds(if op.is_upper() { self.high } else { self.low }, limit)
    }

    /// Reports the levels of a ladder that can never come or, once there, never go.
    pub(crate) fn check(self, fields: &mut Fields<'_>, ladder: &Ladder, check: &mut Check<'_>) {
        let Some(node) = fields.get("levels") else { return };
        let found = format!("the values of this rule lie between {} and {}", self.low, self.high);
        for level in &ladder.levels {
            let cases = [
                (level.raise_op, &level.raise, "never fires"),
                (level.clear_op, &level.clear, "never clears"),
            ];
            for (op, limit, what) in cases {
                if self.ends && what == "never clears" {
                    continue;
                }
                if let Some((value, whom)) = self.out_of_reach(op, limit) {
                    let severity = level.severity.as_str();
                    let message = format!("the level {severity} {what}{whom}: {op} {value}");
                    check.report.hinted(node, message, found.clone());
                    break;
                }
            }
        }
    }

    fn out_of_reach(self, op: Op, limit: &Limit) -> Option<(f64, String)> {
        let devices: BTreeSet<&Name> = limit.own_devices().collect();
        let general = limit.general().map(|value| (value, String::new()));
        let own = devices.into_iter().filter_map(|d| Some((limit.at(Some(d), i64::MAX)?, whom(d))));
        general.into_iter().chain(own).find(|(value, _)| !self.meets(op, *value))
    }
}

fn whom(device: &str) -> String {
    format!(" for `{device}`")
}
