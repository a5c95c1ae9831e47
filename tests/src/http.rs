//! A signed-in client of the REST interface.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{Ioc, wait_until};

/// A client with a session cookie.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    /// Cookie header value, for WebSockets.
    pub cookie: String,
}

impl Api {
    /// Signs in with the one-time link that a first start printed.
    pub async fn sign_in(ioc: &Ioc) -> Result<Self> {
        let link = ioc.signin.clone().context("this start printed no sign-in link")?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let base = format!("http://{}", ioc.http);
        let answer = client.get(format!("{base}{link}")).send().await?;
        let cookie = answer
            .headers()
            .get("set-cookie")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .context("no cookie after the sign-in link")?
            .to_owned();
        Ok(Self { client, base, cookie })
    }

    /// Signs in with a password.
    pub async fn sign_in_as(ioc: &Ioc, user: &str, password: &str) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let base = format!("http://{}", ioc.http);
        let stranger = Self { client, base, cookie: String::new() };
        let answer = stranger
            .client
            .post(format!("{}/api/v1/session", stranger.base))
            .header("origin", &stranger.base)
            .header("x-ioc-request", "1")
            .json(&json!({ "user": user, "password": password }))
            .send()
            .await?;
        let status = answer.status();
        let cookie = answer.headers().get("set-cookie").and_then(|v| v.to_str().ok());
        let cookie = cookie.and_then(|v| v.split(';').next()).map(str::to_owned);
        let cookie = cookie.with_context(|| format!("{user} cannot sign in: {status}"))?;
        Ok(Self { cookie, ..stranger })
    }

    /// Signs in for the first time, changes the password that somebody else made, and signs in
    /// with that; gives it too.
    pub async fn first_sign_in(ioc: &Ioc, user: &str, password: &str) -> Result<(Self, String)> {
        let first = Self::sign_in_as(ioc, user, password).await?;
        let own = format!("một mật khẩu riêng của {user}");
        let change = json!({ "old": password, "new": own });
        let (status, said) = first.post("/api/v1/account/password", &change).await?;
        if status != 204 {
            bail!("{user} cannot change the password: {status} {said}");
        }
        Ok((Self::sign_in_as(ioc, user, &own).await?, own))
    }

    /// GET as text, with its status.
    pub async fn text(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let answer = self.client.get(url).header("cookie", &self.cookie).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The same session at another address (after a restart).
    pub fn at(&self, ioc: &Ioc) -> Self {
        Self { base: format!("http://{}", ioc.http), ..self.clone() }
    }

    /// GET as JSON; any status but 200 is an error.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .timeout(Duration::from_secs(20))
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status != 200 {
            bail!("GET {path}: {status} {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("GET {path}: {text}"))
    }

    /// POST JSON; gives status and body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let answer = self
            .client
            .post(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .header("origin", &self.base)
            .header("x-ioc-request", "1")
            .json(body)
            .send()
            .await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(json!({ "text": text }))))
    }

    /// A request with a body that is text, or none; gives status and body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<(u16, Value)> {
        let mut request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .header("origin", &self.base)
            .header("x-ioc-request", "1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(json!({ "text": text }))))
    }

    /// All alerts, oldest raise first.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut path = String::from("/api/v1/alerts?limit=1000");
        loop {
            let page = self.get(&path).await?;
            all.extend(page["alerts"].as_array().context("no alerts")?.iter().cloned());
            match page["next"].as_str() {
                Some(next) => path = format!("/api/v1/alerts?limit=1000&cursor={next}"),
                None => break,
            }
        }
        all.reverse();
        Ok(all)
    }

    /// Waits until rules and history have caught up and every difference of the ledger is 0, and
    /// gives the ledger.
    pub async fn ledger_at_rest(&self, limit: Duration) -> Result<Value> {
        wait_until("a ledger with difference 0", limit, async || {
            let ledger = self.get("/api/v1/ledger").await?;
            let rest = ["difference", "difference_rules", "difference_history"]
                .iter()
                .all(|d| ledger[*d] == 0);
            if rest { Ok(Some(ledger)) } else { bail!("{ledger}") }
        })
        .await
    }

    /// Raw points of a series between two times.
    pub async fn history(
        &self,
        device: &str,
        property: &str,
        from: i64,
        to: i64,
    ) -> Result<Vec<(i64, f64)>> {
        let path = format!(
            "/api/v1/history?device={device}&property={property}&from={from}&to={to}&limit=50000"
        );
        let answer = self.get(&path).await?;
        let points = answer["points"].as_array().context("no points")?;
        points
            .iter()
            .map(|p| {
                let time = p[0].as_i64().context("time")?;
                Ok((time, p[1].as_f64().context("value")?))
            })
            .collect()
    }
}

/// Sum of a ledger field over all doors.
pub fn total(ledger: &Value, field: &str) -> u64 {
    let sources = ledger["sources"].as_array();
    sources.map_or(0, |s| s.iter().filter_map(|x| x[field].as_u64()).sum())
}
