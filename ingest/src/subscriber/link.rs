//! The two protocol versions of `rumqttc` behind one face.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{NetworkOptions, QoS, v5};

use super::config::{MqttVersion, SubscriberConfig};
use crate::IngestError;

/// A publish, with what its ack needs.
pub(super) enum Delivery {
    V5(v5::mqttbytes::v5::Publish),
    V4(rumqttc::Publish),
}

impl Delivery {
    pub(super) fn topic(&self) -> Option<&str> {
        match self {
            Self::V5(p) => std::str::from_utf8(&p.topic).ok(),
            Self::V4(p) => Some(&p.topic),
        }
    }

    pub(super) fn payload(&self) -> &[u8] {
        match self {
            Self::V5(p) => &p.payload,
            Self::V4(p) => &p.payload,
        }
    }

    pub(super) fn retain(&self) -> bool {
        match self {
            Self::V5(p) => p.retain,
            Self::V4(p) => p.retain,
        }
    }

    /// Frees the read buffer; the ack needs the packet id only.
    pub(super) fn drop_payload(&mut self) {
        match self {
            Self::V5(p) => p.payload = Bytes::new(),
            Self::V4(p) => p.payload = Bytes::new(),
        }
    }

    pub(super) fn wants_ack(&self) -> bool {
        match self {
            Self::V5(p) => p.pkid != 0,
            Self::V4(p) => p.pkid != 0,
        }
    }
}

/// What the broker said, as far as it matters here.
pub(super) enum Happening {
    Connected {
        session_present: bool,
    },
    Publish(Delivery),
    /// Per filter: the granted QoS, or why not.
    Subscribed(Vec<Result<u8, String>>),
    Other,
}

/// Requests to the event loop; never waits.
#[derive(Clone)]
pub(super) enum Requests {
    V5(v5::AsyncClient),
    V4(rumqttc::AsyncClient),
}

/// The event loop. `poll` must not be dropped half-way: it may hold a packet.
pub(super) enum Events {
    V5(Box<v5::EventLoop>),
    V4(Box<rumqttc::EventLoop>),
}

/// More than there are packet ids, so that acks always find room.
const REQUESTS: usize = 70_000;

pub(super) fn open(config: &SubscriberConfig) -> Result<(Requests, Events), IngestError> {
    let password = config.password()?;
    let (id, host, port) = (&config.client_id, &config.host, config.port);
    let keep_alive = Duration::from_secs(config.keep_alive_s.max(5).into());
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(config.connect_timeout_s);
    Ok(match config.version {
        MqttVersion::V5 => {
            let mut options = v5::MqttOptions::new(id, host, port);
            options
                .set_keep_alive(keep_alive)
                .set_clean_start(false)
                .set_manual_acks(true)
                .set_connection_timeout(config.connect_timeout_s)
                .set_network_options(network)
                .set_session_expiry_interval(Some(config.session_expiry_s))
                .set_receive_maximum(Some(config.receive_maximum))
                .set_max_packet_size(Some(config.max_packet_bytes))
                .set_outgoing_inflight_upper_limit(16);
            if let Some(user) = &config.username {
                options.set_credentials(user, password);
            }
            let (client, events) = v5::AsyncClient::new(options, REQUESTS);
            (Requests::V5(client), Events::V5(Box::new(events)))
        }
        MqttVersion::V4 => {
            let mut options = rumqttc::MqttOptions::new(id, host, port);
            let size = config.max_packet_bytes as usize;
            options
                .set_keep_alive(keep_alive)
                .set_clean_session(false)
                .set_manual_acks(true)
                .set_max_packet_size(size, size)
                .set_inflight(16);
            if let Some(user) = &config.username {
                options.set_credentials(user, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
            events.set_network_options(network);
            (Requests::V4(client), Events::V4(Box::new(events)))
        }
    })
}

impl Requests {
    /// Queues one SUBSCRIBE with all filters; `false` if it cannot be queued.
    pub(super) fn subscribe(&self, filters: &[String], qos: u8) -> bool {
        let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let filters = filters.iter().cloned();
        match self {
            Self::V5(client) => {
                use v5::mqttbytes::QoS as Q;
                let qos = if qos == QoS::AtMostOnce { Q::AtMostOnce } else { Q::AtLeastOnce };
                let filters = filters.map(|f| v5::mqttbytes::v5::Filter::new(f, qos));
                client.try_subscribe_many(filters).is_ok()
            }
            Self::V4(client) => {
                let filters = filters.map(|f| rumqttc::SubscribeFilter::new(f, qos));
                client.try_subscribe_many(filters).is_ok()
            }
        }
    }

    /// Queues the ack of one publish; `false` if it cannot be queued.
    pub(super) fn ack(&self, delivery: &Delivery) -> bool {
        match (self, delivery) {
            (Self::V5(client), Delivery::V5(publish)) => client.try_ack(publish).is_ok(),
            (Self::V4(client), Delivery::V4(publish)) => client.try_ack(publish).is_ok(),
            _ => false,
        }
    }

    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V5(client) => client.try_disconnect().is_ok(),
            Self::V4(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl Events {
    /// The next happening, or why the connection is gone.
    pub(super) async fn poll(&mut self) -> Result<Happening, String> {
        match self {
            Self::V5(events) => match events.poll().await {
                Ok(event) => Ok(read_v5(event)),
                Err(error) => Err(error.to_string()),
            },
            Self::V4(events) => match events.poll().await {
                Ok(event) => Ok(read_v4(event)),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// Gives the connection up, with all acks that wait to be sent.
    pub(super) fn reset(&mut self) {
        match self {
            Self::V5(events) => events.clean(),
            Self::V4(events) => events.clean(),
        }
    }

    /// Publishes read from the connection that has just been lost: `rumqttc` would mix them with
    /// those of the next one (3.1.1 gives them out after the new CONNACK).
    pub(super) fn take_leftovers(&mut self) -> Vec<Delivery> {
        let publish = |happening| match happening {
            Happening::Publish(delivery) => Some(delivery),
            _ => None,
        };
        match self {
            Self::V5(events) => {
                let left: VecDeque<_> = std::mem::take(&mut events.state.events);
                left.into_iter().map(read_v5).filter_map(publish).collect()
            }
            Self::V4(events) => {
                let left: VecDeque<_> = std::mem::take(&mut events.state.events);
                left.into_iter().map(read_v4).filter_map(publish).collect()
            }
        }
    }
}

fn read_v5(event: v5::Event) -> Happening {
    use v5::mqttbytes::v5::{Packet, SubscribeReasonCode as Code};
    match event {
        v5::Event::Incoming(Packet::Publish(publish)) => Happening::Publish(Delivery::V5(publish)),
        v5::Event::Incoming(Packet::ConnAck(ack)) => {
            Happening::Connected { session_present: ack.session_present }
        }
        v5::Event::Incoming(Packet::SubAck(ack)) => {
            let read = |code: &Code| match code {
                Code::Success(qos) => Ok(*qos as u8),
                refused => Err(format!("{refused:?}")),
            };
            Happening::Subscribed(ack.return_codes.iter().map(read).collect())
        }
        _ => Happening::Other,
    }
}

fn read_v4(event: rumqttc::Event) -> Happening {
    use rumqttc::{Packet, SubscribeReasonCode as Code};
    match event {
        rumqttc::Event::Incoming(Packet::Publish(publish)) => {
            Happening::Publish(Delivery::V4(publish))
        }
        rumqttc::Event::Incoming(Packet::ConnAck(ack)) => {
            Happening::Connected { session_present: ack.session_present }
        }
        rumqttc::Event::Incoming(Packet::SubAck(ack)) => {
            let read = |code: &Code| match code {
                Code::Success(qos) => Ok(*qos as u8),
                Code::Failure => Err("refused".into()),
            };
            Happening::Subscribed(ack.return_codes.iter().map(read).collect())
        }
        _ => Happening::Other,
    }
}
