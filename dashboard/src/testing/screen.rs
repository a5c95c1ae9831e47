//! What a page holds of the live state. It reads as `docs/protocol.md` says, may stop reading, and
//! comes back to where it was.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Frame, WAIT};

/// What the kernel holds for a screen that does not read. Small, so that the server soon has
/// nowhere to put what it sends.
const RECEIVE_BUFFER: u32 = 16 * 1_024;
/// After so long without a beat a page connects anew.
const SILENCE: Duration = Duration::from_secs(5);
/// Two ages of one reading in two frames are rounded down from different moments.
const ROUNDING_MS: i64 = 10;

/// A device as it is shown; the time is unknown when it is too long ago for a frame.
#[derive(Clone, Copy, Debug)]
struct Cell {
    value: u32,
    time: Option<i64>,
    status: u8,
    quality: u8,
}

impl Cell {
    fn shows(&self, other: &Self) -> bool {
        let near = |a: i64, b: i64| (a - b).abs() <= ROUNDING_MS;
        let time = match (self.time, other.time) {
            (Some(a), Some(b)) => near(a, b),
            (a, b) => a == b,
        };
        time && (self.value, self.status, self.quality)
            == (other.value, other.status, other.quality)
    }
}

/// What one message was.
#[derive(Debug)]
pub(crate) enum Told {
    Frame,
    /// Changes of alerts as they happen: what is noted in each row.
    Alerts(Vec<String>),
    Other,
    /// The code of the close frame, 0 when the connection was cut.
    Closed(u16),
}

/// One screen: its subscription, and what it shows.
pub(crate) struct Screen {
    socket: WebSocketStream<TcpStream>,
    sub: Value,
    devices: HashMap<u32, Cell>,
    /// Version of each alert, and whether it is open.
    alerts: HashMap<String, (u64, bool)>,
    epoch: u32,
    seq: u32,
    change: u64,
    /// What the subscription still owes: a frame, and the last part of the list.
    owed: (bool, bool),
}

async fn connect(address: SocketAddr, session: &str) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("sets");
    let stream = socket.connect(address).await.expect("connects");
    let mut request = format!("ws://{address}/ws").into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert("cookie", format!("ioc_session={session}").parse().expect("a header"));
    headers.insert("origin", format!("http://{address}").parse().expect("a header"));
    let config = WebSocketConfig::default().read_buffer_size(8 * 1_024);
    client_async_with_config(request, stream, Some(config)).await.expect("upgrades").0
}

impl Screen {
    /// Opens one with a subscription, and waits until it is complete.
    pub async fn open(address: SocketAddr, session: &str, sub: Value) -> Self {
        let mut screen = Self {
            socket: connect(address, session).await,
            sub,
            devices: HashMap::new(),
            alerts: HashMap::new(),
            epoch: 0,
            seq: 0,
            change: 0,
            owed: (false, false),
        };
        screen.subscribe().await;
        screen.complete().await;
        screen
    }

    /// A new connection that goes on where the old one ended.
    pub async fn come_back(&mut self, address: SocketAddr, session: &str) {
        self.socket = connect(address, session).await;
        self.subscribe().await;
        self.complete().await;
    }

    /// Waits until everything that has changed until now is here.
    pub async fn settle(&mut self) {
        self.subscribe().await;
        self.complete().await;
    }

    async fn subscribe(&mut self) {
        let wants = |topic: &str| {
            self.sub["topics"].as_array().is_some_and(|topics| topics.iter().any(|t| t == topic))
        };
        self.owed = (wants("state"), wants("alerts"));
        let mut sub = self.sub.clone();
        if self.epoch > 0 {
            let Self { epoch, seq, change, .. } = self;
            sub["resume"] = json!({ "epoch": epoch, "seq": seq, "change": change });
        }
        self.socket.send(Message::text(sub.to_string())).await.expect("sends");
    }

    async fn complete(&mut self) {
        while self.owed != (false, false) {
            match timeout(WAIT, self.next()).await.expect("the subscription is answered") {
                Told::Closed(code) => unreachable!("closed with {code} in {}", self.sub),
                Told::Frame | Told::Alerts(_) | Told::Other => {}
            }
        }
    }

    /// Reads what a dead connection still holds; how it ended: the code of the server, 0 when it
    /// was cut or fell silent. A system gives up a closed connection with unread bytes after some
    /// probes and tells the other end nothing; the page leaves it after as long (`lib/link.ts`).
    pub async fn drain(&mut self) -> u16 {
        loop {
            match timeout(SILENCE, self.next()).await {
                Ok(Told::Closed(code)) => return code,
                Ok(Told::Frame | Told::Alerts(_) | Told::Other) => {}
                Err(_) => return 0,
            }
        }
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> Told {
        match self.socket.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                self.frame(&Frame::decode(&bytes));
                Told::Frame
            }
            Some(Ok(Message::Text(text))) => {
                self.message(serde_json::from_str(&text).expect("JSON"))
            }
            Some(Ok(Message::Close(frame))) => Told::Closed(frame.map_or(0, |f| f.code.into())),
            Some(Ok(_)) => Told::Other,
            Some(Err(_)) | None => Told::Closed(0),
        }
    }

    fn frame(&mut self, frame: &Frame) {
        if frame.kind > 1 {
            return;
        }
        if frame.kind == 0 {
            self.devices.clear();
        }
        (self.epoch, self.seq, self.owed.0) = (frame.epoch, frame.seq, false);
        let base = frame.base_ms as i64;
        for &(idx, value, dt, status, quality) in &frame.rows {
            let time = (dt < u16::MAX).then(|| base - i64::from(dt) * 10);
            self.devices.insert(idx, Cell { value: value.to_bits(), time, status, quality });
        }
    }

    fn message(&mut self, mut message: Value) -> Told {
        if message["t"] == "hello" {
            self.epoch = message["epoch"].as_u64().expect("an epoch") as u32;
        }
        assert_ne!(message["t"], "alerts_reset", "the gap is short");
        if message["t"] != "alerts" {
            return Told::Other;
        }
        let rows = match message["rows"].take() {
            Value::Array(rows) => rows,
            other => unreachable!("rows: {other}"),
        };
        let change = message["change"].as_u64().expect("a number");
        let news = !self.owed.1;
        // Only the last part of a list has a new number.
        self.owed.1 &= change == self.change && !rows.is_empty();
        self.change = self.change.max(change);
        for row in &rows {
            let (id, ver) = (row["id"].as_str().expect("id"), row["ver"].as_u64().expect("ver"));
            let open = row["work"] != "closed" && row["work"] != "rejected";
            let held = self.alerts.entry(id.to_owned()).or_default();
            if held.0 < ver {
                *held = (ver, open);
            }
        }
        let notes = rows.iter().filter_map(|row| row["note"].as_str().map(str::to_owned));
        if news { Told::Alerts(notes.collect()) } else { Told::Other }
    }

    /// Devices and open alerts that two screens do not show alike.
    pub fn differences(&self, other: &Self) -> usize {
        let devices = |a: &Self, b: &Self| {
            let alike = |(idx, cell): &(&u32, &Cell)| {
                b.devices.get(idx).is_some_and(|other| other.shows(cell))
            };
            a.devices.iter().filter(|row| !alike(row)).count()
        };
        let alerts = |a: &Self, b: &Self| {
            let open = a.alerts.iter().filter(|(_, held)| held.1);
            open.filter(|(id, held)| b.alerts.get(*id) != Some(held)).count()
        };
        devices(self, other).max(devices(other, self))
            + alerts(self, other).max(alerts(other, self))
    }

    /// Devices and open alerts shown.
    pub fn shown(&self) -> (usize, usize) {
        (self.devices.len(), self.alerts.values().filter(|held| held.1).count())
    }

    /// What it subscribes to.
    pub fn sub(&self) -> &Value {
        &self.sub
    }
}
