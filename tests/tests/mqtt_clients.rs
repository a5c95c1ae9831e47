//! The MQTT clients that devices have, each in both versions of the protocol and over TCP, TLS and
//! WebSocket: they publish good, wrong, forbidden and too large messages to a real `ioc` and must
//! be answered as each of them can be told.
//!
//! Mosquitto's clients (Debian 2.0.11) and rumqttc as it is built here have no WebSocket, rumqttc
//! no TLS either: there a tunnel of this test carries their bytes. A missing client fails:
//! `tests/install-deps.sh`.

mod mqtt_clients {
    pub mod city;
    pub mod mosquitto;
    pub mod rumqtt;
    pub mod scripts;
    pub mod tunnel;
}

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{SinkExt, StreamExt};
use ioc_tests::http::total;
use ioc_tests::{Api, now_ms, wait_until};
use mqtt_clients::city::{City, Way};
use mqtt_clients::{mosquitto, rumqtt, scripts};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const LIMIT: Duration = Duration::from_secs(60);

/// A measurement the IOC takes.
fn good() -> String {
    json!({ "time": now_ms(), "values": { "pm25": 12.5 } }).to_string()
}

/// What every client must have been answered. MQTT 3.1.1 has no reasons: it gets plain acks, and
/// reads on its own topic what was wrong.
fn judge(who: &str, id: &str, five: bool, got: &Value) -> Result<()> {
    let code = |name: &str| got[name]["code"].as_i64();
    let expect = |name: &str, five_code: i64| -> Result<()> {
        let want = if five { five_code } else { 0 };
        ensure!(code(name) == Some(want), "{who}: {name}: {got}");
        Ok(())
    };
    ensure!(got["connack"] == 0, "{who}: connack: {got}");
    expect("good", 0)?;
    expect("twice", 0)?;
    expect("bad", 0x99)?;
    expect("forbidden", 0x87)?;
    if five {
        let words = got["bad"]["words"].as_str().unwrap_or_default();
        ensure!(!words.is_empty(), "{who}: no words: {got}");
    }
    if got.get("suback").is_some() {
        let refused = if five { 0x87 } else { 0x80 };
        ensure!(got["suback"] == json!([1, refused]), "{who}: suback: {got}");
    }
    let errors = &got["errors"];
    ensure!(errors["topic"] == format!("ioc/v1/devices/{id}/errors"), "{who}: errors: {got}");
    ensure!(errors["said"]["reason"] == "malformed", "{who}: errors: {got}");
    ensure!(got["goodbye"] == 0, "{who}: goodbye: {got}");
    Ok(())
}

/// How each client sees that a message is too large: some are told by the server, some know the
/// announced limit and refuse it themselves.
fn too_large(who: &str, five: bool, got: &Value) -> Result<()> {
    let end = &got["too_large"];
    let text = end.to_string().to_lowercase();
    let refused_itself = ["exceeding", "large", "size"].iter().any(|w| text.contains(w));
    let ok = if five { *end == 0x95 || refused_itself } else { *end != 0 && !end.is_null() };
    ensure!(ok, "{who}: too large: {got}");
    Ok(())
}

/// Plays a client over every way and checks that the IOC counted what it said.
async fn over_every_way(
    name: &str,
    five: bool,
    play: impl AsyncFn(&City, Way, &str, &str) -> Result<Value>,
) -> Result<()> {
    let city = City::start()?;
    let api = Api::sign_in(&city.ioc).await?;
    let version = if five { "5" } else { "3.1.1" };
    for (n, way) in Way::ALL.into_iter().enumerate() {
        let who = format!("{name}, MQTT {version}, {way:?}");
        let id = format!("{name}-{n}");
        let got = tokio::time::timeout(LIMIT, play(&city, way, &id, &good())).await;
        let got = got.with_context(|| format!("{who}: not in time"))?;
        let got = got.with_context(|| who.clone())?;
        judge(&who, &id, five, &got)?;
        too_large(&who, five, &got)?;
        println!("ok   {who}");
    }
    // Good once and its repeat; two refused, each over three ways.
    let counted = wait_until("the counts", LIMIT, async || {
        let ledger = api.get("/api/v1/ledger").await?;
        let count = |name: &str| total(&ledger, name);
        Ok((count("accepted") + count("duplicate") >= 6 && count("quarantined") >= 6).then_some(()))
    });
    counted.await
}

#[tokio::test]
async fn paho_for_python_in_mqtt_3_1_1() -> Result<()> {
    over_every_way("paho4", false, async |c, w, id, good| scripts::paho(c, w, id, 4, good).await)
        .await
}

#[tokio::test]
async fn paho_for_python_in_mqtt_5() -> Result<()> {
    over_every_way("paho5", true, async |c, w, id, good| scripts::paho(c, w, id, 5, good).await)
        .await
}

#[tokio::test]
async fn mqtt_js_in_mqtt_3_1_1() -> Result<()> {
    over_every_way("js4", false, async |c, w, id, good| scripts::js(c, w, id, 4, good).await).await
}

#[tokio::test]
async fn mqtt_js_in_mqtt_5() -> Result<()> {
    over_every_way("js5", true, async |c, w, id, good| scripts::js(c, w, id, 5, good).await).await
}

#[tokio::test]
async fn mosquitto_in_mqtt_3_1_1() -> Result<()> {
    over_every_way("mosquitto4", false, async |c, w, id, good| {
        mosquitto::play(c, w, id, false, good).await
    })
    .await
}

#[tokio::test]
async fn mosquitto_in_mqtt_5() -> Result<()> {
    over_every_way("mosquitto5", true, async |c, w, id, good| {
        mosquitto::play(c, w, id, true, good).await
    })
    .await
}

#[tokio::test]
async fn rumqttc_in_mqtt_3_1_1() -> Result<()> {
    over_every_way("rumqttc4", false, async |c, w, id, good| rumqtt::three(c, w, id, good).await)
        .await
}

#[tokio::test]
async fn rumqttc_in_mqtt_5() -> Result<()> {
    over_every_way("rumqttc5", true, async |c, w, id, good| rumqtt::five(c, w, id, good).await)
        .await
}

/// [MQTT-6.0.0-4]: the subprotocol is `mqtt`, and a client that offers another is told so.
#[tokio::test]
async fn a_websocket_speaks_mqtt_or_is_refused() -> Result<()> {
    let city = City::start()?;
    let url = format!("ws://{}/mqtt", city.ioc.http);
    let knock = async |offered: &str| {
        let mut request = url.as_str().into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", offered.parse()?);
        anyhow::Ok(tokio_tungstenite::connect_async(request).await)
    };
    for offered in ["mqtt", "mqttv3.1, mqtt"] {
        let (_socket, answer) = knock(offered).await??;
        ensure!(answer.headers()["sec-websocket-protocol"] == "mqtt", "{answer:?}");
    }
    ensure!(knock("mqttv3.1").await?.is_err(), "another protocol is not served");
    Ok(())
}

/// [MQTT-6.0.0-1]: packets come in binary frames only.
#[tokio::test]
async fn a_websocket_with_text_is_closed() -> Result<()> {
    let city = City::start()?;
    let mut request = format!("ws://{}/mqtt", city.ioc.http).into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    // A CONNECT that would be welcome in a binary frame.
    let hello = "\u{10}\u{e}\0\u{4}MQTT\u{4}\u{2}\0\u{3c}\0\u{2}d1";
    socket.send(Message::text(hello)).await?;
    let end = tokio::time::timeout(LIMIT, socket.next()).await?;
    let refused = match &end {
        Some(Ok(Message::Close(frame))) => frame.as_ref().is_none_or(|f| u16::from(f.code) != 1000),
        Some(Ok(_)) => false,
        Some(Err(_)) | None => true,
    };
    ensure!(refused, "{end:?}");
    Ok(())
}
