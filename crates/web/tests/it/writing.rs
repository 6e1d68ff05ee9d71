// SPDX-License-Identifier: EUPL-1.2
//! Writing: a clerk answers, passes on and writes anew, with files, in two windows, now and later.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_hub::writing::{Origin, PARTS_CAP, SUBJECT_CAP, TEXT_CAP, Upload, WriteError};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{Access, ChannelKind, Direction, DraftId, MessageId, PrincipalId, Role, TenantId};
use poststelle_store::{Scope, access, messages};

use crate::bed::{Answer, Bed, Side, hostile_mail, person, who};

pub const MAIL: &[u8] = b"From: \"Erna Erfunden\" <erna@aussen.example>\r\nTo: post@adorf.example\r\n\
    Subject: Frage zur Hecke\r\nMessage-ID: <zwei@aussen.example>\r\nIn-Reply-To: <eins@aussen.example>\r\n\
    References: <null@aussen.example> <eins@aussen.example>\r\n\r\nDarf die Hecke\r\nso hoch sein?\r\n";

/// Octets in which every value occurs, longer than one line.
pub fn octets(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

pub struct Writer {
    pub id: PrincipalId,
    pub cookie: String,
    pub csrf: String,
}

impl Writer {
    pub async fn of(bed: &Bed, side: &Side) -> Self {
        let address =
            format!("post@{}.example", if side.tenant == bed.a.tenant { "adorf" } else { "bestadt" });
        let (tenant, mailbox) = (side.tenant, side.mailbox);
        bed.hub.add_address(tenant, mailbox, ChannelKind::Mail, &address, &who()).await.unwrap();
        let (cookie, csrf) = bed.session(side.clerk).await;
        Self { id: side.clerk, cookie, csrf }
    }

    pub async fn access(&self, bed: &Bed) -> Access {
        let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
        access::access(&mut tx, self.id, bed.hub.clock().now()).await.unwrap()
    }

    /// Answers or passes on a message; gives the address of the draft.
    pub async fn begins(&self, bed: &Bed, tenant: TenantId, id: MessageId, kind: &str) -> String {
        let path = format!("/nachrichten/{tenant}/{id}/entwurf");
        let form = format!("csrf={}&art={kind}", self.csrf);
        let answer = bed.post(&path, "192.0.2.1", &[("cookie", &self.cookie)], &form).await;
        let place = answer.header("location").to_owned();
        assert!(place.ends_with("?hinweis=angelegt"), "{} {}", answer.status, answer.text());
        place.split('?').next().unwrap().to_owned()
    }

    /// The form of a draft with files.
    pub async fn posts(
        &self,
        bed: &Bed,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &[u8])],
    ) -> Answer {
        let mut body = Vec::new();
        for (name, value) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            body.extend_from_slice(
                format!("--grenze\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        for (name, octets) in files {
            let head = format!(
                "--grenze\r\nContent-Disposition: form-data; name=\"datei\"; filename=\"{name}\"\r\n\
                 Content-Type: application/pdf\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(octets);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--grenze--\r\n");
        let request = Request::post(path)
            .header("cookie", &self.cookie)
            .header("content-type", "multipart/form-data; boundary=grenze")
            .body(Body::from(body))
            .unwrap();
        bed.ask(request).await
    }

    pub async fn puts(&self, bed: &Bed, path: &str, offset: usize, octets: &[u8]) -> Answer {
        let request = Request::put(path)
            .header("cookie", &self.cookie)
            .header("x-csrf-token", &self.csrf)
            .header("upload-offset", offset)
            .body(Body::from(octets.to_vec()))
            .unwrap();
        bed.ask(request).await
    }
}

/// The value of a field on a page.
pub fn field<'a>(html: &'a str, name: &str) -> &'a str {
    let (_, rest) = html.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("{name}: {html}"));
    rest.split_once("value=\"").unwrap().1.split('"').next().unwrap()
}

/// The message a letter became.
pub fn message_of(answer: &Answer) -> MessageId {
    let place = answer.header("location");
    assert!(place.ends_with("?hinweis=gesendet"), "{} {}", answer.status, answer.text());
    place.split('?').next().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

pub async fn messages_of(bed: &Bed, tenant: TenantId) -> Vec<(MessageId, Direction)> {
    let mut tx = bed.hub.db().read(Scope::Tenant(tenant)).await.unwrap();
    let all = messages::page(&mut tx, tenant, None, 100).await.unwrap();
    all.into_iter().map(|l| (l.id, l.direction)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_from_where_its_question_came_to() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let question = bed.mail(&bed.a, MAIL).await;
    let page = format!("/nachrichten/{tenant}/{question}");
    let html = bed.see(&page, &ada.cookie).await.text();
    assert!(html.contains("Antworten") && html.contains("Weiterleiten"), "{html}");
    let draft = ada.begins(&bed, tenant, question, "antwort").await;
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert_eq!(field(&html, "an"), "erna@aussen.example");
    assert_eq!(field(&html, "betreff"), "AW: Frage zur Hecke");
    assert!(html.contains("&#62; Darf die Hecke\n&#62; so hoch sein?\n"), "{html}");
    assert!(html.contains("Gemeinde Adorf") && html.contains("Post (post@adorf.example)"), "{html}");
    assert!(bed.see("/entwuerfe", &ada.cookie).await.text().contains("AW: Frage zur Hecke"));

    let plan = octets(100_000);
    let version = field(&html, "version").to_owned();
    let fields = [
        ("version", version.as_str()),
        ("an", "\"Erfunden, Erna\" <erna@aussen.example>"),
        ("kopie", "otto@aussen.example"),
        ("betreff", "AW: Frage zur Hecke"),
        ("text", "Guten Tag,\r\n\r\nnein: höchstens zwei Meter.\r\n"),
        ("schritt", "senden"),
    ];
    let sent = ada.posts(&bed, &draft, &fields, &[("Plan Müller.pdf", &plan), ("", b"")]).await;
    let id = message_of(&sent);
    bed.processed(tenant, id).await;
    // The octets that left, read again.
    let base = format!("/nachrichten/{tenant}/{id}");
    let raw = bed.see(&format!("{base}/original"), &ada.cookie).await.text();
    let head = raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    let line =
        |name: &str| head.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name} {head}"));
    assert_eq!(line("From:"), "From: \"Gemeinde Adorf\" <post@adorf.example>");
    assert_eq!(line("To:"), "To: \"Erfunden, Erna\" <erna@aussen.example>");
    assert_eq!(line("Cc:"), "Cc: <otto@aussen.example>");
    assert_eq!(line("In-Reply-To:"), "In-Reply-To: <zwei@aussen.example>");
    let thread = "References: <null@aussen.example> <eins@aussen.example> <zwei@aussen.example>";
    assert_eq!(line("References:"), thread);
    let view = bed.hub.message_view_unchecked(tenant, id).await.unwrap();
    assert_eq!(view.message.direction, Direction::Out);
    assert_eq!((view.message.mailbox, view.message.in_reply_to), (Some(bed.a.mailbox), Some(question)));
    assert_eq!(view.message.transport.sender, "post@adorf.example");
    let targets: Vec<String> = view.deliveries.iter().map(|d| d.delivery.target.to_string()).collect();
    assert_eq!(targets, ["mail:erna@aussen.example", "mail:otto@aussen.example"]);
    let inspection = view.inspection.unwrap();
    assert_eq!(inspection.subject, "AW: Frage zur Hecke");
    let file = view.parts.iter().find(|p| p.name == "Plan Müller.pdf").unwrap();
    let back = bed.see(&format!("{base}/teile/{}", file.n), &ada.cookie).await;
    assert!(back.octets == plan, "octet by octet");
    // Its state is on its page, and colleagues see on the question that it was answered.
    let html = bed.see(&format!("{base}?hinweis=gesendet"), &ada.cookie).await.text();
    assert!(html.contains("nein: höchstens zwei Meter.") && html.contains("zum Versand übergeben"), "{html}");
    assert!(html.contains("E-Mail an erna@aussen.example") && html.contains("angekommen"), "{html}");
    assert!(!html.contains(">Antworten<"), "one's own letter is not answered: {html}");
    let html = bed.see(&page, &ada.cookie).await.text();
    assert!(html.contains("Karla Klerk hat geantwortet."), "{html}");
    // The draft is the message now; its attachments are gone with it.
    assert_eq!(bed.see(&draft, &ada.cookie).await.header("location"), base);
    let again = ada.posts(&bed, &draft, &fields, &[]).await;
    assert_eq!(message_of(&again), id, "asked again, the same answer");
    assert_eq!(messages_of(&bed, tenant).await.len(), 2);
    assert_eq!(bed.blobs(), 2, "two messages and no pieces of a draft");
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_on_takes_the_parts_along() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let original = bed.mail(&bed.a, &hostile_mail()).await;
    let draft = ada.begins(&bed, tenant, original, "weiterleitung").await;
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert_eq!(field(&html, "an"), "");
    assert!(field(&html, "betreff").starts_with("WG: &#60;script&#62;alert(1)"), "{html}");
    assert!(html.contains("Weitergeleitete Nachricht") && html.contains("Guten Tag"), "{html}");
    assert!(html.contains("Bauantrag Müller.pdf") && !html.contains("<script>alert"), "{html}");
    let version = field(&html, "version").to_owned();
    let nobody = ada.posts(&bed, &draft, &[("version", &version), ("schritt", "senden")], &[]).await;
    assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nobody.text().contains("PST-DRAFT-0003"), "{}", nobody.text());
    let version = field(&nobody.text(), "version").to_owned();
    let fields = [
        ("version", version.as_str()),
        ("an", "bauamt@kreis.example"),
        ("betreff", "WG: x"),
        ("schritt", "senden"),
    ];
    let id = message_of(&ada.posts(&bed, &draft, &fields, &[]).await);
    bed.processed(tenant, id).await;
    let (before, after) = (
        bed.hub.message_view_unchecked(tenant, original).await.unwrap(),
        bed.hub.message_view_unchecked(tenant, id).await.unwrap(),
    );
    let digests = |parts: &[poststelle_model::Part]| {
        let files = parts.iter().filter(|p| p.is_attachment()).map(|p| (p.name.clone(), p.sha256.clone()));
        files.collect::<Vec<_>>()
    };
    assert_eq!(digests(&before.parts), digests(&after.parts));
    assert_eq!(digests(&after.parts).len(), 2);
    let html = bed.see(&format!("/nachrichten/{tenant}/{original}"), &ada.cookie).await.text();
    assert!(html.contains("Karla Klerk hat die Nachricht weitergeleitet."), "{html}");
    assert!(html.contains("Alle Anhänge von Karla Klerk gespeichert"), "copying is reading: {html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_windows_one_is_told_and_nothing_typed_is_lost() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let question = bed.mail(&bed.a, MAIL).await;
    let draft = ada.begins(&bed, bed.a.tenant, question, "antwort").await;
    let form = |version: &str, text: &str, step: &str| {
        [
            ("version", version),
            ("an", "erna@aussen.example"),
            ("betreff", "AW"),
            ("text", text),
            ("schritt", step),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    let post = async |version: &str, text: &str, step: &str| {
        let fields = form(version, text, step);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        ada.posts(&bed, &draft, &fields, &[]).await
    };
    assert_eq!(post("1", "aus dem ersten Fenster", "speichern").await.status, StatusCode::SEE_OTHER);
    for step in ["speichern", "senden", "anhaengen"] {
        let late = post("1", "aus dem zweiten Fenster", step).await;
        let html = late.text();
        assert_eq!(late.status, StatusCode::CONFLICT, "{step}");
        assert!(
            html.contains("PST-DRAFT-0001") && html.contains("In einem anderen Fenster geändert"),
            "{html}"
        );
        assert!(html.contains("aus dem zweiten Fenster"), "what was typed is there: {html}");
        assert_eq!(field(&html, "version"), "2");
    }
    assert!(bed.see(&draft, &ada.cookie).await.text().contains("aus dem ersten Fenster"));
    // Knowingly, it is replaced; saving the same again changes nothing.
    assert_eq!(post("2", "aus dem zweiten Fenster", "speichern").await.status, StatusCode::SEE_OTHER);
    assert_eq!(post("3", "aus dem zweiten Fenster", "speichern").await.status, StatusCode::SEE_OTHER);
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert!(html.contains("aus dem zweiten Fenster") && field(&html, "version") == "3", "{html}");
    // A file from another window makes a new version too: nobody sends what they have not seen.
    let fields = [("version", "3"), ("an", "erna@aussen.example"), ("betreff", "AW"), ("text", "x")];
    ada.posts(&bed, &draft, &fields, &[("a.pdf", b"x")]).await;
    assert_eq!(post("3", "aus dem zweiten Fenster", "senden").await.status, StatusCode::CONFLICT);
    // The token of the session is needed.
    let stranger = Writer { csrf: "falsch".to_owned(), cookie: ada.cookie.clone(), id: ada.id };
    let refused = stranger.posts(&bed, &draft, &[("version", "5"), ("text", "fremd")], &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(messages_of(&bed, bed.a.tenant).await.len(), 1, "nothing was sent");
    // Thrown away only after a question, and only as it was seen.
    let end = format!("{draft}/loeschen");
    let html = bed.see(&end, &ada.cookie).await.text();
    let version = field(&html, "version").to_owned();
    let post = async |version: &str| {
        let form = format!("csrf={}&version={version}", ada.csrf);
        bed.post(&end, "192.0.2.1", &[("cookie", &ada.cookie)], &form).await
    };
    assert_eq!(post("1").await.status, StatusCode::CONFLICT);
    assert_eq!(post(&version).await.header("location"), "/entwuerfe?hinweis=geloescht");
    assert_eq!(bed.see(&draft, &ada.cookie).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.blobs(), 1, "its file is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_typed_begins_a_field_and_caps_are_named() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let tenant = bed.a.tenant;
    let form = format!("csrf={}&von={tenant}%2F{}", ada.csrf, bed.a.mailbox);
    let begun = bed.post("/schreiben", "192.0.2.1", &[("cookie", &ada.cookie)], &form).await;
    let draft = begun.header("location").split('?').next().unwrap().to_owned();
    let long = "x".repeat(SUBJECT_CAP + 1);
    let text = "x".repeat(TEXT_CAP + 1);
    let many = (0..101).map(|i| format!("a{i}@aussen.example")).collect::<Vec<_>>().join(", ");
    let good = "erna@aussen.example";
    for (to, copy, subject, body, code) in [
        ("erna@aussen.example\r\nBcc: otto@aussen.example", "", "x", "x", "PST-DRAFT-0002"),
        (good, "otto", "x", "x", "PST-DRAFT-0002"),
        ("erna@aussen.example\u{0}", "", "x", "x", "PST-DRAFT-0002"),
        (&many, "", "x", "x", "PST-DRAFT-0004"),
        ("", "", "x", "x", "PST-DRAFT-0003"),
        (good, "", " ", "x", "PST-DRAFT-0005"),
        (good, "", &long, "x", "PST-DRAFT-0015"),
        (good, "", "x", &text, "PST-DRAFT-0006"),
        (&"a@b.example,".repeat(2000), "", "x", "x", "PST-DRAFT-0014"),
    ] {
        let html = bed.see(&draft, &ada.cookie).await.text();
        let version = field(&html, "version").to_owned();
        let fields = [
            ("version", version.as_str()),
            ("an", to),
            ("kopie", copy),
            ("betreff", subject),
            ("text", body),
            ("schritt", "senden"),
        ];
        let refused = ada.posts(&bed, &draft, &fields, &[]).await;
        let html = refused.text();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{code} {html}");
        assert!(html.contains(code), "{code} {html}");
    }
    assert_eq!(messages_of(&bed, tenant).await, []);
    // What looks like a header in the subject stays words in the subject.
    let version = field(&bed.see(&draft, &ada.cookie).await.text(), "version").to_owned();
    let fields = [
        ("version", version.as_str()),
        ("an", good),
        ("betreff", "Hecke\r\nBcc: otto@aussen.example\r\n\r\n<b>Text</b>"),
        ("text", "Bcc: otto@aussen.example\r\n.\r\n"),
        ("schritt", "senden"),
    ];
    let id = message_of(&ada.posts(&bed, &draft, &fields, &[]).await);
    bed.processed(tenant, id).await;
    let view = bed.hub.message_view_unchecked(tenant, id).await.unwrap();
    assert_eq!(view.message.transport.recipients, [good]);
    assert!(view.inspection.unwrap().subject.starts_with("Hecke"));
    let raw = bed.see(&format!("/nachrichten/{tenant}/{id}/original"), &ada.cookie).await.text();
    let head = raw.split("\r\n\r\n").next().unwrap();
    assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_stopped() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let question = bed.mail(&bed.a, MAIL).await;
    let tenant = bed.a.tenant;
    let draft = ada.begins(&bed, tenant, question, "antwort").await;
    let film = octets(3_000_000);
    let announce = async |name: &str, size: u64, csrf: &str| {
        let body = serde_json::json!({ "name": name, "media_type": "video/mp4", "size": size });
        let request = Request::post(format!("{draft}/anlagen"))
            .header("cookie", &ada.cookie)
            .header("x-csrf-token", csrf)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        bed.ask(request).await
    };
    assert_eq!(announce("x", 1, "falsch").await.status, StatusCode::FORBIDDEN);
    let large = announce("x", bed.hub.attachments_cap() + 1, &ada.csrf).await;
    assert!(large.status == StatusCode::PAYLOAD_TOO_LARGE && large.text().contains("PST-DRAFT-0008"));
    let there = announce("../../Film\u{202e}.mp4", film.len() as u64, &ada.csrf).await;
    assert_eq!(there.status, StatusCode::CREATED, "{}", there.text());
    let href = there.json()["href"].as_str().unwrap().to_owned();
    let html = bed.see(&draft, &ada.cookie).await.text();
    assert!(html.contains("unvollständig") && html.contains("Film") && !html.contains("../.."), "{html}");

    let half = film.len() / 2;
    assert_eq!(ada.puts(&bed, &href, 0, &film[..half]).await.json()["offset"], half);
    // At another place it is refused, and said where it goes on.
    for wrong in [0, half - 1, half + 1] {
        let refused = ada.puts(&bed, &href, wrong, &film[half..]).await;
        assert!(refused.status == StatusCode::CONFLICT && refused.text().contains("PST-DRAFT-0012"));
        assert!(refused.text().contains(&half.to_string()), "{}", refused.text());
    }
    // What is not whole is not sent.
    let version = field(&html, "version").to_owned();
    let fields = [
        ("version", version.as_str()),
        ("an", "erna@aussen.example"),
        ("betreff", "Film"),
        ("schritt", "senden"),
    ];
    let early = ada.posts(&bed, &draft, &fields, &[]).await;
    assert!(early.text().contains("PST-DRAFT-0009"), "{}", early.text());
    // Another node tells how far it is; more than announced is refused.
    let node = bed.second_node().await;
    let request = Request::get(&href).header("cookie", &ada.cookie).body(Body::empty()).unwrap();
    assert_eq!(crate::bed::ask(&node.router, request).await.json()["offset"], half);
    let more = [&film[half..], b"x"].concat();
    assert_eq!(ada.puts(&bed, &href, half, &more).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let whole = ada.puts(&bed, &href, half, &film[half..]).await.json();
    assert_eq!((&whole["offset"], &whole["size"]), (&film.len().into(), &film.len().into()));
    // An empty file is a file too.
    announce("leer.txt", 0, &ada.csrf).await;
    let version = field(&bed.see(&draft, &ada.cookie).await.text(), "version").to_owned();
    let mut fields = fields.to_vec();
    fields[0].1 = &version;
    let id = message_of(&ada.posts(&bed, &draft, &fields, &[]).await);
    bed.processed(tenant, id).await;
    let view = bed.hub.message_view_unchecked(tenant, id).await.unwrap();
    let files: Vec<_> = view.parts.iter().filter(|p| p.disposition == "attachment").collect();
    assert_eq!(files.iter().map(|p| p.size).collect::<Vec<_>>(), [3_000_000, 0], "{files:?}");
    let back = bed.see(&format!("/nachrichten/{tenant}/{id}/teile/{}", files[0].n), &ada.cookie).await;
    assert!(back.octets == film);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_counted_and_taken_away() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let (tenant, access) = (bed.a.tenant, ada.access(&bed).await);
    let draft = bed.hub.begin_draft(&access, tenant, Origin::Box(bed.a.mailbox)).await.unwrap().id;
    let upload = Upload { name: "a.txt".to_owned(), media_type: "text/plain".to_owned() };
    let mut last = None;
    for _ in 0..PARTS_CAP {
        last = Some(bed.hub.announce(&access, tenant, draft, &upload, 1).await.unwrap());
    }
    let full = bed.hub.announce(&access, tenant, draft, &upload, 1).await;
    assert!(matches!(&full, Err(WriteError::Refused(r)) if r.code.as_str() == "PST-DRAFT-0007"), "{full:?}");
    let (draft, part) = last.unwrap();
    let path = format!("/entwuerfe/{tenant}/{}", draft.id);
    let (version, step) = (draft.version.to_string(), format!("entfernen:{part}"));
    let gone = ada.posts(&bed, &path, &[("version", &version), ("schritt", &step)], &[]).await;
    assert_eq!(gone.header("location"), format!("{path}?hinweis=entfernt"), "{}", gone.text());
    let html = bed.see(&path, &ada.cookie).await.text();
    assert_eq!(html.matches("entfernen:").count(), PARTS_CAP - 1);
    // A part of another draft is not taken away here.
    let other = bed.hub.begin_draft(&access, tenant, Origin::Box(bed.a.mailbox)).await.unwrap().id;
    let (_, foreign) = bed.hub.announce(&access, tenant, other, &upload, 1).await.unwrap();
    assert!(bed.hub.detach(&access, tenant, draft.id, foreign).await.is_err());
    assert!(bed.hub.attachment(&access, tenant, other, foreign).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_its_authors_as_long_as_they_may_write() {
    let bed = Bed::new().await;
    let ada = Writer::of(&bed, &bed.a).await;
    let far = Writer::of(&bed, &bed.b).await;
    let tenant = bed.a.tenant;
    let question = bed.mail(&bed.a, MAIL).await;
    let draft = ada.begins(&bed, tenant, question, "antwort").await;
    let place = Place::Tenant { tenant };
    let colleague = person(&bed.hub, "bea", "Bea Buche", Some(bed.a.administration)).await;
    bed.hub.grant(colleague, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    let (bea, bea_csrf) = bed.session(colleague).await;
    let bea = Writer { id: colleague, cookie: bea, csrf: bea_csrf };
    let absent = DraftId::from_uuid(uuid::Uuid::from_u128(7));
    let nowhere = format!("/entwuerfe/{tenant}/{absent}");
    for other in [&bea, &far] {
        for path in ["", "/loeschen"] {
            let seen = bed.see(&format!("{draft}{path}"), &other.cookie).await;
            let absent = bed.see(&format!("{nowhere}{path}"), &other.cookie).await;
            assert_eq!((seen.status, seen.text()), (StatusCode::NOT_FOUND, absent.text()));
        }
        let post =
            other.posts(&bed, &draft, &[("version", "1"), ("text", "fremd"), ("schritt", "senden")], &[]);
        assert_eq!(post.await.status, StatusCode::NOT_FOUND);
        assert!(!bed.see("/entwuerfe", &other.cookie).await.text().contains("Frage zur Hecke"));
    }
    // A foreign box cannot be written from, nor a foreign message answered.
    for von in [format!("{tenant}%2F{}", bed.a.mailbox), format!("{}%2F{}", bed.b.tenant, bed.a.mailbox)] {
        let form = format!("csrf={}&von={von}", far.csrf);
        let refused = bed.post("/schreiben", "192.0.2.1", &[("cookie", &far.cookie)], &form).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }
    let start = bed.see("/schreiben", &far.cookie).await.text();
    assert!(start.contains("post@bestadt.example") && !start.contains("adorf"), "{start}");
    // An auditor reads, but does not write.
    let audit = person(&bed.hub, "pruef", "Paul Prüfer", Some(bed.a.administration)).await;
    bed.hub.grant(audit, Grant { role: Role::Auditor, place }, &who()).await.unwrap();
    let (cookie, csrf) = bed.session(audit).await;
    let page = format!("/nachrichten/{tenant}/{question}");
    assert!(!bed.see(&page, &cookie).await.text().contains("Antworten"));
    let form = format!("csrf={csrf}&art=antwort");
    let refused = bed.post(&format!("{page}/entwurf"), "192.0.2.1", &[("cookie", &cookie)], &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // A role taken back takes the draft along.
    bed.hub.revoke(ada.id, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
    assert_eq!(bed.see(&draft, &ada.cookie).await.status, StatusCode::NOT_FOUND);
}
