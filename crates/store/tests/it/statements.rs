// SPDX-License-Identifier: EUPL-1.2
//! Every statement is understood by both databases, with parameters of the portable types only.

use poststelle_store::sql;

use crate::bed;

/// All migrations in order.
const SCHEMA: &[&str] = &[
    include_str!("../../migrations/0001_spine.sql"),
    include_str!("../../migrations/0002_desk.sql"),
    include_str!("../../migrations/0003_drafts.sql"),
    include_str!("../../migrations/0005_accounts.sql"),
    include_str!("../../migrations/0006_deputies.sql"),
    include_str!("../../migrations/0007_rules.sql"),
    include_str!("../../migrations/0008_text_blocks.sql"),
    include_str!("../../migrations/0009_open_items.sql"),
    include_str!("../../migrations/0010_inspection.sql"),
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
    let stays = [
        "settings",
        "principals",
        "recovery_codes",
        "grants",
        "sessions",
        "tokens",
        "leases",
        "search",
        "deputies",
    ];
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

/// Lists grow with the mail; each is read along an index, and what is open on a desk along that of the open.
#[tokio::test]
async fn lists_are_read_along_an_index() {
    let all = bed::databases().await;
    let bed = all.iter().find(|b| b.name == "sqlite").unwrap();
    let pool = sqlx::AnyPool::connect(&bed.url).await.unwrap();
    let lists = [
        "DESK_PAGE",
        "DESK_COUNTS",
        "MESSAGE_PAGE",
        "BOOK_PAGE",
        "CONVERSATION",
        "DRAFTS_OF",
        "TENANTS_OF",
        "LOG_SIZES",
    ];
    let fixed = sql::STATEMENTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let built = sql::built(poststelle_store::Dialect::Sqlite);
    let mut looked = 0;
    for (name, text) in fixed.chain(built).filter(|(n, _)| lists.iter().any(|l| n.starts_with(l))) {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
        let steps: Vec<String> =
            plan.fetch_all(&pool).await.unwrap().iter().map(|r| sqlx::Row::get(r, 3)).collect();
        // The tenants of the house, the hits of a search and what a subquery already cut may be read whole.
        let cut = ["SCAN d", "SCAN m", "SCAN t", "SCAN w VIRTUAL TABLE", "SCAN CONSTANT ROW"];
        let whole = |s: &&String| {
            s.starts_with("SCAN") && !cut.iter().any(|c| s == c || s.starts_with(&format!("{c} ")))
        };
        assert_eq!(steps.iter().find(whole), None, "{name}: {steps:#?}");
        let open = name.starts_with("DESK_COUNTS")
            || text.contains("state <> 'done'") && name.starts_with("DESK_PAGE");
        assert_eq!(open, steps.iter().any(|s| s.contains("desk_items_open")), "{name}: {steps:#?}");
        let thread = name.starts_with("CONVERSATION");
        assert_eq!(
            thread,
            steps.iter().any(|s| s.contains("messages_by_conversation")),
            "{name}: {steps:#?}"
        );
        looked += 1;
    }
    assert!(looked > 15, "{looked}");
}
