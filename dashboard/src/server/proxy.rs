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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("own.lan"));
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    fn proxies() -> Proxies {
        let trusted = ["10.1.0.0/16", "127.0.0.1", "2001:db8:1::/48"];
        Proxies::new(trusted.map(|n| n.parse().expect("a network")).into(), false)
    }

    fn ask(from: &str, lines: &[(&'static str, &str)]) -> Result<(Peer, String), &'static str> {
        let remote = SocketAddr::new(from.parse().expect("an address"), 40_000);
        let ends = Ends { remote, local: ([127, 0, 0, 1], 8080).into(), tls: false };
        let mut headers = headers(lines);
        let peer = proxies().peer(ends, &mut headers).map_err(|e| e.code)?;
        Ok((peer, headers[HOST].to_str().expect("text").to_owned()))
    }

    fn client(from: &str, chain: &str) -> Result<String, &'static str> {
        ask(from, &[("x-forwarded-for", chain)]).map(|(peer, _)| peer.remote.ip().to_string())
    }

    const BAD: &str = "bad_proxy_header";

    #[test]
    fn strangers_are_themselves_whatever_they_say() {
        let said = [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=127.0.0.1"),
        ];
        let (peer, host) = ask("192.0.2.7", &said).expect("ignored");
        assert_eq!(peer.remote.to_string(), "192.0.2.7:40000");
        assert!(!peer.secure && !peer.is_local());
        assert_eq!(host, "own.lan");
        // Even nonsense is only ignored.
        let (peer, _) = ask("10.2.0.1", &[("x-forwarded-for", "; DROP")]).expect("ignored");
        assert_eq!(peer.remote.ip().to_string(), "10.2.0.1");
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_is_the_client() {
        let is = |chain: &str, expect: &str| {
            assert_eq!(client("10.1.0.1", chain).as_deref(), Ok(expect), "{chain}");
        };
        is("192.0.2.7", "192.0.2.7");
        // What the client wrote itself stands on the left.
        is("127.0.0.1, 192.0.2.7", "192.0.2.7");
        is("10.1.0.9, 192.0.2.7", "192.0.2.7");
        is("nonsense, ::::, 192.0.2.7, 10.1.0.2", "192.0.2.7");
        is("192.0.2.7, 10.1.0.3,10.1.0.2", "192.0.2.7");
        is("192.0.2.7:51234", "192.0.2.7");
        is("[2001:db8::7]:51234", "2001:db8::7");
        is("[2001:db8::7]", "2001:db8::7");
        is("2001:db8::7", "2001:db8::7");
        is("::ffff:192.0.2.7, ::ffff:10.1.0.2", "192.0.2.7");
        // All are ours: a proxy that asks for itself.
        is("10.1.0.4, 10.1.0.5", "10.1.0.4");
        assert_eq!(client("2001:db8:1::5", "192.0.2.7").as_deref(), Ok("192.0.2.7"));
        assert_eq!(client("::ffff:10.1.0.1", "192.0.2.7").as_deref(), Ok("192.0.2.7"));
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.7, 10.1.0.2")];
        let (peer, _) = ask("10.1.0.1", &lines).expect("a client");
        assert_eq!(peer.remote.ip().to_string(), "192.0.2.7");
    }

    #[test]
    fn what_a_proxy_says_wrong_is_refused() {
        for chain in [
            "",
            " ",
            "unknown",
            "_hidden",
            "192.0.2.7 ",
            "192.0.2.7,",
            "1.2.3",
            "a:b:c",
            "192.0.2.7:99999",
            "[192.0.2.7]",
        ] {
            let expect = if chain == "192.0.2.7 " { Ok("192.0.2.7".into()) } else { Err(BAD) };
            assert_eq!(client("10.1.0.1", chain), expect, "{chain:?}");
        }
        let many = vec!["10.1.0.2"; 17].join(",");
        assert_eq!(client("10.1.0.1", &many), Err(BAD));
        for line in [
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-proto", ""),
            ("x-forwarded-host", "a, b"),
            ("x-forwarded-host", "a/b"),
            ("x-forwarded-host", ""),
            ("x-forwarded-host", "user@host"),
            ("forwarded", "for=192.0.2.7;proto=https"),
        ] {
            assert_eq!(ask("10.1.0.1", &[line]).map(drop), Err(BAD), "{line:?}");
        }
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")];
        assert_eq!(ask("10.1.0.1", &twice).map(drop), Err(BAD));
    }

    #[test]
    fn scheme_and_host_come_from_the_proxy() {
        let lines = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "HTTPS"),
            ("x-forwarded-host", "ioc.example.vn"),
        ];
        let (peer, host) = ask("10.1.0.1", &lines).expect("a client");
        assert!(peer.secure && peer.proxied);
        assert_eq!((host.as_str(), peer.cookie_name()), ("ioc.example.vn", "__Host-ioc"));
        let (peer, host) = ask("10.1.0.1", &[("x-forwarded-proto", "http")]).expect("a client");
        assert_eq!((peer.secure, host.as_str()), (false, "own.lan"));
        assert_eq!(peer.cookie_name(), "ioc_session");
    }

    #[test]
    fn nobody_behind_a_proxy_is_local() {
        assert!(ask("127.0.0.2", &[]).expect("direct").0.is_local());
        // 127.0.0.1 is a proxy here: what comes from there is somebody else's.
        assert!(!ask("127.0.0.1", &[]).expect("its own").0.is_local());
        assert!(!ask("127.0.0.1", &[("x-forwarded-for", "127.0.0.5")]).expect("said").0.is_local());
        // A proxy that nobody told us of.
        for line in ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via", "forwarded"] {
            let (peer, _) = ask("127.0.0.2", &[(line, "192.0.2.7")]).expect("ignored");
            assert!(!peer.is_local(), "{line}");
        }
    }

    #[test]
    fn two_hosts_stay_two() {
        let ends = Ends {
            remote: ([10, 1, 0, 1], 1).into(),
            local: ([127, 0, 0, 1], 1).into(),
            tls: false,
        };
        let mut two = headers(&[("host", "evil.example"), ("x-forwarded-host", "ioc.example.vn")]);
        assert!(proxies().peer(ends, &mut two).is_ok());
        assert_eq!(two.get_all(HOST).iter().count(), 2);
    }

    #[test]
    fn networks_are_written_as_networks() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "192.0.2.7", "2001:db8::/32", "::1/128"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10/8",
            "proxy.lan",
            "10.0.0.0/8/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let any: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(any.holds("255.1.2.3".parse().expect("v4")));
        assert!(!any.holds("::1".parse().expect("v6")));
    }

    proptest! {
        /// A client may write what it likes: the proxy appends its address, and that is who it is.
        #[test]
        fn no_client_passes_for_another(said in "[ -~]{0,60}", last in any::<u32>()) {
            let last = IpAddr::from(last.to_be_bytes());
            prop_assume!(!proxies().trusts(last));
            let got = client("10.1.0.1", &format!("{said}, {last}"));
            prop_assert_eq!(got, Ok(last.to_string()));
        }

        #[test]
        fn networks_hold_what_their_bits_say(a in any::<u32>(), b in any::<u32>(), bits in 0u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let network = Network { address: IpAddr::from((a & mask).to_be_bytes()), bits };
            let read: Network = network.to_string().parse().expect("reads back");
            prop_assert_eq!(read, network);
            prop_assert_eq!(network.holds(IpAddr::from(b.to_be_bytes())), a & mask == b & mask);
        }
    }
}
