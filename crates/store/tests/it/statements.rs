// SPDX-License-Identifier: EUPL-1.2
//! Every statement is understood by both databases, with parameters of the portable types only.

use poststelle_store::sql;

use crate::bed;

/// All migrations in order.
const SCHEMA: [&str; 6] = [
    include_str!("../../migrations/0001_spine.sql"),
    include_str!("../../migrations/0002_desk.sql"),
    include_str!("../../migrations/0003_drafts.sql"),
    include_str!("../../migrations/0005_accounts.sql"),
    include_str!("../../migrations/0008_text_blocks.sql"),
    include_str!("../../migrations/0004_search.postgres.sql"),
];

#[tokio::test]
async fn every_statement_prepares() {
    assert!(
        sql::STATEMENTS.len() > 80
            && sql::INSERTS.len() >= 10
            && sql::built(poststelle_store::Dialect::Sqlite).len() > 20
    );
    for bed in bed::databases().await {
        let refused = bed.db.prepare_all().await.unwrap();
        assert!(refused.is_empty(), "{}: {refused:#?}", bed.name);
    }
}

/// What row-level security guards is every table with a tenant.
#[test]
fn no_tenant_table_is_forgotten() {
    let schema = SCHEMA.concat();
    for table in schema.split("CREATE TABLE ").skip(1) {
        let name = table.split([' ', '(']).next().unwrap();
        let columns = table.split(';').next().unwrap();
        let guarded = sql::TENANT_TABLES.contains(&name);
        let has_tenant = columns.contains("tenant_id");
        assert_eq!(guarded, has_tenant, "table {name}");
    }
}

/// A new table or column of a tenant must be thought of in the export, or be named here.
#[test]
fn no_column_stays_behind_when_a_tenant_moves() {
    let stays =
        ["settings", "principals", "recovery_codes", "grants", "sessions", "tokens", "leases", "search"];
    let schema: String =
        SCHEMA.concat().lines().filter(|l| !l.starts_with("--")).collect::<Vec<_>>().join("\n");
    let travels = include_str!("../../src/transfer/tables.rs");
    for table in schema.split("CREATE TABLE ").skip(1) {
        let (name, columns) = table.split(';').next().unwrap().split_once('(').unwrap();
        let name = name.trim();
        if stays.contains(&name) {
            continue;
        }
        let added = format!("ALTER TABLE {name} ADD COLUMN ");
        let added = schema.split(&added).skip(1).map(|c| c.split(';').next().unwrap());
        let columns: Vec<&str> = columns
            .split(',')
            .chain(added)
            .map(str::trim)
            .filter(|c| c.contains(" TEXT ") || c.contains(" BIGINT "))
            .map(|c| c.split(' ').next().unwrap())
            .collect();
        let listed = columns.join(", ");
        assert!(travels.contains(&format!("\"{listed}\"")), "{name}: {listed}");
    }
}
