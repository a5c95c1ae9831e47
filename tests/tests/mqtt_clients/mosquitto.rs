//! `mosquitto_pub`, and `mosquitto_rr`, which listens on one topic while it says something on
//! another.

use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Command;

use super::city::{City, Way};
use super::tunnel;

struct Shell<'a> {
    city: &'a City,
    way: Way,
    five: bool,
    port: u16,
    id: &'a str,
}

impl Shell<'_> {
    /// Runs a program and gives all it printed: `-d` makes it tell each packet.
    async fn run(&self, program: &str, extra: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        let host = if self.way == Way::Tls { "localhost" } else { "127.0.0.1" };
        command.args(["-d", "-h", host, "-p", &self.port.to_string(), "-i", self.id]);
        command.args(["-V", if self.five { "mqttv5" } else { "mqttv311" }]);
        if self.way == Way::Tls {
            command.arg("--cafile").arg(self.city.ca());
        }
        let out = command.args(extra).stdin(Stdio::null()).kill_on_drop(true).output().await;
        let out = out.with_context(|| format!("{program}: run tests/install-deps.sh"))?;
        let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        Ok(text.concat())
    }

    async fn publish(&self, topic: &str, payload: &str, qos: &str) -> Result<Value> {
        let told = self.run("mosquitto_pub", &["-t", topic, "-m", payload, "-q", qos]).await?;
        ack(&told, if qos == "2" { "received PUBCOMP" } else { "received PUBACK" })
    }
}

/// The code of an ack as the debug output tells it.
fn ack(told: &str, which: &str) -> Result<Value> {
    let line = told.lines().find(|l| l.contains(which)).with_context(|| told.to_owned())?;
    let code = line.split("RC:").nth(1).map(|c| c.trim_end_matches(')').trim().parse::<i64>());
    let code = code.transpose()?.unwrap_or(0);
    // It prints no reason strings, only that the server refused.
    Ok(json!({ "code": code, "words": line }))
}

pub async fn play(city: &City, way: Way, id: &str, five: bool, good: &str) -> Result<Value> {
    // Its TLS is its own; it has no WebSocket.
    let tunnel = tunnel::to(city, if way == Way::WebSocket { way } else { Way::Tcp }).await?;
    let port = if way == Way::Tls { city.port(way)? } else { tunnel.port };
    let shell = Shell { city, way, five, port, id };
    let own = format!("ioc/v1/devices/{id}/errors");
    let topic = format!("ioc/v1/hai_chau/air/{id}/obs");
    let good_ack = shell.publish(&topic, good, "1").await?;
    let twice = shell.publish(&topic, good, "2").await?;
    let ask = ["-e", &own, "-t", &topic, "-m", "not json", "-q", "1", "-W", "20"];
    let told = shell.run("mosquitto_rr", &ask).await?;
    let bad = ack(&told, "received PUBACK")?;
    let said = told.lines().find(|l| l.starts_with('{')).with_context(|| told.clone())?;
    let said: Value = serde_json::from_str(said)?;
    let forbidden = shell.publish("ioc/v1/alerts/air/x/1", "forged", "1").await?;
    let file = city.folder().join(format!("{id}.large"));
    std::fs::write(&file, "x".repeat(70_000))?;
    let file = file.to_str().context("a path of text")?;
    let large = shell.run("mosquitto_pub", &["-t", &topic, "-q", "1", "-f", file]).await?;
    let large = match ack(&large, "received PUBACK") {
        Ok(ack) => ack["code"].clone(),
        // It knows the announced limit in MQTT 5, and sees the end of the connection in 3.1.1.
        Err(_) if five && large.to_lowercase().contains("large") => json!("too large"),
        Err(_) => json!(format!("closed: {}", large.lines().last().unwrap_or_default())),
    };
    Ok(json!({
        "connack": 0, "good": good_ack, "twice": twice, "bad": bad, "forbidden": forbidden,
        "errors": { "topic": own, "said": said }, "goodbye": 0, "too_large": large,
    }))
}
