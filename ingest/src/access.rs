//! Who may say what: the one place where a client's right to a topic or a device is decided.

use std::sync::Arc;

use ioc_model::{Devices, QuarantineReason};

use crate::decode::Refusal;

/// How far a client is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may speak for any device: an outside broker, a process of this machine, a test.
    Trusted,
    /// It proved to be the device whose id is its client id.
    Device,
}

/// Who hands in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// MQTT client id; for a device its id.
    pub id: Arc<str>,
    /// How far it is believed.
    pub standing: Standing,
}

impl Client {
    /// One that may speak for any device.
    pub fn trusted(id: &str) -> Self {
        Self { id: id.into(), standing: Standing::Trusted }
    }

    /// A device that proved who it is.
    pub fn device(id: &str) -> Self {
        Self { id: id.into(), standing: Standing::Device }
    }

    /// Whether it may publish to `topic` at all.
    ///
    /// # Errors
    /// [`QuarantineReason::NotAuthorised`] with the topics it may use.
    pub fn may_publish(&self, _devices: &Devices, topic: &str) -> Result<(), Refusal> {
        if is_ours(topic) {
            let detail = "this topic is published by the IOC";
            return Err(Refusal::new(QuarantineReason::NotAuthorised, detail));
        }
        Ok(())
    }

    /// Whether it may speak for a device that a payload names.
    ///
    /// # Errors
    /// [`QuarantineReason::NotAuthorised`], `UnknownDevice`, `DevicePending`.
    pub fn may_speak_for(&self, _devices: &Devices, _device: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether every topic that `filter` can match is one the IOC publishes and this client may
    /// see.
    pub fn may_subscribe(&self, _devices: &Devices, filter: &str) -> bool {
        let Some(rest) = filter.strip_prefix("ioc/v1/") else { return false };
        if let Some(below) = rest.strip_prefix("alerts/") {
            return !below.is_empty();
        }
        let own = rest.strip_prefix("devices/").and_then(|r| r.strip_prefix(&*self.id));
        matches!(own, Some("/errors" | "/commands"))
    }
}

/// Topics that only the IOC publishes.
pub(crate) fn is_ours(topic: &str) -> bool {
    match topic.strip_prefix("ioc/v1/") {
        Some(rest) => rest.starts_with("alerts/") || rest.starts_with("devices/"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use ioc_model::Devices;

    use super::*;

    #[test]
    fn grants_only_filters_of_the_iocs_own_topics() {
        for good in [
            "ioc/v1/alerts/#",
            "ioc/v1/alerts/+/hai_chau/#",
            "ioc/v1/alerts/air/+/+",
            "ioc/v1/devices/d1/errors",
            "ioc/v1/devices/d1/commands",
        ] {
            assert!(Client::device("d1").may_subscribe(&Devices::default(), good), "{good}");
        }
        for bad in [
            "#",
            "ioc/#",
            "ioc/v1/#",
            "ioc/v1/+/air",
            "+/v1/alerts/#",
            "ioc/v1/alerts/",
            "ioc/v1/devices/d2/errors",
            "ioc/v1/devices/+/errors",
            "ioc/v1/devices/d1/#",
            "ioc/v1/devices/d11/errors",
            "$SYS/#",
            "ioc/v1/hai_chau/air/d1/obs",
        ] {
            assert!(!Client::device("d1").may_subscribe(&Devices::default(), bad), "{bad}");
        }
    }
}
