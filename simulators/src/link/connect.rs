//! Opening a connection, again and again where that is asked for.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::net::TcpStream;

use super::{DRAIN, Feed, KEEP_ALIVE_S, Link, LinkError, bad_bytes, try_io};
use crate::wire::{self, Inbound};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl<F: Feed> Link<'_, F> {
    /// A connection whose CONNACK said yes; `None` when stopped while waiting.
    pub(super) async fn connect(&mut self) -> Result<Option<TcpStream>, LinkError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(50);
        let stop = self.stop.clone();
        loop {
            if stop.is_cancelled() && self.flights.is_empty() {
                return Ok(None);
            }
            let source = match tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await {
                Ok(Ok(stream)) => return Ok(Some(stream)),
                Ok(Err(OpenError::Refused(code))) => {
                    let target = self.options.target.to_string();
                    return Err(LinkError::Refused { target, code });
                }
                Ok(Err(OpenError::Io(e))) => e,
                Err(_) => ErrorKind::TimedOut.into(),
            };
            let limit = if stop.is_cancelled() { Some(DRAIN) } else { self.options.give_up };
            if let Some(limit) = limit
                && start.elapsed() + pause > limit
            {
                let target = self.options.target.to_string();
                return Err(LinkError::GaveUp { target, seconds: limit.as_secs(), source });
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled(), if self.flights.is_empty() => {}
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn open(&mut self) -> Result<TcpStream, OpenError> {
        let target = &self.options.target;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
        stream.set_nodelay(true)?;
        let login = target.login.as_ref().map(|(u, p)| (u.as_str(), p.as_str()));
        let mut hello = BytesMut::new();
        wire::connect(
            &mut hello,
            &wire::Connect {
                level: self.options.level,
                client_id: &self.options.client_id,
                login,
                keep_alive_s: KEEP_ALIVE_S,
            },
        );
        while !hello.is_empty() {
            stream.writable().await?;
            if let Some(n) = try_io(stream.try_write(&hello))? {
                hello.advance(n);
            }
        }
        self.input.clear();
        loop {
            stream.readable().await?;
            if try_io(stream.try_read_buf(&mut self.input))? == Some(0) {
                return Err(OpenError::Io(ErrorKind::UnexpectedEof.into()));
            }
            match wire::read(&mut self.input, self.options.level).map_err(bad_bytes)? {
                Some(Inbound::ConnAck { code: 0, receive_maximum }) => {
                    self.window = self.window.min(usize::from(receive_maximum));
                    return Ok(stream);
                }
                Some(Inbound::ConnAck { code, .. }) => return Err(OpenError::Refused(code)),
                Some(_) => return Err(OpenError::Io(ErrorKind::InvalidData.into())),
                None => {}
            }
        }
    }
}

enum OpenError {
    Io(std::io::Error),
    Refused(u8),
}

impl From<std::io::Error> for OpenError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}
