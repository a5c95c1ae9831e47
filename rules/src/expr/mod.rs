//! Free expressions in rules: a checked subset of CEL (Common Expression Language).
//!
//! **What it does.** Text → [`scan`] (bounds before any parser sees it) → the parser of the crate
//! `cel` → [`compile`]: names looked up, types and units checked, every mistake with its place →
//! a typed tree ([`tree`]) → [`Expression::holds`] or [`Expression::number`].
//!
//! **The subset.** Numbers (all of them floating point), texts and booleans; `+ - * /`,
//! comparisons, `&& || !`, `? :`, `in` with a list, `min max abs`, `startsWith endsWith contains`;
//! the values of one device, who it is, the local hour, named thresholds. What is in the subset
//! means what CEL means (tested against the crate's own interpreter), but for two things: a
//! division by zero and a result that is not finite are errors, and a whole number is no type of
//! its own (`1 / 2` is 0.5).
//!
//! **What it does not do.** No comprehension, no user function, no list or map as a value: one
//! evaluation costs at most one visit per node of a tree of at most 1,000 characters of source.
//! That is its budget.
//!
//! **How it fails.** An evaluation that has no value (a property not known or too old, a division
//! by zero) is `None`. As in CEL `&&` and `||` need only the side that decides.

mod compile;
mod lasts;
mod range;
mod scan;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::collections::BTreeSet;

use ioc_model::{City, Name};

use crate::limit::Limit;

pub(crate) use lasts::Lasts;
pub(crate) use tree::Scope;

/// Characters of source.
pub(crate) const MAX_SOURCE: usize = 1_000;
/// Brackets inside each other.
pub(crate) const MAX_BRACKETS: usize = 32;
/// Levels of the tree, operators included.
pub(crate) const MAX_DEPTH: usize = 64;
/// Properties one expression or rule can look at.
pub(crate) const MAX_INPUTS: usize = 16;

/// A checked expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    /// As it was written.
    pub(crate) source: String,
    body: tree::Body,
    /// The properties of its `values`, in the order of their numbers.
    pub(crate) inputs: Vec<Name>,
    /// Unit of a number, where it follows from the properties and thresholds in it.
    pub(crate) unit: Option<Name>,
    /// Not wrong, but worth knowing.
    pub(crate) notes: Vec<String>,
}

/// What an expression may speak of.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) city: &'a City,
    /// The properties it may use; the first is `value`. `None`: any of the city, `value` is none.
    pub(crate) properties: Option<&'a [Name]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Predicate,
    Number,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExprError {
    /// Characters before the place.
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl ExprError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Expression {
    /// Checks and compiles a text.
    ///
    /// # Errors
    /// All mistakes of meaning, or the first one of form.
    pub(crate) fn compile(
        source: &str,
        wanted: Wanted,
        env: &Env<'_>,
    ) -> Result<Self, Vec<ExprError>> {
        scan::check(source).map_err(|e| vec![e])?;
        compile::compile(source, wanted, env)
    }

    /// Whether a predicate holds; `None` if it has no value.
    #[inline]
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Option<bool> {
        match &self.body {
            tree::Body::Bool(b) => b.eval(scope),
            _ => None,
        }
    }

    /// The value of a number; `None` if it has none.
    #[inline]
    pub(crate) fn number(&self, scope: &Scope<'_>) -> Option<f64> {
        match &self.body {
            tree::Body::Num(n) => n.eval(scope),
            _ => None,
        }
    }

    /// Numbers of the inputs that occur in it.
    pub(crate) fn uses(&self) -> BTreeSet<u8> {
        let mut all = BTreeSet::new();
        self.walk(&mut |leaf| {
            if let walk::Leaf::Input(i) = leaf {
                all.insert(i);
            }
        });
        all
    }

    /// The thresholds in it, in the order they are written.
    pub(crate) fn limits(&self) -> Vec<&Limit> {
        let mut all = Vec::new();
        self.walk(&mut |leaf| {
            if let walk::Leaf::Limit(limit) = leaf
                && !all.contains(&limit)
            {
                all.push(limit);
            }
        });
        all
    }

    fn walk<'a>(&'a self, f: &mut dyn FnMut(walk::Leaf<'a>)) {
        match &self.body {
            tree::Body::Bool(b) => b.walk(f),
            tree::Body::Num(n) => n.walk(f),
        }
    }

    /// What a predicate always is, if it is always the same within the physical limits of the
    /// properties.
    pub(crate) fn constant(&self, city: &City) -> Option<bool> {
        match &self.body {
            tree::Body::Bool(b) => range::Ranges { city, inputs: &self.inputs }.predicate(b),
            _ => None,
        }
    }
}
