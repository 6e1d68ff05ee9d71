// SPDX-License-Identifier: EUPL-1.2
//! The databases and blob stores the contract runs on, and rows to put there.
//!
//! SQLite and the disk are always there. PostgreSQL and S3 are used when the
//! environment names them; a missing one is reported as `SKIPPED`, or is a
//! failure with `POSTSTELLE_REQUIRE_ORACLES=1`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use poststelle_model::{
    BlobId, ChannelKind, DeliveryId, DeliveryState, DeskId, Direction, Ids, JobId, MailboxId, Message,
    MessageId, Standing, Subject, Target, TenantId, Timestamp,
};
use poststelle_store::blob::{BlobStore, DiskStore, S3Config, S3Store};
use poststelle_store::desk::DeskItem;
use poststelle_store::evidence::Entry;
use poststelle_store::jobs::NewJob;
use poststelle_store::messages::{Delivery, NewMessage};
use poststelle_store::tenants::{self, Tenant};
use poststelle_store::{Db, DbConfig, Scope, migrate};

/// Ids for tests: unique in this process, growing.
pub struct TestIds;

static COUNTER: AtomicU64 = AtomicU64::new(1);

impl Ids for TestIds {
    fn next(&self) -> uuid::Uuid {
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut tail = [0u8; 10];
        tail[2..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(1_795_000_000_000 + n, &tail).into_uuid()
    }
}

/// A migrated database, open as the nodes open it.
pub struct Bed {
    /// What a node works with.
    pub db: Db,
    /// Address of [`Self::db`].
    pub url: String,
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    _dir: Option<tempfile::TempDir>,
}

fn required() -> bool {
    std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() == Ok("1")
}

fn skipped(what: &str) {
    assert!(!required(), "{what} is required (POSTSTELLE_REQUIRE_ORACLES=1)");
    println!("SKIPPED: {what}");
}

/// An empty database without tables: (address for nodes, address of the owner, role of the nodes).
pub struct Empty {
    pub url: String,
    pub owner: String,
    pub role: Option<String>,
    pub name: &'static str,
    pub dir: Option<tempfile::TempDir>,
}

/// Empty databases of each kind that is at hand.
pub async fn empties() -> Vec<Empty> {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/store.db", dir.path().display());
    let mut all = vec![Empty { owner: url.clone(), url, role: None, name: "sqlite", dir: Some(dir) }];
    let get = |name: &str| std::env::var(name).ok();
    match (
        get("POSTSTELLE_TEST_POSTGRES"),
        get("POSTSTELLE_TEST_POSTGRES_APP"),
        get("POSTSTELLE_TEST_POSTGRES_APP_ROLE"),
    ) {
        (Some(owner), Some(app), Some(role)) => {
            let name = format!("store_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
            let owner = migrate::create_database(&owner, &name).await.unwrap();
            let (base, _) = app.rsplit_once('/').unwrap();
            all.push(Empty {
                url: format!("{base}/{name}"),
                owner,
                role: Some(role),
                name: "postgres",
                dir: None,
            });
        }
        _ => skipped("PostgreSQL (POSTSTELLE_TEST_POSTGRES, _APP, _APP_ROLE are not set)"),
    }
    all
}

/// Migrated databases of each kind that is at hand.
pub async fn databases() -> Vec<Bed> {
    let mut all = Vec::new();
    for empty in empties().await {
        let owner = Db::open(&DbConfig { connections: 2, ..DbConfig::new(&empty.owner) }).await.unwrap();
        migrate::migrate(&owner, empty.role.as_deref()).await.unwrap();
        let db = Db::open(&DbConfig::new(&empty.url)).await.unwrap();
        owner.close().await;
        all.push(Bed { db, url: empty.url, name: empty.name, _dir: empty.dir });
    }
    all
}

/// A blob store with the folder names of this test only.
pub struct Shelf {
    pub store: Arc<dyn BlobStore>,
    pub name: &'static str,
    /// Where the files lie (disk only), to break them.
    pub dir: Option<tempfile::TempDir>,
}

/// Blob stores of each kind that is at hand.
pub fn shelves() -> Vec<Shelf> {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(DiskStore::open(dir.path()).unwrap());
    let mut all: Vec<Shelf> = vec![Shelf { store: disk, name: "disk", dir: Some(dir) }];
    let get = |name: &str| std::env::var(format!("POSTSTELLE_TEST_S3{name}")).ok();
    match (get(""), get("_BUCKET"), get("_REGION"), get("_ACCESS_KEY"), get("_SECRET_KEY")) {
        (Some(endpoint), Some(bucket), Some(region), Some(access_key), Some(secret_key)) => {
            let s3 = S3Store::open(&S3Config { endpoint, bucket, region, access_key, secret_key }).unwrap();
            all.push(Shelf { store: Arc::new(s3), name: "s3", dir: None });
        }
        _ => skipped("S3 (POSTSTELLE_TEST_S3, _BUCKET, … are not set)"),
    }
    all
}

/// Some moment; rows of tests count from here.
pub const THEN: Timestamp = Timestamp(1_795_000_000_000_000);

/// Adds a tenant with a mailbox and its clearing desk.
pub async fn tenant(db: &Db, slug: &str) -> (TenantId, MailboxId, DeskId) {
    let (id, mailbox, desk) = (TenantId::new(&TestIds), MailboxId::new(&TestIds), DeskId::new(&TestIds));
    let mut tx = db.begin(Scope::System).await.unwrap();
    let row = Tenant {
        id,
        slug: slug.to_owned(),
        name: format!("Gemeinde {slug}"),
        log_origin: format!("test/{slug}"),
        wrapped_key: "v1.x".to_owned(),
        wrapped_note_key: "s1.x".to_owned(),
        note_vkey: "x".to_owned(),
        clearing_desk: desk,
        created_at: THEN,
    };
    tenants::insert(&mut tx, &row).await.unwrap();
    tenants::insert_mailbox(&mut tx, id, mailbox, "Posteingang", THEN).await.unwrap();
    let clearing = tenants::Desk {
        id: desk,
        administration: None,
        name: "Klärungskorb".to_owned(),
        kind: "clearing".to_owned(),
    };
    tenants::insert_desk(&mut tx, &clearing, &[id], THEN).await.unwrap();
    tx.commit().await.unwrap();
    (id, mailbox, desk)
}

/// A message as accept writes it.
pub fn message(tenant: TenantId, mailbox: MailboxId, foreign_id: &str, sha256: &str) -> NewMessage {
    let id = MessageId::new(&TestIds);
    NewMessage {
        message: Message {
            tenant,
            id,
            direction: Direction::In,
            channel: ChannelKind::Mail,
            mailbox: Some(mailbox),
            foreign_id: foreign_id.to_owned(),
            conflicts_with: None,
            in_reply_to: None,
            conversation: None,
            blob: BlobId::new(&TestIds),
            size: 1000,
            sha256: sha256.to_owned(),
            sha512: sha256.to_owned(),
            transport: Default::default(),
            accepted_at: THEN,
        },
        wrapped_key: "v1.k".to_owned(),
        mailboxes: vec![mailbox],
    }
}

/// A planned delivery to a desk.
pub fn delivery(tenant: TenantId, message: MessageId, desk: DeskId) -> Delivery {
    Delivery {
        tenant,
        id: DeliveryId::new(&TestIds),
        message,
        rule: None,
        target: Target::Desk { desk },
        state: DeliveryState::Planned,
        reason: None,
        foreign_id: String::new(),
        attempts: 0,
        next_attempt: Timestamp(0),
        expires_at: THEN.plus(Duration::from_secs(86_400)),
        created_at: THEN,
        changed_at: THEN,
        version: 1,
    }
}

/// An entry `n` in the chain of `subject`.
pub fn entry(tenant: TenantId, subject: &Subject, n: i64) -> Entry {
    Entry {
        tenant,
        subject: subject.clone(),
        n,
        event: "Changed".to_owned(),
        at: Timestamp(THEN.0 + n),
        who: "house:test".to_owned(),
        envelope: format!("{{\"n\":{n}}}"),
        body: "{}".to_owned(),
        hash: format!("{n:064x}"),
        pos: -1,
    }
}

/// A job that is due `delay` after its commit.
pub fn job(tenant: TenantId, lane: &str, subject: &str, delay: Duration) -> NewJob {
    NewJob {
        id: JobId::new(&TestIds),
        tenant,
        lane: lane.to_owned(),
        kind: "test".to_owned(),
        version: 1,
        subject: subject.to_owned(),
        payload: "{}".to_owned(),
        delay,
        created_at: THEN,
    }
}

/// A delivery's item as it is laid on a desk.
pub fn item(tenant: TenantId, delivery: DeliveryId, desk: DeskId, message: MessageId) -> DeskItem {
    DeskItem {
        tenant,
        delivery,
        desk,
        message,
        standing: Standing::NEW,
        urgent: false,
        created_at: THEN,
        version: 1,
        changed_at: Timestamp(0),
        changed_by: None,
        before: None,
    }
}
