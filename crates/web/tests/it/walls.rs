// SPDX-License-Identifier: EUPL-1.2
//! The wall between tenants: every address that carries ids, asked by everybody who must not know.

use axum::http::StatusCode;
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};

use crate::bed::{Bed, hostile_mail, person, who};

const UNKNOWN: &str = "0190a5c0-0000-7000-8000-000000000000";

fn api(tenant: &str, id: &str) -> Vec<String> {
    vec![
        format!("/api/v1/messages/{tenant}/{id}"),
        format!("/api/v1/messages/{tenant}/{id}/timeline"),
        format!("/api/v1/messages/{tenant}/{id}/original"),
        format!("/api/v1/messages/{tenant}/{id}/parts/1"),
        format!("/api/v1/messages?tenant={tenant}"),
        format!("/api/v1/messages?tenant={tenant}&before={id}"),
        format!("/api/v1/tenants/{tenant}/log/checkpoint"),
        format!("/api/v1/tenants/{tenant}/log/tile/0/000.p/1"),
        format!("/api/v1/tenants/{tenant}/log/tile/entries/000.p/1"),
    ]
}

fn pages(tenant: &str, id: &str) -> Vec<String> {
    vec![
        format!("/nachrichten/{tenant}/{id}"),
        format!("/nachrichten/{tenant}/{id}/original"),
        format!("/nachrichten/{tenant}/{id}/teile/1"),
        format!("/nachrichten/{tenant}/{id}/anhaenge.zip"),
        format!("/nachrichten?mandant={tenant}"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_through_the_wall() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &hostile_mail()).await.to_string();
    let tenant = bed.a.tenant.to_string();
    let (foreign_clerk, _) = bed.session(bed.b.clerk).await;
    let (operator, _) = bed.session(bed.operator).await;
    let intake = format!("Bearer {}", bed.a.intake);
    let foreign_intake = format!("Bearer {}", bed.b.intake);
    let foreign_reader = format!("Bearer {}", bed.b.reader);
    let own_reader = format!("Bearer {}", bed.a.reader);

    for path in api(&tenant, &id) {
        let own = bed.get(&path, &[("authorization", &own_reader)]).await;
        let expected = if path.contains("/log/") { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(own.status, expected, "the owner reads {path}: {}", own.text());
        let strangers = [
            ("authorization", &foreign_reader),
            ("authorization", &foreign_intake),
            ("authorization", &intake),
            ("cookie", &foreign_clerk),
            ("cookie", &operator),
        ];
        for (header, value) in strangers {
            let there = bed.get(&path, &[(header, value)]).await;
            assert_eq!(there.status, StatusCode::NOT_FOUND, "{path} {header}: {}", there.text());
            // Octet for octet the same as for what does not exist.
            let nowhere = path.replace(&id, UNKNOWN).replace(&tenant, UNKNOWN);
            let absent = bed.get(&nowhere, &[(header, value)]).await;
            assert_eq!(there.octets, absent.octets, "{path}");
            assert_eq!(there.json()["code"], "PST-API-0002");
        }
        for anonymous in
            [&[][..], &[("authorization", "Bearer nichts")][..], &[("cookie", "poststelle=nichts")][..]]
        {
            let answer = bed.get(&path, anonymous).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"poststelle\"");
            assert_eq!(answer.json()["code"], "PST-API-0001");
        }
    }
    let (clerk, _) = bed.session(bed.a.clerk).await;
    for path in pages(&tenant, &id) {
        assert_eq!(bed.see(&path, &clerk).await.status, StatusCode::OK, "{path}");
        for cookie in [&foreign_clerk, &operator] {
            let there = bed.see(&path, cookie).await;
            assert_eq!(there.status, StatusCode::NOT_FOUND, "{path}");
            let absent = bed.see(&path.replace(&id, UNKNOWN).replace(&tenant, UNKNOWN), cookie).await;
            assert_eq!(there.octets, absent.octets, "{path}");
        }
        let stranger = bed.get(&path, &[]).await;
        assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{path}");
        assert!(stranger.header("location").starts_with("/anmelden"));
        // A token is no session, and what is in a token's place is no token.
        assert_eq!(bed.get(&path, &[("authorization", &own_reader)]).await.status, StatusCode::SEE_OTHER);
    }
    // Own tenant in the path, another tenant's message: not there either.
    let mixed = format!("/api/v1/messages/{}/{id}", bed.b.tenant);
    assert_eq!(bed.get(&mixed, &[("authorization", &foreign_reader)]).await.status, StatusCode::NOT_FOUND);
    for bad in ["/nachrichten/x/y", "/nachrichten/%00/%0d%0a", "/nachrichten/../../etc/passwd"] {
        assert_eq!(bed.see(bad, &clerk).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    assert_eq!(bed.see("/nachrichten/%ff/%ff", &clerk).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_a_wall_too() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &hostile_mail()).await;
    let other_box = bed.hub.add_mailbox(bed.a.tenant, "Bauamt", &who()).await.unwrap();
    let narrow = person(&bed.hub, "schmal", "Nur ein Postfach", Some(bed.a.administration)).await;
    let place = Place::Mailbox { tenant: bed.a.tenant, mailbox: other_box };
    bed.hub.grant(narrow, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (cookie, _) = bed.session(narrow).await;
    let list = bed.see("/nachrichten", &cookie).await.text();
    assert!(list.contains("Hier ist noch keine Nachricht"), "{list}");
    for path in pages(&bed.a.tenant.to_string(), &id.to_string()).iter().take(4) {
        assert_eq!(bed.see(path, &cookie).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // The log tells about all mail of the tenant: not for somebody with one box.
    let log = format!("/api/v1/tenants/{}/log/checkpoint", bed.a.tenant);
    assert_eq!(bed.see(&log, &cookie).await.status, StatusCode::NOT_FOUND);
    // A role taken back is gone with the next request.
    let (clerk, _) = bed.session(bed.a.clerk).await;
    let path = format!("/nachrichten/{}/{id}", bed.a.tenant);
    assert_eq!(bed.see(&path, &clerk).await.status, StatusCode::OK);
    let grant = Grant { role: Role::Clerk, place: Place::Tenant { tenant: bed.a.tenant } };
    bed.hub.revoke(bed.a.clerk, grant, &who()).await.unwrap();
    assert_eq!(bed.see(&path, &clerk).await.status, StatusCode::NOT_FOUND);
}
