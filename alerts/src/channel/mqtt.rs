//! MQTT: what a receiver is told is published on the IOC's own broker connection, one message for
//! each alert. It never connects to a broker of its own.

use std::sync::Arc;

use async_trait::async_trait;
use ioc_model::AlertRow;
use serde::{Deserialize, Serialize};

use super::words::{News, Words};
use super::{Change, Channel, Notification, SendError, Sent, Surroundings};

/// The publications of the IOC.
pub trait Publisher: Send + Sync {
    /// Hands a message to the connection that publishes, without waiting.
    ///
    /// # Errors
    /// Why it was not taken (queue full, not connected), in words; trying again may help.
    fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<(), String>;
}

/// Settings of an `mqtt` receiver.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttSpec {
    /// Broker keeps the newest message of each alert. A cleared alert empties its topic then, after
    /// the message that says so.
    #[serde(default)]
    pub retain: bool,
}

/// An `mqtt` receiver.
pub struct MqttChannel {
    receiver: String,
    spec: MqttSpec,
    publisher: Arc<dyn Publisher>,
    around: Surroundings,
}

/// What is published.
#[derive(Serialize)]
struct Payload<'a> {
    /// The delivery: the same one may come twice.
    delivery: &'a str,
    receiver: &'a str,
    at: String,
    test: bool,
    /// `raise`, `severity`, `clear` …; the newest last.
    reasons: Vec<&'a str>,
    subject: String,
    text: String,
    link: Option<String>,
    alert: Option<&'a AlertRow>,
}

impl MqttChannel {
    /// A channel for the receiver of that id.
    pub fn new(
        receiver: impl Into<String>,
        spec: MqttSpec,
        publisher: Arc<dyn Publisher>,
        around: Surroundings,
    ) -> Self {
        Self { receiver: receiver.into(), spec, publisher, around }
    }

    fn topic(&self, alert: &str) -> String {
        format!("ioc/v1/notify/{}/{}", level(&self.receiver), level(alert))
    }

    fn payload(&self, n: &Notification, row: Option<&AlertRow>) -> Result<Vec<u8>, SendError> {
        let words = Words {
            city: &self.around.city,
            base_url: &self.around.base_url,
            language: n.language,
        };
        let of_row = |c: &&Change| row.is_some_and(|row| c.alert == row.id);
        let mut reasons: Vec<&str> = n.changes.iter().filter(of_row).map(|c| &*c.reason).collect();
        if row.is_some() && reasons.is_empty() {
            reasons.push("repeat");
        }
        let said = match row {
            Some(row) => {
                words.of(News { row, reason: reasons.last().copied().unwrap_or("repeat") })
            }
            None => words.of_notification(n),
        };
        let payload = Payload {
            delivery: &n.id,
            receiver: &self.receiver,
            at: n.at.to_rfc3339(),
            test: n.test,
            reasons,
            subject: said.subject,
            text: said.lines.join("\n"),
            link: said.link,
            alert: row,
        };
        serde_json::to_vec(&payload).map_err(|e| SendError::permanent(format!("payload: {e}")))
    }

    fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), SendError> {
        self.publisher.publish(topic, payload, self.spec.retain).map_err(SendError::again)
    }
}

#[async_trait]
impl Channel for MqttChannel {
    fn kind(&self) -> &'static str {
        "mqtt"
    }

    fn target(&self) -> String {
        format!("ioc/v1/notify/{}/+", level(&self.receiver))
    }

    async fn send(&self, n: &Notification) -> Result<Sent, SendError> {
        if n.alerts.is_empty() {
            self.publish(&self.topic("test"), self.payload(n, None)?)?;
        }
        for row in &n.alerts {
            let topic = self.topic(&row.id.0);
            self.publish(&topic, self.payload(n, Some(row))?)?;
            if self.spec.retain && !row.is_open() {
                self.publish(&topic, Vec::new())?;
            }
        }
        Ok(Sent { answer: format!("{} published", n.alerts.len().max(1)) })
    }
}

/// One level of a topic: no separator, no wildcard, not empty.
fn level(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let out: String = text.chars().take(100).map(|c| if fits(c) { c } else { '_' }).collect();
    if out.is_empty() { "_".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;
    use crate::channel::testing;

    #[derive(Default)]
    struct Broker {
        got: Mutex<Vec<(String, Vec<u8>, bool)>>,
        full: bool,
    }

    impl Publisher for Broker {
        fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<(), String> {
            if self.full {
                return Err("queue full".into());
            }
            self.got.lock().expect("no panic").push((topic.into(), payload, retain));
            Ok(())
        }
    }

    async fn sent(n: &Notification, retain: bool) -> Vec<(String, Vec<u8>, bool)> {
        let broker = Arc::new(Broker::default());
        let around = testing::surroundings();
        let channel = MqttChannel::new("a/#+", MqttSpec { retain }, broker.clone(), around);
        channel.send(n).await.expect("published");
        std::mem::take(&mut *broker.got.lock().expect("no panic"))
    }

    #[tokio::test]
    async fn each_alert_is_published_on_a_topic_of_its_own() {
        let n = testing::notification(&["raise"]);
        let got = sent(&n, false).await;
        let [(topic, payload, false)] = &got[..] else { unreachable!("{got:?}") };
        assert_eq!(*topic, format!("ioc/v1/notify/a___/{}", n.alerts[0].id));
        let json: Value = serde_json::from_slice(payload).expect("JSON");
        assert_eq!(json["delivery"], n.id);
        assert_eq!(json["reasons"][0], "raise");
        assert_eq!(json["alert"]["id"], n.alerts[0].id.0);
        assert!(json["subject"].as_str().is_some_and(|s| s.starts_with("[Khẩn cấp]")), "{json}");
    }

    #[tokio::test]
    async fn a_closed_alert_leaves_nothing_retained() {
        let mut n = testing::notification(&["auto_close"]);
        n.alerts[0].work = ioc_model::Work::Closed;
        let got = sent(&n, true).await;
        assert_eq!(got.len(), 2);
        assert!(got[1].1.is_empty() && got[1].2, "an empty retained message deletes it");
    }

    #[tokio::test]
    async fn a_test_has_a_topic_too() {
        let mut n = testing::notification(&[]);
        n.alerts.clear();
        n.test = true;
        let got = sent(&n, false).await;
        assert_eq!(got[0].0, "ioc/v1/notify/a___/test");
    }

    #[tokio::test]
    async fn a_full_queue_is_tried_again() {
        let broker = Arc::new(Broker { full: true, ..Broker::default() });
        let around = testing::surroundings();
        let channel = MqttChannel::new("a", MqttSpec::default(), broker, around);
        let error = channel.send(&testing::notification(&["raise"])).await.expect_err("full");
        assert!(!error.permanent && error.answer.contains("queue full"), "{error:?}");
    }
}
