//! What a rule says about its alerts besides when they are raised.

use ioc_model::Name;

use super::Check;
use crate::fields::{Fields, duration, is_id, text, whole};
use crate::rule::{Chatter, Ladder};
use crate::yaml::Node;

/// `chatter: { raises: 3, within: 10m, hold: 30m }`.
pub(super) fn chatter(
    node: &Node,
    ladder: Option<&Ladder>,
    check: &mut Check<'_>,
) -> Option<Chatter> {
    let mut fields = Fields::open(node, "`chatter`", &mut check.report)?;
    let raises = fields.require("raises", &mut check.report);
    let within = fields.require("within", &mut check.report);
    let hold = fields.require("hold", &mut check.report);
    fields.finish(&mut check.report);
    let most = u32::from(Chatter::MAX_RAISES);
    let raises = raises.and_then(|n| whole(n, 2, most, &mut check.report));
    let within = within.and_then(|n| duration(n, 1_000, &mut check.report));
    let hold_ms = hold.and_then(|n| duration(n, 1_000, &mut check.report))?;
    let ladder = ladder?;
    if ladder.levels.is_empty() {
        let hint = "take `chatter` away";
        check.report.hinted(node, "a rule that raises nothing cannot chatter", hint);
    }
    if hold_ms <= ladder.clear_for_ms {
        let hint = "hold it longer than `clear_for`";
        check.report.hinted(node, "this holds no longer than the rule does anyway", hint);
    }
    Some(Chatter { raises: u8::try_from(raises?).ok()?, within_ms: within?, hold_ms })
}

/// `cause: flood`: a word like an id.
pub(super) fn cause(node: &Node, check: &mut Check<'_>) -> Option<Name> {
    let word = text(node, &mut check.report)?;
    if is_id(word) {
        return Some(word.into());
    }
    let hint = "letters, digits and `_`, `-`, `.`, such as `flood`";
    check.report.hinted(node, "this is no word for a cause", hint);
    None
}
