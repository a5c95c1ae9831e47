//! A device's life at the centre: it appears through a bridge, waits for approval, gets its data
//! taken afterwards, proves who it is, is told what is wrong, and is shut out when its token is
//! revoked.

use std::time::Duration;

use anyhow::{Context, Result};
use ioc_tests::http::total;
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

fn options(settings: &str) -> IocOptions {
    IocOptions { settings: Some(settings.to_owned()), ..IocOptions::default() }
}

fn client(ioc: &Ioc, id: &str, token: Option<&str>) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", Ioc::port(&ioc.mqtt));
    options.set_keep_alive(Duration::from_secs(30));
    if let Some(token) = token {
        options.set_credentials(id, token);
    }
    AsyncClient::new(options, 100)
}

/// The next packet for which `pick` gives something.
async fn next<T>(events: &mut EventLoop, mut pick: impl FnMut(&Packet) -> Option<T>) -> Result<T> {
    let wait = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await?
                && let Some(found) = pick(&packet)
            {
                return anyhow::Ok(found);
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.context("no such packet in time")?
}

/// How the server answers a CONNECT.
async fn knock(ioc: &Ioc, id: &str, token: Option<&str>) -> Result<ConnectReturnCode> {
    let (_client, mut events) = client(ioc, id, token);
    match tokio::time::timeout(LIMIT, events.poll()).await? {
        Ok(Event::Incoming(Packet::ConnAck(ack))) => Ok(ack.code),
        Err(ConnectionError::ConnectionRefused(code)) => Ok(code),
        other => anyhow::bail!("no CONNACK: {other:?}"),
    }
}

async fn publish(
    client: &AsyncClient,
    events: &mut EventLoop,
    topic: &str,
    payload: String,
) -> Result<(PubAckReason, String)> {
    client.publish(topic, QoS::AtLeastOnce, false, payload).await?;
    next(events, |p| match p {
        Packet::PubAck(ack) => {
            let words = ack.properties.as_ref().and_then(|p| p.reason_string.clone());
            Some((ack.reason, words.unwrap_or_default()))
        }
        _ => None,
    })
    .await
}

fn pm25(value: f64) -> String {
    json!({ "time": now_ms(), "values": { "pm25": value } }).to_string()
}

fn station(id: &str) -> Value {
    json!({
        "id": id, "name": { "vi": "Trạm thử", "en": "Test station" }, "kind": "air_station",
        "service": "air", "area": "unassigned", "place": { "lat": 16.0762, "lon": 108.2182 },
        "properties": ["pm25"], "state": "approved",
    })
}

async fn put(api: &Api, device: &Value) -> Result<Value> {
    let id = device["id"].as_str().context("an id")?;
    let path = format!("/api/v1/registry/{id}");
    let (status, answer) = api.send("PUT", &path, Some(&device.to_string()), &[]).await?;
    anyhow::ensure!(status == 200, "PUT {id}: {status} {answer}");
    Ok(answer)
}

async fn token(api: &Api, id: &str) -> Result<String> {
    let path = format!("/api/v1/registry/{id}/tokens");
    let (status, told) = api.post(&path, &json!({ "label": "test" })).await?;
    anyhow::ensure!(status == 200, "{status} {told}");
    told["token"].as_str().map(String::from).context("a token")
}

#[tokio::test]
async fn a_device_publishes_only_as_itself_and_is_told_why_not() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &options("ingest:\n  gateway:\n    anonymous: never\n"))?;
    let api = Api::sign_in(&ioc).await?;
    // The ward is found from the place.
    assert_eq!(put(&api, &station("air-a")).await?["area"], "hai_chau");
    put(&api, &station("air-b")).await?;
    let secret = token(&api, "air-a").await?;

    for (id, given) in [("air-a", None), ("air-a", Some("iocd_wrong")), ("air-b", Some(&*secret))] {
        let code = knock(&ioc, id, given).await?;
        assert_ne!(code, ConnectReturnCode::Success, "{id}");
    }
    let (device, mut events) = client(&ioc, "air-a", Some(&secret));
    device.subscribe("ioc/v1/devices/air-a/errors", QoS::AtLeastOnce).await?;
    next(&mut events, |p| matches!(p, Packet::SubAck(_)).then_some(())).await?;
    let own = "ioc/v1/hai_chau/air/air-a/obs";
    assert_eq!(publish(&device, &mut events, own, pm25(12.0)).await?.0, PubAckReason::Success);
    let other = "ioc/v1/hai_chau/air/air-b/obs";
    device.publish(other, QoS::AtLeastOnce, false, pm25(99.0)).await?;
    // Answer and word on the errors topic come in any order.
    let (mut answer, mut told) = (None, None);
    next(&mut events, |p| {
        match p {
            Packet::PubAck(ack) => answer = Some(ack.clone()),
            Packet::Publish(p) => told = serde_json::from_slice::<Value>(&p.payload).ok(),
            _ => {}
        }
        (answer.is_some() && told.is_some()).then_some(())
    })
    .await?;
    let answer = answer.context("an answer")?;
    assert_eq!(answer.reason, PubAckReason::NotAuthorized);
    let words = answer.properties.and_then(|p| p.reason_string).unwrap_or_default();
    assert!(words.contains("air-a"), "it says what it may use: {words}");
    assert_eq!(told.context("told")?["reason"], "not_authorised");

    // Nothing was taken in the other's name, and everything is accounted for.
    let ledger = api.ledger_at_rest(LIMIT).await?;
    assert_eq!((total(&ledger, "accepted"), total(&ledger, "quarantined")), (1, 1));
    let received = api.get("/api/v1/devices/air-a/received").await?;
    assert_eq!((&received["accepted"], &received["refused"]), (&json!(1), &json!(1)), "{received}");
    assert_eq!(received["recent"][0]["reason"], "not_authorised");

    // Revoked: closed at once, and not let in again.
    let path = "/api/v1/registry/air-a/tokens";
    let number = api.get(path).await?["tokens"][0]["id"].clone();
    api.send("DELETE", &format!("{path}?token={number}"), Some("{}"), &[]).await?;
    let ended = tokio::time::timeout(LIMIT, async { while events.poll().await.is_ok() {} }).await;
    assert!(ended.is_ok(), "the connection is closed");
    assert_ne!(knock(&ioc, "air-a", Some(&secret)).await?, ConnectReturnCode::Success);
    let audit = api.get("/api/v1/audit?limit=5000").await?.to_string();
    assert!(audit.contains("air-a") && !audit.contains(&secret), "audited without the token");
    ioc.stop()?;
    Ok(())
}

#[tokio::test]
async fn what_a_device_said_before_its_approval_is_taken_afterwards() -> Result<()> {
    let data = tempfile::tempdir()?;
    let settings = "ingest:\n  registry:\n    unknown_devices: hold\n";
    let ioc = Ioc::start(data.path(), &options(settings))?;
    let api = Api::sign_in(&ioc).await?;
    let (server, mut events) = client(&ioc, "network-server", None);
    let uplink = |value: f64| {
        json!({
            "deduplicationId": format!("3ac7e3c4-4401-4b8d-9386-{value:012}"),
            "time": ioc_model::Timestamp(now_ms()).to_rfc3339(), "deviceInfo": { "devEui": "0101010101010101", "deviceName": "m" },
            "fCnt": value as u64, "fPort": 1, "object": { "pm25": value },
        })
        .to_string()
    };
    let topic = "application/17c82e96-0000-4000-8000-000000000000/device/0101010101010101/event/up";
    for value in [11.0, 12.0] {
        let (reason, words) = publish(&server, &mut events, topic, uplink(value)).await?;
        assert_eq!(reason, PubAckReason::NotAuthorized, "held: {words}");
    }
    let pending = wait_until("a pending device", LIMIT, || async {
        let page = api.get("/api/v1/registry?state=pending").await?;
        Ok(page["devices"].as_array().filter(|d| !d.is_empty()).cloned())
    })
    .await?;
    let id = pending[0]["id"].as_str().context("an id")?.to_owned();

    let path = format!("/api/v1/registry/{id}/state");
    assert_eq!(api.post(&path, &json!({ "state": "approved" })).await?.0, 200);
    let latest = wait_until("the held values", LIMIT, || async {
        // A device that is not listed yet is no error of this wait.
        let device = api.get(&format!("/api/v1/devices/{id}")).await.unwrap_or_default();
        Ok(device["latest"].as_array().filter(|l| !l.is_empty()).cloned())
    })
    .await?;
    assert_eq!(latest[0]["value"], json!(12.0));
    let (reason, words) = publish(&server, &mut events, topic, uplink(13.0)).await?;
    assert_eq!(reason, PubAckReason::Success, "{words}");
    let left = api.get(&format!("/api/v1/quarantine?device={id}")).await?;
    assert_eq!(left["messages"], json!([]), "what was taken has left the quarantine");
    api.ledger_at_rest(LIMIT).await?;

    // The registry survives a restart, and so does what was said.
    ioc.stop()?;
    let ioc = Ioc::start(data.path(), &options(settings))?;
    let api = api.at(&ioc);
    assert_eq!(api.get(&format!("/api/v1/registry/{id}")).await?["state"], "approved");
    ioc.stop()?;
    Ok(())
}
