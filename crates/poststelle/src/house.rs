// SPDX-License-Identifier: EUPL-1.2
//! Wiring: from configuration to a running house.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_channels::mail::{
    Direct, MailChannel, MailFormat, MailLetters, MailNotices, MailReceiver, MailRoutes,
};
use poststelle_connect::hot_folder::HotFolder;
use poststelle_connect::webhook::{self, Webhook};
use poststelle_crypto::certificate::Certificate;
use poststelle_crypto::keys::RootKey;
use poststelle_crypto::signature::setting::{Anchor, Trust};
use poststelle_hub::channel::Channel;
use poststelle_hub::clock::{SkewedClock, SystemClock, SystemIds};
use poststelle_hub::inspecting::KeyFolder;
use poststelle_hub::people::LocalAccounts;
use poststelle_hub::watch::Watch;
use poststelle_hub::{Engine, Hub, Parts, texts};
use poststelle_inspect::scan::{self, Address, Clamd, Scanner};
use poststelle_inspect::{Law, Station};
use poststelle_mail::smtp::client::{ClientTls, Dns, Route, Tls};
use poststelle_mail::smtp::server::{AuthPolicy, Mode, Server, Timeouts, fixed_tls};
use poststelle_model::Clock;
use poststelle_store::blob::{BlobStore, DiskStore, S3Config, S3Store};
use poststelle_store::keys::Keys;
use poststelle_store::{Db, DbConfig, StoreError, migrate};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Everything.
    All,
    /// Takes mail in (SMTP, REST).
    Ingress,
    /// Processes, delivers, watches.
    Worker,
    /// Pages and API.
    Web,
}

/// Opens the database of `config` without migrating.
pub async fn database(config: &Config) -> Result<Db> {
    let mut db = DbConfig::new(&config.database_url());
    if config.database.connections > 0 {
        db.connections = config.database.connections;
    }
    if let Some(path) = db.url.strip_prefix("sqlite://")
        && let Some(dir) = Path::new(path).parent()
    {
        std::fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
    }
    Db::open(&db).await.context("the database does not answer; check [database] url")
}

/// Brings the schema up to date as its owner.
pub async fn migrate_database(config: &Config) -> Result<i64> {
    let mut db = DbConfig::new(&config.owner_url());
    db.connections = 2;
    if let Some(path) = db.url.strip_prefix("sqlite://")
        && let Some(dir) = Path::new(path).parent()
    {
        std::fs::create_dir_all(dir).with_context(|| format!("folder {}", dir.display()))?;
    }
    let db = Db::open(&db).await.context("the database does not answer; check [database] owner_url")?;
    let role = (!config.database.app_role.is_empty()).then_some(config.database.app_role.as_str());
    let version = match migrate::migrate(&db, role).await {
        Err(newer @ StoreError::Newer { .. }) => bail!(texts::sentence(&newer.reason())),
        other => other.context("migration failed; nothing of it was kept")?,
    };
    db.close().await;
    Ok(version)
}

/// The blob store of `config`.
pub fn blobs(config: &Config) -> Result<Arc<dyn BlobStore>> {
    let b = &config.blobs;
    if b.s3_endpoint.is_empty() {
        let path = if b.path.as_os_str().is_empty() { config.data.join("blobs") } else { b.path.clone() };
        return Ok(Arc::new(
            DiskStore::open(&path).with_context(|| format!("blob folder {}", path.display()))?,
        ));
    }
    let s3 = S3Config {
        endpoint: b.s3_endpoint.clone(),
        bucket: b.s3_bucket.clone(),
        region: if b.s3_region.is_empty() { "eu-central-1".to_owned() } else { b.s3_region.clone() },
        access_key: b.s3_access_key.clone(),
        secret_key: b.s3_secret_key.clone(),
    };
    Ok(Arc::new(S3Store::open(&s3).context("S3 settings")?))
}

fn route(text: &str, tls: &str) -> Result<Route> {
    let (host, port) = text.rsplit_once(':').with_context(|| format!("{text:?} is not host:port"))?;
    let tls = match tls {
        "none" => Tls::None,
        "" | "opportunistic" => Tls::OpportunisticStartTls,
        "required" => Tls::RequireStartTls,
        "implicit" => Tls::Implicit,
        other => bail!("mail.relay_tls: {other:?} is none of none, opportunistic, required, implicit"),
    };
    let port = port.parse().with_context(|| format!("{text:?} is not host:port"))?;
    Ok(Route { host: host.trim_matches(['[', ']']).to_owned(), port, tls, auth: None })
}

/// Mail straight to the servers of a domain.
fn direct(config: &Config) -> Result<Direct> {
    let mail = &config.mail;
    let server = if mail.dns.is_empty() { None } else { Some(mail.dns.parse().context("mail.dns")?) };
    let permitted = if mail.direct_internal { |_| true } else { poststelle_hub::net::is_public };
    let dns = Dns::new(server, Duration::from_secs(5), permitted)
        .context("no name server; check mail.dns or the system's own settings")?;
    Ok(Direct { dns, port: if mail.direct_port == 0 { 25 } else { mail.direct_port } })
}

/// Puts the house together on an up-to-date database.
pub async fn hub(config: &Config, clock_skew: Duration, clock_back: bool) -> Result<Arc<Hub>> {
    let db = database(config).await?;
    let fits = migrate::check(migrate::current(&db).await?);
    fits.map_err(|error| anyhow::anyhow!(texts::sentence(&error.reason())))?;
    let root = RootKey::load_file(&config.root_key())?;
    let skew = i64::try_from(clock_skew.as_micros()).unwrap_or(0) * if clock_back { -1 } else { 1 };
    let clock: Arc<dyn Clock> = if skew == 0 { Arc::new(SystemClock) } else { Arc::new(SkewedClock(skew)) };
    let mut routes = MailRoutes::default();
    if !config.mail.relay.is_empty() {
        routes.relay = Some(route(&config.mail.relay, &config.mail.relay_tls)?);
    }
    for (domain, to) in &config.mail.routes {
        routes.domains.insert(domain.to_lowercase(), route(to, "opportunistic")?);
    }
    let mut roots = rustls::RootCertStore::empty();
    if !config.mail.relay_roots.as_os_str().is_empty() {
        for certificate in CertificateDer::pem_file_iter(&config.mail.relay_roots)
            .with_context(|| format!("mail.relay_roots {}", config.mail.relay_roots.display()))?
        {
            roots.add(certificate.context("mail.relay_roots")?).context("mail.relay_roots")?;
        }
    } else if matches!(config.mail.relay_tls.as_str(), "required" | "implicit") {
        bail!(
            "mail.relay_tls = {:?} needs mail.relay_roots: a PEM file with the roots to trust",
            config.mail.relay_tls
        );
    }
    let tls = ClientTls::new(roots, None).context("TLS for outgoing mail")?;
    let mut mail = MailChannel::new(&config.domain, tls, routes, config.limits.message_bytes);
    if config.mail.direct {
        mail = mail.directly(direct(config)?);
    }
    let hot_folder = if config.connect.hot_folder_roots.is_empty() {
        HotFolder::new()
    } else {
        HotFolder::within(config.connect.hot_folder_roots.clone())
    };
    let options = webhook::Options { permit_private: config.connect.internal_webhooks, ..Default::default() };
    let webhook = Webhook::new(&options).map_err(|e| anyhow::anyhow!("webhook: {e}"))?;
    let list: [Arc<dyn Channel>; 3] = [Arc::new(mail), Arc::new(hot_folder), Arc::new(webhook)];
    let channels: HashMap<&'static str, Arc<dyn Channel>> =
        list.into_iter().map(|c| (c.describe().name, c)).collect();
    let hub = Hub::new(Parts {
        db,
        blobs: blobs(config)?,
        keys: Keys::new(Arc::new(root)),
        clock,
        ids: Arc::new(SystemIds),
        openers: vec![Arc::new(MailFormat::default())],
        channels,
        station: Arc::new(station(config)?),
        mailbox_keys: Arc::new(KeyFolder { folder: config.inspect.keys(&config.data) }),
        notices: Arc::new(MailNotices { domain: config.domain.clone() }),
        letters: Arc::new(MailLetters { domain: config.domain.clone() }),
        domain: config.domain.clone(),
        node: format!("{}-{}", config.node, std::process::id()),
        limits: config.hub_limits(),
    });
    hub.found_system().await?;
    Ok(hub)
}

/// The inspection station.
fn station(config: &Config) -> Result<Station> {
    let folder = config.data.join("pruefung");
    std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(Station {
        caps: poststelle_inspect::Caps::default(),
        scanner: scanner(config)?,
        trust: Arc::new(trust(config)?),
        folder,
        by: format!("poststelle {}", env!("CARGO_PKG_VERSION")),
        law: Law::of(&config.inspect.jurisdiction).context("inspect.jurisdiction")?,
    })
}

/// The scanner that is configured.
fn scanner(config: &Config) -> Result<Option<Arc<dyn Scanner>>> {
    let clamd = config.inspect.clamd.as_str();
    let address = match clamd.strip_prefix("unix:") {
        _ if clamd.is_empty() => return Ok(None),
        Some(path) => Address::Unix(path.into()),
        None if clamd.contains(':') => Address::Tcp(clamd.to_owned()),
        None => bail!("inspect.clamd = {clamd:?}: give unix:/path/of/the/socket or host:port"),
    };
    Ok(Some(Arc::new(Clamd::new(scan::Settings::new(address)))))
}

/// Certificates signatures may end at: every PEM file in the folder.
fn trust(config: &Config) -> Result<Trust> {
    let mut trust = Trust::default();
    let folder = config.inspect.trust(&config.data);
    if !folder.exists() {
        return Ok(trust);
    }
    for entry in std::fs::read_dir(&folder).with_context(|| format!("inspect.trust {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "pem" || e == "crt") {
            let octets = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let found = Certificate::all_from(&octets);
            if found.is_empty() {
                bail!("inspect.trust: {} holds no certificate (PEM)", path.display());
            }
            trust.anchors.extend(found.into_iter().map(|c| Anchor::of_operator(c, &name)));
        }
    }
    Ok(trust)
}

/// A running node.
pub struct Running {
    /// The house.
    pub hub: Arc<Hub>,
    /// Pages and API.
    pub web: Option<SocketAddr>,
    /// `/health` and `/metrics` alone.
    pub machines: Option<SocketAddr>,
    /// SMTP with STARTTLS.
    pub smtp: Option<SocketAddr>,
    /// SMTP over TLS.
    pub smtps: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Ends everything in order: nothing new is taken, what runs gets time to end.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        self.hub.db().close().await;
    }
}

async fn listen(address: &str, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{what}: cannot listen on {address}"))
}

/// The doors of a node, open but not yet served: so that their addresses are known before anything starts.
#[derive(Debug, Default)]
pub struct Doors {
    web: Option<TcpListener>,
    machines: Option<TcpListener>,
    smtp: Option<TcpListener>,
    smtps: Option<TcpListener>,
}

impl Doors {
    /// Opens the doors that `role` needs.
    pub async fn open(config: &Config, role: Role) -> Result<Self> {
        let mut doors = Self::default();
        if matches!(role, Role::All | Role::Ingress) {
            if !config.smtp.listen.is_empty() {
                doors.smtp = Some(listen(&config.smtp.listen, "smtp.listen").await?);
            }
            if !config.smtp.listen_tls.is_empty() {
                doors.smtps = Some(listen(&config.smtp.listen_tls, "smtp.listen_tls").await?);
            }
        }
        if matches!(role, Role::All | Role::Ingress | Role::Web) {
            doors.web = Some(listen(&config.web.listen, "web.listen").await?);
        }
        if !config.telemetry.listen.is_empty() {
            doors.machines = Some(listen(&config.telemetry.listen, "telemetry.listen").await?);
        }
        Ok(doors)
    }

    /// Address of SMTP with STARTTLS.
    pub fn smtp(&self) -> Option<SocketAddr> {
        self.smtp.as_ref().and_then(|l| l.local_addr().ok())
    }

    /// Address of SMTP over TLS.
    pub fn smtps(&self) -> Option<SocketAddr> {
        self.smtps.as_ref().and_then(|l| l.local_addr().ok())
    }

    /// Address of `/health` and `/metrics` alone.
    pub fn machines(&self) -> Option<SocketAddr> {
        self.machines.as_ref().and_then(|l| l.local_addr().ok())
    }

    /// Address of pages and API.
    pub fn web(&self) -> Option<SocketAddr> {
        self.web.as_ref().and_then(|l| l.local_addr().ok())
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|s| *s).await;
}

/// TLS of the SMTP server from PEM files.
fn smtp_tls(config: &Config) -> Result<Option<Arc<rustls::ServerConfig>>> {
    if config.smtp.certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&config.smtp.certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("smtp.certificate {}", config.smtp.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&config.smtp.key)
        .with_context(|| format!("smtp.key {}", config.smtp.key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("smtp.certificate and smtp.key do not belong together")?;
    Ok(Some(Arc::new(tls)))
}

/// Starts a node with `role` on `hub` behind its open `doors`.
pub fn start(config: &Config, hub: Arc<Hub>, role: Role, doors: Doors) -> Result<Running> {
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let (web, smtp, smtps) = (doors.web(), doors.smtp(), doors.smtps());
    let machines = doors.machines();
    let sign_in = Arc::new(LocalAccounts);
    if smtp.is_some() || smtps.is_some() {
        let tls = smtp_tls(config)?.map(fixed_tls);
        let settings = poststelle_mail::smtp::server::Config {
            hostname: config.domain.clone(),
            auth: if config.smtp.auth_in_clear { AuthPolicy::Always } else { AuthPolicy::UnderTls },
            limits: poststelle_mail::smtp::server::Limits {
                message_size: config.limits.message_bytes,
                connections_per_peer: config.smtp.connections_per_peer,
                ..Default::default()
            },
            timeouts: Timeouts { drain: Duration::from_secs(10), ..Timeouts::default() },
            ..Default::default()
        };
        let server =
            Server::new(settings, Arc::new(MailReceiver::new(Arc::clone(&hub), sign_in.clone())), tls);
        let counted = server.clone();
        hub.counts_sessions(move || counted.open_sessions());
        for (listener, mode) in [(doors.smtp, Mode::StartTls), (doors.smtps, Mode::ImplicitTls)] {
            let Some(listener) = listener else { continue };
            let (server, stopping) = (server.clone(), stopping.clone());
            tasks.spawn(async move {
                if let Err(error) = server.run(listener, mode, stopped(stopping)).await {
                    tracing::error!(%error, "SMTP server ended");
                }
            });
        }
    }
    let settings = || poststelle_web::WebConfig {
        hub: Arc::clone(&hub),
        sign_in: sign_in.clone(),
        secure_cookies: config.web.secure_cookies,
        proxies: config.web.proxies.clone(),
        api_per_minute: config.web.api_per_minute,
        build: poststelle_web::BuildInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: String::new(),
            node: config.node.clone(),
        },
        pdf: poststelle_web::preview::command(),
    };
    let rooms = [
        (doors.web, poststelle_web::router as fn(_) -> _),
        (doors.machines, poststelle_web::machines as fn(_) -> _),
    ];
    for (listener, router) in rooms {
        let Some(listener) = listener else { continue };
        let router = router(settings());
        let stopping = stopping.clone();
        tasks.spawn(async move {
            if let Err(error) = poststelle_web::serve(listener, router, stopped(stopping)).await {
                tracing::error!(%error, "web server ended");
            }
        });
    }
    if matches!(role, Role::All | Role::Worker) {
        tasks.spawn(Arc::new(Engine::new(Arc::clone(&hub))).run(stopping.clone()));
        tasks.spawn(Arc::new(Watch::new(Arc::clone(&hub), config.hub_timers())).run(stopping));
    } else {
        tasks.spawn(Arc::new(Watch::new(Arc::clone(&hub), config.hub_timers())).probe_only(stopping));
    }
    Ok(Running { hub, web, machines, smtp, smtps, stop, tasks })
}
