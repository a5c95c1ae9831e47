//! Paho for Python and MQTT.js, as programs of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::city::{City, Way};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mqtt")
}

/// Paho's interpreter and the folder of MQTT.js.
async fn installed() -> Result<(PathBuf, PathBuf)> {
    let out = Command::new("bash").arg(folder().join("deps.sh")).output().await?;
    ensure!(out.status.success(), "tests/mqtt/deps.sh: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout)?;
    let mut lines = text.lines().map(PathBuf::from);
    Ok((lines.next().context("no python")?, lines.next().context("no MQTT.js")?))
}

pub async fn paho(city: &City, way: Way, id: &str, level: u8, good: &str) -> Result<Value> {
    let mut command = Command::new(installed().await?.0);
    command.arg(folder().join("client.py"));
    run(command, city, (way, id, level, good)).await
}

pub async fn js(city: &City, way: Way, id: &str, level: u8, good: &str) -> Result<Value> {
    let mut command = Command::new("node");
    command.arg(folder().join("client.mjs")).env("MQTT_JS", installed().await?.1);
    run(command, city, (way, id, level, good)).await
}

async fn run(
    mut command: Command,
    city: &City,
    (way, id, level, good): (Way, &str, u8, &str),
) -> Result<Value> {
    let (level, port) = (level.to_string(), city.port(way)?.to_string());
    command.args(["--level", &level, "--way", way.name(), "--port", &port]);
    command.args(["--id", id, "--good", good]);
    if way == Way::Tls {
        command.arg("--ca").arg(city.ca());
    }
    let out = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_str(&said).with_context(|| said.clone().into_owned())
}
