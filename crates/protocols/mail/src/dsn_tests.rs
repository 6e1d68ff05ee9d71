// SPDX-License-Identifier: EUPL-1.2
//! Reports as real servers write them, hostile ones, and our own read back.

use proptest::prelude::*;

use super::*;
use crate::mime::{Caps as MimeCaps, Decoder, Root, Splitter};

const POSTFIX: &str = "Reporting-MTA: dns; mx.schwerin.example\n\
    X-Postfix-Queue-ID: 4F1234\n\
    X-Postfix-Sender: rfc822; hub+m1@poststelle.example\n\
    Original-Envelope-Id: m1-uuid\n\
    Arrival-Date: Sat, 21 Nov 2026 10:00:00 +0100 (CET)\n\n\
    Final-Recipient: rfc822; weg@schwerin.example\n\
    Original-Recipient: rfc822;weg@schwerin.example\n\
    Action: failed\n\
    Status: 5.1.1\n\
    Remote-MTA: dns; mail.schwerin.example\n\
    Diagnostic-Code: smtp; 550 5.1.1 <weg@schwerin.example>: Recipient address\n\
    \trejected: User unknown\n\n\
    Final-Recipient: RFC822; <spaet@schwerin.example>\n\
    Action: Delayed (noch nicht)\n\
    Status: 4.4.1 (connection timed out)\n\
    Will-Retry-Until: Thu, 26 Nov 2026 10:00:00 +0100\n";

#[test]
fn postfix() {
    for eol in ["\n", "\r\n", "\r"] {
        let report = parse(POSTFIX.replace('\n', eol).as_bytes(), &Caps::default()).unwrap();
        assert_eq!(report.original_envelope_id.as_deref(), Some("m1-uuid"));
        assert_eq!(report.reporting_mta.as_deref(), Some("mx.schwerin.example"));
        let [gone, late] = report.recipients.as_slice() else { panic!("{report:?}") };
        assert_eq!(gone.final_recipient.as_deref(), Some("weg@schwerin.example"));
        assert_eq!(gone.action, Some(Action::Failed));
        assert_eq!(gone.status.map(|s| (s.to_string(), s.is_permanent())), Some(("5.1.1".into(), true)));
        let said = "550 5.1.1 <weg@schwerin.example>: Recipient address\trejected: User unknown";
        assert_eq!(gone.diagnostic_code.as_deref(), Some(said));
        assert_eq!(late.final_recipient.as_deref(), Some("spaet@schwerin.example"));
        assert_eq!((late.action, late.status.map(|s| s.class)), (Some(Action::Delayed), Some(4)));
        assert!(late.will_retry_until.is_some());
        assert_eq!(report.cut, None);
    }
}

#[test]
fn oddities_and_caps() {
    assert_eq!(parse(b"", &Caps::default()), Err(DsnError::NoRecipient));
    assert_eq!(parse(b"Reporting-MTA: dns; x\n\n\n", &Caps::default()), Err(DsnError::NoRecipient));
    // everything in one block, no types
    let one = parse(
        b"\n\nReporting-MTA: x\nFinal-Recipient: a@b\nAction: explodiert\nStatus: 7.1.1",
        &Caps::default(),
    );
    let one = one.unwrap();
    assert_eq!(
        (one.reporting_mta.as_deref(), one.recipients[0].action, one.recipients[0].status),
        (Some("x"), None, None)
    );
    let caps = Caps { max_recipients: 2, max_value_bytes: 10, ..Caps::default() };
    let many = "Final-Recipient: rfc822; a-long-address@example.org\nAction: failed\n\n".repeat(5);
    let report = parse(many.as_bytes(), &caps).unwrap();
    assert_eq!((report.recipients.len(), report.cut), (2, Some("max_recipients")));
    let caps = Caps { max_status_bytes: 80, ..Caps::default() };
    assert_eq!(parse(many.as_bytes(), &caps).unwrap().cut, Some("max_status_bytes"));
}

fn notice() -> Notice {
    let mailbox = |name: &str, address: &str| Mailbox { name: Some(name.into()), address: address.into() };
    Notice {
        from: mailbox("Poststelle der Hansestadt Wismar", "postmaster@hub.example"),
        to: mailbox("Max Beispiel", "max@example.org"),
        message_id: "dsn1@hub.example".into(),
        date: 1_795_251_600,
        original_message_id: Some("orig@example.org".into()),
        german: "Ihre Nachricht konnte nicht zugestellt werden, weil es das Postfach nicht gibt.".into(),
        english: "Your message could not be delivered: there is no such mailbox.".into(),
        report: Report {
            original_envelope_id: Some("e1".into()),
            reporting_mta: Some("hub.example".into()),
            arrival_date: Some("Sat, 21 Nov 2026 10:00:00 +0100".into()),
            recipients: vec![
                Recipient {
                    final_recipient: Some("bürgerbüro@wismar.example".into()),
                    original_recipient: Some("alias@wismar.example".into()),
                    action: Some(Action::Failed),
                    status: Status::parse("5.1.1"),
                    diagnostic_code: Some(format!("550 5.1.1 {}", "sehr lange Antwort ".repeat(20))),
                    ..Recipient::default()
                },
                Recipient { final_recipient: Some("b@wismar.example".into()), ..Recipient::default() },
            ],
            cut: None,
        },
        original_header: "Subject: Größe \nFrom: max@example.org\nX-Lang: "
            .bytes()
            .chain([b'x'; 3_000])
            .collect(),
    }
}

#[test]
fn ours_reads_back() {
    let mut out = Vec::new();
    notice().write_to(&Caps::default(), &mut out).unwrap();
    assert!(
        out.is_ascii() && out.split(|b| *b == b'\n').all(|l| l.len() <= 79),
        "{}",
        String::from_utf8_lossy(&out)
    );
    let mut splitter = Splitter::new(Root::Message, MimeCaps::default());
    splitter.push(&out);
    let split = splitter.finish();
    assert_eq!(split.defects, []);
    let summary = split.header.summary();
    assert_eq!(summary.auto_submitted.as_deref(), Some("auto-replied"));
    assert_eq!(summary.references, ["orig@example.org"]);
    assert_eq!(summary.subject.as_deref(), Some("Unzustellbar / Undeliverable"));
    let parts = find(&split).unwrap();
    assert_eq!(parts, Parts { status: 2, text: Some(1), returned: Some(3) });
    let content = |n: u32| {
        let part = &split.parts[n as usize];
        let (mut decoder, mut content) = (Decoder::new(part.encoding), Vec::new());
        decoder.push(&out[part.body.start as usize..part.body.end as usize], &mut content);
        decoder.finish(&mut content);
        content
    };
    let report = parse(&content(parts.status), &Caps::default()).unwrap();
    assert_eq!(report.recipients.len(), 2);
    let first = &report.recipients[0];
    assert_eq!(first.final_recipient.as_deref(), Some("b\\x{FC}rgerb\\x{FC}ro@wismar.example"));
    assert_eq!(first.original_recipient.as_deref(), Some("alias@wismar.example"));
    let said = notice().report.recipients[0].diagnostic_code.clone().unwrap();
    assert_eq!(first.diagnostic_code.as_deref(), Some(said.trim()));
    assert_eq!(report.recipients[1].action, Some(Action::Failed));
    let original = notice().original_header.iter().fold(Vec::new(), |mut all, b| {
        if *b == b'\n' {
            all.push(b'\r');
        }
        all.push(*b);
        all
    });
    assert_eq!(content(3), original);
    assert!(String::from_utf8(content(1)).unwrap().contains("weil es das Postfach nicht gibt"));
}

#[test]
fn strange_ids_do_not_stop_a_notice() {
    let mut out = Vec::new();
    let notice = Notice { original_message_id: Some("<a><b>".into()), ..notice() };
    notice.write_to(&Caps { max_returned_bytes: 10, ..Caps::default() }, &mut out).unwrap();
    assert!(!String::from_utf8_lossy(&out).contains("References"));
}

#[test]
fn no_loops() {
    let person = Summary::default();
    assert!(may_notify("max@example.org", &person));
    assert!(!may_notify("", &person) && !may_notify("<>", &person));
    assert!(!may_notify("MAILER-DAEMON@example.org", &person));
    assert!(!may_notify("max@example.org", &Summary { is_list: true, ..Summary::default() }));
    let auto = Summary { auto_submitted: Some("auto-replied".into()), ..Summary::default() };
    assert!(!may_notify("max@example.org", &auto));
}

proptest! {
    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&octets, &Caps::default());
    }

    #[test]
    fn any_fields(text in "(((Action|Status|Final-Recipient|X|Reporting-MTA): ?[a-z0-9.;<>@ ]{0,12}|[ \t]y|)(\r\n|\n|\r){1,2}){0,20}") {
        let _ = parse(text.as_bytes(), &Caps { max_recipients: 2, ..Caps::default() });
    }

    #[test]
    fn quoted_printable_round_trip(octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'x')], 0..300)) {
        let octets: Vec<u8> = octets.into_iter().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        let mut encoded = Vec::new();
        quoted_printable(&octets, &mut encoded);
        let (mut decoder, mut decoded) = (Decoder::new(crate::mime::Encoding::QuotedPrintable), Vec::new());
        decoder.push(&encoded, &mut decoded);
        decoder.finish(&mut decoded);
        prop_assert_eq!(decoded, octets);
        prop_assert!(encoded.split(|b| *b == b'\n').all(|l| l.len() <= 77));
    }
}
