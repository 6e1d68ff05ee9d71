// SPDX-License-Identifier: EUPL-1.2
//! The SMTP client: against our server and against servers that misbehave.

use crate::smtp_support::*;
use poststelle_mail::smtp::client::{
    Cause, Client, ClientTls, Credentials, DsnWish, Fate, Outcome, Reason, Report, Resolver, Speaker, Stage,
    Tls,
};
use poststelle_mail::smtp::server::{Abort, AuthPolicy, Config, Mode, Seen};
use poststelle_mail::smtp::{BodyType, Notify, Orcpt, Ret};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

const EHLO: &str = "250-fault.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 DSN\r\n";
const PLAIN_EHLO: &str = "250 fault.example\r\n";

/// Says yes to everything, except what `odd` answers.
fn polite(
    mut odd: impl FnMut(&str) -> Option<Act> + Send + 'static,
) -> impl FnMut(&str) -> Act + Send + 'static {
    move |event| {
        odd(event).unwrap_or(match event {
            "GREETING" => Act::Say("220 fault.example\r\n"),
            "DATA" => Act::Say("354 go\r\n"),
            "QUIT" => Act::SayAndClose("221 bye\r\n"),
            e if e.starts_with("EHLO") => Act::Say(EHLO),
            _ => Act::Say("250 2.0.0 fine\r\n"),
        })
    }
}

async fn send_to(address: SocketAddr, to: &[&str], mut body: &[u8]) -> Report {
    client().send(&route(address, Tls::None), &mail("a@b", to), &mut body).await
}

async fn against(odd: impl FnMut(&str) -> Option<Act> + Send + 'static) -> Outcome {
    send_to(fault(polite(odd)).await, &["c@d"], b"x\r\n").await.outcome
}

fn later(stage: Stage) -> impl Fn(&Outcome) -> bool {
    move |o| matches!(o, Outcome::TryLater(r) if r.stage == stage)
}

#[tokio::test]
async fn everything_arrives() {
    let running = Running::start(Config::default(), None, Mode::StartTls).await;
    let mut m = mail("absender@größe.example", &["c@d", "unknown@d", "later@d"]);
    m.ret = Some(Ret::Full);
    m.envid = Some("id 1+2".into());
    m.body = BodyType::EightBitMime;
    m.size = Some(35);
    m.recipients[0].notify = Some(Notify::On { success: true, failure: true, delay: false });
    m.recipients[0].orcpt = Some(Orcpt { kind: "rfc822".into(), address: "original@d".into() });
    m.recipients[1].notify = Some(Notify::Never);
    let body = b"Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nbare\nLF \xe4 no end";
    let report = client().send(&running.route(Tls::None), &m, &mut &body[..]).await;
    let Outcome::Accepted { reply } = &report.outcome else { panic!("{report:?}") };
    assert_eq!((reply.code, reply.enhanced, &*reply.text), (250, Some((2, 0, 0)), "queued as 1"));
    let fates: Vec<_> =
        report.recipients.iter().map(|r| (r.fate, r.reply.as_ref().map(|r| r.code))).collect();
    assert_eq!(
        fates,
        [(Fate::Accepted, Some(250)), (Fate::Rejected, Some(550)), (Fate::TryLater, Some(451))]
    );
    assert_eq!(report.dsn, DsnWish::Passed);

    let taken = running.recorder.only();
    assert_eq!(taken.octets, [&body[..], b"\r\n"].concat());
    assert_eq!(
        taken.seen,
        Seen { octets: body.len() as u64 + 2, bare_line_ends: true, eight_bit: true, nul: false }
    );
    let e = taken.envelope;
    assert_eq!(
        (e.envid.as_deref(), e.ret, e.size, e.body),
        (Some("id 1+2"), Some(Ret::Full), Some(35), m.body)
    );
    assert!(e.smtputf8 && e.recipients[0] == m.recipients[0]);
    assert_eq!(e.peer.helo.as_deref(), Some("client.example"));

    let d = report.dialogue;
    assert_eq!(d.peer, Some(running.address));
    let text = d.to_string();
    for line in [
        "S: 220 localhost ESMTP",
        "C: EHLO client.example",
        "C: MAIL FROM:<absender@größe.example> SIZE=35 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=id+201+2B2",
        "C: RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;original@d",
        "C: RCPT TO:<unknown@d> NOTIFY=NEVER",
        "S: 550 5.1.1 no such mailbox",
        "C: DATA",
        "-- message of 43 octets sent, end included",
        "S: 250 2.0.0 queued as 1",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
    assert!(!text.contains(".dot"), "no body in the dialogue");
    assert!(d.lines.windows(2).all(|w| w[0].at <= w[1].at));
    assert_eq!(d.lines[0].speaker, Speaker::Remark);
    running.stop().await;
}

#[tokio::test]
async fn several_messages_over_one_connection() {
    let running = Running::start(Config::default(), None, Mode::StartTls).await;
    let mut c = client().connect(&running.route(Tls::None)).await.unwrap();
    for n in 0..3 {
        let report = c.send(&mail("a@b", &["unknown@d"]), &mut &b"x"[..]).await;
        assert_eq!(report.outcome.fate(), Fate::Rejected);
        let text = format!("message {n}\r\n");
        let report = c.send(&mail("a@b", &["c@d"]), &mut text.as_bytes()).await;
        assert_eq!(report.outcome.fate(), Fate::Accepted);
        // Its dialogue has the greeting and itself, not its predecessors.
        let said = report.dialogue.to_string();
        assert_eq!((said.matches("S: 220 ").count(), said.matches("MAIL FROM").count()), (1, 1));
        assert!(c.is_usable());
    }
    c.quit().await;
    assert_eq!(running.recorder.taken().len(), 3);
    running.stop().await;
}

#[tokio::test]
async fn big_bodies_and_many_recipients() {
    let running = Running::start(Config::default(), None, Mode::StartTls).await;
    let to: Vec<String> = (0..450).map(|n| format!("recipient-with-a-long-name-{n}@example.org")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let line = b"..text with a dot.\r\n";
    let body = line.repeat(200_000);
    let report = client().send(&running.route(Tls::None), &mail("a@b", &to), &mut &body[..]).await;
    assert_eq!(report.outcome.fate(), Fate::Accepted, "{}", report.dialogue);
    let taken = running.recorder.only();
    assert_eq!(taken.envelope.recipients.len(), 450);
    assert!(taken.octets == body);
    running.stop().await;
}

#[tokio::test]
async fn negative_answers() {
    // About the connection: later.
    assert!(later(Stage::Greeting)(
        &against(|e| (e == "GREETING").then_some(Act::SayAndClose("554 no\r\n"))).await
    ));
    assert!(later(Stage::Greeting)(&against(|e| (e == "GREETING").then_some(Act::Close)).await));
    assert!(later(Stage::Hello)(&against(|e| e.starts_with("EHLO").then_some(Act::Say("421 no\r\n"))).await));
    // About the message.
    for (event, stage) in [("MAIL", Stage::Mail), ("DATA", Stage::Data), ("DOT", Stage::End)] {
        for (reply, fate) in [("550 5.7.1 no\r\n", Fate::Rejected), ("450 4.0.0 later\r\n", Fate::TryLater)] {
            let outcome = against(move |e| e.starts_with(event).then_some(Act::Say(reply))).await;
            assert_eq!(
                (outcome.fate(), outcome.reply().map(|r| r.code)),
                (fate, reply[..3].parse().ok()),
                "{event}"
            );
            let (Outcome::Rejected(r) | Outcome::TryLater(r)) = outcome else { panic!() };
            assert_eq!(r.stage, stage);
        }
    }
    // 552 to RCPT without a better word is "too many recipients".
    for (reply, fate) in [
        ("552 no\r\n", Fate::TryLater),
        ("552 5.5.3 many\r\n", Fate::TryLater),
        ("552 5.2.2 full\r\n", Fate::Rejected),
        ("421 bye\r\n", Fate::TryLater),
        ("500 what?\r\n", Fate::Rejected),
    ] {
        let outcome = against(move |e| e.starts_with("RCPT").then_some(Act::Say(reply))).await;
        assert_eq!(outcome.fate(), fate, "{reply}");
    }
}

#[tokio::test]
async fn nobody_wants_it() {
    for ehlo in [EHLO, PLAIN_EHLO] {
        for (second, fate) in [("550 no\r\n", Fate::Rejected), ("450 later\r\n", Fate::TryLater)] {
            let address = fault(polite(move |e| match e {
                "RCPT TO:<1@d>" => Some(Act::Say("550 5.1.1 no\r\n")),
                "RCPT TO:<2@d>" => Some(Act::Say(second)),
                // A server that wants a body nonetheless gets none.
                e if e.starts_with("EHLO") => Some(Act::Say(ehlo)),
                "DOT" => panic!("nothing may be sent"),
                _ => None,
            }))
            .await;
            let report = send_to(address, &["1@d", "2@d"], b"x").await;
            assert_eq!(report.outcome.fate(), fate);
            assert_eq!(report.recipients.iter().map(|r| r.fate).collect::<Vec<_>>(), [Fate::Rejected, fate]);
        }
    }
}

#[tokio::test]
async fn before_and_after_the_final_dot() {
    // More than the kernel's buffers on both sides hold: else it is rightly unclear.
    let body = "line of the body\r\n".repeat(2 << 20);
    for cut in [0, 1, 1000, 1_000_000] {
        let address = fault(polite(move |e| (e == "DATA").then_some(Act::CutBody(cut)))).await;
        let report = send_to(address, &["c@d"], body.as_bytes()).await;
        assert!(later(Stage::Body)(&report.outcome), "{cut}: {:?}\n{}", report.outcome, report.dialogue);
        assert_eq!(report.recipients[0].fate, Fate::TryLater);
    }
    for act in [
        Act::Close,
        Act::SayAndClose("garbage\r\n"),
        Act::SayAndClose("250"),
        Act::SayAndClose("250-more\r\n"),
        Act::SayAndClose("354 again\r\n"),
    ] {
        let body = &body[..1000];
        let what = format!("{act:?}");
        let address = fault(polite(move |e| (e == "DOT").then(|| act.clone()))).await;
        let report = send_to(address, &["c@d"], body.as_bytes()).await;
        assert!(
            matches!(&report.outcome, Outcome::Unclear(Reason { stage: Stage::End, .. })),
            "{what}: {:?}",
            report.outcome
        );
        assert_eq!(report.recipients[0].fate, Fate::Unclear);
    }
    // A clear no after the dot is a no.
    let outcome = against(|e| (e == "DOT").then_some(Act::SayAndClose("421 4.3.2 going down\r\n"))).await;
    assert_eq!(outcome.fate(), Fate::TryLater);
}

#[tokio::test]
async fn early_answer_within_the_body() {
    // The size limit of our own server cuts a sender that does not stop, with its reason.
    let mut config = Config::default();
    config.limits.message_size = 1000;
    let running = Running::start(config, None, Mode::StartTls).await;
    let body = vec![b'x'; 32 << 20];
    let report = send_to(running.address, &["c@d"], &body).await;
    assert!(matches!(report.outcome.fate(), Fate::Rejected | Fate::TryLater), "{:?}", report.outcome);
    assert_eq!(running.recorder.aborted(), [Abort::TooBig]);
    // With SIZE known beforehand nothing is sent at all.
    let mut m = mail("a@b", &["c@d"]);
    m.size = Some(32 << 20);
    let report = client().send(&running.route(Tls::None), &m, &mut &body[..]).await;
    let Outcome::Rejected(reason) = report.outcome else { panic!() };
    assert_eq!(reason.cause, Cause::TooBig { size: 32 << 20, limit: 1000 });
    running.stop().await;
}

/// Over a pipe in memory with simulated time: one step hangs, its own time-out must end it.
#[tokio::test(start_paused = true)]
async fn every_step_times_out() {
    for (event, stage, seconds) in [
        ("GREETING", Stage::Greeting, 300),
        ("EHLO", Stage::Hello, 300),
        ("MAIL", Stage::Mail, 300),
        ("RCPT", Stage::Recipient, 300),
        ("DATA", Stage::Data, 120),
        ("DOT", Stage::End, 600),
    ] {
        for ehlo in [EHLO, PLAIN_EHLO] {
            let (near, far) = tokio::io::duplex(4096);
            let mut act = polite(move |e| {
                if e.starts_with(event) {
                    return Some(Act::Hang);
                }
                e.starts_with("EHLO").then_some(Act::Say(ehlo))
            });
            let server = tokio::spawn(async move { faulty(Box::new(far), &mut act).await });
            let began = tokio::time::Instant::now();
            let to = route(([127, 0, 0, 1], 25).into(), Tls::None);
            let outcome = match client().connect_over(Box::new(near), &to).await {
                Ok(mut c) => c.send(&mail("a@b", &["c@d"]), &mut &b"x"[..]).await.outcome,
                Err(failure) => failure.outcome,
            };
            assert_eq!(began.elapsed().as_secs(), seconds, "{event}");
            let reason = Reason { stage, cause: Cause::TimedOut };
            let want = if event == "DOT" { Outcome::Unclear(reason) } else { Outcome::TryLater(reason) };
            assert_eq!(outcome, want);
            server.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_reading_has_not_got_it() {
    let (near, far) = tokio::io::duplex(4096);
    let mut script = polite(|_| None);
    // Reads until DATA, then no more.
    let server = tokio::spawn(async move {
        let mut act = move |e: &str| script(e);
        let (mut read, mut write) = tokio::io::split(far);
        let mut line = Vec::new();
        let mut event = "GREETING".to_owned();
        loop {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let Act::Say(text) = act(&event) else { panic!() };
            write.write_all(text.as_bytes()).await.unwrap();
            if event == "DATA" {
                std::future::pending::<()>().await;
            }
            line.clear();
            while !line.ends_with(b"\r\n") {
                line.push(read.read_u8().await.unwrap());
            }
            event = String::from_utf8_lossy(&line).trim_end().to_owned();
        }
    });
    let to = route(([127, 0, 0, 1], 25).into(), Tls::None);
    let mut c = client().connect_over(Box::new(near), &to).await.unwrap();
    let body = vec![b'x'; 100_000];
    let began = tokio::time::Instant::now();
    let report = c.send(&mail("a@b", &["c@d"]), &mut &body[..]).await;
    assert_eq!(report.outcome, Outcome::TryLater(Reason { stage: Stage::Body, cause: Cause::TimedOut }));
    assert_eq!(began.elapsed().as_secs(), 180);
    assert!(!c.is_usable());
    server.abort();
}

#[tokio::test]
async fn garbage() {
    for text in
        ["SSH-2.0-OpenSSH\r\n", "\r\n", "2x0 hi\r\n", "999 hi\r\n", "100 hi\r\n", "220-a\r\n221 b\r\n"]
    {
        let outcome = against(move |e| (e == "GREETING").then_some(Act::Say(text))).await;
        let Outcome::TryLater(reason) = &outcome else { panic!("{text}") };
        assert!(matches!(reason.cause, Cause::Garbage(_)), "{text}: {reason}");
    }
    for long in ["220 ".to_owned() + &"x".repeat(1 << 20), "x".repeat(1 << 20), "220-x\r\n".repeat(100_000)] {
        let outcome = against(move |e| (e == "GREETING").then(|| Act::SayOwned(long.clone()))).await;
        let Outcome::TryLater(reason) = &outcome else { panic!() };
        assert!(matches!(reason.cause, Cause::Garbage(_)), "{reason}");
    }
}

#[tokio::test]
async fn multi_line_replies_and_old_servers() {
    let outcome = against(|e| match e {
        "GREETING" => Some(Act::Say("220-first\r\n220-second\r\n220\r\n")),
        e if e.starts_with("EHLO") => Some(Act::Say("502 what?\r\n")),
        e if e.starts_with("MAIL") => Some(Act::Say("250-2.1.0 sender\n250 2.1.0 ok\n")),
        "DOT" => Some(Act::Say("250-2.6.0 first\r\n250-2.6.0 queued as ABC\r\n250 2.6.0 done\r\n")),
        _ => None,
    })
    .await;
    let Outcome::Accepted { reply } = outcome else { panic!("{outcome:?}") };
    assert_eq!((reply.enhanced, &*reply.text), (Some((2, 6, 0)), "first\nqueued as ABC\ndone"));
}

#[tokio::test]
async fn only_offered_parameters_are_sent() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&heard);
    let address = fault(polite(move |e| {
        log.lock().unwrap().push(e.to_owned());
        e.starts_with("EHLO").then_some(Act::Say("250 old.example\r\n"))
    }))
    .await;
    let mut m = mail("a@b", &["c@d"]);
    m.ret = Some(Ret::Hdrs);
    m.envid = Some("x".into());
    m.size = Some(3);
    m.recipients[0].notify = Some(Notify::Never);
    let report = client().send(&route(address, Tls::None), &m, &mut &b"x"[..]).await;
    assert_eq!((report.outcome.fate(), report.dsn), (Fate::Accepted, DsnWish::NotSupported));
    assert_eq!(
        *heard.lock().unwrap(),
        ["GREETING", "EHLO client.example", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "DOT", "QUIT"]
    );

    m.body = BodyType::EightBitMime;
    let report = client().send(&route(address, Tls::None), &m, &mut &b"x"[..]).await;
    assert!(matches!(report.outcome, Outcome::Rejected(Reason { cause: Cause::Missing("8BITMIME"), .. })));
    let report = send_to(address, &["ü@d"], b"x").await;
    assert!(matches!(report.outcome, Outcome::Rejected(Reason { cause: Cause::Missing("SMTPUTF8"), .. })));
    let report = send_to(address, &[], b"x").await;
    assert!(matches!(report.outcome, Outcome::Rejected(Reason { cause: Cause::NoRecipients, .. })));
}

struct Breaks;

impl AsyncRead for Breaks {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::Error::other("disk gone")))
    }
}

#[tokio::test]
async fn our_own_body_is_at_fault() {
    let running = Running::start(Config::default(), None, Mode::StartTls).await;
    let route = running.route(Tls::None);
    let mut body = tokio::io::AsyncReadExt::chain(&b"half"[..], Breaks);
    let report = client().send(&route, &mail("a@b", &["c@d"]), &mut body).await;
    assert!(matches!(report.outcome, Outcome::TryLater(Reason { cause: Cause::Source(_), .. })));
    let report =
        client().send(&route, &mail("a@b", &["c@d"]), &mut &b"x\n.\r\nMAIL FROM:<evil@x>\r\n"[..]).await;
    assert!(matches!(report.outcome, Outcome::Rejected(Reason { cause: Cause::UnsafeBody, .. })));
    let aborted = async {
        while running.recorder.aborted().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), aborted).await.unwrap();
    assert_eq!((running.recorder.taken().len(), running.recorder.aborted()), (0, vec![Abort::Lost; 2]));
    running.stop().await;
}

struct Fixed(Result<Vec<SocketAddr>, ()>);

#[async_trait::async_trait]
impl Resolver for Fixed {
    async fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.0.clone().map_err(|()| std::io::Error::other("no such name"))
    }
}

#[tokio::test]
async fn resolving_and_connecting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let running = Running::start(Config::default(), None, Mode::StartTls).await;
    let with = |r| client().with_resolver(Arc::new(Fixed(r)));
    let go = async |client: Client| {
        client.send(&route(closed, Tls::None), &mail("a@b", &["c@d"]), &mut &b"x"[..]).await.outcome
    };
    assert!(later(Stage::Resolve)(&go(with(Err(()))).await));
    assert!(later(Stage::Resolve)(&go(with(Ok(vec![]))).await));
    assert!(later(Stage::Connect)(&go(with(Ok(vec![closed]))).await));
    assert!(later(Stage::Connect)(&go(client()).await));
    // The second address works.
    assert_eq!(go(with(Ok(vec![closed, running.address]))).await.fate(), Fate::Accepted);
    running.stop().await;
}

#[tokio::test]
async fn tls_of_all_kinds() {
    let cert = certificate();
    let trusting = Client::new("client.example", cert.client.clone());
    let config = Config { require_tls: true, require_auth: true, ..Config::default() };
    let running = Running::start(config.clone(), Some(cert.server.clone()), Mode::StartTls).await;
    let implicit = Running::start(config, Some(cert.server.clone()), Mode::ImplicitTls).await;
    let auth =
        Some(Credentials { user: "amt".into(), password: SecretString::from("geheim"), allow_clear: false });
    for (running, tls) in
        [(&running, Tls::RequireStartTls), (&running, Tls::OpportunisticStartTls), (&implicit, Tls::Implicit)]
    {
        let mut route = running.route(tls);
        route.auth = auth.clone();
        let report = trusting.send(&route, &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
        assert_eq!(report.outcome.fate(), Fate::Accepted, "{tls:?}\n{}", report.dialogue);
        let info = report.dialogue.tls.clone().unwrap();
        assert_eq!((info.version.as_str(), &info.verified), ("TLSv1_3", &Ok(())));
        assert_eq!(info.peer_certificate_sha256.unwrap(), poststelle_crypto::digest::sha256(&cert.der));
        let text = report.dialogue.to_string();
        assert!(
            text.contains("C: AUTH PLAIN ***") && !text.contains("geheim") && !text.contains("AGFt"),
            "{text}"
        );
        assert!(!format!("{report:?}").contains("AGFtdABnZWhlaW0="));
        let taken = running.recorder.taken().pop().unwrap();
        let seen = taken.envelope.peer.tls.clone().unwrap();
        assert_eq!((seen.version, seen.cipher), (info.version, info.cipher));
        assert_eq!(taken.envelope.peer.identity.as_ref().unwrap().0, "principal-1");
    }
    // Nobody trusts this certificate: strict modes refuse, opportunistic takes it and says so.
    for (running, tls) in [(&running, Tls::RequireStartTls), (&implicit, Tls::Implicit)] {
        let report = client().send(&running.route(tls), &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
        assert!(
            matches!(&report.outcome, Outcome::TryLater(Reason { stage: Stage::Tls, cause: Cause::Tls(_) })),
            "{report:?}"
        );
    }
    let mut to = running.route(Tls::OpportunisticStartTls);
    to.auth = auth.clone();
    let report = client().send(&to, &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert_eq!(report.outcome.fate(), Fate::Accepted);
    assert!(report.dialogue.tls.unwrap().verified.is_err());
    // Required and not offered; a password is not sent in clear; a wrong one is not the message's fault.
    let clear =
        Running::start(Config { auth: AuthPolicy::Always, ..Config::default() }, None, Mode::StartTls).await;
    let report =
        client().send(&clear.route(Tls::RequireStartTls), &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert!(later(Stage::Tls)(&report.outcome));
    let mut to = clear.route(Tls::OpportunisticStartTls);
    to.auth = auth.clone();
    let report = client().send(&to, &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert!(matches!(report.outcome, Outcome::TryLater(Reason { cause: Cause::AuthInClear, .. })));
    to.auth =
        Some(Credentials { user: "amt".into(), password: SecretString::from("falsch"), allow_clear: true });
    let report = client().send(&to, &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert!(
        matches!(&report.outcome, Outcome::TryLater(Reason { stage: Stage::Auth, cause: Cause::Reply(r) }) if r.code == 535)
    );
    for r in [running, implicit, clear] {
        r.stop().await;
    }
}

#[tokio::test]
async fn auth_login_when_plain_is_not_offered() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&heard);
    let address = fault(polite(move |e| {
        log.lock().unwrap().push(e.to_owned());
        match e {
            "AUTH LOGIN" | "YW10" => Some(Act::Say("334 \r\n")),
            "Z2VoZWlt" => Some(Act::Say("235 ok\r\n")),
            e if e.starts_with("EHLO") => Some(Act::Say("250-x\r\n250 AUTH LOGIN\r\n")),
            _ => None,
        }
    }))
    .await;
    let mut to = route(address, Tls::None);
    to.auth =
        Some(Credentials { user: "amt".into(), password: SecretString::from("geheim"), allow_clear: true });
    let report = client().send(&to, &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert_eq!(report.outcome.fate(), Fate::Accepted);
    let text = report.dialogue.to_string();
    assert!(!text.contains("YW10") && !text.contains("Z2VoZWlt"), "{text}");
}

#[tokio::test]
async fn tls_attacks_and_fallback() {
    const TLS_EHLO: &str = "250-x\r\n250 STARTTLS\r\n";
    let starttls = |reply: &'static str| {
        polite(move |e| match e {
            "STARTTLS" => Some(Act::Say(reply)),
            e if e.starts_with("EHLO") => Some(Act::Say(TLS_EHLO)),
            _ => None,
        })
    };
    // Something in clear behind the answer: an attack, whatever the mode.
    for tls in [Tls::RequireStartTls, Tls::OpportunisticStartTls] {
        let address = fault(starttls("220 go\r\n250 injected\r\n")).await;
        let report = client().send(&route(address, tls), &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
        assert!(later(Stage::Tls)(&report.outcome), "{tls:?}");
    }
    // A handshake that cannot work: strict stops, opportunistic goes on in clear and says so.
    for (tls, fate) in [(Tls::RequireStartTls, Fate::TryLater), (Tls::OpportunisticStartTls, Fate::Accepted)]
    {
        let address = fault(polite(|e| match e {
            "STARTTLS" => Some(Act::SayAndClose("220 go\r\n")),
            e if e.starts_with("EHLO") => Some(Act::Say(TLS_EHLO)),
            _ => None,
        }))
        .await;
        let report = client().send(&route(address, tls), &mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
        assert_eq!(report.outcome.fate(), fate, "{}", report.dialogue);
        assert!(report.dialogue.tls.is_none());
        assert_eq!(report.dialogue.to_string().contains("going on in clear"), fate == Fate::Accepted);
    }
    let address = fault(starttls("454 not now\r\n")).await;
    let report = client()
        .send(&route(address, Tls::OpportunisticStartTls), &mail("a@b", &["c@d"]), &mut &b"x"[..])
        .await;
    assert_eq!(report.outcome.fate(), Fate::Accepted);
}

#[tokio::test]
async fn a_reused_connection_that_was_closed_means_later() {
    let mut messages = 0;
    let address = fault(polite(move |e| {
        messages += usize::from(e == "DOT");
        (e == "RSET" || (e.starts_with("MAIL") && messages == 1)).then_some(Act::Close)
    }))
    .await;
    let mut c = client().connect(&route(address, Tls::None)).await.unwrap();
    assert_eq!(c.send(&mail("a@b", &["c@d"]), &mut &b"x"[..]).await.outcome.fate(), Fate::Accepted);
    let report = c.send(&mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert!(later(Stage::Mail)(&report.outcome));
    assert!(!c.is_usable());
    let report = c.send(&mail("a@b", &["c@d"]), &mut &b"x"[..]).await;
    assert!(matches!(report.outcome, Outcome::TryLater(Reason { cause: Cause::UsedUp, .. })));
}

/// Else the next RSET would become part of a message.
#[tokio::test]
async fn a_dropped_hand_over_uses_the_connection_up() {
    let (dot, mut dots) = tokio::sync::mpsc::unbounded_channel();
    let address = fault(polite(move |e| {
        (e == "DOT").then(|| {
            dot.send(()).unwrap();
            Act::Hang
        })
    }))
    .await;
    let mut c = client().connect(&route(address, Tls::None)).await.unwrap();
    let m = mail("a@b", &["c@d"]);
    let mut body = &b"x"[..];
    tokio::select! {
        report = c.send(&m, &mut body) => panic!("{report:?}"),
        _ = dots.recv() => {}
    }
    assert!(!c.is_usable());
    let report = c.send(&m, &mut &b"x"[..]).await;
    assert!(matches!(report.outcome, Outcome::TryLater(Reason { cause: Cause::UsedUp, .. })));
}

#[test]
fn client_certificates_are_accepted_settings() {
    let key = rcgen::generate_simple_self_signed(vec!["client.example".into()]).unwrap();
    let identity = poststelle_mail::smtp::client::Identity {
        chain: vec![key.cert.der().clone()],
        key: rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
    };
    assert!(ClientTls::new(rustls::RootCertStore::empty(), Some(identity)).is_ok());
}
