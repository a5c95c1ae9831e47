//! An export under way, and the answer that streams it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use ioc_model::HistoryError;

use super::columns::Column;
use super::csv::Csv;
use super::geojson::GeoJson;
use super::lines::Lines;
use super::pages::{Pages, Rows};
use super::parquet::{GROUP_ROWS, Parquet};
use super::refusal::Refusal;
use super::request::{Format, Lang, Request};
use super::select::{Facts, Selection};
use super::zone::Zone;
use crate::{Answer, Ask, Body, Scope, Sources};

/// Bytes are sent when there are so many.
const PIECE_BYTES: usize = 64 * 1024;
/// Rows of one export for those without a session.
const PUBLIC_ROWS: u64 = 5_000_000;

/// One kind of file.
pub(super) trait Encode: Send {
    /// What stands before the first row.
    fn begin(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn rows(&mut self, facts: &Arc<Facts>, rows: Rows, out: &mut Vec<u8>) -> io::Result<()>;

    /// What stands behind the last row.
    fn end(&mut self, _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    /// Points that this kind of file cannot hold.
    fn unwritable(&self) -> u64 {
        0
    }
}

/// How far an export has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Series selected.
    pub series: u64,
    /// Of them, those read to their end (or left out by `resume`).
    pub series_done: u64,
    /// Rows read.
    pub rows: u64,
    /// Of them, those that the format cannot hold (line protocol: named in the file).
    pub unwritable: u64,
}

/// An export under way: [`Export::next`] gives the file piece by piece.
pub struct Export {
    request: Request,
    file_name: String,
    selection: Selection,
    pages: Pages,
    /// `None` after a piece whose making was broken off.
    encoder: Option<Box<dyn Encode>>,
    begun: bool,
    finished: bool,
    index: usize,
    facts: Option<Arc<Facts>>,
    rows: u64,
    unwritable: u64,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("request", &self.request)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

impl Export {
    /// Selects the series.
    ///
    /// # Errors
    /// A 404 when none fits, a 400 when `resume` names none of them, a 503 when the store does
    /// not answer.
    pub async fn open(
        sources: &Sources,
        scope: &Scope,
        mut request: Request,
    ) -> Result<Self, Refusal> {
        if scope.is_public() {
            request.limit = Some(request.limit.unwrap_or(PUBLIC_ROWS).min(PUBLIC_ROWS));
        }
        let selection = Selection::make(sources, scope, &request).await.map_err(unavailable)?;
        if selection.series.is_empty() {
            return Err(Refusal::new(404, "no_series", "no series fits what was asked for"));
        }
        let step = request.windows.as_ref().map(|(step, _)| *step);
        let range = (request.from, request.to);
        let mut pages = Pages::new(Arc::clone(&sources.history), range, step, request.limit);
        let mut index = 0;
        if let Some(mark) = &request.resume {
            let found = selection.series.binary_search_by(|s| s.key.cmp(&mark.series));
            index = found.map_err(|_| {
                Refusal::parameter("resume", "names a series that is not in this export")
            })?;
            pages.resume(mark);
        }
        let zone = Zone::of(&sources.city);
        Ok(Self {
            file_name: file_name(&request, &zone),
            encoder: Some(encoder(&request, zone)),
            begun: request.resume.is_some(),
            finished: false,
            request,
            selection,
            pages,
            index,
            facts: None,
            rows: 0,
            unwritable: 0,
        })
    }

    /// The next piece of the file; `None` after its end. Not cancel safe: an export whose `next`
    /// was dropped is broken off.
    ///
    /// # Errors
    /// The store's, or one of writing; the file is then not whole, and there is no more of it: each
    /// further call is an error too.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.finished {
            return Ok(None);
        }
        // Put back when the piece is made: what happens before leaves nothing to go on with.
        let broken = || io::Error::other("the export was broken off");
        let mut work = Work { encoder: self.encoder.take().ok_or_else(broken)?, out: Vec::new() };
        if !std::mem::replace(&mut self.begun, true) {
            work = work.run(|e, out| e.begin(out)).await?;
        }
        while work.out.len() < PIECE_BYTES && !self.finished {
            work = match self.index >= self.selection.series.len() || self.pages.exhausted() {
                true => {
                    let done = work.run(|e, out| e.end(out)).await?;
                    self.finished = true;
                    done
                }
                false => self.page(work).await?,
            };
        }
        self.unwritable = work.encoder.unwritable();
        self.encoder = Some(work.encoder);
        Ok(Some(Bytes::from(work.out)))
    }

    async fn page(&mut self, mut work: Work) -> io::Result<Work> {
        let key = &self.selection.series[self.index].key;
        let (rows, last) = self.pages.next(key).await.map_err(io::Error::other)?;
        self.rows += rows.len() as u64;
        if rows.len() > 0 {
            let (selection, index) = (&self.selection, self.index);
            let facts = self.facts.get_or_insert_with(|| Arc::new(selection.facts(index)));
            let facts = Arc::clone(facts);
            work = work.run(move |e, out| e.rows(&facts, rows, out)).await?;
        }
        if last {
            self.index += 1;
            self.facts = None;
        }
        Ok(work)
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        Progress {
            series: self.selection.series.len() as u64,
            series_done: self.index as u64,
            rows: self.rows,
            unwritable: self.unwritable,
        }
    }

    /// A name that says what is in it: `ioc-air-1-pm25-2026-11-20--2026-11-21.csv`.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// What is asked for, with the limit of the scope.
    pub fn request(&self) -> &Request {
        &self.request
    }
}

/// A piece being made.
struct Work {
    encoder: Box<dyn Encode>,
    out: Vec<u8>,
}

impl Work {
    /// Compressing a row group takes a tenth of a second: not on the threads that serve others.
    async fn run(
        mut self,
        work: impl FnOnce(&mut dyn Encode, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        tokio::task::spawn_blocking(move || {
            work(&mut *self.encoder, &mut self.out)?;
            Ok(self)
        })
        .await
        .map_err(io::Error::other)?
    }
}

fn encoder(request: &Request, zone: Zone) -> Box<dyn Encode> {
    let columns: Vec<Column> =
        request.windows.as_ref().map(|(_, columns)| columns.clone()).unwrap_or_default();
    match request.format {
        Format::Csv => Box::new(Csv::new(zone, columns)),
        Format::GeoJson => Box::new(GeoJson::new(zone, columns, request.resume.is_some())),
        Format::Lines => Box::new(Lines::new(&columns)),
        Format::Parquet => Box::new(Parquet::new(columns, GROUP_ROWS)),
    }
}

/// ASCII only, nothing that a path or a header could take for its own.
fn file_name(request: &Request, zone: &Zone) -> String {
    let mut name = String::from("ioc");
    let mut add = |text: &str| {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
        name.push('-');
        name.extend(text.chars().take(64).map(safe));
    };
    for list in [&request.services, &request.areas, &request.devices, &request.properties] {
        match list.as_slice() {
            [] => {}
            [one] => add(one),
            many => add(&format!("{}_{}", many[0], many.len())),
        }
    }
    if let Some((step, _)) = &request.windows {
        let s = step.ms / 1_000;
        add(&match (step.ms % 1_000, s % 60, s % 3_600) {
            (0, 0, 0) => format!("{}h", s / 3_600),
            (0, 0, _) => format!("{}min", s / 60),
            (0, ..) => format!("{s}s"),
            _ => format!("{}ms", step.ms),
        });
    }
    add(&format!("{}--{}", zone.short(request.from), zone.short(request.to)));
    if request.resume.is_some() {
        add("rest");
    }
    name.push('.');
    name.push_str(request.format.word());
    name
}

fn unavailable(error: HistoryError) -> Refusal {
    tracing::warn!(%error, "history does not answer an export");
    Refusal::new(503, "history_unavailable", "cannot read history now")
}

/// `GET /api/v1/export`: one file, streamed.
///
/// Headers besides those of the file: `x-ioc-series` (series selected, those without a reading in
/// the range too), `x-ioc-limit` (where a limit is set: with so many rows there may be more, to be
/// had by `resume`), `x-ioc-raw-from` (ms; raw readings before it were given up, ask with a step).
pub async fn answer(sources: &Sources, scope: &Scope, ask: &Ask<'_>) -> Answer {
    match start(sources, scope, ask).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into(),
    }
}

async fn start(sources: &Sources, scope: &Scope, ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let now = (sources.clock)();
    let mut request = Request::parse(ask.query, &Zone::of(&sources.city), now)?;
    if !ask.query.split('&').any(|p| p.starts_with("lang=")) && ask.language.starts_with("en") {
        request.lang = Lang::En;
    }
    let mut export = Export::open(sources, scope, request).await?;
    // A store that does not answer at all is still told with a status.
    let first = export.next().await.map_err(|error| {
        tracing::warn!(%error, "export cannot begin");
        Refusal::new(503, "history_unavailable", "cannot read history now")
    })?;
    let request = export.request();
    let mut headers = vec![
        ("content-type", request.format.content_type().to_owned()),
        ("content-disposition", format!("attachment; filename=\"{}\"", export.file_name())),
        ("x-ioc-series", export.progress().series.to_string()),
    ];
    headers.extend(request.limit.map(|n| ("x-ioc-limit", n.to_string())));
    if request.windows.is_none() {
        let raw_from = sources.history.stats().await.raw_from.filter(|t| *t > request.from);
        headers.extend(raw_from.map(|t| ("x-ioc-raw-from", t.0.to_string())));
    }
    let rest = stream::unfold(Some(export), |export| async {
        let mut export = export?;
        match export.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(export))),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, rows = export.rows, "export broken off");
                Some((Err(error), None))
            }
        }
    });
    let first = stream::iter(first.map(Ok));
    Ok(Answer { status: 200, headers, body: Body::stream(first.chain(rest)) })
}
