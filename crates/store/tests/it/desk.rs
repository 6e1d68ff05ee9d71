// SPDX-License-Identifier: EUPL-1.2
//! Desk items change by compare-and-swap; lists and numbers say the same.

use poststelle_model::{DeliveryId, DeskState, NoteId, PrincipalId, Standing, Timestamp};
use poststelle_store::desk::{self, Counts, Filter, Note};
use poststelle_store::{Scope, StoreError};

use crate::bed::{self, THEN, TestIds};

#[tokio::test]
async fn of_two_at_once_one_is_told() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk_id) = bed::tenant(&bed.db, "adorf").await;
        let (me, other) = (PrincipalId::new(&TestIds), PrincipalId::new(&TestIds));
        let message = bed::message(tenant, mailbox, "", "x").message.id;
        let item = bed::item(tenant, DeliveryId::new(&TestIds), desk_id, message);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        desk::insert(&mut tx, std::slice::from_ref(&item)).await.unwrap();
        let claimed = desk::DeskItem {
            standing: Standing { state: DeskState::Claimed, owner: Some(me), due_at: Timestamp(0) },
            changed_at: THEN,
            changed_by: Some(me),
            before: Some(item.standing),
            ..item.clone()
        };
        desk::update(&mut tx, &claimed).await.unwrap();
        let late = desk::DeskItem { changed_by: Some(other), ..claimed.clone() };
        let told = desk::update(&mut tx, &late).await;
        assert!(matches!(told, Err(StoreError::Conflict(_))), "{} {told:?}", bed.name);
        let now = desk::get(&mut tx, tenant, item.delivery).await.unwrap().unwrap();
        assert_eq!(now, desk::DeskItem { version: 2, ..claimed }, "{}", bed.name);
        assert_eq!(desk::of_message(&mut tx, tenant, message).await.unwrap(), [now]);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn lists_and_numbers_agree() {
    for bed in bed::databases().await {
        let (tenant, _, desk_id) = bed::tenant(&bed.db, "adorf").await;
        let (me, other) = (PrincipalId::new(&TestIds), PrincipalId::new(&TestIds));
        let stand = |state, owner| Standing { state, owner, due_at: Timestamp(0) };
        let standings = [
            Standing::NEW,
            Standing::NEW,
            stand(DeskState::Claimed, Some(me)),
            stand(DeskState::Claimed, Some(other)),
            stand(DeskState::Waiting, Some(me)),
            stand(DeskState::Done, Some(me)),
        ];
        let message = poststelle_model::MessageId::new(&TestIds);
        let items: Vec<_> = standings
            .iter()
            .enumerate()
            .map(|(i, standing)| desk::DeskItem {
                standing: *standing,
                urgent: i == 1,
                ..bed::item(tenant, DeliveryId::new(&TestIds), desk_id, message)
            })
            .collect();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        desk::insert(&mut tx, &items).await.unwrap();
        let counts = desk::counts(&mut tx, tenant, me).await.unwrap();
        assert_eq!(counts.len(), 1, "{}", bed.name);
        assert_eq!(counts[&desk_id], Counts { new: 2, claimed: 2, waiting: 1, mine: 2 }, "{}", bed.name);
        for (filter, expected) in [
            (Filter::default(), vec![4, 3, 2, 1, 0]),
            (Filter { state: Some(DeskState::New), ..Filter::default() }, vec![1, 0]),
            (Filter { state: Some(DeskState::Done), ..Filter::default() }, vec![5]),
            (Filter { owner: Some(me), ..Filter::default() }, vec![4, 2]),
            (Filter { state: Some(DeskState::Claimed), owner: Some(other), urgent: false }, vec![3]),
            (Filter { urgent: true, ..Filter::default() }, vec![1]),
            (Filter { state: Some(DeskState::Claimed), owner: Some(me), urgent: true }, vec![]),
        ] {
            let page = desk::page(&mut tx, tenant, desk_id, filter, None, 10).await.unwrap();
            let expected: Vec<_> = expected.into_iter().map(|i: usize| items[i].clone()).collect();
            let found: Vec<_> = page.into_iter().map(|l| l.item).collect();
            assert_eq!(found, expected, "{} {filter:?}", bed.name);
        }
        let note =
            Note { id: NoteId::new(&TestIds), by: me, text: "Ein Vermerk".to_owned(), created_at: THEN };
        desk::add_note(&mut tx, tenant, message, &note).await.unwrap();
        assert_eq!(desk::notes(&mut tx, tenant, message).await.unwrap(), [note], "{}", bed.name);
        tx.commit().await.unwrap();
    }
}
