// SPDX-License-Identifier: EUPL-1.2
//! Two walls between tenants: the scope of a transaction, and row-level security below it.

use poststelle_model::{AlarmId, Fault, Reason, Subject};
use poststelle_store::{Scope, StoreError, desk, evidence, jobs, messages, sql, tenants};
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

/// What the application role sees and changes by hand-written SQL, past the functions of the store.
#[tokio::test]
async fn row_level_security_holds_against_raw_statements() {
    for bed in bed::databases().await.into_iter().filter(|b| b.name == "postgres") {
        let [a, b] = two(&bed).await;
        let pool = AnyPool::connect(&bed.url).await.unwrap();
        let count = async |scope: Option<String>, statement: String| {
            let mut tx = pool.begin().await.unwrap();
            if let Some(scope) = scope {
                let set = format!("SELECT set_config('app.tenant', '{scope}', true)");
                sqlx::query(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
            }
            sqlx::query(AssertSqlSafe(statement)).fetch_one(&mut *tx).await.unwrap().get::<i64, _>(0)
        };
        let filled = [
            "mailboxes",
            "desk_tenants",
            "messages",
            "message_keys",
            "message_mailboxes",
            "deliveries",
            "evidence",
            "alarms",
        ];
        for table in sql::TENANT_TABLES {
            let all = format!("SELECT COUNT(*) FROM {table}");
            let theirs = format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = '{b}'");
            let expected = i64::from(filled.contains(table));
            assert_eq!(count(None, all.clone()).await, 0, "{table} without a scope");
            assert_eq!(count(Some(String::new()), all.clone()).await, 0, "{table} with an empty scope");
            assert_eq!(count(Some(a.to_string()), all.clone()).await, expected, "{table} of one tenant");
            assert_eq!(count(Some(a.to_string()), theirs).await, 0, "{table} of another tenant");
            assert_eq!(count(Some("*".to_owned()), all).await, 2 * expected, "{table} for the house");
        }
        // Changing and removing: the rows are not there. Adding and moving: refused.
        for (statement, refused) in [
            (format!("UPDATE messages SET sha256 = 'x' WHERE tenant_id = '{b}'"), false),
            (format!("DELETE FROM evidence WHERE tenant_id = '{b}'"), false),
            ("DELETE FROM alarms".to_owned(), false),
            (format!("INSERT INTO mailboxes VALUES ('{b}', 'x', 'x', 1, 0, 1)"), true),
            (format!("UPDATE messages SET tenant_id = '{b}'"), true),
        ] {
            let mut tx = pool.begin().await.unwrap();
            let set = format!("SELECT set_config('app.tenant', '{a}', true)");
            sqlx::query(AssertSqlSafe(set)).execute(&mut *tx).await.unwrap();
            let result = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await;
            if refused {
                assert!(result.unwrap_err().to_string().contains("row-level security"), "{statement}");
            } else {
                let own = u64::from(statement == "DELETE FROM alarms");
                assert_eq!(result.unwrap().rows_affected(), own, "{statement}");
            }
            tx.rollback().await.unwrap();
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
