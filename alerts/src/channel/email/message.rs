//! The text of one e-mail. The same notification always gives the same bytes.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::SinglePart;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};

use super::settings::EmailSettings;
use crate::channel::words::Words;
use crate::channel::{Notification, Surroundings};

/// Most incidents that a message refers to.
const MAX_REFERENCES: usize = 20;

/// The message of a notification.
pub(super) fn compose(
    settings: &EmailSettings,
    around: &Surroundings,
    n: &Notification,
) -> Result<Message, lettre::error::Error> {
    let words = Words { city: &around.city, base_url: &around.base_url, language: n.language };
    let said = words.of_notification(n);
    let domain = settings.from.email.domain();
    let sent = u64::try_from(n.at.0).unwrap_or(0);
    let mut builder = Message::builder()
        .from(settings.from.clone())
        .subject(said.subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(sent))
        .message_id(Some(format!("<{}@{domain}>", token(&n.id))))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .raw_header(raw("Content-Language", n.language.pick("vi", "en")));
    for to in &settings.to {
        builder = builder.to(to.clone());
    }
    let thread = thread(n, domain);
    if let Some(first) = thread.first() {
        // Mail programs put what refers to the same message together.
        builder = builder.in_reply_to(first.clone()).references(thread.join(" "));
    }
    let mut body = vec![said.headline, String::new()];
    body.extend(said.lines);
    body.push(String::new());
    body.push("-- ".to_owned());
    let from = n.language.pick(
        "Thư tự động của hệ thống IOC, đề nghị không trả lời.",
        "Sent automatically by the IOC; please do not reply.",
    );
    body.push(from.to_owned());
    builder.singlepart(
        SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .header(ContentTransferEncoding::QuotedPrintable)
            .body(body.join("\r\n")),
    )
}

/// An id for each incident that the alerts belong to; no message has it, all refer to it.
fn thread(n: &Notification, domain: &str) -> Vec<String> {
    let one = n.incident.iter().map(|incident| &incident.id);
    let incidents: BTreeSet<String> = one
        .chain(n.alerts.iter().filter_map(|row| row.incident.as_ref()))
        .map(|incident| token(&incident.0))
        .filter(|id| !id.is_empty())
        .collect();
    let ids = incidents.into_iter().take(MAX_REFERENCES);
    ids.map(|id| format!("<incident.{id}@{domain}>")).collect()
}

/// Letters, digits, `-`, `_`: fit for an id in a header.
fn token(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(100).collect()
}

/// Only for names and values that stand in this file.
fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
