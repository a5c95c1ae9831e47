//! What a request must be before any row is looked at.

use ioc_model::{Action, ActionRequest, Actor, Link, RegisterError, Timestamp};

use crate::policy::Policy;

/// Longest note, reason or comment, characters.
pub(crate) const TEXT_MAX: usize = 2_000;
/// Longest title or name, characters.
const TITLE_MAX: usize = 200;
/// Longest address of a link, characters.
const URL_MAX: usize = 2_000;
/// Longest idempotency key, bytes.
const KEY_MAX: usize = 128;

pub(super) fn request(request: &ActionRequest) -> Result<(), RegisterError> {
    match request.targets.len() {
        0 => return bad("no alert is named"),
        n if n > ActionRequest::MAX_TARGETS => {
            let most = ActionRequest::MAX_TARGETS;
            return bad(&format!("{n} alerts are named, at most {most} go into one request"));
        }
        _ => {}
    }
    if let Some(key) = &request.key
        && !(1..=KEY_MAX).contains(&key.len())
    {
        return bad("the idempotency key must have 1 to 128 characters");
    }
    if request.key.as_ref().is_some_and(|k| k.bytes().any(|b| !b.is_ascii_graphic() && b != b' ')) {
        return bad("the idempotency key must be printable ASCII");
    }
    actor(&request.actor)?;
    action(&request.action)
}

/// What only a request that begins must be: the repetition of one that was done in time is answered
/// as it was, however late it comes.
pub(super) fn beginning(request: &ActionRequest, policy: &Policy) -> Result<(), RegisterError> {
    match &request.action {
        Action::Shelve { until, .. } => shelf(*until, request.actor.at, policy.shelve_max_ms),
        _ => Ok(()),
    }
}

pub(super) fn actor(actor: &Actor) -> Result<(), RegisterError> {
    required("the user", &actor.user, TITLE_MAX)
}

fn action(action: &Action) -> Result<(), RegisterError> {
    match action {
        Action::Acknowledge { note }
        | Action::Unshelve { note }
        | Action::Start { note }
        | Action::Resolve { note }
        | Action::Close { note }
        | Action::Split { note } => optional("the note", note.as_deref()),
        Action::Assign { to, note } => {
            required("the name of the assignee", &to.name, TITLE_MAX)?;
            optional("the note", note.as_deref())
        }
        Action::Comment { text } => required("the comment", text, TEXT_MAX),
        Action::Link { link } => good_link(link),
        Action::Shelve { reason, .. } | Action::Reject { reason } => {
            required("the reason", reason, TEXT_MAX)
        }
        Action::Merge { into } => required("the incident", &into.0, TITLE_MAX),
    }
}

fn shelf(until: Timestamp, now: Timestamp, max_ms: i64) -> Result<(), RegisterError> {
    if until <= now {
        return bad("a shelf must end after now");
    }
    if until.since_ms(now) > max_ms {
        let minutes = max_ms / 60_000;
        return bad(&format!("an alert may be shelved for at most {minutes} min"));
    }
    Ok(())
}

fn good_link(link: &Link) -> Result<(), RegisterError> {
    required("the title", &link.title, TITLE_MAX)?;
    required("the address", &link.url, URL_MAX)?;
    let url = &link.url;
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return bad("the address holds a character that no address has");
    }
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let host = |scheme: &str| lower.starts_with(scheme) && url.len() > scheme.len();
    // `//host` would be another site.
    let own = url.starts_with('/') && !url.starts_with("//");
    if host("https://") || host("http://") || own {
        return Ok(());
    }
    bad("a link begins with https://, http:// or /")
}

fn required(what: &str, text: &str, max: usize) -> Result<(), RegisterError> {
    if text.trim().is_empty() {
        return bad(&format!("{what} is missing"));
    }
    within(what, text, max)
}

pub(super) fn optional(what: &str, text: Option<&str>) -> Result<(), RegisterError> {
    text.map_or(Ok(()), |text| within(what, text, TEXT_MAX))
}

fn within(what: &str, text: &str, max: usize) -> Result<(), RegisterError> {
    // Bytes bound characters, so most texts need not be counted.
    if text.len() > max && text.chars().count() > max {
        return bad(&format!("{what} is longer than {max} characters"));
    }
    Ok(())
}

fn bad<T>(message: &str) -> Result<T, RegisterError> {
    Err(RegisterError::Bad(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(url: &str) -> bool {
        good_link(&Link { url: url.into(), title: "camera".into() }).is_ok()
    }

    #[test]
    fn a_link_leads_to_the_web_or_to_a_page_of_our_own() {
        for good in ["https://a.vn", "HTTP://a.vn/x?y=1", "/history?device=1", "/"] {
            assert!(link(good), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "https://",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "https://a.vn/\r\nSet-Cookie: x",
            " https://a.vn",
            "ftp://a.vn",
            "",
            "địa chỉ",
        ] {
            assert!(!link(bad), "{bad}");
        }
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert!(optional("the note", Some(&"ệ".repeat(TEXT_MAX))).is_ok());
        assert!(optional("the note", Some(&"ệ".repeat(TEXT_MAX + 1))).is_err());
        assert!(required("the reason", " \n", TEXT_MAX).is_err());
    }
}
