use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::IngestError;
use crate::publications::is_valid_filter;

/// Protocol version spoken to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MqttVersion {
    /// MQTT 5.
    #[default]
    V5,
    /// MQTT 3.1.1.
    V4,
}

/// Settings of one subscriber.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriberConfig {
    /// Name of this door in the ledger.
    pub name: String,
    /// Host name or address of the broker.
    pub host: String,
    /// Port of the broker.
    pub port: u16,
    /// Protocol version.
    pub version: MqttVersion,
    /// Must stay the same over restarts: the broker keeps the session, with what was not
    /// acknowledged, under it.
    pub client_id: String,
    /// User name, if the broker wants one.
    pub username: Option<String>,
    /// File with the password; its last line end is not part of it.
    pub password_file: Option<PathBuf>,
    /// Topic filters.
    pub topics: Vec<String>,
    /// 0 or 1. With 0, what is sent while the connection is down is lost.
    pub qos: u8,
    /// Group of a shared subscription (`$share/{group}/…`), if several subscribers share the
    /// load.
    pub shared_group: Option<String>,
    /// How long the broker keeps the session while we are away, s (MQTT 5).
    pub session_expiry_s: u32,
    /// Publishes at QoS 1 the broker may have under way to us (MQTT 5).
    pub receive_maximum: u16,
    /// Messages taken from the broker and not yet durable. Full: the socket is not read.
    pub max_in_flight: usize,
    /// Largest packet taken, bytes.
    pub max_packet_bytes: u32,
    /// Keep-alive, s.
    pub keep_alive_s: u16,
    /// Time for TCP connect and CONNACK, s.
    pub connect_timeout_s: u64,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            name: "broker".into(),
            host: "localhost".into(),
            port: 1883,
            version: MqttVersion::V5,
            client_id: "ioc".into(),
            username: None,
            password_file: None,
            topics: vec!["ioc/v1/#".into()],
            qos: 1,
            shared_group: None,
            session_expiry_s: 24 * 3600,
            receive_maximum: 2_048,
            max_in_flight: 8_192,
            max_packet_bytes: 256 * 1024,
            keep_alive_s: 30,
            connect_timeout_s: 10,
        }
    }
}

impl SubscriberConfig {
    /// Checks what `rumqttc` would otherwise panic on or send as nonsense.
    pub(super) fn check(&self) -> Result<(), IngestError> {
        let wrong =
            |what: String| Err(IngestError::SubscriberConfig { name: self.name.clone(), what });
        let id_ok = (1..=64).contains(&self.client_id.len())
            && self.client_id.bytes().all(|b| b.is_ascii_graphic());
        if !id_ok {
            return wrong("client_id must be 1 to 64 printable characters".into());
        }
        if self.qos > 1 {
            return wrong(format!("qos {} is not supported, use 0 or 1", self.qos));
        }
        if self.topics.is_empty() {
            return wrong("no topics".into());
        }
        if let Some(bad) = self.topics.iter().find(|t| !is_valid_filter(t)) {
            return wrong(format!("`{bad}` is not a topic filter"));
        }
        if let Some(group) = &self.shared_group
            && (group.is_empty() || group.contains(['/', '+', '#', '\0']))
        {
            return wrong(format!("`{group}` is not a group name"));
        }
        if self.host.is_empty() || self.receive_maximum == 0 || self.keep_alive_s == 0 {
            return wrong("host, receive_maximum and keep_alive_s must not be empty or 0".into());
        }
        Ok(())
    }

    /// Filters as sent.
    pub(super) fn filters(&self) -> Vec<String> {
        match &self.shared_group {
            None => self.topics.clone(),
            Some(group) => self.topics.iter().map(|t| format!("$share/{group}/{t}")).collect(),
        }
    }

    pub(super) fn password(&self) -> Result<String, IngestError> {
        let Some(path) = &self.password_file else { return Ok(String::new()) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).into()),
            Err(error) => Err(IngestError::SubscriberConfig {
                name: self.name.clone(),
                what: format!("password file {} cannot be read: {error}", path.display()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_client_library_would_panic_on() {
        let good = SubscriberConfig::default();
        assert!(good.check().is_ok());
        for bad in [
            SubscriberConfig { client_id: String::new(), ..good.clone() },
            SubscriberConfig { qos: 2, ..good.clone() },
            SubscriberConfig { topics: vec!["a/#/b".into()], ..good.clone() },
            SubscriberConfig { topics: vec![], ..good.clone() },
            SubscriberConfig { receive_maximum: 0, ..good.clone() },
            SubscriberConfig { shared_group: Some("a/b".into()), ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shared_group_goes_before_each_topic() {
        let c = SubscriberConfig { shared_group: Some("ioc".into()), ..Default::default() };
        assert_eq!(c.filters(), ["$share/ioc/ioc/v1/#"]);
    }
}
