// SPDX-License-Identifier: EUPL-1.2
//! Schema migrations: expand, then contract, one transaction each.
//!
//! Guarantees: a process killed within a migration leaves nothing of it; two
//! nodes starting at once do not both run it. On PostgreSQL the owner migrates,
//! the application role only works, and row-level security is forced for both.

use crate::db::{Db, Dialect, Scope, StoreError, int};

/// Version and text of each; two texts where the databases differ.
const MIGRATIONS: &[(i64, Texts)] = &[
    (1, Texts::One(include_str!("../migrations/0001_spine.sql"))),
    (2, Texts::One(include_str!("../migrations/0002_desk.sql"))),
    (3, Texts::One(include_str!("../migrations/0003_drafts.sql"))),
    (
        4,
        Texts::Each {
            sqlite: include_str!("../migrations/0004_search.sqlite.sql"),
            postgres: include_str!("../migrations/0004_search.postgres.sql"),
        },
    ),
    (5, Texts::One(include_str!("../migrations/0005_accounts.sql"))),
    (6, Texts::One(include_str!("../migrations/0006_deputies.sql"))),
    (7, Texts::One(include_str!("../migrations/0007_rules.sql"))),
    (8, Texts::One(include_str!("../migrations/0008_text_blocks.sql"))),
    (9, Texts::One(include_str!("../migrations/0009_open_items.sql"))),
    (10, Texts::One(include_str!("../migrations/0010_inspection.sql"))),
];

enum Texts {
    One(&'static str),
    Each { sqlite: &'static str, postgres: &'static str },
}

impl Texts {
    const fn of(&self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::One(text), _)
            | (Self::Each { sqlite: text, .. }, Dialect::Sqlite)
            | (Self::Each { postgres: text, .. }, Dialect::Postgres) => text,
        }
    }
}

/// The schema version this program needs.
#[must_use]
pub fn wanted() -> i64 {
    MIGRATIONS.last().map_or(0, |m| m.0)
}

/// The schema version the database has; 0 = empty.
///
/// # Errors
/// When the database does not answer.
pub async fn current(db: &Db) -> Result<i64, StoreError> {
    let mut tx = db.read(Scope::System).await?;
    let exists = match tx.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_migrations'",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_class WHERE relname = 'schema_migrations' AND relkind = 'r'"
        }
    };
    let there = tx.one(exists, vec![]).await?.map_or(Ok(0), |r| int(&r, 0))?;
    if there == 0 {
        return Ok(0);
    }
    tx.one("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", vec![])
        .await?
        .map_or(Ok(0), |r| int(&r, 0))
}

/// May this program work on a database of schema `have`? On its own, and on the next: nodes of the version before go
/// on while the new ones are put in place. What lies further ahead may have given up what this program needs.
///
/// # Errors
/// [`StoreError::Older`], [`StoreError::Newer`].
pub fn check(have: i64) -> Result<(), StoreError> {
    let known = wanted();
    match have - known {
        0 | 1 => Ok(()),
        ..0 => Err(StoreError::Older { have, known }),
        _ => Err(StoreError::Newer { have, known }),
    }
}

/// Brings the schema to [`wanted`]. `app_role` is the PostgreSQL role the nodes work as; it gets rights but never owns.
///
/// # Errors
/// [`StoreError::Newer`] when the database is newer than this program: then nothing of it is touched;
/// [`StoreError::Config`] for a role's name that is not plain; [`StoreError::Database`] when a statement fails (nothing of that migration stays).
pub async fn migrate(db: &Db, app_role: Option<&str>) -> Result<i64, StoreError> {
    let mut tx = db.begin(Scope::System).await?;
    if tx.dialect() == Dialect::Postgres {
        tx.run("SELECT pg_advisory_xact_lock(7046029254386353131)", vec![]).await?;
    }
    tx.run(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, at BIGINT NOT NULL)",
        vec![],
    )
    .await?;
    let have = tx
        .one("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", vec![])
        .await?
        .map_or(Ok(0), |r| int(&r, 0))?;
    if have > wanted() {
        return Err(StoreError::Newer { have, known: wanted() });
    }
    for (version, texts) in MIGRATIONS.iter().filter(|m| m.0 > have) {
        for statement in statements(texts.of(tx.dialect())) {
            tx.run_text(statement, vec![]).await?;
        }
        tx.run(
            "INSERT INTO schema_migrations (version, at) VALUES ($1, {now})",
            crate::bulk::args![*version],
        )
        .await?;
    }
    if tx.dialect() == Dialect::Postgres {
        secure(&mut tx, app_role).await?;
    }
    tx.commit().await?;
    Ok(wanted())
}

/// Creates an empty PostgreSQL database beside the one of `url` and gives its address. For tests and benches.
///
/// # Errors
/// [`StoreError::Config`] for another kind of database or a name that is not plain.
pub async fn create_database(url: &str, name: &str) -> Result<String, StoreError> {
    let plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let Some((base, _)) = url.split('?').next().and_then(|u| u.rsplit_once('/')).filter(|_| plain) else {
        return Err(StoreError::Config(format!("cannot create database {name} beside {url}")));
    };
    let db = Db::open(&crate::DbConfig { connections: 2, ..crate::DbConfig::new(url) }).await?;
    db.outside(format!("CREATE DATABASE {name}")).await?;
    db.close().await;
    Ok(format!("{base}/{name}"))
}

fn statements(sql: &str) -> Vec<String> {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    lines.join("\n").split(';').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Row-level security: a tenant's rows are there only in that tenant's scope, or the house's own.
///
/// CASE, because the planner takes it for one half and goes on using its indexes; a bare OR it takes for next to
/// nothing, and then it sorts whole lanes of jobs to find the first.
async fn secure(tx: &mut crate::db::Tx, app_role: Option<&str>) -> Result<(), StoreError> {
    let by_tenant = crate::sql::TENANT_TABLES.iter().map(|table| (*table, "tenant_id"));
    for (table, column) in by_tenant.chain([(crate::sql::TENANTS, "id")]) {
        for statement in [
            format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
            format!("DROP POLICY IF EXISTS tenant_wall ON {table}"),
            format!(
                "CREATE POLICY tenant_wall ON {table} USING \
                 (CASE WHEN current_setting('app.tenant', true) IN ('*', {column}) THEN true ELSE false END)"
            ),
        ] {
            tx.run_text(statement, vec![]).await?;
        }
    }
    if let Some(role) = app_role {
        if role.is_empty() || !role.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(StoreError::Config(format!(
                "database.app_role may hold letters, digits and _ only: {role}"
            )));
        }
        tx.run_text(
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"),
            vec![],
        )
        .await?;
    }
    Ok(())
}
