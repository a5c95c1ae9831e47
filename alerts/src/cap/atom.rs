//! The Atom feed (RFC 4287) of public warnings.

use ioc_model::{CapRow, Timestamp};

use super::settings::CapSettings;
use super::xml::{cap_time, elements, token};

/// What a feed says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Title.
    pub title: &'a str,
    /// Who publishes it, for people.
    pub author: &'a str,
    /// The address or domain that owns the ids (RFC 4151), the sender of the warnings.
    pub authority: &'a str,
    /// Address of the console, such as `https://ioc.example.vn`; empty: links have no host.
    pub base_url: &'a str,
    /// Wall time, shown only when there is no entry.
    pub now: Timestamp,
}

impl<'a> Feed<'a> {
    /// The feed of a receiver.
    pub fn of(settings: &'a CapSettings, base_url: &'a str, now: Timestamp) -> Self {
        let spec = settings.spec();
        Self {
            title: "Cảnh báo công cộng / Public warnings",
            author: &spec.sender_name.vi,
            authority: &spec.sender,
            base_url,
            now,
        }
    }
}

/// The feed of these messages, in their order, as `application/atom+xml`.
///
/// # Errors
/// Only what writing into memory can give.
pub fn atom(feed: &Feed<'_>, rows: &[CapRow]) -> std::io::Result<String> {
    let base = format!("{}/api/v1/cap", feed.base_url.trim_end_matches('/'));
    let authority = token(feed.authority).to_ascii_lowercase();
    elements("feed", "http://www.w3.org/2005/Atom", |w| {
        w.text("id", &format!("tag:{authority},2025:cap"))?;
        w.text("title", feed.title)?;
        let updated = rows.iter().map(|row| row.sent).max().unwrap_or(feed.now);
        w.text("updated", &cap_time(updated))?;
        w.within("author", |w| w.text("name", feed.author))?;
        let link = format!("{base}/feed.atom");
        w.empty("link", &[("rel", "self"), ("type", "application/atom+xml"), ("href", &link)])?;
        rows.iter().try_for_each(|row| {
            let id = token(&row.id);
            w.within("entry", |w| {
                w.text("id", &format!("tag:{authority},2025:cap/{id}"))?;
                w.text("title", &format!("{} / {}", row.title.vi, row.title.en))?;
                w.text("updated", &cap_time(row.sent))?;
                w.text("published", &cap_time(row.sent))?;
                w.empty("category", &[("term", &row.kind)])?;
                let link = format!("{base}/{id}");
                w.empty(
                    "link",
                    &[("rel", "alternate"), ("type", "application/cap+xml"), ("href", &link)],
                )?;
                w.text("summary", &row.title.vi)
            })
        })
    })
}
