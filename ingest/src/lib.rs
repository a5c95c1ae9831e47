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
//! [`RecordSink`]; refusals → [`Quarantine`], from where they may come again
//! ([`QuarantineDoor`]); what became of each message → [`Inbox`], for the device's owner. `submit` waits for room, its `durable` future for
//! the disk; only then may a door acknowledge.
//!
//! How it fails: a bad payload is a counter and a quarantine row, never a panic. A sink or
//! quarantine that cannot write makes `submit` or `durable` fail; the message is then not
//! acknowledged, its duplicate keys are forgotten, and its redelivery is taken as new.

mod access;
mod decode;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod inbox;
mod intake;
mod publications;
mod quarantine;
mod registry;
mod subscriber;

pub use access::{Client, Standing};
pub use decode::{
    ChirpstackConfig, DahuaConfig, Decoded, Decoders, DecodersConfig, Explained, FiwareConfig,
    FrigateConfig, HikvisionConfig, HomieConfig, Incoming, Mapping, MappingPayload, MappingTime,
    MappingValue, OnvifConfig, QualityMapping, Refusal, Reply, RetainedValues, SensorThingsConfig,
    SparkplugConfig, TimeFormat, TtnConfig, Verdict, Zigbee2MqttConfig,
};
pub use error::{IngestError, SinkError};
pub use gateway::{
    Anonymous, ClientCertificates, Gateway, GatewayAddresses, GatewayConfig, GatewayDoor,
    GatewayMetrics, GatewayStats, GatewayTlsConfig, MessageSink, Rate, Rates, Seat,
    ServerCertificates, TlsError, TlsHandle, TlsStatus,
};
pub use inbox::{Inbox, InboxConfig, record_json};
pub use intake::{Intake, IntakeConfig, Outcome, RecordSink, SourceHandle, Submitted};
pub use publications::{PublicationMetrics, Publications, PublicationsConfig};
pub use quarantine::{Quarantine, QuarantineConfig, QuarantineDoor, Refused};
pub use registry::{Listed, Met, NoteAct, Registry, RegistryConfig, Restored, UnknownDevices};
pub use subscriber::{
    MqttVersion, Subscriber, SubscriberConfig, SubscriberMetrics, SubscriberStats,
};
