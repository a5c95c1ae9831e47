//! A list of alerts on its way to a socket: read and written page by page on a blocking thread, so
//! that 100,000 open alerts hold up neither the socket's own state and heartbeats nor anybody
//! else. A few lists are read at a time, the others wait for their next page.

use std::sync::Arc;

use ioc_model::{AlertFilter, AlertStore, RegisterError, Scope};
use tokio::task::JoinHandle;

use crate::context::{Context, blocking};
use crate::live::alerts_text;
use crate::reply::ApiError;

/// Alerts of one page, and of one message.
const PAGE: usize = 200;
/// A longer gap of changes is not sent: the page fetches the open alerts.
const MAX_GAP: u64 = 20_000;

/// What to read next.
#[derive(Clone, Debug)]
struct Next {
    /// The number of the messages before the last: a client that loses the connection half way
    /// asks for all of it again.
    before: u64,
    /// Number of the newest change when the list began, once it is known.
    newest: Option<u64>,
    /// The client has asked, and so waits for an answer even if there is nothing.
    answer: bool,
    filter: AlertFilter,
}

/// One page.
enum Page {
    /// A message, and where to go on.
    Part(String, Box<Next>),
    /// The last message; `None` where nobody asked and there is nothing to tell.
    Last(Option<String>, Done),
    /// The list is too long, or of another register than ours.
    Reset(Done),
}

/// The list is complete up to this change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done(pub u64);

/// What came of one page.
pub(super) enum Step {
    /// Send it; more follows.
    Part(String),
    /// Send it, if there is one; that was all.
    Last(Option<String>, Done),
    /// Tell the client to fetch the open alerts.
    Reset(Done),
    /// The register does not answer.
    Failed,
}

type Reading = JoinHandle<Result<Result<Page, RegisterError>, ApiError>>;

/// A list under way.
pub(super) struct Listing {
    context: Arc<Context>,
    reading: Reading,
}

impl Listing {
    /// All open alerts of a scope, or every change in it after a number, as the answer to a
    /// subscription.
    pub fn start(context: &Arc<Context>, scope: &Scope, after: Option<u64>) -> Self {
        Self::of(context, scope, after, true)
    }

    /// What changed in a scope after a number, for a socket that has missed some of it. That
    /// nothing did is not told: it would tell that something happened elsewhere.
    pub fn catch_up(context: &Arc<Context>, scope: &Scope, after: u64) -> Self {
        Self::of(context, scope, Some(after), false)
    }

    fn of(context: &Arc<Context>, scope: &Scope, after: Option<u64>, answer: bool) -> Self {
        let filter = AlertFilter {
            open_only: after.is_none(),
            after_change: after,
            limit: PAGE,
            ..AlertFilter::of(scope.clone())
        };
        let next = Next { before: after.unwrap_or(0), newest: None, answer, filter };
        Self { reading: read(context, next), context: Arc::clone(context) }
    }

    /// The next page, when it has been read. Cancel safe.
    pub async fn step(&mut self) -> Step {
        let page = match (&mut self.reading).await {
            Ok(Ok(Ok(page))) => page,
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "alerts cannot be read for a socket");
                return Step::Failed;
            }
            // Both are logged where they happen.
            Ok(Err(_)) | Err(_) => return Step::Failed,
        };
        match page {
            Page::Part(text, next) => {
                // The next one is read while this one is sent.
                self.reading = read(&self.context, *next);
                Step::Part(text)
            }
            Page::Last(text, done) => Step::Last(text, done),
            Page::Reset(done) => Step::Reset(done),
        }
    }
}

fn read(context: &Arc<Context>, next: Next) -> Reading {
    let context_of_task = Arc::clone(context);
    context.tracker.spawn(async move {
        let context = context_of_task;
        let _turn = context.turn(&context.listings).await?;
        let store = Arc::clone(&context.parts.alerts);
        blocking("list alerts", move || page(&*store, next)).await
    })
}

fn page(store: &dyn AlertStore, next: Next) -> Result<Page, RegisterError> {
    let Next { before, newest, answer, mut filter } = next;
    let (rows, now) = store.list(&filter)?;
    let gap = filter.after_change.map(|after| now.checked_sub(after));
    // A number from the future: the register is not the one the client knows.
    if newest.is_none() && gap.is_some_and(|gap| gap.is_none_or(|g| g > MAX_GAP)) {
        return Ok(Page::Reset(Done(now)));
    }
    let last = rows.last().filter(|_| rows.len() == filter.limit);
    // What changes while the open alerts are read comes as changes; pages of changes run into
    // them.
    let newest = if filter.open_only { newest.unwrap_or(now) } else { now };
    let Some(last) = last else {
        let tells = answer || !rows.is_empty();
        let text = tells.then(|| alerts_text(newest, &rows));
        return Ok(Page::Last(text, Done(newest)));
    };
    if filter.open_only {
        filter.before = Some((last.raised_at, last.id.0.clone()));
    } else {
        filter.after_change = Some(last.change);
    }
    let next = Box::new(Next { before, newest: Some(newest), answer, filter });
    Ok(Page::Part(alerts_text(before, &rows), next))
}
