// SPDX-License-Identifier: EUPL-1.2
//! What the inspection station leaves: written once, behind the wall; what is held changes by compare-and-swap.

use poststelle_model::{BlobId, Finding, HoldCause, HoldState, MessageId, PrincipalId, TenantId, Timestamp};
use poststelle_store::inspection::{self, Derived, StoredSheet};
use poststelle_store::messages::{self, Inspection};
use poststelle_store::quarantine::{self, Hold};
use poststelle_store::{Scope, StoreError};

use crate::bed::{self, THEN, TestIds};

/// Everything one inspection writes.
pub struct Inspected {
    pub sheets: Vec<(TenantId, MessageId, StoredSheet)>,
    pub findings: Vec<(TenantId, MessageId, Finding)>,
    pub derived: Vec<(TenantId, MessageId, Derived)>,
    pub holds: Vec<Hold>,
}

/// An inspection that holds part 2 back.
pub fn inspected(tenant: TenantId, message: MessageId, person: PrincipalId) -> Inspected {
    let sheet = StoredSheet {
        version: 1,
        sheet: "{\"größe\":1}".to_owned(),
        sha256: "s".to_owned(),
        created_at: THEN,
    };
    let finding = Finding {
        name: "malware:1".to_owned(),
        source: "clamd".to_owned(),
        version: "1.4".to_owned(),
        body: "{}".to_owned(),
        at: THEN,
    };
    let hold = Hold {
        tenant,
        message,
        part: 2,
        cause: HoldCause::Infected,
        note: "{}".to_owned(),
        state: HoldState::Proposed,
        next_check: Timestamp(0),
        proposed_by: Some(person),
        words: "Fehlalarm".to_owned(),
        decided_by: None,
        held_at: THEN,
        changed_at: THEN,
        version: 1,
    };
    Inspected {
        sheets: vec![(tenant, message, sheet)],
        findings: vec![(tenant, message, finding)],
        derived: vec![],
        holds: vec![hold],
    }
}

#[tokio::test]
async fn sheets_and_findings_are_written_once() {
    for bed in bed::databases().await {
        let (tenant, mailbox, ..) = bed::tenant(&bed.db, "adorf").await;
        let (other, ..) = bed::tenant(&bed.db, "bedorf").await;
        let new = bed::message(tenant, mailbox, "f-1", "");
        let (message, original) = (new.message.id, new.message.blob);
        let all = inspected(tenant, message, PrincipalId::new(&TestIds));
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &[new]).await.unwrap();
        inspection::insert_sheets(&mut tx, &all.sheets).await.unwrap();
        inspection::insert_findings(&mut tx, &all.findings).await.unwrap();
        // Another answer to the same question: the first one stays.
        let mut late = all.findings.clone();
        late[0].2.body = "other".to_owned();
        inspection::insert_findings(&mut tx, &late).await.unwrap();
        assert_eq!(
            inspection::findings(&mut tx, tenant, message).await.unwrap(),
            [all.findings[0].2.clone()]
        );
        let second = StoredSheet { version: 2, ..all.sheets[0].2.clone() };
        inspection::insert_sheets(&mut tx, &[(tenant, message, second.clone())]).await.unwrap();
        let newest = inspection::sheet(&mut tx, tenant, message, None).await.unwrap();
        assert_eq!(newest, Some(second), "{}", bed.name);
        let first = inspection::sheet(&mut tx, tenant, message, Some(1)).await.unwrap();
        assert_eq!(first.as_ref(), Some(&all.sheets[0].2));
        assert_eq!(inspection::versions(&mut tx, tenant, message).await.unwrap().len(), 2);
        let inspection = Inspection { version: 1, ..Inspection::default() };
        messages::insert_inspections(&mut tx, &[(tenant, message, inspection)]).await.unwrap();
        inspection::set_version(&mut tx, tenant, message, 2).await.unwrap();
        let late = inspection::set_version(&mut tx, tenant, message, 2).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        assert!(inspection::sheet(&mut tx, other, message, None).await.is_err(), "the wall");
        let blob = BlobId::new(&TestIds);
        let derived = Derived { blob, part: 1, size: 3, sha256: "s".to_owned(), created_at: THEN };
        inspection::insert_derived(&mut tx, &[(tenant, message, derived)]).await.unwrap();
        for (named, is) in [(blob, true), (original, true), (BlobId::new(&TestIds), false)] {
            assert_eq!(inspection::names_blob(&mut tx, tenant, message, named).await.unwrap(), is);
        }
        tx.commit().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let twice = inspection::insert_sheets(&mut tx, &all.sheets).await;
        assert!(matches!(twice, Err(StoreError::Exists(_))), "{}: {twice:?}", bed.name);
    }
}

#[tokio::test]
async fn what_is_held_changes_once_a_version() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let (message, me) = (MessageId::new(&TestIds), PrincipalId::new(&TestIds));
        let all = inspected(tenant, message, me);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        quarantine::insert(&mut tx, &all.holds).await.unwrap();
        let [read] = quarantine::of_message(&mut tx, tenant, message).await.unwrap().try_into().unwrap();
        assert_eq!(read, all.holds[0], "{}", bed.name);
        assert_eq!(quarantine::open(&mut tx, tenant, None, 10).await.unwrap().len(), 1);
        assert_eq!(quarantine::open(&mut tx, tenant, Some(message), 10).await.unwrap(), []);
        let released = Hold { state: HoldState::Released, decided_by: Some(me), ..read };
        quarantine::update(&mut tx, &released).await.unwrap();
        let late = quarantine::update(&mut tx, &released).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        assert_eq!(quarantine::open(&mut tx, tenant, None, 10).await.unwrap(), []);
        tx.commit().await.unwrap();
    }
}
