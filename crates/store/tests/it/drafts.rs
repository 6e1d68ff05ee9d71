// SPDX-License-Identifier: EUPL-1.2
//! Drafts change by compare-and-swap; their attachments are what was laid down piece by piece.

use poststelle_model::{
    BlobId, DraftId, DraftKind, DraftPartId, DraftState, Fault, MailboxId, MessageId, PrincipalId, Reason,
    TenantId, Timestamp,
};
use poststelle_store::drafts::{self, Draft, DraftPart, DraftWrite, Piece};
use poststelle_store::{Scope, StoreError, desk, tenants};

use crate::bed::{self, THEN, TestIds};

/// An answer being written.
pub fn example(tenant: TenantId, mailbox: MailboxId, owner: PrincipalId) -> Draft {
    Draft {
        tenant,
        id: DraftId::new(&TestIds),
        owner,
        mailbox,
        kind: DraftKind::Reply,
        answers: Some(MessageId::new(&TestIds)),
        thread: vec!["a@b.example".to_owned(), "c@d.example".to_owned()],
        recipients: "erna@aussen.example".to_owned(),
        copies: String::new(),
        subject: "AW: Hecke".to_owned(),
        body: "s1.x".to_owned(),
        state: DraftState::Open,
        reason: Some(Reason::new("PST-DRAFT-0002", Fault::Sender).with("address", "x")),
        send_at: Timestamp(0),
        desk: None,
        message: None,
        released_by: None,
        created_at: THEN,
        changed_at: THEN,
        version: 1,
    }
}

/// An attachment of 30 bytes, none of which is here yet.
pub fn attachment(name: &str) -> DraftPart {
    DraftPart {
        id: DraftPartId::new(&TestIds),
        name: name.to_owned(),
        media_type: "application/pdf".to_owned(),
        size: 30,
        created_at: THEN,
        stored: 0,
    }
}

fn piece(start: i64, size: i64) -> Piece {
    Piece { id: BlobId::new(&TestIds), start, size, sha256: "x".to_owned(), wrapped: "v1.x".to_owned() }
}

#[tokio::test]
async fn of_two_windows_one_is_told() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk_id) = bed::tenant(&bed.db, "adorf").await;
        let me = PrincipalId::new(&TestIds);
        let first = Draft { desk: Some(desk_id), ..example(tenant, mailbox, me) };
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        drafts::apply(&mut tx, &DraftWrite::Insert(first.clone())).await.unwrap();
        assert_eq!(drafts::get(&mut tx, tenant, first.id).await.unwrap().unwrap(), first, "{}", bed.name);
        let message = MessageId::new(&TestIds);
        let sent = Draft {
            state: DraftState::Sent,
            message: Some(message),
            reason: None,
            body: String::new(),
            ..first.clone()
        };
        drafts::apply(&mut tx, &DraftWrite::Update(sent.clone())).await.unwrap();
        for late in [DraftWrite::Update(first.clone()), DraftWrite::Delete(tenant, first.id, 1)] {
            let told = drafts::apply(&mut tx, &late).await;
            assert!(matches!(told, Err(StoreError::Conflict(_))), "{} {told:?}", bed.name);
        }
        let now = Draft { version: 2, ..sent };
        assert_eq!(drafts::of(&mut tx, tenant, me, 10).await.unwrap(), [now]);
        assert_eq!(drafts::of(&mut tx, tenant, PrincipalId::new(&TestIds), 10).await.unwrap(), []);
        // Where it was written from, for those who work there.
        assert_eq!(drafts::desk_of(&mut tx, tenant, message).await.unwrap(), Some(desk_id));
        assert_eq!(desk::desks_of(&mut tx, tenant, message).await.unwrap(), [desk_id], "{}", bed.name);
        drafts::apply(&mut tx, &DraftWrite::Delete(tenant, first.id, 2)).await.unwrap();
        // What a second person must see, and only that.
        let other = example(tenant, mailbox, me);
        let asks = Draft { state: DraftState::Release, released_by: None, ..example(tenant, mailbox, me) };
        for draft in [&other, &asks] {
            drafts::apply(&mut tx, &DraftWrite::Insert(draft.clone())).await.unwrap();
        }
        let listed = Draft { body: String::new(), ..asks };
        assert_eq!(drafts::to_release(&mut tx, tenant, 10).await.unwrap(), [listed], "{}", bed.name);
        assert!(!tenants::four_eyes(&mut tx, tenant, mailbox).await.unwrap());
        tenants::set_four_eyes(&mut tx, tenant, mailbox, true).await.unwrap();
        assert!(tenants::four_eyes(&mut tx, tenant, mailbox).await.unwrap());
        assert!(drafts::get(&mut tx, tenant, first.id).await.unwrap().is_none());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn attachments_grow_piece_by_piece_and_go_as_a_whole() {
    for bed in bed::databases().await {
        let (tenant, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let (other, ..) = bed::tenant(&bed.db, "bestadt").await;
        let of = example(tenant, mailbox, PrincipalId::new(&TestIds));
        let (plan, photo) = (attachment("Plan.pdf"), attachment("Foto.jpg"));
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let mut writes = vec![DraftWrite::Insert(of.clone())];
        writes.extend([&plan, &photo].map(|p| DraftWrite::Attach(tenant, of.id, p.clone())));
        let pieces = [piece(0, 10), piece(10, 20)];
        writes.extend(pieces.iter().map(|p| DraftWrite::Append(tenant, plan.id, p.clone())));
        for write in &writes {
            drafts::apply(&mut tx, write).await.unwrap();
        }
        let parts = drafts::parts(&mut tx, tenant, of.id).await.unwrap();
        assert_eq!(parts, [DraftPart { stored: 30, ..plan.clone() }, photo.clone()], "{}", bed.name);
        assert_eq!(drafts::pieces(&mut tx, tenant, plan.id).await.unwrap(), pieces);
        assert!(drafts::has_piece(&mut tx, tenant, pieces[0].id).await.unwrap());
        // Nothing of it for others.
        let foreign = drafts::has_piece(&mut tx, other, pieces[0].id).await;
        assert!(matches!(foreign, Err(StoreError::Scope(_))));
        drafts::apply(&mut tx, &DraftWrite::Detach(tenant, of.id, photo.id)).await.unwrap();
        let gone = drafts::apply(&mut tx, &DraftWrite::Append(tenant, photo.id, piece(0, 1))).await;
        assert!(matches!(gone, Err(StoreError::NotFound(_))), "{} {gone:?}", bed.name);
        drafts::apply(&mut tx, &DraftWrite::Clear(tenant, of.id)).await.unwrap();
        assert!(drafts::parts(&mut tx, tenant, of.id).await.unwrap().is_empty());
        assert!(!drafts::has_piece(&mut tx, tenant, pieces[1].id).await.unwrap());
        tx.commit().await.unwrap();
        // The same place twice: one of two uploads of the same octets is told.
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        drafts::apply(&mut tx, &DraftWrite::Attach(tenant, of.id, plan.clone())).await.unwrap();
        drafts::apply(&mut tx, &DraftWrite::Append(tenant, plan.id, piece(0, 5))).await.unwrap();
        let twice = drafts::apply(&mut tx, &DraftWrite::Append(tenant, plan.id, piece(0, 5))).await;
        assert!(matches!(twice, Err(StoreError::Exists(_))), "{} {twice:?}", bed.name);
    }
}
