//! The subscriber: messages of an existing broker (Mosquitto, EMQX, …) through `rumqttc`.
//!
//! What it does: a persistent session under a stable client id, subscriptions that are checked
//! and renewed, chunks of what is ready to the intake, and acks in the order of the publishes
//! after the journal's commit. What it does not do: publish, QoS 2 (asked at QoS 1, the intake
//! finds duplicates), TLS.
//!
//! Data flow: `poller` (only polls) → bounded channel → `worker` (submits, waits for commits,
//! acks) → `rumqttc`'s request queue → `poller`. Both are futures of one task, so no ack can slip
//! between the end of a connection and the change of the epoch that guards packet ids.
//!
//! How it fails: a lost broker is reconnected to with a backoff of 0.25 to 30 s; what was not
//! acknowledged is delivered again by the broker. A failed commit drops the connection for the
//! same reason. A refused subscription is an error in the log, in the metrics and in the status,
//! and is tried again.

mod backoff;
mod config;
mod link;
mod metrics;
mod poller;
mod run;
#[cfg(test)]
mod tests;
mod worker;

pub use config::{MqttVersion, SubscriberConfig};
pub use metrics::{SubscriberMetrics, SubscriberStats};
pub use run::Subscriber;
