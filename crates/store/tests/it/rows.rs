// SPDX-License-Identifier: EUPL-1.2
//! Messages, deliveries, evidence, alarms, people: what unique keys and versions promise.

use std::time::Duration;

use poststelle_model::part::Encoding;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    AdministrationId, AlarmId, ChannelKind, DeliveryState, DeskId, Fault, MailboxId, Part, PrincipalId,
    Reason, ReceiptId, Role, Subject,
};
use poststelle_store::access::{self, Principal};
use poststelle_store::messages::{Inspection, Receipt};
use poststelle_store::{Scope, StoreError, balance, desk, evidence, messages, tenants};

use crate::bed::{self, THEN, TestIds};

#[tokio::test]
async fn a_foreign_id_with_the_same_octets_is_there_once() {
    for bed in bed::databases().await {
        let (a, box_a, _) = bed::tenant(&bed.db, "adorf").await;
        let (b, box_b, _) = bed::tenant(&bed.db, "bdorf").await;
        let put = async |tenant, mailbox, foreign: &str, sha: &str| {
            let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
            messages::insert(&mut tx, &[bed::message(tenant, mailbox, foreign, sha)]).await?;
            tx.commit().await
        };
        put(a, box_a, "f-1", "one").await.unwrap();
        let again = put(a, box_a, "f-1", "one").await;
        assert!(matches!(again, Err(StoreError::Exists(_))), "{}: {again:?}", bed.name);
        put(a, box_a, "f-1", "two").await.unwrap();
        put(b, box_b, "f-1", "one").await.unwrap();
        // Without a foreign id nothing is ever merged.
        put(a, box_a, "", "one").await.unwrap();
        put(a, box_a, "", "one").await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(a)).await.unwrap();
        let found = messages::by_foreign_id(&mut tx, a, ChannelKind::Mail, "f-1").await.unwrap();
        assert_eq!(found.iter().map(|f| f.1.as_str()).collect::<Vec<_>>(), ["one", "two"], "{}", bed.name);
        assert_eq!(messages::page(&mut tx, a, None, 100).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_delivery_changes_once_per_version() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, "adorf").await;
        let new = bed::message(tenant, mailbox, "", "x");
        let id = new.message.id;
        let first = bed::delivery(tenant, id, desk);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &[new]).await.unwrap();
        messages::insert_deliveries(&mut tx, std::slice::from_ref(&first)).await.unwrap();
        tx.commit().await.unwrap();
        // The same message, rule and target is planned once.
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let twin = bed::delivery(tenant, id, desk);
        assert!(
            matches!(messages::insert_deliveries(&mut tx, &[twin]).await, Err(StoreError::Exists(_))),
            "{}",
            bed.name
        );
        tx.rollback().await.unwrap();

        let mut changed = first.clone();
        changed.state = DeliveryState::Sending;
        changed.attempts = 1;
        changed.reason = Some(Reason::new("PST-DELIVER-0001", Fault::Remote).with("x", "y"));
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::update_deliveries(&mut tx, std::slice::from_ref(&changed)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let late = messages::update_deliveries(&mut tx, std::slice::from_ref(&first)).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        tx.rollback().await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        let read = messages::get_delivery(&mut tx, tenant, first.id).await.unwrap().unwrap();
        assert_eq!(read, messages::Delivery { version: 2, ..changed }, "{}", bed.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_chain_has_one_next_entry() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let subject = Subject::rules(tenant);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (db, subject) = (bed.db.clone(), subject.clone());
            tasks.spawn(async move {
                let mut done = 0;
                while done < 25 {
                    let mut tx = db.begin(Scope::Tenant(tenant)).await.unwrap();
                    let heads =
                        evidence::heads(&mut tx, tenant, std::slice::from_ref(&subject)).await.unwrap();
                    let n = heads.get(&subject).map_or(0, |h| h.n + 1);
                    match evidence::insert(&mut tx, &[bed::entry(tenant, &subject, n)]).await {
                        Ok(()) => {
                            tx.commit().await.unwrap();
                            done += 1;
                        }
                        Err(StoreError::Exists(_)) => tx.rollback().await.unwrap(),
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
        while let Some(result) = tasks.join_next().await {
            result.unwrap();
        }
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        let chain = evidence::chain(&mut tx, tenant, &subject).await.unwrap();
        assert!(chain.iter().map(|e| e.n).eq(0..100), "{}", bed.name);
        assert_eq!(chain[99], bed::entry(tenant, &subject, 99), "{}", bed.name);
    }
}

#[tokio::test]
async fn heads_of_any_number_of_chains() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let subjects: Vec<Subject> = (0..300).map(|i| Subject::from_text(&format!("message:{i}"))).collect();
        let entries: Vec<_> = subjects
            .iter()
            .skip(1)
            .flat_map(|s| [bed::entry(tenant, s, 0), bed::entry(tenant, s, 1)])
            .collect();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        evidence::insert(&mut tx, &entries).await.unwrap();
        for count in [0, 1, 2, 3, 127, 128, 129, 300] {
            let heads = evidence::heads(&mut tx, tenant, &subjects[..count]).await.unwrap();
            assert_eq!(heads.len(), count.saturating_sub(1), "{} {count}", bed.name);
            assert!(heads.values().all(|h| h.n == 1 && h.at.0 == THEN.0 + 1));
        }
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn places_are_given_once_and_without_gap() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let subjects: Vec<Subject> =
            (0..150).map(|i| Subject::from_text(&format!("message:{i:03}"))).collect();
        let entries: Vec<_> = subjects.iter().map(|s| bed::entry(tenant, s, 0)).collect();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        evidence::insert(&mut tx, &entries).await.unwrap();
        tx.enter(Scope::System).await.unwrap();
        assert_eq!(evidence::open_tenants(&mut tx).await.unwrap(), [tenant]);
        let open = evidence::open(&mut tx, tenant, 1000).await.unwrap();
        let places: Vec<(Subject, i64)> = open.into_iter().map(|o| (o.0, o.1)).collect();
        assert_eq!(places.len(), 150, "{}", bed.name);
        evidence::place(&mut tx, tenant, 0, &places).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let range = evidence::range(&mut tx, tenant, 0, 1000).await.unwrap();
        assert!(range.iter().map(|r| r.0).eq(0..150), "{}", bed.name);
        assert!(range.iter().zip(&places).all(|(r, p)| r.1 == p.0), "{}: in the order given", bed.name);
        // Who comes late places nothing, neither many nor one.
        for late in [&places[..], &places[..1]] {
            let result = evidence::place(&mut tx, tenant, 150, late).await;
            assert!(matches!(result, Err(StoreError::Conflict(_))), "{}: {result:?}", bed.name);
        }
        tx.rollback().await.unwrap();
        // A place is never given twice.
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        evidence::insert(&mut tx, &[bed::entry(tenant, &subjects[0], 1)]).await.unwrap();
        assert!(
            evidence::place(&mut tx, tenant, 7, &[(subjects[0].clone(), 1)]).await.is_err(),
            "{}",
            bed.name
        );
        tx.rollback().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let c = evidence::Checkpoint {
            size: 150,
            root: "r".to_owned(),
            frontier: "f".to_owned(),
            note: "n".to_owned(),
            fence: 1,
            created_at: THEN,
        };
        evidence::insert_checkpoint(&mut tx, tenant, &c).await.unwrap();
        assert_eq!(evidence::last_checkpoint(&mut tx, tenant).await.unwrap(), Some(c.clone()));
        let twice =
            evidence::insert_checkpoint(&mut tx, tenant, &evidence::Checkpoint { root: "s".to_owned(), ..c })
                .await;
        assert!(matches!(twice, Err(StoreError::Exists(_))), "{}: {twice:?}", bed.name);
    }
}

/// What senders write arrives as it is; only NUL, which PostgreSQL cannot keep, is replaced.
#[tokio::test]
async fn texts_survive() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let new = bed::message(tenant, mailbox, "", "x");
        let id = new.message.id;
        let odd = "Größe 😀 u\u{308} \u{202e} ' \" $1 {now} {lock} \\ \u{1}\u{7f}";
        let part = |n: i64, name: &str| Part {
            n,
            parent: -1,
            path: n.to_string(),
            leaf: true,
            blob: None,
            header: -1,
            start: n * 10,
            len: 10,
            encoding: Encoding::parse("base64"),
            declared: "text/plain".to_owned(),
            detected: String::new(),
            charset: "utf-8".to_owned(),
            raw_name: name.to_owned(),
            name: name.to_owned(),
            disposition: "attachment".to_owned(),
            size: 7,
            sha256: "s".to_owned(),
            defects: vec!["a-b".to_owned(), "c".to_owned()],
        };
        let parts: Vec<Part> = (0..2500).map(|n| part(n, if n == 3 { odd } else { "x\0y" })).collect();
        let inspection = Inspection {
            version: 1,
            subject: odd.to_owned(),
            sender_name: "a\0b".to_owned(),
            ..Inspection::default()
        };
        let long = "ä".repeat(messages::RECEIPT_CAP);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, std::slice::from_ref(&new)).await.unwrap();
        messages::insert_parts(&mut tx, &[(tenant, id, parts.clone())]).await.unwrap();
        messages::insert_inspections(&mut tx, &[(tenant, id, inspection)]).await.unwrap();
        let receipt = |body: &str| Receipt {
            tenant,
            id: ReceiptId::new(&TestIds),
            message: id,
            delivery: poststelle_model::DeliveryId::new(&TestIds),
            kind: "dsn".to_owned(),
            carried_by: None,
            body: body.to_owned(),
            created_at: THEN,
        };
        messages::insert_receipts(&mut tx, &[receipt(&long), receipt("a\0b")]).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        assert_eq!(messages::get(&mut tx, tenant, id).await.unwrap().unwrap(), new.message, "{}", bed.name);
        let i = messages::inspection(&mut tx, tenant, id).await.unwrap().unwrap();
        assert_eq!((i.subject.as_str(), i.sender_name.as_str()), (odd, "a\u{fffd}b"), "{}", bed.name);
        let read = messages::parts(&mut tx, tenant, id, 0, 10_000).await.unwrap();
        assert_eq!((read.len(), &read[3]), (2500, &parts[3]), "{}", bed.name);
        assert_eq!(read[4].name, "x\u{fffd}y");
        assert_eq!(messages::parts(&mut tx, tenant, id, 2490, 100).await.unwrap().len(), 10);
        let receipts = messages::receipts(&mut tx, tenant, id).await.unwrap();
        assert!(receipts.iter().all(|r| r.body.len() <= messages::RECEIPT_CAP), "{}", bed.name);
        assert_eq!(messages::page(&mut tx, tenant, None, 10).await.unwrap()[0].attachments, 2500);
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_ended() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, "adorf").await;
        let new: Vec<_> = (0..25).map(|_| bed::message(tenant, mailbox, "", "x")).collect();
        let items: Vec<desk::DeskItem> = new
            .iter()
            .map(|m| bed::item(tenant, poststelle_model::DeliveryId::new(&TestIds), desk, m.message.id))
            .collect();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &new).await.unwrap();
        desk::insert(&mut tx, &items).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = messages::page(&mut tx, tenant, before, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.extend(page.iter().map(|l| l.id));
        }
        assert!(seen.iter().eq(new.iter().rev().map(|m| &m.message.id)), "{}", bed.name);
        let page = desk::page(&mut tx, tenant, desk, desk::Filter::default(), None, 10).await.unwrap();
        let rest =
            desk::page(&mut tx, tenant, desk, desk::Filter::default(), Some(page[9].item.delivery), 100)
                .await
                .unwrap();
        assert!(page.iter().chain(&rest).map(|l| &l.item).eq(items.iter().rev()), "{}", bed.name);
    }
}

#[tokio::test]
async fn a_page_within_boxes_and_desks_costs_two_statements() {
    for bed in bed::databases().await {
        let (tenant, first, desk) = bed::tenant(&bed.db, "adorf").await;
        let (second, third) = (MailboxId::new(&TestIds), MailboxId::new(&TestIds));
        let of = |i: usize| [first, second, third][i % 3];
        let new: Vec<_> = (0..30).map(|i| bed::message(tenant, of(i), "", "x")).collect();
        let mut deliveries = Vec::new();
        for m in &new {
            deliveries.push(bed::delivery(tenant, m.message.id, desk));
        }
        let mut other = bed::delivery(tenant, new[0].message.id, DeskId::new(&TestIds));
        other.state = DeliveryState::Parked;
        deliveries.push(other);
        let item = bed::item(tenant, deliveries[2].id, desk, new[2].message.id);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &new).await.unwrap();
        messages::insert_deliveries(&mut tx, &deliveries).await.unwrap();
        desk::insert(&mut tx, &[item]).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        let before = bed.db.statements();
        let lines =
            messages::page_within(&mut tx, tenant, &[first, second], &[desk], None, 100).await.unwrap();
        let ids: Vec<_> = lines.iter().map(|l| l.id).collect();
        let states = messages::states(&mut tx, tenant, &ids).await.unwrap();
        assert_eq!(bed.db.statements() - before, 2, "{}", bed.name);
        // Two boxes of three, and the one message of the third box that lies on the desk.
        let expected: Vec<_> =
            (0..30).rev().filter(|i| i % 3 < 2 || *i == 2).map(|i| new[i].message.id).collect();
        assert_eq!(ids, expected, "{}", bed.name);
        assert_eq!(states[&new[1].message.id], [DeliveryState::Planned]);
        let mut both = states[&new[0].message.id].clone();
        both.sort_by_key(|s| s.as_str());
        assert_eq!(both, [DeliveryState::Parked, DeliveryState::Planned]);
        // Pages go on, and whoever sees nothing gets nothing.
        let rest = messages::page_within(&mut tx, tenant, &[second], &[], Some(ids[10]), 3).await.unwrap();
        assert!(rest.len() == 3 && rest.iter().all(|l| l.id < ids[10]), "{}", bed.name);
        assert!(messages::page_within(&mut tx, tenant, &[], &[], None, 9).await.unwrap().is_empty());
        assert!(messages::states(&mut tx, tenant, &[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_open_alarm_per_topic() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        for count in 1..=2 {
            let reason = Reason::new("PST-HUB-0004", Fault::Operator).with("count", count);
            evidence::raise_alarm(&mut tx, tenant, AlarmId::new(&TestIds), "balance", &reason, THEN)
                .await
                .unwrap();
        }
        let open = evidence::open_alarms(&mut tx).await.unwrap();
        assert_eq!(open.len(), 1, "{}", bed.name);
        assert_eq!(open[0].reason.as_ref().unwrap().params["count"], "2");
        assert!(evidence::clear_alarm(&mut tx, tenant, "balance", THEN).await.unwrap());
        assert!(!evidence::clear_alarm(&mut tx, tenant, "balance", THEN).await.unwrap());
        let reason = Reason::new("PST-HUB-0004", Fault::Operator);
        evidence::raise_alarm(&mut tx, tenant, AlarmId::new(&TestIds), "balance", &reason, THEN)
            .await
            .unwrap();
        assert_eq!(evidence::open_alarms(&mut tx).await.unwrap().len(), 1, "{}", bed.name);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_grant_counts_while_the_mandate_does() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let (old, new) = (AdministrationId::new(&TestIds), AdministrationId::new(&TestIds));
        let person = Principal {
            id: PrincipalId::new(&TestIds),
            login: "m.muster".to_owned(),
            kind: "person".to_owned(),
            name: "M. Muster".to_owned(),
            administration: Some(old),
            password_hash: String::new(),
            active: true,
            failures: 0,
            locked_until: poststelle_model::Timestamp(0),
            must_change: false,
            wrapped_totp: String::new(),
        };
        let grant = Grant { role: Role::Clerk, place: Place::Tenant { tenant } };
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        tenants::insert_administration(&mut tx, old, "amt-alt", "Amt Alt", THEN).await.unwrap();
        tenants::insert_administration(&mut tx, new, "amt-neu", "Amt Neu", THEN).await.unwrap();
        access::insert(&mut tx, &person, THEN).await.unwrap();
        assert!(matches!(
            access::insert(&mut tx, &Principal { id: PrincipalId::new(&TestIds), ..person.clone() }, THEN)
                .await,
            Err(StoreError::Exists(_))
        ));
        tx.rollback().await.unwrap();
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        tenants::insert_administration(&mut tx, old, "amt-alt", "Amt Alt", THEN).await.unwrap();
        tenants::insert_administration(&mut tx, new, "amt-neu", "Amt Neu", THEN).await.unwrap();
        access::insert(&mut tx, &person, THEN).await.unwrap();
        access::grant(&mut tx, person.id, grant).await.unwrap();
        access::grant(&mut tx, person.id, grant).await.unwrap();
        let (year, two) = (THEN.plus(Duration::from_secs(1000)), THEN.plus(Duration::from_secs(2000)));
        assert!(
            access::access(&mut tx, person.id, year).await.unwrap().grants.is_empty(),
            "{}: no mandate",
            bed.name
        );
        tenants::give_mandate(&mut tx, tenant, old, THEN).await.unwrap();
        assert_eq!(access::access(&mut tx, person.id, year).await.unwrap().grants, [grant], "{}", bed.name);
        tenants::give_mandate(&mut tx, tenant, new, two).await.unwrap();
        assert_eq!(
            access::access(&mut tx, person.id, year).await.unwrap().grants.len(),
            1,
            "{}: still",
            bed.name
        );
        assert!(
            access::access(&mut tx, person.id, two).await.unwrap().grants.is_empty(),
            "{}: the Amt changed",
            bed.name
        );
        assert_eq!(tenants::mandates(&mut tx, tenant).await.unwrap().len(), 2);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn the_balance_names_what_does_not_add_up() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, "adorf").await;
        let fine = bed::message(tenant, mailbox, "", "x");
        let unproven = bed::message(tenant, mailbox, "", "x");
        let stuck = bed::message(tenant, mailbox, "", "x");
        let lost = Subject::message(poststelle_model::MessageId::new(&TestIds));
        let job = bed::job(tenant, "process", &unproven.message.id.to_string(), Duration::ZERO);
        let (done, open) =
            (bed::delivery(tenant, fine.message.id, desk), bed::delivery(tenant, unproven.message.id, desk));
        let done = messages::Delivery { state: DeliveryState::Confirmed, ..done };
        let proven = [&fine, &stuck].map(|m| bed::entry(tenant, &Subject::message(m.message.id), 0));
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        messages::insert(&mut tx, &[fine.clone(), unproven.clone(), stuck.clone()]).await.unwrap();
        messages::insert_deliveries(&mut tx, &[done.clone(), open.clone()]).await.unwrap();
        evidence::insert(&mut tx, &proven).await.unwrap();
        evidence::insert(
            &mut tx,
            &[bed::entry(tenant, &lost, 0), bed::entry(tenant, &Subject::rules(tenant), 0)],
        )
        .await
        .unwrap();
        poststelle_store::jobs::insert(&mut tx, THEN, &[job]).await.unwrap();
        let counts = balance::counts(&mut tx).await.unwrap();
        assert_eq!(counts.len(), 1);
        let c = &counts[0];
        assert_eq!((c.accepted, c.delivered, c.open, c.parked, c.failed), (3, 1, 2, 0, 0), "{}", bed.name);
        assert_eq!(balance::listed(&mut tx).await.unwrap(), [(tenant, 3)], "{}", bed.name);
        let mut wrong: Vec<(&str, String)> =
            balance::mismatches(&mut tx).await.unwrap().into_iter().map(|m| (m.kind, m.id)).collect();
        wrong.sort();
        let mut expected = vec![
            ("unproven", unproven.message.id.to_string()),
            ("lost", lost.to_string()),
            ("stuck_message", stuck.message.id.to_string()),
            ("stuck_delivery", open.message.to_string()),
            ("itemless", done.message.to_string()),
        ];
        expected.sort();
        assert_eq!(wrong, expected, "{}", bed.name);
        tx.rollback().await.unwrap();
    }
}
