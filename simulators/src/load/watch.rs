use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use crate::latency::Latency;
use crate::link::{Feed, Message, Step, Tag};

/// Which centre is watched and what makes it alert.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Base address, such as `http://127.0.0.1:8080`.
    pub url: reqwest::Url,
    /// Who signs in.
    pub user: String,
    /// Password.
    pub password: String,
    /// Topic prefix of the watched device without its id: `ioc/v1/hai_chau/rain_flood`.
    pub topic: String,
    /// Property that crosses its limit.
    pub property: String,
    /// Value without an alert.
    pub low: f64,
    /// Value that alerts.
    pub high: f64,
    /// Between two crossings.
    pub every: Duration,
}

/// Crossings that wait for their alert frame: phenomenon time to due time.
pub type Pending = Arc<Mutex<HashMap<i64, Instant>>>;

/// The watched device: high, low, high, …
pub struct WatchFeed {
    options: WatchOptions,
    device: String,
    start: Instant,
    start_ms: i64,
    duration: Duration,
    n: u32,
    pending: Pending,
}

impl WatchFeed {
    /// A device with an id of its own, so that alerts of earlier runs are not taken for its own.
    pub fn new(options: &WatchOptions, start: Instant, start_ms: i64, duration: Duration) -> Self {
        let device = format!("load-watch-{}", start_ms / 1000);
        let pending = Pending::default();
        Self { options: options.clone(), device, start, start_ms, duration, n: 0, pending }
    }

    /// What [`watch`] needs: the device and what it waits for.
    pub fn pending(&self) -> (String, Pending) {
        (self.device.clone(), Arc::clone(&self.pending))
    }
}

impl Feed for WatchFeed {
    fn next(&mut self, now: Instant, message: &mut Message) -> Step {
        let offset = self.options.every * self.n;
        if offset >= self.duration {
            return Step::Done;
        }
        message.due = self.start + offset;
        if message.due > now {
            return Step::Wait(message.due);
        }
        let time_ms = self.start_ms + offset.as_millis() as i64;
        let value = if self.n % 2 == 1 { self.options.high } else { self.options.low };
        if self.n > 0 {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.insert(time_ms, message.due);
        }
        message.topic = format!("{}/{}/obs", self.options.topic, self.device);
        message.payload = format!(
            "{{\"time\":{time_ms},\"seq\":{},\"values\":{{\"{}\":{value}}}}}",
            self.n, self.options.property
        )
        .into_bytes();
        message.tag = Tag { device: 0, seq: u64::from(self.n), time_ms };
        self.n += 1;
        Step::Publish
    }

    fn done(&mut self, _: Tag, _: bool, _: Duration) {}
}

/// What the watcher saw.
#[derive(Debug, Default)]
pub struct Watched {
    /// Publish due → alert frame.
    pub latency: Latency,
    /// Crossings without a frame.
    pub missing: usize,
    /// Alert rows of all devices.
    pub rows: u64,
}

#[derive(Deserialize)]
struct AlertsFrame {
    t: String,
    #[serde(default)]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    device: Option<String>,
    changed_at: i64,
}

/// A connection to `/ws` that has subscribed to alerts.
pub struct Watcher {
    socket: tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
}

impl Watcher {
    /// Signs in and subscribes (docs/protocol.md).
    ///
    /// # Errors
    /// Wrong password, no server, or another protocol.
    pub async fn connect(options: &WatchOptions) -> anyhow::Result<Self> {
        let url = &options.url;
        let origin = url.origin().ascii_serialization();
        let answer = reqwest::Client::new()
            .post(url.join("/api/v1/session")?)
            .header("Origin", &origin)
            .header("X-IOC-Request", "1")
            .json(&serde_json::json!({"user": options.user, "password": options.password}))
            .send()
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        if !answer.status().is_success() {
            bail!("{url} refused the sign-in of `{}`: {}", options.user, answer.status());
        }
        let cookie = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|c| c.to_str().ok()?.split(';').next())
            .find(|c| c.starts_with("ioc_session="))
            .context("the sign-in gave no cookie ioc_session")?
            .to_string();
        let address = origin.replacen("http", "ws", 1) + "/ws";
        let mut request = address.as_str().into_client_request()?;
        request.headers_mut().insert("Cookie", cookie.parse()?);
        request.headers_mut().insert("Origin", origin.parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .with_context(|| format!("cannot open {address}"))?;
        let subscribe = r#"{"t":"sub","topics":["alerts"],"hz":10,"resume":null}"#;
        socket.send(Frame::Text(subscribe.into())).await?;
        Ok(Self { socket })
    }

    /// Reads frames until stopped, and one second longer for the last ones.
    ///
    /// # Errors
    /// When the server ends the connection.
    pub async fn run(
        mut self,
        (device, pending): (String, Pending),
        stop: CancellationToken,
    ) -> anyhow::Result<Watched> {
        let mut seen = Watched::default();
        let end = async {
            stop.cancelled().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        let mut end = std::pin::pin!(end);
        loop {
            let frame = tokio::select! {
                frame = self.socket.next() => frame.context("the server closed /ws")??,
                () = &mut end => break,
            };
            let now = Instant::now();
            let Frame::Text(text) = frame else { continue };
            let Ok(frame) = serde_json::from_str::<AlertsFrame>(&text) else { continue };
            if frame.t != "alerts" {
                continue;
            }
            seen.rows += frame.rows.len() as u64;
            let mut waiting = pending.lock().unwrap_or_else(PoisonError::into_inner);
            for row in frame.rows.iter().filter(|r| r.device.as_deref() == Some(&*device)) {
                if let Some(due) = waiting.remove(&row.changed_at) {
                    seen.latency.add(now.saturating_duration_since(due));
                }
            }
        }
        seen.missing = pending.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok(seen)
    }
}
