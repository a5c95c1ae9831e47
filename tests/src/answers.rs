//! All that a signed-in reader can be told: every answer to a GET, and every frame of a socket.

use anyhow::{Context, Result};
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http};

use crate::process::now_ms;
use crate::{Api, Ioc};

/// Every answer to every GET that the centre serves, with its path.
pub async fn all_answers(api: &Api) -> Result<Vec<(String, String)>> {
    let document = api.get("/api/v1/openapi.json").await?;
    let paths = document["paths"].as_object().context("paths")?;
    let mut wanted: Vec<String> = paths
        .iter()
        .filter(|(p, m)| m["get"].is_object() && !p.contains('{'))
        .map(|(p, _)| p.clone())
        .collect();
    for more in
        ["/sensorthings/v1.1", "/sensorthings/v1.1/Things", "/sensorthings/v1.1/Observations"]
    {
        wanted.push(more.into());
    }
    let catalogue = api.get("/open/catalog.jsonld").await?.to_string();
    let links = catalogue.split('"').filter_map(|t| t.split_once("/open/datasets/"));
    let published: Vec<String> = links.map(|(_, p)| format!("/open/datasets/{p}")).collect();
    anyhow::ensure!(published.iter().any(|p| p.ends_with("data.csv")), "nothing is published");
    wanted.push("/open/catalog.jsonld".into());
    wanted.extend(published);
    let span = format!("from={}&to={}", now_ms() - 3_600_000, now_ms() + 60_000);
    let devices = api.get("/api/v1/devices").await?;
    for device in devices["devices"].as_array().context("devices")? {
        let id = device["id"].as_str().context("id")?;
        wanted.push(format!("/api/v1/devices/{id}"));
        for property in device["properties"].as_array().context("properties")? {
            let property = property.as_str().context("property")?;
            wanted.push(format!("/api/v1/history?device={id}&property={property}&{span}"));
        }
    }
    for alert in api.alerts().await? {
        wanted.push(format!("/api/v1/alerts/{}", alert["id"].as_str().context("id")?));
    }
    wanted.push("/api/v1/quarantine?limit=1000".into());
    wanted.push("/api/v1/personal?limit=1000".into());
    wanted.push(format!("/api/v1/export?format=csv&{span}"));
    let mut answers = Vec::new();
    for path in
        wanted.into_iter().filter(|p| !p.starts_with("/signin") && p != "/ws" && p != "/mqtt")
    {
        let (_, body) = api.text(&path).await.with_context(|| path.clone())?;
        answers.push((path, body));
    }
    anyhow::ensure!(answers.iter().any(|(_, b)| b.contains("ioc_messages_total")), "no metrics");
    Ok(answers)
}

/// All frames of a socket from now on, until the server goes.
pub async fn listen(ioc: &Ioc, api: &Api) -> Result<mpsc::UnboundedReceiver<Vec<u8>>> {
    let mut request = format!("ws://{}/ws", ioc.http).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("cookie", http::HeaderValue::from_str(&api.cookie)?);
    headers.insert("origin", http::HeaderValue::from_str(&format!("http://{}", ioc.http))?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let sub = json!({"t":"sub","topics":["state","tiles","alerts"],"hz":10,"resume":null});
    socket.send(Message::text(sub.to_string())).await?;
    let (frames, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            let _ = frames.send(message.into_data().to_vec());
        }
    });
    Ok(heard)
}
