// SPDX-License-Identifier: EUPL-1.2
//! Two walls between tenants: the scope of a transaction, and row-level security below it.

use poststelle_model::{AlarmId, Fault, Reason, Subject};
use poststelle_store::{Scope, StoreError, desk, evidence, jobs, messages, search, sql, tenants};
use sqlx::{AnyPool, AssertSqlSafe, Row};

use crate::bed::{self, Bed, TestIds};

/// Two tenants with one row in every guarded table each.
async fn two(bed: &Bed) -> [poststelle_model::TenantId; 2] {
    let mut both = Vec::new();
    for slug in ["adorf", "bdorf"] {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, slug).await;
        let new = bed::message(tenant, mailbox, "", &"a".repeat(64));
        let id = new.message.id;
        let delivery = bed::delivery(tenant, id, desk);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &[new]).await.unwrap();
        messages::insert_deliveries(&mut tx, std::slice::from_ref(&delivery)).await.unwrap();
        evidence::insert(&mut tx, &[bed::entry(tenant, &Subject::message(id), 0)]).await.unwrap();
        let reason = Reason::new("PST-HUB-0004", Fault::Operator);
        evidence::raise_alarm(&mut tx, tenant, AlarmId::new(&TestIds), "x", &reason, bed::THEN)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        both.push(tenant);
    }
    [both[0], both[1]]
}

#[tokio::test]
async fn a_scope_is_never_left_by_mistake() {
    for bed in bed::databases().await {
        let [a, b] = two(&bed).await;
        let mut tx = bed.db.begin(Scope::Tenant(a)).await.unwrap();
        let other = bed::message(b, poststelle_model::MailboxId::new(&TestIds), "", "x");
        let id = other.message.id;
        let delivery = bed::delivery(b, id, poststelle_model::DeskId::new(&TestIds));
        let wall = |result: Result<(), StoreError>| {
            assert!(matches!(result, Err(StoreError::Scope(_))), "{result:?}");
        };
        wall(messages::get(&mut tx, b, id).await.map(|_| ()));
        wall(messages::page(&mut tx, b, None, 10).await.map(|_| ()));
        wall(messages::insert(&mut tx, &[other]).await);
        wall(messages::insert_inspections(&mut tx, &[(b, id, Default::default())]).await);
        wall(messages::insert_parts(&mut tx, &[(b, id, vec![])]).await);
        wall(messages::insert_deliveries(&mut tx, std::slice::from_ref(&delivery)).await);
        wall(messages::update_deliveries(&mut tx, std::slice::from_ref(&delivery)).await);
        wall(evidence::insert(&mut tx, &[bed::entry(b, &Subject::message(id), 0)]).await);
        wall(evidence::chain(&mut tx, b, &Subject::message(id)).await.map(|_| ()));
        wall(evidence::heads(&mut tx, b, &[]).await.map(|_| ()));
        wall(evidence::place(&mut tx, b, 0, &[]).await);
        wall(evidence::clear_alarm(&mut tx, b, "x", bed::THEN).await.map(|_| ()));
        wall(jobs::hasten(&mut tx, b, "x").await.map(|_| ()));
        wall(desk::desks_of(&mut tx, b, id).await.map(|_| ()));
        let entry = search::Entry { tenant: b, message: id, texts: vec!["x".to_owned()] };
        wall(search::insert(&mut tx, &[entry]).await);
        wall(search::remove(&mut tx, b, id).await);
        let query = search::Query::parse("x").unwrap();
        wall(search::page(&mut tx, b, &query, None, None, 10).await.map(|_| ()));
        wall(tenants::get(&mut tx, b).await.map(|_| ()));
        wall(tenants::mailboxes(&mut tx, b).await.map(|_| ()));
        wall(tenants::rules(&mut tx, b).await.map(|_| ()));
        assert_eq!(messages::page(&mut tx, a, None, 10).await.unwrap().len(), 1);
        tx.rollback().await.unwrap();
        // One transaction may go on for another tenant, when it says so.
        let mut tx = bed.db.begin(Scope::Tenant(a)).await.unwrap();
        tx.enter(Scope::Tenant(b)).await.unwrap();
        assert_eq!(messages::page(&mut tx, b, None, 10).await.unwrap().len(), 1, "{}", bed.name);
    }
}

/// Tables with rows of tenants, as the database itself tells: (table, column with the tenant, all columns with types).
async fn tenant_tables(pool: &AnyPool) -> Vec<(String, String, Vec<(String, String)>)> {
    let statement = "SELECT c.table_name::text, c.column_name::text, c.data_type::text FROM information_schema.columns c \
        JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
        WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position";
    let mut tables: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for row in sqlx::query(statement).fetch_all(pool).await.unwrap() {
        let (table, column) = (row.get::<String, _>(0), (row.get::<String, _>(1), row.get::<String, _>(2)));
        match tables.last_mut() {
            Some((last, columns)) if *last == table => columns.push(column),
            _ => tables.push((table, vec![column])),
        }
    }
    let by_tenant = |(table, columns): (String, Vec<(String, String)>)| {
        let column = if table == "tenants" { "id" } else { "tenant_id" };
        columns.iter().any(|c| c.0 == column).then(|| (table, column.to_owned(), columns))
    };
    tables.into_iter().filter_map(by_tenant).collect()
}

/// A statement in a scope, in a transaction that is taken back unless `keep`: rows touched, or the refusal.
async fn raw(pool: &AnyPool, scope: &str, statement: &str, keep: bool) -> Result<u64, String> {
    let mut tx = pool.begin().await.unwrap();
    // `search` shows only what is asked for: here the one word its rows have.
    let set =
        format!("SELECT set_config('app.tenant', '{scope}', true), set_config('app.search', 'x', true)");
    sqlx::query(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await;
    if keep {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
    done.map(|d| d.rows_affected()).map_err(|e| e.to_string())
}

/// What the application role sees and changes by hand-written SQL, past the functions of the store: in every table
/// that has rows of tenants, as the database tells it.
#[tokio::test]
async fn row_level_security_holds_against_raw_statements() {
    for bed in bed::databases().await.into_iter().filter(|b| b.name == "postgres") {
        let [a, b] = two(&bed).await;
        let pool = AnyPool::connect(&bed.url).await.unwrap();
        let tables = tenant_tables(&pool).await;
        assert_eq!(tables.len(), sql::TENANT_TABLES.len() + 1, "{tables:?}");
        for (table, column, columns) in &tables {
            let row = |tenant: &str| {
                let value = |(name, kind): &(String, String)| match kind.as_str() {
                    _ if name == column => format!("'{tenant}'"),
                    "text" => "gen_random_uuid()::text".to_owned(),
                    "bigint" => "0".to_owned(),
                    "tsvector" => "'x'".to_owned(),
                    other => panic!("{table}.{name} is {other}"),
                };
                let values: Vec<String> = columns.iter().map(value).collect();
                format!("INSERT INTO {table} VALUES ({})", values.join(", "))
            };
            if table != "tenants" {
                for tenant in [a, b] {
                    raw(&pool, "*", &row(&tenant.to_string()), true).await.unwrap();
                }
            }
            let forced = format!(
                "SELECT COUNT(*) FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relname = '{table}' \
                 AND c.relrowsecurity AND c.relforcerowsecurity AND p.polcmd = '*' AND p.polpermissive"
            );
            let forced: i64 = sqlx::query(AssertSqlSafe(forced)).fetch_one(&pool).await.unwrap().get(0);
            assert_eq!(forced, 1, "{table} has one policy, for everything, for its owner too");
            let (all, own) = (format!("SELECT 1 FROM {table}"), a.to_string());
            assert_eq!(raw(&pool, "", &all, false).await, Ok(0), "{table} with an empty scope");
            let seen = raw(&pool, &own, &all, false).await.unwrap();
            assert!(seen > 0, "{table} of one tenant");
            let theirs = format!("{all} WHERE {column} <> '{a}'");
            assert_eq!(raw(&pool, &own, &theirs, false).await, Ok(0), "{table} of another tenant");
            let house = raw(&pool, "*", &theirs, false).await.unwrap();
            assert!(house > 0, "{table} for the house");
            // Changing and removing: the rows are not there. Adding and moving: refused.
            let update = format!("UPDATE {table} SET {column} = {column} WHERE {column} = '{b}'");
            assert_eq!(raw(&pool, &own, &update, false).await, Ok(0), "{update}");
            let delete = format!("DELETE FROM {table} WHERE {column} = '{b}'");
            assert_eq!(raw(&pool, &own, &delete, false).await, Ok(0), "{delete}");
            assert_eq!(raw(&pool, &own, &format!("DELETE FROM {table}"), false).await, Ok(seen), "{table}");
            for statement in [row(&b.to_string()), format!("UPDATE {table} SET {column} = 'x'")] {
                let refused = raw(&pool, &own, &statement, false).await.unwrap_err();
                assert!(refused.contains("row-level security"), "{statement}: {refused}");
            }
        }
        // The owner of the tables is no exception, and the scope ends with the transaction.
        let owner = AnyPool::connect(
            &std::env::var("POSTSTELLE_TEST_POSTGRES")
                .unwrap()
                .rsplit_once('/')
                .map(|(base, _)| format!("{base}/{}", bed.url.rsplit_once('/').unwrap().1))
                .unwrap(),
        )
        .await
        .unwrap();
        let seen: i64 = sqlx::query("SELECT COUNT(*) FROM messages").fetch_one(&owner).await.unwrap().get(0);
        assert_eq!(seen, 0, "owner without a scope");
        let seen: i64 = sqlx::query("SELECT COUNT(*) FROM messages").fetch_one(&pool).await.unwrap().get(0);
        assert_eq!(seen, 0, "a pooled connection forgot the scope of its last transaction");
        for statement in [
            "ALTER TABLE messages DISABLE ROW LEVEL SECURITY",
            "DROP POLICY tenant_wall ON messages",
            "CREATE TABLE x (y BIGINT)",
        ] {
            assert!(
                sqlx::query(statement).execute(&pool).await.is_err(),
                "the application role may not: {statement}"
            );
        }
    }
}

#[tokio::test]
async fn a_transaction_not_committed_leaves_nothing() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        for end in ["drop", "rollback"] {
            let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
            messages::insert(&mut tx, &[bed::message(tenant, mailbox, "", "x")]).await.unwrap();
            if end == "rollback" {
                tx.rollback().await.unwrap();
            }
        }
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        assert!(messages::page(&mut tx, tenant, None, 10).await.unwrap().is_empty(), "{}", bed.name);
        // A reading transaction sees one state, whatever happens meanwhile.
        let mut write = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut write, &[bed::message(tenant, mailbox, "", "x")]).await.unwrap();
        write.commit().await.unwrap();
        assert!(messages::page(&mut tx, tenant, None, 10).await.unwrap().is_empty(), "{}", bed.name);
        tx.rollback().await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        assert_eq!(messages::page(&mut tx, tenant, None, 10).await.unwrap().len(), 1, "{}", bed.name);
    }
}
