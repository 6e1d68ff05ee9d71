// SPDX-License-Identifier: EUPL-1.2
//! Threads: the nearest message known, of this tenant only, found by the index.

use poststelle_model::{ConversationId, MailboxId, MessageId, TenantId};
use poststelle_store::messages::{self, Inspection};
use poststelle_store::threads::{self, ASKED, Thread};
use poststelle_store::{Scope, sql};
use sqlx::{AnyPool, AssertSqlSafe, Row};

use crate::bed::{self, Bed};

async fn keep(bed: &Bed, tenant: TenantId, mailbox: MailboxId, header_id: &str) -> MessageId {
    let new = bed::message(tenant, mailbox, "", "x");
    let id = new.message.id;
    let inspection = Inspection { version: 1, header_id: header_id.to_owned(), ..Default::default() };
    let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
    messages::insert(&mut tx, &[new]).await.unwrap();
    messages::insert_inspections(&mut tx, &[(tenant, id, inspection)]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn find(bed: &Bed, tenant: TenantId, answers: &[&str]) -> Option<Thread> {
    let answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
    let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
    threads::find(&mut tx, tenant, &answers).await.unwrap()
}

#[tokio::test]
async fn the_nearest_known_message_decides() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let (other, other_box, _) = bed::tenant(&bed.db, "bdorf").await;
        let question = keep(&bed, tenant, mailbox, "frage@buerger.example").await;
        let foreign = keep(&bed, other, other_box, "fremd@buerger.example").await;
        keep(&bed, tenant, mailbox, "").await;
        let conversation = ConversationId::from_uuid(question.uuid());

        assert_eq!(find(&bed, tenant, &[]).await, None);
        assert_eq!(
            find(&bed, tenant, &[""]).await,
            None,
            "mail without Message-ID is no answer to any other"
        );
        assert_eq!(find(&bed, tenant, &["fremd@buerger.example"]).await, None);
        let theirs = find(&bed, other, &["frage@buerger.example", "fremd@buerger.example"]).await.unwrap();
        assert_eq!(theirs.in_reply_to, foreign);

        let first = find(&bed, tenant, &["frage@buerger.example"]).await.unwrap();
        assert_eq!(first, Thread { in_reply_to: question, conversation });
        let answer = keep(&bed, tenant, mailbox, "antwort@amt.example").await;
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        threads::join(&mut tx, &[(tenant, answer, first)]).await.unwrap();
        let kept = messages::get(&mut tx, tenant, answer).await.unwrap().unwrap();
        assert_eq!((kept.in_reply_to, kept.conversation), (Some(question), Some(conversation)));
        tx.commit().await.unwrap();

        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        for (of, within, expected) in [
            (conversation, None, vec![answer, question]),
            (conversation, Some((&[mailbox][..], &[][..])), vec![answer, question]),
            (conversation, Some((&[other_box][..], &[][..])), vec![]),
            (ConversationId::from_uuid(foreign.uuid()), None, vec![]),
        ] {
            let lines = threads::conversation(&mut tx, tenant, of, within, 9).await.unwrap();
            assert_eq!(lines.iter().map(|l| l.id).collect::<Vec<_>>(), expected, "{}", bed.name);
        }
        tx.rollback().await.unwrap();

        let named = ["weg@buerger.example", "antwort@amt.example", "frage@buerger.example"];
        assert_eq!(find(&bed, tenant, &named).await, Some(Thread { in_reply_to: answer, conversation }));
        let mut many = vec!["weg@buerger.example"; ASKED];
        many.push("frage@buerger.example");
        assert_eq!(find(&bed, tenant, &many).await, None, "only so many are looked for");
    }
}

#[tokio::test]
async fn the_index_finds_it() {
    let all = bed::databases().await;
    let bed = all.iter().find(|b| b.name == "sqlite").unwrap();
    let statement = sql::STATEMENTS.iter().find(|s| s.0 == "THREAD_FIND").unwrap().1;
    let pool = AnyPool::connect(&bed.url).await.unwrap();
    let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
    let steps: Vec<String> = plan.fetch_all(&pool).await.unwrap().iter().map(|r| r.get(3)).collect();
    assert_eq!(steps.iter().filter(|s| s.contains("inspections_header")).count(), ASKED, "{steps:#?}");
    assert!(!steps.iter().any(|s| s.starts_with("SCAN")), "{steps:#?}");
}
