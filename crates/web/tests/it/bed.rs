// SPDX-License-Identifier: EUPL-1.2
//! A hub with two tenants and their people, a far side that does as it is told, and a way to ask the hub.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use futures::StreamExt;
use poststelle_channels::mail::{MailFormat, MailLetters, MailNotices};
use poststelle_crypto::keys::RootKey;
use poststelle_hub::channel::{
    Channel, ChannelError, Confirms, Cx, Descriptor, IdempotencyKey, Outgoing, SendOutcome,
};
use poststelle_hub::clock::SystemIds;
use poststelle_hub::inspecting::NoKeys;
use poststelle_hub::people::LocalAccounts;
use poststelle_hub::{Engine, Hub, Limits, NewIntake, Parts};
use poststelle_inspect::Station;
use poststelle_model::message::Transport;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    Action, AdministrationId, ChannelKind, ConnectorId, DeliveryState, Direction, Fault, MailboxId,
    ManualClock, MessageId, PrincipalId, Reason, Role, Rule, RuleId, Target, TenantId, Timestamp, Who,
};
use poststelle_store::blob::DiskStore;
use poststelle_store::keys::Keys;
use poststelle_store::messages::Delivery;
use poststelle_store::{Db, DbConfig, Scope, messages, migrate};
use poststelle_web::{BuildInfo, WebConfig, router};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

pub const PASSWORD: &str = "ein-langes-Passwort";

pub struct Bed {
    pub dir: TempDir,
    pub hub: Arc<Hub>,
    pub clock: Arc<ManualClock>,
    pub router: Router,
    pub a: Side,
    pub b: Side,
    pub operator: PrincipalId,
    /// Where deliveries to connectors go.
    pub far: Arc<FarSide>,
    _stop: watch::Sender<bool>,
}

/// What the far side does with the next delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Takes,
    Refuses,
    /// No answer after the last octet.
    Vanishes,
    /// Nothing goes on before a person acts.
    NeedsAPerson,
}

/// A connector's far side.
pub struct FarSide {
    pub does: Mutex<Does>,
    /// Of each call: attempt, and whether it is marked as possibly repeated.
    pub calls: Mutex<Vec<(i64, bool)>>,
}

#[async_trait]
impl Channel for FarSide {
    fn describe(&self) -> Descriptor {
        Descriptor {
            name: "webhook",
            title: "Fachverfahren",
            max_size: u64::MAX,
            confirms: Confirms::AtOnce,
            idempotent: false,
            parallel: 1,
        }
    }

    async fn check(&self, _: &Cx, _: &serde_json::Value) -> Result<(), ChannelError> {
        Ok(())
    }

    async fn send(&self, _: &Cx, out: &Outgoing, _: &IdempotencyKey) -> Result<SendOutcome, ChannelError> {
        self.calls.lock().unwrap().push((out.attempt, out.maybe_repeated));
        let reason = || {
            Reason::new("PST-WEBHOOK-3001", Fault::Tenant).with("host", "fach.example").with("status", 410)
        };
        match *self.does.lock().unwrap() {
            Does::Takes => Ok(SendOutcome::Accepted { receipt: None, foreign_id: String::new() }),
            Does::Refuses => Ok(SendOutcome::Rejected { reason: reason(), receipt: None }),
            Does::Vanishes => {
                let reason = Reason::new("PST-DELIVER-0005", Fault::Remote);
                Ok(SendOutcome::Unclear { reason, receipt: None })
            }
            Does::NeedsAPerson => Err(ChannelError::never(reason())),
        }
    }
}

/// One node: the house and its doors.
pub struct Node {
    pub hub: Arc<Hub>,
    pub router: Router,
}

/// One tenant and its people.
pub struct Side {
    pub tenant: TenantId,
    /// Who works for it.
    pub administration: AdministrationId,
    pub mailbox: MailboxId,
    pub clerk: PrincipalId,
    /// Token of an intake client.
    pub intake: String,
    /// Token of a client that may read.
    pub reader: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub octets: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.octets).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Cookie pair of a `Set-Cookie`.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl Bed {
    pub async fn new() -> Self {
        Self::with(Limits::default(), false).await
    }

    pub async fn with(limits: Limits, secure: bool) -> Self {
        Self::build(limits, secure, DbConfig::new("").acquire).await
    }

    /// With a node that waits this long for the database.
    pub async fn build(limits: Limits, secure: bool, acquire: Duration) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::parse_rfc3339("2026-03-02T08:00:00Z").unwrap()));
        let far = Arc::new(FarSide { does: Mutex::new(Does::Takes), calls: Mutex::default() });
        let db = Db::open(&DbConfig::new(&url(&dir))).await.unwrap();
        migrate::migrate(&db, None).await.unwrap();
        db.close().await;
        let Node { hub, router } = node(&dir, &clock, &far, limits, secure, acquire).await;
        hub.found_system().await.unwrap();
        let a = side(&hub, "adorf", "Gemeinde Adorf").await;
        let b = side(&hub, "bestadt", "Stadt Bestadt").await;
        let operator = person(&hub, "betrieb", "Olga Operator", None).await;
        hub.grant(operator, Grant { role: Role::Operator, place: Place::Installation }, &who())
            .await
            .unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Arc::new(Engine::new(Arc::clone(&hub))).run(stopped));
        Self { dir, hub, clock, router, a, b, operator, far, _stop: stop }
    }

    /// Another node on the same database, which only shows pages.
    pub async fn second_node(&self) -> Node {
        node(&self.dir, &self.clock, &self.far, Limits::default(), false, DbConfig::new("").acquire).await
    }

    /// Another node on the same database, with these ways of handing over.
    pub async fn node_with(&self, channels: Vec<Arc<dyn Channel>>) -> Node {
        let channels = channels.into_iter().map(|c| (c.describe().name, c)).collect();
        let acquire = DbConfig::new("").acquire;
        node_with(&self.dir, &self.clock, channels, Limits::default(), false, acquire).await
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        ask(&self.router, request).await
    }

    /// GET with headers.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// GET with a session.
    pub async fn see(&self, path: &str, cookie: &str) -> Answer {
        self.get(path, &[("cookie", cookie)]).await
    }

    /// POST of a form from a given address.
    pub async fn post(&self, path: &str, peer: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(form.to_owned())).unwrap();
        let peer: std::net::SocketAddr = format!("{peer}:40000").parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        self.ask(request).await
    }

    /// A session as cookie pair and its form token.
    pub async fn session(&self, who: PrincipalId) -> (String, String) {
        let session = self.hub.open_session(who, "test").await.unwrap();
        (format!("poststelle={}", session.token.reveal()), session.csrf)
    }

    /// A mail accepted over SMTP and processed.
    pub async fn mail(&self, side: &Side, octets: &[u8]) -> MessageId {
        let id = self.accept(side, octets).await;
        self.processed(side.tenant, id).await;
        id
    }

    /// A mail accepted over SMTP.
    pub async fn accept(&self, side: &Side, octets: &[u8]) -> MessageId {
        let new = NewIntake {
            channel: ChannelKind::Mail,
            direction: Direction::In,
            addressed: BTreeMap::from([(side.tenant, vec![side.mailbox])]),
            recipients: BTreeMap::from([(side.tenant, vec!["post@adorf.example".to_owned()])]),
            transport: Transport { sender: "mueller@example.org".to_owned(), ..Transport::default() },
            foreign_id: String::new(),
            announced: None,
            who: Who::house("smtp"),
        };
        let mut intake = self.hub.accept(new).await.unwrap();
        intake.push(&self.hub, octets).await.unwrap();
        let accepted = intake.finish(&self.hub).await.unwrap();
        accepted[0].message
    }

    /// Waits until a message is processed and laid down.
    pub async fn processed(&self, tenant: TenantId, id: MessageId) {
        until(async || {
            let view = self.hub.message_view_unchecked(tenant, id).await.unwrap();
            let done = view.inspection.is_some() && view.waiting.is_empty();
            if done { Ok(()) } else { Err(format!("message {id} was not processed")) }
        })
        .await;
    }

    /// A connector to the far side, and a rule that sends there what has `word` in its subject.
    pub async fn connector(&self, side: &Side, name: &str, word: &str) -> ConnectorId {
        let config = serde_json::json!({ "url": "https://fach.example/" });
        let tenant = side.tenant;
        let id = self.hub.add_connector(tenant, "webhook", name, &config, None, &who()).await.unwrap();
        let rule = Rule {
            tenant,
            id: RuleId::new(&SystemIds),
            position: 1,
            name: format!("Regel für {name}"),
            condition: format!("msg.subject.contains(\"{word}\")"),
            actions: vec![Action::ToConnector { connector: id }],
            active: true,
            version: 1,
        };
        self.hub.put_rule(&rule, &who()).await.unwrap();
        // Rules are read anew after two seconds.
        self.clock.advance(Duration::from_secs(3));
        id
    }

    /// Waits until the delivery of a message to a connector stands so.
    pub async fn stands(&self, tenant: TenantId, id: MessageId, state: DeliveryState) -> Delivery {
        until(async || {
            let mut tx = self.hub.db().read(Scope::Tenant(tenant)).await.unwrap();
            let all = messages::deliveries(&mut tx, tenant, id).await.unwrap();
            match all.into_iter().find(|d| matches!(d.target, Target::Connector { .. })) {
                Some(found) if found.state == state => Ok(found),
                last => Err(format!("delivery of {id} is not {state:?} but {last:?}")),
            }
        })
        .await
    }

    /// Waits until there are `n` sealed blobs on disk.
    pub async fn until_blobs(&self, n: usize) {
        until(async || match self.blobs() {
            found if found == n => Ok(()),
            found => Err(format!("{found} blobs, not {n}")),
        })
        .await;
    }

    /// Sealed blobs on disk.
    pub fn blobs(&self) -> usize {
        let mut open = vec![self.dir.path().join("blobs")];
        let mut count = 0;
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                if entry.path().is_dir() {
                    open.push(entry.path());
                } else if !entry.file_name().to_string_lossy().starts_with('.') {
                    count += 1;
                }
            }
        }
        count
    }
}

fn url(dir: &TempDir) -> String {
    format!("sqlite://{}", dir.path().join("hub.db").display())
}

async fn node(
    dir: &TempDir,
    clock: &Arc<ManualClock>,
    far: &Arc<FarSide>,
    limits: Limits,
    secure: bool,
    acquire: Duration,
) -> Node {
    let channel: Arc<dyn Channel> = far.clone();
    let channels = HashMap::from([("webhook", channel.clone()), ("mail", channel)]);
    node_with(dir, clock, channels, limits, secure, acquire).await
}

async fn node_with(
    dir: &TempDir,
    clock: &Arc<ManualClock>,
    channels: HashMap<&'static str, Arc<dyn Channel>>,
    limits: Limits,
    secure: bool,
    acquire: Duration,
) -> Node {
    let db =
        Db::open(&DbConfig { acquire, ..DbConfig::new(&url(dir)) }).await.unwrap().with_clock(clock.clone());
    let root = RootKey::load_or_create_file(&dir.path().join("root.key")).unwrap();
    let hub = Hub::new(Parts {
        db,
        blobs: Arc::new(DiskStore::open(&dir.path().join("blobs")).unwrap()),
        keys: Keys::new(Arc::new(root)),
        clock: clock.clone(),
        ids: Arc::new(SystemIds),
        openers: vec![Arc::new(MailFormat::default())],
        channels,
        station: Arc::new(Station::plain(&std::env::temp_dir())),
        mailbox_keys: Arc::new(NoKeys),
        notices: Arc::new(MailNotices { domain: "poststelle.example".to_owned() }),
        letters: Arc::new(MailLetters { domain: "poststelle.example".to_owned() }),
        domain: "poststelle.example".to_owned(),
        node: "test".to_owned(),
        limits,
    });
    let router = router(WebConfig {
        hub: Arc::clone(&hub),
        sign_in: Arc::new(LocalAccounts),
        secure_cookies: secure,
        proxies: vec!["10.0.0.1".parse().unwrap()],
        api_per_minute: 6000,
        build: BuildInfo { version: "0.1.0".to_owned(), revision: String::new(), node: "test".to_owned() },
        pdf: crate::preview::command(),
    });
    Node { hub, router }
}

/// Asks a node.
pub async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let mut stream = body.into_data_stream();
    let mut octets = Vec::new();
    while let Some(piece) = stream.next().await {
        octets.extend_from_slice(&piece.expect("body breaks off"));
    }
    Answer { status: head.status, headers: head.headers, octets }
}

/// Asks again until there is an answer; an `Err` says what is still missing.
pub async fn until<T>(mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut missing = String::new();
    for _ in 0..2000 {
        match ask().await {
            Ok(found) => return found,
            Err(what) => missing = what,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{missing}");
}

pub fn who() -> Who {
    Who::house("test")
}

pub async fn person(hub: &Hub, login: &str, name: &str, at: Option<AdministrationId>) -> PrincipalId {
    hub.add_principal(login, name, "person", at, Some(PASSWORD), &who()).await.unwrap()
}

async fn side(hub: &Hub, slug: &str, name: &str) -> Side {
    let tenant = hub.add_tenant(slug, name, &who()).await.unwrap();
    let mailbox = hub.add_mailbox(tenant, "Post", &who()).await.unwrap();
    let administration = hub.add_administration(&format!("amt-{slug}"), "Amt", &who()).await.unwrap();
    hub.give_mandate(tenant, administration, &who()).await.unwrap();
    let clerk = person(hub, &format!("clerk-{slug}"), "Karla Klerk", Some(administration)).await;
    hub.grant(clerk, Grant { role: Role::Clerk, place: Place::Tenant { tenant } }, &who()).await.unwrap();
    let intake = service(hub, tenant, &format!("fachverfahren-{slug}"), Role::Intake).await;
    let reader = service(hub, tenant, &format!("leser-{slug}"), Role::Auditor).await;
    Side { tenant, administration, mailbox, clerk, intake, reader }
}

pub async fn service(hub: &Hub, tenant: TenantId, login: &str, role: Role) -> String {
    let id = hub.add_principal(login, "Fachverfahren", "service", None, None, &who()).await.unwrap();
    hub.grant(id, Grant { role, place: Place::Tenant { tenant } }, &who()).await.unwrap();
    let token = hub.create_token(id, tenant, "t", Duration::from_secs(86_400), &who()).await.unwrap();
    token.reveal().to_owned()
}

/// A mail with a hostile subject, HTML text and two attachments.
pub fn hostile_mail() -> Vec<u8> {
    let subject = "=?UTF-8?Q?=3Cscript=3Ealert(1)=3C=2Fscript=3E_M=C3=BCller_=26_S=C3=B6hne?=";
    [
        "From: =?UTF-8?Q?=22=3E=3Cimg_src=3Dx=3E?= <evil@example.org>\r\n",
        "To: post@adorf.example\r\n",
        &format!("Subject: {subject}\r\n"),
        "Message-ID: <m1@example.org>\r\n",
        "Date: Mon, 2 Mar 2026 08:00:00 +0100\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n",
        "<p>Guten Tag</p><script>document.location='https://evil.example'</script><img src=\"https://evil.example/x.png\">",
        "<b>&lt;iframe&gt;</b>\r\n",
        "--b\r\nContent-Type: application/pdf\r\n",
        "Content-Disposition: attachment; filename*=UTF-8''..%2F..%2FBauantrag%20M%C3%BCller.pdf\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQKJcOkw7zDtsOfCg==\r\n",
        "--b\r\nContent-Type: text/html\r\n",
        "Content-Disposition: attachment; filename=\"a\\\"b;c.html\"\r\n\r\n<script>alert(2)</script>\r\n",
        "--b--\r\n",
    ]
    .concat()
    .into_bytes()
}
