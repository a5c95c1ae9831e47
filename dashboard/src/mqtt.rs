//! MQTT over WebSocket: the upgrade only. What the bytes mean is the business of the gateway,
//! which the application puts behind [`MqttDoor`].
//!
//! No cookie is looked at: a client proves itself in its CONNECT. A page elsewhere could still use
//! the network position of the browser it runs in, so an Origin, where there is one, must be ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::reply::ApiError;
use crate::router::Admitted;

/// The name under which MQTT is registered (IANA WebSocket Subprotocol Names; MQTT 5, 6.0).
const SUBPROTOCOL: &str = "mqtt";
/// What the client may take until the connection is ours.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// An upgraded connection; it begins right after our answer.
pub trait MqttStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> MqttStream for T {}

/// A place for one connection; free again when dropped. Called with its bytes, which are WebSocket
/// frames.
pub type MqttSeat = Box<dyn FnOnce(Box<dyn MqttStream>) -> BoxFuture<'static, ()> + Send>;

/// Gives a client at an address a place; `None`: full.
pub type MqttDoor = Arc<dyn Fn(SocketAddr) -> Option<MqttSeat> + Send + Sync>;

/// Answers `GET /mqtt`.
pub(crate) fn accept(mut call: Admitted) -> Result<Response, ApiError> {
    let door = call.context.parts.mqtt.as_ref();
    let door = door.ok_or_else(|| ApiError::not_found("no MQTT here"))?;
    // Warp has looked at the rest of the handshake.
    let key = call.request.headers.get(SEC_WEBSOCKET_KEY);
    let (Some(_), Some(key), Some(upgrade)) =
        (call.request.socket.take(), key, call.request.upgrade.take())
    else {
        let status = StatusCode::UPGRADE_REQUIRED;
        return Err(ApiError::new(status, "not_a_websocket", "this is a WebSocket"));
    };
    if !offers_mqtt(&call.request.headers) {
        let need = "the WebSocket subprotocol must be mqtt";
        return Err(ApiError::bad_request("bad_subprotocol", need));
    }
    let accept = derive_accept_key(key.as_bytes());
    let seat = door(call.request.peer.remote).ok_or_else(|| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = ApiError::new(status, "too_many_connections", "too many devices");
        ApiError { retry_after_s: Some(15), ..error }
    })?;
    call.context.tracker.spawn(async move {
        match tokio::time::timeout(UPGRADE_TIMEOUT, upgrade).await {
            Ok(Ok(upgraded)) => seat(Box::new(TokioIo::new(upgraded))).await,
            Ok(Err(error)) => tracing::debug!(%error, "mqtt upgrade failed"),
            Err(_) => tracing::debug!("mqtt upgrade not done in time"),
        }
    });
    let mut answer = Response::default();
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::from_str(&accept)
        .map_err(|error| ApiError::internal("answer the handshake", &error))?;
    for (name, value) in [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)),
    ] {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

fn offers_mqtt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim() == SUBPROTOCOL)
}
