// SPDX-License-Identifier: EUPL-1.2
//! The guard against requests into our own network (SSRF).
//!
//! Guarantees: a guarded client connects only to addresses [`is_public`] allows; the address checked is the
//! address connected to, because the check sits in the client's own resolver (a name that changes its address
//! between check and use gains nothing). Literal addresses in a URL are checked by [`Guard::literal`], since
//! clients do not resolve them. Redirects and proxies are switched off where the client is built.
//! Does not: judge what a public address does with the request.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use poststelle_hub::net::is_public;
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

#[cfg(test)]
mod tests {
    use super::*;

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
