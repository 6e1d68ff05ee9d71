// SPDX-License-Identifier: EUPL-1.2
//! The far side goes wrong as told, and load reaches it.

use std::time::Duration;

use poststelle_mail::smtp::client::{Client, ClientTls, Fate, Mail, Route, Stage, Timeouts, Tls};
use poststelle_mail::smtp::{Address, Notify, Recipient};
use poststelle_world::far_side::{FarSide, Fault, Keep, ReportAction};
use poststelle_world::letters::{Fixed, Letters, huge};
use poststelle_world::load::{Load, send_many};

fn client() -> Client {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts { mail: second, rcpt: second, end: second, ..Timeouts::default() };
    Client::new("test.example", ClientTls::new(rustls::RootCertStore::empty(), None).unwrap())
        .with_timeouts(timeouts)
}

fn route(far: &FarSide) -> Route {
    Route { host: far.addr().ip().to_string(), port: far.addr().port(), tls: Tls::None, auth: None }
}

fn mail(to: &str) -> Mail {
    let notify = Some(Notify::On { success: true, failure: true, delay: true });
    Mail {
        mail_from: Address::parse("wir@hub.example").ok(),
        recipients: vec![Recipient { notify, ..Recipient::new(Address::parse(to).unwrap()) }],
        envid: Some("kennung-1".into()),
        ..Mail::default()
    }
}

#[tokio::test]
async fn every_fault_is_seen_as_what_it_is() {
    let octets = Letters::new(4).max_size(200_000).hostile(&["a@b.example"]).octets;
    for fault in Fault::ALL {
        let far = FarSide::start().await.unwrap();
        far.breaks_times("b.example", fault, 1);
        if matches!(fault, Fault::RecipientHangs | Fault::EndHangs | Fault::BodySlow(_)) {
            far.heal("b.example");
            far.breaks("b.example", fault);
        }
        let mut body: Box<dyn tokio::io::AsyncRead + Send + Unpin> = match fault {
            // More than the buffers of a connection hold: else all is sent before the cut is noticed.
            Fault::BodyCut => Box::new(huge(30_000_000, "a@b.example")),
            _ => Box::new(std::io::Cursor::new(octets.clone())),
        };
        let report = client().send(&route(&far), &mail("a@b.example"), &mut body).await;
        let expected = match fault {
            Fault::RecipientRefused | Fault::DataRefused | Fault::EndRefused => Fate::Rejected,
            Fault::EndCutKept | Fault::EndCutLost | Fault::EndHangs | Fault::EndGarbage => Fate::Unclear,
            Fault::EndTwice | Fault::BodySlow(_) => Fate::Accepted,
            _ => Fate::TryLater,
        };
        assert_eq!(report.outcome.fate(), expected, "{fault:?}: {:?}", report.outcome);
        assert!(far.wait_until(Duration::from_secs(5), |f| f.counts().faults >= 1).await, "{fault:?}");
        if fault.keeps() {
            assert!(far.wait_for(1, Duration::from_secs(5)).await, "{fault:?}");
            assert_eq!(far.received()[0].octets, octets, "{fault:?}");
        }
        far.heal("b.example");
        let report = client().send(&route(&far), &mail("a@b.example"), &mut octets.as_slice()).await;
        assert_eq!(report.outcome.fate(), Fate::Accepted, "{fault:?} healed: {:?}", report.outcome);
        assert_eq!(far.counts().received, 1 + u64::from(fault.keeps()), "{fault:?}");
        far.stop().await;
    }
}

#[tokio::test]
async fn going_away_and_coming_back() {
    let far = FarSide::start().await.unwrap();
    far.go_away().await;
    let octets: &[u8] = b"Subject: x\r\n\r\nx\r\n";
    let report = client().send(&route(&far), &mail("a@b.example"), &mut &*octets).await;
    assert!(
        matches!(&report.outcome, poststelle_mail::smtp::client::Outcome::TryLater(r) if r.stage == Stage::Connect)
    );
    far.come_back().await.unwrap();
    let report = client().send(&route(&far), &mail("a@b.example"), &mut &*octets).await;
    assert_eq!(report.outcome.fate(), Fate::Accepted);
}

#[tokio::test]
async fn reports_come_back_to_the_reverse_path() {
    let (far, hub) = (FarSide::start().await.unwrap(), FarSide::start().await.unwrap());
    let octets: &[u8] = b"Message-ID: <m1@hub.example>\r\nSubject: x\r\n\r\nx\r\n";
    for to in ["zustellbar@b.example", "Unbekannt.3@b.example", "verzoegert@b.example", "niemand@b.example"] {
        let report = client().send(&route(&far), &mail(to), &mut &*octets).await;
        assert_eq!(report.outcome.fate(), Fate::Accepted);
    }
    far.reports_to(hub.addr());
    assert!(far.wait_reported(Duration::from_secs(10)).await);
    let actions: Vec<_> = far.reports().iter().map(|r| (r.action, r.accepted)).collect();
    assert_eq!(
        actions,
        [(ReportAction::Delivered, true), (ReportAction::Failed, true), (ReportAction::Delayed, true)]
    );
    let reports = hub.received();
    assert_eq!(reports.len(), 3);
    for report in &reports {
        assert_eq!(
            (report.from.as_str(), report.to.as_slice()),
            ("", ["wir@hub.example".to_owned()].as_slice())
        );
        let mut splitter = poststelle_mail::mime::Splitter::new(
            poststelle_mail::mime::Root::Message,
            poststelle_mail::mime::Caps::default(),
        );
        splitter.push(&report.octets);
        let split = splitter.finish();
        assert!(poststelle_mail::dsn::find(&split).is_some());
        let text = String::from_utf8_lossy(&report.octets);
        assert!(text.contains("Original-Envelope-Id: kennung-1") && text.contains("m1@hub.example"));
    }
    assert_eq!(far.received()[0].message_id, "m1@hub.example");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_counts_every_mail_once() {
    let far = FarSide::keeping(Keep::Facts, 10_000_000).await.unwrap();
    let fixed = Fixed::new(20_000, 2, &["a@b.example"]);
    let report = send_many(far.addr(), 500, 8, move |n| fixed.shot(n)).await.unwrap();
    assert_eq!((report.sent, report.accepted, report.connections), (500, 500, 8));
    assert_eq!(report.octets, 500 * 20_000);
    assert!(report.first_tenth_per_second > 0.0 && report.last_tenth_per_second > 0.0);
    let ids: std::collections::HashSet<_> = far.received().into_iter().map(|m| m.message_id).collect();
    assert_eq!(ids.len(), 500);

    far.breaks_times("*", Fault::EndLater, 3);
    far.breaks_times("*", Fault::EndCutLost, 3);
    let fixed = Fixed::new(5_000, 0, &["a@b.example"]);
    let load = Load::new(far.addr()).unwrap().concurrency(2).tries(10, Duration::from_millis(1));
    let report = load.run(20, move |n| fixed.shot(n)).await;
    assert_eq!((report.accepted, report.later, report.unclear), (20, 0, 0));
    far.breaks("*", Fault::RecipientRefused);
    let fixed = Fixed::new(5_000, 0, &["a@b.example"]);
    let report = send_many(far.addr(), 10, 2, move |n| fixed.shot(n)).await.unwrap();
    assert_eq!((report.accepted, report.refused), (0, 10));
}
