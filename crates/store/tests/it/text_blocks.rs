// SPDX-License-Identifier: EUPL-1.2
//! Texts of a tenant: one of a name, changed by compare-and-swap, behind the wall.

use poststelle_model::{PrincipalId, TextBlockId};
use poststelle_store::text_blocks::{self, TextBlock};
use poststelle_store::{Scope, StoreError};

use crate::bed::{self, THEN, TestIds};

/// A text of that name, written by `by`.
pub fn block(name: &str, by: PrincipalId) -> TextBlock {
    TextBlock {
        id: TextBlockId::new(&TestIds),
        name: name.to_owned(),
        text: "Guten Tag, {Name}".to_owned(),
        version: 1,
        changed_at: THEN,
        changed_by: by,
    }
}

#[tokio::test]
async fn one_of_a_name_and_one_change_of_a_version() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let (other, ..) = bed::tenant(&bed.db, "bedorf").await;
        let me = PrincipalId::new(&TestIds);
        let (first, second) = (block("Eingang", me), block("Abgabe", me));
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        text_blocks::insert(&mut tx, tenant, &first).await.unwrap();
        text_blocks::insert(&mut tx, tenant, &second).await.unwrap();
        assert_eq!(
            text_blocks::all(&mut tx, tenant).await.unwrap(),
            [second.clone(), first.clone()],
            "{}",
            bed.name
        );
        let changed = TextBlock { name: "Annahme".to_owned(), ..first.clone() };
        text_blocks::update(&mut tx, tenant, &changed).await.unwrap();
        let late = text_blocks::update(&mut tx, tenant, &first).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        let late = text_blocks::delete(&mut tx, tenant, first.id, 1).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        text_blocks::delete(&mut tx, tenant, first.id, 2).await.unwrap();
        assert!(text_blocks::all(&mut tx, other).await.is_err(), "another tenant's are not in this scope");
        tx.commit().await.unwrap();

        // The same name: refused here, free in another tenant.
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let twice = text_blocks::insert(&mut tx, tenant, &block("Abgabe", me)).await;
        assert!(matches!(twice, Err(StoreError::Exists(_))), "{}: {twice:?}", bed.name);
        tx.rollback().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(other)).await.unwrap();
        text_blocks::insert(&mut tx, other, &block("Abgabe", me)).await.unwrap();
        tx.commit().await.unwrap();
    }
}
