//! What people type: trimmed, bounded, without control characters. The stores bind all of it as
//! parameters and the page shows it as text; here it is only kept to a size and a shape.

use ioc_model::{Action, Assignee, Link};

use crate::query::is_id;
use crate::reply::ApiError;

pub(super) const MAX_TEXT_CHARS: usize = 2_000;
const MAX_TITLE_CHARS: usize = 200;
const MAX_URL_CHARS: usize = 2_000;
pub(super) const MAX_NAME_CHARS: usize = 200;

fn bad(code: &'static str, message: String) -> ApiError {
    ApiError::bad_request(code, message)
}

/// A text of several lines; `None` when there is nothing in it.
fn lines(text: &str, field: &'static str, code: &'static str) -> Result<Option<String>, ApiError> {
    let text = text.trim().replace("\r\n", "\n");
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(bad(code, format!("{field}: at most {MAX_TEXT_CHARS} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(bad(code, format!("{field}: has control characters")));
    }
    Ok(Some(text).filter(|t| !t.is_empty()))
}

/// A note: may be left out.
pub(super) fn note(text: Option<String>) -> Result<Option<String>, ApiError> {
    lines(text.as_deref().unwrap_or(""), "note", "bad_note")
}

/// A text that must say something.
pub(super) fn required(
    text: &str,
    field: &'static str,
    code: &'static str,
) -> Result<String, ApiError> {
    lines(text, field, code)?.ok_or_else(|| bad(code, format!("{field}: nothing is said")))
}

/// One line that must say something.
pub(super) fn line(text: &str, field: &'static str, max_chars: usize) -> Result<String, ApiError> {
    let text = text.trim();
    let good = (1..=max_chars).contains(&text.chars().count());
    if good && !text.chars().any(char::is_control) {
        return Ok(text.into());
    }
    Err(bad("bad_body", format!("{field}: one line of 1 to {max_chars} characters")))
}

/// An id in a body.
pub(super) fn id(text: &str, field: &'static str) -> Result<(), ApiError> {
    match is_id(text) {
        true => Ok(()),
        false => Err(bad("bad_body", format!("{field}: 1 to 64 of A-Z a-z 0-9 _ . : -"))),
    }
}

/// `https://`, `http://` and paths of our own. `//host` is another site, and browsers read `\` as
/// `/`.
fn link(link: Link) -> Result<Link, ApiError> {
    let url = link.url.trim().to_owned();
    let path = |u: &str| u.starts_with('/') && !u.starts_with("//");
    let site = |u: &str| {
        let lower = u.get(..8.min(u.len())).unwrap_or("").to_ascii_lowercase();
        let rest = if lower.starts_with("http://") { u.get(7..) } else { u.get(8..) };
        (lower.starts_with("http://") || lower == "https://")
            && rest.is_some_and(|r| !r.is_empty() && !r.starts_with('/'))
    };
    let clean = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    let good = url.chars().count() <= MAX_URL_CHARS && url.chars().all(clean);
    if !good || !(path(&url) || site(&url)) {
        let message = "url: https://…, http://… or a path of ours, at most 2000 characters";
        return Err(bad("bad_link", message.into()));
    }
    Ok(Link { url, title: line(&link.title, "title", MAX_TITLE_CHARS)? })
}

/// The action with its texts in order.
pub(super) fn clean(action: Action) -> Result<Action, ApiError> {
    let reason = |text: String| required(&text, "reason", "bad_reason");
    Ok(match action {
        Action::Acknowledge { note: n } => Action::Acknowledge { note: note(n)? },
        Action::Assign { to, note: n } => {
            let name = line(&to.name, "to.name", MAX_NAME_CHARS)?;
            Action::Assign { to: Assignee { name, ..to }, note: note(n)? }
        }
        Action::Comment { text } => Action::Comment { text: required(&text, "text", "bad_text")? },
        Action::Link { link: given } => Action::Link { link: link(given)? },
        Action::Shelve { until, reason: why } => Action::Shelve { until, reason: reason(why)? },
        Action::Unshelve { note: n } => Action::Unshelve { note: note(n)? },
        Action::Start { note: n } => Action::Start { note: note(n)? },
        Action::Resolve { note: n } => Action::Resolve { note: note(n)? },
        Action::Close { note: n } => Action::Close { note: note(n)? },
        Action::Reject { reason: why } => Action::Reject { reason: reason(why)? },
        Action::Merge { into } => {
            id(&into.0, "into")?;
            Action::Merge { into }
        }
        Action::Split { note: n } => Action::Split { note: note(n)? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<Link, ApiError> {
        link(Link { url: text.into(), title: " camera 3 ".into() })
    }

    #[test]
    fn links_lead_to_sites_or_to_our_own_paths() {
        for good in ["https://a.example/x?y=1#z", "HTTP://a", "/devices/air-000", " /x "] {
            let link = url(good).expect(good);
            assert_eq!((link.url.as_str(), link.title.as_str()), (good.trim(), "camera 3"));
        }
    }

    #[test]
    fn links_that_run_or_leave_are_refused() {
        let long = format!("https://a/{}", "x".repeat(2_000));
        for bad in [
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "https:/evil",
            "https://",
            "https:///x",
            "http://a b",
            "đường",
            "",
            &long,
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(link(Link { url: "/x".into(), title: "a\nb".into() }).is_err());
    }

    #[test]
    fn texts_are_trimmed_bounded_and_plain() {
        assert_eq!(note(Some("  a\r\nb ".into())).expect("a note").as_deref(), Some("a\nb"));
        assert_eq!(note(Some(" \n ".into())).expect("nothing"), None);
        assert!(note(Some("đ".repeat(2_000))).is_ok(), "characters, not bytes");
        assert!(note(Some("x".repeat(2_001))).is_err());
        for control in ["a\0b", "a\u{1b}[31mb", "a\rb", "a\u{85}b"] {
            assert!(note(Some(control.into())).is_err(), "{control:?}");
        }
        assert!(required("  ", "reason", "bad_reason").is_err());
        assert!(clean(Action::Merge { into: ioc_model::IncidentId("../x".into()) }).is_err());
    }
}
