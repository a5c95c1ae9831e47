//! The doors of the city: what devices say becomes records in the journal.
//!
//! What it does: decodes MQTT publishes of several formats into [`ioc_model::Record`]s in
//! canonical units, refuses what is wrong into a bounded quarantine with the reason, finds
//! redelivered messages, and hands the rest to a [`RecordSink`] (the journal). Number plates and
//! links to pictures are sealed right after decoding ([`Decoders::sealing`]) or forgotten; no
//! record, refusal, log line or duplicate key holds one in clear.
//! What it does not do: no rules, no history, no knowledge of how the journal stores.
//!
//! Data flow: gateway or subscriber → [`Intake::submit`] → [`Decoders`] → duplicate window →
//! [`RecordSink`]; refusals → [`Quarantine`]. `submit` waits for room, its `durable` future for
//! the disk; only then may a door acknowledge.
//!
//! How it fails: a bad payload is a counter and a quarantine row, never a panic. A sink or
//! quarantine that cannot write makes `submit` or `durable` fail; the message is then not
//! acknowledged, its duplicate keys are forgotten, and its redelivery is taken as new.

mod access;
mod decode;
mod error;
mod gateway;
mod intake;
mod publications;
mod quarantine;
mod registry;
mod subscriber;

pub use access::{Client, Standing};
pub use decode::{
    DahuaConfig, Decoded, Decoders, DecodersConfig, Explained, FiwareConfig, FrigateConfig,
    HikvisionConfig, Incoming, Mapping, MappingTime, MappingValue, OnvifConfig, QualityMapping,
    Refusal, Reply, SparkplugConfig, TimeFormat, Verdict,
};
pub use error::{IngestError, SinkError};
pub use gateway::{Gateway, GatewayConfig, GatewayMetrics, GatewayStats, MessageSink};
pub use intake::{Intake, IntakeConfig, Outcome, RecordSink, SourceHandle, Submitted};
pub use publications::{PublicationMetrics, Publications, PublicationsConfig};
pub use quarantine::{Quarantine, QuarantineConfig, Refused};
pub use registry::{Registry, RegistryConfig, UnknownDevices};
pub use subscriber::{
    MqttVersion, Subscriber, SubscriberConfig, SubscriberMetrics, SubscriberStats,
};
