// SPDX-License-Identifier: EUPL-1.2
//! `POST /api/v1/messages`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_hub::Limits;
use poststelle_model::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bed::{Answer, Bed, service};

const MAIL: &[u8] = b"From: a@b.example\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nText\r\n";

async fn hand_in(bed: &Bed, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = Request::post("/api/v1/messages").header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bed.ask(request.body(Body::from(body.to_vec())).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_once_whatever_the_client_does() {
    let bed = Bed::new().await;
    let first = hand_in(&bed, &bed.a.intake, &[("idempotency-key", "k-1")], MAIL).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    let said = first.json();
    assert_eq!(said["repeated"], false);
    assert_eq!(said["tenant"], bed.a.tenant.to_string());
    assert!(first.header("location").ends_with(said["message"].as_str().unwrap()));

    let again = hand_in(&bed, &bed.a.intake, &[("idempotency-key", "k-1")], MAIL).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["repeated"], true);
    assert_eq!(again.json()["message"], said["message"]);

    // Same key, other octets: a new message that names the earlier one.
    let other =
        hand_in(&bed, &bed.a.intake, &[("idempotency-key", "k-1")], b"From: x@y.example\r\n\r\nanders\r\n")
            .await;
    assert_eq!(other.status, StatusCode::CREATED);
    assert_eq!(other.json()["conflicts_with"], said["message"]);

    // Another client of the same tenant has keys of its own; without a key nothing is merged.
    let neighbour = service(&bed.hub, bed.a.tenant, "nachbar", Role::Intake).await;
    assert_eq!(
        hand_in(&bed, &neighbour, &[("idempotency-key", "k-1")], MAIL).await.status,
        StatusCode::CREATED
    );
    assert_eq!(hand_in(&bed, &bed.a.intake, &[], MAIL).await.status, StatusCode::CREATED);
    assert_eq!(hand_in(&bed, &bed.a.intake, &[], MAIL).await.status, StatusCode::CREATED);
    assert_eq!(bed.blobs(), 5, "a repeated hand-in leaves no octets");

    let id = said["message"].as_str().unwrap();
    bed.processed(bed.a.tenant, id.parse().unwrap()).await;
    let reader = format!("Bearer {}", bed.a.reader);
    let reading = [("authorization", reader.as_str())];
    let whole = bed.get(&format!("/api/v1/messages/{}/{id}", bed.a.tenant), &reading).await.json();
    assert_eq!(whole["inspection"]["subject"], "Grüße");
    assert_eq!(whole["message"]["channel"], "rest");
    assert_eq!(whole["message"]["mailbox"], bed.a.mailbox.to_string(), "the only box");
    assert_eq!(whole["parts"][0]["size"], 6);
    assert_eq!(whole["timeline"][0]["event"], "SubmissionAcceptance");
    let timeline =
        bed.get(&format!("/api/v1/messages/{}/{id}/timeline", bed.a.tenant), &reading).await.json();
    assert_eq!(timeline["timeline"], whole["timeline"]);
    let list = bed.get("/api/v1/messages?limit=2", &reading).await.json();
    assert_eq!(list["messages"].as_array().unwrap().len(), 2);
    let rest = bed
        .get(&format!("/api/v1/messages?before={}", list["next"].as_str().unwrap()), &reading)
        .await
        .json();
    assert_eq!(rest["messages"].as_array().unwrap().len(), 3);
    assert!(rest["next"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_media_type_and_a_box() {
    let bed = Bed::new().await;
    let second = bed.hub.add_mailbox(bed.a.tenant, "Zweites", &crate::bed::who()).await.unwrap();
    let named = second.to_string();
    let headers = [
        ("content-type", "application/xml"),
        ("x-poststelle-mailbox", &named),
        ("x-poststelle-sender", "Portal"),
    ];
    let answer = hand_in(&bed, &bed.a.intake, &headers, b"<a/>").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let id = answer.json()["message"].as_str().unwrap().to_owned();
    let view = bed.hub.message_view_unchecked(bed.a.tenant, id.parse().unwrap()).await.unwrap();
    assert_eq!(view.message.mailbox, Some(second));
    assert_eq!(view.message.transport.media_type, "application/xml");
    assert_eq!(view.message.transport.sender, "Portal");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_with_a_code() {
    let limits = Limits { message_bytes: 1000, ..Limits::default() };
    let bed = Bed::with(limits, false).await;
    let foreign_box = bed.b.mailbox.to_string();
    let long = "k".repeat(201);
    let token = bed.a.intake.as_str();
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);
    let cases: [Case<'_>; 10] = [
        ("", &[], MAIL.to_vec(), 401, "PST-API-0001"),
        (&bed.a.reader, &[], MAIL.to_vec(), 403, "PST-API-0005"),
        (token, &[("content-encoding", "gzip")], MAIL.to_vec(), 415, "PST-API-0006"),
        (token, &[("content-type", "quatsch")], MAIL.to_vec(), 415, "PST-API-0006"),
        (token, &[("idempotency-key", &long)], MAIL.to_vec(), 400, "PST-API-0003"),
        (token, &[("idempotency-key", "")], MAIL.to_vec(), 400, "PST-API-0003"),
        (token, &[("x-poststelle-mailbox", "x")], MAIL.to_vec(), 400, "PST-API-0003"),
        (token, &[("x-poststelle-mailbox", &foreign_box)], MAIL.to_vec(), 422, "PST-API-0009"),
        (token, &[], Vec::new(), 422, "PST-API-0007"),
        (token, &[], vec![b'x'; 1001], 413, "PST-ACCEPT-0002"),
    ];
    for (token, headers, body, status, code) in cases {
        let answer = hand_in(&bed, token, headers, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{code}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["code"], code);
        assert_eq!(problem["status"], status);
        assert!(
            problem["detail"].as_str().unwrap().len() > 15 && problem["title"].as_str().unwrap().len() > 3
        );
    }
    let large = hand_in(&bed, token, &[], &[b'x'; 1001]).await.json();
    assert!(large["detail"].as_str().unwrap().contains("1000"), "{large}");
    // A person's session hands nothing in.
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let request = Request::post("/api/v1/messages").header("cookie", cookie).body(Body::from(MAIL)).unwrap();
    assert_eq!(bed.ask(request).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bed.blobs(), 0, "nothing stays of what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_told_so() {
    let limits = Limits { intake_kib: 2560, intake_wait: Duration::from_millis(20), ..Limits::default() };
    let bed = Bed::with(limits, false).await;
    let holds = poststelle_hub::NewIntake {
        channel: poststelle_model::ChannelKind::Rest,
        direction: poststelle_model::Direction::In,
        addressed: std::collections::BTreeMap::from([(bed.b.tenant, vec![])]),
        recipients: std::collections::BTreeMap::new(),
        transport: poststelle_model::message::Transport::default(),
        foreign_id: String::new(),
        announced: None,
        who: crate::bed::who(),
    };
    let under_way = bed.hub.accept(holds).await.unwrap();
    let busy = hand_in(&bed, &bed.a.intake, &[], MAIL).await;
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(busy.header("retry-after"), "30");
    assert_eq!(busy.json()["code"], "PST-ACCEPT-0001");
    under_way.abort(&bed.hub, poststelle_hub::accept::Abandoned::BrokenOff).await;
    assert_eq!(hand_in(&bed, &bed.a.intake, &[], MAIL).await.status, StatusCode::CREATED);
}

/// Over a real socket: announced sizes, broken connections, an orderly end.
#[tokio::test(flavor = "multi_thread")]
async fn over_the_wire() {
    let limits = Limits { message_bytes: 8_000_000, ..Limits::default() };
    let bed = Bed::with(limits, false).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(poststelle_web::serve(listener, bed.router.clone(), async {
        let _ = stopped.await;
    }));
    let head = |length: usize| {
        format!(
            "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\
             Expect: 100-continue\r\n\r\n",
            bed.a.intake
        )
    };
    // Announced too large: refused although not one octet was sent.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(head(8_000_001).as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = client.read(&mut answer).await.unwrap();
    assert!(
        String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer[..n])
    );

    // Broken off in the middle: nothing stays, neither message nor octets.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(head(6_000_000).as_bytes()).await.unwrap();
    let n = client.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 100"));
    client.write_all(&vec![b'x'; 5_000_000]).await.unwrap();
    bed.until_blobs(1).await;
    drop(client);
    bed.until_blobs(0).await;

    // Whole: 201.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(head(MAIL.len()).as_bytes()).await.unwrap();
    let n = client.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 100"));
    client.write_all(MAIL).await.unwrap();
    let n = client.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 201"));
    let bearer = format!("Bearer {}", bed.a.reader);
    let list = bed.get("/api/v1/messages", &[("authorization", &bearer)]).await.json();
    assert_eq!(list["messages"].as_array().unwrap().len(), 1);
    drop(client);

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap().unwrap();
}

/// A client that runs wild is slowed down; its neighbour is not.
#[tokio::test(flavor = "multi_thread")]
async fn one_token_cannot_ask_without_end() {
    let bed = Bed::new().await;
    let router = poststelle_web::router(poststelle_web::WebConfig {
        hub: std::sync::Arc::clone(&bed.hub),
        sign_in: std::sync::Arc::new(poststelle_hub::people::LocalAccounts),
        secure_cookies: false,
        proxies: Vec::new(),
        api_per_minute: 3,
        build: poststelle_web::BuildInfo::default(),
        pdf: Vec::new(),
    });
    let status = async |token: &str| {
        let request = axum::http::Request::get("/api/v1/messages")
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::empty())
            .unwrap();
        crate::bed::ask(&router, request).await
    };
    for _ in 0..3 {
        assert_eq!(status(&bed.a.reader).await.status, StatusCode::OK);
    }
    let refused = status(&bed.a.reader).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "60"));
    assert_eq!(refused.json()["code"], "PST-API-0011");
    assert_eq!(status(&bed.b.reader).await.status, StatusCode::OK);
    bed.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(status(&bed.a.reader).await.status, StatusCode::OK);
}
