// SPDX-License-Identifier: EUPL-1.2
//! The far side of a webhook, called by hand: what is wrong is refused, what is repeated is known.

use std::time::Duration;

use poststelle_connect::webhook::sign;
use poststelle_world::fachverfahren::{WebhookFault, WebhookSite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &[u8] = b"ein-geheimnis-mit-genug-zeichen";

async fn call(site: &WebhookSite, id: &str, body: &str, signature: &str) -> u16 {
    let url = site.url();
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let request = format!(
        "POST /ereignis HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Webhook-Id: {id}\r\nIdempotency-Key: {id}\r\nWebhook-Timestamp: 1795335330\r\n\
         Webhook-Signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn signature_key_and_faults() {
    let site = WebhookSite::start(SECRET).await.unwrap();
    let body = r#"{"specversion":"1.0","id":"k1","data":{}}"#;
    let sign = |id: &str, body: &str| {
        sign::signature(&sign::key(SECRET).unwrap(), id, 1_795_335_330, body.as_bytes())
    };
    assert_eq!(call(&site, "k1", body, "v1,AAAA").await, 401);
    assert_eq!(call(&site, "k1", body, &sign("k2", body)).await, 401);
    site.breaks(&[WebhookFault::Status(503), WebhookFault::RetryAfter(7), WebhookFault::KeepsAndFails]);
    for status in [503, 503, 500] {
        assert_eq!(call(&site, "k1", body, &sign("k1", body)).await, status);
    }
    assert_eq!(call(&site, "k1", body, &sign("k1", body)).await, 409);
    let other = r#"{"specversion":"1.0","id":"k1","data":{"x":1}}"#;
    assert_eq!(call(&site, "k1", other, &sign("k1", other)).await, 422);
    let second = r#"{"specversion":"1.0","id":"k2"}"#;
    site.breaks(&[WebhookFault::KeepsSilent]);
    let silent = call(&site, "k2", second, "v1,AAAA v1,");
    assert_eq!(silent.await, 401, "what is wrong is refused even then");
    assert!(site.wait_for(1, Duration::from_secs(5)).await);
    assert_eq!(call(&site, "k2", second, &sign("k2", second)).await, 202);
    let events = site.events();
    assert_eq!(events.iter().map(|e| (e.key.as_str(), e.times)).collect::<Vec<_>>(), [("k1", 3), ("k2", 1)]);
    assert_eq!((site.requests(), site.refused().len()), (9, 4));
}
