//! Screens on walls: their tokens, and their way in.

use std::sync::Arc;

use ioc_model::Name;
use serde::Deserialize;
use serde_json::json;
use warp::reply::Response;

use super::account::{created, done, note, with};
use super::session::{described, note_failure, sign_in_refused, welcome};
use crate::auth::{Auth, NewKey, NewWall, wall_grant};
use crate::context::blocking;
use crate::reply::{self, ApiError};
use crate::router::Admitted;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WallBody {
    label: String,
    view: String,
    areas: Option<Vec<Name>>,
    services: Option<Vec<Name>>,
    days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: String,
}

/// `POST /api/v1/session/wall`.
pub(crate) async fn sign_in_wall(mut call: Admitted) -> Result<Response, ApiError> {
    let TokenBody { token } = call.body().await?;
    let (auth, from) = (Arc::clone(&call.context.parts.auth), call.request.peer.remote.ip());
    let session = match blocking("sign in", move || auth.sign_in_wall(&token, from)).await? {
        Ok(session) => session,
        Err(error) => {
            note_failure(&call, String::new(), &error).await;
            return Err(sign_in_refused(&call, error));
        }
    };
    let said = described(&call.context, &session.token.text()).await?;
    let mut answer = reply::json(&call.request.headers, &said)?;
    welcome(&call, &session, &mut answer, "wall").await?;
    Ok(answer)
}

/// `GET /api/v1/walls`.
pub(crate) async fn walls(call: Admitted) -> Result<Response, ApiError> {
    let walls = with(&call, "list wall tokens", Auth::walls).await?;
    reply::json(&call.request.headers, &json!({ "walls": walls }))
}

/// `POST /api/v1/walls`.
pub(crate) async fn issue_wall(mut call: Admitted) -> Result<Response, ApiError> {
    let WallBody { label, view, areas, services, days } = call.body().await?;
    let wall = NewWall { label, view, grant: wall_grant(areas, services), days };
    let mut noted = json!({
        "label": wall.label.trim(), "view": wall.view, "areas": wall.grant.areas,
        "services": wall.grant.services, "days": wall.days,
    });
    let (user, city) = (call.who()?.user.clone(), Arc::clone(&call.context.parts.city));
    let work = move |auth: &Auth| auth.issue_wall(&user, &wall, &city);
    let NewKey { id, token, expires } = with(&call, "make a wall token", work).await?;
    noted["wall"] = json!(id);
    note(&call, "wall_issued", noted).await?;
    // Behind `#`: browsers do not send it, so it is in no log.
    let path = format!("/#/wall?token={token}");
    created(&call, &json!({ "id": id, "token": token, "path": path, "expires": expires }))
}

/// `DELETE /api/v1/walls/{id}`.
pub(crate) async fn revoke_wall(call: Admitted) -> Result<Response, ApiError> {
    let id = call.number()?;
    if !with(&call, "end a wall token", move |auth| auth.revoke_wall(id)).await? {
        return Err(ApiError::not_found("no such wall token"));
    }
    note(&call, "wall_revoked", json!({ "wall": id })).await?;
    Ok(done())
}
