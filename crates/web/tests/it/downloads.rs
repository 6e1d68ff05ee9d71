// SPDX-License-Identifier: EUPL-1.2
//! Files to save: names, headers, octets.

use std::io::{Cursor, Read};

use axum::http::StatusCode;

use crate::bed::{Bed, hostile_mail};

#[tokio::test(flavor = "multi_thread")]
async fn octets_come_back_as_files() {
    let bed = Bed::new().await;
    let mail = hostile_mail();
    let id = bed.mail(&bed.a, &mail).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);

    let original = bed.see(&format!("{base}/original"), &cookie).await;
    assert_eq!(original.octets, mail);
    assert_eq!(original.header("content-length"), mail.len().to_string());
    assert_eq!(
        original.header("content-disposition"),
        "attachment; filename=\"Nachricht-2026-03-02-090000.eml\"; filename*=UTF-8''Nachricht-2026-03-02-090000.eml"
    );

    let view = bed.hub.message_view_unchecked(bed.a.tenant, id).await.unwrap();
    let pdf = view.parts.iter().find(|p| p.declared == "application/pdf").unwrap();
    let file = bed.see(&format!("{base}/teile/{}", pdf.n), &cookie).await;
    assert_eq!(file.octets, "%PDF-1.4\n%äüöß\n".as_bytes());
    assert_eq!(file.header("content-type"), "application/pdf");
    let disposition = file.header("content-disposition");
    assert!(
        disposition.starts_with("attachment;")
            && disposition.ends_with("filename*=UTF-8''Bauantrag%20M%C3%BCller.pdf"),
        "{disposition}"
    );

    // HTML is never shown: octets, sandboxed, as attachment.
    let html = view.parts.iter().find(|p| p.raw_name.contains("html")).unwrap();
    let file = bed.see(&format!("{base}/teile/{}", html.n), &cookie).await;
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert!(file.header("content-security-policy").contains("sandbox"));
    assert!(file.header("content-disposition").starts_with("attachment;"));
    assert!(!file.header("content-disposition").contains("a\"b"));
    let bearer = format!("Bearer {}", bed.a.reader);
    let same = bed
        .get(
            &format!("/api/v1/messages/{}/{id}/parts/{}", bed.a.tenant, html.n),
            &[("authorization", &bearer)],
        )
        .await;
    assert_eq!(same.octets, file.octets);
    for bad in ["99", "-1", "x", "9223372036854775807"] {
        assert_eq!(
            bed.see(&format!("{base}/teile/{bad}"), &cookie).await.status,
            StatusCode::NOT_FOUND,
            "{bad}"
        );
    }

    let all = bed.see(&format!("{base}/anhaenge.zip"), &cookie).await;
    assert_eq!(all.header("content-type"), "application/zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&all.octets)).unwrap();
    assert_eq!(archive.len(), 2);
    let mut seen = Vec::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let mut octets = Vec::new();
        entry.read_to_end(&mut octets).unwrap();
        seen.push((entry.name().unwrap().into_owned(), octets));
    }
    assert_eq!(seen[0], ("Bauantrag Müller.pdf".to_owned(), "%PDF-1.4\n%äüöß\n".as_bytes().to_vec()));
    assert_eq!(seen[1].1, b"<script>alert(2)</script>");
    std::fs::write(bed.dir.path().join("all.zip"), &all.octets).unwrap();
    // A second reader of the format, where there is one.
    let listed = std::process::Command::new("python3")
        .args(["-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.namelist())"])
        .arg(bed.dir.path().join("all.zip"))
        .output();
    if let Ok(listed) = listed {
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(text.starts_with("None ['Bauantrag Müller.pdf'"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_and_large_attachments() {
    let bed = Bed::new().await;
    let mut mail = b"From: a@b.example\r\nSubject: viele\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for i in 0..1500 {
        mail.extend_from_slice(format!("--b\r\nContent-Type: text/plain; name=\"n{i}.txt\"\r\nContent-Disposition: attachment\r\n\r\nInhalt {i}\r\n").as_bytes());
    }
    let big: Vec<u8> = (0..3_000_000u32).map(|i| b"0123456789abcdef"[(i % 16) as usize]).collect();
    mail.extend_from_slice(b"--b\r\nContent-Type: application/octet-stream; name=gross.bin\r\n\r\n");
    mail.extend_from_slice(&big);
    mail.extend_from_slice(b"\r\n--b--\r\n");
    let id = bed.mail(&bed.a, &mail).await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&base, &cookie).await.text();
    assert!(page.contains("mehr als 1.000 Bestandteile") && page.contains("n42.txt"));
    let all = bed.see(&format!("{base}/anhaenge.zip"), &cookie).await;
    let mut archive = zip::ZipArchive::new(Cursor::new(&all.octets)).unwrap();
    assert_eq!(archive.len(), 1501);
    let mut octets = Vec::new();
    archive.by_name("gross.bin").unwrap().read_to_end(&mut octets).unwrap();
    assert_eq!(octets, big);
}

#[tokio::test(flavor = "multi_thread")]
async fn enclosed_mail_and_no_attachments() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let plain = bed.mail(&bed.a, b"From: a@b.example\r\nSubject: x\r\n\r\nnur Text\r\n").await;
    let path = format!("/nachrichten/{}/{plain}", bed.a.tenant);
    assert!(!bed.see(&path, &cookie).await.text().contains("Alle Anhänge speichern"));
    assert_eq!(bed.see(&format!("{path}/anhaenge.zip"), &cookie).await.status, StatusCode::NOT_FOUND);

    let inner = "From: c@d.example\r\nSubject: innen\r\n\r\ninnerer Text\r\n";
    let outer = format!(
        "From: a@b.example\r\nSubject: aussen\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b\r\n\r\n\u{e4}usserer Text\r\n--b--\r\n"
    );
    let id = bed.mail(&bed.a, outer.as_bytes()).await;
    let path = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let html = bed.see(&path, &cookie).await.text();
    assert!(html.contains("<div class=\"pst-text\">äusserer Text</div>"), "{html}");
    let all = bed.see(&format!("{path}/anhaenge.zip"), &cookie).await;
    let mut archive = zip::ZipArchive::new(Cursor::new(&all.octets)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut text = String::new();
    archive.by_index(0).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, inner);
}
