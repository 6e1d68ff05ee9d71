// SPDX-License-Identifier: EUPL-1.2
//! A hub wired for tests.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use poststelle_channels::mail::{
    MailChannel, MailFormat, MailLetters, MailNotices, MailReceiver, MailRoutes,
};
use poststelle_connect::hot_folder::HotFolder;
use poststelle_connect::webhook::{Options, Webhook};
use poststelle_crypto::keys::RootKey;
use poststelle_hub::channel::Channel;
use poststelle_hub::clock::{SystemClock, SystemIds};
use poststelle_hub::inspecting::NoKeys;
use poststelle_hub::people::LocalAccounts;
use poststelle_hub::{Engine, Hub, Limits, NewIntake, Parts};
use poststelle_inspect::Station;
use poststelle_mail::smtp::client::{ClientTls, Route, Timeouts, Tls};
use poststelle_mail::smtp::server::{Config, Mode, Server};
use poststelle_model::{ChannelKind, Direction, MessageId, TenantId, Who};
use poststelle_store::blob::DiskStore;
use poststelle_store::keys::Keys;
use poststelle_store::{Db, DbConfig, migrate};
use poststelle_world::far_side::FarSide;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub struct House {
    pub hub: Arc<Hub>,
    pub smtp: SocketAddr,
    pub far: Arc<FarSide>,
    pub dir: TempDir,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

pub struct Settings {
    pub limits: Limits,
    pub max_out: u64,
    pub call: Duration,
}

/// Asks again until there is an answer, for `seconds`; an `Err` says what is still missing.
pub async fn until<T>(seconds: u64, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask().await {
            Ok(found) => return found,
            Err(missing) => assert!(Instant::now() < deadline, "{missing}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl House {
    pub async fn open(settings: Settings) -> Self {
        let far = Arc::new(FarSide::start().await.unwrap());
        let relay = far.addr();
        Self::relaying(settings, far, relay).await
    }

    /// With another relay than the far side.
    pub async fn relaying(settings: Settings, far: Arc<FarSide>, relay: SocketAddr) -> Self {
        let route = Route { host: relay.ip().to_string(), port: relay.port(), tls: Tls::None, auth: None };
        let routes = MailRoutes { relay: Some(route), ..MailRoutes::default() };
        let mail = mail(routes, &settings);
        Self::sending(settings, far, mail).await
    }

    /// With this way out.
    pub async fn sending(settings: Settings, far: Arc<FarSide>, mail: MailChannel) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = hub(dir.path(), mail, &settings).await;
        hub.found_system().await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = listener.local_addr().unwrap();
        let mut config = Config { hostname: "hub.example".into(), ..Config::default() };
        config.limits.message_size = settings.limits.message_bytes;
        config.timeouts.drain = Duration::from_secs(1);
        let receiver = MailReceiver::new(Arc::clone(&hub), Arc::new(LocalAccounts));
        let server = Server::new(config, Arc::new(receiver), None);
        let mut until = stopping.clone();
        tasks.spawn(async move {
            let stopped = async move {
                let _ = until.wait_for(|s| *s).await;
            };
            server.run(listener, Mode::StartTls, stopped).await.unwrap();
        });
        tasks.spawn(Arc::new(Engine::new(Arc::clone(&hub))).run(stopping));
        Self { hub, smtp, far, dir, stop, tasks }
    }

    /// A mail of the tenant to these.
    pub async fn submit(&self, tenant: TenantId, to: &[&str]) -> MessageId {
        let to = to.iter().map(|t| (*t).to_owned()).collect();
        let new = NewIntake {
            channel: ChannelKind::Mail,
            direction: Direction::Out,
            addressed: BTreeMap::from([(tenant, Vec::new())]),
            recipients: BTreeMap::from([(tenant, to)]),
            transport: Default::default(),
            foreign_id: String::new(),
            announced: None,
            who: Who::house("test"),
        };
        let mut intake = self.hub.accept(new).await.unwrap();
        let mail = b"Subject: Bescheid\r\nMessage-ID: <b@hub.example>\r\n\r\nText\r\n";
        intake.push(&self.hub, mail).await.unwrap();
        intake.finish(&self.hub).await.unwrap()[0].message
    }

    pub async fn close(mut self) {
        self.far.go_away().await;
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.hub.db().close().await;
    }
}

/// The mail channel with the time-outs of `settings`.
pub fn mail(routes: MailRoutes, settings: &Settings) -> MailChannel {
    let call = settings.call;
    let timeouts = Timeouts {
        connect: call,
        greeting: call,
        command: call,
        mail: call,
        rcpt: call,
        data: call,
        end: call,
        ..Timeouts::default()
    };
    let tls = ClientTls::new(rustls::RootCertStore::empty(), None).unwrap();
    MailChannel::new("hub.example", tls, routes, settings.max_out).with_timeouts(timeouts)
}

async fn hub(dir: &Path, mail: MailChannel, settings: &Settings) -> Arc<Hub> {
    let url = format!("sqlite://{}", dir.join("hub.db").display());
    let db = Db::open(&DbConfig::new(&url)).await.unwrap();
    migrate::migrate(&db, None).await.unwrap();
    let key = RootKey::load_or_create_file(&dir.join("root.key")).unwrap();
    let webhook = Webhook::new(&Options { permit_private: true, ..Options::default() }).unwrap();
    let list: [Arc<dyn Channel>; 3] = [Arc::new(mail), Arc::new(HotFolder::new()), Arc::new(webhook)];
    let channels: HashMap<_, _> = list.into_iter().map(|c| (c.describe().name, c)).collect();
    Hub::new(Parts {
        db,
        blobs: Arc::new(DiskStore::open(&dir.join("blobs")).unwrap()),
        keys: Keys::new(Arc::new(key)),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        openers: vec![Arc::new(MailFormat::default())],
        channels,
        station: Arc::new(Station::plain(&std::env::temp_dir())),
        mailbox_keys: Arc::new(NoKeys),
        notices: Arc::new(MailNotices { domain: "hub.example".into() }),
        letters: Arc::new(MailLetters { domain: "hub.example".into() }),
        domain: "hub.example".into(),
        node: "test".into(),
        limits: settings.limits.clone(),
    })
}
