//! People of two wards on one centre: each sees and changes only what is theirs, over REST, export
//! and sockets; a change of rights reaches open pages; tokens and walls; and what the audit log says.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{SinkExt, StreamExt};
use ioc_tests::process::binary;
use ioc_tests::publisher::{self, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Rights reach open sockets within this (ASVS 8.3.2).
const WITHIN: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn socket(ioc: &Ioc, api: &Api) -> Result<Socket> {
    let mut request = format!("ws://{}/ws", ioc.http).into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("cookie", http::HeaderValue::from_str(&api.cookie)?);
    headers.insert("origin", http::HeaderValue::from_str(&format!("http://{}", ioc.http))?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let sub = json!({ "t": "sub", "topics": ["state", "tiles", "alerts"], "hz": 5 });
    socket.send(Message::text(sub.to_string())).await?;
    Ok(socket)
}

/// Everything a socket says until `done` says so, as text; binary frames only by their rows.
async fn until(socket: &mut Socket, mut done: impl FnMut(&str) -> bool) -> Result<String> {
    let mut all = String::new();
    let wait = async {
        while let Some(message) = socket.next().await {
            match message? {
                Message::Text(text) => {
                    all.push_str(&text);
                    if done(&text) {
                        return anyhow::Ok(());
                    }
                }
                Message::Close(frame) => {
                    let code = frame.map_or(0, |f| u16::from(f.code));
                    let text = format!("closed {code}");
                    all.push_str(&text);
                    ensure!(done(&text), "closed with {code}");
                    return Ok(());
                }
                _ => {}
            }
        }
        anyhow::bail!("the socket ended")
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.context("nothing came in 20 s")??;
    Ok(all)
}

async fn publish(ioc: &Ioc, area: &str, device: &str, depth: f64) -> Result<()> {
    let payload = json!({ "time": now_ms(), "values": { "flood_depth": depth } }).to_string();
    let topic = format!("ioc/v1/{area}/rain_flood/{device}/obs");
    let message = publisher::Message { topic, payload };
    let limit = Duration::from_secs(20);
    Publisher::new(&ioc.mqtt, device).publish_all(&[message], 100.0, limit).await
}

/// A person made by the administrator, signed in, with a password of their own.
async fn person(ioc: &Ioc, admin: &Api, name: &str, grants: Value) -> Result<Api> {
    let body = json!({ "name": name, "grants": grants });
    let (status, made) = admin.post("/api/v1/people", &body).await?;
    ensure!(status == 201, "{status} {made}");
    let password = made["password"].as_str().context("a password")?;
    let first = Api::sign_in_as(ioc, name, password).await?;
    let (status, refused) = first.post("/api/v1/alerts/x/acknowledge", &json!({})).await?;
    ensure!((status, &refused["code"]) == (403, &json!("change_password")), "{status} {refused}");
    let own = format!("một mật khẩu riêng của {name}");
    let change = json!({ "old": password, "new": own });
    let (status, body) = first.post("/api/v1/account/password", &change).await?;
    ensure!(status == 204, "{status} {body}");
    Api::sign_in_as(ioc, name, &own).await
}

#[tokio::test]
async fn two_wards_share_a_centre_and_see_nothing_of_each_other() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let admin = Api::sign_in(&ioc).await?;
    let operator = |area: &str| json!([{ "role": "operator", "areas": [area] }]);
    let here = person(&ioc, &admin, "hai.chau", operator("hai_chau")).await?;
    let there = person(&ioc, &admin, "son.tra", operator("son_tra")).await?;
    let mut watching = socket(&ioc, &here).await?;

    publish(&ioc, "son_tra", "people-st", 0.62).await?;
    publish(&ioc, "hai_chau", "people-hc", 0.62).await?;
    let said =
        until(&mut watching, |t| t.contains("\"alerts\"") && t.contains("people-hc")).await?;
    ensure!(!said.contains("people-st") && !said.contains("son_tra"), "{said}");

    let alerts = here.alerts().await?;
    ensure!(!alerts.is_empty() && alerts.iter().all(|a| a["area"] == "hai_chau"), "{alerts:?}");
    let foreign = there.alerts().await?;
    let id = foreign[0]["id"].as_str().context("an id")?.to_owned();
    ensure!(foreign.iter().all(|a| a["area"] == "son_tra"));
    for path in [
        format!("/api/v1/alerts/{id}"),
        "/api/v1/devices/people-st".into(),
        "/api/v1/devices/people-st/received".into(),
        "/api/v1/history?device=people-st&property=flood_depth".into(),
    ] {
        ensure!(here.text(&path).await?.0 == 404, "{path}");
        ensure!(admin.text(&path).await?.0 == 200, "{path}");
    }
    let (status, _) = here.post(&format!("/api/v1/alerts/{id}/acknowledge"), &json!({})).await?;
    ensure!(status == 404);
    let row = admin.get(&format!("/api/v1/alerts/{id}")).await?;
    ensure!(row["alert"]["acknowledged"] == false, "{row}");
    for path in [
        "/api/v1/devices",
        "/api/v1/export?format=csv",
        "/sensorthings/v1.1/Things",
        "/api/v1/history/series",
    ] {
        // Devices that nobody configured are listed once a second, points are found when written.
        let text = wait_until(path, Duration::from_secs(20), async || {
            let (status, text) = here.text(path).await?;
            Ok((status == 200 && text.contains("people-hc")).then_some(text))
        })
        .await?;
        ensure!(!text.contains("people-st"), "{path}");
    }
    for path in ["/api/v1/people", "/api/v1/audit", "/api/v1/ledger", "/api/v1/shifts"] {
        ensure!(here.text(path).await?.0 == 403, "{path}");
    }
    ioc.stop()?;
    audited(data.path(), &["denied", "person_added", "signed_in", "password_changed"])?;
    Ok(())
}

#[tokio::test]
async fn a_change_of_rights_reaches_an_open_page_and_a_closed_account_loses_it() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let admin = Api::sign_in(&ioc).await?;
    publish(&ioc, "son_tra", "people-st", 0.62).await?;
    wait_until("the alert", Duration::from_secs(10), async || {
        Ok((!admin.alerts().await?.is_empty()).then_some(()))
    })
    .await?;
    let grants = json!([{ "role": "viewer", "areas": ["hai_chau"] }]);
    let person = person(&ioc, &admin, "lan", grants).await?;
    let mut watching = socket(&ioc, &person).await?;
    let hello = until(&mut watching, |t| t.contains("\"tiles\"")).await?;
    ensure!(!hello.contains("people-st"), "{hello}");

    let asked = Instant::now();
    let wider = json!({ "grants": [{ "role": "viewer", "areas": ["hai_chau", "son_tra"] }] });
    let (status, body) =
        admin.send("PUT", "/api/v1/people/lan/grants", Some(&wider.to_string()), &JSON).await?;
    ensure!(status == 200 || status == 204, "{status} {body}");
    // The page is told to fetch its lists anew.
    until(&mut watching, |t| t.contains("\"alerts_reset\"")).await?;
    println!("a wider scope reached the open socket after {:?}", asked.elapsed());
    ensure!(asked.elapsed() < WITHIN, "{:?}", asked.elapsed());
    ensure!(person.alerts().await?.iter().any(|a| a["device"] == "people-st"));

    let asked = Instant::now();
    let closed = json!({ "disabled": true });
    let (status, body) = admin.post("/api/v1/people/lan/state", &closed).await?;
    ensure!(status == 200 || status == 204, "{status} {body}");
    until(&mut watching, |t| t == "closed 1008").await?;
    println!("the end of an account reached the open socket after {:?}", asked.elapsed());
    ensure!(asked.elapsed() < WITHIN, "{:?}", asked.elapsed());
    ensure!(person.text("/api/v1/session").await?.0 == 401);
    ioc.stop()?;
    audited(data.path(), &["grants_changed", "person_disabled"])?;
    Ok(())
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn tokens_and_walls_may_what_they_were_given_and_no_longer_than_that() -> Result<()> {
    let data = tempfile::tempdir()?;
    let ioc = Ioc::start(data.path(), &IocOptions::default())?;
    let admin = Api::sign_in(&ioc).await?;
    publish(&ioc, "son_tra", "people-st", 0.1).await?;
    publish(&ioc, "hai_chau", "people-hc", 0.1).await?;
    let body = json!({
        "label": "báo cáo", "days": 30,
        "grants": [{ "role": "viewer", "areas": ["hai_chau"] }],
    });
    let (status, made) = admin.post("/api/v1/account/tokens", &body).await?;
    ensure!(status == 201, "{status} {made}");
    let token = made["token"].as_str().context("a token")?.to_owned();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let ask = async |method: &str, path: &str| {
        let request = http.request(method.parse()?, ioc.url(path)).bearer_auth(&token);
        let answer = request.header("content-type", "application/json").body("{}").send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    wait_until("the devices", Duration::from_secs(10), async || {
        Ok(ask("GET", "/api/v1/devices").await?.1.contains("people-hc").then_some(()))
    })
    .await?;
    ensure!(!ask("GET", "/api/v1/devices").await?.1.contains("people-st"));
    ensure!(ask("GET", "/api/v1/people").await?.0 == 403);
    ensure!(ask("POST", "/api/v1/account/tokens").await?.0 == 403, "a token makes no tokens");
    let path = format!("/api/v1/account/tokens/{}", made["id"]);
    ensure!(admin.send("DELETE", &path, None, &[]).await?.0 == 204);
    ensure!(ask("GET", "/api/v1/devices").await?.0 == 401, "revoked");

    let wall =
        json!({ "label": "sảnh", "view": "overview", "areas": ["hai_chau"], "services": null });
    let (status, made) = admin.post("/api/v1/walls", &wall).await?;
    ensure!(status == 201, "{status} {made}");
    let signed = http
        .post(ioc.url("/api/v1/session/wall"))
        .header("origin", format!("http://{}", ioc.http))
        .header("x-ioc-request", "1")
        .json(&json!({ "token": made["token"] }))
        .send()
        .await?;
    let cookie = signed.headers().get("set-cookie").context("a cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let screen = async |path: &str| {
        let answer = http.get(ioc.url(path)).header("cookie", &cookie).send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    let (status, devices) = screen("/api/v1/devices").await?;
    ensure!(status == 200 && devices.contains("people-hc") && !devices.contains("people-st"));
    for path in ["/api/v1/history/series", "/api/v1/export?format=csv", "/api/v1/rules"] {
        ensure!(screen(path).await?.0 == 403, "{path}");
    }
    let path = format!("/api/v1/walls/{}", made["id"]);
    ensure!(admin.send("DELETE", &path, None, &JSON).await?.0 == 204);
    ensure!(screen("/api/v1/devices").await?.0 == 401, "revoked");
    ioc.stop()?;
    audited(data.path(), &["token_issued", "token_revoked", "wall_issued", "wall_revoked"])?;
    Ok(())
}

/// The audit log holds these acts, and its chain is whole.
fn audited(data: &std::path::Path, acts: &[&str]) -> Result<()> {
    let ioc = binary("ioc")?;
    let run = |args: &[&str]| {
        let out = Command::new(&ioc).arg("audit").args(args).arg("--data").arg(data).output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        anyhow::Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    run(&["verify"])?;
    let file = data.join("audit.csv");
    let path = file.to_str().context("a path in UTF-8")?;
    run(&["export", "--csv", path])?;
    let log = std::fs::read_to_string(&file)?;
    for act in acts {
        ensure!(log.contains(act), "`{act}` is not in the audit log:\n{log}");
    }
    Ok(())
}
