//! Asking a provider: bounded in time and size, only at addresses that the configuration allows,
//! no redirects, no proxies of the environment.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::OidcConfig;
use super::error::OidcError;

/// Largest answer of a provider: an ID token, its keys, what it says of itself.
pub(super) const MAX_ANSWER_BYTES: usize = 256 * 1_024;

pub(super) struct Fetcher {
    http: Client,
    /// Where endpoints may be.
    hosts: Vec<(String, u16)>,
    /// The issuer is on this machine and speaks plain HTTP.
    plain: bool,
}

impl Fetcher {
    pub fn new(config: &OidcConfig) -> Result<Self, String> {
        let issuer = Url::parse(&config.issuer).map_err(|e| format!("`issuer`: {e}"))?;
        let plain = issuer.scheme() == "http";
        let listed = config.endpoints.iter().map(|host| Url::parse(&format!("https://{host}/")));
        let listed: Result<Vec<Url>, _> = listed.collect();
        let listed = listed.map_err(|e| format!("`endpoints`: {e}"))?;
        let hosts = std::iter::once(&issuer).chain(&listed).filter_map(place).collect();
        let mut http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(!plain)
            .connect_timeout(Duration::from_secs(config.timeout_s.min(5)))
            .timeout(Duration::from_secs(config.timeout_s))
            .pool_max_idle_per_host(2)
            .user_agent(concat!("ioc/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.ca_file {
            let told = |e: &dyn std::fmt::Display| format!("`ca_file` {}: {e}", path.display());
            let pem = std::fs::read(path).map_err(|e| told(&e))?;
            let certificate = Certificate::from_pem(&pem).map_err(|e| told(&e))?;
            http = http.tls_built_in_root_certs(false).add_root_certificate(certificate);
        }
        let http = http.build().map_err(|e| format!("cannot make its client: {e}"))?;
        Ok(Self { http, hosts, plain })
    }

    /// An address that the provider named, if it may be used.
    pub fn endpoint(&self, text: &str) -> Result<Url, OidcError> {
        let refused = || OidcError::Endpoint(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| refused())?;
        let scheme = url.scheme() == "https" || self.plain && is_loopback(&url);
        let named = !url.username().is_empty() || url.password().is_some();
        let known = place(&url).is_some_and(|place| self.hosts.contains(&place));
        if scheme && known && !named && url.fragment().is_none() { Ok(url) } else { Err(refused()) }
    }

    pub fn get(&self, url: Url) -> RequestBuilder {
        self.http.get(url)
    }

    pub fn post(&self, url: Url) -> RequestBuilder {
        self.http.post(url)
    }
}

/// Sends a request and reads its answer, with the status.
pub(super) async fn answer(
    act: &'static str,
    request: RequestBuilder,
) -> Result<(StatusCode, Vec<u8>), OidcError> {
    let failed =
        |source: reqwest::Error| OidcError::Unreachable { act, source: source.without_url() };
    let mut answer = request.header("accept", "application/json").send().await.map_err(failed)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(failed)? {
        if body.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(OidcError::TooLarge(act));
        }
        body.extend_from_slice(&part);
    }
    Ok((status, body))
}

/// Reads a document. A redirect is no document.
pub(super) async fn document<T: DeserializeOwned>(
    act: &'static str,
    request: RequestBuilder,
) -> Result<T, OidcError> {
    let (status, body) = answer(act, request).await?;
    if status != StatusCode::OK {
        return Err(OidcError::Status { act, status: status.as_u16() });
    }
    serde_json::from_slice(&body).map_err(|source| OidcError::Malformed { act, source })
}

fn place(url: &Url) -> Option<(String, u16)> {
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// Is the host this machine, by number or as `localhost`?
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let v6 = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}
