// SPDX-License-Identifier: EUPL-1.2
//! Foreign mail programs: swaks and Python's smtplib deliver to us; Python's smtpd receives from us.
//!
//! A missing program is reported as `SKIPPED`; with `POSTSTELLE_REQUIRE_ORACLES=1` it is a failure.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::smtp_support::*;
use poststelle_mail::smtp::client::{Fate, Tls};
use poststelle_mail::smtp::server::{Config, Mode};
use poststelle_mail::smtp::{Notify, Ret};
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// Whether a program can be started and says yes.
async fn present(program: &str, args: &[&str]) -> bool {
    let probe = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    let there = probe.is_ok_and(|s| s.success());
    if !there {
        assert!(
            std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref() != Ok("1"),
            "{program} {args:?} is required"
        );
        println!("SKIPPED: {program} {} missing", args.join(" "));
    }
    there
}

async fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn secured() -> Config {
    Config { require_tls: true, require_auth: true, ..Config::default() }
}

#[tokio::test]
async fn swaks_delivers() {
    if !present("swaks", &["--version"]).await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let attachment = dir.path().join("anlage.bin");
    std::fs::write(&attachment, (0..50_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect::<Vec<_>>())
        .unwrap();
    let attach = format!("@{}", attachment.display());
    let cert = certificate();
    let starttls = Running::start(secured(), Some(cert.server.clone()), Mode::StartTls).await;
    let implicit = Running::start(secured(), Some(cert.server), Mode::ImplicitTls).await;
    for (running, tls, auth) in [
        (&starttls, "--tls", "PLAIN"),
        (&starttls, "--tls", "LOGIN"),
        (&implicit, "--tls-on-connect", "PLAIN"),
    ] {
        let port = running.address.port().to_string();
        let args = [
            "--server",
            "127.0.0.1",
            "--port",
            &port,
            tls,
            "--auth",
            auth,
            "--auth-user",
            "amt",
            "--auth-password",
            "geheim",
            "--helo",
            "swaks.example",
            "--from",
            "buerger@example.org",
            "--to",
            "poststelle@amt.example,zweite@amt.example",
            "--header",
            "Subject: Antrag",
            "--body",
            "Zeile\n.\n..\nEnde",
            "--attach",
            &attach,
        ];
        let output = run("swaks", &args).await;
        assert!(output.status.success(), "{}", text(&output));
        let taken = running.recorder.taken().pop().unwrap();
        assert_eq!(taken.envelope.recipients.len(), 2);
        assert_eq!(taken.envelope.peer.helo.as_deref(), Some("swaks.example"));
        assert!(taken.envelope.peer.tls.is_some() && taken.envelope.peer.identity.is_some());
        let body = String::from_utf8_lossy(&taken.octets).into_owned();
        assert!(
            body.contains("\r\nSubject: Antrag\r\n") && body.contains("Zeile\r\n.\r\n..\r\nEnde"),
            "{body}"
        );
        assert!(taken.octets.len() > 66_000 && !taken.seen.bare_line_ends);
    }
    // Refusals reach it as what they are.
    let port = starttls.address.port().to_string();
    let base = ["--server", "127.0.0.1", "--port", &port, "--from", "a@example.org", "--to", "b@example.org"];
    for (more, want) in [
        (&["--tls", "--auth", "PLAIN", "--auth-user", "amt", "--auth-password", "falsch"][..], "535 5.7.8"),
        (&[][..], "530 5.7.0"),
    ] {
        let output = run("swaks", &[&base[..], more].concat()).await;
        assert!(!output.status.success() && text(&output).contains(want), "{}", text(&output));
    }
    starttls.stop().await;
    implicit.stop().await;
}

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
from email.message import EmailMessage
port, pem, implicit = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "implicit"
context = ssl.create_default_context(cafile=pem)
if implicit:
    s = smtplib.SMTP_SSL("localhost", port, local_hostname="python.example", context=context)
else:
    s = smtplib.SMTP("localhost", port, local_hostname="python.example")
    s.starttls(context=context)
s.login("amt", "geheim")
for n in range(3):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "a@example.org", "c@d.example", "Grüße %d" % n
    m.set_content(".\n..\nText äöü\n")
    m.add_attachment(bytes(range(256)) * 400, maintype="application", subtype="octet-stream", filename="ä.bin")
    s.send_message(m)
s.mail("größe@example.org", ["SMTPUTF8", "BODY=8BITMIME", "RET=HDRS", "ENVID=x+2By"])
print(s.rcpt("unknown@d.example")[0], s.rcpt("c@d.example", ["NOTIFY=NEVER"])[0])
print(s.data(b"Subject: x\r\n\r\n.\r\n\xff\r\n")[0])
s.quit()
"#;

#[tokio::test]
async fn smtplib_delivers() {
    if !present("python3", &["-c", "import smtplib, ssl"]).await {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("ca.pem");
    let cert = certificate();
    std::fs::write(&pem, &cert.pem).unwrap();
    for (mode, word) in [(Mode::StartTls, "starttls"), (Mode::ImplicitTls, "implicit")] {
        let running = Running::start(secured(), Some(cert.server.clone()), mode).await;
        let port = running.address.port().to_string();
        let output = run("python3", &["-c", SMTPLIB, &port, pem.to_str().unwrap(), word]).await;
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output).split_whitespace().collect::<Vec<_>>(), ["550", "250", "250"]);
        let taken = running.recorder.taken();
        assert_eq!(taken.len(), 4);
        assert!(taken[0].octets.len() > 136_000);
        let last = &taken[3];
        assert_eq!(last.octets, b"Subject: x\r\n\r\n.\r\n\xff\r\n");
        let e = &last.envelope;
        assert_eq!((e.ret, e.envid.as_deref(), e.smtputf8), (Some(Ret::Hdrs), Some("x+y"), true));
        assert_eq!((e.recipients.len(), e.recipients[0].notify), (1, Some(Notify::Never)));
        running.stop().await;
    }
}

const SMTPD: &str = r#"
import warnings; warnings.simplefilter("ignore")
import asyncore, hashlib, smtpd, sys
class Server(smtpd.SMTPServer):
    def process_message(self, peer, mailfrom, rcpttos, data, **kw):
        print(mailfrom, ",".join(rcpttos), hashlib.sha256(data).hexdigest(), kw.get("mail_options"), flush=True)
        return "250 2.0.0 taken by smtpd"
server = Server(("127.0.0.1", 0), None, data_size_limit=10_000_000)
print(server.socket.getsockname()[1], flush=True)
asyncore.loop()
"#;

#[tokio::test]
async fn python_smtpd_receives() {
    if !present("python3", &["-W", "ignore", "-c", "import smtpd, asyncore"]).await {
        return;
    }
    let mut child = Command::new("python3")
        .args(["-c", SMTPD])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let Some(port) = lines.next_line().await.unwrap() else {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).await.unwrap();
        panic!("{why}");
    };
    let address = ([127, 0, 0, 1], port.parse().unwrap()).into();
    let mut c = client().connect(&route(address, Tls::OpportunisticStartTls)).await.unwrap();
    // smtpd decodes lines and joins them with LF, the last one without: known octets in, known digest out.
    let long = ".dots and text\r\n".repeat(30_000);
    for (body, stored) in [
        ("Subject: x\r\n\r\n.\r\n..\r\nend\r\n", "Subject: x\n\n.\n..\nend"),
        (&long, long.replace("\r\n", "\n").trim_end()),
    ] {
        let mut m = mail("a@b.example", &["c@d.example", "e@f.example"]);
        m.size = Some(body.len() as u64);
        let report = c.send(&m, &mut body.as_bytes()).await;
        assert_eq!(report.outcome.fate(), Fate::Accepted, "{}", report.dialogue);
        assert_eq!(&*report.outcome.reply().unwrap().text, "taken by smtpd");
        let hex = poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(stored.as_bytes()));
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.starts_with(&format!("a@b.example c@d.example,e@f.example {hex}")), "{line}");
        assert!(line.contains(&format!("SIZE={}", body.len())), "{line}");
    }
    c.quit().await;
}
