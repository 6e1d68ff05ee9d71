// SPDX-License-Identifier: EUPL-1.2
//! What the administration's pages do, through the API: with a token of a service that administers the tenant.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_model::Role;
use serde_json::{Value, json};

use crate::bed::{Answer, Bed, person, service, who};

async fn call(bed: &Bed, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    bed.ask(request.body(body).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sets_up_a_tenant() {
    let bed = Bed::new().await;
    let token = service(&bed.hub, bed.a.tenant, "waltet", Role::TenantAdmin).await;
    let base = format!("/api/v1/tenants/{}", bed.a.tenant);
    let ask = async |method: &str, path: &str, body: Value, status: StatusCode| {
        let answer = call(&bed, &token, method, &format!("{base}{path}"), body.clone()).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        if answer.octets.is_empty() { Value::Null } else { answer.json() }
    };
    let refused = async |method: &str, path: &str, body: Value, status: StatusCode, code: &str| {
        assert_eq!(ask(method, path, body, status).await["code"], code, "{method} {path}");
    };
    let none = Value::Null;

    // People.
    let nele = json!({ "login": "nele", "name": "Nele Neu" });
    let made = ask("POST", "/people", nele.clone(), StatusCode::CREATED).await;
    assert_eq!(made["password"].as_str().unwrap().len(), 23);
    refused("POST", "/people", nele, StatusCode::CONFLICT, "PST-ADMIN-0003").await;
    let king = json!({ "login": "k", "name": "K", "role": "operator" });
    refused("POST", "/people", king, StatusCode::UNPROCESSABLE_ENTITY, "PST-ADMIN-0006").await;
    let nele = format!("/people/{}", made["id"].as_str().unwrap());
    let role = json!({ "role": "clerk", "mailbox": bed.a.mailbox.to_string(), "granted": true });
    for _ in 0..2 {
        let now = ask("PUT", &format!("{nele}/grants"), role.clone(), StatusCode::OK).await;
        assert_eq!(now["grants"], json!([{ "role": "clerk", "mailbox": bed.a.mailbox.to_string() }]));
    }
    let foreign = json!({ "role": "clerk", "mailbox": bed.b.mailbox.to_string(), "granted": true });
    ask("PUT", &format!("{nele}/grants"), foreign, StatusCode::NOT_FOUND).await;
    let read = ask("GET", &nele, none.clone(), StatusCode::OK).await;
    let rename = json!({ "name": "Nele Alt", "version": read["version"] });
    let named = ask("PUT", &nele, rename, StatusCode::OK).await;
    assert_eq!((&named["name"], &named["must_change"]), (&json!("Nele Alt"), &json!(true)));
    let late = json!({ "name": "Anders", "version": read["version"] });
    refused("PUT", &nele, late, StatusCode::CONFLICT, "PST-ADMIN-0007").await;
    let locked = ask("PUT", &nele, json!({ "active": false }), StatusCode::OK).await;
    assert_eq!(locked["active"], false);
    ask("PUT", &nele, json!({ "active": true }), StatusCode::OK).await;
    let fresh = ask("POST", &format!("{nele}/password"), none.clone(), StatusCode::OK).await;
    assert_ne!(fresh["password"], made["password"]);
    ask("DELETE", &format!("{nele}/second-factor"), none.clone(), StatusCode::NO_CONTENT).await;
    let token_of_nele = json!({ "name": "t", "days": 3 });
    let path = format!("{nele}/tokens");
    refused("POST", &path, token_of_nele, StatusCode::UNPROCESSABLE_ENTITY, "PST-ADMIN-0016").await;

    // A service and its token.
    let fach = json!({ "login": "fach", "name": "Fachverfahren", "kind": "service", "role": "auditor" });
    let fach = ask("POST", "/people", fach, StatusCode::CREATED).await;
    assert!(fach["password"].is_null());
    let path = format!("/people/{}/tokens", fach["id"].as_str().unwrap());
    let made = ask("POST", &path, json!({ "name": "erstes", "days": 3 }), StatusCode::CREATED).await;
    let opened = made["token"].as_str().unwrap().to_owned();
    assert_eq!(call(&bed, &opened, "GET", "/api/v1/messages", none.clone()).await.status, StatusCode::OK);
    let listed = ask("GET", &path, none.clone(), StatusCode::OK).await;
    assert_eq!(
        (&listed["tokens"][0]["name"], listed.to_string().contains(&opened)),
        (&json!("erstes"), false)
    );
    for _ in 0..2 {
        ask("DELETE", &format!("{path}/erstes"), none.clone(), StatusCode::NO_CONTENT).await;
    }
    let shut = call(&bed, &opened, "GET", "/api/v1/messages", none.clone()).await;
    assert_eq!(shut.status, StatusCode::UNAUTHORIZED);

    // Desks and mailboxes.
    let desk = ask("POST", "/desks", json!({ "name": "Bauamt" }), StatusCode::CREATED).await;
    let desk = format!("/desks/{}", desk["id"].as_str().unwrap());
    let change = json!({ "name": "Bauaufsicht", "version": 1, "serves": false });
    let desks = ask("PUT", &desk, change, StatusCode::OK).await;
    let row = desks["desks"].as_array().unwrap().iter().find(|d| d["name"] == "Bauaufsicht").unwrap();
    assert_eq!((&row["serves"], &row["version"]), (&json!(false), &json!(2)));
    let clearing = desks["desks"].as_array().unwrap().iter().find(|d| d["kind"] == "clearing").unwrap();
    let clearing = format!("/desks/{}", clearing["id"].as_str().unwrap());
    let change = json!({ "serves": false });
    refused("PUT", &clearing, change, StatusCode::FORBIDDEN, "PST-ADMIN-0014").await;
    let mailbox = ask("POST", "/mailboxes", json!({ "name": "Bau" }), StatusCode::CREATED).await;
    let mailbox = format!("/mailboxes/{}", mailbox["id"].as_str().unwrap());
    let mail = poststelle_model::ChannelKind::Mail;
    bed.hub.add_address(bed.a.tenant, bed.a.mailbox, mail, "post@adorf.example", &who()).await.unwrap();
    let address = json!({ "address": "bau@adorf.example" });
    ask("POST", &format!("{mailbox}/addresses"), address.clone(), StatusCode::OK).await;
    let path = format!("/mailboxes/{}/addresses", bed.a.mailbox);
    refused("POST", &path, address, StatusCode::CONFLICT, "PST-ADMIN-0009").await;
    let change = json!({ "name": "Bauwesen", "version": 1, "four_eyes": true });
    let boxes = ask("PUT", &mailbox, change, StatusCode::OK).await;
    let row = boxes["mailboxes"].as_array().unwrap().iter().find(|m| m["name"] == "Bauwesen").unwrap();
    assert_eq!((&row["four_eyes"], &row["addresses"]), (&json!(true), &json!(["bau@adorf.example"])));

    // Deputies.
    let dora = person(&bed.hub, "dora", "Dora Dienst", Some(bed.a.administration)).await;
    let new = json!({
        "person": bed.a.clerk.to_string(), "deputy": dora.to_string(), "from": "2026-03-02", "until": "2026-03-04",
    });
    for _ in 0..2 {
        let set = ask("POST", "/deputies", new.clone(), StatusCode::CREATED).await;
        assert_eq!(set["deputies"].as_array().unwrap().len(), 1);
        // The last day counts whole, in Berlin.
        assert_eq!(set["deputies"][0]["ends_at"], "2026-03-04T23:00:00.000000Z");
    }
    let all = ask("GET", "/deputies", none.clone(), StatusCode::OK).await;
    let path = format!("/deputies/{}", all["deputies"][0]["id"].as_str().unwrap());
    for _ in 0..2 {
        ask("DELETE", &path, none.clone(), StatusCode::NO_CONTENT).await;
    }
    let all = ask("GET", "/deputies", none.clone(), StatusCode::OK).await;
    assert_eq!(all["deputies"], json!([]));

    // All of it told, page by page.
    let (mut told, mut next) = (Vec::new(), String::new());
    loop {
        let page = ask("GET", &format!("/changes?limit=7&before={next}"), none.clone(), StatusCode::OK).await;
        let lines = page["changes"].as_array().unwrap().iter();
        told.extend(lines.map(|l| l["sentence"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(place) => next = place.to_owned(),
            None => break,
        }
    }
    let mut once = told.clone();
    once.sort_unstable();
    once.dedup();
    for sentence in [
        "Fachverfahren hat den Arbeitskorb „Bauamt“ angelegt.",
        "Fachverfahren hat einen Arbeitskorb in „Bauaufsicht“ umbenannt.",
        "Fachverfahren hat das Zugangstoken „erstes“ von Fachverfahren zurückgenommen.",
        "Fachverfahren hat eingetragen: Dora Dienst vertritt Karla Klerk vom 02.03.2026 bis 04.03.2026.",
        "Fachverfahren hat die Vertretung von Karla Klerk durch Dora Dienst beendet.",
    ] {
        assert_eq!(told.iter().filter(|s| *s == sentence).count(), 1, "{sentence}: {told:#?}");
    }
    let desks = ask("GET", "/changes?kind=desk", none.clone(), StatusCode::OK).await;
    assert!(
        desks["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["subject"].as_str().unwrap().starts_with("desk:"))
    );
    for bad in ["/changes?kind=draft", "/changes?before=x"] {
        ask("GET", bad, none.clone(), StatusCode::NOT_FOUND).await;
    }
    // A session reads, and never changes; a token without the role finds nothing.
    let (cookie, _) = bed.session(bed.a.clerk).await;
    assert_eq!(bed.see(&format!("{base}/people"), &cookie).await.status, StatusCode::NOT_FOUND);
    let reader = call(&bed, &bed.a.reader, "GET", &format!("{base}/people"), none).await;
    assert_eq!(reader.status, StatusCode::NOT_FOUND);
}
