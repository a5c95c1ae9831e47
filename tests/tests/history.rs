//! What sensors said, as others read it: charts by tier, export, open data, SensorThings, and the
//! `ioc history` commands, on the whole binary; and through kills in the middle of partial flushes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ioc_tests::process::{binary, config_with_open_data};
use ioc_tests::publisher::{Message, Publisher};
use ioc_tests::{Api, Ioc, IocOptions, now_ms, wait_until};
use reqwest::header::HeaderMap;

const HOUR: i64 = 3_600_000;
const DEVICE: &str = "air-tran-phu";
const HOURS: i64 = 30;

/// One reading each 20 s of the last [`HOURS`] hours that are over; PM2.5 tells its place.
fn readings(end: i64) -> Vec<(i64, f64)> {
    let n = HOURS * 180;
    (0..n).map(|i| (end - (n - i) * 20_000, 10.0 + (i % 97) as f64 * 0.1)).collect()
}

fn messages(readings: &[(i64, f64)]) -> Vec<Message> {
    let one = |(i, (time, value)): (usize, &(i64, f64))| Message {
        topic: format!("ioc/v1/hai_chau/air/{DEVICE}/obs"),
        payload: format!(
            "{{\"time\":{time},\"seq\":{i},\"values\":{{\"pm25\":{value:.1},\"temperature\":25.5}}}}"
        ),
    };
    readings.iter().enumerate().map(one).collect()
}

/// The shipped configuration with its datasets published, and blocks written early.
fn config(folder: &Path) -> Result<()> {
    config_with_open_data(folder)?;
    std::fs::write(folder.join("ioc.yaml"), "history:\n  embedded:\n    head_age_s: 1\n")?;
    Ok(())
}

struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
}

/// GET without a session.
async fn public(ioc: &Ioc, path: &str) -> Result<Got> {
    get(ioc, path, None).await
}

async fn get(ioc: &Ioc, path: &str, cookie: Option<&str>) -> Result<Got> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut request = client.get(ioc.url(path));
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let answer = request.timeout(Duration::from_secs(30)).send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok(Got { status, headers, text: answer.text().await? })
}

/// Runs `ioc history …`; gives the exit code and what it printed.
fn history(data: &Path, arguments: &[&str]) -> Result<(i32, String)> {
    let out = Command::new(binary("ioc")?)
        .args(["history", arguments[0], "--data"])
        .arg(data)
        .args(&arguments[1..])
        .env("LANG", "C")
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    Ok((out.status.code().context("ended by a signal")?, text.into_owned()))
}

#[tokio::test]
async fn others_read_what_the_devices_sent() -> Result<()> {
    let (data, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    config(folder.path())?;
    let options = IocOptions { config: Some(folder.path().into()), ..IocOptions::default() };
    let ioc = Ioc::start(data.path(), &options)?;
    let api = Api::sign_in(&ioc).await?;
    let end = now_ms() / HOUR * HOUR;
    let sent = readings(end);
    let mut publisher = Publisher::new(&ioc.mqtt, "history-test");
    publisher.publish_all(&messages(&sent), 20_000.0, Duration::from_secs(60)).await?;
    api.ledger_at_rest(Duration::from_secs(30)).await?;

    charts(&api, &sent, end).await?;
    export(&ioc, &api, &sent, end).await?;
    open_data(&ioc, &sent).await?;
    sensorthings(&ioc, &api, &sent).await?;
    commands(ioc, &api, data.path(), &sent, end).await
}

/// Windows equal what was sent, whichever tier they come from.
async fn charts(api: &Api, sent: &[(i64, f64)], end: i64) -> Result<()> {
    let from = end - HOURS * HOUR;
    // The first 1,000 points make a closed block: the hour tier is asked as soon as it is there.
    wait_until("a closed block", Duration::from_secs(30), async || {
        let path = format!(
            "/api/v1/history?device={DEVICE}&property=pm25&from={from}&to={end}&step={HOUR}"
        );
        let answer = api.get(&path).await?;
        Ok((answer["tier"] == "hour").then_some(()))
    })
    .await?;
    for (step, how) in [(HOUR, "mean"), (HOUR, "max"), (900_000, "count"), (60_000, "sum")] {
        let path = format!(
            "/api/v1/history?device={DEVICE}&property=pm25&from={from}&to={end}&step={step}\
             &agg={how}&limit=50000"
        );
        let answer = api.get(&path).await?;
        let got = answer["points"].as_array().context("points")?;
        assert_eq!(got.len() as i64, HOURS * HOUR / step, "{how} by {step}");
        for point in got {
            let start = point[0].as_i64().context("a time")?;
            let inside = sent.iter().filter(|(t, _)| (start..start + step).contains(t));
            let values: Vec<f64> = inside.map(|(_, v)| (v * 10.0).round() / 10.0).collect();
            let expect = match how {
                "mean" => values.iter().sum::<f64>() / values.len() as f64,
                "max" => values.iter().copied().fold(f64::MIN, f64::max),
                "sum" => values.iter().sum(),
                _ => values.len() as f64,
            };
            let value = point[1].as_f64().context("a value")?;
            assert!((value - expect).abs() < 1e-9, "{how} at {start}: {value}, not {expect}");
        }
    }
    Ok(())
}

async fn export(ioc: &Ioc, api: &Api, sent: &[(i64, f64)], end: i64) -> Result<()> {
    let from = end - HOURS * HOUR;
    let path = format!("/api/v1/export?device={DEVICE}&property=pm25&from={from}&to={end}");
    assert_eq!(public(ioc, &format!("{path}&format=csv")).await?.status, 401);
    let csv = get(ioc, &format!("{path}&format=csv"), Some(&api.cookie)).await?;
    assert_eq!(csv.status, 200, "{}", csv.text);
    let text = csv.text.strip_prefix('\u{feff}').context("no byte order mark")?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().context("no head")?.split(',').collect();
    let column = |name: &str| head.iter().position(|c| *c == name).context(name.to_owned());
    let (time, value) = (column("time")?, column("value")?);
    let rows: Vec<(String, f64)> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            Ok((cells[time].to_owned(), cells[value].parse()?))
        })
        .collect::<Result<_>>()?;
    assert_eq!(rows.len(), sent.len());
    assert!(rows.iter().all(|(t, _)| t.contains("+07:00")), "{:?}", rows.first());
    for ((_, got), (_, value)) in rows.iter().zip(sent) {
        assert!((got - value).abs() < 0.051);
    }
    let lp = get(ioc, &format!("{path}&format=lp"), Some(&api.cookie)).await?;
    let parsed = influxdb_line_protocol::parse_lines(&lp.text).collect::<Result<Vec<_>, _>>();
    assert_eq!(parsed.map_err(|e| anyhow::anyhow!("{e}"))?.len(), sent.len());
    let geo = get(ioc, &format!("{path}&format=geojson"), Some(&api.cookie)).await?;
    let geo: serde_json::Value = serde_json::from_str(&geo.text)?;
    assert_eq!(geo["type"], "FeatureCollection");
    let audit = api.get("/api/v1/audit?limit=5000").await?;
    let lines = audit.to_string();
    assert_eq!(lines.matches("data_exported").count(), 3, "each export has its line: {lines}");
    Ok(())
}

/// What is published is read without a session, and nothing else is.
async fn open_data(ioc: &Ioc, sent: &[(i64, f64)]) -> Result<()> {
    let catalogue = public(ioc, "/open/catalog.jsonld").await?;
    assert_eq!(catalogue.status, 200, "{}", catalogue.text);
    assert_eq!(catalogue.headers["access-control-allow-origin"], "*");
    let link = serde_json::from_str::<serde_json::Value>(&catalogue.text)?.to_string();
    let data = link
        .split('"')
        .find(|t| t.starts_with("http") && t.ends_with("data.csv") && t.contains("air"))
        .context("no CSV of a dataset on air")?
        .to_owned();
    let path = data.split_once("/open/").context("a path")?.1;
    let csv = public(ioc, &format!("/open/{path}")).await?;
    assert_eq!(csv.status, 200, "{}", csv.text);
    let tag = csv.headers["etag"].to_str()?;
    assert!(!tag.is_empty() && csv.headers.contains_key("cache-control"));
    assert!(csv.text.contains(DEVICE), "{}", csv.text.chars().take(500).collect::<String>());
    assert!(!csv.text.contains("battery"));
    let page = public(ioc, "/open").await?;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].to_str()?.starts_with("text/html"));
    assert!(!sent.is_empty());
    Ok(())
}

async fn sensorthings(ioc: &Ioc, api: &Api, sent: &[(i64, f64)]) -> Result<()> {
    let path = format!(
        "/sensorthings/v1.1/Datastreams('{DEVICE}:pm25')/Observations\
         ?$orderby=phenomenonTime%20desc&$top=2"
    );
    for cookie in [None, Some(api.cookie.as_str())] {
        let answer = get(ioc, &path, cookie).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body: serde_json::Value = serde_json::from_str(&answer.text)?;
        let newest = sent.last().context("nothing sent")?.1;
        let result = body["value"][0]["result"].as_f64().context("a result")?;
        assert!((result - newest).abs() < 0.051, "{result} {newest}");
    }
    let hidden = format!("/sensorthings/v1.1/Datastreams('{DEVICE}:battery')");
    assert_eq!(public(ioc, &hidden).await?.status, 404);
    Ok(())
}

/// Looking at the file while the centre runs, and putting it in order when it does not.
async fn commands(ioc: Ioc, api: &Api, data: &Path, sent: &[(i64, f64)], end: i64) -> Result<()> {
    let (code, text) = history(data, &["stats"])?;
    assert_eq!(code, 0, "{text}");
    let (code, text) = history(data, &["verify"])?;
    assert_eq!(code, 0, "{text}");
    let (code, text) = history(data, &["compact"])?;
    assert_ne!(code, 0, "the centre runs: {text}");
    ioc.stop()?;
    let (code, text) = history(data, &["compact"])?;
    assert_eq!(code, 0, "{text}");
    let (code, text) = history(data, &["verify"])?;
    assert_eq!(code, 0, "{text}");
    let options = IocOptions::default();
    let ioc = Ioc::start(data, &options)?;
    let api = api.at(&ioc);
    let points = api.history(DEVICE, "pm25", end - HOURS * HOUR, end).await?;
    assert_eq!(points.len(), sent.len());
    for ((t, v), (time, value)) in points.iter().zip(sent) {
        if t != time || (v - value).abs() > 0.051 {
            bail!("{t} {v} is not {time} {value}");
        }
    }
    ioc.kill()
}

/// Blocks are written a second after their points came, so kills fall between those of one series
/// and those of another; every reading is there once.
#[tokio::test]
async fn kills_between_partial_flushes_lose_and_double_nothing() -> Result<()> {
    const KILLS: usize = 8;
    const DEVICES: usize = 40;
    let (data, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    config(folder.path())?;
    let options = IocOptions { config: Some(folder.path().into()), ..IocOptions::default() };
    let port = ioc_tests::process::free_port()?;
    let options = IocOptions { mqtt_port: port, ..options };
    let mut ioc = Ioc::start(data.path(), &options)?;
    let api = Api::sign_in(&ioc).await?;
    let start = now_ms();
    let all: Vec<Message> = (0..60_000usize)
        .map(|n| Message {
            topic: format!("ioc/v1/hai_chau/air/part-{:02}/obs", n % DEVICES),
            payload: format!(
                "{{\"time\":{},\"seq\":{n},\"values\":{{\"pm25\":{},\"pm10\":1}}}}",
                start - 100_000 + (n / DEVICES) as i64 * 60,
                (n / DEVICES) as f64 / 100.0
            ),
        })
        .collect();
    let (feed, target) = (all.clone(), ioc.mqtt.clone());
    let publishing = tokio::spawn(async move {
        let mut publisher = Publisher::new(&target, "partial-test");
        publisher.publish_all(&feed, 4_000.0, Duration::from_secs(240)).await
    });
    for n in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(900 + 370 * n as u64 % 700)).await;
        ioc.kill()?;
        ioc = Ioc::start(data.path(), &options)?;
    }
    publishing.await??;
    let api = api.at(&ioc);
    let turns = all.len() / DEVICES;
    for device in 0..DEVICES {
        let name = format!("part-{device:02}");
        for property in ["pm25", "pm10"] {
            let points = wait_until("all readings", Duration::from_secs(60), async || {
                let points = api.history(&name, property, start - 200_000, start + HOUR).await?;
                Ok((points.len() >= turns).then_some(points))
            })
            .await?;
            assert_eq!(points.len(), turns, "{name} {property}");
            if property == "pm25" {
                for (i, (_, value)) in points.iter().enumerate() {
                    assert!((value * 100.0 - i as f64).abs() < 0.01, "{name}: {value} at {i}");
                }
            }
        }
    }
    ioc.stop()?;
    let (code, text) = history(data.path(), &["verify"])?;
    assert_eq!(code, 0, "{text}");
    Ok(())
}
