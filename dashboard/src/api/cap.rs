//! Public warnings: an Atom feed and the CAP 1.2 documents in it.

use warp::reply::Response;

use super::REVALIDATE;
use super::ask::ask;
use crate::reply::{ApiError, Document};
use crate::router::Admitted;

const FEED_ENTRIES: usize = 50;
const PUBLIC: &str = "public, max-age=60";

fn cache(call: &Admitted) -> &'static str {
    if call.context.config.public_cap { PUBLIC } else { REVALIDATE }
}

/// `GET /api/v1/cap/feed.atom`.
pub(crate) async fn cap_feed(call: Admitted) -> Result<Response, ApiError> {
    let host = call.context.origins.host(&call.request.headers, call.request.peer.local.ip())?;
    let here = call.context.origins.public(&host);
    let _turn = call.context.turn(&call.context.feeds).await?;
    let feed = ask(&call, "read the public warnings", move |parts, _| {
        let rows = parts.notifications.cap_feed(FEED_ENTRIES)?;
        let feed = (parts.forms.cap_feed)(&rows, &here);
        Ok(Document::new("application/atom+xml; charset=utf-8", feed))
    });
    Ok(feed.await?.answer(&call.request.headers, cache(&call)))
}

/// `GET /api/v1/cap/{id}`.
pub(crate) async fn cap(call: Admitted) -> Result<Response, ApiError> {
    let id = call.id.clone();
    let _turn = call.context.turn(&call.context.feeds).await?;
    let found = ask(&call, "read the public warning", move |parts, _| {
        let row = parts.notifications.cap(&id)?;
        let row = row.ok_or_else(|| ApiError::not_found("no such warning"))?;
        Ok(Document::new("application/cap+xml; charset=utf-8", row.xml))
    });
    Ok(found.await?.answer(&call.request.headers, cache(&call)))
}
