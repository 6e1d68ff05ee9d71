// SPDX-License-Identifier: EUPL-1.2
//! An installation in a temporary folder: its configuration, the program, and a hub to bring mail in.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use poststelle_channels::mail::{MailFormat, MailLetters, MailNotices};
use poststelle_crypto::keys::RootKey;
use poststelle_hub::clock::{SystemClock, SystemIds};
use poststelle_hub::inspecting::NoKeys;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_hub::{Engine, Hub, Limits, NewIntake, Parts};
use poststelle_inspect::Station;
use poststelle_model::message::Transport;
use poststelle_model::{ChannelKind, Direction, MailboxId, MessageId, TenantId, Who};
use poststelle_store::blob::{BlobStore, DiskStore};
use poststelle_store::keys::Keys;
use poststelle_store::{Db, DbConfig, Scope, jobs, migrate};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Which database an installation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// The databases that are at hand.
pub fn kinds() -> Vec<Kind> {
    if std::env::var_os("POSTSTELLE_TEST_POSTGRES").is_some() {
        return vec![Kind::Sqlite, Kind::Postgres];
    }
    assert_ne!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(), Ok("1"), "PostgreSQL is required");
    println!("SKIPPED: PostgreSQL (POSTSTELLE_TEST_POSTGRES is not set)");
    vec![Kind::Sqlite]
}

/// An empty PostgreSQL database: addresses of worker and owner, and the worker's role.
pub async fn new_postgres() -> (String, String, String) {
    let get = |name: &str| std::env::var(format!("POSTSTELLE_TEST_POSTGRES{name}")).unwrap();
    let name = format!("place_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let owner = migrate::create_database(&get(""), &name).await.unwrap();
    (format!("{}/{name}", get("_APP").rsplit_once('/').unwrap().0), owner, get("_APP_ROLE"))
}

/// An installation.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub kind: Kind,
    url: String,
}

impl Place {
    /// An installation with nothing in it but its configuration.
    pub async fn empty(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut place = Self { dir, kind, url: String::new() };
        place.new_database().await;
        place
    }

    /// An installation founded by `migrate`.
    pub async fn founded(kind: Kind) -> Self {
        let place = Self::empty(kind).await;
        place.fine(&["migrate"]);
        place
    }

    /// Points the configuration to an empty database: the old one is gone.
    pub async fn new_database(&mut self) {
        let mut database = String::new();
        match self.kind {
            Kind::Sqlite => self.url = format!("sqlite://{}", self.path("data/poststelle.db").display()),
            Kind::Postgres => {
                let (url, owner, role) = new_postgres().await;
                self.url = url;
                database =
                    format!("[database]\nurl = '{}'\nowner_url = '{owner}'\napp_role = '{role}'\n", self.url);
            }
        }
        let data = self.path("data");
        let text = format!("data = '{}'\ndomain = 'poststelle.example'\n{database}", data.display());
        std::fs::write(self.path("poststelle.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poststelle"));
        command.args(arguments).arg("--config").arg(self.path("poststelle.toml"));
        command.env_remove("POSTSTELLE_EXPORT_PASSPHRASE").output().unwrap()
    }

    /// Runs it; it must go well.
    pub fn fine(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{arguments:?}: {words}\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`Self::fine`] with `--json`.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.fine(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs it; it must refuse. Gives what it said.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn blobs(&self) -> Arc<dyn BlobStore> {
        Arc::new(DiskStore::open(&self.path("data/blobs")).unwrap())
    }

    pub async fn db(&self) -> Db {
        Db::open(&DbConfig::new(&self.url)).await.unwrap()
    }

    /// A hub of this installation in the test's own process.
    pub async fn hub(&self) -> Arc<Hub> {
        let root = RootKey::load_file(&self.path("data/root.key")).unwrap();
        Hub::new(Parts {
            db: self.db().await,
            blobs: self.blobs(),
            keys: Keys::new(Arc::new(root)),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            openers: vec![Arc::new(MailFormat::default())],
            channels: HashMap::new(),
            station: Arc::new(Station::plain(&std::env::temp_dir())),
            mailbox_keys: Arc::new(NoKeys),
            notices: Arc::new(MailNotices { domain: "poststelle.example".to_owned() }),
            letters: Arc::new(MailLetters { domain: "poststelle.example".to_owned() }),
            domain: "poststelle.example".to_owned(),
            node: format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            limits: Limits::default(),
        })
    }
}

/// A tenant with one mailbox and address; what no rule claims goes to its clearing desk.
pub async fn tenant(hub: &Arc<Hub>, slug: &str) -> (TenantId, MailboxId) {
    let who = Who::house("test");
    let tenant = hub.add_tenant(slug, &format!("Gemeinde {slug}"), &who).await.unwrap();
    let mailbox = hub.add_mailbox(tenant, "Posteingang", &who).await.unwrap();
    hub.add_address(tenant, mailbox, ChannelKind::Mail, &format!("post@{slug}.example"), &who).await.unwrap();
    (tenant, mailbox)
}

/// Takes `count` mails in and works until nothing is left to do; gives ids and octets.
pub async fn mail(
    hub: &Arc<Hub>,
    tenant: TenantId,
    mailbox: MailboxId,
    from: usize,
    count: usize,
) -> Vec<(MessageId, Vec<u8>)> {
    let mut all = Vec::new();
    for i in from..from + count {
        let size = if i % 7 == 3 { 300_000 } else { 200 };
        let octets = format!(
            "From: Erika Muster <erika@example.org>\r\nTo: post@example.org\r\nSubject: Antrag {i}\r\n\
             Message-ID: <{i}.{tenant}@example.org>\r\nDate: Sun, 22 Nov 2026 09:15:30 +0100\r\n\r\n{}\r\n",
            "Zeile mit Text.\r\n".repeat(size / 17 + 1)
        )
        .into_bytes();
        let new = NewIntake {
            channel: ChannelKind::Mail,
            direction: Direction::In,
            addressed: BTreeMap::from([(tenant, vec![mailbox])]),
            recipients: BTreeMap::from([(tenant, vec!["post@example.org".to_owned()])]),
            transport: Transport { sender: "erika@example.org".to_owned(), ..Transport::default() },
            foreign_id: String::new(),
            announced: None,
            who: Who::house("test"),
        };
        let mut intake = hub.accept(new).await.unwrap();
        intake.push(hub, &octets).await.unwrap();
        let accepted = intake.finish(hub).await.unwrap();
        all.push((accepted[0].message, octets));
    }
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let engine = tokio::spawn(Arc::new(Engine::new(Arc::clone(hub))).run(stopping));
    let idle = async {
        loop {
            let mut tx = hub.db().read(Scope::System).await.unwrap();
            if jobs::counts(&mut tx).await.unwrap().is_empty() {
                return;
            }
            drop(tx);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), idle).await.expect("the work comes to its end");
    stop.send(true).unwrap();
    engine.await.unwrap();
    Watch::new(Arc::clone(hub), Timers::default()).sequence_all().await.unwrap();
    all
}

/// Every message has exactly the octets it was accepted with.
pub async fn all_there(hub: &Arc<Hub>, tenant: TenantId, sent: &[(MessageId, Vec<u8>)]) {
    for (id, octets) in sent {
        let (message, _) = hub.content(tenant, *id).await.unwrap();
        assert_eq!(
            message.sha256,
            poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(octets))
        );
        let key = hub.keys().tenant(hub.db(), tenant).await.unwrap();
        let mut tx = hub.db().read(Scope::Tenant(tenant)).await.unwrap();
        let wrapped = poststelle_store::messages::wrapped_key(&mut tx, tenant, *id).await.unwrap().unwrap();
        let blob_key = Keys::blob_key(&key, tenant, *id, &wrapped, message.blob).unwrap();
        let name = poststelle_store::blob::name(tenant, *id, message.blob);
        let size = octets.len() as u64;
        let mut reader =
            poststelle_store::blob::BlobReader::open(Arc::clone(hub.blobs()), name, &blob_key, size)
                .await
                .unwrap();
        assert!(reader.range(0..size).await.unwrap() == *octets, "{id}");
    }
}
