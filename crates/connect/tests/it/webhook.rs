// SPDX-License-Identifier: EUPL-1.2
//! The webhook against servers that behave and servers that do not.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use poststelle_connect::webhook::guard::{Guard, Lookup};
use poststelle_connect::webhook::{Options, Webhook};
use poststelle_hub::channel::{Channel, ChannelError, Cx, Outgoing, SendOutcome};
use poststelle_model::{Clock, ManualClock, Retry};
use serde_json::{Value, json};

use crate::fake::{NOW, cx, everyday, key, memory, outgoing};
use crate::server::{Call, Reply, Rude, Server, read_request, rude};

fn config(url: &str) -> Value {
    json!({ "url": url, "part_base_url": "https://hub.example/api/v1/", "allow_private": true, "timeout_seconds": 20 })
}

fn channel() -> Webhook {
    Webhook::new(&Options { permit_private: true, ..Options::default() }).unwrap()
}

async fn call(url: &str) -> Result<SendOutcome, ChannelError> {
    let out = outgoing(everyday(), config(url));
    channel().send(&cx(), &out, &key(&out)).await
}

fn plain(status: u16, body: &str) -> Reply {
    (status, Vec::new(), body.as_bytes().to_vec())
}

/// HMAC by another implementation; `None` where it is not installed and not required.
fn oracle(secret: &str, signed: &[u8]) -> Option<String> {
    let program = "import sys,hmac,hashlib,base64;\
        k=base64.b64decode(sys.argv[1]);\
        print(base64.b64encode(hmac.new(k,sys.stdin.buffer.read(),hashlib.sha256).digest()).decode())";
    let spawned = Command::new("python3")
        .args(["-c", program, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = spawned else {
        assert!(std::env::var_os("POSTSTELLE_REQUIRE_ORACLES").is_none(), "python3 is required");
        println!("SKIPPED: python3 is not installed");
        return None;
    };
    io::Write::write_all(&mut python.stdin.take().unwrap(), signed).unwrap();
    let done = python.wait_with_output().unwrap();
    assert!(done.status.success());
    Some(String::from_utf8(done.stdout).unwrap().trim().to_owned())
}

#[tokio::test]
async fn the_event_is_signed_and_the_same_at_every_attempt() {
    let server = Server::start(|_| plain(202, r#"{"id":"VG-2026-17"}"#)).await;
    let clock = Arc::new(ManualClock::new(NOW));
    let cx = Cx { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..cx() };
    let mut out = outgoing(everyday(), config(&server.url()));
    let channel = channel();
    for attempt in 1..=2 {
        out.attempt = attempt;
        match channel.send(&cx, &out, &key(&out)).await.unwrap() {
            SendOutcome::Accepted { receipt, foreign_id } => {
                assert_eq!(foreign_id, "VG-2026-17");
                let receipt = receipt.unwrap();
                assert_eq!(receipt.kind, "http-response");
                assert!(
                    receipt.body.starts_with("HTTP 202\n")
                        && receipt.body.ends_with(r#"{"id":"VG-2026-17"}"#)
                );
            }
            other => panic!("{other:?}"),
        }
        clock.advance(Duration::from_secs(60));
    }
    let calls = server.calls();
    assert_eq!((calls.len(), calls[0].method.as_str(), calls[0].path.as_str()), (2, "POST", "/eingang"));
    assert_eq!(calls[0].body, calls[1].body, "same octets at every attempt");
    for (i, call) in calls.iter().enumerate() {
        let id = out.delivery.to_string();
        assert_eq!((call.header("idempotency-key"), call.header("webhook-id")), (id.as_str(), id.as_str()));
        assert_eq!(call.header("content-type"), "application/cloudevents+json");
        let timestamp = (1_795_335_330 + 60 * i).to_string();
        assert_eq!(call.header("webhook-timestamp"), timestamp);
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&call.body);
        if let Some(expected) = oracle("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &signed) {
            assert_eq!(call.header("webhook-signature"), format!("v1,{expected}"));
        }
    }
    let event: Value = serde_json::from_slice(&calls[0].body).unwrap();
    let link = format!("https://hub.example/api/v1/messages/{}/{}", out.message.tenant, out.message.id);
    for (field, value) in [
        ("/specversion", "1.0".to_owned()),
        ("/type", "de.poststelle.message.v1".to_owned()),
        ("/id", out.delivery.to_string()),
        ("/source", format!("https://hub.example/api/v1/tenants/{}", out.message.tenant)),
        ("/subject", out.message.id.to_string()),
        ("/time", "2026-11-22T08:15:30.123456Z".to_owned()),
        ("/datacontenttype", "application/json".to_owned()),
        ("/data/link", link.clone()),
        ("/data/original/file", format!("{link}/original")),
        ("/data/original/sha256", out.message.sha256.clone()),
        ("/data/parts/2/file", format!("{link}/parts/2")),
        ("/data/parts/2/name", "Antrag.pdf".to_owned()),
        ("/data/because", "Bauanträge".to_owned()),
    ] {
        assert_eq!(event.pointer(field).and_then(Value::as_str), Some(value.as_str()), "{field}");
    }
    assert_eq!(event["data"]["parts_complete"], true);
    let text = String::from_utf8_lossy(&calls[0].body);
    assert!(!text.contains("MfKQ9r8G") && !text.contains("attempt\":1"));
}

#[tokio::test]
async fn many_parts_are_cut_and_said_to_be() {
    let server = Server::start(|_| plain(200, "")).await;
    let parts: Vec<_> = (0..1500).map(|_| ("a", "a", b"x".to_vec())).collect();
    let out = outgoing(memory(&parts), config(&server.url()));
    channel().send(&cx(), &out, &key(&out)).await.unwrap();
    let event: Value = serde_json::from_slice(&server.calls()[0].body).unwrap();
    assert_eq!(event["data"]["parts_complete"], false);
    assert_eq!(event["data"]["parts"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let server = Server::start(|call: &Call| {
        let status: u16 = call.path.trim_start_matches('/').parse().unwrap();
        let headers = match status {
            429 | 503 => vec![("retry-after", "90".to_owned())],
            301..=308 => vec![("location", "http://127.0.0.1/anderswo".to_owned())],
            _ => vec![],
        };
        (status, headers, if status == 204 { vec![] } else { b"so nicht".to_vec() })
    })
    .await;
    let url = |status: u16| format!("http://{}/{status}", server.address);
    for status in [200, 201, 202, 204, 409] {
        match call(&url(status)).await.unwrap() {
            SendOutcome::Accepted { receipt, foreign_id } => {
                assert_eq!(foreign_id, "");
                assert_eq!(receipt.unwrap().body.contains("already"), status == 409);
            }
            other => panic!("{status}: {other:?}"),
        }
    }
    for (status, code) in [
        (301, "3004"),
        (302, "3004"),
        (307, "3004"),
        (308, "3004"),
        (400, "3001"),
        (401, "3002"),
        (403, "3002"),
        (404, "3003"),
        (405, "3003"),
        (410, "3003"),
        (413, "3001"),
        (422, "3001"),
    ] {
        match call(&url(status)).await.unwrap() {
            SendOutcome::Rejected { reason, receipt } => {
                assert_eq!(reason.code.as_str(), format!("PST-WEBHOOK-{code}"), "{status}");
                assert_eq!(reason.params["status"], status.to_string());
                assert_eq!(reason.params["said"], "so nicht");
                assert!(receipt.unwrap().body.contains("so nicht"));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
    let before = server.calls().len();
    for (status, code, after) in [
        (408, "2004", None),
        (425, "2004", None),
        (429, "2004", Some(90)),
        (500, "2005", None),
        (502, "2005", None),
        (503, "2005", Some(90)),
    ] {
        let error = call(&url(status)).await.unwrap_err();
        assert_eq!(error.reason.code.as_str(), format!("PST-WEBHOOK-{code}"), "{status}");
        assert_eq!((error.retry, error.after), (Retry::Later, after.map(Duration::from_secs)), "{status}");
    }
    assert_eq!(server.calls().len(), before + 6, "the channel itself never tries again");
    assert!(server.calls().iter().all(|call| call.path != "/anderswo"), "redirects are not followed");
}

#[tokio::test]
async fn what_may_have_arrived_is_unclear() {
    for (kind, code) in [
        (Rude::Hangs, "PST-WEBHOOK-4001"),
        (Rude::Cuts, "PST-WEBHOOK-4002"),
        (Rude::Babbles, "PST-WEBHOOK-4002"),
    ] {
        let mut config = config(&format!("http://{}/", rude(kind).await));
        config["timeout_seconds"] = json!(1);
        let out = outgoing(everyday(), config);
        match channel().send(&cx(), &out, &key(&out)).await.unwrap() {
            SendOutcome::Unclear { reason, .. } => assert_eq!(reason.code.as_str(), code, "{kind:?}"),
            other => panic!("{kind:?}: {other:?}"),
        }
    }
    // The hub's own deadline counts, too.
    let out = outgoing(everyday(), config(&format!("http://{}/", rude(Rude::Hangs).await)));
    let mut cx = cx();
    cx.deadline = NOW.plus(Duration::from_millis(300));
    let start = Instant::now();
    let sent = channel().send(&cx, &out, &key(&out)).await.unwrap();
    assert!(matches!(sent, SendOutcome::Unclear { .. }));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_status_counts_whatever_becomes_of_the_body() {
    for kind in [Rude::CutsBody, Rude::HangsInBody, Rude::EndlessBody] {
        let mut config = config(&format!("http://{}/", rude(kind).await));
        config["timeout_seconds"] = json!(2);
        let out = outgoing(everyday(), config);
        match channel().send(&cx(), &out, &key(&out)).await.unwrap() {
            SendOutcome::Accepted { receipt, foreign_id } => {
                assert_eq!(foreign_id, "");
                let size = receipt.unwrap().body.len();
                assert!(size <= 64 * 1024, "{kind:?}: {size}");
                assert!(kind != Rude::EndlessBody || size > 60 * 1024);
            }
            other => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_tried_later() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = call(&format!("http://{free}/")).await.unwrap_err();
    assert_eq!((error.reason.code.as_str(), error.retry), ("PST-WEBHOOK-2002", Retry::Later));
    let names = Names(HashMap::new(), AtomicUsize::new(0));
    let options = Options { permit_private: true, lookup: Arc::new(names), ..Options::default() };
    let out = outgoing(everyday(), config("http://gibt-es-nicht.example/"));
    let error = Webhook::new(&options).unwrap().send(&cx(), &out, &key(&out)).await.unwrap_err();
    assert_eq!((error.reason.code.as_str(), error.retry), ("PST-WEBHOOK-2001", Retry::Later));
}

#[tokio::test]
async fn settings_and_secret_are_checked() {
    let good = config("https://fach.example/");
    let with = |field: &str, value: Value| {
        let mut config = good.clone();
        config[field] = value;
        config
    };
    for (config, code) in [
        (json!(null), "1001"),
        (json!({ "url": "https://fach.example/" }), "1001"),
        (with("farbe", json!("rot")), "1001"),
        (with("url", json!("fach.example")), "1001"),
        (with("timeout_seconds", json!(0)), "1001"),
        (with("timeout_seconds", json!(121)), "1001"),
        (with("part_base_url", json!("/api/v1")), "1001"),
        (with("part_base_url", json!("https://hub.example/?x=1")), "1001"),
        (with("url", json!("ftp://fach.example/")), "1002"),
        (with("url", json!("file:///etc/passwd")), "1002"),
        (with("url", json!("https://user:geheim@fach.example/")), "1002"),
    ] {
        let error = channel().check(&cx(), &config).await.unwrap_err();
        assert_eq!(
            (error.reason.code.as_str(), error.retry),
            (&*format!("PST-WEBHOOK-{code}"), Retry::Never),
            "{config}"
        );
        assert!(!error.reason.to_json().contains("geheim"));
    }
    for secret in [None, Some(Arc::new(b"zu kurz".to_vec()))] {
        let out = Outgoing { secret, ..outgoing(everyday(), config("http://127.0.0.1:9/")) };
        let error = channel().send(&cx(), &out, &key(&out)).await.unwrap_err();
        assert_eq!((error.reason.code.as_str(), error.retry), ("PST-WEBHOOK-1004", Retry::Never));
    }
    let server = Server::start(|_| plain(405, "")).await;
    channel().check(&cx(), &config(&server.url())).await.unwrap();
    assert_eq!(server.calls()[0].method.as_str(), "HEAD", "a check changes nothing");
}

/// Names with the answers of successive lookups; the last one stays.
struct Names(HashMap<&'static str, Vec<Vec<&'static str>>>, AtomicUsize);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let n = self.1.fetch_add(1, Ordering::SeqCst);
        let answers = self.0.get(name).ok_or_else(|| io::Error::other("no such name"))?;
        Ok(answers[n.min(answers.len() - 1)].iter().map(|ip| ip.parse().unwrap()).collect())
    }
}

#[tokio::test]
async fn nobody_is_called_inside_our_network() {
    let server = Server::start(|_| plain(200, "")).await;
    let port = server.address.port();
    let names = || {
        HashMap::from([
            ("harmlos.example", vec![vec!["127.0.0.1"]]),
            ("gemischt.example", vec![vec!["10.0.0.1", "::1", "169.254.169.254"]]),
            ("abgebildet.example", vec![vec!["::ffff:127.0.0.1"]]),
        ])
    };
    let cases = [
        format!("https://127.0.0.1:{port}/"),
        format!("https://127.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f000001:{port}/"),
        format!("https://0177.0.0.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[::ffff:7f00:1]:{port}/"),
        format!("https://[64:ff9b::7f00:1]:{port}/"),
        format!("https://0.0.0.0:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://192.168.1.1/".to_owned(),
        "https://10.1.2.3/".to_owned(),
        "https://100.64.0.1/".to_owned(),
        "https://[fd00::1]/".to_owned(),
        "https://[fe80::1]/".to_owned(),
        format!("https://harmlos.example:{port}/"),
        format!("https://HARMLOS.example:{port}/"),
        "https://gemischt.example/".to_owned(),
        "https://abgebildet.example/".to_owned(),
    ];
    for (permit_private, allow_private) in [(false, false), (true, false), (false, true)] {
        let lookup = Arc::new(Names(names(), AtomicUsize::new(0)));
        let channel = Webhook::new(&Options { permit_private, lookup, ..Options::default() }).unwrap();
        for url in &cases {
            let mut config = config(url);
            config["allow_private"] = json!(allow_private);
            let out = outgoing(everyday(), config);
            for error in [
                channel.send(&cx(), &out, &key(&out)).await.unwrap_err(),
                channel.check(&cx(), &out.config).await.unwrap_err(),
            ] {
                assert_eq!(
                    (error.reason.code.as_str(), error.retry),
                    ("PST-WEBHOOK-1003", Retry::Never),
                    "{url}"
                );
            }
        }
        let out = outgoing(
            everyday(),
            json!({ "url": server.url(), "part_base_url": "https://hub.example",
            "allow_private": allow_private }),
        );
        let error = channel.send(&cx(), &out, &key(&out)).await.unwrap_err();
        assert_eq!(error.reason.code.as_str(), "PST-WEBHOOK-1002", "plain http only with leave");
    }
    // The system's own resolver.
    let channel = Webhook::new(&Options::default()).unwrap();
    let out = outgoing(everyday(), config(&format!("https://localhost:{port}/")));
    let error = channel.send(&cx(), &out, &key(&out)).await.unwrap_err();
    assert_eq!(error.reason.code.as_str(), "PST-WEBHOOK-1003");
    assert!(server.calls().is_empty());
}

/// A name that is public when looked at first and internal afterwards gains nothing: every connection is
/// checked where it is made.
#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let server = Server::start(|_| plain(200, "")).await;
    let answers = HashMap::from([("wechsel.example", vec![vec!["1.1.1.1", "127.0.0.1"], vec!["127.0.0.1"]])]);
    let lookup = Arc::new(Names(answers, AtomicUsize::new(0)));
    let guard = Guard::new(Arc::clone(&lookup) as Arc<dyn Lookup>, false);
    let first = guard.addresses("wechsel.example").await.unwrap();
    assert_eq!(first, ["1.1.1.1".parse::<IpAddr>().unwrap()], "only what may be called");
    let options = Options { lookup: Arc::clone(&lookup) as Arc<dyn Lookup>, ..Options::default() };
    let channel = Webhook::new(&options).unwrap();
    let out = outgoing(everyday(), config(&format!("https://wechsel.example:{}/", server.address.port())));
    for _ in 0..3 {
        let error = channel.send(&cx(), &out, &key(&out)).await.unwrap_err();
        assert_eq!(error.reason.code.as_str(), "PST-WEBHOOK-1003");
    }
    assert_eq!(lookup.1.load(Ordering::SeqCst), 4, "one lookup per connection, and that one is checked");
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn tls_needs_a_known_root_and_the_right_name() {
    let issued = rcgen::generate_simple_self_signed(vec!["fach.example".to_owned()]).unwrap();
    let cert = issued.cert.der().clone();
    let server_config = tokio_rustls::rustls::ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![cert.clone()], issued.signing_key.serialize_der().try_into().unwrap())
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut tls = acceptor.accept(stream).await?;
                read_request(&mut tls).await?;
                tokio::io::AsyncWriteExt::write_all(&mut tls, b"HTTP/1.1 204 No Content\r\n\r\n").await
            });
        }
    });
    let names = || {
        let here = vec![vec!["127.0.0.1"]];
        Arc::new(Names(
            HashMap::from([("fach.example", here.clone()), ("anders.example", here)]),
            AtomicUsize::new(0),
        ))
    };
    let root = reqwest::Certificate::from_der(&cert).unwrap();
    let known = Options { permit_private: true, extra_roots: vec![root], lookup: names() };
    let unknown = Options { permit_private: true, extra_roots: vec![], lookup: names() };
    for (options, host, good) in
        [(&known, "fach.example", true), (&known, "anders.example", false), (&unknown, "fach.example", false)]
    {
        let out = outgoing(everyday(), config(&format!("https://{host}:{port}/")));
        let sent = Webhook::new(options).unwrap().send(&cx(), &out, &key(&out)).await;
        if good {
            assert!(matches!(sent.unwrap(), SendOutcome::Accepted { .. }));
        } else {
            let error = sent.unwrap_err();
            assert_eq!(
                (error.reason.code.as_str(), error.retry),
                ("PST-WEBHOOK-2003", Retry::Later),
                "{error}"
            );
        }
    }
}
