// SPDX-License-Identifier: EUPL-1.2
//! `/verwaltung/{tenant}/ziele`: where messages are handed over to, as forms for each kind, with a test that really tries.
//!
//! Guarantees: a secret is shown once, on the answer to the step that made it, and never again.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_crypto::token::Token;
use poststelle_hub::targets::{TargetText, TargetView};
use poststelle_hub::texts;
use poststelle_hub::told::Told;
use poststelle_model::{ConnectorId, TenantId, Timestamp};
use poststelle_store::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fields::Fields;
use super::{MENU, administered};
use crate::error::Refusal;
use crate::pages::tenant_id;
use crate::pages::{Frame, page};
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// A connector in the list.
struct Row {
    href: String,
    name: String,
    kind: &'static str,
    place: String,
    state: &'static str,
    colour: &'static str,
    resting: String,
    last: String,
    waiting: i64,
    parked: i64,
}

#[derive(Template)]
#[template(path = "admin_targets.html")]
struct TargetsPage {
    frame: Frame,
    here: String,
    up: String,
    tenant: String,
    notice: &'static str,
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Said {
    #[serde(default)]
    hinweis: String,
    #[serde(default)]
    art: String,
}

fn kind(word: &str) -> &'static str {
    match word {
        "hot_folder" => "Übergabeordner",
        "webhook" => "Webhook",
        _ => "anderes Ziel",
    }
}

fn notice(word: &str) -> &'static str {
    match word {
        "neu" => "Das Ziel ist angelegt. Prüfen Sie es, bevor eine Regel es benutzt.",
        "gespeichert" => "Gespeichert.",
        "an" => "Das Ziel ist eingeschaltet. Was wartet, wird jetzt übergeben.",
        "aus" => "Das Ziel ist ausgeschaltet. Übergaben dorthin warten, bis es wieder eingeschaltet wird.",
        _ => "",
    }
}

/// Where it goes, without what is nobody's business.
fn place(kind: &str, config: &Value) -> String {
    let field = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    text::line(if kind == "webhook" { field("url") } else { field("path") }, 200)
}

fn row(tenant: TenantId, view: &TargetView) -> Row {
    let c = &view.connector;
    let (state, colour) = match (c.active, &view.resting) {
        (false, _) => ("ausgeschaltet", "warning"),
        (true, Some(_)) => ("gestört", "danger"),
        (true, None) => ("eingeschaltet", "success"),
    };
    let resting = view.resting.as_ref().map(|(until, why)| {
        let why = why.as_ref().map(texts::sentence).unwrap_or_default();
        format!("Nach mehreren Fehlern pausiert die Poststelle bis {}. {why}", until.berlin())
    });
    Row {
        href: format!("{MENU}/{tenant}/ziele/{}", c.id),
        name: text::line(&c.name, 200),
        kind: kind(&c.kind),
        place: place(&c.kind, &view.config),
        state,
        colour,
        resting: resting.unwrap_or_default(),
        last: if view.last > Timestamp(0) { view.last.berlin() } else { "noch keine".to_owned() },
        waiting: view.waiting,
        parked: view.parked,
    }
}

/// `GET /verwaltung/{tenant}/ziele`.
pub(crate) async fn list(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let id = tenant_id(&tenant)?;
    let (tenant, views) = web.hub().targets(&person.signed.access, id).await?;
    let template = TargetsPage {
        frame: Frame::new(format!("Ziele – {}", tenant.name), MENU, Some(&person)),
        here: format!("{MENU}/{id}/ziele"),
        up: format!("{MENU}/{id}"),
        tenant: tenant.name,
        notice: notice(&said.hinweis),
        kinds: web.hub().connector_kinds().into_iter().map(|k| (k, kind(k))).collect(),
        rows: views.iter().map(|v| row(id, v)).collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

/// What stands in the form.
#[derive(Debug, Clone, Default)]
struct Typed {
    name: String,
    kind: String,
    path: String,
    url: String,
    base: String,
    timeout: String,
    internal: bool,
    active: bool,
}

/// What a test found.
#[derive(Default)]
struct Tried {
    done: bool,
    good: bool,
    sentence: String,
    who: String,
}

#[derive(Template)]
#[template(path = "admin_target.html")]
struct TargetPage {
    frame: Frame,
    csrf: String,
    here: String,
    list: String,
    tenant: String,
    new: bool,
    kind_name: &'static str,
    notice: &'static str,
    error: String,
    version: i64,
    has_secret: bool,
    /// Shown this once.
    secret: String,
    typed: Typed,
    tried: Tried,
    told: Vec<Told>,
}

impl Typed {
    fn of(name: &str, kind: &str, config: &Value, active: bool) -> Self {
        let field = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            path: field("path"),
            url: field("url"),
            base: field("part_base_url"),
            timeout: config.get("timeout_seconds").map_or_else(|| "30".to_owned(), ToString::to_string),
            internal: config.get("allow_private").and_then(Value::as_bool).unwrap_or(false),
            active,
        }
    }

    fn read(fields: &Fields, kind: &str) -> Self {
        let text = |name: &str| fields.one(name).trim().to_owned();
        Self {
            name: text("name"),
            kind: kind.to_owned(),
            path: text("pfad"),
            url: text("adresse"),
            base: text("schnittstelle"),
            timeout: text("wartezeit"),
            internal: fields.one("intern") == "ja",
            active: fields.one("aktiv") == "ja",
        }
    }

    fn config(&self) -> Value {
        if self.kind == "hot_folder" {
            return json!({ "path": self.path });
        }
        // What is no number is refused by the channel in its own words.
        let timeout = self.timeout.parse::<u64>().map_or_else(|_| json!(self.timeout), |n| json!(n));
        json!({
            "url": self.url,
            "part_base_url": self.base,
            "timeout_seconds": timeout,
            "allow_private": self.internal,
        })
    }
}

/// What is shown beside the form.
#[derive(Default)]
struct Beside {
    notice: &'static str,
    secret: String,
    tried: Tried,
    refused: Option<Refusal>,
}

/// A connector as the form has it: id (`None` = new), version, whether it has a secret, what was done to it.
#[derive(Default)]
struct Known {
    id: Option<ConnectorId>,
    version: i64,
    has_secret: bool,
    told: Vec<Told>,
}

fn form(
    person: &Person,
    tenant: TenantId,
    tenant_name: String,
    known: &Known,
    typed: Typed,
    beside: Beside,
) -> Response {
    let list = format!("{MENU}/{tenant}/ziele");
    let error = beside.refused.as_ref().map(Refusal::sentence).unwrap_or_default();
    let what = if known.id.is_some() { typed.name.as_str() } else { "Neues Ziel" };
    let title =
        format!("{}{} – Ziele", if error.is_empty() { "" } else { "Fehler – " }, text::line(what, 80));
    let template = TargetPage {
        frame: Frame::new(title, MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        here: format!("{list}/{}", known.id.map_or_else(|| "neu".to_owned(), |id| id.to_string())),
        list,
        tenant: tenant_name,
        new: known.id.is_none(),
        kind_name: kind(&typed.kind),
        notice: beside.notice,
        error,
        version: known.version,
        has_secret: known.has_secret,
        secret: beside.secret,
        typed,
        tried: beside.tried,
        told: known.told.clone(),
    };
    page(beside.refused.map_or(StatusCode::OK, |r| r.status), &template)
}

async fn known(
    web: &Web,
    person: &Person,
    tenant: TenantId,
    connector: &str,
) -> Result<(Known, Typed), Refusal> {
    let id: ConnectorId = connector.parse().map_err(|_| Refusal::not_found())?;
    let c = web.hub().target(&person.signed.access, tenant, id).await?;
    let config: Value = serde_json::from_str(&c.config).unwrap_or_default();
    let typed = Typed::of(&c.name, &c.kind, &config, c.active);
    let told = web.hub().target_told(&person.signed.access, tenant, id).await?;
    Ok((Known { id: Some(id), version: c.version, has_secret: !c.wrapped_secret.is_empty(), told }, typed))
}

/// The address under which far sides fetch parts, as this page was reached.
fn interface(web: &Web, headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or("localhost");
    let scheme = if web.config().secure_cookies { "https" } else { "http" };
    format!("{scheme}://{host}/api/v1")
}

/// `GET /verwaltung/{tenant}/ziele/{connector}`; `neu` with `art` is a new one.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    headers: HeaderMap,
    Path((tenant, connector)): Path<(String, String)>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let row = administered(&web, &person.signed, &tenant).await?;
    let (known, typed) = if connector == "neu" {
        let kinds = web.hub().connector_kinds();
        let kind = kinds.into_iter().find(|k| *k == said.art).ok_or_else(Refusal::not_found)?;
        let typed = Typed {
            kind: kind.to_owned(),
            base: interface(&web, &headers),
            timeout: "30".to_owned(),
            active: true,
            ..Typed::default()
        };
        (Known::default(), typed)
    } else {
        known(&web, &person, row.id, &connector).await?
    };
    let beside = Beside { notice: notice(&said.hinweis), ..Beside::default() };
    Ok(form(&person, row.id, row.name, &known, typed, beside))
}

/// `POST /verwaltung/{tenant}/ziele/{connector}`.
pub(crate) async fn save(
    State(web): State<Web>,
    person: Person,
    Path((tenant, connector)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    let fields = fields.own(&person)?;
    let row = administered(&web, &person.signed, &tenant).await?;
    let (now, old) = if connector == "neu" {
        let typed = Typed { kind: fields.one("art").to_owned(), ..Typed::default() };
        (Known::default(), typed)
    } else {
        known(&web, &person, row.id, &connector).await?
    };
    let step = fields.one("schritt");
    let typed = match step {
        "an" | "aus" => Typed { active: step == "an", ..old },
        _ => Typed::read(&fields, &old.kind),
    };
    let made = if step == "geheimnis" || fields.one("erzeugen") == "ja" {
        let token = Token::generate().map_err(StoreError::from)?;
        token.reveal().to_owned()
    } else {
        String::new()
    };
    let given = fields.one("geheimnis").trim();
    let secret = [made.as_str(), given].into_iter().find(|s| !s.is_empty()).map(|s| s.as_bytes().to_vec());
    let text = TargetText {
        name: typed.name.clone(),
        kind: typed.kind.clone(),
        config: typed.config(),
        secret: secret.filter(|_| typed.kind == "webhook" && !matches!(step, "an" | "aus")),
        active: typed.active,
    };
    let access = &person.signed.access;
    let done = match now.id {
        None => web.hub().add_target(access, row.id, &text).await.map(|id| (id, "neu")),
        Some(id) => {
            let seen = fields.number("version")?;
            let said = if matches!(step, "an" | "aus") { step } else { "gespeichert" };
            web.hub().change_target(access, row.id, id, seen, &text).await.map(|()| (id, said))
        }
    };
    match done.map_err(Refusal::from) {
        Ok((id, said)) if made.is_empty() => {
            Ok(Redirect::to(&format!("{MENU}/{}/ziele/{id}?hinweis={said}", row.id)).into_response())
        }
        Ok((id, said)) => {
            let (now, typed) = known(&web, &person, row.id, &id.to_string()).await?;
            let beside = Beside { notice: notice(said), secret: made, ..Beside::default() };
            Ok(form(&person, row.id, row.name, &now, typed, beside))
        }
        Err(refusal) if matches!(refusal.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) => {
            // What was wrong with the form says nothing about what others did meanwhile.
            let mut now = now;
            if refusal.status == StatusCode::UNPROCESSABLE_ENTITY {
                now.version = fields.number("version").unwrap_or(now.version);
            }
            let beside = Beside { refused: Some(refusal), ..Beside::default() };
            Ok(form(&person, row.id, row.name, &now, typed, beside))
        }
        Err(refusal) => Err(refusal),
    }
}

/// `POST /verwaltung/{tenant}/ziele/{connector}/pruefen`.
pub(crate) async fn check(
    State(web): State<Web>,
    person: Person,
    Path((tenant, connector)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    fields.own(&person)?;
    let row = administered(&web, &person.signed, &tenant).await?;
    let (now, typed) = known(&web, &person, row.id, &connector).await?;
    let id = now.id.ok_or_else(Refusal::not_found)?;
    let found = web.hub().probe_target(&person.signed.access, row.id, id).await?;
    let tried = match &found {
        None => Tried { done: true, good: true, sentence: good(&typed.kind).to_owned(), who: String::new() },
        Some(reason) => Tried {
            done: true,
            good: false,
            sentence: texts::sentence(reason),
            who: texts::who_acts(reason.fault),
        },
    };
    Ok(form(&person, row.id, row.name, &now, typed, Beside { tried, ..Beside::default() }))
}

/// What a good test has shown.
pub(crate) fn good(kind: &str) -> &'static str {
    match kind {
        "webhook" => {
            "Das Fachverfahren hat eine unterschriebene Probe angenommen. Adresse, Verbindung und Geheimnis stimmen."
        }
        _ => {
            "Die Poststelle konnte im Ordner eine Probe anlegen und wieder entfernen. Übergaben sind möglich."
        }
    }
}
