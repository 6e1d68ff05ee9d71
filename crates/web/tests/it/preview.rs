// SPDX-License-Identifier: EUPL-1.2
//! Looking at pictures and PDF documents: pictures only, sealed; what cannot be drawn is said and harms nobody.

use std::ffi::OsString;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_hub::people::LocalAccounts;
use poststelle_web::{BuildInfo, WebConfig, preview, router};

use crate::bed::{Bed, ask};

/// Runs [`child`] as a process of its own. Its answer goes through the standard error: the test runner writes to the
/// standard output.
pub fn command() -> Vec<OsString> {
    let run = "exec 2>&1 >/dev/null; POSTSTELLE_TEST_PAGE=\"$1\" exec \"$0\" --ignored --exact --nocapture preview::child";
    let own = std::env::current_exe().unwrap();
    vec!["/bin/sh".into(), "-c".into(), run.into(), own.into()]
}

#[test]
#[ignore = "run by the other tests"]
fn child() {
    let Ok(page) = std::env::var("POSTSTELLE_TEST_PAGE") else { return };
    let drawn = preview::pdf_page(page.parse().unwrap(), std::io::stdin(), std::io::stderr());
    // Without a word: what is on the standard error is the answer.
    if drawn.is_err() {
        std::process::abort();
    }
}

/// A PDF document with these contents of its pages.
fn pdf(pages: &[&str], box_: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|i| format!("{} 0 R", 4 + 2 * i)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (i, content) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [{box_}] /Resources << /Font << /F 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * i
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let (mut out, mut places) = ("%PDF-1.4\n".to_owned(), Vec::new());
    for (i, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.push_str(&format!("{} 0 obj\n{object}\nendobj\n", i + 1));
    }
    let start = out.len();
    out.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1));
    for place in &places {
        out.push_str(&format!("{place:010} 00000 n \n"));
    }
    out.push_str(&format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        places.len() + 1
    ));
    out.into_bytes()
}

/// A mail with these files: declared type, name, octets.
fn mail(files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut out = b"From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for (kind, name, octets) in files {
        out.extend_from_slice(format!("--b\r\nContent-Type: {kind}; name=\"{name}\"\r\n").as_bytes());
        out.extend_from_slice(
            b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: binary\r\n\r\n",
        );
        out.extend_from_slice(octets);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"--b--\r\n");
    out
}

const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";
const A4: &str = "0 0 595 842";

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_pages_are_shown_and_nothing_else() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let document = pdf(&["BT /F 40 Tf 50 700 Td (Bauantrag) Tj ET", "1 0 0 rg 0 0 595 842 re f"], A4);
    let files: &[(&str, &str, &[u8])] = &[
        ("application/octet-stream", "bild.dat", GIF),
        ("application/pdf", "antrag.pdf", &document),
        ("image/svg+xml", "a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("image/png", "a.png", b"<html><script>alert(1)</script></html>"),
        ("text/html", "a.html", b"<script>alert(1)</script>"),
    ];
    let id = bed.mail(&bed.a, &mail(files)).await;
    let base = format!("/nachrichten/{}/{id}", bed.a.tenant);
    let page = bed.see(&base, &cookie).await.text();
    assert_eq!(page.matches("/ansehen\"").count(), 2, "{page}");

    let picture = bed.see(&format!("{base}/teile/1/vorschau"), &cookie).await;
    assert_eq!((picture.status, picture.header("content-type")), (StatusCode::OK, "image/gif"));
    assert_eq!(picture.octets, GIF);
    let look = bed.see(&format!("{base}/teile/1/ansehen"), &cookie).await.text();
    assert!(look.contains("alt=\"Bild bild.dat\"") && !look.contains("Nächste Seite"), "{look}");

    let look = bed.see(&format!("{base}/teile/2/ansehen"), &cookie).await.text();
    assert!(look.contains("Seite 1 von 2") && look.contains("seite=2") && !look.contains("Vorige"), "{look}");
    let mut drawn = Vec::new();
    for number in [1, 2] {
        let answer = bed.see(&format!("{base}/teile/2/vorschau?seite={number}"), &cookie).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, "image/png"),
            "{}",
            answer.text()
        );
        assert_eq!(
            answer.header("content-security-policy"),
            "sandbox; default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(&answer.octets[..8], b"\x89PNG\r\n\x1a\n");
        drawn.push(answer.octets);
    }
    let blank = pdf(&["", ""], A4);
    let empty = bed.mail(&bed.a, &mail(&[("application/pdf", "leer.pdf", &blank)])).await;
    let blank = bed.see(&format!("/nachrichten/{}/{empty}/teile/1/vorschau", bed.a.tenant), &cookie).await;
    assert!(drawn[0] != drawn[1] && drawn[0] != blank.octets, "what is written is drawn");
    for (path, status) in [
        ("2/vorschau?seite=3", StatusCode::UNPROCESSABLE_ENTITY),
        ("2/ansehen?seite=3", StatusCode::NOT_FOUND),
        ("2/ansehen?seite=0", StatusCode::NOT_FOUND),
        ("2/ansehen?seite=x", StatusCode::NOT_FOUND),
        ("1/ansehen?seite=2", StatusCode::NOT_FOUND),
        ("3/vorschau", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("4/vorschau", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("5/ansehen", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("0/vorschau", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("99/vorschau", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(bed.see(&format!("{base}/teile/{path}"), &cookie).await.status, status, "{path}");
    }
    let told = bed.see(&base, &cookie).await.text();
    assert!(told.contains("Gesehen von") && told.contains("Karla Klerk, zuletzt"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_drawn_is_said() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let good = pdf(&["BT /F 40 Tf 50 700 Td (x) Tj ET"], A4);
    let endless = "q ".repeat(2_000_000);
    let hostile: Vec<Vec<u8>> = vec![
        b"%PDF-1.4\n%nothing\n".to_vec(),
        good[..good.len() / 2].to_vec(),
        pdf(&["BT"], "0 0 0 0"),
        pdf(&["BT"], "0 0 1e30 1e-30"),
        pdf(&[&endless], A4),
        String::from_utf8(good.clone()).unwrap().replace("/Kids [4 0 R]", "/Kids [2 0 R]").into_bytes(),
        [b"%PDF-1.4\n1 0 obj\n".as_slice(), &b"[".repeat(500_000)].concat(),
    ];
    for (n, document) in hostile.iter().enumerate() {
        let id = bed.mail(&bed.a, &mail(&[("application/pdf", "a.pdf", document)])).await;
        let own = format!("/nachrichten/{}/{id}/teile/1", bed.a.tenant);
        let look = bed.see(&format!("{own}/ansehen"), &cookie).await;
        assert!(matches!(look.status, StatusCode::OK | StatusCode::NOT_FOUND), "{n}: {}", look.text());
        let drawn = bed.see(&format!("{own}/vorschau"), &cookie).await;
        // Whatever the drawer makes of it: a picture or a plain sentence.
        let said = drawn.status == StatusCode::UNPROCESSABLE_ENTITY
            && drawn.text().contains("Vorschau nicht möglich");
        assert!(said || drawn.header("content-type") == "image/png", "{n}: {}", drawn.text());
        assert_eq!(bed.see(&own, &cookie).await.octets, *document, "the original is there");
    }
    let broken = bed.mail(&bed.a, &mail(&[("application/pdf", "a.pdf", &hostile[0])])).await;
    let look = bed.see(&format!("/nachrichten/{}/{broken}/teile/1/ansehen", bed.a.tenant), &cookie).await;
    assert!(
        look.text().contains("Vorschau nicht möglich") && !look.text().contains("<img"),
        "{}",
        look.text()
    );
}

/// Who draws dies, says too much, says nothing, or is not there: always the same sentence, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn who_draws_harms_nobody() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    let id = bed.mail(&bed.a, &mail(&[("application/pdf", "a.pdf", &pdf(&["BT"], A4))])).await;
    let path = format!("/nachrichten/{}/{id}/teile/1/vorschau", bed.a.tenant);
    let commands: [&[&str]; 6] = [
        &[],
        &["/nowhere/at/all"],
        &["/bin/false"],
        &["/usr/bin/yes"],
        &["/bin/sleep", "3600"],
        &["/bin/sh", "-c", "kill -SEGV $$"],
    ];
    let asked = commands.map(|command| {
        let router = router(WebConfig {
            hub: Arc::clone(&bed.hub),
            sign_in: Arc::new(LocalAccounts),
            secure_cookies: false,
            proxies: Vec::new(),
            api_per_minute: 6000,
            build: BuildInfo::default(),
            pdf: command.iter().map(Into::into).collect(),
        });
        let request = Request::get(&path).header("cookie", &cookie).body(Body::empty()).unwrap();
        async move { (command, ask(&router, request).await) }
    });
    let began = std::time::Instant::now();
    for (command, answer) in futures::future::join_all(asked).await {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{command:?}");
        assert!(answer.text().contains("PST-WEB-0011"), "{command:?}");
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
}
