//! rumqttc, in both versions.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::city::{City, Way};
use super::tunnel;

const LIMIT: Duration = Duration::from_secs(20);
/// What rumqttc itself lets through, bytes.
const ROOM: u32 = 1 << 20;

/// Waits for the first thing that `pick` takes.
macro_rules! next {
    ($events:expr, $pick:pat => $found:expr) => {{
        let wait = async {
            loop {
                if let $pick = $events.poll().await? {
                    return anyhow::Ok($found);
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.context("nothing in time")?
    }};
}

pub async fn three(city: &City, way: Way, id: &str, good: &str) -> Result<Value> {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeReasonCode};
    let tunnel = tunnel::to(city, way).await?;
    let open = |id: &str| {
        let mut options = MqttOptions::new(id, "127.0.0.1", tunnel.port);
        options.set_max_packet_size(ROOM as usize, ROOM as usize);
        AsyncClient::new(options, 10)
    };
    let (client, mut events) = open(id);
    let own = format!("ioc/v1/devices/{id}/errors");
    let topic = format!("ioc/v1/hai_chau/air/{id}/obs");
    next!(events, Event::Incoming(Packet::ConnAck(_)) => ())?;
    let mut suback = Vec::new();
    for filter in [&own, "#"] {
        client.subscribe(filter, QoS::AtLeastOnce).await?;
        let ack = next!(events, Event::Incoming(Packet::SubAck(ack)) => ack)?;
        suback.extend(ack.return_codes.iter().map(|code| match code {
            SubscribeReasonCode::Success(qos) => *qos as u8,
            SubscribeReasonCode::Failure => 0x80,
        }));
    }
    let plain = json!({ "code": 0, "words": "" });
    client.publish(&topic, QoS::AtLeastOnce, false, good).await?;
    next!(events, Event::Incoming(Packet::PubAck(_)) => ())?;
    client.publish(&topic, QoS::ExactlyOnce, false, good).await?;
    next!(events, Event::Incoming(Packet::PubComp(_)) => ())?;
    client.publish(&topic, QoS::AtLeastOnce, false, "not json").await?;
    let error = next!(events, Event::Incoming(Packet::Publish(error)) => error)?;
    next!(events, Event::Incoming(Packet::PubAck(_)) => ())?;
    client.publish("ioc/v1/alerts/air/x/1", QoS::AtLeastOnce, false, "forged").await?;
    next!(events, Event::Incoming(Packet::PubAck(_)) => ())?;
    client.disconnect().await?;
    let (client, mut events) = open(&format!("{id}-large"));
    next!(events, Event::Incoming(Packet::ConnAck(_)) => ())?;
    client.publish(&topic, QoS::AtLeastOnce, false, "x".repeat(70_000)).await?;
    let end: Result<()> = next!(events, Event::Incoming(Packet::PubAck(_)) => ());
    let Err(end) = end else { bail!("a too large message was acknowledged") };
    let said: Value = serde_json::from_slice(&error.payload)?;
    Ok(json!({
        "connack": 0, "suback": suback, "good": plain, "twice": plain, "bad": plain,
        "forbidden": plain, "errors": { "topic": error.topic, "said": said }, "goodbye": 0,
        "too_large": format!("closed: {end:#}"),
    }))
}

pub async fn five(city: &City, way: Way, id: &str, good: &str) -> Result<Value> {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{
        DisconnectReasonCode, Packet, PubAck, PubAckReason, SubscribeReasonCode,
    };
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let tunnel = tunnel::to(city, way).await?;
    let open = |id: &str| {
        let mut options = MqttOptions::new(id, "127.0.0.1", tunnel.port);
        options.set_max_packet_size(Some(ROOM));
        AsyncClient::new(options, 10)
    };
    let told = |ack: &PubAck| {
        let words = ack.properties.as_ref().and_then(|p| p.reason_string.clone());
        let code = match ack.reason {
            PubAckReason::Success => 0,
            PubAckReason::NotAuthorized => 0x87,
            PubAckReason::PayloadFormatInvalid => 0x99,
            _ => 0xFF,
        };
        json!({ "code": code, "words": words.unwrap_or_default() })
    };
    let (client, mut events) = open(id);
    let own = format!("ioc/v1/devices/{id}/errors");
    let topic = format!("ioc/v1/hai_chau/air/{id}/obs");
    next!(events, Event::Incoming(Packet::ConnAck(_)) => ())?;
    let mut suback = Vec::new();
    for filter in [&own, "#"] {
        client.subscribe(filter, QoS::AtLeastOnce).await?;
        let ack = next!(events, Event::Incoming(Packet::SubAck(ack)) => ack)?;
        suback.extend(ack.return_codes.iter().map(|code| match code {
            SubscribeReasonCode::Success(qos) => *qos as u8,
            SubscribeReasonCode::NotAuthorized => 0x87,
            _ => 0xFF,
        }));
    }
    client.publish(&topic, QoS::AtLeastOnce, false, good.to_owned()).await?;
    let good_ack = told(&next!(events, Event::Incoming(Packet::PubAck(ack)) => ack)?);
    client.publish(&topic, QoS::ExactlyOnce, false, good.to_owned()).await?;
    next!(events, Event::Incoming(Packet::PubComp(_)) => ())?;
    client.publish(&topic, QoS::AtLeastOnce, false, "not json").await?;
    let error = next!(events, Event::Incoming(Packet::Publish(error)) => error)?;
    let bad = told(&next!(events, Event::Incoming(Packet::PubAck(ack)) => ack)?);
    client.publish("ioc/v1/alerts/air/x/1", QoS::AtLeastOnce, false, "forged").await?;
    let forbidden = told(&next!(events, Event::Incoming(Packet::PubAck(ack)) => ack)?);
    client.disconnect().await?;
    let (client, mut events) = open(&format!("{id}-large"));
    next!(events, Event::Incoming(Packet::ConnAck(_)) => ())?;
    client.publish(&topic, QoS::AtLeastOnce, false, "x".repeat(70_000)).await?;
    let end: Result<DisconnectReasonCode> =
        next!(events, Event::Incoming(Packet::Disconnect(end)) => end.reason_code);
    let too_large = match end {
        Ok(DisconnectReasonCode::PacketTooLarge) => json!(0x95),
        Ok(other) => json!(format!("{other:?}")),
        Err(error) => json!(format!("{error:#}")),
    };
    let said: Value = serde_json::from_slice(&error.payload)?;
    Ok(json!({
        "connack": 0, "suback": suback, "good": good_ack,
        "twice": { "code": 0, "words": "" }, "bad": bad, "forbidden": forbidden,
        "errors": { "topic": String::from_utf8_lossy(&error.topic), "said": said }, "goodbye": 0,
        "too_large": too_large,
    }))
}
