// SPDX-License-Identifier: EUPL-1.2
//! The SMTP server: scripted dialogues, smuggling, caps, time-outs, TLS, shutdown.

use crate::smtp_support::*;
use poststelle_mail::smtp::server::{Abort, AuthPolicy, Config, MinRate, Mode, Phase, fuzz_session};
use poststelle_mail::smtp::{BodyType, Notify, Orcpt, Ret};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

fn open() -> Config {
    Config { auth: AuthPolicy::Always, ..Config::default() }
}

#[tokio::test]
async fn one_message_with_everything() {
    let mut talk = Talk::start(Config::default());
    talk.turn("", &["220 localhost "]).await;
    talk.say("EHLO mx.example\r\n").await;
    let offers = talk.hear().await;
    for offer in ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"] {
        assert!(
            offers.contains(&format!("250-{offer}\r\n")) || offers.contains(&format!("250 {offer}\r\n")),
            "{offer}"
        );
    }
    for not in ["STARTTLS", "AUTH", "CHUNKING"] {
        assert!(!offers.contains(not), "{not} without TLS");
    }
    talk.turn(
        "MAIL FROM:<\"a b\"@x.example> SIZE=20 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id+2B1\r\n",
        &["250 2.1.0"],
    )
    .await;
    talk.turn("RCPT TO:<größe@köln.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y\r\n", &["250 2.1.5"])
        .await;
    talk.turn("DATA\r\n", &["354 "]).await;
    talk.turn("Subject: x\r\n\r\n..dot\r\n...\r\n\r\n.\r\n", &["250 2.0.0 queued as 1"]).await;
    talk.turn("QUIT\r\n", &["221 2.0.0"]).await;
    assert_eq!(talk.rest().await, "");

    let taken = talk.recorder.only();
    assert_eq!(taken.octets, b"Subject: x\r\n\r\n.dot\r\n..\r\n\r\n");
    let e = taken.envelope;
    assert_eq!(e.mail_from.unwrap().as_str(), "\"a b\"@x.example");
    assert_eq!(
        (e.size, e.body, e.smtputf8, e.ret),
        (Some(20), BodyType::EightBitMime, true, Some(Ret::Hdrs))
    );
    assert_eq!((e.envid.as_deref(), e.transaction), (Some("id+1"), 1));
    assert_eq!((e.peer.helo.as_deref(), e.peer.esmtp), (Some("mx.example"), true));
    let r = &e.recipients[0];
    assert_eq!(r.address.as_str(), "größe@köln.example");
    assert_eq!(r.notify, Some(Notify::On { success: true, failure: true, delay: false }));
    assert_eq!(r.orcpt, Some(Orcpt { kind: "rfc822".into(), address: "x@y".into() }));
}

#[tokio::test]
async fn pipelined_messages_and_mixed_recipients() {
    let wire = "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<unknown@d>\r\nRCPT TO:<c@d>\r\nRCPT TO:<later@d>\r\nRCPT TO:<e@d>\r\n\
                DATA\r\none\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<unknown@d>\r\nDATA\r\nRSET\r\nMAIL FROM:<full@b>\r\n\
                RCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<x@y>\r\nRCPT TO:<c@d>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\nNOOP\r\n";
    let (replies, recorder) = transcript(Config::default(), wire).await;
    assert_eq!(
        codes(&replies),
        [
            220, 250, 250, 550, 250, 451, 250, 354, 250, 250, 550, 554, 250, 250, 250, 452, 250, 250, 354,
            250, 221
        ]
    );
    let taken = recorder.taken();
    assert_eq!(taken.len(), 2);
    let to: Vec<_> = taken[0].envelope.recipients.iter().map(|r| r.address.as_str()).collect();
    assert_eq!((to, taken[0].octets.as_slice()), (vec!["c@d", "e@d"], &b"one\r\n"[..]));
    assert_eq!((taken[1].octets.as_slice(), taken[1].envelope.transaction), (&b"two\r\n"[..], 4));
}

#[tokio::test]
async fn sequence_and_syntax() {
    for (wire, want) in [
        ("MAIL FROM:<a@b>\r\n", vec![503]),
        (
            "EHLO x\r\nRCPT TO:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n",
            vec![250, 503, 503, 250, 503],
        ),
        (
            "HELO x\r\nVRFY root\r\nEXPN all\r\nHELP\r\nNOOP\r\nBDAT 5 LAST\r\n",
            vec![250, 252, 502, 214, 250, 502],
        ),
        ("XYZ\r\n\r\nEHLO\r\nMAIL FROM:a\r\n", vec![500, 500, 501, 501]),
        ("STARTTLS\r\nAUTH PLAIN\r\n", vec![502, 538]),
        (
            "EHLO x\r\nMAIL FROM:<spammer@b>\r\nMAIL FROM:<odd@b>\r\nMAIL FROM:<a@b>\r\n",
            vec![250, 550, 451, 250],
        ),
        ("EHLO x\r\nMAIL FROM:<ü@b>\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ü@b>\r\n", vec![250, 553, 250, 553]),
        ("EHLO x\r\nMAIL FROM:<a@b>\r\nEHLO y\r\nRCPT TO:<c@d>\r\n", vec![250, 250, 250, 503]),
        ("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bye@d>\r\nNOOP\r\n", vec![250, 250, 421]),
        ("GET / HTTP/1.1\r\nHost: x\r\n", vec![421]),
        ("NOOP\nNOOP\r\nNO\rOP\r\nNO\0OP\r\n\x7f\r\n", vec![500, 250, 500, 500, 500]),
    ] {
        let (replies, _) = transcript(Config::default(), wire).await;
        assert_eq!(codes(&replies)[1..], want, "{wire}");
    }
    let (replies, _) = transcript(Config::default(), b"EHLO \xff\r\n").await;
    assert_eq!(codes(&replies), [220, 500]);
}

/// RFC 5321 §4.1.1.4; the shapes of the SMTP smuggling publications and more.
#[tokio::test]
async fn smuggling() {
    for fake in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r.\n",
        "\n.\r",
        "\r\n.\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\n\n.\n\n",
        "\r\r\n.\r\r\n",
        "\r\n . \r\n",
        "\u{85}.\u{85}",
    ] {
        let evil = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@x>\r\nDATA\r\nevil\r\n";
        let wire = format!(
            "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\ngood{fake}{evil}.\r\nNOOP\r\nQUIT\r\n"
        );
        let (replies, recorder) = transcript(Config::default(), &wire).await;
        assert_eq!(codes(&replies), [220, 250, 250, 250, 354, 250, 250, 221], "{fake:?}");
        let taken = recorder.only();
        assert!(taken.octets.starts_with(b"good") && taken.octets.ends_with(evil.as_bytes()), "{fake:?}");
        assert_eq!(taken.envelope.mail_from.unwrap().as_str(), "a@b");
        // Bare line ends stay and are reported.
        let bare = fake.replace("\r\n", "").contains(['\r', '\n']);
        assert_eq!(taken.seen.bare_line_ends, bare, "{fake:?}");
    }
}

#[tokio::test]
async fn octets_pass_unchanged_at_every_split() {
    let body = b"NUL \0, 8-bit \xe4\xff, bare\nLF, bare\rCR\r\n.\r.\n\r\n..x\r\n";
    let wire = b"NUL \0, 8-bit \xe4\xff, bare\nLF, bare\rCR\r\n..\r.\n\r\n...x\r\n.\r\n";
    for step in 1..wire.len() {
        let mut talk = Talk::start(Config::default());
        talk.until_data().await;
        for piece in wire.chunks(step) {
            talk.say(piece).await;
            tokio::task::yield_now().await;
        }
        talk.turn("", &["250"]).await;
        let taken = talk.recorder.only();
        assert_eq!(taken.octets, body);
        assert!(taken.seen.nul && taken.seen.eight_bit && taken.seen.bare_line_ends);
        assert_eq!(taken.seen.octets, body.len() as u64);
    }
}

#[tokio::test]
async fn long_lines() {
    // A message line of 1 MB is nobody's business here …
    let mut wire = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n".to_vec();
    wire.resize(wire.len() + (1 << 20), b'x');
    wire.extend_from_slice(b"\r\n.\r\nQUIT\r\n");
    let (replies, recorder) = transcript(Config::default(), wire).await;
    assert_eq!(codes(&replies), [220, 250, 250, 250, 354, 250, 221]);
    assert_eq!(recorder.only().octets.len(), (1 << 20) + 2);
    // … a command line of that length is refused as one, and costs no memory.
    let mut wire = vec![b'x'; 1 << 20];
    wire.extend_from_slice(b"\r\nNOOP\r\n");
    let (replies, _) = transcript(Config::default(), wire).await;
    assert_eq!(codes(&replies), [220, 500, 250]);
    assert!(replies[1].contains("limit 4096 octets"));
    for (length, code) in [(4096, 501), (4097, 500)] {
        let line = format!("EHLO {}\r\n", "x".repeat(length - 7));
        let (replies, _) = transcript(Config::default(), line).await;
        assert_eq!(codes(&replies), [220, code]);
    }
}

#[tokio::test]
async fn too_big() {
    let mut config = Config::default();
    config.limits.message_size = 1000;
    let start =
        "EHLO x\r\nMAIL FROM:<a@b> SIZE=1001\r\nMAIL FROM:<a@b> SIZE=1000\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let (replies, recorder) =
        transcript(config.clone(), format!("{start}{}\r\n.\r\nNOOP\r\n", "x".repeat(999))).await;
    assert_eq!(codes(&replies), [220, 250, 552, 250, 250, 354, 552, 250]);
    assert!(replies[2].starts_with("552 5.3.4") && replies[2].contains("1000 octets"), "{}", replies[2]);
    assert!(replies[6].starts_with("552 5.3.4") && replies[6].contains("1000 octets"), "{}", replies[6]);
    assert_eq!((recorder.taken().len(), recorder.aborted()), (0, vec![Abort::TooBig]));
    // Exactly the limit is fine.
    let (replies, recorder) =
        transcript(config.clone(), format!("{start}{}\r\n.\r\n", "x".repeat(998))).await;
    assert_eq!((codes(&replies)[6], recorder.taken().len()), (250, 1));
    // Who does not stop is cut off with the same answer.
    let (replies, recorder) = transcript(config, format!("{start}{}", "x".repeat(3 << 20))).await;
    assert_eq!(codes(&replies)[6..], [552]);
    assert_eq!(recorder.aborted(), [Abort::TooBig]);
}

#[tokio::test]
async fn caps_on_counts() {
    let mut config = Config::default();
    config.limits.recipients = 2;
    let (replies, recorder) = transcript(
        config.clone(),
        "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<1@d>\r\nRCPT TO:<2@d>\r\nRCPT TO:<3@d>\r\nDATA\r\nx\r\n.\r\n",
    )
    .await;
    assert_eq!(codes(&replies), [220, 250, 250, 250, 250, 452, 354, 250]);
    assert!(replies[5].starts_with("452 4.5.3") && replies[5].contains("limit 2"));
    assert_eq!(recorder.only().envelope.recipients.len(), 2);

    config.limits.errors = 3;
    let (replies, _) = transcript(config.clone(), "A\r\n".repeat(10)).await;
    assert_eq!(codes(&replies), [220, 500, 500, 500, 421]);
    config.limits.idle_commands = 5;
    let (replies, _) = transcript(config.clone(), "NOOP\r\n".repeat(10)).await;
    assert_eq!(codes(&replies), [220, 250, 250, 250, 250, 250, 421]);
    config.limits.refused_recipients = 2;
    let (replies, _) =
        transcript(config, format!("EHLO x\r\nMAIL FROM:<a@b>\r\n{}", "RCPT TO:<unknown@d>\r\n".repeat(9)))
            .await;
    assert_eq!(codes(&replies), [220, 250, 250, 550, 550, 550, 421]);
}

#[tokio::test]
async fn authentication() {
    // base64 of NUL amt NUL geheim, of amt, of geheim, of NUL amt NUL falsch, of NUL broken NUL x
    let (plain, wrong, broken) = ("AGFtdABnZWhlaW0=", "AGFtdABmYWxzY2g=", "AGJyb2tlbgB4");
    let (replies, recorder) = transcript(
        open(),
        format!("EHLO x\r\nAUTH PLAIN {plain}\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n"),
    )
    .await;
    assert_eq!(codes(&replies), [220, 250, 235, 503, 250, 250, 354, 250]);
    assert_eq!(recorder.only().envelope.peer.identity.as_ref().unwrap().0, "principal-1");
    for (wire, want) in [
        (format!("AUTH PLAIN\r\n{plain}\r\n"), vec![334, 235]),
        ("AUTH LOGIN\r\nYW10\r\nZ2VoZWlt\r\n".into(), vec![334, 334, 235]),
        ("AUTH LOGIN YW10\r\nZ2VoZWlt\r\n".into(), vec![334, 235]),
        ("AUTH LOGIN\r\n*\r\nNOOP\r\n".into(), vec![334, 501, 250]),
        ("AUTH PLAIN %%%\r\nAUTH PLAIN\r\n\r\n".into(), vec![501, 334, 501]),
        ("AUTH CRAM-MD5\r\nAUTH\r\n".into(), vec![504, 501]),
        (format!("AUTH PLAIN {broken}\r\n"), vec![454]),
        (format!("MAIL FROM:<a@b>\r\nAUTH PLAIN {plain}\r\n"), vec![250, 503]),
        (format!("{}NOOP\r\n", format!("AUTH PLAIN {wrong}\r\n").repeat(3)), vec![535, 535, 421]),
        ("AUTH PLAIN\r\nbare\nNOOP\r\n".into(), vec![334, 500, 250]),
    ] {
        let (replies, _) = transcript(open(), format!("EHLO x\r\n{wire}")).await;
        assert_eq!(codes(&replies)[2..], want, "{wire}");
    }
    let config = Config { require_auth: true, ..open() };
    let (replies, _) = transcript(config, "EHLO x\r\nMAIL FROM:<a@b>\r\n").await;
    assert_eq!(codes(&replies), [220, 250, 530]);
    let (replies, _) =
        transcript(Config { auth: AuthPolicy::Off, ..open() }, "EHLO x\r\nAUTH PLAIN\r\n").await;
    assert_eq!(codes(&replies), [220, 250, 502]);
}

#[tokio::test]
async fn sink_refusals() {
    let message = |body: &str| format!("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{body}\r\n.\r\n");
    let wire = format!("EHLO x\r\n{}{}{}", message("REFUSE"), message("FAIL"), message("fine"));
    let (replies, recorder) = transcript(Config::default(), wire).await;
    assert_eq!(codes(&replies), [220, 250, 250, 250, 354, 554, 250, 250, 354, 451, 250, 250, 354, 250]);
    assert_eq!(recorder.aborted(), [Abort::Refused]);
    assert_eq!(recorder.only().octets, b"fine\r\n");
    // Refused in the middle: the rest is swallowed, not taken for commands.
    let (replies, recorder) = transcript(
        Config::default(),
        format!("EHLO x\r\n{}NOOP\r\n", message(&format!("REFUSE{}", "QUIT\r\n".repeat(50_000)))),
    )
    .await;
    assert_eq!(codes(&replies), [220, 250, 250, 250, 354, 554, 250]);
    assert_eq!(recorder.aborted(), [Abort::Refused]);
}

#[tokio::test]
async fn lost_connections() {
    for wire in ["", "half a line", "end\r\n.", "end\r\n.\r"] {
        let wire = format!("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{wire}");
        let (replies, recorder) = transcript(Config::default(), wire).await;
        assert_eq!(codes(&replies), [220, 250, 250, 250, 354]);
        assert_eq!((recorder.taken().len(), recorder.aborted()), (0, vec![Abort::Lost]));
    }
    let (replies, recorder) = transcript(Config::default(), "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT").await;
    assert_eq!((codes(&replies).len(), recorder.aborted().len()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn command_time_out_is_not_moved_by_single_octets() {
    let mut talk = Talk::start(Config::default());
    talk.turn("", &["220"]).await;
    let began = tokio::time::Instant::now();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(70)).await;
        talk.say("N").await;
    }
    assert!(talk.rest().await.starts_with("421 4.4.2"));
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn data_time_outs() {
    let mut talk = Talk::start(Config::default());
    talk.until_data().await;
    let began = tokio::time::Instant::now();
    talk.say("begun").await;
    assert!(talk.rest().await.starts_with("421 4.4.2"));
    assert_eq!((began.elapsed().as_secs(), talk.recorder.aborted()), (180, vec![Abort::TimedOut]));

    // Trickling within the block time-out ends at the cap for the whole.
    let mut config = Config::default();
    config.timeouts.data_total = Duration::from_secs(600);
    let mut talk = Talk::start(config);
    talk.until_data().await;
    let began = tokio::time::Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(110)).await;
        talk.say("x").await;
    }
    assert!(talk.rest().await.starts_with("421 4.4.2"));
    assert_eq!((began.elapsed().as_secs(), talk.recorder.aborted()), (600, vec![Abort::TimedOut]));

    let min_rate = Some(MinRate { bytes_per_second: 100, grace: Duration::from_secs(30) });
    let mut talk = Talk::start(Config { min_rate, ..Config::default() });
    talk.until_data().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    talk.say("slow").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    talk.say("slow").await;
    assert!(talk.rest().await.starts_with("421 4.4.2"));
}

#[tokio::test(start_paused = true)]
async fn the_receivers_time_is_not_the_peers() {
    let hold = Arc::new(Semaphore::new(0));
    let recorder = Arc::new(Recorder { hold: Some(Arc::clone(&hold)), ..Recorder::default() });
    let mut talk = Talk::start_with(Config::default(), recorder);
    talk.until_data().await;
    talk.say("x\r\n.\r\n").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    hold.add_permits(1);
    talk.turn("", &["250"]).await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    talk.turn("NOOP\r\n", &["250"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut() {
    let mut config = Config::default();
    config.limits.idle_commands = u32::MAX;
    let mut talk = Talk::start(config);
    // More replies than the pipe holds, nobody reads them; then our writes stall as well.
    let noops = "NOOP\r\n".repeat(100_000);
    let _ = tokio::time::timeout(Duration::from_secs(3600), talk.io.write_all(noops.as_bytes())).await;
    talk.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn phases() {
    let mut idle = Talk::start(Config::default());
    idle.turn("", &["220"]).await;
    idle.phase.send_replace(Phase::Draining);
    assert!(idle.rest().await.starts_with("421 4.3.2"));

    let mut busy = Talk::start(Config::default());
    busy.until_data().await;
    busy.phase.send_replace(Phase::Draining);
    busy.turn("x\r\n.\r\n", &["250"]).await;
    assert!(busy.rest().await.starts_with("421 4.3.2"));

    let mut stuck = Talk::start(Config::default());
    stuck.until_data().await;
    stuck.phase.send_replace(Phase::Stopping);
    assert!(stuck.rest().await.starts_with("421 4.3.2"));
    assert_eq!(stuck.recorder.aborted(), [Abort::Shutdown]);
}

#[tokio::test]
async fn server_shuts_down_gracefully() {
    let mut running = Running::start(Config::default(), None, Mode::StartTls).await;
    let (mut idle, _) = raw(running.address).await;
    let (mut busy, _) = raw(running.address).await;
    busy.write_all(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|w| w == b"354 ") {
        seen.push(busy.read_u8().await.unwrap());
    }
    running.signal_stop();
    let mut heard = String::new();
    idle.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("421 4.3.2"), "{heard}");
    drop(idle);
    busy.write_all(b"x\r\n.\r\n").await.unwrap();
    let mut heard = String::new();
    busy.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("\r\n250 2.0.0 queued") && heard.contains("\r\n421 4.3.2"), "{heard}");
    drop(busy);
    let (recorder, address) = (Arc::clone(&running.recorder), running.address);
    running.stop().await;
    assert_eq!(recorder.taken().len(), 1);
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn connection_caps() {
    let mut config = Config::default();
    config.limits.connections_per_peer = 2;
    let running = Running::start(config, None, Mode::StartTls).await;
    let (first, greeting) = raw(running.address).await;
    assert!(greeting.starts_with("220"));
    let (_second, greeting) = raw(running.address).await;
    assert!(greeting.starts_with("220"));
    let (_third, greeting) = raw(running.address).await;
    assert!(greeting.starts_with("421 4.7.0"), "{greeting}");
    drop(first);
    // A place is free as soon as the server has noticed.
    let freed = async {
        loop {
            let (_fourth, greeting) = raw(running.address).await;
            if greeting.starts_with("220") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed).await.unwrap();
    assert!(running.server.open_sessions() <= 3);
}

/// RFC 3207 §4.2: what an attacker puts behind STARTTLS must not be executed inside TLS.
#[tokio::test]
async fn starttls_injection() {
    let cert = certificate();
    let config = Config { require_tls: true, ..Config::default() };
    let running = Running::start(config, Some(cert.server.clone()), Mode::StartTls).await;
    let (mut stream, _) = raw(running.address).await;
    stream.write_all(b"EHLO x\r\nMAIL FROM:<a@b>\r\n").await.unwrap();
    stream.write_all(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\n").await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"ready for TLS\r\n") {
        heard.push(stream.read_u8().await.unwrap());
    }
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.contains("250 STARTTLS\r\n") && heard.contains("\r\n530 5.7.0"), "{heard}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der).unwrap();
    let tls =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(b"MAIL FROM:<x@y>\r\nEHLO me\r\nRCPT TO:<c@d>\r\nQUIT\r\n").await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    let codes: Vec<_> = heard.lines().filter(|l| l.as_bytes()[3] == b' ').map(|l| &l[..3]).collect();
    // Nothing of what was said in clear is remembered: EHLO first, then MAIL first.
    assert_eq!(codes, ["503", "250", "503", "221"], "{heard}");
    assert!(heard.contains("AUTH PLAIN LOGIN") && !heard.contains("STARTTLS"));
    running.stop().await;
}

#[tokio::test]
async fn garbage_instead_of_a_handshake() {
    let cert = certificate();
    let running = Running::start(Config::default(), Some(cert.server), Mode::ImplicitTls).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"EHLO clear\r\n").await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(!heard.starts_with(b"220"));
    running.stop().await;
}

/// Random octets, mutated dialogues: the session keeps its promises.
#[test]
fn session_survives_noise() {
    let dialogue = b"EHLO x\r\nAUTH PLAIN AGFtdABnZWhlaW0=\r\nMAIL FROM:<a@b> SIZE=3 RET=FULL\r\nRCPT TO:<cc@d> \
        NOTIFY=NEVER\r\nDATA\r\n..a\r\n!b\r\n.\r\nSTARTTLS\r\nHELO y\r\nMAIL FROM:<>\r\nRCPT TO:<\"q\\\"\"@[::1]>\r\nDATA\r\n.\r\nQUIT\r\n";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 32).unwrap()
    };
    for _ in 0..5_000 {
        let mut data = vec![u8::try_from(random() % 256).unwrap()];
        data.extend_from_slice(dialogue);
        for _ in 0..random() % 6 {
            let at = random() % data.len();
            match random() % 4 {
                0 => data[at] = u8::try_from(random() % 256).unwrap(),
                1 => drop(data.remove(at)),
                2 => data.insert(at, b"\r\n. <>:=\"\\\0"[random() % 11]),
                _ => {
                    let piece = data[at..].to_vec();
                    data.extend_from_slice(&piece);
                }
            }
            data.truncate(4000);
        }
        fuzz_session(&data);
    }
}
