//! The three ways in, as bytes of a client.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Sink, Stream};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::TestSink;
use crate::GatewayDoor;

/// How clients of a test come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Over {
    #[default]
    Tcp,
    Tls,
    WebSocket,
}

thread_local! {
    /// What gateways of this test's thread are reached by; a `tokio::test` stays on its thread.
    static OVER: Cell<Over> = const { Cell::new(Over::Tcp) };
}

impl Over {
    pub(crate) fn here() -> Self {
        OVER.get()
    }

    /// Runs a test over this transport.
    pub(crate) fn run(self, test: fn()) {
        OVER.set(self);
        test();
        OVER.set(Self::Tcp);
    }
}

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A TLS client's stream.
pub(crate) async fn tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    TlsConnector::from(config).connect(name, tcp).await
}

/// Takes connections and hands them to the door as if they had been upgraded.
pub(crate) async fn upgrader(door: GatewayDoor<TestSink>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            if let Some(seat) = door.admit(peer) {
                tokio::spawn(seat.serve(stream));
            }
        }
    });
    address
}

pub(crate) async fn websocket(address: SocketAddr) -> Framed {
    let tcp = TcpStream::connect(address).await.expect("connects");
    let socket = WebSocketStream::from_raw_socket(tcp, Role::Client, None).await;
    Framed { socket, rest: Bytes::new() }
}

/// Bytes in the frames of `tungstenite`: each write is a message.
pub(crate) struct Framed {
    pub(crate) socket: WebSocketStream<TcpStream>,
    rest: Bytes,
}

impl AsyncRead for Framed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.rest.len().min(to.remaining());
        to.put_slice(&self.rest.split_to(n));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(io::Error::other)?;
        let message = Message::binary(Bytes::copy_from_slice(bytes));
        socket.as_mut().start_send(message).map_err(io::Error::other)?;
        let _ = socket.poll_flush(cx).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx).map_err(io::Error::other)
    }
}
