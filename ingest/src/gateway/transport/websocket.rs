//! MQTT in WebSocket frames (MQTT 5, section 6), for bytes that someone else has upgraded.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{Control, Frames, close, head, opcode};

/// Bytes read ahead to learn that there is something to read: a small packet as a whole.
const AHEAD: usize = 128;
/// Reads in a row that bring no payload (pings, empty frames) before others get their turn.
const MAX_BARREN: usize = 16;

/// An upgraded connection.
pub(crate) trait Upgraded: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Upgraded for T {}

/// The server's end of a WebSocket.
pub(crate) struct WebSocket {
    io: Box<dyn Upgraded>,
    frames: Frames,
    ahead: [u8; AHEAD],
    ahead_len: usize,
    ended: Option<Ended>,
    /// Headers and control frames on their way out, from `out_at` on.
    out: Vec<u8>,
    out_at: usize,
    /// Payload of the data frame under way that is still to be written.
    frame_left: usize,
    /// The last ping's payload, to be answered at the next frame boundary.
    pong: Option<Vec<u8>>,
    /// Something was written that the stream below may still hold.
    unflushed: bool,
    said_close: bool,
}

/// Why nothing more is read.
#[derive(Clone, Copy, Debug)]
enum Ended {
    /// The bytes ended without a close frame.
    Lost,
    /// The client closed, with this code.
    Closed(Option<u16>),
    /// The client broke a rule; the code it is told.
    Broken(u16),
}

impl WebSocket {
    pub(crate) fn new(io: Box<dyn Upgraded>, max_message: usize) -> Self {
        Self {
            io,
            frames: Frames::new(max_message),
            ahead: [0; AHEAD],
            ahead_len: 0,
            ended: None,
            out: Vec::new(),
            out_at: 0,
            frame_left: 0,
            pong: None,
            unflushed: false,
            said_close: false,
        }
    }

    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended.is_some() || self.ahead_len > 0 {
            return Poll::Ready(());
        }
        let mut ahead = ReadBuf::new(&mut self.ahead);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut ahead)) {
            Ok(()) if !ahead.filled().is_empty() => self.ahead_len = ahead.filled().len(),
            Ok(()) | Err(_) => self.ended = Some(Ended::Lost),
        }
        Poll::Ready(())
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..MAX_BARREN {
            match self.ended {
                None => {}
                Some(Ended::Lost | Ended::Closed(_)) => return Poll::Ready(Ok(())),
                Some(Ended::Broken(_)) => {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            }
            let bytes = to.initialize_unfilled();
            let n = ready!(self.poll_bytes(cx, bytes))?;
            let found = self.frames.read(&mut bytes[..n]);
            match found.control {
                Some(Control::Ping(payload)) => self.pong = Some(payload),
                Some(Control::Close(code)) => self.ended = Some(Ended::Closed(code)),
                None => {}
            }
            if let Some(code) = found.broken {
                self.ended = Some(Ended::Broken(code));
            }
            if self.pong.is_some() {
                // What cannot be written now goes with the connection's next flush.
                let _ = self.poll_flush(cx)?;
            }
            if found.payload > 0 {
                to.advance(found.payload);
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Raw bytes: those read ahead, and what else is there.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let ahead = self.ahead_len.min(to.len());
        to[..ahead].copy_from_slice(&self.ahead[..ahead]);
        self.ahead.copy_within(ahead..self.ahead_len, 0);
        self.ahead_len -= ahead;
        let mut rest = ReadBuf::new(&mut to[ahead..]);
        if rest.remaining() == 0 {
            return Poll::Ready(Ok(ahead));
        }
        match Pin::new(&mut self.io).poll_read(cx, &mut rest) {
            Poll::Pending if ahead > 0 => Poll::Ready(Ok(ahead)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if !rest.filled().is_empty() => {
                Poll::Ready(Ok(ahead + rest.filled().len()))
            }
            // Told after what was read ahead.
            Poll::Ready(_) => {
                self.ended = Some(Ended::Lost);
                Poll::Ready(Ok(ahead))
            }
        }
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.unflushed || !self.out.is_empty() || (self.pong.is_some() && self.frame_left == 0)
    }

    /// At a frame boundary: what has to go before the next data frame.
    fn begin_control(&mut self) {
        if self.frame_left == 0
            && self.out.is_empty()
            && let Some(payload) = self.pong.take()
        {
            head(opcode::PONG, payload.len(), &mut self.out);
            self.out.extend_from_slice(&payload);
        }
    }

    /// All of `bytes` becomes one frame, header and payload in one write where the socket can.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.said_close {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            if self.frame_left == 0 {
                self.begin_control();
                head(opcode::BINARY, bytes.len(), &mut self.out);
                self.frame_left = bytes.len();
            }
            let payload = &bytes[..bytes.len().min(self.frame_left)];
            let headers = &self.out[self.out_at..];
            let io = Pin::new(&mut self.io);
            let n = if headers.is_empty() {
                ready!(io.poll_write(cx, payload))?
            } else if io.is_write_vectored() {
                let parts = [IoSlice::new(headers), IoSlice::new(payload)];
                ready!(io.poll_write_vectored(cx, &parts))?
            } else {
                ready!(io.poll_write(cx, headers))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_headers = n.min(headers.len());
            self.unflushed = true;
            self.wrote(of_headers);
            let of_payload = n - of_headers;
            self.frame_left -= of_payload;
            if of_payload > 0 {
                return Poll::Ready(Ok(of_payload));
            }
        }
    }

    fn wrote(&mut self, n: usize) {
        self.out_at += n;
        if self.out_at == self.out.len() {
            self.out.clear();
            self.out_at = 0;
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.begin_control();
            if self.out.is_empty() {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
                self.unflushed = false;
                return Poll::Ready(Ok(()));
            }
            self.unflushed = true;
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.out_at..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.wrote(n),
            }
        }
    }

    /// Says why, then closes.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Within a frame there is no place for a close.
        if !self.said_close && self.frame_left == 0 {
            self.said_close = true;
            self.begin_control();
            let code = match self.ended {
                Some(Ended::Broken(code)) => Some(code),
                Some(Ended::Closed(code)) => code,
                Some(Ended::Lost) | None => Some(close::NORMAL),
            };
            let body = code.map(u16::to_be_bytes);
            let body = body.as_ref().map_or(&[][..], |b| b);
            head(opcode::CLOSE, body.len(), &mut self.out);
            self.out.extend_from_slice(body);
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
