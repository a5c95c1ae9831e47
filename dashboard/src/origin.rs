//! Where a request may come from: the Host it names and the Origin of the page behind it.
//!
//! A page on another site can make a browser send requests here (CSRF, cross-site WebSockets), or
//! point its own name at this address (DNS rebinding). The first is stopped by the exact Origin,
//! the second by accepting only loopback names on the loopback address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use warp::http::HeaderMap;
use warp::http::header::{HOST, HeaderName, ORIGIN};

use crate::ConfigMistake;
use crate::reply::ApiError;

/// The configured list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    allowed: Vec<String>,
    /// Browsers reach this server over TLS.
    https: bool,
}

impl Origins {
    pub fn new(allowed: &[String], https: bool) -> Result<Self, ConfigMistake> {
        let normal = allowed.iter().map(|text| {
            let lower = text.trim_end_matches('/').to_ascii_lowercase();
            let host = host_of(&lower).filter(|h| is_authority(h));
            host.is_some()
                .then_some(lower.clone())
                .ok_or_else(|| ConfigMistake::Origin(text.clone()))
        });
        Ok(Self { allowed: normal.collect::<Result<_, _>>()?, https })
    }

    /// The Host of a request, if it may be used: on a loopback address only loopback names and
    /// the hosts of allowed origins.
    pub fn host(&self, headers: &HeaderMap, local: IpAddr) -> Result<String, ApiError> {
        let host = single(headers, HOST).filter(|h| is_authority(h));
        let host =
            host.ok_or_else(|| ApiError::bad_request("bad_host", "one Host header is needed"))?;
        let known = !local.to_canonical().is_loopback()
            || is_loopback_name(name_of(&host))
            || self.allowed.iter().any(|o| host_of(o) == Some(&host));
        if known {
            return Ok(host);
        }
        Err(ApiError::forbidden("host_refused", "this address answers to loopback names only"))
    }

    /// Where this server is reached: the public name if there is one, else the Host of the request.
    pub fn public(&self, host: &str) -> String {
        let named = self.public_https().or(self.allowed.first().map(String::as_str));
        let scheme = if self.https { "https" } else { "http" };
        named.map_or_else(|| format!("{scheme}://{host}"), str::to_owned)
    }

    /// The first public name that is HTTPS.
    pub fn public_https(&self) -> Option<&str> {
        self.allowed.iter().find(|o| o.starts_with("https://")).map(String::as_str)
    }

    /// Checks that a request was made by our own page. A page that came over TLS is not ours
    /// without it, for anybody on the way could have written that one.
    pub fn origin(&self, headers: &HeaderMap, host: &str, secure: bool) -> Result<(), ApiError> {
        let origin = single(headers, ORIGIN);
        let scheme = if secure { "https://" } else { "http://" };
        let own = origin.as_deref().is_some_and(|o| {
            o.strip_prefix(scheme) == Some(host) || self.allowed.iter().any(|a| a == o)
        });
        if own {
            return Ok(());
        }
        Err(ApiError::forbidden("origin_refused", "the Origin must be that of this server"))
    }
}

/// The one value of a header in lower case; `None` when absent, repeated or not ASCII.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.to_ascii_lowercase())
}

fn host_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

pub(crate) fn is_authority(host: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    (1..=255).contains(&host.len()) && host.bytes().all(good)
}

/// The host without its port.
pub(crate) fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || name.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header value"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header value"));
        }
        headers
    }

    fn check(local: &str, host: &str, origin: Option<&str>) -> Result<(), &'static str> {
        check_over(false, local, host, origin)
    }

    fn check_over(
        secure: bool,
        local: &str,
        host: &str,
        origin: Option<&str>,
    ) -> Result<(), &'static str> {
        let origins = Origins::new(&["https://ioc.example.vn".into()], secure).expect("an origin");
        let headers = headers(host, origin);
        let local = local.parse().expect("an address");
        let host = origins.host(&headers, local).map_err(|e| e.code)?;
        origins.origin(&headers, &host, secure).map_err(|e| e.code)
    }

    #[test]
    fn over_tls_a_page_without_it_is_another_site() {
        let on = |origin| check_over(true, "10.0.0.5", "ioc.lan:8443", Some(origin));
        assert_eq!(on("https://ioc.lan:8443"), Ok(()));
        assert_eq!(on("https://ioc.example.vn"), Ok(()), "a public name");
        for evil in
            ["http://ioc.lan:8443", "https://ioc.lan", "https://ioc.lan:443", "http://ioc.lan"]
        {
            assert_eq!(on(evil), Err("origin_refused"), "{evil}");
        }
    }

    #[test]
    fn the_public_address_is_https_where_browsers_use_it() {
        let plain = Origins::new(&[], false).expect("none");
        let tls = Origins::new(&[], true).expect("none");
        assert_eq!(plain.public("ioc.lan:8080"), "http://ioc.lan:8080");
        assert_eq!(tls.public("ioc.lan:8443"), "https://ioc.lan:8443");
        let named = ["http://old.lan".into(), "https://ioc.example.vn".into()];
        let named = Origins::new(&named, false).expect("origins");
        assert_eq!(named.public("ioc.lan"), "https://ioc.example.vn");
    }

    #[test]
    fn accepts_its_own_page_under_every_loopback_name() {
        for host in
            ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080", "127.9.9.9"]
        {
            let origin = format!("http://{}", host.to_lowercase());
            assert_eq!(check("127.0.0.1", host, Some(&origin)), Ok(()), "{host}");
        }
    }

    #[test]
    fn refuses_rebound_names_on_loopback() {
        for host in
            ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0"]
        {
            let origin = format!("http://{host}");
            assert_eq!(check("127.0.0.1", host, Some(&origin)), Err("host_refused"), "{host}");
            assert_eq!(
                check("::ffff:127.0.0.1", host, Some(&origin)),
                Err("host_refused"),
                "{host}"
            );
        }
        assert_eq!(check("10.0.0.5", "ioc.lan:8080", Some("http://ioc.lan:8080")), Ok(()));
    }

    #[test]
    fn refuses_every_other_origin() {
        let evil = [
            None,
            Some("null"),
            Some(""),
            Some("http://localhost"),
            Some("https://localhost:8080"),
            Some("http://localhost:8080.evil.example"),
            Some("http://evil.example"),
            Some("http://localhost:80801"),
        ];
        for origin in evil {
            let got = check("127.0.0.1", "localhost:8080", origin);
            assert_eq!(got, Err("origin_refused"), "{origin:?}");
        }
    }

    #[test]
    fn accepts_the_public_name_behind_a_proxy() {
        let origin = Some("https://ioc.example.vn");
        assert_eq!(check("127.0.0.1", "ioc.example.vn", origin), Ok(()));
        assert_eq!(check("127.0.0.1", "localhost:8080", origin), Ok(()));
        let other = Some("https://ioc.example.vn.evil");
        assert_eq!(check("127.0.0.1", "ioc.example.vn", other), Err("origin_refused"));
    }

    #[test]
    fn refuses_lists_that_are_no_origins() {
        for text in ["*", "ioc.example.vn", "https://", "https://a/b", "https://a b"] {
            assert!(Origins::new(&[text.into()], false).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_two_hosts() {
        let mut two = headers("localhost", None);
        two.append(HOST, "evil.example".parse().expect("a header value"));
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(Origins::default().host(&two, local).is_err());
        assert!(Origins::default().host(&HeaderMap::new(), local).is_err());
    }
}
