// SPDX-License-Identifier: EUPL-1.2
//! What people change: by version where two could change the same, within one tenant where a wall stands.

use poststelle_model::people::{Grant, Place};
use poststelle_model::{AdministrationId, ChannelKind, ConnectorId, MailboxId, PrincipalId, Role, Timestamp};
use poststelle_store::access::{self, Principal};
use poststelle_store::accounts::{self, NewSession, WaitsFor};
use poststelle_store::tenants::{self, Connector};
use poststelle_store::{Scope, StoreError};

use crate::bed::{self, THEN, TestIds};

#[tokio::test]
async fn a_connector_changes_once_per_version_and_an_address_stays_with_its_tenant() {
    for bed in bed::databases().await {
        let (a, ..) = bed::tenant(&bed.db, "adorf").await;
        let (b, box_b, _) = bed::tenant(&bed.db, "bdorf").await;
        let row = Connector {
            tenant: a,
            id: ConnectorId::new(&TestIds),
            kind: "hot_folder".to_owned(),
            name: "Bau".to_owned(),
            config: "{}".to_owned(),
            wrapped_secret: String::new(),
            active: false,
            version: 1,
        };
        let mut tx = bed.db.begin(Scope::Tenant(a)).await.unwrap();
        tenants::insert_connector(&mut tx, &row).await.unwrap();
        let read = tenants::get_connector(&mut tx, a, row.id).await.unwrap().unwrap();
        assert_eq!(read, row, "{}: as it was put in, switched off too", bed.name);
        let new = Connector { config: "{\"path\":\"/x\"}".to_owned(), active: true, ..row.clone() };
        tenants::change_connector(&mut tx, &new).await.unwrap();
        let late = tenants::change_connector(&mut tx, &new).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        let read = tenants::get_connector(&mut tx, a, row.id).await.unwrap().unwrap();
        assert_eq!(read, Connector { version: 2, ..new }, "{}", bed.name);

        let (first, second) = (MailboxId::new(&TestIds), MailboxId::new(&TestIds));
        tenants::insert_address(&mut tx, ChannelKind::Mail, "Bau@Adorf.example", a, first).await.unwrap();
        tenants::move_address(&mut tx, ChannelKind::Mail, "bau@ADORF.example", a, second).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.db.begin(Scope::Tenant(b)).await.unwrap();
        let taken = tenants::move_address(&mut tx, ChannelKind::Mail, "bau@adorf.example", b, box_b).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))), "{}: {taken:?}", bed.name);
        assert!(tenants::change_connector(&mut tx, &row).await.is_err(), "{}: another tenant's", bed.name);
        tx.rollback().await.unwrap();
        let mut tx = bed.db.read(Scope::System).await.unwrap();
        let found = tenants::resolve_address(&mut tx, ChannelKind::Mail, "bau@adorf.example").await.unwrap();
        assert_eq!(found, Some((a, second)), "{}", bed.name);
    }
}

#[tokio::test]
async fn a_locked_account_may_nothing_and_a_removed_token_opens_nothing() {
    for bed in bed::databases().await {
        let (tenant, ..) = bed::tenant(&bed.db, "adorf").await;
        let home = AdministrationId::new(&TestIds);
        let row = Principal {
            id: PrincipalId::new(&TestIds),
            login: "dienst".to_owned(),
            kind: "service".to_owned(),
            name: "Dienst".to_owned(),
            administration: None,
            password_hash: String::new(),
            active: true,
            failures: 0,
            locked_until: Timestamp(0),
            must_change: true,
            wrapped_totp: String::new(),
        };
        let grant = Grant { role: Role::Intake, place: Place::Tenant { tenant } };
        let end = THEN.plus(std::time::Duration::from_secs(60));
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        access::insert(&mut tx, &row, THEN).await.unwrap();
        access::grant(&mut tx, row.id, grant).await.unwrap();
        assert_eq!(access::grants(&mut tx).await.unwrap(), [(row.id, grant)], "{}", bed.name);
        access::change(&mut tx, row.id, "Dienst zwei", Some(home)).await.unwrap();
        access::set_active(&mut tx, row.id, false).await.unwrap();
        assert!(access::access(&mut tx, row.id, THEN).await.unwrap().grants.is_empty(), "{}", bed.name);
        access::set_active(&mut tx, row.id, true).await.unwrap();
        assert_eq!(access::access(&mut tx, row.id, THEN).await.unwrap().grants, [grant], "{}", bed.name);
        let all = access::all(&mut tx).await.unwrap();
        assert_eq!((all[0].name.as_str(), all[0].administration), ("Dienst zwei", Some(home)));
        for (hash, name) in [("h1", "eins"), ("h2", "zwei")] {
            access::insert_token(&mut tx, hash, row.id, tenant, name, THEN, end).await.unwrap();
        }
        assert_eq!(access::remove_tokens(&mut tx, row.id, "eins").await.unwrap(), 1);
        let left = access::tokens_of(&mut tx, row.id).await.unwrap();
        assert_eq!(left.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["zwei"], "{}", bed.name);
        assert_eq!(access::token(&mut tx, "h1", THEN).await.unwrap(), None);
        assert_eq!(access::token(&mut tx, "h2", THEN).await.unwrap(), Some((row.id, tenant)));
        for (hash, waits_for) in [("s", WaitsFor::Nothing), ("t", WaitsFor::Nothing), ("u", WaitsFor::Code)] {
            let new = NewSession {
                hash: hash.to_owned(),
                principal: row.id,
                csrf: "c".to_owned(),
                expires_at: end,
                agent: "b".to_owned(),
                waits_for,
            };
            accounts::open(&mut tx, &new, THEN).await.unwrap();
        }
        let open = accounts::sessions(&mut tx, row.id, THEN).await.unwrap();
        assert_eq!(open.iter().map(|s| s.hash.as_str()).collect::<Vec<_>>(), ["s", "t"], "{}", bed.name);
        let half = accounts::session(&mut tx, "u", THEN).await.unwrap().unwrap();
        assert_eq!((half.waits_for, half.agent.as_str()), (WaitsFor::Code, "b"));
        accounts::close_all(&mut tx, row.id, "t").await.unwrap();
        assert!(accounts::session(&mut tx, "s", THEN).await.unwrap().is_none(), "{}", bed.name);
        assert!(
            accounts::close(&mut tx, "t").await.unwrap() && !accounts::close(&mut tx, "t").await.unwrap()
        );

        // A second factor: each step once and forward only, each recovery code once.
        assert!(!accounts::use_step(&mut tx, row.id, 9).await.unwrap(), "none is set");
        let codes = ["a".to_owned(), "b".to_owned()];
        accounts::set_second_factor(&mut tx, row.id, "sealed", 7, &codes).await.unwrap();
        for (step, counts) in [(7, false), (6, false), (8, true), (8, false)] {
            assert_eq!(
                accounts::use_step(&mut tx, row.id, step).await.unwrap(),
                counts,
                "{step} {}",
                bed.name
            );
        }
        for (hash, counts) in [("a", true), ("a", false), ("c", false)] {
            assert_eq!(accounts::use_recovery(&mut tx, row.id, hash).await.unwrap(), counts, "{hash}");
        }
        assert_eq!(accounts::recovery_left(&mut tx, row.id).await.unwrap(), 1);
        let row = access::by_id(&mut tx, row.id).await.unwrap().unwrap();
        assert_eq!((row.must_change, row.wrapped_totp.as_str()), (true, "sealed"), "{}", bed.name);
        access::set_password(&mut tx, row.id, "h", false).await.unwrap();
        accounts::set_second_factor(&mut tx, row.id, "", 0, &[]).await.unwrap();
        let row = access::by_id(&mut tx, row.id).await.unwrap().unwrap();
        assert_eq!((row.must_change, row.wrapped_totp.as_str()), (false, ""), "{}", bed.name);
        assert_eq!(accounts::recovery_left(&mut tx, row.id).await.unwrap(), 0);
        tx.commit().await.unwrap();
    }
}
