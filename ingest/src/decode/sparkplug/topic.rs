//! `spBv1.0/{group}/{kind}/{edge}[/{device}]`.

use ioc_model::QuarantineReason;

use super::super::Refusal;

pub(super) const NAMESPACE: &str = "spBv1.0/";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Birth,
    Death,
    Data,
}

/// A topic in parts.
pub(super) struct Parts<'t> {
    pub(super) group: &'t str,
    pub(super) kind: Kind,
    pub(super) edge: &'t str,
    pub(super) device: Option<&'t str>,
    /// `group/edge[/device]`.
    pub(super) path: String,
}

impl<'t> Parts<'t> {
    /// Takes a topic apart; `None` for those that say nothing here.
    pub(super) fn of(topic: &'t str) -> Result<Option<Self>, Refusal> {
        let rest = topic.strip_prefix(NAMESPACE).unwrap_or_default();
        let levels: Vec<&str> = rest.split('/').collect();
        let (group, kind, edge, device) = match levels[..] {
            ["STATE", _] | [_, "NCMD", _] | [_, "DCMD", _, _] => return Ok(None),
            [group, "NBIRTH", edge] => (group, Kind::Birth, edge, None),
            [group, "NDEATH", edge] => (group, Kind::Death, edge, None),
            [group, "NDATA", edge] => (group, Kind::Data, edge, None),
            [group, "DBIRTH", edge, device] => (group, Kind::Birth, edge, Some(device)),
            [group, "DDEATH", edge, device] => (group, Kind::Death, edge, Some(device)),
            [group, "DDATA", edge, device] => (group, Kind::Data, edge, Some(device)),
            _ => {
                let detail = "not a topic of Sparkplug B 3.0";
                return Err(Refusal::new(QuarantineReason::UnknownTopic, detail));
            }
        };
        if group.is_empty() || edge.is_empty() || device == Some("") {
            let detail = "group, edge node and device must not be empty";
            return Err(Refusal::new(QuarantineReason::BadId, detail));
        }
        let mut path = format!("{group}/{edge}");
        if let Some(device) = device {
            path.push('/');
            path.push_str(device);
        }
        Ok(Some(Self { group, kind, edge, device, path }))
    }

    /// `group/edge`.
    pub(super) fn node(&self) -> &str {
        self.path.get(..self.group.len() + 1 + self.edge.len()).unwrap_or_default()
    }

    pub(super) fn member(&self) -> &'t str {
        self.device.unwrap_or(self.edge)
    }
}
