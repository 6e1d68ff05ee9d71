// SPDX-License-Identifier: EUPL-1.2
//! Connectors under an administrator's hands, with a real folder and a real far side of webhooks.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use poststelle_connect::hot_folder::HotFolder;
use poststelle_connect::webhook::{Options, Webhook};
use poststelle_hub::channel::Channel;
use poststelle_model::{Role, Subject};
use poststelle_store::{Scope, evidence, tenants};
use poststelle_world::fachverfahren::{WebhookFault, WebhookSite};
use serde_json::{Value, json};

use crate::admin_rules::{Admin, admin};
use crate::bed::{Answer, Bed, Node, ask, service};

const SECRET: &str = "ein-geheimes-Geheimnis";

/// A node with real ways of handing over; folders below `uebergabe`.
async fn real(bed: &Bed, internal: bool) -> Node {
    let root = bed.dir.path().join("uebergabe");
    for folder in ["adorf/bauamt", "bestadt"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let options = Options { permit_private: internal, ..Options::default() };
    let channels: Vec<Arc<dyn Channel>> =
        vec![Arc::new(HotFolder::within(vec![root])), Arc::new(Webhook::new(&options).unwrap())];
    bed.node_with(channels).await
}

struct Desk<'b> {
    node: Node,
    admin: Admin,
    bed: &'b Bed,
}

impl Desk<'_> {
    async fn see(&self, path: &str) -> Answer {
        let (cookie, _) = self.admin.keys();
        ask(&self.node.router, Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let (cookie, csrf) = self.admin.keys();
        let request = Request::post(path)
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("csrf={csrf}&{form}")))
            .unwrap();
        ask(&self.node.router, request).await
    }

    fn base(&self) -> String {
        format!("/verwaltung/{}/ziele", self.bed.a.tenant)
    }
}

async fn vera(bed: &Bed, internal: bool) -> Desk<'_> {
    Desk {
        node: real(bed, internal).await,
        admin: admin(bed, &bed.a, "verwaltung", "Vera Verwaltung").await,
        bed,
    }
}

fn webhook(url: &str, more: &str) -> String {
    format!(
        "version=1&art=webhook&name=Bauverfahren&adresse={url}&schnittstelle=http://hub.example/api/v1&wartezeit=5&aktiv=ja&{more}"
    )
}

/// Where a saved form leads.
fn place(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.header("location").split('?').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_set_up_and_really_tried() {
    let bed = Bed::new().await;
    let desk = vera(&bed, true).await;
    let site = WebhookSite::start(SECRET.as_bytes()).await.unwrap();
    let form = desk.see(&format!("{}/neu?art=webhook", desk.base())).await.text();
    assert!(form.contains("name=\"adresse\"") && !form.contains("name=\"pfad\""), "{form}");
    let new = format!("{}/neu", desk.base());
    // Without a secret, or with a short one, nothing is kept.
    for poor in ["intern=ja", "intern=ja&geheimnis=kurz"] {
        let answer = desk.post(&new, &webhook(&site.url(), poor)).await;
        assert!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.text().contains("Geheimnis"),
            "{}",
            answer.text()
        );
    }
    let here = place(&desk.post(&new, &webhook(&site.url(), &format!("intern=ja&geheimnis={SECRET}"))).await);
    let twice = desk.post(&new, &webhook(&site.url(), &format!("intern=ja&geheimnis={SECRET}"))).await;
    assert!(twice.text().contains("gibt es schon"), "{}", twice.text());
    let check = format!("{here}/pruefen");
    let good = desk.post(&check, "").await.text();
    assert!(good.contains("Die Prüfung ist gelungen") && !good.contains(SECRET), "{good}");
    let events = site.events();
    assert_eq!((events.len(), &events[0].event["type"]), (1, &json!("de.poststelle.probe.v1")));
    assert_eq!(site.refused(), Vec::<String>::new());
    // What the far side says against it is said in words.
    site.breaks(&[WebhookFault::Status(503), WebhookFault::Status(404)]);
    assert!(desk.post(&check, "").await.text().contains("meldet eine Störung (HTTP 503)"));
    assert!(desk.post(&check, "").await.text().contains("nimmt 127.0.0.1 nichts (mehr) an"));
    // A new secret is shown once; the far side does not know it yet.
    let made = desk.post(&here, &webhook(&site.url(), "intern=ja&erzeugen=ja")).await.text();
    let secret = made.split("id=\"neues-geheimnis\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(secret.len() >= 32, "{secret}");
    assert!(!desk.see(&here).await.text().contains(&secret));
    let bad = desk.post(&check, "").await.text();
    assert!(
        bad.contains("Die Prüfung ist gescheitert")
            && bad.contains("erkennt die Poststelle nicht an (HTTP 401)"),
        "{bad}"
    );
    let knows = WebhookSite::start(secret.as_bytes()).await.unwrap();
    desk.post(&here, &webhook(&knows.url(), "intern=ja").replace("version=1", "version=2")).await;
    assert!(desk.post(&check, "").await.text().contains("Die Prüfung ist gelungen"));
    drop(knows);
    assert!(desk.post(&check, "").await.text().contains("ist nicht erreichbar"));

    // Switched off and seen in the list; somebody who was slower is told.
    assert_eq!(place(&desk.post(&here, "version=3&schritt=aus").await), here);
    let slow = desk.post(&here, "version=3&schritt=an").await;
    assert!(
        slow.status == StatusCode::CONFLICT && slow.text().contains("Jemand anderes hat dieses Ziel"),
        "{}",
        slow.text()
    );
    let list = desk.see(&desk.base()).await.text();
    assert!(list.contains("Bauverfahren") && list.contains("ausgeschaltet"), "{list}");
    let page = desk.see(&here).await.text();
    for said in [
        "Ziel „Bauverfahren“ angelegt.",
        "Neues Geheimnis hinterlegt.",
        "Einstellungen geändert.",
        "Ausgeschaltet.",
    ] {
        assert!(page.contains(&format!("Vera Verwaltung: {said}")), "{said}: {page}");
    }
    // Everything in her name, no secret anywhere.
    let id = here.rsplit('/').next().unwrap();
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    let chain =
        evidence::chain(&mut tx, bed.a.tenant, &Subject::connector(id.parse().unwrap())).await.unwrap();
    assert_eq!(chain.len(), 4, "{chain:#?}");
    for entry in &chain {
        assert_eq!(entry.who, format!("principal:{}", desk.admin.id));
        assert!(!entry.body.contains(SECRET) && !entry.body.contains(&secret), "{}", entry.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_into_the_house_or_its_disk() {
    let bed = Bed::new().await;
    let desk = vera(&bed, false).await;
    let new = format!("{}/neu", desk.base());
    let site = WebhookSite::start(SECRET.as_bytes()).await.unwrap();
    for url in [
        site.url(),
        "https://127.0.0.1/x".to_owned(),
        "https://[::1]/".to_owned(),
        "https://169.254.169.254/".to_owned(),
    ] {
        let answer = desk.post(&new, &webhook(&url, &format!("intern=ja&geheimnis={SECRET}"))).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}: {}", answer.text());
    }
    // A name is looked up when it is called: the guard stands there too.
    let here = place(
        &desk.post(&new, &webhook("https://localhost:1/", &format!("intern=ja&geheimnis={SECRET}"))).await,
    );
    let tried = desk.post(&format!("{here}/pruefen"), "").await.text();
    assert!(tried.contains("liegt im internen Netz"), "{tried}");
    assert_eq!(site.requests(), 0);

    let root = bed.dir.path().join("uebergabe");
    let folder = |path: &str| format!("version=1&art=hot_folder&name=Ablage&aktiv=ja&pfad={path}");
    std::os::unix::fs::symlink(bed.dir.path(), root.join("adorf/hinaus")).unwrap();
    for (path, said) in [
        ("/etc".to_owned(), "Ordner dieses Mandanten liegen unterhalb von"),
        (
            root.join("adorf/hinaus/blobs").display().to_string(),
            "Ordner dieses Mandanten liegen unterhalb von",
        ),
        // Nor into the folders of others, or the root itself.
        (root.join("bestadt").display().to_string(), "Ordner dieses Mandanten liegen unterhalb von"),
        (root.display().to_string(), "Ordner dieses Mandanten liegen unterhalb von"),
        (format!("{}/../blobs", root.display()), ".."),
        ("bauamt".to_owned(), "is not absolute"),
        (root.join("adorf/fehlt").display().to_string(), "nicht vorhanden"),
    ] {
        let answer = desk.post(&new, &folder(&path)).await;
        assert!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.text().contains(said),
            "{path}: {}",
            answer.text()
        );
    }
    let good = root.join("adorf/bauamt");
    let here = place(&desk.post(&new, &folder(&good.display().to_string())).await);
    let tried = desk.post(&format!("{here}/pruefen"), "").await.text();
    assert!(tried.contains("Probe anlegen und wieder entfernen"), "{tried}");
    let visible = std::fs::read_dir(&good)
        .unwrap()
        .flatten()
        .filter(|e| !e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(visible.count(), 0, "the probe left nothing");
    std::fs::remove_dir_all(&good).unwrap();
    let tried = desk.post(&format!("{here}/pruefen"), "").await.text();
    assert!(tried.contains("nicht vorhanden") && tried.contains("Handeln muss"), "{tried}");
    // Without a release by the operator nobody names folders at all.
    let open: Vec<Arc<dyn Channel>> = vec![Arc::new(HotFolder::new())];
    let open = Desk {
        node: bed.node_with(open).await,
        admin: admin(&bed, &bed.a, "zweite", "Zita Zweite").await,
        bed: &bed,
    };
    let answer = open.post(&new, &folder("/tmp")).await;
    assert!(answer.text().contains("noch kein Verzeichnis freigegeben"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sets_up_and_tries() {
    let bed = Bed::new().await;
    let node = real(&bed, true).await;
    let site = WebhookSite::start(SECRET.as_bytes()).await.unwrap();
    let token = service(&bed.hub, bed.a.tenant, "einrichter", Role::TenantAdmin).await;
    let base = format!("/api/v1/tenants/{}/connectors", bed.a.tenant);
    let send = async |method: &str, path: &str, body: Value, token: &str| {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let request =
            request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
        ask(&node.router, request).await
    };
    let config =
        json!({ "url": site.url(), "part_base_url": "http://hub.example/api/v1", "allow_private": true });
    let new = json!({ "kind": "webhook", "name": "Bau", "config": config, "secret": SECRET });
    let made = send("POST", &base, new.clone(), &token).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(made.json()["has_secret"] == true && !made.text().contains(SECRET), "{}", made.text());
    let checked = send("POST", &format!("{base}/{id}/check"), Value::Null, &token).await.json();
    assert_eq!(checked, json!({ "works": true }));
    site.breaks_always(WebhookFault::Status(410));
    let checked = send("POST", &format!("{base}/{id}/check"), Value::Null, &token).await.json();
    assert_eq!((&checked["works"], &checked["code"]), (&json!(false), &json!("PST-WEBHOOK-3003")));
    let off = json!({ "version": 1, "active": false });
    let changed = send("PUT", &format!("{base}/{id}"), off.clone(), &token).await;
    assert_eq!(
        (changed.status, &changed.json()["active"]),
        (StatusCode::OK, &json!(false)),
        "{}",
        changed.text()
    );
    let late = send("PUT", &format!("{base}/{id}"), off, &token).await;
    assert_eq!((late.status, &late.json()["code"]), (StatusCode::CONFLICT, &json!("PST-CONNECTOR-0003")));
    // The secret stayed what it was.
    site.heal();
    assert_eq!(send("POST", &format!("{base}/{id}/check"), Value::Null, &token).await.json()["works"], true);
    for other in [&bed.b.reader, &bed.a.reader] {
        assert_eq!(send("POST", &base, new.clone(), other).await.status, StatusCode::NOT_FOUND);
    }
    let mut tx = bed.hub.db().read(Scope::Tenant(bed.a.tenant)).await.unwrap();
    assert_eq!(tenants::connectors(&mut tx, bed.a.tenant).await.unwrap().len(), 1);
}
