//! One WebSocket that holds little: a small buffer for what comes, and of what goes out never more
//! than a part. A screen says some hundred bytes in its life and is sent up to 100 KiB at once, so
//! the library's buffers would be most of what a screen costs.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::config::MAX_BODY_BYTES;

/// Read at once; a longer message is read into a buffer of its own.
const READ_BYTES: usize = 2 * 1_024;
/// Longer messages go out in frames of this (RFC 6455, 5.4), which the browser puts together.
const PART_BYTES: usize = 8 * 1_024;

/// What the client said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Text(Utf8Bytes),
    /// Pings, which are answered below us, and what is not part of the protocol.
    Other,
    /// It closes, or has gone.
    Gone,
}

pub(super) struct Socket<S = TokioIo<Upgraded>>(WebSocketStream<S>);

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Socket<S> {
    pub async fn new(stream: S) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            // Nothing is gathered: each part goes to the kernel.
            .write_buffer_size(0)
            .max_message_size(Some(MAX_BODY_BYTES))
            .max_frame_size(Some(MAX_BODY_BYTES));
        Self(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
    }

    pub async fn text(&mut self, text: String) -> Result<(), Error> {
        self.send(text.into(), Data::Text).await
    }

    pub async fn binary(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.send(bytes, Data::Binary).await
    }

    async fn send(&mut self, mut rest: Bytes, kind: Data) -> Result<(), Error> {
        let mut opcode = OpCode::Data(kind);
        loop {
            let part = rest.split_to(rest.len().min(PART_BYTES));
            let last = rest.is_empty();
            // Waits until the part before is with the kernel.
            self.0.feed(Message::Frame(Frame::message(part, opcode, last))).await?;
            if last {
                return self.0.flush().await;
            }
            opcode = OpCode::Data(Data::Continue);
        }
    }

    pub async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Error> {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) };
        self.0.close(Some(frame)).await
    }

    /// What the client says next. Cancel safe.
    pub async fn next(&mut self) -> Said {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Said::Text(text),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Said::Gone,
            Some(Ok(_)) => Said::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    /// A client of the same library over a pipe that takes 1,000 bytes at a time.
    async fn pair() -> (Socket<tokio::io::DuplexStream>, WebSocketStream<tokio::io::DuplexStream>) {
        let (ours, theirs) = duplex(1_000);
        let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        (Socket::new(ours).await, client)
    }

    #[tokio::test]
    async fn messages_of_any_length_arrive_whole_and_in_order() {
        let (mut socket, mut client) = pair().await;
        let lengths = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 200_001];
        let sending = async {
            for n in lengths {
                let bytes: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
                socket.binary(bytes.into()).await.expect("sends");
                // Letters of two bytes, so that parts end within one.
                socket.text("đ".repeat(n / 2)).await.expect("sends");
            }
        };
        let reading = async {
            for n in lengths {
                let bytes = client.next().await.expect("comes").expect("whole").into_data();
                assert!(bytes.iter().enumerate().all(|(i, b)| *b == (i % 251) as u8));
                assert_eq!(bytes.len(), n);
                let text = client.next().await.expect("comes").expect("whole");
                assert_eq!(text.to_text().expect("text"), "đ".repeat(n / 2));
            }
        };
        tokio::join!(sending, reading);
    }

    #[tokio::test]
    async fn of_a_long_message_only_a_part_is_held() {
        let (ours, mut theirs) = duplex(1_000);
        let mut socket = Socket::new(ours).await;
        let message = Bytes::from(vec![7; 100_000]);
        // Nobody reads: one part waits in the socket, what follows it is not copied yet.
        let send = socket.binary(message);
        tokio::select! {
            biased;
            sent = send => unreachable!("{sent:?}"),
            () = tokio::task::yield_now() => {}
        }
        let mut begun = vec![0; 4];
        theirs.read_exact(&mut begun).await.expect("the first part has begun");
        // Binary, more follows; 16 bits of length.
        assert_eq!(begun, [0x02, 126, (PART_BYTES >> 8) as u8, PART_BYTES as u8]);
    }

    #[tokio::test]
    async fn hears_text_and_the_end() {
        let (mut socket, mut client) = pair().await;
        client.send(Message::text("xin chào")).await.expect("sends");
        client.send(Message::binary(vec![1])).await.expect("sends");
        assert_eq!(socket.next().await, Said::Text("xin chào".into()));
        assert_eq!(socket.next().await, Said::Other);
        drop(client);
        assert_eq!(socket.next().await, Said::Gone);
    }
}
