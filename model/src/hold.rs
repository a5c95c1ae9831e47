//! Maintenance windows, and what is out of service.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Actor, Choice, HeldBy, Name, Scope, ScopePart, Timestamp};

/// A maintenance window, or something out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which.
    pub id: HoldId,
    /// [`HeldBy::Maintenance`] or [`HeldBy::OutOfService`].
    pub by: HeldBy,
    /// What it covers.
    pub scope: HoldScope,
    /// From then, wall time.
    pub from: Timestamp,
    /// Until then; a maintenance window always has one.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: String,
    /// When it was ended before its time, and by whom.
    pub ended: Option<(Timestamp, String)>,
}

/// Number of a [`Hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u64);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a hold covers: alerts that fit every field that is given; at least one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoldScope {
    /// Alerts of this rule.
    pub rule: Option<Name>,
    /// Alerts of this device, and of devices below it.
    pub device: Option<Name>,
    /// Alerts of this ward.
    pub area: Option<Name>,
    /// Alerts of this service.
    pub service: Option<Name>,
}

impl HoldScope {
    /// The areas × services that it may touch.
    pub fn part(&self) -> ScopePart {
        let choice = |named: &Option<Name>| match named {
            None => Choice::All,
            Some(id) => Choice::only([id.clone()]),
        };
        ScopePart { areas: choice(&self.area), services: choice(&self.service) }
    }
}

/// A hold that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// [`HeldBy::Maintenance`] or [`HeldBy::OutOfService`].
    pub by: HeldBy,
    /// What it covers.
    pub scope: HoldScope,
    /// Where who asks may act. What it covers must be inside; one of a device inside is narrowed
    /// to that device's own area or service where that is needed.
    pub within: Scope,
    /// From then; not given: from now.
    pub from: Option<Timestamp>,
    /// Until then; required for a maintenance window.
    pub until: Option<Timestamp>,
    /// Why; required.
    pub reason: String,
    /// Who.
    pub actor: Actor,
}
