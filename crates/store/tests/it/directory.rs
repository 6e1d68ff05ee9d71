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

#[tokio::test]
async fn a_deputy_has_the_roles_of_who_is_away_for_these_days_alone() {
    use poststelle_model::DeputyId;
    use poststelle_store::administration;
    let day = std::time::Duration::from_secs(24 * 3600);
    for bed in bed::databases().await {
        let (a, ..) = bed::tenant(&bed.db, "adorf").await;
        let (b, ..) = bed::tenant(&bed.db, "bdorf").await;
        let (home, other) = (AdministrationId::new(&TestIds), AdministrationId::new(&TestIds));
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        let mut people = Vec::new();
        for (login, at) in [("petra", home), ("dora", home), ("fremd", other)] {
            let row = Principal {
                id: PrincipalId::new(&TestIds),
                login: login.to_owned(),
                kind: "person".to_owned(),
                name: login.to_owned(),
                administration: Some(at),
                password_hash: String::new(),
                active: true,
                failures: 0,
                locked_until: Timestamp(0),
                must_change: false,
                wrapped_totp: String::new(),
            };
            access::insert(&mut tx, &row, THEN).await.unwrap();
            people.push(row.id);
        }
        let [petra, dora, fremd] = people[..] else { unreachable!() };
        tenants::give_mandate(&mut tx, a, home, THEN).await.unwrap();
        tenants::give_mandate(&mut tx, b, other, THEN).await.unwrap();
        let clerk = |tenant| Grant { role: Role::Clerk, place: Place::Tenant { tenant } };
        for (who, grant) in [
            (petra, clerk(a)),
            (petra, clerk(b)),
            (petra, Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant: a } }),
            (fremd, clerk(b)),
        ] {
            access::grant(&mut tx, who, grant).await.unwrap();
        }
        let (first, end) = (THEN.plus(day), THEN.plus(day * 3));
        let id = DeputyId::new(&TestIds);
        administration::insert_deputy(&mut tx, id, (petra, dora), (first, end), THEN).await.unwrap();
        for (at, has) in [(first.minus(day), false), (first, true), (end.minus(day), true), (end, false)] {
            let (rights, represents) = access::rights(&mut tx, dora, at).await.unwrap();
            assert_eq!(rights.grants, if has { vec![clerk(a)] } else { vec![] }, "{}", bed.name);
            let names: Vec<_> = represents.iter().map(|r| (r.id, r.name.as_str(), r.until)).collect();
            assert_eq!(names, if has { vec![(petra, "petra", end)] } else { vec![] }, "{}", bed.name);
            let worker = access::people_of(&mut tx, a, at).await.unwrap().remove(0);
            assert_eq!(worker.away.map(|w| w.deputy), has.then_some(dora), "{}", bed.name);
        }
        // In sight: who works for the Administration with the mandate, and who has a role.
        let seen = |all: Vec<administration::Seen>| all.into_iter().map(|p| p.login).collect::<Vec<_>>();
        assert_eq!(seen(administration::people(&mut tx, a, THEN).await.unwrap()), ["dora", "petra"]);
        assert_eq!(seen(administration::people(&mut tx, b, THEN).await.unwrap()), ["fremd", "petra"]);
        assert!(administration::person(&mut tx, a, fremd, THEN).await.unwrap().is_none(), "{}", bed.name);
        assert_eq!(administration::grants(&mut tx, a, THEN).await.unwrap()[&petra].len(), 3, "all of them");
        assert_eq!(access::grants_of(&mut tx, petra).await.unwrap().len(), 3);
        let home_people = administration::people_at_home(&mut tx, home).await.unwrap();
        assert_eq!(home_people.iter().map(|p| p.0).collect::<Vec<_>>(), [dora, petra], "{}", bed.name);
        // Ended within its days: over now; ended once.
        assert_eq!(administration::deputies(&mut tx, a, first).await.unwrap().len(), 1);
        assert!(administration::end_deputy(&mut tx, id, first).await.unwrap());
        assert!(!administration::end_deputy(&mut tx, id, first).await.unwrap());
        assert!(access::rights(&mut tx, dora, first).await.unwrap().1.is_empty(), "{}", bed.name);
        // Ended before it began: it never was.
        let later = DeputyId::new(&TestIds);
        administration::insert_deputy(&mut tx, later, (petra, dora), (first, end), THEN).await.unwrap();
        assert!(administration::end_deputy(&mut tx, later, THEN).await.unwrap());
        assert!(administration::deputies_of(&mut tx, petra, THEN.minus(day)).await.unwrap().len() < 2);
        assert!(administration::hold(&mut tx, petra).await.unwrap());
        assert!(!administration::hold(&mut tx, PrincipalId::new(&TestIds)).await.unwrap());
        let row = administration::person(&mut tx, a, petra, THEN).await.unwrap().unwrap();
        assert_eq!(row.version, 2, "{}", bed.name);
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn names_of_desks_and_mailboxes_change_once_per_version_and_changes_are_told_in_order() {
    use poststelle_model::{DeskId, Subject, TenantId};
    use poststelle_store::administration::{self, ChangePlace};
    use poststelle_store::evidence::{self, Entry};
    for bed in bed::databases().await {
        let (a, mailbox, _) = bed::tenant(&bed.db, "adorf").await;
        let (b, ..) = bed::tenant(&bed.db, "bdorf").await;
        let home = AdministrationId::new(&TestIds);
        let desk = tenants::Desk {
            id: DeskId::new(&TestIds),
            administration: Some(home),
            name: "Bauamt".to_owned(),
            kind: "normal".to_owned(),
        };
        let mut tx = bed.db.begin(Scope::System).await.unwrap();
        tenants::give_mandate(&mut tx, a, home, THEN).await.unwrap();
        tenants::insert_desk(&mut tx, &desk, &[b], THEN).await.unwrap();
        administration::rename_desk(&mut tx, desk.id, "Bauaufsicht", 1).await.unwrap();
        let late = administration::rename_desk(&mut tx, desk.id, "Anders", 1).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))), "{}: {late:?}", bed.name);
        administration::rename_mailbox(&mut tx, a, mailbox, "Eingang", 1).await.unwrap();
        let foreign = administration::rename_mailbox(&mut tx, b, mailbox, "Fremd", 2).await;
        assert!(matches!(foreign, Err(StoreError::Conflict(_))), "{}: {foreign:?}", bed.name);
        let boxes = administration::mailboxes(&mut tx, a).await.unwrap();
        let row = boxes.iter().find(|m| m.id == mailbox).unwrap();
        assert_eq!((row.name.as_str(), row.version, row.four_eyes), ("Eingang", 2, false));
        let desks = administration::desks(&mut tx, a, THEN).await.unwrap();
        let row = desks.iter().find(|d| d.id == desk.id).unwrap();
        assert_eq!((row.name.as_str(), row.version, &row.tenants[..]), ("Bauaufsicht", 2, &[b][..]));

        let entry = |tenant: TenantId, subject: &str, n: i64, event: &str, at: i64| Entry {
            tenant,
            subject: Subject::from_text(subject),
            n,
            event: event.to_owned(),
            at: Timestamp(at),
            who: "house:test".to_owned(),
            envelope: format!("{subject}{n}"),
            body: "{}".to_owned(),
            hash: format!("{subject}{n}"),
            pos: -1,
        };
        let rows = [
            entry(a, "mailbox:x", 100, "Changed", 5),
            entry(a, "mailbox:x", 101, "Changed", 9),
            entry(a, "desk:x", 100, "Created", 9),
            entry(a, "desk:x", 101, "DeskWork", 9),
            entry(a, "draft:x", 100, "Changed", 9),
            entry(b, "mailbox:y", 100, "Changed", 9),
        ];
        evidence::insert(&mut tx, &rows).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = bed.db.read(Scope::Tenant(a)).await.unwrap();
        let mut place = ChangePlace::end();
        let mut told = Vec::new();
        loop {
            let page = administration::changes(&mut tx, a, "", &place, 1).await.unwrap();
            let Some(row) = page.into_iter().next() else { break };
            place = ChangePlace { at: row.at, subject: row.subject.as_str().to_owned(), n: row.n };
            told.push((row.subject.as_str().to_owned(), row.n));
        }
        let want = [("mailbox:x".to_owned(), 101), ("desk:x".to_owned(), 100), ("mailbox:x".to_owned(), 100)];
        assert_eq!(told, want, "{}", bed.name);
        let end = ChangePlace::end();
        let boxes = administration::changes(&mut tx, a, "mailbox", &end, 9).await.unwrap();
        assert_eq!(boxes.len(), 2, "{}", bed.name);
        let of = [Subject::from_text("desk:x"), Subject::from_text("mailbox:y")];
        let one = administration::changes_of(&mut tx, a, &of, &end, 9).await.unwrap();
        assert_eq!(one.len(), 1, "{}: another tenant's is not told", bed.name);
    }
}
