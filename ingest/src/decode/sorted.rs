//! The values of one moment, what can be apart from what cannot.

use std::sync::Arc;

use ioc_model::{Body, Name, Quality, QuarantineReason, Values};

use super::catalogue::PropertyInfo;

/// Values as a decoder finds them. A value outside its property's physical limits (a logger's
/// -200 for "none", a wrong unit) does not spoil the others of its message: it becomes part of a
/// second observation of the same moment, of bad quality, which history and the rules about
/// sensor health see and which raises nothing else.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) possible: Values,
    impossible: Values,
}

impl Sorted {
    /// Adds a value in the property's unit.
    pub(super) fn push(
        &mut self,
        property: &PropertyInfo,
        value: f64,
    ) -> Result<(), (QuarantineReason, String)> {
        if !value.is_finite() {
            property.check(value)?;
        }
        let list =
            if property.is_possible(value) { &mut self.possible } else { &mut self.impossible };
        if list.len() == list.inline_size() {
            // A station with more than the inline values mostly has many more.
            list.reserve(14);
        }
        list.push((Name::clone(&property.name), value));
        Ok(())
    }

    /// Whether a property of the catalogue is there already.
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.possible.iter().chain(&self.impossible).any(|(n, _)| Arc::ptr_eq(n, name))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.possible.is_empty() && self.impossible.is_empty()
    }

    /// The observation, and a second one of what cannot be if there is both. What the sender
    /// itself calls bad stays together.
    pub(super) fn into_bodies(self, quality: Quality) -> (Body, Option<Body>) {
        let Self { possible: mut values, impossible } = self;
        if impossible.is_empty() {
            return (Body::Observation { quality, values }, None);
        }
        if values.is_empty() || quality == Quality::Bad {
            values.extend(impossible);
            return (Body::Observation { quality: Quality::Bad, values }, None);
        }
        let bad = Body::Observation { quality: Quality::Bad, values: impossible };
        (Body::Observation { quality, values }, Some(bad))
    }
}
