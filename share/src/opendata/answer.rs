//! Routes, headers, and what is kept between requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ioc_model::{City, ConfigError, ConfigFiles, HistoryError, Name, Step, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::catalog::{self, Format};
use super::config::{Catalogue, Dataset, local_step};
use super::csv::{self, Table};
use super::geojson::{self, Set};
use super::limit::RateLimit;
use super::params::{Lang, Params, Refusal, Wanted};
use super::read::{self, Chunk, Reader, Station};
use super::reply::{Call, Route, content_type, hashed, matches, refused, unavailable};
use super::{load, ngsi, page};
use crate::{Answer, Ask, Body, Scope, Sources};

/// Documents that are read from the store at once; a public door must not starve the city's own.
const TURNS: usize = 8;
/// Rows of a document that is made whole before it is sent.
const MAX_WHOLE_ROWS: usize = 50_000;
/// How often the store is asked how far back it goes.
const BEGINS_MS: i64 = 300_000;

/// Open data of a city: what `opendata.yaml` publishes.
#[derive(Debug)]
pub struct OpenData {
    catalogue: Option<Catalogue>,
    scope: Scope,
    limit: RateLimit,
    /// Changes with every configuration.
    seed: [u8; 32],
    turns: Arc<Semaphore>,
    kept: Mutex<Kept>,
}

/// Read once for each moment of publishing.
#[derive(Debug, Default)]
struct Kept {
    latest: BTreeMap<Name, (Timestamp, Arc<Vec<Chunk>>)>,
    /// What the store says of itself, and when it was asked.
    begins: Option<(Timestamp, Begins)>,
}

/// Since when the store knows anything, and since when single values.
#[derive(Clone, Copy, Debug, Default)]
struct Begins {
    any: Option<Timestamp>,
    raw: Option<Timestamp>,
}

/// Why there is no document.
enum Trouble {
    Refused(Refusal),
    Busy,
    Store(HistoryError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<HistoryError> for Trouble {
    fn from(e: HistoryError) -> Self {
        Self::Store(e)
    }
}

impl OpenData {
    /// Reads `opendata.yaml`; without the file nothing is published.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn load(files: &ConfigFiles, city: &City) -> Result<Self, Vec<ConfigError>> {
        let loaded = load::load(files, city)?;
        let catalogue = loaded.and_then(|(enabled, catalogue)| enabled.then_some(catalogue));
        let as_measured = |d: &&Dataset| d.step_s == 0 && d.delay_s == 0;
        let pairs = catalogue
            .iter()
            .flat_map(|c| &c.datasets)
            .filter(as_measured)
            .flat_map(|d| d.properties.iter().map(|p| (d.service.clone(), p.clone())));
        let mut hash = Sha256::new();
        for (name, text) in &files.0 {
            for part in [name, text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        let per_minute = catalogue.as_ref().map_or(1, |c| c.limits.requests_per_minute);
        Ok(Self {
            scope: Scope::Published(Arc::new(pairs.collect())),
            limit: RateLimit::new(per_minute),
            seed: hash.finalize().into(),
            turns: Arc::new(Semaphore::new(TURNS)),
            kept: Mutex::default(),
            catalogue,
        })
    }

    /// Anything is published.
    pub fn enabled(&self) -> bool {
        self.catalogue.is_some()
    }

    /// What is published, if anything is.
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.catalogue.as_ref()
    }

    /// What may be seen without signing in beside [`Self::answer`]: pairs that are published as
    /// they were measured. Where a dataset coarsens or delays, only `/open` gives it.
    pub fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// The limit by address, to be asked before [`Self::answer`] and before SensorThings when
    /// nobody is signed in.
    pub fn rate_limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Answers a GET below `/open`.
    pub async fn answer(&self, sources: &Sources, ask: &Ask<'_>) -> Answer {
        let Some(catalogue) = &self.catalogue else {
            return refused(ask, &Refusal::not_found());
        };
        let now = (sources.clock)();
        let call = Call { sources, ask, catalogue, now };
        let answer = match Route::of(catalogue, ask.path) {
            None => return refused(ask, &Refusal::not_found()),
            Some(Route::List) if call.wants_data() => self.document(&call).await,
            Some(Route::List) => list(&call),
            Some(Route::Catalogue) => self.document(&call).await,
            Some(Route::Page(dataset)) => self.page(&call, dataset).await,
            Some(Route::Data(dataset, format)) => self.data(&call, dataset, format).await,
        };
        match answer {
            Ok(answer) => answer,
            Err(Trouble::Refused(refusal)) => refused(ask, &refusal),
            Err(Trouble::Busy) => unavailable(ask, 5),
            Err(Trouble::Store(e)) => {
                tracing::warn!(error = %e, path = ask.path, "open data: the store does not answer");
                unavailable(ask, 30)
            }
        }
    }

    async fn document(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        Params::parse(call.ask.query, &[])?;
        let since = self.begins(call).await.any;
        let entry = |dataset| call.entry(dataset, since);
        let entries: Vec<_> = call.catalogue.datasets.iter().map(entry).collect();
        let city = &call.sources.city;
        let document = catalog::document(call.catalogue, city, &call.places(), &entries);
        Ok(call.catalogue(document.to_string()))
    }

    async fn page(&self, call: &Call<'_>, dataset: &Dataset) -> Result<Answer, Trouble> {
        let params = Params::parse(call.ask.query, &["lang"])?;
        let since = self.begins(call).await.any;
        let entry = call.entry(dataset, since);
        let latest = self.latest(call, dataset, &entry.stations, entry.horizon).await?;
        let html = page::dataset(&call.site(params.lang), &entry, &latest);
        Ok(call.html(html))
    }

    async fn data(
        &self,
        call: &Call<'_>,
        dataset: &Dataset,
        format: Format,
    ) -> Result<Answer, Trouble> {
        let allowed: &[&str] = match format {
            Format::Csv => &["from", "to", "step", "device", "lang"],
            Format::GeoJson => &["from", "to", "step", "device"],
            Format::NgsiLd => &["from", "to", "step", "device", "context"],
        };
        let params = Params::parse(call.ask.query, allowed)?;
        let horizon = dataset.horizon(call.now);
        let wanted = params.wanted(dataset, horizon)?;
        let all = read::stations(dataset, call.sources, None);
        let only = params.device.as_deref();
        if only.is_some_and(|id| !all.iter().any(|s| *s.id == *id)) {
            return Err(Trouble::Refused(Refusal::bad(
                "unknown_device",
                "Bộ dữ liệu không có điểm đo này",
                "The dataset has no such station",
            )));
        }
        let tag = self.tag(dataset, horizon, format, &params, call.ask.base);
        let headers = |answer| call.data(answer, dataset, format, (&tag, horizon));
        if matches(call.ask.if_none_match, &tag) {
            return Ok(headers(Answer::of(content_type(format), "")));
        }
        let file = Document { dataset, format, params: &params };
        let answer = match wanted {
            Wanted::Latest => {
                let latest = self.latest(call, dataset, &all, horizon).await?;
                file.latest(call, &all, &latest)
            }
            Wanted::Range { from, to, step } => {
                let raw = self.begins(call).await.raw.filter(|_| step.is_none());
                if let Some(raw) = raw.filter(|raw| from < *raw) {
                    return Err(Trouble::Refused(Refusal::bad(
                        "bad_parameter",
                        format!("`step` cần có: trước {raw} chỉ còn giá trị gộp"),
                        format!("`step` is needed: before {raw} only windows are kept"),
                    )));
                }
                let stations = all.into_iter().filter(|s| only.is_none_or(|o| *s.id == *o));
                file.range(call, stations.collect(), (from, to, step), self.turn()?).await?
            }
        };
        Ok(headers(answer))
    }

    /// The newest values of all stations of a dataset, read once for each horizon.
    async fn latest(
        &self,
        call: &Call<'_>,
        dataset: &Dataset,
        stations: &[Station],
        horizon: Timestamp,
    ) -> Result<Arc<Vec<Chunk>>, Trouble> {
        if let Some((at, chunks)) = self.kept().latest.get(&dataset.id)
            && *at == horizon
        {
            return Ok(Arc::clone(chunks));
        }
        let _turn = self.turn()?;
        let history = &*call.sources.history;
        let chunks = Arc::new(read::latest(dataset, stations, history, horizon).await?);
        self.kept().latest.insert(dataset.id.clone(), (horizon, Arc::clone(&chunks)));
        Ok(chunks)
    }

    /// How far back the store goes; asked seldom.
    async fn begins(&self, call: &Call<'_>) -> Begins {
        let slot = local_step(BEGINS_MS).begin(call.now);
        if let Some((at, begins)) = self.kept().begins
            && at == slot
        {
            return begins;
        }
        let stats = call.sources.history.stats().await;
        let begins = Begins { any: stats.since, raw: stats.raw_from };
        self.kept().begins = Some((slot, begins));
        begins
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        Arc::clone(&self.turns).try_acquire_owned().map_err(|_| Trouble::Busy)
    }

    /// Names what a document says: it changes with the horizon, the question and the
    /// configuration, so it is known before anything is read.
    fn tag(
        &self,
        dataset: &Dataset,
        horizon: Timestamp,
        format: Format,
        params: &Params,
        base: &str,
    ) -> String {
        let question = format!("{}\n{horizon}\n{}\n{params:?}\n{base}", dataset.id, format.file());
        hashed(&[&self.seed, question.as_bytes()])
    }
}

/// A data document that is asked for.
struct Document<'a> {
    dataset: &'a Dataset,
    format: Format,
    params: &'a Params,
}

impl Document<'_> {
    fn latest(&self, call: &Call<'_>, stations: &[Station], chunks: &[Chunk]) -> Answer {
        let Some(only) = self.params.device.as_deref() else {
            return self.whole(call, stations, chunks, true);
        };
        let mut chunks = chunks.to_vec();
        let is_it = |s: &Station| *s.id == *only;
        chunks.retain(|c| stations.get(c.station).is_some_and(is_it));
        chunks.iter_mut().for_each(|c| c.station = 0);
        let stations: Vec<_> = stations.iter().filter(|s| is_it(s)).cloned().collect();
        self.whole(call, &stations, &chunks, true)
    }

    async fn range(
        &self,
        call: &Call<'_>,
        stations: Vec<Station>,
        range: (Timestamp, Timestamp, Option<Step>),
        turn: OwnedSemaphorePermit,
    ) -> Result<Answer, Trouble> {
        let history = Arc::clone(&call.sources.history);
        let mut reader = Reader::new(self.dataset, &stations, history, range);
        let rows = call.catalogue.limits.rows;
        let limit = match self.format {
            Format::Csv => rows,
            Format::GeoJson | Format::NgsiLd => rows.min(MAX_WHOLE_ROWS),
        };
        if reader.rows(limit).await? > limit {
            return Err(Trouble::Refused(Refusal::bad(
                "too_many_rows",
                format!(
                    "Nhiều hơn {limit} dòng: hãy chọn khoảng ngắn hơn, một `device` hoặc `step` dài hơn"
                ),
                format!(
                    "More than {limit} rows: ask for less time, one `device` or a longer `step`"
                ),
            )));
        }
        if self.format == Format::Csv {
            let table = self.table(call, stations, range.2.is_some());
            let body = Body::stream(csv::stream(table, reader, turn));
            let headers = vec![("content-type", content_type(self.format).to_owned())];
            return Ok(Answer { status: 200, headers, body });
        }
        let mut chunks = Vec::new();
        while let Some(chunk) = reader.next().await? {
            chunks.push(chunk);
        }
        Ok(self.whole(call, &stations, &chunks, false))
    }

    fn whole(
        &self,
        call: &Call<'_>,
        stations: &[Station],
        chunks: &[Chunk],
        latest: bool,
    ) -> Answer {
        let set = Set {
            catalogue: call.catalogue,
            dataset: self.dataset,
            stations,
            city: &call.sources.city,
            address: call.places().dataset(self.dataset),
        };
        let linked = self.params.linked_context;
        let text = match (self.format, latest) {
            (Format::Csv, _) => {
                let table = self.table(call, stations.to_vec(), self.dataset.step_s > 0);
                let mut text = table.head().into_bytes();
                chunks.iter().for_each(|c| table.rows(c, &mut text));
                return Answer::of(content_type(self.format), text);
            }
            (Format::GeoJson, true) => geojson::latest(&set, chunks).to_string(),
            (Format::GeoJson, false) => geojson::range(&set, chunks).to_string(),
            (Format::NgsiLd, true) => ngsi::latest(&set, chunks, linked).to_string(),
            (Format::NgsiLd, false) => ngsi::range(&set, chunks, linked).to_string(),
        };
        Answer::of(content_type(self.format), text)
    }

    fn table(&self, call: &Call<'_>, stations: Vec<Station>, spread: bool) -> Table {
        let lang = self.params.lang.unwrap_or(Lang::Vi);
        Table { stations, city: Arc::clone(&call.sources.city), lang, spread }
    }
}

fn list(call: &Call<'_>) -> Result<Answer, Trouble> {
    let params = Params::parse(call.ask.query, &["lang"])?;
    Ok(call.html(page::list(&call.site(params.lang))))
}
