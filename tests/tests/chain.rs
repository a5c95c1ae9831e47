//! One reading's whole way: MQTT 5 publish → alert on MQTT, in REST and on the socket → history →
//! acknowledged by an operator; and what becomes of garbage.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use ioc_tests::http::total;
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http};

fn client(ioc: &Ioc, id: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", Ioc::port(&ioc.mqtt));
    options.set_keep_alive(Duration::from_secs(30));
    AsyncClient::new(options, 100)
}

/// The next packet for which `pick` gives something.
async fn next<T>(events: &mut EventLoop, mut pick: impl FnMut(Packet) -> Option<T>) -> Result<T> {
    let wait = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await?
                && let Some(found) = pick(packet)
            {
                return anyhow::Ok(found);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.context("no such packet in 10 s")?
}

async fn publish(
    client: &AsyncClient,
    events: &mut EventLoop,
    topic: &str,
    payload: &str,
) -> Result<PubAckReason> {
    client.publish(topic, QoS::AtLeastOnce, false, payload.to_owned()).await?;
    next(events, |p| match p {
        Packet::PubAck(ack) => Some(ack.reason),
        _ => None,
    })
    .await
}

fn depth(metres: f64) -> String {
    json!({ "time": now_ms(), "values": { "flood_depth": metres } }).to_string()
}

const TOPIC: &str = "ioc/v1/hai_chau/rain_flood/chain-tower/obs";

#[tokio::test]
async fn a_reading_becomes_an_alert_that_an_operator_acknowledges() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let (watcher, mut watched) = client(&ioc, "chain-watcher");
    watcher.subscribe("ioc/v1/alerts/#", QoS::AtLeastOnce).await?;
    next(&mut watched, |p| matches!(p, Packet::SubAck(_)).then_some(())).await?;
    let (device, mut events) = client(&ioc, "chain-tower");
    let ack = publish(&device, &mut events, TOPIC, &depth(0.62)).await?;
    assert!(matches!(ack, PubAckReason::Success | PubAckReason::NoMatchingSubscribers));

    let (topic, row) = next(&mut watched, |p| match p {
        Packet::Publish(p) => {
            let row: Value = serde_json::from_slice(&p.payload).ok()?;
            (row["device"] == "chain-tower")
                .then(|| (String::from_utf8_lossy(&p.topic).into_owned(), row))
        }
        _ => None,
    })
    .await?;
    let id = row["id"].as_str().context("id")?.to_owned();
    assert_eq!(topic, format!("ioc/v1/alerts/rain_flood/hai_chau/{id}"));
    assert_eq!(row["condition"], "active");
    assert_eq!(row["value"], 0.62);

    // A late subscriber gets it as the retained message.
    let (late, mut heard) = client(&ioc, "chain-late");
    late.subscribe("ioc/v1/alerts/rain_flood/#", QoS::AtLeastOnce).await?;
    next(&mut heard, |p| matches!(p, Packet::Publish(p) if p.retain).then_some(())).await?;

    let (status, body) = api
        .post(&format!("/api/v1/alerts/{id}/acknowledge"), &json!({"note": "đã báo phường"}))
        .await?;
    assert_eq!(status, 200, "{body}");
    let (status, body) = api.post(&format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await?;
    assert_eq!((status, &body["code"]), (409, &json!("already_done")), "{body}");

    publish(&device, &mut events, TOPIC, &depth(0.0)).await?;
    wait_until("the alert to return", Duration::from_secs(5), async || {
        let row = api.get(&format!("/api/v1/alerts/{id}")).await?;
        Ok((row["alert"]["condition"] == "returned").then_some(()))
    })
    .await?;
    let detail = api.get(&format!("/api/v1/alerts/{id}")).await?;
    assert_eq!(detail["alert"]["note"], "đã báo phường");
    let actions: Vec<&str> = detail["audit"]
        .as_array()
        .context("audit")?
        .iter()
        .filter_map(|a| a["action"].as_str())
        .collect();
    assert_eq!(actions.first(), Some(&"raise"));
    assert_eq!(actions.last(), Some(&"clear"));
    assert!(actions.contains(&"acknowledge"));

    let points =
        api.history("chain-tower", "flood_depth", now_ms() - 60_000, now_ms() + 1_000).await?;
    assert_eq!(points.iter().map(|p| p.1).collect::<Vec<_>>(), [0.62, 0.0]);
    let ledger = api.ledger_at_rest(Duration::from_secs(20)).await?;
    assert_eq!(total(&ledger, "accepted"), 2);
    let took = ioc.stop()?;
    assert!(took < Duration::from_secs(10), "an orderly end takes {took:?}");
    Ok(())
}

#[tokio::test]
async fn garbage_is_refused_with_its_reason_and_loses_nothing_else() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let (device, mut events) = client(&ioc, "chain-garbage");
    let cases = [
        (TOPIC, "{", "malformed"),
        (TOPIC, r#"{"values":{"flood_depth":1}}"#, "bad_time"),
        (TOPIC, r#"{"time":"2026-11-22T10:00:00","values":{"flood_depth":1}}"#, "bad_time"),
        (TOPIC, &depth(1e9), "out_of_range"),
        (TOPIC, &depth(0.1).replace("flood_depth", "flod_depth"), "unknown_property"),
        ("ioc/v1/atlantis/rain_flood/x/obs", &depth(0.1), "unknown_area"),
        ("ioc/v1/hai_chau/pizza/x/obs", &depth(0.1), "unknown_service"),
        ("some/where/else", &depth(0.1), "unknown_topic"),
    ];
    for (topic, payload, reason) in &cases {
        let ack = publish(&device, &mut events, topic, payload).await?;
        assert!(
            matches!(
                ack,
                PubAckReason::PayloadFormatInvalid
                    | PubAckReason::TopicNameInvalid
                    | PubAckReason::NotAuthorized
            ),
            "{reason}: {ack:?}"
        );
    }
    let ack = publish(&device, &mut events, TOPIC, &depth(0.01)).await?;
    assert!(matches!(ack, PubAckReason::Success | PubAckReason::NoMatchingSubscribers));
    let ledger = api.ledger_at_rest(Duration::from_secs(20)).await?;
    assert_eq!(total(&ledger, "quarantined"), cases.len() as u64, "{ledger}");
    assert_eq!(total(&ledger, "accepted"), 1);
    let kept = api.get("/api/v1/quarantine?limit=50").await?;
    let mut reasons: Vec<&str> = kept["messages"]
        .as_array()
        .context("messages")?
        .iter()
        .filter_map(|m| m["reason"].as_str())
        .collect();
    reasons.reverse();
    assert_eq!(reasons, cases.map(|c| c.2));
    Ok(())
}

#[tokio::test]
async fn the_socket_tells_of_an_alert_and_of_device_state() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let mut request = format!("ws://{}/ws", ioc.http).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("cookie", http::HeaderValue::from_str(&api.cookie)?);
    headers.insert("origin", http::HeaderValue::from_str(&format!("http://{}", ioc.http))?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let sub = json!({"t":"sub","topics":["state","tiles","alerts"],"hz":10,"resume":null});
    socket.send(Message::text(sub.to_string())).await?;
    let (device, mut events) = client(&ioc, "chain-socket");
    publish(&device, &mut events, TOPIC, &depth(0.7)).await?;
    let (mut snapshot, mut alert, mut heartbeat) = (false, false, false);
    let wait = async {
        while !(snapshot && alert && heartbeat) {
            match socket.next().await.context("closed")?? {
                Message::Binary(b) => match b.get(1) {
                    Some(0) => snapshot = true,
                    Some(2) => heartbeat = true,
                    _ => {}
                },
                Message::Text(t) => {
                    let v: Value = serde_json::from_str(&t)?;
                    let rows = v["rows"].as_array().cloned().unwrap_or_default();
                    alert |=
                        v["t"] == "alerts" && rows.iter().any(|r| r["device"] == "chain-tower");
                }
                Message::Close(c) => bail!("closed: {c:?}"),
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .with_context(|| format!("snapshot {snapshot}, alert {alert}, heartbeat {heartbeat}"))??;
    Ok(())
}

#[tokio::test]
async fn an_orderly_stop_and_start_goes_on_where_it_was() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = Api::sign_in(&ioc).await?;
    let (device, mut events) = client(&ioc, "chain-restart");
    publish(&device, &mut events, TOPIC, &depth(0.62)).await?;
    wait_until("the alert", Duration::from_secs(5), async || {
        Ok((!api.alerts().await?.is_empty()).then_some(()))
    })
    .await?;
    ioc.stop()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let api = api.at(&ioc);
    assert!(ioc.signin.is_none(), "only the first start prints a link; the session goes on");
    // The episode is still running: another wet reading raises nothing, a dry one ends it.
    let (device, mut events) = client(&ioc, "chain-restart");
    publish(&device, &mut events, TOPIC, &depth(0.63)).await?;
    publish(&device, &mut events, TOPIC, &depth(0.0)).await?;
    wait_until("the alert to return", Duration::from_secs(5), async || {
        Ok((api.alerts().await?[0]["condition"] == "returned").then_some(()))
    })
    .await?;
    assert_eq!(api.alerts().await?.len(), 1);
    let points =
        api.history("chain-tower", "flood_depth", now_ms() - 60_000, now_ms() + 1_000).await?;
    assert_eq!(points.iter().map(|p| p.1).collect::<Vec<_>>(), [0.62, 0.63, 0.0]);
    Ok(())
}
