// SPDX-License-Identifier: EUPL-1.2
//! The house: what all steps share. Wired once in the binary.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use poststelle_inspect::station::Station;
use poststelle_model::{Clock, ConnectorId, Ids, Message, MessageId, TenantId, Timestamp};
use poststelle_store::blob::BlobStore;
use poststelle_store::keys::Keys;
use poststelle_store::tenants::{Connector, Tenant};
use poststelle_store::{Db, Scope, StoreError, messages, quarantine, tenants};
use tokio::sync::{Notify, Semaphore};

use crate::change::Committer;
use crate::channel::Channel;
use crate::content::{ClosedRange, Opener, StoredContent};
use crate::health::Health;
use crate::inspecting::MailboxKeys;
use crate::letters::Letters;
use crate::live::LogSizes;
use crate::measured::Measured;
use crate::metrics::Metrics;
use crate::notice::Notices;
use crate::reading::Readings;
use crate::recent::Recent;
use crate::routing::{RuleSet, SharedRules};

/// Numbers that can be set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory all intakes together may hold, KiB.
    pub intake_kib: usize,
    /// Longest wait for a share of it.
    pub intake_wait: Duration,
    /// Largest message, bytes.
    pub message_bytes: u64,
    /// Most tenants one transport transaction may address.
    pub tenants_per_transaction: usize,
    /// Jobs in work at once on this node.
    pub parallel: usize,
    /// How long a silent worker keeps a job.
    pub lease: Duration,
    /// Longest single call to a far side.
    pub call: Duration,
    /// First pause after a failed delivery; doubles each time.
    pub backoff_first: Duration,
    /// Longest pause.
    pub backoff_max: Duration,
    /// How long a delivery is tried.
    pub expiry: Duration,
    /// Claims of one message that ended without outcome before its content counts as "nicht prüfbar". A node that
    /// dies takes all it had in work with it, so the guilty one shows only by repetition.
    pub crashes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            intake_kib: 128 * 1024,
            intake_wait: Duration::from_secs(20),
            message_bytes: 200 * 1024 * 1024,
            tenants_per_transaction: 20,
            parallel: 96,
            lease: Duration::from_secs(60),
            call: Duration::from_secs(300),
            backoff_first: Duration::from_secs(30),
            backoff_max: Duration::from_secs(3600),
            expiry: Duration::from_secs(5 * 24 * 3600),
            crashes: 5,
        }
    }
}

/// What the binary plugs in.
pub struct Parts {
    /// Database.
    pub db: Db,
    /// Blobs.
    pub blobs: Arc<dyn BlobStore>,
    /// Keys.
    pub keys: Keys,
    /// Clock of this node.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Message formats, asked in order.
    pub openers: Vec<Arc<dyn Opener>>,
    /// Channels and connectors by name (`mail`, `hot_folder`, `webhook`).
    pub channels: HashMap<&'static str, Arc<dyn Channel>>,
    /// Looks at every part of a message.
    pub station: Arc<Station>,
    /// Keys that encrypted mail is opened with.
    pub mailbox_keys: Arc<dyn MailboxKeys>,
    /// Writes notices to senders.
    pub notices: Arc<dyn Notices>,
    /// Reads addresses and writes letters of people.
    pub letters: Arc<dyn Letters>,
    /// Domain of the addresses the house itself uses (bounces, postmaster).
    pub domain: String,
    /// Name of this node, unique among nodes.
    pub node: String,
    /// Numbers.
    pub limits: Limits,
}

/// Tells how many SMTP sessions are open.
type OpenSessions = Box<dyn Fn() -> usize + Send + Sync>;

/// The house.
pub struct Hub {
    pub(crate) db: Db,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) openers: Vec<Arc<dyn Opener>>,
    pub(crate) channels: HashMap<&'static str, Arc<dyn Channel>>,
    pub(crate) station: Arc<Station>,
    pub(crate) mailbox_keys: Arc<dyn MailboxKeys>,
    pub(crate) notices: Arc<dyn Notices>,
    pub(crate) letters: Arc<dyn Letters>,
    pub(crate) committer: Committer,
    pub(crate) wake: Arc<Notify>,
    pub(crate) budget: Arc<Semaphore>,
    pub(crate) domain: String,
    pub(crate) node: String,
    pub(crate) limits: Limits,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) sessions: OnceLock<OpenSessions>,
    pub(crate) started: Timestamp,
    pub(crate) recent: Recent,
    pub(crate) readings: Readings,
    pub(crate) log_sizes: LogSizes,
    connectors: Young<(TenantId, ConnectorId), Connector>,
    rules: Young<TenantId, RuleSet>,
    rows: Young<TenantId, Tenant>,
}

/// How long a node may work with what it read of rules and tenants: a change is in force everywhere after that.
const CACHE: Duration = Duration::from_secs(2);

/// What was read, and when: given out again for [`CACHE`].
struct Young<K, V>(RwLock<HashMap<K, (Timestamp, Arc<V>)>>);

impl<K: Eq + std::hash::Hash, V> Young<K, V> {
    fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    fn get(&self, key: &K, now: Timestamp) -> Option<Arc<V>> {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(key).filter(|(at, _)| now.since(*at) < CACHE).map(|(_, value)| Arc::clone(value))
    }

    fn keep(&self, key: K, now: Timestamp, value: Arc<V>) -> Arc<V> {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(key, (now, Arc::clone(&value)));
        value
    }
}

impl Hub {
    /// Puts the house together. Starts the committer; nothing else runs yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let wake = Arc::new(Notify::new());
        let metrics = Metrics::default();
        let committer =
            Committer::start(parts.db.clone(), Arc::clone(&parts.clock), Arc::clone(&wake), metrics.clone());
        let blobs = Arc::new(Measured { inner: parts.blobs, seconds: metrics.blobs.clone() });
        Arc::new(Self {
            db: parts.db,
            blobs,
            keys: parts.keys,
            started: parts.clock.now(),
            clock: parts.clock,
            ids: parts.ids,
            openers: parts.openers,
            channels: parts.channels,
            station: parts.station,
            mailbox_keys: parts.mailbox_keys,
            notices: parts.notices,
            letters: parts.letters,
            committer,
            wake,
            budget: Arc::new(Semaphore::new(parts.limits.intake_kib)),
            domain: parts.domain,
            node: parts.node,
            limits: parts.limits,
            health: Health::default(),
            metrics,
            sessions: OnceLock::new(),
            recent: Recent::default(),
            readings: Readings::default(),
            log_sizes: LogSizes::default(),
            connectors: Young::new(),
            rules: Young::new(),
            rows: Young::new(),
        })
    }

    /// The database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The blob store.
    #[must_use]
    pub const fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.blobs
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The clock of this node.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The ids of this node.
    #[must_use]
    pub fn ids(&self) -> &dyn Ids {
        self.ids.as_ref()
    }

    /// How the node feels.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Numbers for Prometheus.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Lets `/metrics` ask how many SMTP sessions are open; the first to say so is asked.
    pub fn counts_sessions(&self, open: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.sessions.set(Box::new(open));
    }

    /// Numbers that can be set.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Domain of the house's own addresses.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The channel called `name`.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.channels.get(name)
    }

    /// All channels.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.channels.values()
    }

    /// The format that knows `media_type`; the last one takes anything.
    #[must_use]
    pub fn opener(&self, media_type: &str) -> Option<&Arc<dyn Opener>> {
        let media_type = if media_type.is_empty() { "message/rfc822" } else { media_type };
        self.openers.iter().find(|o| o.knows(media_type)).or_else(|| self.openers.last())
    }

    /// The row of a tenant, at most two seconds old.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown tenant.
    pub async fn tenant(&self, id: TenantId) -> Result<Arc<Tenant>, StoreError> {
        let now = self.clock.now();
        if let Some(row) = self.rows.get(&id, now) {
            return Ok(row);
        }
        let mut tx = self.db.read(Scope::Tenant(id)).await?;
        let row =
            tenants::get(&mut tx, id).await?.ok_or_else(|| StoreError::NotFound(format!("tenant {id}")))?;
        Ok(self.rows.keep(id, now, Arc::new(row)))
    }

    /// The compiled rules of a tenant, at most two seconds old.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rules(&self, id: TenantId) -> Result<SharedRules, StoreError> {
        let now = self.clock.now();
        if let Some(set) = self.rules.get(&id, now) {
            return Ok(set);
        }
        let mut tx = self.db.read(Scope::Tenant(id)).await?;
        let rows = tenants::rules(&mut tx, id).await?;
        let set = tokio::task::spawn_blocking(move || Arc::new(RuleSet::new(rows)))
            .await
            .map_err(|e| StoreError::Config(format!("rules: {e}")))?;
        Ok(self.rules.keep(id, now, set))
    }

    /// A connector, at most two seconds old; `None` when it is not there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
    ) -> Result<Option<Arc<Connector>>, StoreError> {
        let now = self.clock.now();
        let key = (tenant, id);
        if let Some(row) = self.connectors.get(&key, now) {
            return Ok(Some(row));
        }
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let row = tenants::get_connector(&mut tx, tenant, id).await?;
        Ok(row.map(|row| self.connectors.keep(key, now, Arc::new(row))))
    }

    /// A message with access to its octets, but for those held back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there or its key was destroyed.
    pub async fn content(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<(Message, StoredContent), StoreError> {
        let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
        let mut closed = quarantine::closed(&mut tx, tenant, id).await?;
        // What something held was won from holds it too.
        let mut next = 0;
        while let Some((part, blob, ..)) = closed.get(next).copied() {
            next += 1;
            let Some(blob) = blob else { continue };
            let source = quarantine::source_of(&mut tx, tenant, id, blob).await?;
            closed.extend(source.map(|(blob, start, len)| (part, blob, start, len)));
        }
        tx.rollback().await?;
        let (message, content) = self.whole_content(tenant, id).await?;
        let closed = closed
            .into_iter()
            .map(|c| ClosedRange { part: c.0, blob: c.1, start: c.2, end: c.2.saturating_add(c.3) })
            .collect();
        Ok((message, StoredContent { closed, ..content }))
    }

    /// A message with access to all its octets: for the station alone.
    pub(crate) async fn whole_content(
        &self,
        tenant: TenantId,
        id: MessageId,
    ) -> Result<(Message, StoredContent), StoreError> {
        let known = self.recent.get(id).filter(|k| k.message.tenant == tenant);
        let (message, wrapped, parts) = match known {
            Some(k) => ((*k.message).clone(), k.wrapped.to_string(), k.opened.map(|o| o.1)),
            None => {
                let mut tx = self.db.read(Scope::Tenant(tenant)).await?;
                let message = messages::get(&mut tx, tenant, id)
                    .await?
                    .ok_or_else(|| StoreError::NotFound(format!("message {id}")))?;
                let wrapped = messages::wrapped_key(&mut tx, tenant, id)
                    .await?
                    .ok_or_else(|| StoreError::NotFound(format!("key of message {id}")))?;
                tx.rollback().await?;
                (message, wrapped, None)
            }
        };
        let tenant_key = self.keys.tenant(&self.db, tenant).await?;
        let key = Keys::message_key(&tenant_key, tenant, id, &wrapped)?;
        let slug = self.tenant(tenant).await?.slug.clone();
        let opener = self
            .opener(&message.transport.media_type)
            .ok_or_else(|| StoreError::Config("no message format is configured".to_owned()))?;
        let content = StoredContent {
            store: Arc::clone(&self.blobs),
            key,
            message: message.clone(),
            db: self.db.clone(),
            opener: Arc::clone(opener),
            slug,
            fresh: std::sync::Mutex::default(),
            closed: Vec::new(),
            parts,
            resting: tokio::sync::Mutex::default(),
        };
        Ok((message, content))
    }
}
