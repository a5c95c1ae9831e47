//! The WebSocket handshake (RFC 6455, 4.2). Warp checks it; its own WebSocket is not used, because
//! that holds 128 KiB for each connection whatever it says.

use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use crate::reply::ApiError;
use crate::router::Incoming;

/// What the client may take until the connection is ours.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that will speak WebSocket once our answer is sent.
pub(crate) struct Handshake {
    accept: HeaderValue,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Takes the connection out of a request.
    ///
    /// # Errors
    /// 426 when the request is no handshake.
    pub fn of(request: &mut Incoming) -> Result<Self, ApiError> {
        let key = request.headers.get(SEC_WEBSOCKET_KEY);
        let (true, Some(key), Some(upgrade)) = (request.is_websocket, key, request.upgrade.take())
        else {
            let status = StatusCode::UPGRADE_REQUIRED;
            return Err(ApiError::new(status, "not_a_websocket", "this is a WebSocket"));
        };
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
            .map_err(|error| ApiError::internal("answer the handshake", &error))?;
        Ok(Self { accept, upgrade })
    }

    /// The answer that ends HTTP on this connection.
    pub fn answer(&self) -> Response {
        let mut answer = Response::default();
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, self.accept.clone()),
        ] {
            answer.headers_mut().insert(name, value);
        }
        answer
    }

    /// The bytes behind our answer; `None` when it did not come to that.
    pub async fn done(self) -> Option<TokioIo<Upgraded>> {
        match tokio::time::timeout(UPGRADE_TIMEOUT, self.upgrade).await {
            Ok(Ok(upgraded)) => return Some(TokioIo::new(upgraded)),
            Ok(Err(error)) => tracing::debug!(%error, "upgrade failed"),
            Err(_) => tracing::debug!("upgrade not done in time"),
        }
        None
    }
}
