//! Parsed native topics, remembered so that a message of a known device allocates no names.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Mutex;

use ahash::RandomState;
use ioc_model::{Name, QuarantineReason};

use super::super::Refusal;
use super::super::catalogue::{Catalogue, Index, Origin, short, unknown_area};
use super::super::ids::is_id;
use crate::intake::KeyHasher;

/// What a native topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Observation,
    Event,
    Status,
}

impl Kind {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Observation, "obs"), (Self::Event, "event"), (Self::Status, "status")];

    fn word(self) -> &'static str {
        match self {
            Self::Observation => "obs",
            Self::Event => "event",
            Self::Status => "status",
        }
    }
}

#[derive(Clone, Debug)]
struct Parsed {
    device: Name,
    area: Index,
    service: Index,
    kind: Kind,
}

type Table = HashMap<u64, Parsed, BuildHasherDefault<KeyHasher>>;

const SHARDS: usize = 16;
/// Topics of one generation of one shard: half a million in each generation, about 100 bytes each.
/// Full: the older generation is forgotten.
const TOPICS: usize = 524_288 / SHARDS;

#[derive(Debug, Default)]
struct Shard {
    newer: Table,
    older: Table,
}

/// The remembered topics, by hash; compared with the text before use.
#[derive(Debug, Default)]
pub(super) struct Topics {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Topics {
    /// Origin and kind of `area/service/device/kind`.
    pub(super) fn find(
        &self,
        catalogue: &Catalogue,
        topic: &str,
    ) -> Result<(Origin, Kind), Refusal> {
        let hash = self.hasher.hash_one(topic);
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(parsed) = shard.newer.get(&hash).filter(|p| p.is(catalogue, topic)) {
            return Ok(parsed.origin(catalogue));
        }
        let old = shard.older.get(&hash).filter(|p| p.is(catalogue, topic)).cloned();
        let parsed = match old {
            Some(parsed) => parsed,
            None => parse(catalogue, topic)?,
        };
        if shard.newer.len() >= TOPICS {
            shard.older = std::mem::take(&mut shard.newer);
        }
        let found = parsed.origin(catalogue);
        shard.newer.insert(hash, parsed);
        Ok(found)
    }
}

impl Parsed {
    fn is(&self, catalogue: &Catalogue, topic: &str) -> bool {
        let rest = |text: &'_ str, name: &str| -> Option<usize> {
            let rest = text.strip_prefix(name)?;
            rest.starts_with('/').then(|| name.len() + 1)
        };
        let mut left = topic;
        for name in [catalogue.name(self.area), catalogue.name(self.service), &self.device] {
            match rest(left, name) {
                Some(n) => left = &left[n..],
                None => return false,
            }
        }
        left == self.kind.word()
    }

    fn origin(&self, catalogue: &Catalogue) -> (Origin, Kind) {
        let origin = Origin {
            device: Name::clone(&self.device),
            area: Name::clone(catalogue.name(self.area)),
            service: Name::clone(catalogue.name(self.service)),
            axes_swapped: false,
        };
        (origin, self.kind)
    }
}

fn parse(catalogue: &Catalogue, topic: &str) -> Result<Parsed, Refusal> {
    let mut levels = topic.split('/');
    let (Some(area), Some(service), Some(device), Some(kind), None) =
        (levels.next(), levels.next(), levels.next(), levels.next(), levels.next())
    else {
        let detail = "a native topic is ioc/v1/{area}/{service}/{device}/{obs|event|status}";
        return Err(Refusal::new(QuarantineReason::UnknownTopic, detail));
    };
    let kind = Kind::ALL.iter().find(|(_, word)| *word == kind).ok_or_else(|| {
        let detail = format!("a topic ends with obs, event or status, not `{}`", short(kind));
        Refusal::new(QuarantineReason::UnknownTopic, detail)
    })?;
    if !is_id(device) {
        let detail = "the device id must be 1 to 64 of A-Z a-z 0-9 _ . : -";
        return Err(Refusal::new(QuarantineReason::BadId, detail));
    }
    let service = catalogue.service(service).ok_or_else(|| {
        let detail = format!("service `{}` is not in the catalogue", short(service));
        Refusal::new(QuarantineReason::UnknownService, detail)
    })?;
    let area = catalogue.area(area).ok_or_else(|| unknown_area(area))?;
    Ok(Parsed { device: device.into(), area, service, kind: kind.0 })
}
