//! What browsers report of our Content-Security-Policy: each is a try to run something in the
//! page, or a mistake of ours. Counted; a few are logged.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use ioc_model::Timestamp;
use serde_json::Value;
use warp::http::StatusCode;
use warp::reply::Response;

use crate::reply::{self, ApiError};
use crate::router::Admitted;

/// Reports logged at once, and the time after which one more may be.
const BURST: u32 = 10;
const REFILL_MS: i64 = 10_000;
const MAX_CHARS: usize = 120;

/// Which reports are read: anybody can send them, so few.
#[derive(Debug, Default)]
pub(crate) struct CspLog(Mutex<(u32, Timestamp)>);

impl CspLog {
    fn may(&self, now: Timestamp) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (used, since) = *held;
        let back = u32::try_from(now.since_ms(since).max(0) / REFILL_MS).unwrap_or(u32::MAX);
        let used = used.saturating_sub(back);
        let since = if back > 0 { now } else { since };
        let may = used < BURST;
        *held = (used + u32::from(may), since);
        may
    }
}

/// `POST /api/v1/csp`: answered 204 whatever it holds.
pub(crate) async fn csp_report(mut call: Admitted) -> Result<Response, ApiError> {
    call.context.stats.csp_reports.fetch_add(1, Relaxed);
    if call.context.csp.may(call.context.wall()) {
        let body = call.bytes().await?;
        let (directive, blocked, page) = said(&body);
        tracing::warn!(directive, blocked, page, "a browser refused something in the page");
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Directive, what was blocked, and where, out of either form of a report.
fn said(body: &[u8]) -> (String, String, String) {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let old = &report["csp-report"];
    let new = &report[0]["body"];
    let field = |names: [(&Value, &str); 2]| {
        let text = names.iter().find_map(|(of, name)| of[*name].as_str());
        // No query and no fragment: a link for signing in has its token there.
        let text = text.unwrap_or("unknown").split(['?', '#']).next().unwrap_or("");
        text.chars().take(MAX_CHARS).map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
    };
    (
        field([(old, "violated-directive"), (new, "effectiveDirective")]),
        field([(old, "blocked-uri"), (new, "blockedURL")]),
        field([(old, "document-uri"), (new, "documentURL")]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_reports_are_read_however_many_come() {
        let log = CspLog::default();
        let at = |s: i64| Timestamp(1_000_000_000 + s * 1_000);
        let read = |s: i64| (0..1_000).filter(|_| log.may(at(s))).count();
        assert_eq!(read(0), 10);
        assert_eq!(read(9), 0);
        assert_eq!(read(10), 1);
        assert_eq!(read(45), 3);
        assert_eq!(read(100_000), 10);
        assert_eq!(read(0), 0, "a clock set back gives nothing");
    }

    #[test]
    fn reads_both_forms_and_writes_no_secrets_or_control_characters() {
        let old = br#"{"csp-report":{"violated-directive":"script-src\n2026 ERROR","blocked-uri":
            "https://evil.example/x.js?a=1","document-uri":"https://ioc/#/wall?token=secret"}}"#;
        let (directive, blocked, page) = said(old);
        assert_eq!(directive, "script-src_2026_ERROR");
        assert_eq!((&*blocked, &*page), ("https://evil.example/x.js", "https://ioc/"));
        let new = br#"[{"type":"csp-violation","body":{"effectiveDirective":"img-src",
            "blockedURL":"inline","documentURL":"https://ioc/signin?token=secret"}}]"#;
        let expect = ("img-src".into(), "inline".into(), "https://ioc/signin".into());
        assert_eq!(said(new), expect);
        let long = format!(r#"{{"csp-report":{{"blocked-uri":"{}"}}}}"#, "a".repeat(4_000));
        assert_eq!(said(long.as_bytes()).1.len(), MAX_CHARS);
        for odd in [&b""[..], b"[]", b"7", b"\xff", b"{\"csp-report\":[]}"] {
            assert_eq!(said(odd).0, "unknown");
        }
    }
}
