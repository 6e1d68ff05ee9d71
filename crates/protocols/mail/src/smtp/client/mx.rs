// SPDX-License-Identifier: EUPL-1.2
//! Which servers take mail for a domain, and reaching one of them (RFC 5321 §5.1, RFC 7505, RFC 5891).
//!
//! Guarantees: servers come in order of preference, equals in an order drawn anew each time; a domain without MX
//! stands for itself; a null MX, an unknown domain and one that leads nowhere are final, everything a name server may
//! answer otherwise tomorrow is not; ourselves and what is less preferred are left out, so that no loop forms; only
//! addresses the caller permits are given, and the address checked is the address connected to. What is looked at is
//! capped: [`HOSTS`] servers, [`ADDRESSES`] addresses of each. A server that cannot be reached or turns the connection
//! away gives way to the next; once one is ready for mail, its word counts.
//! Not here: DNSSEC, DANE (RFC 7672), MTA-STS (RFC 8461).

use super::outcome::{Cause, Failure, Outcome, Stage};
use super::{Client, Connection, Dialogue, Line, Resolver, Route, Speaker, Tls};
use async_trait::async_trait;
use futures::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Servers of a domain that are looked at.
pub const HOSTS: usize = 8;
/// Addresses of a server that are tried.
pub const ADDRESSES: usize = 4;
/// Time for all questions about one domain together.
const WHOLE: Duration = Duration::from_secs(30);

/// A server that takes mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name; a bare address for an address literal.
    pub host: String,
    /// Its addresses in the order they shall be tried, at least one.
    pub addresses: Vec<IpAddr>,
}

/// Why there is no server to send to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoExchange {
    /// The domain says that it takes no mail at all.
    #[error("the domain takes no mail (null MX)")]
    NullMx,
    /// There is no such domain.
    #[error("there is no such domain")]
    NoDomain,
    /// Neither the domain nor any server it names has an address.
    #[error("the domain has no mail server")]
    NoServer,
    /// The most preferred server is ourselves.
    #[error("the mail server of the domain is this server")]
    Ourselves,
    /// All servers are at addresses that are not permitted.
    #[error("{host} is at {address}, where no mail is sent to")]
    Forbidden {
        /// The server.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// No answer now; later there may be one.
    #[error("{0}")]
    Later(String),
}

/// Name servers asked for mail servers. Cheap to clone.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    permitted: fn(IpAddr) -> bool,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks `server`, or without one those of the operating system (`/etc/resolv.conf`), and waits `patience` for each
    /// answer. Only addresses that are `permitted` are given.
    ///
    /// # Errors
    /// When the system names no server that can be used.
    pub fn new(
        server: Option<SocketAddr>,
        patience: Duration,
        permitted: fn(IpAddr) -> bool,
    ) -> io::Result<Self> {
        let mut builder = match server {
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut c| {
                    c.port = server.port();
                    c
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(io::Error::other)?,
        };
        let options = builder.options_mut();
        options.timeout = patience;
        // Mail goes where the public says, not where a local file does.
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { resolver: builder.build().map_err(io::Error::other)?, permitted })
    }

    /// The servers that take mail for `domain`, most preferred first. `own` is our name; `draw` gives random numbers.
    ///
    /// # Errors
    /// [`NoExchange`].
    pub async fn exchanges(
        &self,
        domain: &str,
        own: &str,
        draw: &mut (dyn FnMut() -> u64 + Send),
    ) -> Result<Vec<Exchange>, NoExchange> {
        match timeout(WHOLE, self.find(domain, own, draw)).await {
            Ok(found) => found,
            Err(_) => Err(NoExchange::Later("no answer in time".to_owned())),
        }
    }

    async fn find(
        &self,
        domain: &str,
        own: &str,
        draw: &mut (dyn FnMut() -> u64 + Send),
    ) -> Result<Vec<Exchange>, NoExchange> {
        if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
            let literal = literal
                .get(..5)
                .filter(|t| t.eq_ignore_ascii_case("IPv6:"))
                .map_or(literal, |_| &literal[5..]);
            let address = literal.parse().map_err(|_| NoExchange::NoDomain)?;
            return self.usable(vec![(literal.to_owned(), Ok(vec![address]))]);
        }
        let mut name = Name::from_utf8(domain).map_err(|_| NoExchange::NoDomain)?;
        name.set_fqdn(true);
        let named = match self.resolver.mx_lookup(name.clone()).await {
            Ok(found) => found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some((mx.preference, mx.exchange.clone())),
                    _ => None,
                })
                .collect(),
            Err(error) => match absent(&error) {
                Some(ResponseCode::NXDomain) => return Err(NoExchange::NoDomain),
                Some(_) => Vec::new(),
                None => return Err(NoExchange::Later(error.to_string())),
            },
        };
        let hosts = if named.is_empty() { vec![name] } else { in_order(named, own, draw)? };
        let found = join_all(hosts.into_iter().map(|host| async move {
            let addresses = self.addresses(&host).await;
            (host.to_ascii().trim_end_matches('.').to_owned(), addresses)
        }));
        self.usable(found.await)
    }

    /// Addresses of a host, IPv4 first: more servers refuse mail from an IPv6 address without a name.
    async fn addresses(&self, host: &Name) -> Result<Vec<IpAddr>, NetError> {
        let ask = |of| self.resolver.lookup(host.clone(), of);
        let (v4, v6) = tokio::join!(ask(RecordType::A), ask(RecordType::AAAA));
        let mut addresses = Vec::new();
        let mut failed = None;
        for found in [v4, v6] {
            match found {
                Ok(found) => addresses.extend(found.answers().iter().filter_map(|r| r.data.ip_addr())),
                Err(error) if absent(&error).is_none() => failed = Some(error),
                Err(_) => {}
            }
        }
        match failed {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }

    /// What may be connected to; if nothing may, why.
    fn usable(
        &self,
        found: Vec<(String, Result<Vec<IpAddr>, NetError>)>,
    ) -> Result<Vec<Exchange>, NoExchange> {
        let mut exchanges = Vec::new();
        let mut why = NoExchange::NoServer;
        for (host, addresses) in found {
            match addresses {
                Ok(all) => {
                    let (mut good, bad): (Vec<_>, Vec<_>) =
                        all.into_iter().partition(|a| (self.permitted)(*a));
                    good.truncate(ADDRESSES);
                    if !good.is_empty() {
                        exchanges.push(Exchange { host, addresses: good });
                    } else if let (Some(address), NoExchange::NoServer) = (bad.first(), &why) {
                        why = NoExchange::Forbidden { host, address: *address };
                    }
                }
                Err(error) => why = NoExchange::Later(format!("{host}: {error}")),
            }
        }
        if exchanges.is_empty() { Err(why) } else { Ok(exchanges) }
    }
}

/// The answer says that there is nothing of the kind: NXDOMAIN, or nothing of this type.
fn absent(error: &NetError) -> Option<ResponseCode> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(none.response_code),
        _ => None,
    }
}

/// Servers by preference, equals as drawn, without ourselves and what comes after us.
fn in_order(
    mut named: Vec<(u16, Name)>,
    own: &str,
    draw: &mut (dyn FnMut() -> u64 + Send),
) -> Result<Vec<Name>, NoExchange> {
    named.retain(|(_, host)| !host.is_root());
    if named.is_empty() {
        return Err(NoExchange::NullMx);
    }
    let is_own = |host: &Name| host.to_ascii().trim_end_matches('.').eq_ignore_ascii_case(own);
    if let Some(ours) = named.iter().filter(|(_, host)| is_own(host)).map(|(preference, _)| *preference).min()
    {
        named.retain(|(preference, _)| *preference < ours);
        if named.is_empty() {
            return Err(NoExchange::Ourselves);
        }
    }
    named.sort_by_cached_key(|(preference, _)| (*preference, draw()));
    Ok(named.into_iter().map(|(_, host)| host).take(HOSTS).collect())
}

/// Addresses that were looked up and checked before.
struct Known(Vec<IpAddr>);

#[async_trait]
impl Resolver for Known {
    async fn resolve(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }
}

impl Client {
    /// Makes the first of `exchanges` that can be reached ready for a message. After `patience` no further one is
    /// begun. The dialogue holds the vain tries too.
    ///
    /// # Errors
    /// [`Failure`], always meaning try later.
    pub async fn reach(
        &self,
        exchanges: &[Exchange],
        port: u16,
        tls: Tls,
        patience: Duration,
    ) -> Result<Connection, Box<Failure>> {
        let began = Instant::now();
        let mut tried: Vec<Line> = Vec::new();
        let mut last: Option<Box<Failure>> = None;
        for exchange in exchanges {
            if let Some(failure) = last.take() {
                if began.elapsed() >= patience {
                    last = Some(failure);
                    break;
                }
                let text = format!("not by {}", failure.dialogue.host);
                tried.push(Line { at: Duration::ZERO, speaker: Speaker::Remark, text });
                tried.extend(failure.dialogue.lines);
            }
            let client = self.clone().with_resolver(Arc::new(Known(exchange.addresses.clone())));
            let route = Route { host: exchange.host.clone(), port, tls, auth: None };
            match client.connect(&route).await {
                Ok(mut connection) => {
                    connection.preamble += tried.len();
                    connection.dialogue.lines.splice(0..0, tried);
                    return Ok(connection);
                }
                Err(failure) => last = Some(failure),
            }
        }
        let mut failure = last.unwrap_or_else(|| {
            let outcome = Outcome::later(Stage::Resolve, Cause::Unresolved("no server".to_owned()));
            Box::new(Failure { outcome, dialogue: Dialogue::default() })
        });
        failure.dialogue.lines.splice(0..0, tried);
        Err(failure)
    }
}
