//! Where a webhook may connect to. The configuration names a host; what it resolves to is decided
//! by a stranger's name server, so the address itself is judged, once, at the moment of
//! connecting: the connection goes to exactly the addresses that were judged (no rebinding).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A range of addresses, `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.1.0.0/16`, `fd00::/8`, or one address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, bits.parse().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(net).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(net).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// IPv4 that is not the public internet: IANA special-purpose registry (RFC 6890 and later), and
/// the one public address that is a cloud's inside (Azure's host).
const V4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared (CGNAT)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local or metadata"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
];

/// Parts of the global unicast IPv6 space (2000::/3) that lead elsewhere.
const V6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignments or Teredo"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
];

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused to connect to {address} ({kind}): not in allow_networks")]
pub struct Forbidden {
    address: IpAddr,
    kind: &'static str,
}

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Vec<Network>,
}

impl Guard {
    /// Lets through the public internet and these networks.
    pub fn new(allow: Vec<Network>) -> Self {
        Self { allow }
    }

    /// # Errors
    /// [`Forbidden`] for what is neither public nor allowed.
    pub fn judge(&self, address: IpAddr) -> Result<(), Forbidden> {
        // `::ffff:127.0.0.1` reaches 127.0.0.1.
        let real = address.to_canonical();
        if self.allow.iter().any(|n| n.holds(real)) {
            return Ok(());
        }
        match kind(real) {
            Some(kind) => Err(Forbidden { address, kind }),
            None => Ok(()),
        }
    }
}

/// What kind of not public address it is.
fn kind(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(_) => {
            let holds = |(net, bits, _): &&(Ipv4Addr, u8, _)| {
                Network { address: IpAddr::V4(*net), bits: *bits }.holds(ip)
            };
            V4.iter().find(holds).map(|(_, _, kind)| *kind)
        }
        IpAddr::V6(v6) => {
            // Everything outside 2000::/3 is loopback, unspecified, private, link-local,
            // multicast, translated (64:ff9b::) or not assigned.
            if v6.segments()[0] & 0xe000 != 0x2000 {
                return Some("not global unicast");
            }
            let holds = |(net, bits, _): &&(Ipv6Addr, u8, _)| {
                Network { address: IpAddr::V6(*net), bits: *bits }.holds(ip)
            };
            V6.iter().find(holds).map(|(_, _, kind)| *kind)
        }
    }
}

/// Addresses of a name; a seam for tests.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|a| a.ip()).collect())
    }
}

/// Resolves for the HTTP client and hands on only what the guard lets through: one bad address
/// spoils the name.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    pub(super) guard: Guard,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl fmt::Debug for GuardedResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedResolver").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { guard, lookup } = self.clone();
        Box::pin(async move {
            let found = lookup.addresses(name.as_str()).await?;
            if found.is_empty() {
                return Err(format!("`{}` has no address", name.as_str()).into());
            }
            for address in &found {
                guard.judge(*address)?;
            }
            // Port 0: the client takes that of the URL.
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}
