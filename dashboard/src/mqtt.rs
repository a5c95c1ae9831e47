//! MQTT over WebSocket: the upgrade only. What the bytes mean is the business of the gateway,
//! which the application puts behind [`MqttDoor`].
//!
//! No cookie is looked at: a client proves itself in its CONNECT. A page elsewhere could still use
//! the network position of the browser it runs in, so an Origin, where there is one, must be ours.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use warp::http::header::SEC_WEBSOCKET_PROTOCOL;
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::reply::ApiError;
use crate::router::Admitted;
use crate::upgrade::Handshake;

/// The name under which MQTT is registered (IANA WebSocket Subprotocol Names; MQTT 5, 6.0).
const SUBPROTOCOL: &str = "mqtt";

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
    let handshake = Handshake::of(&mut call.request)?;
    if !offers_mqtt(&call.request.headers) {
        let need = "the WebSocket subprotocol must be mqtt";
        return Err(ApiError::bad_request("bad_subprotocol", need));
    }
    let seat = door(call.request.peer.remote).ok_or_else(|| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = ApiError::new(status, "too_many_connections", "too many devices");
        ApiError { retry_after_s: Some(15), ..error }
    })?;
    let mut answer = handshake.answer();
    answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    call.context.tracker.spawn(async move {
        if let Some(stream) = handshake.done().await {
            seat(Box::new(stream)).await;
        }
    });
    Ok(answer)
}

fn offers_mqtt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim() == SUBPROTOCOL)
}
