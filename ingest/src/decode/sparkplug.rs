//! Sparkplug B 3.0: `spBv1.0/{group}/{NBIRTH|NDEATH|DBIRTH|DDEATH|NDATA|DDATA}/{edge}[/{device}]`,
//! protobuf.
//!
//! A BIRTH names the metrics of an edge node or device (aliases, units, types); it is remembered
//! until the NDEATH, and by this process only. DATA that needs a BIRTH which is not known is
//! refused (`no_birth`), with a reply that asks the edge node for it (`Node Control/Rebirth`, at
//! most one per node in `rebirth_every_s`): so also after a restart.
//!
//! An edge node and its devices are devices by their own ids (`{edge}`, `{device}`); the registry
//! may know them by the alias `group/edge` or `group/edge/device`. A metric is a value if the
//! registry or the catalogue has its whole name; or if the catalogue has the last level of its
//! name (`Outdoor/temperature`), no other metric of the device ends so, and the unit it states
//! (`engUnit`) fits. Other metrics are passed over.
//!
//! Numbers of messages (0 to 255) count through an edge node. MQTT keeps the order of one
//! connection, so a gap means loss, and what is lost may be a BIRTH with other aliases: values
//! are `uncertain` from the gap until the next NBIRTH, which is asked for. There is no window for
//! reordering.
//!
//! An NDEATH counts if its `bdSeq` is that of the NBIRTH: the edge node and each of its devices
//! are offline from its arrival. A DDEATH takes one device offline at the time it states.
//! Not read: STATE, commands, data sets, templates, files, properties other than `engUnit` and
//! `Quality`; compressed payloads are refused. Transient metrics are passed over.

mod session;
mod topic;
mod values;
mod wire;

use std::sync::Arc;

use ioc_model::{Body, ConfigError, Device, Name, Quality, QuarantineReason, Status, Timestamp};
use serde::Deserialize;

use super::catalogue::{Catalogue, Cx, Hints, Origin, short};
use super::format::Format;
use super::frigate::check_service;
use super::ids::sanitise;
use super::json::Json;
use super::reading::Moment;
use super::secret::Out;
use super::{Incoming, Refusal, Reply, time};
use session::{Node, Nodes, Order, Session, lock};
use topic::{Kind, NAMESPACE, Parts};
use values::values;
use wire::{Metric, Payload};

/// Settings of the Sparkplug decoder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SparkplugConfig {
    /// Service of edge nodes and devices that the registry does not know.
    pub service: String,
    /// Edge nodes that are remembered; further ones are refused.
    pub max_edge_nodes: usize,
    /// Metrics that are remembered of all edge nodes together (about 300 bytes each); a BIRTH
    /// beyond it is refused.
    pub max_metrics: usize,
    /// Seconds after which an edge node is asked again for its BIRTH.
    pub rebirth_every_s: u32,
}

impl Default for SparkplugConfig {
    fn default() -> Self {
        Self {
            // Sparkplug comes from SCADA: pumping stations and treatment plants.
            service: "wastewater".into(),
            max_edge_nodes: 4_096,
            max_metrics: 200_000,
            rebirth_every_s: 10,
        }
    }
}

#[derive(Debug)]
pub(super) struct Sparkplug {
    service: String,
    rebirth_every_ms: i64,
    nodes: Nodes,
}

/// A message on its way.
struct Call<'a, 'o, 'r> {
    cx: &'a Cx<'a>,
    parts: &'a Parts<'a>,
    payload: &'a Payload,
    received: Timestamp,
    out: &'o mut Out<'r>,
}

/// Who a member is.
struct Who<'a> {
    device: Option<&'a Arc<Device>>,
    origin: Origin,
}

fn refusal(reason: QuarantineReason, detail: impl Into<String>) -> Refusal {
    Refusal::new(reason, detail)
}

fn ms(stamp: u64) -> Result<Timestamp, Refusal> {
    time::epoch_ms(i64::try_from(stamp).unwrap_or(i64::MAX))
}

impl Call<'_, '_, '_> {
    /// The payload's time, else the time of arrival.
    fn stamp(&self) -> Result<Timestamp, Refusal> {
        self.payload.timestamp.map_or(Ok(self.received), ms)
    }

    fn seq(&self) -> Result<Option<u8>, Refusal> {
        let wrong = || refusal(QuarantineReason::BadField, "`seq` must be 0 to 255");
        self.payload.seq.map(|s| u8::try_from(s).map_err(|_| wrong())).transpose()
    }

    /// The payload's `bdSeq` metric.
    fn bd_seq(&self) -> Option<u64> {
        let named = |m: &&Metric| m.name.as_deref() == Some("bdSeq");
        match self.payload.metrics.iter().find(named)?.json(Some(8))? {
            Json::Integer(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    fn say_online(&mut self, online: bool, origin: &Origin, time: Timestamp) {
        let moment = Moment { time, received: self.received, seq: None };
        let status = Body::Status(Status { online, battery: None });
        self.out.say(moment.record(origin, status));
    }
}

impl Sparkplug {
    pub(super) fn new(
        file: &str,
        config: &SparkplugConfig,
        catalogue: &Catalogue,
        errors: &mut Vec<ConfigError>,
    ) -> Self {
        let mut wrong = |message: String| errors.push(ConfigError::new(file, 0, 0, message));
        check_service("sparkplug", &config.service, catalogue, &mut wrong);
        if config.max_edge_nodes == 0 || config.max_metrics == 0 {
            wrong("sparkplug: max_edge_nodes and max_metrics must be at least 1".into());
        }
        Self {
            service: config.service.clone(),
            rebirth_every_ms: i64::from(config.rebirth_every_s) * 1_000,
            nodes: Nodes::new(config),
        }
    }

    /// What is known of one edge node, for someone who only looks.
    fn copy(&self, key: &str) -> Self {
        Self { service: self.service.clone(), nodes: self.nodes.copy(key), ..*self }
    }

    /// By the whole path, else by its own id.
    fn who<'c>(&self, cx: &Cx<'c>, path: &str, id: &str) -> Result<Who<'c>, Refusal> {
        let device = cx.devices.called(path).or_else(|| cx.devices.called(id));
        let name = match device {
            Some(device) => Name::clone(&device.id),
            None => sanitise(id).ok_or_else(|| {
                let detail = "the name in the topic cannot be a device id";
                refusal(QuarantineReason::BadId, detail)
            })?,
        };
        let hints = Hints { default_service: Some(&self.service), ..Hints::default() };
        Ok(Who { device, origin: cx.resolve(name, &hints)? })
    }

    /// The message that asks for a BIRTH, if the node was not asked lately.
    fn ask(&self, call: &Call<'_, '_, '_>, node: &mut Node) -> Option<Box<Reply>> {
        let now = call.received;
        let every = self.rebirth_every_ms;
        if node.asked.is_some_and(|at| (0..every).contains(&now.since_ms(at))) {
            return None;
        }
        node.asked = Some(now);
        let topic = format!("{NAMESPACE}{}/NCMD/{}", call.parts.group, call.parts.edge);
        Some(Box::new(Reply { topic, payload: wire::rebirth(now.0) }))
    }

    fn no_birth(&self, call: &Call<'_, '_, '_>, node: &mut Node, detail: String) -> Refusal {
        let reply = self.ask(call, node);
        Refusal { reply, ..refusal(QuarantineReason::NoBirth, detail) }
    }

    /// Notes the number of a message; a gap is told, and the BIRTH asked for.
    fn order(&self, call: &mut Call<'_, '_, '_>, node: &mut Node) -> Result<(), Refusal> {
        let seq = call.seq()?;
        let Some(session) = &mut node.session else { return Ok(()) };
        // A message that waited in the quarantine says nothing about the line.
        if call.received < session.born {
            return Ok(());
        }
        let Order::Gap(missing) = session.order(seq) else { return Ok(()) };
        let detail = format!(
            "{missing} messages of the edge node are missing before seq {}; its values are \
             uncertain until its next NBIRTH",
            seq.unwrap_or_default()
        );
        let remark = self.no_birth(call, node, detail);
        call.out.remark(remark);
        Ok(())
    }

    fn node_birth(&self, call: &mut Call<'_, '_, '_>, node: &mut Node) -> Result<(), Refusal> {
        if node.session.as_ref().is_some_and(|s| call.received < s.born) {
            return Ok(());
        }
        // Whatever was known is no longer true, also if this BIRTH cannot be taken.
        node.session = None;
        node.dead = None;
        let who = self.who(call.cx, &call.parts.path, call.parts.edge)?;
        let seq = call.seq()?;
        let metrics = self.nodes.metrics(&call.payload.metrics)?;
        let speaks = self.nodes.speak(&who.origin.device, &call.parts.path)?;
        let mut session = Session::new(call.received, metrics, speaks);
        session.bd_seq = call.bd_seq();
        session.order(seq);
        let session = node.session.insert(session);
        let stamp = call.stamp()?;
        call.say_online(true, &who.origin, stamp);
        values(call, &who, &session.own.metrics, Quality::Good)
    }

    fn device_birth(
        &self,
        call: &mut Call<'_, '_, '_>,
        node: &mut Node,
        device: &str,
    ) -> Result<(), Refusal> {
        let Some(session) = &mut node.session else {
            let detail = "a DBIRTH before the NBIRTH of its edge node".into();
            return Err(self.no_birth(call, node, detail));
        };
        if call.received < session.born {
            return Ok(());
        }
        session.forget(device);
        self.order(call, node)?;
        let who = self.who(call.cx, &call.parts.path, device)?;
        let metrics = self.nodes.metrics(&call.payload.metrics)?;
        let speaks = self.nodes.speak(&who.origin.device, &call.parts.path)?;
        let Some(session) = &mut node.session else { return Ok(()) };
        let member = session.device(device, metrics, speaks)?;
        let stamp = call.stamp()?;
        call.say_online(true, &who.origin, stamp);
        values(call, &who, &member.metrics, Quality::Good)
    }

    fn data(&self, call: &mut Call<'_, '_, '_>, node: &mut Node) -> Result<(), Refusal> {
        if node.session.is_none() {
            let detail = "DATA before the NBIRTH of its edge node".into();
            return Err(self.no_birth(call, node, detail));
        }
        self.order(call, node)?;
        let Some(session) = &node.session else { return Ok(()) };
        let member = match call.parts.device {
            None => Some(&session.own),
            Some(device) => session.devices.get(device),
        };
        let Some(member) = member else {
            let detail = "DATA before the DBIRTH of its device".into();
            return Err(self.no_birth(call, node, detail));
        };
        let metrics = &call.payload.metrics;
        if let Some(unknown) = metrics.iter().find(|m| member.metrics.find(m).is_none()) {
            let detail = not_in_birth(unknown);
            return Err(self.no_birth(call, node, detail));
        }
        let nameless = |m: &Metric| m.name.as_deref().is_none_or(str::is_empty);
        if call.received < session.born && metrics.iter().any(nameless) {
            let detail = "came before the BIRTH that is known now; its aliases may be others";
            return Err(refusal(QuarantineReason::NoBirth, detail));
        }
        let who = self.who(call.cx, &call.parts.path, call.parts.member())?;
        let quality = if session.doubtful { Quality::Uncertain } else { Quality::Good };
        values(call, &who, &member.metrics, quality)
    }

    fn node_death(&self, call: &mut Call<'_, '_, '_>, node: &mut Node) -> Result<(), Refusal> {
        let bd_seq = call.bd_seq().ok_or_else(|| {
            refusal(QuarantineReason::BadField, "an NDEATH must have the metric `bdSeq`")
        })?;
        let late = |s: &Session| call.received < s.born || s.bd_seq.is_some_and(|b| b != bd_seq);
        // The will of an earlier connection, or the same end told twice.
        if node.session.as_ref().is_some_and(late) || node.dead == Some(bd_seq) {
            call.out.ignore("bdSeq");
            return Ok(());
        }
        let session = node.session.take();
        node.dead = Some(bd_seq);
        let who = self.who(call.cx, call.parts.node(), call.parts.edge)?;
        // Its payload was written when it connected: it ends when it is heard.
        call.say_online(false, &who.origin, call.received);
        let mut devices: Vec<_> = session.iter().flat_map(|s| s.devices.keys()).collect();
        devices.sort_unstable();
        for device in devices {
            let path = format!("{}/{device}", call.parts.node());
            let who = self.who(call.cx, &path, device)?;
            call.say_online(false, &who.origin, call.received);
        }
        Ok(())
    }

    fn device_death(
        &self,
        call: &mut Call<'_, '_, '_>,
        node: &mut Node,
        device: &str,
    ) -> Result<(), Refusal> {
        if node.session.as_ref().is_some_and(|s| call.received < s.born) {
            return Ok(());
        }
        self.order(call, node)?;
        if let Some(session) = &mut node.session {
            session.forget(device);
        }
        let who = self.who(call.cx, &call.parts.path, device)?;
        let stamp = call.stamp()?;
        call.say_online(false, &who.origin, stamp);
        Ok(())
    }
}

fn not_in_birth(metric: &Metric) -> String {
    match (metric.name.as_deref().filter(|n| !n.is_empty()), metric.alias) {
        (Some(name), _) => format!("metric `{}` is not in the BIRTH", short(name)),
        (None, Some(alias)) => format!("alias {alias} is not in the BIRTH"),
        (None, None) => "a metric has neither name nor alias".into(),
    }
}

impl Format for Sparkplug {
    fn takes(&self, topic: &str) -> bool {
        topic.starts_with(NAMESPACE)
    }

    fn decode(
        &self,
        cx: &Cx<'_>,
        message: &Incoming<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Refusal> {
        // Nothing of Sparkplug but STATE is retained: a broker repeats what is long over.
        if message.retain || message.payload.is_empty() {
            return Ok(());
        }
        let Some(parts) = Parts::of(message.topic)? else { return Ok(()) };
        let refuse = |r: Refusal| r.of(parts.member());
        let payload = wire::read(message.payload).map_err(refuse);
        let node = self.nodes.node(parts.node()).map_err(refuse)?;
        let mut node = lock(&node);
        let payload = match payload {
            Ok(payload) => payload,
            Err(refusal) => {
                // Aliases of a BIRTH that cannot be read are not those of the one before.
                if parts.kind == Kind::Birth && parts.device.is_none() {
                    node.session = None;
                }
                return Err(refusal);
            }
        };
        let mut call =
            Call { cx, parts: &parts, payload: &payload, received: message.received, out };
        match (parts.kind, parts.device) {
            (Kind::Birth, None) => self.node_birth(&mut call, &mut node),
            (Kind::Birth, Some(device)) => self.device_birth(&mut call, &mut node, device),
            (Kind::Data, _) => self.data(&mut call, &mut node),
            (Kind::Death, None) => self.node_death(&mut call, &mut node),
            (Kind::Death, Some(device)) => self.device_death(&mut call, &mut node, device),
        }
        .map_err(refuse)
    }

    fn look(&self, cx: &Cx<'_>, message: &Incoming<'_>, out: &mut Out<'_>) -> Result<(), Refusal> {
        match Parts::of(message.topic) {
            Ok(Some(parts)) => self.copy(parts.node()).decode(cx, message, out),
            // Of no edge node: nothing that could change.
            Ok(None) | Err(_) => self.decode(cx, message, out),
        }
    }
}

#[cfg(test)]
mod tests;
