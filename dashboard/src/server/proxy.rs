//! Who is really at the other end: trusted proxies and what they say of their clients.
//!
//! Only a peer in `trusted_proxies` is believed. Of `X-Forwarded-For` the rightmost hop that is no
//! trusted proxy is the client: what stands left of it was written by that client and means
//! nothing. `Forwarded` (RFC 7239) says the same in another way; two ways can contradict each
//! other, so from a proxy it is refused and must be taken away there.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use warp::http::header::{FORWARDED, HOST, HeaderName, VIA};
use warp::http::{HeaderMap, HeaderValue};

use crate::origin::is_authority;
use crate::reply::ApiError;
use crate::router::Peer;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// More proxies than stand in a row anywhere.
const MAX_HOPS: usize = 16;

/// A network as `10.1.0.0/16`, `2001:db8::/32` or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.1.0.0/16, or has bits set beyond its length")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || NotANetwork(text.chars().take(64).collect());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        // `+8` and `08` parse as numbers too.
        let digits = |b: &str| b.parse().ok().filter(|n: &u8| n.to_string() == b);
        let bits = bits.map_or(Some(most), digits).filter(|b| *b <= most).ok_or_else(bad)?;
        let network = Self { address, bits };
        // 10.1.2.3/16 is a slip of the pen: does it mean the network or the address?
        (network.masked(address) == number(address)).then_some(network).ok_or_else(bad)
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    fn masked(&self, address: IpAddr) -> u128 {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let away = width - u32::from(self.bits);
        number(address).checked_shr(away).map_or(0, |n| n << away)
    }

    /// Whether an address is in it. `::ffff:10.0.0.1` is 10.0.0.1.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == number(self.address)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Both ends of a connection as the sockets know them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub remote: SocketAddr,
    pub local: SocketAddr,
    /// The connection itself is TLS.
    pub tls: bool,
}

/// The configured list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    trusted: Vec<Network>,
    /// `dashboard.secure`: browsers come over TLS, whatever a proxy says or does not say.
    always_secure: bool,
}

impl Proxies {
    pub fn new(trusted: Vec<Network>, always_secure: bool) -> Self {
        Self { trusted, always_secure }
    }

    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|n| n.holds(address))
    }

    /// Who asks. The Host that a trusted proxy names takes the place of its own.
    pub fn peer(&self, ends: Ends, headers: &mut HeaderMap) -> Result<Peer, ApiError> {
        let Ends { remote, local, tls } = ends;
        let peer = Peer { remote, local, secure: tls || self.always_secure, proxied: false };
        if !self.trusts(remote.ip()) {
            // Believed in one thing: somebody stands behind it who is not on this machine.
            let proxied = [FOR, PROTO, FORWARDED_HOST, REAL_IP, FORWARDED, VIA];
            let proxied = proxied.iter().any(|name| headers.contains_key(name));
            return Ok(Peer { proxied, ..peer });
        }
        if headers.contains_key(FORWARDED) {
            return Err(bad("Forwarded is not read here: the proxy must take it away"));
        }
        let remote = self.client(headers)?.map_or(remote, |ip| SocketAddr::new(ip, 0));
        let secure = match one(headers, &PROTO)? {
            None => peer.secure,
            Some(proto) if proto.eq_ignore_ascii_case("https") => true,
            Some(proto) if proto.eq_ignore_ascii_case("http") => self.always_secure,
            Some(_) => return Err(bad("X-Forwarded-Proto is neither http nor https")),
        };
        if let Some(host) = one(headers, &FORWARDED_HOST)? {
            let good = is_authority(&host).then(|| HeaderValue::from_str(&host).ok()).flatten();
            let host = good.ok_or_else(|| bad("X-Forwarded-Host is not one host"))?;
            // Two Hosts are refused later, so they must stay two.
            if headers.get_all(HOST).iter().count() < 2 {
                headers.insert(HOST, host);
            }
        }
        Ok(Peer { remote, secure, proxied: true, ..peer })
    }

    /// The rightmost hop that is no trusted proxy; if all are, the first of them.
    fn client(&self, headers: &HeaderMap) -> Result<Option<IpAddr>, ApiError> {
        let mut last = None;
        let mut hops = 0;
        for line in headers.get_all(&FOR).iter().rev() {
            let line = line.to_str().map_err(|_| bad("X-Forwarded-For is not text"))?;
            for hop in line.rsplit(',') {
                hops += 1;
                let hop = hop_address(hop.trim()).filter(|_| hops <= MAX_HOPS);
                let hop = hop.ok_or_else(|| bad("X-Forwarded-For is not a list of addresses"))?;
                last = Some(hop);
                if !self.trusts(hop) {
                    return Ok(last);
                }
            }
        }
        Ok(last)
    }
}

/// An address, with or without a port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => hop.parse().ok().or_else(|| hop.parse().ok().map(|s: SocketAddr| s.ip())),
    };
    address.map(|a| a.to_canonical())
}

/// The one value of a header.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(|| bad("a header of the proxy is there twice or is not text"))?;
    Ok(Some(text.trim().to_owned()))
}

fn bad(why: &'static str) -> ApiError {
    ApiError::bad_request("bad_proxy_header", why)
}
