// SPDX-License-Identifier: EUPL-1.2
//! What is prepared of a rule set changes by compare-and-swap; releases are kept for ever and numbered once.

use poststelle_model::{
    Action, ConnectorId, DeliveryState, PrincipalId, Rule, RuleId, Target, TenantId, Timestamp,
};
use poststelle_store::messages::Delivery;
use poststelle_store::rules::{self, Release, RuleSet};
use poststelle_store::{Scope, StoreError, messages, tenants};

use crate::bed::{self, THEN, TestIds};

fn rule(tenant: TenantId, name: &str) -> Rule {
    Rule {
        tenant,
        id: RuleId::new(&TestIds),
        position: 10,
        name: name.to_owned(),
        condition: "msg.subject == \"ä'\"".to_owned(),
        actions: vec![Action::ToClearing],
        active: true,
        version: 1,
    }
}

#[tokio::test]
async fn of_two_who_prepare_one_is_told() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let (other, ..) = bed::tenant(&bed.db, "bestadt").await;
        let me = PrincipalId::new(&TestIds);
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let none = rules::set(&mut tx, tenant).await.unwrap();
        assert_eq!((none.version, none.draft.clone(), none.two_persons), (0, None, false), "{}", bed.name);
        let first = RuleSet {
            two_persons: true,
            draft: Some(vec![rule(tenant, "Eins"), rule(tenant, "Zwei")]),
            base: 3,
            changed_by: Some(me),
            changed_at: THEN,
            proposed_by: Some(me),
            version: 1,
            ..none
        };
        rules::put_set(&mut tx, &first).await.unwrap();
        assert_eq!(rules::set(&mut tx, tenant).await.unwrap(), first);
        // The same version twice, or one left out.
        for version in [1, 3] {
            let late = RuleSet { version, ..first.clone() };
            assert!(
                matches!(rules::put_set(&mut tx, &late).await, Err(StoreError::Conflict(_))),
                "{}",
                bed.name
            );
        }
        let over = RuleSet { draft: None, proposed_by: None, version: 2, ..first };
        rules::put_set(&mut tx, &over).await.unwrap();
        assert_eq!(rules::set(&mut tx, tenant).await.unwrap(), over);
        assert!(rules::set(&mut tx, other).await.is_err(), "another tenant's is out of scope");
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn releases_are_kept_and_numbered_once() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let me = PrincipalId::new(&TestIds);
        let kept = |version, rules| Release {
            tenant,
            version,
            rules,
            released_by: format!("principal:{me}"),
            proposed_by: (version == 2).then_some(me),
            released_at: THEN,
        };
        let (one, two) = (kept(1, vec![rule(tenant, "Eins")]), kept(2, Vec::new()));
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        assert_eq!(rules::last_release(&mut tx, tenant).await.unwrap(), 0);
        rules::insert_release(&mut tx, &one).await.unwrap();
        rules::insert_release(&mut tx, &two).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let again = rules::insert_release(&mut tx, &two).await;
        assert!(matches!(again, Err(StoreError::Exists(_))), "{}: {again:?}", bed.name);
        tx.rollback().await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(tenant)).await.unwrap();
        assert_eq!(rules::last_release(&mut tx, tenant).await.unwrap(), 2);
        assert_eq!(rules::releases(&mut tx, tenant, i64::MAX, 10).await.unwrap(), [two.clone(), one.clone()]);
        assert_eq!(rules::releases(&mut tx, tenant, 2, 10).await.unwrap(), [one]);
    }
}

#[tokio::test]
async fn a_rule_goes_only_as_it_was_seen() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        let there = rule(tenant, "Eins");
        tenants::put_rule(&mut tx, &there).await.unwrap();
        let other = Rule { version: 2, ..there.clone() };
        assert!(matches!(rules::remove(&mut tx, &other).await, Err(StoreError::Conflict(_))), "{}", bed.name);
        rules::remove(&mut tx, &there).await.unwrap();
        assert!(tenants::rules(&mut tx, tenant).await.unwrap().is_empty());
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn how_connectors_stand_is_counted() {
    for bed in bed::databases().await {
        let (tenant, mailbox, desk) = bed::tenant(&bed.db, "adorf").await;
        let target = Target::Connector { connector: ConnectorId::new(&TestIds) };
        let message = bed::message(tenant, mailbox, "", "x");
        let id = message.message.id;
        let states = [DeliveryState::Confirmed, DeliveryState::Confirmed, DeliveryState::Parked];
        let deliveries: Vec<_> = (0..)
            .zip(states)
            .map(|(n, state)| {
                let changed_at = Timestamp(THEN.0 + n);
                let rule = Some(RuleId::new(&TestIds));
                Delivery {
                    rule,
                    state,
                    target: target.clone(),
                    changed_at,
                    ..bed::delivery(tenant, id, desk)
                }
            })
            .collect();
        let mut tx = bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &[message]).await.unwrap();
        messages::insert_deliveries(&mut tx, &deliveries).await.unwrap();
        let mut found = tenants::connector_standing(&mut tx, tenant).await.unwrap();
        found.sort();
        let target = target.to_string();
        let expected = [
            (target.clone(), "confirmed".to_owned(), 2, Timestamp(THEN.0 + 1)),
            (target, "parked".to_owned(), 1, Timestamp(THEN.0 + 2)),
        ];
        assert_eq!(found, expected, "{}", bed.name);
        tx.rollback().await.unwrap();
    }
}
