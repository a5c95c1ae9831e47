//! Canaries: every kind of secret goes through the real binary in the right and in the wrong
//! places, with a log at its finest, and must come out nowhere: not in the log, the data folder,
//! answers, errors, the audit log, metrics, frames, the process's arguments or environment.
//! `personal.rs` does the same for plates and picture links.

mod canaries {
    pub mod nest;
    pub mod totp;
}

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ioc_tests::answers::{all_answers, listen};
use ioc_tests::process::{add_user, binary, config_with_open_data};
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::webhook::WebhookServer;
use ioc_tests::{Api, Ioc, IocOptions, Mosquitto, now_ms, simulate, wait_until};
use rumqttc::{AsyncClient, MqttOptions};
use serde_json::json;

use canaries::nest::Nest;
use canaries::totp;

const LIMIT: Duration = Duration::from_secs(30);

/// A configuration whose every connection outwards has a secret and a partner that is away, says
/// no, or takes it.
fn settings(folder: &Path, nest: &mut Nest, broker: u16, dead: u16) -> Result<String> {
    let mut file = |name: &str| -> Result<String> {
        let path = folder.join(name);
        std::fs::write(&path, nest.lay(name))?;
        Ok(path.display().to_string())
    };
    Ok(format!(
        "ingest:\n  subscribers:\n    - name: mosquitto\n      host: 127.0.0.1\n      port: {broker}\n      \
         client_id: ioc-canary\n      username: ioc\n      password_file: {}\n      topics: [\"ioc/v1/#\"]\n\
         history:\n  backend: influxdb\n  influxdb:\n    url: http://127.0.0.1:{dead}\n    org: o\n    \
         bucket: b\n    token_file: {}\n    timeout_ms: 500\n\
         dashboard:\n  oidc:\n    - id: city\n      name: {{ vi: Thành phố, en: City }}\n      \
         issuer: http://127.0.0.1:{dead}/realm\n      client_id: ioc\n      secret_file: {}\n      \
         groups:\n        - {{ group: ops, role: operator }}\n",
        file("broker-password")?,
        file("influx-token")?,
        file("oidc-secret")?,
    ))
}

fn notify(folder: &Path, nest: &mut Nest, hook: &WebhookServer, dead: u16) -> Result<String> {
    let mut file = |name: &str| -> Result<String> {
        let path = folder.join(name);
        std::fs::write(&path, nest.lay(name))?;
        Ok(path.display().to_string())
    };
    Ok(format!(
        "receivers:\n  - id: hook\n    language: en\n    webhook:\n      url: http://{}/hook\n      \
         allow_http: true\n      allow_networks: [127.0.0.0/8]\n      signing: {{ secret_file: {} }}\n      \
         token: {{ secret_env: IOC_CANARY_HOOK }}\n      headers: {{ Authorization: \"Bearer {{{{token}}}}\" }}\n  \
         - id: gone\n    language: en\n    webhook:\n      url: \"http://127.0.0.1:{dead}/bot{{{{token}}}}/send\"\n      \
         allow_http: true\n      allow_networks: [127.0.0.0/8]\n      token: {{ secret_file: {} }}\n\
         routes:\n  - id: all\n    match: {{}}\n    receivers: [hook, gone]\n    group_by: alert\n    \
         wait: 0s\n    interval: 1s\n",
        hook.address,
        file("hook-signing")?,
        file("gone-token")?,
    ))
}

/// Everything wrong that a stranger may type, and where.
async fn strangers(ioc: &Ioc, nest: &mut Nest) -> Result<String> {
    let base = format!("http://{}", ioc.http);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let mut told = String::new();
    for (user, password) in [
        ("admin".to_owned(), nest.lay("password typed for admin")),
        ("nobody".to_owned(), nest.lay("password typed for nobody")),
        (nest.lay("password typed as a name"), "x".to_owned()),
    ] {
        let body = json!({ "user": user, "password": password });
        let request = client.post(format!("{base}/api/v1/session")).json(&body);
        let request = request.header("origin", &base).header("x-ioc-request", "1");
        told.push_str(&request.send().await?.text().await?);
    }
    let hex: String = nest.lay("link").bytes().map(|b| format!("{b:02x}")).collect();
    for path in [
        format!("/signin?token={}", nest.lay("wrong link")),
        format!("/signin?token={hex}"),
        format!("/api/v1/alerts?token={}", nest.lay("token in a query")),
        "/signin/oidc?provider=city".to_owned(),
        format!("/signin/oidc/callback?code={}&state=x", nest.lay("code")),
    ] {
        let answer = client.get(format!("{base}{path}")).send().await?;
        let place = answer.headers().get("location").and_then(|v| v.to_str().ok()).unwrap_or("");
        told.push_str(place);
        told.push_str(&answer.text().await?);
    }
    for (name, value) in [
        ("cookie", format!("ioc_session={}; __Host-ioc={0}", nest.lay("wrong session"))),
        ("authorization", format!("Bearer ioc_{}", nest.lay("wrong bearer"))),
        ("authorization", format!("Basic {}", nest.lay("basic"))),
    ] {
        let answer = client.get(format!("{base}/api/v1/alerts")).header(name, value).send().await?;
        told.push_str(&answer.text().await?);
    }
    // A device with a wrong token.
    let mut options = MqttOptions::new("canary-cam", "127.0.0.1", Ioc::port(&ioc.mqtt));
    options.set_credentials("canary-cam", nest.lay("wrong device token"));
    let (_client, mut events) = AsyncClient::new(options, 10);
    told.push_str(&format!("{:?}", events.poll().await));
    Ok(told)
}

/// A device with a token of its own, used, and one that is revoked.
async fn device_tokens(ioc: &Ioc, admin: &Api, nest: &mut Nest) -> Result<()> {
    let device = json!({
        "id": "canary-air", "service": "air", "area": "hai_chau", "kind": "air_station",
        "name": { "vi": "Chim", "en": "Canary" },
    });
    let path = "/api/v1/registry/canary-air";
    let made = admin.send("PUT", path, Some(&device.to_string()), &[]).await?;
    ensure!(made.0 == 200 || made.0 == 201, "{made:?}");
    let (status, issued) =
        admin.post(&format!("{path}/tokens"), &json!({ "label": "first" })).await?;
    ensure!(status < 300, "{status} {issued}");
    let token = issued["token"].as_str().context("no token")?;
    nest.know("device token", token);
    let mut options = MqttOptions::new("canary-air", "127.0.0.1", Ioc::port(&ioc.mqtt));
    options.set_credentials("canary-air", token);
    let (_client, mut events) = AsyncClient::new(options, 10);
    events.poll().await.context("the device's own token is refused")?;
    Ok(())
}

/// What may not hold a canary once the centre has stopped.
fn look_behind(data: &Path, nest: &Nest) -> Result<()> {
    let log = std::fs::read(data.join("ioc.log"))?;
    assert!(String::from_utf8_lossy(&log).contains("TRACE"), "the log was not at its finest");
    nest.none_in("the log at trace level", &log);
    nest.none_in_files(data)?;
    for args in [&["audit", "export"][..], &["user", "list"], &["audit", "verify"]] {
        let out = Command::new(binary("ioc")?).args(args).arg("--data").arg(data).output()?;
        nest.none_in(&format!("ioc {}", args.join(" ")), &[out.stdout, out.stderr].concat());
    }
    Ok(())
}

/// What may not hold one while it runs, as everybody who may ask sees it.
async fn look_at(ioc: &Ioc, readers: &[(&str, &Api)], nest: &Nest) -> Result<()> {
    for (who, api) in readers {
        let mut bytes = 0;
        for (path, body) in all_answers(api).await? {
            bytes += body.len();
            nest.none_in(&format!("{path} for {who}"), body.as_bytes());
        }
        println!("answers to {who}: {bytes} bytes without a canary");
    }
    for file in ["cmdline", "environ"] {
        let held = std::fs::read(format!("/proc/{}/{file}", ioc.id()))?;
        nest.none_in_but(&format!("/proc/PID/{file}"), &held, &["hook-token"]);
    }
    Ok(())
}

#[tokio::test]
async fn secrets_come_out_nowhere() -> Result<()> {
    let (home, secrets, store) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let data = home.path().join("data");
    std::fs::create_dir(&data)?;
    let broker = Mosquitto::start(store.path())?;
    let hook = WebhookServer::start(&[500]).await?;
    let dead = ioc_tests::process::free_port()?;
    let mut nest = Nest::default();
    let config = home.path().join("config");
    config_with_open_data(&config)?;
    std::fs::write(
        config.join("ioc.yaml"),
        settings(secrets.path(), &mut nest, broker.port, dead)?,
    )?;
    std::fs::write(config.join("notify.yaml"), notify(secrets.path(), &mut nest, &hook, dead)?)?;
    let env = vec![
        ("IOC_LOG".to_owned(), "trace".to_owned()),
        ("IOC_CANARY_HOOK".to_owned(), nest.lay("hook-token")),
    ];
    let ioc = Ioc::start(&data, &IocOptions { config: Some(config), env, ..Default::default() })?;

    // The first administrator: its printed password, its link, its session.
    nest.know("first password", ioc.password.as_deref().context("no password was printed")?);
    let link = ioc.signin.clone().context("no link")?;
    nest.know("one-time link", link.rsplit('=').next().context("no token")?);
    let admin = Api::sign_in(&ioc).await?;
    nest.know("session of the administrator", value_of(&admin.cookie));
    let password = add_user(&data, "lan", "viewer")?;
    nest.know("password of a user", &password);
    let viewer = Api::sign_in_as(&ioc, "lan", &password).await?;
    nest.know("session of a user", value_of(&viewer.cookie));
    let chosen = nest.lay("password that a user chose");
    let change = json!({ "old": password, "new": chosen });
    let (status, said) = viewer.post("/api/v1/account/password", &change).await?;
    ensure!(status == 204, "{status} {said}");
    let viewer = Api::sign_in_as(&ioc, "lan", &chosen).await?;
    nest.know("session after the change", value_of(&viewer.cookie));

    let mut frames = listen(&ioc, &viewer).await?;
    let told = strangers(&ioc, &mut nest).await?;
    nest.none_in("what strangers were told", told.as_bytes());
    device_tokens(&ioc, &admin, &mut nest).await?;
    // Alerts, so that the webhooks are used: one answers 500 first, the other is not there.
    simulate(&["city", "--target", &ioc.mqtt_url(), "--seconds", "6", "--storm-after", "1"])
        .await?;
    Publisher::new(&format!("127.0.0.1:{}", broker.port), "outside")
        .publish_all(
            &[Message {
                topic: "ioc/v1/hai_chau/air/outside/obs".into(),
                payload: json!({ "time": now_ms(), "values": { "pm2_5": 7 } }).to_string(),
            }],
            100.0,
            LIMIT,
        )
        .await?;
    wait_until("deliveries that failed and one that did not", LIMIT, async || {
        let all = admin.get("/api/v1/notifications/deliveries?limit=1000").await?;
        let list = all["deliveries"].as_array().context("deliveries")?;
        let has = |receiver: &str, attempts: u64| {
            list.iter().any(|d| {
                d["receiver"] == receiver && d["attempts"].as_u64().unwrap_or(0) >= attempts
            })
        };
        Ok((has("gone", 1) && has("hook", 1) && !hook.received().is_empty()).then_some(()))
    })
    .await?;

    look_at(&ioc, &[("the administrator", &admin), ("a viewer", &viewer)], &nest).await?;
    let (mut heard, mut bytes) = (0, Vec::new());
    while let Ok(frame) = frames.try_recv() {
        heard += 1;
        bytes.extend(frame);
    }
    assert!(heard > 1, "the socket said nothing");
    nest.none_in("WebSocket frames", &bytes);
    ioc.stop()?;
    look_behind(&data, &nest)?;
    println!("{} secrets in {} forms: 0 hits", nest.len(), nest.forms());
    Ok(())
}

fn value_of(cookie: &str) -> &str {
    cookie.split_once('=').map_or(cookie, |(_, value)| value)
}

/// Tokens of programs and walls, and the second factor.
#[tokio::test]
async fn tokens_and_second_factors_come_out_nowhere() -> Result<()> {
    let home = tempfile::tempdir()?;
    let data = home.path();
    let mut nest = Nest::default();
    let env = vec![("IOC_LOG".to_owned(), "trace".to_owned())];
    let settings = Some("dashboard: {}\n".to_owned());
    let options = IocOptions { settings, open_data: true, env, ..Default::default() };
    let ioc = Ioc::start(data, &options)?;
    let admin = Api::sign_in(&ioc).await?;
    nest.know("session of the administrator", value_of(&admin.cookie));

    let grants = json!([{ "role": "viewer" }]);
    let body = json!({ "label": "probe", "grants": grants, "days": 7 });
    let (status, token) = admin.post("/api/v1/account/tokens", &body).await?;
    ensure!(status == 201, "{status} {token}");
    let token = token["token"].as_str().context("token")?.to_owned();
    nest.know("API token", token.strip_prefix("ioc_").unwrap_or(&token));
    let wall = json!({ "label": "hall", "view": "map", "areas": null, "services": null });
    let (status, wall) = admin.post("/api/v1/walls", &wall).await?;
    ensure!(status == 201, "{status} {wall}");
    let wall = wall["token"].as_str().context("wall token")?.to_owned();
    nest.know("wall token", wall.strip_prefix("ioc_").unwrap_or(&wall));

    let base = format!("http://{}", ioc.http);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let used = client.get(format!("{base}/api/v1/alerts")).bearer_auth(&token).send().await?;
    ensure!(used.status() == 200, "{}", used.status());
    let signed = client.post(format!("{base}/api/v1/session/wall")).header("origin", &base);
    let signed = signed.header("x-ioc-request", "1").json(&json!({ "token": wall })).send().await?;
    ensure!(signed.status().is_success(), "{}", signed.status());
    let cookie =
        signed.headers().get("set-cookie").and_then(|v| v.to_str().ok()).context("cookie")?;
    nest.know("session of a wall", value_of(cookie.split(';').next().context("cookie")?));

    let (status, begun) = admin.post("/api/v1/account/totp", &json!({})).await?;
    ensure!(status == 200, "{status} {begun}");
    let secret = begun["secret"].as_str().context("secret")?;
    let code = totp::code(secret, now_ms() / 1_000)?;
    let (status, confirmed) =
        admin.post("/api/v1/account/totp/confirm", &json!({ "code": code })).await?;
    ensure!(status == 200, "{status} {confirmed}");
    nest.know("second factor", secret);
    nest.know_bytes("second factor, decoded", totp::base32(secret)?);
    for code in confirmed["recovery"].as_array().context("recovery")? {
        nest.know("recovery code", code.as_str().context("a code")?);
    }

    look_at(&ioc, &[("the administrator", &admin)], &nest).await?;
    ioc.stop()?;
    look_behind(data, &nest)?;
    println!("{} secrets in {} forms: 0 hits", nest.len(), nest.forms());
    Ok(())
}
