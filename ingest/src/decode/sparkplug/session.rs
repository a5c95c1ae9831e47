//! What edge nodes said in their BIRTH certificates; in memory alone and bounded.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use ahash::RandomState;
use ioc_model::{Name, QuarantineReason, Timestamp};

use super::super::Refusal;
use super::super::catalogue::short;
use super::SparkplugConfig;
use super::wire::Metric;

type Map<K, V> = HashMap<K, V, RandomState>;

/// Longest name of a metric, bytes.
const NAME_BYTES: usize = 256;

/// All edge nodes. The lock of the map is held for a look-up, that of a node for one of its
/// messages; nothing waits in between.
#[derive(Debug)]
pub(super) struct Nodes {
    max_nodes: usize,
    max_metrics: usize,
    /// Metrics remembered of all nodes together.
    metrics: Arc<AtomicUsize>,
    nodes: Mutex<Map<Box<str>, Arc<Mutex<Node>>>>,
    /// By device id the `group/edge[/device]` that speaks under it.
    speakers: Arc<Mutex<Map<Name, Box<str>>>>,
}

/// One edge node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Since its NBIRTH, until its NDEATH.
    pub(super) session: Option<Session>,
    /// `bdSeq` of the NDEATH that ended the last session.
    pub(super) dead: Option<u64>,
    /// When it was last asked for its BIRTH.
    pub(super) asked: Option<Timestamp>,
}

/// What holds from an NBIRTH on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) bd_seq: Option<u64>,
    /// When the NBIRTH arrived.
    pub(super) born: Timestamp,
    /// Sequence number of the last message.
    pub(super) last: Option<u8>,
    /// A message was lost, which may have been a BIRTH with other aliases.
    pub(super) doubtful: bool,
    pub(super) own: Member,
    pub(super) devices: Map<Box<str>, Member>,
    /// Aliases of all members: each is unique in an edge node.
    aliases: HashSet<u64, RandomState>,
}

/// The edge node itself, or one of its devices.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) metrics: Metrics,
    /// The place under its device id; free again when the member is forgotten.
    speaks: Speaks,
}

/// Metrics of a BIRTH.
#[derive(Debug)]
pub(super) struct Metrics {
    list: Vec<Known>,
    by_name: Map<Arc<str>, u32>,
    by_alias: Map<u64, u32>,
    claim: Claim,
}

/// What a BIRTH says of a metric.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) datatype: Option<u32>,
    pub(super) unit: Option<Box<str>>,
    /// No other metric of the member has the same last level.
    pub(super) last_is_unique: bool,
}

/// A part of the room for metrics, given back when dropped.
#[derive(Debug)]
struct Claim(Arc<AtomicUsize>, usize);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Relaxed);
    }
}

/// The right to a device id, given back when dropped.
#[derive(Debug)]
pub(super) struct Speaks(Arc<Mutex<Map<Name, Box<str>>>>, Name);

impl Drop for Speaks {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).remove(&self.1);
    }
}

/// The last level of `a/b/c`.
pub(super) fn last_level(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn full(detail: String) -> Refusal {
    Refusal::new(QuarantineReason::TooLarge, detail)
}

impl Nodes {
    pub(super) fn new(config: &SparkplugConfig) -> Self {
        Self {
            max_nodes: config.max_edge_nodes,
            max_metrics: config.max_metrics,
            metrics: Arc::default(),
            nodes: Mutex::default(),
            speakers: Arc::default(),
        }
    }

    /// One node with the room that the others leave it, for someone who only looks.
    pub(super) fn copy(&self, key: &str) -> Self {
        let (node, has_room) = {
            let nodes = self.nodes.lock().unwrap_or_else(|e| e.into_inner());
            let with_session = || nodes.values().filter(|n| lock(n).session.is_some()).count();
            let has_room = nodes.len() < self.max_nodes || with_session() < self.max_nodes;
            (nodes.get(key).cloned(), has_room)
        };
        let speakers = self.speakers.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let copy = Self {
            max_nodes: if node.is_some() || has_room { self.max_nodes } else { 0 },
            max_metrics: self.max_metrics,
            metrics: Arc::new(AtomicUsize::new(self.metrics.load(Relaxed))),
            nodes: Mutex::default(),
            speakers: Arc::new(Mutex::new(speakers)),
        };
        if let Some(node) = node {
            let node = lock(&node).copy(&copy);
            let mut nodes = copy.nodes.lock().unwrap_or_else(|e| e.into_inner());
            nodes.insert(key.into(), Arc::new(Mutex::new(node)));
        }
        copy
    }

    /// The node of `group/edge`; forgets nodes without a session when there are too many.
    pub(super) fn node(&self, key: &str) -> Result<Arc<Mutex<Node>>, Refusal> {
        let mut nodes = self.nodes.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(node) = nodes.get(key) {
            return Ok(Arc::clone(node));
        }
        if nodes.len() >= self.max_nodes {
            nodes.retain(|_, node| lock(node).session.is_some());
        }
        if nodes.len() >= self.max_nodes {
            return Err(full(format!("there are more than {} edge nodes", self.max_nodes)));
        }
        let node = Arc::<Mutex<Node>>::default();
        nodes.insert(key.into(), Arc::clone(&node));
        Ok(node)
    }

    /// Room for the metrics of a BIRTH.
    fn claim(&self, count: usize) -> Result<Claim, Refusal> {
        let claim = Claim(Arc::clone(&self.metrics), count);
        if self.metrics.fetch_add(count, Relaxed) + count > self.max_metrics {
            return Err(full(format!("there are more than {} metrics", self.max_metrics)));
        }
        Ok(claim)
    }

    /// Lets `path` speak under a device id, unless another edge node does: ids of devices are
    /// unique in an edge node only, and two devices must not become one.
    pub(super) fn speak(&self, id: &Name, path: &str) -> Result<Speaks, Refusal> {
        let mut speakers = self.speakers.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(other) = speakers.get(id) {
            let detail = format!(
                "`{}` speaks as device `{id}` already; give `{}` an alias in the registry",
                short(other),
                short(path)
            );
            return Err(Refusal::new(QuarantineReason::BadId, detail));
        }
        speakers.insert(Arc::clone(id), path.into());
        Ok(Speaks(Arc::clone(&self.speakers), Arc::clone(id)))
    }

    /// Reads the metrics of a BIRTH.
    pub(super) fn metrics(&self, metrics: &[Metric]) -> Result<Metrics, Refusal> {
        let mut read = Metrics {
            list: Vec::with_capacity(metrics.len()),
            by_name: Map::default(),
            by_alias: Map::default(),
            claim: self.claim(metrics.len())?,
        };
        let wrong = |detail: String| Refusal::new(QuarantineReason::BadField, detail);
        let mut lasts: Map<&str, usize> = Map::default();
        for (index, metric) in metrics.iter().enumerate() {
            let name = metric.name.as_deref().unwrap_or_default();
            if name.is_empty() || name.len() > NAME_BYTES {
                let detail = "a metric of a BIRTH must have a name of at most 256 bytes";
                return Err(wrong(detail.into()));
            }
            let name: Arc<str> = name.into();
            if read.by_name.insert(Arc::clone(&name), index as u32).is_some() {
                return Err(wrong(format!("metric `{}` comes twice", short(&name))));
            }
            if let Some(alias) = metric.alias
                && read.by_alias.insert(alias, index as u32).is_some()
            {
                return Err(wrong(format!("alias {alias} comes twice")));
            }
            *lasts.entry(last_level(metric.name.as_deref().unwrap_or_default())).or_default() += 1;
            read.list.push(Known {
                name,
                datatype: metric.datatype,
                unit: metric.unit().map(Into::into),
                last_is_unique: false,
            });
        }
        for known in &mut read.list {
            known.last_is_unique = lasts.get(last_level(&known.name)) == Some(&1);
        }
        Ok(read)
    }
}

/// Locks a node; after a panic elsewhere what it holds is still right.
pub(super) fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(|e| e.into_inner())
}

impl Metrics {
    /// What the BIRTH said of a metric of a DATA message.
    pub(super) fn find(&self, metric: &Metric) -> Option<&Known> {
        let index = match (metric.name.as_deref().filter(|n| !n.is_empty()), metric.alias) {
            (Some(name), _) => self.by_name.get(name)?,
            (None, alias) => self.by_alias.get(&alias?)?,
        };
        self.list.get(*index as usize)
    }
}

/// How a message stands to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The next one, a repeat of the last one, or without a number.
    Right,
    /// So many messages are missing, or came too late.
    Gap(u8),
}

impl Node {
    /// The same in the room of `nodes`.
    fn copy(&self, nodes: &Nodes) -> Self {
        let session = self.session.as_ref().map(|s| Session {
            own: s.own.copy(nodes),
            devices: s.devices.iter().map(|(id, m)| (id.clone(), m.copy(nodes))).collect(),
            aliases: s.aliases.clone(),
            ..*s
        });
        Self { session, dead: self.dead, asked: self.asked }
    }
}

impl Member {
    /// The same in the room of `nodes`, which counts and names it already.
    fn copy(&self, nodes: &Nodes) -> Self {
        let Metrics { list, by_name, by_alias, claim } = &self.metrics;
        let claim = Claim(Arc::clone(&nodes.metrics), claim.1);
        let (list, by_name, by_alias) = (list.clone(), by_name.clone(), by_alias.clone());
        Self {
            metrics: Metrics { list, by_name, by_alias, claim },
            speaks: Speaks(Arc::clone(&nodes.speakers), Arc::clone(&self.speaks.1)),
        }
    }
}

impl Session {
    pub(super) fn new(born: Timestamp, own: Metrics, speaks: Speaks) -> Self {
        let aliases = own.by_alias.keys().copied().collect();
        Self {
            bd_seq: None,
            born,
            last: None,
            doubtful: false,
            own: Member { metrics: own, speaks },
            devices: Map::default(),
            aliases,
        }
    }

    /// Notes the number of a message.
    pub(super) fn order(&mut self, seq: Option<u8>) -> Order {
        let Some(seq) = seq else { return Order::Right };
        let last = self.last.replace(seq);
        let missing = last.map_or(0, |last| seq.wrapping_sub(last).wrapping_sub(1));
        if missing == 0 || last == Some(seq) {
            return Order::Right;
        }
        self.doubtful = true;
        Order::Gap(missing)
    }

    /// Takes the BIRTH of a device whose earlier one was forgotten.
    pub(super) fn device(
        &mut self,
        device: &str,
        metrics: Metrics,
        speaks: Speaks,
    ) -> Result<&Member, Refusal> {
        for alias in metrics.by_alias.keys() {
            if self.aliases.contains(alias) {
                let detail = format!("alias {alias} is another metric of the edge node already");
                return Err(Refusal::new(QuarantineReason::BadField, detail));
            }
        }
        self.aliases.extend(metrics.by_alias.keys());
        let member = Member { metrics, speaks };
        Ok(self.devices.entry(device.into()).insert_entry(member).into_mut())
    }

    /// Forgets a device.
    pub(super) fn forget(&mut self, device: &str) {
        let Some(member) = self.devices.remove(device) else { return };
        for alias in member.metrics.by_alias.keys() {
            self.aliases.remove(alias);
        }
    }
}
