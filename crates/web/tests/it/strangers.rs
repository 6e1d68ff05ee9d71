// SPDX-License-Identifier: EUPL-1.2
//! A foreign tenant in which everything carries a mark, and the strangers who must not come to see it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use poststelle_hub::clock::SystemIds;
use poststelle_hub::watch::{Timers, Watch};
use poststelle_hub::writing::{Origin, Typed, Upload};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    AlarmId, ChannelKind, DeliveryState, DraftId, DraftPartId, Fault, HoldCause, HoldState, MessageId,
    PrincipalId, Reason, Role, TenantId,
};
use poststelle_store::desk::DeskItem;
use poststelle_store::quarantine::{self, Hold};
use poststelle_store::{Scope, access, evidence, tenants};
use sqlx::{AnyPool, AssertSqlSafe, Column, Row};
use uuid::Uuid;

use crate::bed::{Bed, Does, Side, person, service, who};

/// In every text that is planted in the foreign tenant.
pub const MARK: &str = "zebra";

/// What a place in a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tenant,
    Message,
    Delivery,
    /// What lies on a desk.
    Item,
    Desk,
    Alarm,
    Rule,
    Connector,
    /// What a rule does, as its form says it.
    Action,
    Mailbox,
    /// Somebody who works there; a colleague of theirs; a program.
    Person,
    Colleague,
    Service,
    /// Somebody's absence.
    Deputy,
    /// A desk as administrators change it.
    Korb,
    Draft,
    /// An attachment of a draft.
    DraftPart,
    /// The same of a client.
    ApiDraft,
    ApiDraftPart,
    /// A text written again and again; the same for clients.
    TextBlock,
    ApiTextBlock,
    /// A box to write from, with its tenant.
    Sender,
    /// A page begins after this message.
    Cursor,
    /// A client's idempotency key.
    Key,
    /// A sign-in name.
    Login,
    /// A word to look for.
    Word,
}

/// Values of one kind: of the callers' tenant, of the foreign one, and of nobody.
pub type Values = [String; 3];

/// The same id with another last digit: nobody's, and in the same place of every order.
fn nobodys(id: impl std::fmt::Display) -> String {
    let id: Uuid = id.to_string().parse().unwrap();
    Uuid::from_u128(id.as_u128() ^ 1).to_string()
}

pub struct World {
    pub bed: Bed,
    pub callers: Vec<Caller>,
    /// The foreign tenant's own: page and API.
    pub owners: [Caller; 2],
    pub values: BTreeMap<&'static str, Values>,
    pub version: i64,
    pub draft_version: i64,
    /// Ids of the foreign tenant's things and people.
    pub ids: Vec<String>,
}

pub struct Caller {
    pub name: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub csrf: String,
}

/// Holds the attachment of a foreign message back, which is processed by now.
async fn hold(bed: &Bed, tenant: TenantId, message: MessageId) {
    let at = bed.hub.clock().now();
    let held = Hold {
        tenant,
        message,
        part: 2,
        cause: HoldCause::Infected,
        note: "{\"code\":\"malware\",\"params\":{\"signature\":\"Zebra\"}}".to_owned(),
        state: HoldState::Held,
        next_check: at,
        proposed_by: None,
        words: "zebra".to_owned(),
        decided_by: None,
        held_at: at,
        changed_at: at,
        version: 1,
    };
    let mut tx = bed.hub.db().begin(Scope::Tenant(tenant)).await.unwrap();
    quarantine::insert(&mut tx, &[held]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn signed_in(bed: &Bed, name: &'static str, who: PrincipalId) -> Caller {
    let (cookie, csrf) = bed.session(who).await;
    Caller { name, headers: vec![("cookie", cookie)], csrf }
}

fn client(name: &'static str, token: &str) -> Caller {
    Caller { name, headers: vec![("authorization", format!("Bearer {token}"))], csrf: String::new() }
}

/// A mail with the mark in every place that people see.
fn marked_mail() -> Vec<u8> {
    [
        "From: \"Zacharias Zebra\" <zebra@geheim.example>\r\nTo: post@zebra.example\r\n",
        "Subject: Zebra-Bauantrag\r\nMessage-ID: <zebra-1@geheim.example>\r\nMIME-Version: 1.0\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nZebra im Text\r\n",
        "--b\r\nContent-Type: text/plain; name=\"zebra.txt\"\r\nContent-Disposition: attachment\r\n\r\nzebra\r\n",
        "--b\r\nContent-Type: image/gif; name=\"zebra.gif\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\r\n",
        "--b--\r\n",
    ]
    .concat()
    .into_bytes()
}

async fn raise(bed: &Bed, side: &Side) -> AlarmId {
    let id = AlarmId::new(&SystemIds);
    let mut tx = bed.hub.db().begin(Scope::Tenant(side.tenant)).await.unwrap();
    let reason = Reason::new("PST-HUB-0004", Fault::Operator).with("count", 1);
    evidence::raise_alarm(&mut tx, side.tenant, id, "balance", &reason, bed.hub.clock().now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// The one rule of a tenant.
async fn rule_of(bed: &Bed, side: &Side) -> String {
    let mut tx = bed.hub.db().read(Scope::Tenant(side.tenant)).await.unwrap();
    tenants::rules(&mut tx, side.tenant).await.unwrap()[0].id.to_string()
}

/// What waits for a person lies on the clearing desk.
async fn on_desk(bed: &Bed, side: &Side, message: MessageId) -> DeskItem {
    let view = bed.hub.message_view_unchecked(side.tenant, message).await.unwrap();
    view.desk_items.into_iter().next().unwrap()
}

async fn access_of(bed: &Bed, principal: PrincipalId) -> poststelle_model::Access {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    access::access(&mut tx, principal, bed.hub.clock().now()).await.unwrap()
}

/// A draft with an attachment that is still to come, its version and the attachment.
async fn plant_draft(bed: &Bed, side: &Side, author: PrincipalId, word: &str) -> (DraftId, i64, DraftPartId) {
    let hub = &bed.hub;
    let access = access_of(bed, author).await;
    let origin = Origin::Box(side.mailbox);
    let draft = hub.begin_draft(&access, side.tenant, origin).await.unwrap();
    let typed = Typed {
        recipients: format!("{word}@aussen.example"),
        subject: format!("{word}-Entwurf"),
        text: word.to_owned(),
        ..Typed::default()
    };
    hub.save_draft(&access, side.tenant, draft.id, draft.version, &typed).await.unwrap();
    let upload =
        Upload { name: format!("{}.pdf", word.to_lowercase()), media_type: "application/pdf".to_owned() };
    let (draft, part) = hub.announce(&access, side.tenant, draft.id, &upload, 5).await.unwrap();
    (draft.id, draft.version, part)
}

impl World {
    /// The version an owner has before them when they come to this path.
    pub fn version_for(&self, path: &str) -> i64 {
        match path {
            "/entwuerfe/{tenant}/{draft}" => self.draft_version,
            "/textbausteine/{tenant}/{block}" => 1,
            "/entwuerfe/{tenant}/{draft}/loeschen" => self.draft_version + 2,
            "/verwaltung/{tenant}/regeln/{rule}" => 0,
            "/verwaltung/{tenant}/regeln" | "/verwaltung/{tenant}/ziele/{connector}" => 1,
            "/quarantaene/{tenant}/{id}/{held}" => 1,
            _ => self.version,
        }
    }

    /// What a form says after the places.
    pub fn fields_for(&self, path: &str) -> String {
        let fields = match path {
            "/konto/vertretung" => "von=2026-08-03&bis=2026-08-04",
            "/textbausteine/{tenant}" => "name=Zebra-Erster",
            "/textbausteine/{tenant}/{block}" => "name=Zebra-Zweiter",
            "/verwaltung/{tenant}/personen" => "name=Neu&login=neu-hier&art=person&rolle=clerk",
            "/verwaltung/{tenant}/personen/{person}" => "schritt=oeffnen",
            "/verwaltung/{tenant}/koerbe" | "/verwaltung/{tenant}/postfaecher" => "name=Neu",
            "/verwaltung/{tenant}/koerbe/{korb}" => "schritt=dient",
            "/verwaltung/{tenant}/postfaecher/{postfach}" => "schritt=vier-augen",
            "/verwaltung/{tenant}/regeln" => {
                return format!("schritt=aus&regel={}", self.value(Kind::Rule, 1));
            }
            "/verwaltung/{tenant}/regeln/{rule}" => "name=Nachtregel&art=cel&cel=true&aktion=clearing",
            "/quarantaene/{tenant}/{id}/{held}" => "art=propose&grund=Fehlalarm",
            "/verwaltung/{tenant}/ziele/{connector}" => "name=Ablage&adresse=https://fach.example/&aktiv=ja",
            _ => "",
        };
        fields.to_owned()
    }

    /// What a JSON body says beside the places.
    pub fn members_for(&self, path: &str) -> Vec<String> {
        let administration = match path.strip_prefix("/api/v1/tenants/{tenant}").unwrap_or_default() {
            "/people" => "\"login\":\"neu-dort\",\"name\":\"Neu\"",
            "/people/{person}" => "\"active\":true",
            "/people/{person}/grants" => "\"role\":\"auditor\",\"granted\":true",
            "/people/{person}/tokens" => "\"name\":\"erstes\",\"days\":3",
            "/deputies" => "\"from\":\"2026-08-03\",\"until\":\"2026-08-04\"",
            "/desks" | "/mailboxes" => "\"name\":\"Neu dort\"",
            "/desks/{desk}" => "\"serves\":true",
            "/mailboxes/{mailbox}" => "\"four_eyes\":false",
            "/mailboxes/{mailbox}/addresses" => "\"address\":\"zweites-zebra@zebra.example\"",
            _ => "",
        };
        if !administration.is_empty() {
            return vec![administration.to_owned()];
        }
        let later = "\"at\":\"2026-12-24T12:00:00Z\"".to_owned();
        let subject = "\"recipients\":\"zebra@aussen.example\",\"subject\":\"Bescheid\"".to_owned();
        let version = |n: i64| format!("\"version\":{n}");
        if path.contains("text-blocks") {
            // Each path its own name: a name is there once.
            let name = if path.ends_with("{block}") { "Zebra-Gruß" } else { "Zebra-Neu" };
            return vec![format!("\"name\":\"{name}\",\"text\":\"Zebra\""), version(1)];
        }
        if path.ends_with("/hold") {
            return vec!["\"act\":\"agree\"".to_owned(), version(2)];
        }
        // Prepared, released; and a connector after the page changed it.
        match path.strip_prefix("/api/v1/tenants/{tenant}/") {
            Some("rules") => return vec![version(2), "\"rules\":[]".to_owned()],
            Some("rules/release") => return vec![version(3), "\"released\":1".to_owned()],
            Some("rules/test") => return vec!["\"latest\":5".to_owned()],
            Some("connectors") => {
                let whole =
                    "\"kind\":\"webhook\",\"name\":\"Zebra\",\"config\":{},\"secret\":\"0123456789abcdef\"";
                return vec![whole.to_owned()];
            }
            Some("connectors/{connector}") => return vec![version(2), "\"active\":true".to_owned()],
            _ => {}
        }
        // Saved, attached, detached, sent later, taken back.
        match path.strip_prefix("/api/v1/drafts/{tenant}/{draft}") {
            Some("") => vec![version(self.draft_version), subject],
            Some("/send") => vec![version(self.draft_version + 3), later],
            Some("/withdraw") => vec![version(self.draft_version + 4)],
            _ if path == "/api/v1/drafts" => Vec::new(),
            _ => vec![version(self.version)],
        }
    }

    pub async fn new() -> Self {
        let bed = Bed::new().await;
        let (a, b) = (&bed.a, &bed.b);
        let hub = &bed.hub;
        *bed.far.does.lock().unwrap() = Does::NeedsAPerson;
        let own_connector = bed.connector(a, "Bauamt", "Bauantrag").await;
        let connector = bed.connector(b, "Zebraziel", "Zebra").await;
        let (own_rule, rule) = (rule_of(&bed, a).await, rule_of(&bed, b).await);
        let mailbox = hub.add_mailbox(b.tenant, "Zebrapostfach", &who()).await.unwrap();
        hub.add_address(b.tenant, b.mailbox, ChannelKind::Mail, "post@zebra.example", &who()).await.unwrap();
        let desk = hub.add_desk(b.administration, "Zebrakorb", &[b.tenant], &who()).await.unwrap();
        let worker = person(hub, "zebra", "Zoe Zebra", Some(b.administration)).await;
        let place_b = Place::Tenant { tenant: b.tenant };
        hub.grant(worker, Grant { role: Role::TenantAdmin, place: place_b }, &who()).await.unwrap();

        let own = bed.accept(a, b"From: a@b.example\r\nSubject: Bauantrag\r\n\r\nText\r\n").await;
        let message = bed.accept(b, &marked_mail()).await;
        let own_delivery = bed.stands(a.tenant, own, DeliveryState::Parked).await;
        let delivery = bed.stands(b.tenant, message, DeliveryState::Parked).await;
        hold(&bed, b.tenant, message).await;
        let (own_item, item) = (on_desk(&bed, a, own).await, on_desk(&bed, b, message).await);
        // A message of the foreign tenant's client under a key of its own.
        let fach = service(hub, b.tenant, "zebra-fach", Role::Intake).await;
        let handed = Request::post("/api/v1/messages")
            .header("authorization", format!("Bearer {fach}"))
            .header("idempotency-key", "zebra-schluessel")
            .body(Body::from("From: zebra@geheim.example\r\nSubject: zebra\r\n\r\nzebra\r\n"))
            .unwrap();
        let handed = bed.ask(handed).await.json()["message"].as_str().unwrap().to_owned();
        bed.processed(b.tenant, handed.parse().unwrap()).await;
        let (own_alarm, alarm) = (raise(&bed, a).await, raise(&bed, b).await);
        Watch::new(hub.clone(), Timers::default()).sequence_all().await.unwrap();

        // Sessions and tokens that were good once.
        let expired = signed_in(&bed, "an expired session of theirs", worker).await;
        let short = hub.add_principal("kurz", "Kurz", "service", None, None, &who()).await.unwrap();
        hub.grant(short, Grant { role: Role::Clerk, place: place_b }, &who()).await.unwrap();
        let short = hub.create_token(short, b.tenant, "t", Duration::from_secs(60), &who()).await.unwrap();
        let gone = hub.add_administration("frueher", "Amt Früher", &who()).await.unwrap();
        hub.give_mandate(b.tenant, gone, &who()).await.unwrap();
        let former = person(hub, "frueher", "Frieda Früher", Some(gone)).await;
        hub.grant(former, Grant { role: Role::Clerk, place: place_b }, &who()).await.unwrap();
        bed.clock.advance(Duration::from_secs(9 * 3600));
        hub.give_mandate(b.tenant, b.administration, &who()).await.unwrap();
        let revoked = person(hub, "entzogen", "Emil Entzogen", Some(b.administration)).await;
        let grant = Grant { role: Role::Clerk, place: place_b };
        hub.grant(revoked, grant, &who()).await.unwrap();
        hub.revoke(revoked, grant, &who()).await.unwrap();

        // People who are somebody elsewhere.
        let desk_a = hub.add_desk(a.administration, "Bauamt", &[a.tenant], &who()).await.unwrap();
        let mut somebody = Vec::new();
        for (name, login, role, place) in [
            ("an administrator of A", "verwaltung", Role::TenantAdmin, Place::Tenant { tenant: a.tenant }),
            ("a clerk of a desk of A", "korb", Role::Clerk, Place::Desk { tenant: a.tenant, desk: desk_a }),
            (
                "a clerk of a box of A",
                "fach",
                Role::Clerk,
                Place::Mailbox { tenant: a.tenant, mailbox: a.mailbox },
            ),
            ("an auditor of A", "pruefung", Role::Auditor, Place::Tenant { tenant: a.tenant }),
            // Names of theirs in a grant of A open nothing.
            ("a clerk of A at their desk", "fremd", Role::Clerk, Place::Desk { tenant: a.tenant, desk }),
            (
                "a clerk of A at their box",
                "fremd2",
                Role::Clerk,
                Place::Mailbox { tenant: a.tenant, mailbox },
            ),
        ] {
            let id = person(hub, login, "Jemand", Some(a.administration)).await;
            hub.grant(id, Grant { role, place }, &who()).await.unwrap();
            somebody.push((name, id));
        }
        let third = hub.add_tenant("cehagen", "Gemeinde Cehagen", &who()).await.unwrap();
        hub.give_mandate(third, a.administration, &who()).await.unwrap();
        let neighbour = person(hub, "nachbar", "Nora Nachbarin", Some(a.administration)).await;
        let place = Place::Tenant { tenant: third };
        hub.grant(neighbour, Grant { role: Role::Clerk, place }, &who()).await.unwrap();
        somebody.extend([
            ("a clerk of a third tenant", neighbour),
            ("the operator", bed.operator),
            ("a clerk whose Amt lost the mandate", former),
            ("a clerk whose role was taken back", revoked),
        ]);
        // Away in summer, on both sides.
        let zenta = person(hub, "zenta", "Zenta Zebra", Some(b.administration)).await;
        hub.grant(zenta, Grant { role: Role::Clerk, place: place_b }, &who()).await.unwrap();
        let own_person = somebody[3].1;
        let mut deputies = Vec::new();
        for (away, deputy) in [(own_person, a.clerk), (zenta, worker)] {
            let mut tx = hub.db().read(Scope::System).await.unwrap();
            let access = access::access(&mut tx, away, hub.clock().now()).await.unwrap();
            tx.rollback().await.unwrap();
            hub.set_own_deputy(&access, deputy, ("2026-06-01", "2026-06-05")).await.unwrap();
            deputies.push(hub.own_deputies(&access).await.unwrap().deputies[0].id);
        }
        let mut tx = hub.db().read(Scope::System).await.unwrap();
        let mut programs = Vec::new();
        for login in ["fachverfahren-adorf", "zebra-fach"] {
            programs.push(access::by_login(&mut tx, login).await.unwrap().unwrap().id);
        }
        tx.rollback().await.unwrap();
        let mut callers = vec![
            Caller { name: "nobody", headers: vec![], csrf: String::new() },
            expired,
            client("an expired token of theirs", short.reveal()),
            client("a client of A that reads", &a.reader),
            client("a client of A that hands in", &a.intake),
            client("a client of A that handles", &service(hub, a.tenant, "handelt", Role::Clerk).await),
            client(
                "a client of A that administers",
                &service(hub, a.tenant, "waltet", Role::TenantAdmin).await,
            ),
        ];
        for (name, id) in somebody {
            callers.push(signed_in(&bed, name, id).await);
        }
        let handles =
            hub.add_principal("zebra-handelt", "Zebra", "service", None, None, &who()).await.unwrap();
        hub.grant(handles, Grant { role: Role::TenantAdmin, place: place_b }, &who()).await.unwrap();
        let token =
            hub.create_token(handles, b.tenant, "t", Duration::from_secs(86_400), &who()).await.unwrap();
        let owners = [
            signed_in(&bed, "their own administrator", worker).await,
            client("their own client", token.reveal()),
        ];
        let own_box = a.mailbox.to_string();
        hub.add_address(a.tenant, a.mailbox, ChannelKind::Mail, "post@adorf.example", &who()).await.unwrap();
        let (own_draft, _, own_part) = plant_draft(&bed, a, a.clerk, "Eigen").await;
        let (draft, draft_version, part) = plant_draft(&bed, b, worker, "Zebra").await;
        let (api_draft, _, api_part) = plant_draft(&bed, b, handles, "Zebra").await;
        let mut blocks = BTreeMap::new();
        for (side, author) in [(a, a.clerk), (b, worker)] {
            let access = access_of(&bed, author).await;
            let (of, text) = if side.tenant == b.tenant { ("Zebra", "zebra") } else { ("Eigen", "eigen") };
            for name in ["Kopf", "Fuß"] {
                let named = format!("{of}-{name}");
                let block = hub.put_text_block(&access, side.tenant, None, &named, text).await.unwrap();
                blocks.insert((side.tenant, name), block.id.to_string());
            }
        }
        let block = |side: &Side, name| blocks[&(side.tenant, name)].clone();
        let sender = |side: &Side| format!("{}/{}", side.tenant, side.mailbox);
        let values = BTreeMap::from([
            ("Tenant", [a.tenant.to_string(), b.tenant.to_string(), nobodys(b.tenant)]),
            ("Message", [own.to_string(), message.to_string(), nobodys(message)]),
            ("Cursor", [own.to_string(), message.to_string(), nobodys(message)]),
            ("Delivery", [own_delivery.id.to_string(), delivery.id.to_string(), nobodys(delivery.id)]),
            ("Item", [own_item.delivery.to_string(), item.delivery.to_string(), nobodys(item.delivery)]),
            ("Desk", [own_item.desk.to_string(), item.desk.to_string(), nobodys(item.desk)]),
            ("Alarm", [own_alarm.to_string(), alarm.to_string(), nobodys(alarm)]),
            ("Rule", [own_rule.clone(), rule.clone(), nobodys(&rule)]),
            ("Connector", [own_connector.to_string(), connector.to_string(), nobodys(connector)]),
            (
                "Action",
                [
                    format!("desk:{}", own_item.desk),
                    format!("desk:{desk}"),
                    format!("desk:{}", nobodys(desk)),
                ],
            ),
            ("Draft", [own_draft.to_string(), draft.to_string(), nobodys(draft)]),
            ("DraftPart", [own_part.to_string(), part.to_string(), nobodys(part)]),
            ("ApiDraft", [own_draft.to_string(), api_draft.to_string(), nobodys(api_draft)]),
            ("ApiDraftPart", [own_part.to_string(), api_part.to_string(), nobodys(api_part)]),
            ("TextBlock", [block(a, "Kopf"), block(b, "Kopf"), nobodys(draft)]),
            ("ApiTextBlock", [block(a, "Fuß"), block(b, "Fuß"), nobodys(draft)]),
            ("Sender", [sender(a), sender(b), format!("{}/{}", nobodys(b.tenant), nobodys(b.mailbox))]),
            ("Person", [own_person.to_string(), zenta.to_string(), nobodys(zenta)]),
            ("Colleague", [a.clerk.to_string(), worker.to_string(), nobodys(worker)]),
            ("Service", [programs[0].to_string(), programs[1].to_string(), nobodys(programs[1])]),
            ("Deputy", [deputies[0].to_string(), deputies[1].to_string(), nobodys(deputies[1])]),
            ("Korb", [desk_a.to_string(), desk.to_string(), nobodys(desk)]),
            ("Mailbox", [own_box, mailbox.to_string(), nobodys(mailbox)]),
            ("Key", ["eigener-schluessel".into(), "zebra-schluessel".into(), "niemandes-schluessel".into()]),
            ("Word", ["bauantrag".into(), "zebra".into(), "yeti1".into()]),
            ("Login", ["verwaltung".into(), "zebra".into(), "niemand".into()]),
        ]);
        let ids = [
            b.tenant.to_string(),
            b.mailbox.to_string(),
            b.clerk.to_string(),
            worker.to_string(),
            zenta.to_string(),
            programs[1].to_string(),
            deputies[1].to_string(),
            connector.to_string(),
            rule,
            mailbox.to_string(),
            desk.to_string(),
            message.to_string(),
            delivery.id.to_string(),
            item.delivery.to_string(),
            item.desk.to_string(),
            handed,
            alarm.to_string(),
            draft.to_string(),
            part.to_string(),
            api_draft.to_string(),
            api_part.to_string(),
            block(b, "Kopf"),
            block(b, "Fuß"),
        ];
        Self { callers, owners, values, version: delivery.version, draft_version, ids: ids.to_vec(), bed }
    }

    /// All rows of the foreign tenant in every table that has some, as text.
    #[allow(clippy::disallowed_methods, reason = "rows are read past the store's own walls")]
    pub async fn rows(&self) -> Vec<String> {
        let url = format!("sqlite://{}", self.bed.dir.path().join("hub.db").display());
        let pool = AnyPool::connect(&url).await.unwrap();
        let tables = "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p \
            WHERE m.type = 'table' AND (p.name = 'tenant_id' OR (m.name = 'tenants' AND p.name = 'id'))";
        let tables = sqlx::query(tables).fetch_all(&pool).await.unwrap();
        assert!(tables.len() > 20, "{}", tables.len());
        let mut all = Vec::new();
        for table in tables {
            let (table, column): (String, String) = (table.get(0), table.get(1));
            let b = self.bed.b.tenant;
            let select = format!("SELECT * FROM {table} WHERE {column} = '{b}'");
            for row in sqlx::query(AssertSqlSafe(select)).fetch_all(&pool).await.unwrap() {
                let cell = |i: usize| match row.try_get::<i64, _>(i) {
                    Ok(number) => number.to_string(),
                    Err(_) => row.get::<String, _>(i),
                };
                let cells: Vec<String> = row
                    .columns()
                    .iter()
                    .enumerate()
                    .map(|(i, c)| format!("{}={}", c.name(), cell(i)))
                    .collect();
                all.push(format!("{table}: {}", cells.join(", ")));
            }
        }
        // Accounts and absences have no tenant: those of its people.
        let home = self.bed.b.administration;
        for table in [
            format!(
                "SELECT id, login, name, password_hash, active, wrapped_totp, version FROM principals WHERE administration_id = '{home}' OR login LIKE 'zebra%'"
            ),
            format!(
                "SELECT v.id, v.principal_id, v.deputy_id, CAST(v.ends_at AS TEXT) FROM deputies v JOIN principals p ON p.id = v.principal_id WHERE p.administration_id = '{home}'"
            ),
        ] {
            for row in sqlx::query(AssertSqlSafe(table)).fetch_all(&pool).await.unwrap() {
                let cell = |i: usize| match row.try_get::<i64, _>(i) {
                    Ok(number) => number.to_string(),
                    Err(_) => row.get::<String, _>(i),
                };
                all.push((0..row.columns().len()).map(cell).collect::<Vec<_>>().join(", "));
            }
        }
        pool.close().await;
        all.sort_unstable();
        all
    }

    pub fn value(&self, kind: Kind, which: usize) -> &str {
        &self.values[format!("{kind:?}").as_str()][which]
    }
}
