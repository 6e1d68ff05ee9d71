// SPDX-License-Identifier: EUPL-1.2
//! The inspection as a clerk meets it: sheet, badges, quarantine, release by two, another look.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{Event, HoldState, MessageId, Role, Subject};
use poststelle_store::{Scope, evidence, quarantine};

use crate::bed::{Bed, EVIL, HARD, SILENT, person, until, who};

/// A mail with a text, one file that is `word`, and one that is not.
fn mail(word: &str) -> Vec<u8> {
    format!(
        "From: Erna Muster <erna@example.org>\r\nTo: post@adorf.example\r\nSubject: Antrag\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nGuten Tag\r\n\
         --b\r\nContent-Type: text/plain; name=schlimm.txt\r\nContent-Disposition: attachment\r\n\r\n{word}\r\n\
         --b\r\nContent-Type: text/plain; name=gut.txt\r\nContent-Disposition: attachment\r\n\r\nharmlos\r\n--b--\r\n"
    )
    .into_bytes()
}

async fn form(bed: &Bed, path: &str, (cookie, csrf): &(String, String), fields: &str) -> crate::bed::Answer {
    bed.post(path, "127.0.0.1", &[("cookie", cookie)], &format!("csrf={csrf}&{fields}")).await
}

async fn state(bed: &Bed, id: MessageId, part: i64) -> HoldState {
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let holds = quarantine::of_message(&mut tx, bed.a.tenant, id).await.unwrap();
    holds.into_iter().find(|h| h.part == part).unwrap().state
}

/// The one file inside a PDF, as pdfdetach takes it out; `None` without that program.
#[allow(clippy::print_stdout)]
fn embedded(pdf: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("p.pdf"), folder.path().join("p.json"));
    std::fs::write(&from, pdf).unwrap();
    let mut pdfdetach = Command::new("pdfdetach");
    match pdfdetach.args(["-save", "1", "-o"]).arg(&to).arg(&from).output() {
        Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
        Err(_) => {
            assert_ne!(
                std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(),
                Ok("1"),
                "pdfdetach is required"
            );
            println!("SKIPPED: pdfdetach is not installed");
            return None;
        }
    }
    Some(std::fs::read(to).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_infected_is_held_until_two_people_release_it() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &mail(EVIL)).await;
    let clerk = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&base, &clerk.0).await.text();
    for words in ["Schadsoftware gefunden", "in Quarantäne", "Schriftform", "Prüfprotokoll öffnen"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("Guten Tag"), "the text is there at once");

    // The good part comes out, the bad one does not, nor anything that holds it.
    assert_eq!(bed.see(&format!("{base}/teile/3"), &clerk.0).await.status, StatusCode::OK);
    for path in ["/teile/2", "/teile/0", "/original"] {
        let refused = bed.see(&format!("{base}{path}"), &clerk.0).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.text().contains("PST-INSPECT-0001"), "{}", refused.text());
    }
    let zip = bed.see(&format!("{base}/anhaenge.zip"), &clerk.0).await;
    let zip = String::from_utf8_lossy(&zip.octets).into_owned();
    assert!(zip.contains("gut.txt") && !zip.contains("schlimm.txt") && !zip.contains(EVIL));

    // The sheet: page and JSON; its digest is in the chain.
    let sheet = bed.see(&format!("{base}/pruefprotokoll"), &clerk.0).await.text();
    for words in ["Prüfprotokoll", "Probe.Boese", "Probescanner 1", "schlimm.txt", "eigene Angabe"] {
        assert!(sheet.contains(words), "{words}: {sheet}");
    }
    let json = bed.see(&format!("{base}/pruefprotokoll/json"), &clerk.0).await;
    let digest = poststelle_crypto::digest::hex(&poststelle_crypto::digest::sha256(&json.octets));
    let pdf = bed.see(&format!("{base}/pruefprotokoll/pdf?fassung=1"), &clerk.0).await;
    assert_eq!(pdf.status, StatusCode::OK);
    assert!(pdf.octets.starts_with(b"%PDF-"));
    assert!(embedded(&pdf.octets).is_none_or(|file| file == json.octets), "the PDF carries the JSON");
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let chain = evidence::chain(&mut tx, bed.a.tenant, &Subject::message(id)).await.unwrap();
    tx.rollback().await.unwrap();
    let proven = chain.iter().find(|e| e.kind() == Some(Event::Inspected)).unwrap();
    assert!(proven.body.contains(&digest), "{} {digest}", proven.body);
    let again = bed.hub.retrace(bed.a.tenant, id, 1).await.unwrap();
    assert_eq!(again.as_bytes(), json.octets, "the same message with the same findings gives the same sheet");

    // Quarantine: one wants it, the same cannot agree, a second one can.
    let list = bed.see("/quarantaene", &clerk.0).await.text();
    assert!(list.contains("schlimm.txt") && list.contains("Probe.Boese"), "{list}");
    let held = format!("/quarantaene/{}/{id}/2", bed.a.tenant);
    assert_eq!(bed.see(&held, &clerk.0).await.status, StatusCode::OK);
    let mute = form(&bed, &held, &clerk, "art=propose&version=1&grund=").await;
    assert_eq!(mute.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", mute.text());
    let wish = form(&bed, &held, &clerk, "art=propose&version=1&grund=Testdatei").await;
    assert_eq!(wish.status, StatusCode::SEE_OTHER, "{}", wish.text());
    let alone = form(&bed, &held, &clerk, "art=agree&version=2").await;
    assert_eq!(alone.status, StatusCode::FORBIDDEN, "{}", alone.text());
    assert_eq!(state(&bed, id, 2).await, HoldState::Proposed);

    // The operator knows that something is held and what was found, and no more; and may be the second person.
    let operator = bed.session(bed.operator).await;
    let overview = bed.see("/quarantaene", &operator.0).await.text();
    assert!(
        overview.contains("Probe.Boese") && !overview.contains("schlimm.txt") && !overview.contains("Antrag")
    );
    let late = form(&bed, &held, &operator, "art=agree&version=1").await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text());
    let own = form(&bed, &held, &operator, "art=propose&version=2&grund=x").await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text());
    let agreed = form(&bed, &held, &operator, "art=agree&version=2").await;
    assert_eq!(agreed.status, StatusCode::SEE_OTHER, "{}", agreed.text());
    assert_eq!(state(&bed, id, 2).await, HoldState::Released);
    for path in ["/teile/2", "/original"] {
        assert_eq!(bed.see(&format!("{base}{path}"), &clerk.0).await.status, StatusCode::OK, "{path}");
    }
    let page = bed.see(&base, &clerk.0).await.text();
    for words in ["Testdatei", "zugestimmt", "Inzwischen freigegeben:</strong> schlimm.txt"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_part_never_comes_out() {
    let bed = Bed::new().await;
    let id = bed.mail(&bed.a, &mail(EVIL)).await;
    let clerk = bed.session(bed.a.clerk).await;
    let held = format!("/quarantaene/{}/{id}/2", bed.a.tenant);
    let closed = form(&bed, &held, &clerk, "art=close&version=1&grund=Schadsoftware").await;
    assert_eq!(closed.status, StatusCode::SEE_OTHER, "{}", closed.text());
    let wish = form(&bed, &held, &clerk, "art=propose&version=2&grund=doch").await;
    assert_eq!(wish.status, StatusCode::CONFLICT, "{}", wish.text());
    let path = format!("/nachrichten/{}/{id}/teile/2", bed.a.tenant);
    assert_eq!(bed.see(&path, &clerk.0).await.status, StatusCode::FORBIDDEN);
    // An auditor reads, but decides nothing.
    let auditor = person(&bed.hub, "pruefer", "Paula Prüfer", Some(bed.a.administration)).await;
    let place = Place::Tenant { tenant: bed.a.tenant };
    bed.hub.grant(auditor, Grant { role: Role::Auditor, place }, &who()).await.unwrap();
    let auditor = bed.session(auditor).await;
    let refused = form(&bed, &held, &auditor, "art=close&version=2&grund=x").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_scanner_never_means_clean_and_is_asked_again() {
    let bed = Bed::new().await;
    SILENT.store(true, Ordering::SeqCst);
    let id = bed.mail(&bed.a, &mail(HARD)).await;
    let clerk = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&base, &clerk.0).await.text();
    assert!(page.contains("Prüfung auf Schadsoftware ohne Ergebnis"), "{page}");
    assert_eq!(bed.see(&format!("{base}/teile/2"), &clerk.0).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bed.see(&format!("{base}/teile/3"), &clerk.0).await.status, StatusCode::OK);
    // It speaks again: the part comes by itself, with a new sheet that says what changed.
    SILENT.store(false, Ordering::SeqCst);
    bed.clock.advance(Duration::from_secs(31));
    until(async || match state(&bed, id, 2).await {
        HoldState::Released => Ok(()),
        other => Err(format!("part 2 is {other:?}")),
    })
    .await;
    assert_eq!(bed.see(&format!("{base}/teile/2"), &clerk.0).await.status, StatusCode::OK);
    let sheet = bed.see(&format!("{base}/pruefprotokoll"), &clerk.0).await.text();
    for words in
        ["Fassung 2", "Was sich gegenüber der vorigen Prüfung geändert hat", "Keine Schadsoftware gefunden"]
    {
        assert!(sheet.contains(words), "{words}: {sheet}");
    }
    let first = bed.see(&format!("{base}/pruefprotokoll?fassung=1"), &clerk.0).await.text();
    assert!(first.contains("ohne Ergebnis"), "the first version stays: {first}");
    for version in 1..=2 {
        let stored = bed.see(&format!("{base}/pruefprotokoll/json?fassung={version}"), &clerk.0).await;
        let again = bed.hub.retrace(bed.a.tenant, id, version).await.unwrap();
        assert_eq!(again.as_bytes(), stored.octets, "version {version}");
    }
}
