//! One device's connection: plain or TLS, one publish at a time.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::target::Target;
use crate::wire::{self, Inbound};

/// Long enough for any idle phase: what is measured is the connection, not pings.
const KEEP_ALIVE_S: u16 = 600;
/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Publishes of a flooding device that wait for their PUBACK.
const FLOOD_WINDOW: usize = 500;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where and how devices connect.
pub(super) struct Way {
    pub(super) target: Target,
    /// `None`: without TLS.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Who a device is.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) id: String,
    /// MQTT password; `None`: the device does not prove who it is.
    pub(super) token: Option<String>,
    /// Topic of its observations.
    pub(super) topic: String,
}

pub(super) struct Connection {
    device: Arc<Device>,
    stream: Box<dyn Stream>,
    input: BytesMut,
    next_pid: u16,
    seq: u64,
}

impl Connection {
    /// Connects and waits for the CONNACK.
    pub(super) async fn open(way: &Way, device: &Arc<Device>) -> std::io::Result<Self> {
        let open = async {
            let tcp = TcpStream::connect((way.target.host.as_str(), way.target.port)).await?;
            tcp.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match &way.tls {
                None => Box::new(tcp),
                Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
            };
            let mut connection = Self {
                device: Arc::clone(device),
                stream,
                input: BytesMut::new(),
                next_pid: 1,
                seq: 0,
            };
            connection.greet().await?;
            Ok(connection)
        };
        tokio::time::timeout(PATIENCE, open).await.map_err(|_| ErrorKind::TimedOut)?
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        let mut hello = BytesMut::new();
        let login = self.device.token.as_deref().map(|t| (self.device.id.as_str(), t));
        let connect = wire::Connect {
            level: wire::V311,
            client_id: &self.device.id,
            login,
            keep_alive_s: KEEP_ALIVE_S,
        };
        wire::connect(&mut hello, &connect);
        self.stream.write_all(&hello).await?;
        self.stream.flush().await?;
        match self.inbound().await? {
            Inbound::ConnAck { code: 0, .. } => Ok(()),
            Inbound::ConnAck { code, .. } => {
                Err(Error::other(format!("{}: refused with code {code}", self.device.id)))
            }
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    async fn inbound(&mut self) -> std::io::Result<Inbound> {
        loop {
            let read = wire::read(&mut self.input, wire::V311);
            if let Some(packet) = read.map_err(|e| Error::new(ErrorKind::InvalidData, e))? {
                return Ok(packet);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
        }
    }

    fn encode(&mut self, out: &mut BytesMut, now_ms: i64) {
        self.seq += 1;
        let value = 10 + self.seq % 10;
        let payload =
            format!(r#"{{"time":{now_ms},"seq":{},"values":{{"pm25":{value}}}}}"#, self.seq);
        wire::publish(out, wire::V311, &self.device.topic, 1, self.next_pid, payload.as_bytes());
        self.next_pid = self.next_pid % 60_000 + 1;
    }

    /// Publishes once at QoS 1; the time until its PUBACK.
    pub(super) async fn say(&mut self) -> std::io::Result<Duration> {
        let mut out = BytesMut::new();
        self.encode(&mut out, jiff::Timestamp::now().as_millisecond());
        let start = Instant::now();
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        let answer = async {
            loop {
                if !matches!(self.inbound().await?, Inbound::PingResp) {
                    return Ok(start.elapsed());
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| ErrorKind::TimedOut)?
    }

    /// Publishes as fast as the server lets it until `end`; how many were acknowledged.
    pub(super) async fn flood(&mut self, end: Instant) -> std::io::Result<u64> {
        let (mut acked, mut open) = (0u64, 0usize);
        let mut now_ms = jiff::Timestamp::now().as_millisecond();
        while Instant::now() < end {
            let mut out = BytesMut::new();
            while open < FLOOD_WINDOW {
                now_ms += 1;
                self.encode(&mut out, now_ms);
                open += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            let turn = async {
                self.stream.write_all(&out).await?;
                self.stream.flush().await?;
                self.inbound().await
            };
            match tokio::time::timeout(left, turn).await {
                Ok(answer) => drop(answer?),
                Err(_) => break,
            }
            acked += 1;
            open -= 1;
        }
        Ok(acked)
    }
}
