//! Refusals for want of a permission, in the audit log: the first at once, those that follow
//! within a minute as a number on the next, so that nobody can flood the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ioc_model::{Actor, Timestamp};
use serde_json::json;

use crate::Identity;
use crate::context::{Context, blocking};
use crate::reply::ApiError;
use crate::routes::Route;

const AT_MOST_EVERY_MS: i64 = 60_000;
/// Kept pairs of user and route; more are forgotten all at once.
const MOST: usize = 10_000;

/// User, method and path.
type Key = (String, &'static str, &'static str);

/// When a user was last written down for a route, and how often it was refused since.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<HashMap<Key, (Timestamp, u64)>>);

impl Denials {
    /// Counts one; the number to write down, if it is time to.
    fn count(&self, user: &str, route: &Route, now: Timestamp) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.clear();
        }
        let key = (user.to_owned(), route.method, route.path);
        match held.get_mut(&key) {
            Some((at, n)) if now.since_ms(*at) < AT_MOST_EVERY_MS => {
                *n += 1;
                None
            }
            before => {
                let n = before.map_or(0, |(_, n)| *n) + 1;
                held.insert(key, (now, 0));
                Some(n)
            }
        }
    }
}

/// Writes a refusal down and gives it back.
pub(crate) async fn denied(
    context: &Arc<Context>,
    route: &'static Route,
    who: &Identity,
    from: std::net::IpAddr,
    refusal: ApiError,
) -> ApiError {
    let now = context.wall();
    let Some(times) = context.denials.count(&who.user, route, now) else { return refusal };
    let actor =
        Actor { user: who.user.clone(), origin: Some(from.to_canonical().to_string()), at: now };
    // The path of the table, not of the request: it holds nothing that was typed.
    let detail = json!({
        "method": route.method, "path": route.path, "code": refusal.code, "times": times,
        "seat": who.seat,
    });
    let note = Arc::clone(&context.parts.note_act);
    let noted = blocking("note the refusal", move || note("denied", &actor, &detail.to_string()));
    match noted.await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::error!(%error, "a refusal cannot be written into the audit log"),
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn refusals_are_written_at_once_and_then_summed_up() {
        let denials = Denials::default();
        let (a, b) = (&ROUTES[3], &ROUTES[4]);
        let at = |s: i64| Timestamp(s * 1_000);
        assert_eq!(denials.count("an", a, at(0)), Some(1));
        for s in 1..60 {
            assert_eq!(denials.count("an", a, at(s)), None);
        }
        assert_eq!(denials.count("an", b, at(1)), Some(1), "another route");
        assert_eq!(denials.count("lan", a, at(1)), Some(1), "another person");
        assert_eq!(denials.count("an", a, at(60)), Some(60), "none is lost");
        assert_eq!(denials.count("an", a, at(120)), Some(1));
    }
}
