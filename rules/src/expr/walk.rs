//! What an expression looks at.

use super::tree::{Bool, Num, Text};
use crate::limit::Limit;

/// Something outside of the expression.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf<'a> {
    Input(u8),
    Limit(&'a Limit),
}

impl Num {
    pub(super) fn walk<'a>(&'a self, f: &mut dyn FnMut(Leaf<'a>)) {
        match self {
            Self::Const(_) | Self::Hour | Self::Weekday => {}
            Self::Value(i) => f(Leaf::Input(*i)),
            Self::Limit(limit) => f(Leaf::Limit(limit)),
            Self::Neg(n) | Self::Abs(n) => n.walk(f),
            Self::Calc(_, sides) => {
                sides.0.walk(f);
                sides.1.walk(f);
            }
            Self::Min(all) | Self::Max(all) => all.iter().for_each(|n| n.walk(f)),
            Self::If(parts) => {
                parts.0.walk(f);
                parts.1.walk(f);
                parts.2.walk(f);
            }
        }
    }
}

impl Bool {
    pub(super) fn walk<'a>(&'a self, f: &mut dyn FnMut(Leaf<'a>)) {
        match self {
            Self::Const(_) => {}
            Self::Has(i) => f(Leaf::Input(*i)),
            Self::Compare(_, sides) => {
                sides.0.walk(f);
                sides.1.walk(f);
            }
            Self::NumIn(n, list) => {
                n.walk(f);
                list.iter().for_each(|n| n.walk(f));
            }
            Self::TextIs(_, sides) => {
                sides.0.walk(f);
                sides.1.walk(f);
            }
            Self::TextIn(t, list) => {
                t.walk(f);
                list.iter().for_each(|t| t.walk(f));
            }
            Self::Not(b) => b.walk(f),
            Self::And(sides) | Self::Or(sides) => {
                sides.0.walk(f);
                sides.1.walk(f);
            }
            Self::If(parts) => {
                parts.0.walk(f);
                parts.1.walk(f);
                parts.2.walk(f);
            }
        }
    }
}

impl Text {
    fn walk<'a>(&'a self, f: &mut dyn FnMut(Leaf<'a>)) {
        if let Self::If(parts) = self {
            parts.0.walk(f);
            parts.1.walk(f);
            parts.2.walk(f);
        }
    }
}
