//! One request's view of the world, and how much it may still do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use ioc_model::{HistoryError, HistoryStore, Name, RangeQuery, Timestamp};

use super::catalogue::{Catalogue, Entity};
use super::entity::Span;
use super::eval::{From, Scene};
use super::expr::Expr;
use super::fault::Fault;
use super::limits::{END, FIRST};

/// Calls of the store that one request may make.
const MAX_READS: usize = 4_000;
/// Points that one request may read.
const MAX_POINTS: usize = 300_000;
/// Entities that one answer may hold, expanded ones with them.
const MAX_ENTITIES: usize = 20_000;

/// What one request works with.
pub(super) struct Work<'a> {
    pub catalogue: &'a Catalogue<'a>,
    pub history: &'a dyn HistoryStore,
    pub base: &'a str,
    pub now: Timestamp,
    reads: AtomicUsize,
    points: AtomicUsize,
    entities: AtomicUsize,
    visits: AtomicUsize,
    spans: Mutex<Arc<HashMap<usize, Span>>>,
    /// Newest time of each property of a thing, by the thing's number.
    newest: Mutex<HashMap<usize, Arc<HashMap<Name, Timestamp>>>>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        catalogue: &'a Catalogue<'a>,
        history: &'a dyn HistoryStore,
        base: &'a str,
        now: Timestamp,
    ) -> Self {
        Self {
            catalogue,
            history,
            base,
            now,
            reads: AtomicUsize::new(0),
            points: AtomicUsize::new(0),
            entities: AtomicUsize::new(0),
            visits: AtomicUsize::new(0),
            spans: Mutex::default(),
            newest: Mutex::default(),
        }
    }

    /// Before each call of the store.
    pub(super) fn read(&self) -> Result<(), Fault> {
        match self.reads.fetch_add(1, Relaxed) < MAX_READS {
            true => Ok(()),
            false => Err(Fault::too_much(
                format!("this needs more than {MAX_READS} looks into the store"),
                "ask for fewer datastreams: with $filter on Datastream/…, $top, or below one \
                 entity, such as Datastreams('…')/Observations",
            )),
        }
    }

    /// After points were read.
    pub(super) fn had(&self, points: usize) -> Result<(), Fault> {
        match self.points.fetch_add(points, Relaxed) + points <= MAX_POINTS {
            true => Ok(()),
            false => Err(Fault::too_much(
                format!("this needs more than {MAX_POINTS} observations to be read"),
                "ask for less time with $filter=phenomenonTime ge … and phenomenonTime lt …, or \
                 for one datastream",
            )),
        }
    }

    /// Before an entity is put into the answer.
    pub(super) fn entity(&self) -> Result<(), Fault> {
        match self.entities.fetch_add(1, Relaxed) < MAX_ENTITIES {
            true => Ok(()),
            false => Err(Fault::too_much(
                format!("the answer has more than {MAX_ENTITIES} entities"),
                "expand less, or ask for fewer with $top",
            )),
        }
    }

    /// Whether a condition holds, see [`Scene::holds`].
    pub(super) fn holds(
        &self,
        e: &Expr,
        on: Entity,
        from: From<'_>,
    ) -> Result<Option<bool>, Fault> {
        let spans = self.known_spans();
        self.scene(&spans).holds(e, on, from)
    }

    pub(super) fn scene<'s>(&'s self, spans: &'s HashMap<usize, Span>) -> Scene<'s> {
        Scene {
            catalogue: self.catalogue,
            base: self.base,
            now: self.now.0,
            spans,
            visits: &self.visits,
        }
    }

    pub(super) fn known_spans(&self) -> Arc<HashMap<usize, Span>> {
        Arc::clone(&self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// First and last time of a datastream's observations.
    pub(super) async fn span(&self, stream: usize) -> Result<Span, Fault> {
        if let Some(span) = self.known_spans().get(&stream) {
            return Ok(*span);
        }
        let span = match self.newest(stream).await? {
            None => None,
            Some(last) => self.oldest(stream).await?.map(|first| (first.0, last.0.max(first.0))),
        };
        let mut all = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut all).insert(stream, span);
        Ok(span)
    }

    async fn oldest(&self, stream: usize) -> Result<Option<Timestamp>, Fault> {
        self.read()?;
        let series = self.catalogue.series(stream);
        let query = RangeQuery { series, from: FIRST, to: END, step: None, limit: 1 };
        let found = self.history.range(&query).await.map_err(|e| unavailable(&e))?;
        self.had(found.points.len())?;
        Ok(found.points.first().map(|p| p.time))
    }

    /// Newest time of a datastream's observations.
    pub(super) async fn newest(&self, stream: usize) -> Result<Option<Timestamp>, Fault> {
        let s = &self.catalogue.streams[stream];
        let cached = {
            let all = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(&s.thing).cloned()
        };
        let times = match cached {
            Some(times) => times,
            None => {
                let device = &self.catalogue.device(stream).id;
                let times = Arc::new(self.last(device, END.plus_ms(-1)).await?);
                let mut all = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(s.thing, Arc::clone(&times));
                times
            }
        };
        Ok(times.get(s.name).copied())
    }

    async fn last(&self, device: &str, at: Timestamp) -> Result<HashMap<Name, Timestamp>, Fault> {
        self.read()?;
        let found = self.history.last(Some(device), at).await.map_err(|e| unavailable(&e))?;
        Ok(found.into_iter().map(|l| (l.series.property, l.point.time)).collect())
    }
}

/// The store's own words are for the log.
pub(super) fn unavailable(e: &HistoryError) -> Fault {
    tracing::warn!(error = %e, "sensorthings_store_failed");
    Fault::new(503, "the store of measurements does not answer").hint("ask again later")
}
