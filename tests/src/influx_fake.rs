//! A strict fake of the InfluxDB 2 API: organisations, buckets, health and writes, with the
//! answers of the real one, and every misbehaviour a network can add.

mod api;
pub mod line;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use line::{Field, Series};

/// The only token it takes.
pub const TOKEN: &str = "fake-token";

/// What it does with a write instead of, or after, handling it.
#[derive(Clone, Debug, PartialEq)]
pub enum Misbehave {
    /// Answers with this status and `Retry-After`, and stores nothing.
    Status(u16, Option<String>),
    /// Takes the request and never answers.
    Hang,
    /// Stores, then closes the connection without an answer.
    ResetAfterStore,
    /// Closes the connection without storing or answering.
    Reset,
    /// Handles it, then says this status instead of 204; from 300 on whatever came out.
    StoreAnd(u16),
    /// Answers with this status and this body, and stores nothing.
    Garbage(u16, &'static [u8]),
    /// Handles it after a pause.
    Slow(Duration),
}

/// One write as it came.
#[derive(Clone, Debug)]
pub struct WriteLog {
    /// When it was answered or given up.
    pub at: Instant,
    /// Number of lines.
    pub lines: usize,
    /// The first line: the same in every attempt at the same lines.
    pub first: String,
    /// The status answered, 0: none.
    pub status: u16,
    /// The body was compressed.
    pub gzip: bool,
}

/// What the fake holds, and how it is to behave. Change it at any time.
#[derive(Debug, Default)]
pub struct World {
    /// Organisations, by name.
    pub orgs: BTreeMap<String, String>,
    /// Buckets, by name.
    pub buckets: BTreeMap<String, Bucket>,
    /// Every write.
    pub log: Vec<WriteLog>,
    /// Done with the next writes, one each.
    pub script: VecDeque<Misbehave>,
    /// Done with every write that the script leaves.
    pub always: Option<Misbehave>,
    /// A body with a line that holds one of these texts is malformed: 400.
    pub malformed: Vec<String>,
    /// A line that holds one of these texts is refused by itself: 422.
    pub unprocessable: Vec<String>,
    /// A body with a line that holds this text is answered with 503.
    pub stuck: Option<String>,
    /// Only counts lines: as fast as a fake can be, to measure the sender.
    pub counting: bool,
    /// Writes being handled now, and the most there were at once.
    pub in_flight: (usize, usize),
    /// Series and time of each stored line in the order of arrival, if `keep_order`.
    pub order: Vec<(Series, i64)>,
    /// Whether `order` is kept.
    pub keep_order: bool,
    /// Larger bodies (uncompressed): 413. 0: no limit.
    pub body_max: usize,
    /// Another token than [`TOKEN`].
    pub token: Option<String>,
}

impl World {
    /// Makes an organisation and a bucket that keeps its points so many seconds (0: for ever).
    pub fn add_bucket(&mut self, org: &str, name: &str, retention_s: i64) {
        let org_id = format!("{:016x}", 0xa0 + self.orgs.len());
        let org_id = self.orgs.entry(org.into()).or_insert(org_id).clone();
        self.buckets.insert(name.into(), Bucket { org_id, retention_s, ..Bucket::default() });
    }
}

/// A bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Id of its organisation.
    pub org_id: String,
    /// Seconds; 0: for ever.
    pub retention_s: i64,
    /// What is stored, by series and time in ns.
    pub points: BTreeMap<(Series, i64), BTreeMap<String, Field>>,
    /// Type of each field of each measurement, set by the first write.
    types: BTreeMap<(String, String), &'static str>,
    /// Lines that were stored, also those that overwrote a point.
    pub stored_lines: u64,
}

/// The fake. Dropping it ends it.
pub struct InfluxFake {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    running: Option<JoinHandle<()>>,
}

impl InfluxFake {
    /// Starts on a free port of the loopback, without organisations or buckets.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let world = Arc::<Mutex<World>>::default();
        let running = Some(tokio::spawn(serve(listener, Arc::clone(&world))));
        Ok(Self { address, world, running })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections from now on and closes those there are.
    pub async fn stop(&mut self) {
        if let Some(task) = self.running.take() {
            task.abort();
            // The error says that it was aborted.
            let _ = task.await;
        }
    }

    /// Listens again on the same port, with all that was stored.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        self.running = Some(tokio::spawn(serve(listener, Arc::clone(&self.world))));
        Ok(())
    }

    /// What it holds and how it behaves. Do not hold this over an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Stored points of a bucket: series, time in ns, fields.
    pub fn points(&self, bucket: &str) -> Vec<(Series, i64, BTreeMap<String, Field>)> {
        let world = self.world();
        let Some(bucket) = world.buckets.get(bucket) else { return Vec::new() };
        bucket.points.iter().map(|((s, t), f)| (s.clone(), *t, f.clone())).collect()
    }
}

impl Drop for InfluxFake {
    fn drop(&mut self) {
        if let Some(task) = &self.running {
            task.abort();
        }
    }
}

pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>) {
    // Aborting this task drops the set, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let world = Arc::clone(&world);
        connections.spawn(async move {
            let service = service_fn(move |request| api::answer(Arc::clone(&world), request));
            // An error is a client that went away, or our own reset.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
