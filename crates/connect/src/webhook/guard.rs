// SPDX-License-Identifier: EUPL-1.2
//! The guard against requests into our own network (SSRF).
//!
//! Guarantees: a guarded client connects only to addresses [`is_public`] allows; the address checked is the
//! address connected to, because the check sits in the client's own resolver (a name that changes its address
//! between check and use gains nothing). Literal addresses in a URL are checked by [`Guard::literal`], since
//! clients do not resolve them. Redirects and proxies are switched off where the client is built.
//! Does not: judge what a public address does with the request.
//!
//! Sources: IANA special-purpose address registries (RFC 6890 and successors), RFC 6052 (NAT64).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Turns names into addresses; the system's way unless a test brings its own.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A name or address that must not be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// What was asked for.
    pub host: String,
    /// What it stands for.
    pub address: IpAddr,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is at {}, which is not a public address", self.host, self.address)
    }
}

impl std::error::Error for Forbidden {}

/// A resolver that gives only what may be called.
#[derive(Clone)]
pub struct Guard {
    lookup: Arc<dyn Lookup>,
    allow_private: bool,
}

impl Guard {
    /// `allow_private` switches the check off.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, allow_private: bool) -> Self {
        Self { lookup, allow_private }
    }

    /// Checks a host that is an address (`[::1]` with brackets, as URLs have it). Names pass: they are checked
    /// when resolved.
    ///
    /// # Errors
    /// [`Forbidden`] for an address that must not be called.
    pub fn literal(&self, host: &str) -> Result<(), Forbidden> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) if !self.allow_private && !is_public(address) => {
                Err(Forbidden { host: host.to_owned(), address })
            }
            _ => Ok(()),
        }
    }

    /// The addresses of a name that may be called.
    ///
    /// # Errors
    /// What the lookup says, or [`Forbidden`] (inside) when no address may be called.
    pub async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let all = self.lookup.lookup(name).await?;
        let Some(first) = all.first().copied() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address")));
        };
        let good: Vec<IpAddr> = all.into_iter().filter(|a| self.allow_private || is_public(*a)).collect();
        if good.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                Forbidden { host: name.to_owned(), address: first },
            ));
        }
        Ok(good)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let good = guard.addresses(name.as_str()).await?;
            Ok(Box::new(good.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// May anybody on the Internet be expected at this address?
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, ..)            // this network, private, loopback
            | (100, 64..=127, _)      // carrier-grade NAT
            | (169, 254, _)           // link-local, cloud metadata
            | (172, 16..=31, _)       // private
            | (192, 0, 0 | 2)         // protocol assignments, documentation
            | (192, 88, 99)           // 6to4 relay
            | (192, 168, _)           // private
            | (198, 18..=19, _)       // benchmarking
            | (198, 51, 100)          // documentation
            | (203, 0, 113)           // documentation
            | (224.., ..) // multicast, reserved, broadcast
    )
}

fn public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        // NAT64: as good as the address inside.
        let [g1, g2] = g.to_be_bytes();
        let [h1, h2] = h.to_be_bytes();
        return public_v4(Ipv4Addr::new(g1, g2, h1, h2));
    }
    // Only global unicast; that leaves out loopback, mapped and compatible IPv4, ULA, link-local, multicast.
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && b < 0x0200)   // protocol assignments: Teredo, ORCHID, benchmarking
        && !(a == 0x2001 && b == 0x0db8)  // documentation
        && a != 0x2002                    // 6to4 carries an IPv4 address
        && !(a == 0x3fff && b < 0x1000) // documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2a00:1450:4001::1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
        ];
        let not = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ];
        for text in public {
            assert!(is_public(text.parse().expect(text)), "{text} is public");
        }
        for text in not {
            assert!(!is_public(text.parse().expect(text)), "{text} is not");
        }
    }

    #[test]
    fn literals_with_and_without_brackets() {
        let guard = Guard::new(Arc::new(SystemLookup), false);
        assert!(guard.literal("[::1]").is_err());
        assert!(guard.literal("127.0.0.1").is_err());
        assert!(guard.literal("1.1.1.1").is_ok());
        assert!(guard.literal("example.org").is_ok());
        assert!(Guard::new(Arc::new(SystemLookup), true).literal("[::1]").is_ok());
    }
}
