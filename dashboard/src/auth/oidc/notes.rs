//! Refused sign-ins by providers in the audit log: the first at once, those that follow within a
//! minute as a number on the next, so that nobody can flood the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ioc_model::{Actor, Timestamp};
use serde_json::json;

use crate::context::blocking;
use crate::router::Admitted;

const AT_MOST_EVERY_MS: i64 = 60_000;
/// Kept kinds of refusals; more are forgotten all at once.
const MOST: usize = 10_000;

/// Whom it is about, and why it was refused.
type Kind = (String, &'static str);

/// When a kind of refusal was last written down, and how often it happened since.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<Kind, (Timestamp, u64)>>);

impl Refusals {
    /// Counts one; the number to write down, if it is time to.
    fn count(&self, who: &str, code: &'static str, now: Timestamp) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.clear();
        }
        match held.get_mut(&(who.to_owned(), code)) {
            Some((at, n)) if (0..AT_MOST_EVERY_MS).contains(&now.since_ms(*at)) => {
                *n += 1;
                None
            }
            before => {
                let n = before.map_or(0, |(_, n)| *n) + 1;
                held.insert((who.to_owned(), code), (now, 0));
                Some(n)
            }
        }
    }
}

/// `who` is an account of ours, or the provider.
pub(super) async fn refused(call: &Admitted, who: &str, code: &'static str) {
    let (context, now) = (&call.context, call.context.wall());
    let Some(times) = context.oidc.refusals.count(who, code, now) else { return };
    let detail = json!({ "by": "oidc", "code": code, "times": times }).to_string();
    let origin = call.request.peer.remote.ip().to_canonical().to_string();
    let actor = Actor { user: who.into(), origin: Some(origin), at: now };
    let note = Arc::clone(&context.parts.note_act);
    let write = move || note("sign_in_failed", &actor, &detail);
    match blocking("note the sign-in", write).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::error!(%error, "a sign-in cannot be written into the audit log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_written_at_once_and_then_summed_up() {
        let refusals = Refusals::default();
        let at = |s: i64| Timestamp(s * 1_000);
        assert_eq!(refusals.count("vneid", "oidc_failed", at(0)), Some(1));
        for s in 1..60 {
            assert_eq!(refusals.count("vneid", "oidc_failed", at(s)), None);
        }
        assert_eq!(refusals.count("vneid", "oidc_expired", at(1)), Some(1), "another reason");
        assert_eq!(refusals.count("vneid", "oidc_failed", at(60)), Some(60), "none is lost");
        for i in 0..2 * MOST {
            refusals.count(&i.to_string(), "oidc_disabled", at(61));
        }
        assert!(refusals.0.lock().expect("no panic").len() <= MOST);
    }
}
