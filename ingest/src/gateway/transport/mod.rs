//! The byte streams a connection can run on: TCP, TLS, MQTT over WebSocket.
//!
//! A connection holds no read buffer while it is idle: it waits with
//! [`Stream::poll_readable`] and only then borrows one. TCP and TLS tell readiness from the
//! socket; for a WebSocket, whose bytes come from whoever upgraded it, a few bytes are read ahead.

mod certificate;
mod certificates;
mod daily;
mod files;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::gateway) mod fuzz;
mod tls;
mod tls_config;
mod websocket;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use certificates::ServerCertificates;
pub(super) use tls::{Shown, Tls, TlsStream};
pub use tls::{TlsHandle, TlsStatus};
pub use tls_config::{ClientCertificates, GatewayTlsConfig, TlsError};
pub(super) use websocket::WebSocket;

/// What a connection reads and writes.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    WebSocket(Box<WebSocket>),
}

impl Stream {
    /// Ready when a read would bring something: bytes, the end, or an error (which shows at the
    /// read itself). May be ready for nothing; the read then waits again.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx).map(drop),
            Self::Tls(tls) => tls.poll_readable(cx),
            Self::WebSocket(socket) => socket.poll_readable(cx),
        }
    }

    /// Whether the transport itself still holds bytes that [`AsyncWrite::poll_flush`] would send.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(tls) => tls.has_unsent(),
            Self::WebSocket(socket) => socket.has_unsent(),
        }
    }

    /// Whether the transport has a word for the end that the peer expects.
    pub(super) fn says_goodbye(&self) -> bool {
        !matches!(self, Self::Tcp(_))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, to),
            Self::Tls(tls) => tls.poll_read(cx, to),
            Self::WebSocket(socket) => socket.poll_read(cx, to),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => tls.poll_write(cx, bytes),
            Self::WebSocket(socket) => socket.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(cx),
            Self::WebSocket(socket) => socket.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
            Self::WebSocket(socket) => socket.poll_shutdown(cx),
        }
    }
}

/// Writes `bytes` from `at` on, then what the transport holds. `at` moves with what was taken.
pub(super) fn poll_send(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    bytes: &[u8],
    at: &mut usize,
) -> Poll<io::Result<()>> {
    while *at < bytes.len() {
        match ready!(Pin::new(&mut *stream).poll_write(cx, &bytes[*at..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => *at += n,
        }
    }
    if stream.has_unsent() { Pin::new(stream).poll_flush(cx) } else { Poll::Ready(Ok(())) }
}
