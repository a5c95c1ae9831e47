//! How handlers ask the stores of alerts: on a blocking thread, where long answers are written
//! too, with one translation of their refusals.

use std::sync::Arc;

use ioc_model::RegisterError;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use crate::Parts;
use crate::context::blocking;
use crate::reply::ApiError;
use crate::router::Admitted;

/// Why there is no answer.
pub(super) enum Trouble {
    Store(RegisterError),
    Answer(ApiError),
}

impl From<RegisterError> for Trouble {
    fn from(error: RegisterError) -> Self {
        Self::Store(error)
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Answer(error)
    }
}

/// Runs `work` on a blocking thread: thousands of rows are megabytes of JSON, and sockets must
/// not wait until they are written.
pub(super) async fn ask<T: Send + 'static>(
    call: &Admitted,
    act: &'static str,
    work: impl FnOnce(&Parts, &HeaderMap) -> Result<T, Trouble> + Send + 'static,
) -> Result<T, ApiError> {
    let (context, headers) = (Arc::clone(&call.context), call.request.headers.clone());
    let done = blocking(act, move || work(&context.parts, &headers)).await?;
    done.map_err(|trouble| match trouble {
        Trouble::Store(error) => refused(act, error),
        Trouble::Answer(error) => error,
    })
}

/// A refusal of a store as an answer.
fn refused(act: &'static str, error: RegisterError) -> ApiError {
    let conflict = |code, message: &str| ApiError::new(StatusCode::CONFLICT, code, message);
    match error {
        RegisterError::NotFound(_) => ApiError::not_found("no such alert"),
        RegisterError::NoIncident(_) => ApiError::not_found("no such incident"),
        RegisterError::NoHold(_) => ApiError::not_found("no such hold"),
        RegisterError::NoShift(_) => ApiError::not_found("no such shift"),
        RegisterError::NoShiftEntry(_) => ApiError::not_found("no such line of the shift log"),
        RegisterError::KeyReused(_) => {
            conflict("key_reused", "this Idempotency-Key was used for another request")
        }
        RegisterError::CannotUndo(why) => conflict("cannot_undo", &format!("cannot undo: {why}")),
        RegisterError::BeyondScope => {
            let message = "this reaches beyond the areas and services you may act on";
            ApiError::forbidden("scope_too_small", message)
        }
        RegisterError::Bad(why) => ApiError::bad_request("bad_request", why),
        RegisterError::Store(cause) => ApiError::internal(act, &*cause),
    }
}

/// Where the path names the thing, a store's "there is no such" is a 404.
pub(super) fn or_not_found(error: RegisterError) -> Trouble {
    match error {
        RegisterError::Bad(why) => ApiError::not_found(why).into(),
        other => other.into(),
    }
}

/// The same answer with another status.
pub(super) fn with_status(mut response: Response, status: StatusCode) -> Response {
    *response.status_mut() = status;
    response
}
