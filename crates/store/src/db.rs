// SPDX-License-Identifier: EUPL-1.2
//! Connections and transactions.
//!
//! Guarantees: a transaction begins with its scope; SQLite writes begin
//! IMMEDIATE with `synchronous=FULL`; a transaction dropped without
//! [`Tx::commit`] leaves nothing. Lease times come from the database's clock.

#![allow(clippy::disallowed_methods, reason = "the one place that runs SQL")]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use poststelle_model::{Clock, TenantId, Timestamp};
use sqlx::any::{AnyArguments, AnyPoolOptions, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool, AssertSqlSafe, Row, Transaction};

use crate::bulk::Value;
pub(crate) use crate::error::StoreError;
use crate::error::is_stuck;

/// Which database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One file, one host.
    Sqlite,
    /// A server, several nodes.
    Postgres,
}

/// Whose rows a transaction may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One tenant.
    Tenant(TenantId),
    /// The house itself: jobs, leases, sign-in, migrations.
    System,
}

/// What [`Db::check`] writes, bytes.
const CHECK: usize = 128 * 1024;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// `sqlite:///path/file.db` or `postgres://user:pass@host/db`.
    pub url: String,
    /// Connections of one node (PostgreSQL; readers of SQLite).
    pub connections: u32,
    /// How long to wait for a free connection.
    pub acquire: Duration,
}

impl DbConfig {
    /// Defaults for `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), connections: 8, acquire: Duration::from_secs(10) }
    }
}

/// The database of one node.
#[derive(Clone)]
pub struct Db {
    read: AnyPool,
    write: AnyPool,
    dialect: Dialect,
    clock: Option<Arc<dyn Clock>>,
    statements: Arc<AtomicU64>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

const SQLITE_SESSION: [&str; 7] = [
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=30000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-32000",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA temp_store=MEMORY",
];

impl Db {
    /// Connects. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::Config`] for an unknown kind of address, [`StoreError::Database`] when it does not answer.
    pub async fn open(config: &DbConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = if let Some(path) = config.url.strip_prefix("sqlite://") {
            let path = path.split('?').next().unwrap_or(path);
            (Dialect::Sqlite, format!("sqlite://{path}?mode=rwc"))
        } else if config.url.starts_with("postgres://") || config.url.starts_with("postgresql://") {
            (Dialect::Postgres, config.url.clone())
        } else {
            return Err(StoreError::Config(
                "database.url must start with sqlite:// or postgres://".to_owned(),
            ));
        };
        let options = |max: u32| {
            AnyPoolOptions::new()
                .max_connections(max)
                .acquire_timeout(config.acquire)
                .test_before_acquire(dialect == Dialect::Postgres)
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if dialect == Dialect::Sqlite {
                            for pragma in SQLITE_SESSION {
                                sqlx::Executor::execute(&mut *connection, pragma).await?;
                            }
                        }
                        Ok(())
                    })
                })
        };
        let (read, write) = match dialect {
            // One writer per process: waiting in our own fair queue beats SQLite's busy polling.
            Dialect::Sqlite => {
                let write = options(1).connect(&url).await?;
                (options(config.connections.max(2)).connect(&url).await?, write)
            }
            Dialect::Postgres => {
                let pool = options(config.connections.max(2)).connect(&url).await?;
                (pool.clone(), pool)
            }
        };
        Ok(Self { read, write, dialect, clock: None, statements: Arc::default() })
    }

    /// Replaces the database's clock by an injected one (tests on simulated time).
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Which database speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Statements run so far, without those that begin, scope and end a transaction: tests hold pages to a number.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// A writing transaction for `scope`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self, scope: Scope) -> Result<Tx, StoreError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        self.start(&self.write, begin, scope).await
    }

    /// A reading transaction for `scope`: one consistent view.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, scope: Scope) -> Result<Tx, StoreError> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.start(&self.read, begin, scope).await
    }

    async fn start(&self, pool: &AnyPool, begin: &'static str, scope: Scope) -> Result<Tx, StoreError> {
        let inner = match pool.begin_with(begin).await {
            // A COMMIT that failed on a full disk leaves a connection that begins nothing any more, and one opened on
            // a read-only disk never writes, whatever becomes of the disk: a fresh one tells what is true now.
            Err(e) if self.dialect == Dialect::Sqlite && is_stuck(&e) => {
                pool.acquire().await?.close().await?;
                pool.begin_with(begin).await?
            }
            other => other?,
        };
        let mut tx = Tx {
            inner,
            dialect: self.dialect,
            scope,
            clock: self.clock.clone(),
            statements: Arc::clone(&self.statements),
        };
        tx.enter(scope).await?;
        Ok(tx)
    }

    /// Prepares every statement of the house without running any; gives the names of those that this database
    /// refuses, or whose parameters are not of the portable types, with the reason.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prepare_all(&self) -> Result<Vec<(String, String)>, StoreError> {
        use sqlx::{Either, SqlSafeStr, Statement, any::AnyTypeInfoKind};
        let mut all = crate::sql::built(self.dialect);
        all.extend(crate::sql::STATEMENTS.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())));
        for insert in crate::sql::INSERTS {
            let text = |rows| (format!("{} x {rows}", insert.table), insert.sql(rows, self.dialect));
            all.extend(crate::bulk::STEPS.map(text));
        }
        let mut refused = Vec::new();
        let mut connection = self.write.acquire().await?;
        for (name, sql) in all {
            let text = dialect_text(&sql, self.dialect, None).into_owned();
            match sqlx::Executor::prepare(&mut *connection, AssertSqlSafe(text).into_sql_str()).await {
                Err(error) => refused.push((name, error.to_string())),
                Ok(statement) => {
                    if let Some(Either::Left(types)) = statement.parameters()
                        && let Some(odd) = types
                            .iter()
                            .find(|t| !matches!(t.kind(), AnyTypeInfoKind::Text | AnyTypeInfoKind::BigInt))
                    {
                        refused.push((name, format!("a parameter is {odd:?}")));
                    }
                }
            }
        }
        Ok(refused)
    }

    /// Can as much be written as a message needs? Reading tells nothing of a full or read-only disk.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn check(&self) -> Result<(), StoreError> {
        for value in ["0".repeat(CHECK), String::new()] {
            let mut tx = self.begin(Scope::System).await?;
            tx.run(crate::sql::SETTING_PUT, crate::bulk::args!["check", value]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Runs a statement that no transaction may hold.
    pub(crate) async fn outside(&self, sql: String) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(sql)).execute(&self.write).await?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// A transaction with its scope.
pub struct Tx {
    inner: Transaction<'static, Any>,
    dialect: Dialect,
    scope: Scope,
    clock: Option<Arc<dyn Clock>>,
    statements: Arc<AtomicU64>,
}

impl Tx {
    /// Goes on for another scope within the same transaction (the committer gathers several tenants).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enter(&mut self, scope: Scope) -> Result<(), StoreError> {
        self.scope = scope;
        if self.dialect == Dialect::Postgres {
            let value = match scope {
                Scope::Tenant(id) => id.to_string(),
                Scope::System => "*".to_owned(),
            };
            sqlx::query(crate::sql::SET_SCOPE).bind(value).execute(&mut *self.inner).await?;
        }
        Ok(())
    }

    /// The scope in force.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Which database speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Refuses to touch rows of `tenant` from the scope of another: the first wall.
    pub(crate) fn allow(&self, tenant: TenantId) -> Result<(), StoreError> {
        match self.scope {
            Scope::System => Ok(()),
            Scope::Tenant(id) if id == tenant => Ok(()),
            Scope::Tenant(_) => Err(StoreError::Scope(self.scope)),
        }
    }

    /// As [`Self::allow`] for the rows of one statement.
    pub(crate) fn allow_all(&self, mut tenants: impl Iterator<Item = TenantId>) -> Result<(), StoreError> {
        tenants.try_for_each(|tenant| self.allow(tenant))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When the database could not; nothing of it is there then, or (connection lost) it is unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    /// Takes it all back.
    ///
    /// # Errors
    /// When the database does not answer; it takes it back by itself then.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }

    /// The database's now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&mut self) -> Result<Timestamp, StoreError> {
        if let Some(clock) = &self.clock {
            return Ok(clock.now());
        }
        let row = self.one("SELECT {now}", vec![]).await?;
        Ok(Timestamp(row.map_or(Ok(0), |r| r.try_get(0))?))
    }

    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    fn text(&self, sql: &'static str) -> Cow<'static, str> {
        dialect_text(sql, self.dialect, self.clock.as_deref())
    }

    /// Runs a statement; gives the number of rows touched.
    pub(crate) async fn run(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        let text = self.text(sql).into_owned();
        self.run_text(text, args).await
    }

    pub(crate) async fn run_text(&mut self, sql: String, args: Vec<Value>) -> Result<u64, StoreError> {
        self.count();
        let query = bind(sqlx::query(AssertSqlSafe(sql)), args);
        Ok(query.execute(&mut *self.inner).await?.rows_affected())
    }

    /// Rows of a statement.
    pub(crate) async fn all(
        &mut self,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let text = self.text(sql).into_owned();
        self.all_text(text, args).await
    }

    pub(crate) async fn all_text(
        &mut self,
        sql: String,
        args: Vec<Value>,
    ) -> Result<Vec<AnyRow>, StoreError> {
        self.count();
        Ok(bind(sqlx::query(AssertSqlSafe(sql)), args).fetch_all(&mut *self.inner).await?)
    }

    /// The first row of a statement.
    pub(crate) async fn one(
        &mut self,
        sql: &'static str,
        args: Vec<Value>,
    ) -> Result<Option<AnyRow>, StoreError> {
        self.count();
        let text = self.text(sql).into_owned();
        Ok(bind(sqlx::query(AssertSqlSafe(text)), args).fetch_optional(&mut *self.inner).await?)
    }
}

/// Fills `{now}` and `{lock}`.
fn dialect_text<'s>(sql: &'s str, dialect: Dialect, clock: Option<&dyn Clock>) -> Cow<'s, str> {
    if !sql.contains('{') {
        return Cow::Borrowed(sql);
    }
    let now = match (clock, dialect) {
        (Some(clock), _) => clock.now().0.to_string(),
        (None, Dialect::Sqlite) => {
            "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)".to_owned()
        }
        (None, Dialect::Postgres) => {
            "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)".to_owned()
        }
    };
    let lock = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
    };
    Cow::Owned(sql.replace("{now}", &now).replace("{lock}", lock))
}

fn bind(mut query: Query<'static, Any, AnyArguments>, args: Vec<Value>) -> Query<'static, Any, AnyArguments> {
    for arg in args {
        query = match arg {
            // PostgreSQL takes no NUL in a text; mail has them in subjects and names.
            Value::Text(text) if text.contains('\0') => query.bind(text.replace('\0', "\u{fffd}")),
            Value::Text(text) => query.bind(text),
            Value::Int(number) => query.bind(number),
        };
    }
    query
}

/// Reads column `i` as text.
pub(crate) fn text(row: &AnyRow, i: usize) -> Result<String, StoreError> {
    Ok(row.try_get(i)?)
}

/// Reads column `i` as a number.
pub(crate) fn int(row: &AnyRow, i: usize) -> Result<i64, StoreError> {
    Ok(row.try_get(i)?)
}

/// Column `i` as a JSON text or number.
pub(crate) fn json(row: &AnyRow, i: usize) -> Result<serde_json::Value, StoreError> {
    match row.try_get::<i64, _>(i) {
        Ok(number) => Ok(number.into()),
        Err(_) => Ok(row.try_get::<String, _>(i)?.into()),
    }
}

/// Reads column `i` as an id or another parseable word.
pub(crate) fn parse<T: std::str::FromStr>(
    row: &AnyRow,
    i: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    let value = text(row, i)?;
    value.parse().map_err(|_| StoreError::Corrupt { what, value: value.chars().take(80).collect() })
}

/// Reads column `i` as an id that may be empty.
pub(crate) fn parse_opt<T: std::str::FromStr>(
    row: &AnyRow,
    i: usize,
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    let value = text(row, i)?;
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| StoreError::Corrupt { what, value: value.chars().take(80).collect() })
}
