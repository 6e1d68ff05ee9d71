// SPDX-License-Identifier: EUPL-1.2
//! Where people work: the desks of a person, what lies on one, and the acts on an item.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::desk::{Workplace, can_undo};
use poststelle_hub::texts;
use poststelle_hub::view::MessageView;
use poststelle_model::{DeliveryId, DeskAct, DeskId, DeskState, PrincipalId, TenantId, Timestamp};
use poststelle_store::desk::{Counts, DeskItem, DeskLine, Filter};
use serde::Deserialize;

use super::live::Live;
use super::{Choice, Frame, optional, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Items on one page.
const PAGE: i64 = 30;

#[derive(Template)]
#[template(path = "desks.html")]
struct DesksPage {
    frame: Frame,
    desks: Vec<DeskRow>,
    live: Live,
}

struct DeskRow {
    href: String,
    name: String,
    tenants: String,
    counts: Counts,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskPage {
    frame: Frame,
    name: String,
    path: String,
    /// Lists to choose from, with their numbers.
    lists: Vec<List>,
    tenants: Vec<Choice>,
    list: &'static str,
    several: bool,
    lines: Vec<Row>,
    older: String,
    newest: String,
    empty: String,
    live: Live,
}

struct List {
    href: String,
    name: &'static str,
    count: Option<i64>,
    chosen: bool,
}

/// One line.
struct Row {
    href: String,
    id: String,
    when: String,
    machine_time: String,
    tenant: String,
    sender: String,
    subject: String,
    urgent: bool,
    out: bool,
    state: String,
    colour: &'static str,
    owner: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    liste: String,
    #[serde(default)]
    mandant: String,
    #[serde(default)]
    vor: String,
}

/// `GET /arbeit`: the person's desks; with one only, straight to it.
pub(crate) async fn desks(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    let live = Live::list(web.hub(), &person.signed.access).await?.at("/arbeit");
    let places = web.hub().workplaces(&person.signed.access).await?;
    if let [only] = places.as_slice() {
        return Ok(Redirect::to(&format!("/arbeit/{}", only.desk.id)).into_response());
    }
    let desks = places
        .iter()
        .map(|p| DeskRow {
            href: format!("/arbeit/{}", p.desk.id),
            name: name(p),
            tenants: p.tenants.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", "),
            counts: p.counts,
        })
        .collect();
    Ok(page(
        StatusCode::OK,
        &DesksPage { frame: Frame::new("Arbeitskörbe", "/arbeit", Some(&person)), desks, live },
    ))
}

/// Every tenant has a clearing desk of its own: its name alone would not tell them apart.
fn name(place: &Workplace) -> String {
    match place.tenants.as_slice() {
        [only] if place.desk.kind == "clearing" => format!("{} {}", place.desk.name, only.name),
        _ => place.desk.name.clone(),
    }
}

/// `GET /arbeit/{desk}`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path(desk): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let access = &person.signed.access;
    let id: DeskId = desk.parse().map_err(|_| Refusal::not_found())?;
    let live = if asked.vor.is_empty() { Live::list(web.hub(), access).await? } else { Live::none() };
    let places = web.hub().workplaces(access).await?;
    let place = places.into_iter().find(|p| p.desk.id == id).ok_or_else(Refusal::not_found)?;
    let chosen = optional::<TenantId>(&asked.mandant)?;
    let tenants: Vec<TenantId> =
        place.tenants.iter().map(|t| t.id).filter(|t| chosen.is_none_or(|c| c == *t)).collect();
    let before = optional::<DeliveryId>(&asked.vor)?;
    let (list, filter) = filter(&asked.liste, access.principal)?;
    let mut found = web.hub().desk_page(access, &tenants, id, filter, before, PAGE + 1).await?;
    let cap = usize::try_from(PAGE).unwrap_or(0);
    let more = found.len() > cap;
    found.truncate(cap);
    let path = format!("/arbeit/{id}");
    let address = |list: &str, before: Option<DeliveryId>| {
        let mut parts = vec![format!("liste={list}")];
        parts.extend(chosen.map(|c| format!("mandant={c}")));
        parts.extend(before.map(|b| format!("vor={b}")));
        format!("{path}?{}", parts.join("&"))
    };
    let owners = web.hub().names(found.iter().filter_map(|l| l.item.standing.owner)).await?;
    let several = place.tenants.len() > 1;
    let template = DeskPage {
        frame: Frame::new(name(&place), "/arbeit", Some(&person)),
        name: name(&place),
        lists: LISTS
            .iter()
            .map(|(word, name)| List {
                href: address(word, None),
                name,
                count: count(word, &place.counts).filter(|_| chosen.is_none()),
                chosen: *word == list,
            })
            .collect(),
        tenants: place.tenants.iter().map(|t| Choice::new(t, chosen)).collect(),
        list,
        live: live.at(address(list, before)),
        several,
        older: found
            .last()
            .filter(|_| more)
            .map(|l| address(list, Some(l.item.delivery)))
            .unwrap_or_default(),
        newest: if before.is_some() { address(list, None) } else { String::new() },
        empty: texts::say(&format!("desk-empty-{list}"), &[]),
        lines: found
            .iter()
            .map(|l| {
                let tenant = place.tenants.iter().find(|t| t.id == l.item.tenant);
                let owner = l.item.standing.owner;
                row(l, tenant.map_or("", |t| &t.name), owner_name(owner, access.principal, &owners), &path)
            })
            .collect(),
        path,
    };
    Ok(page(StatusCode::OK, &template))
}

/// Lists of a desk: word in the address, name on screen.
const LISTS: [(&str, &str); 5] = [
    ("offen", "Offen"),
    ("neu", "Neu"),
    ("meine", "Meine"),
    ("zurueckgestellt", "Zurückgestellt"),
    ("erledigt", "Erledigt"),
];

fn filter(word: &str, me: PrincipalId) -> Result<(&'static str, Filter), Refusal> {
    let of = |state| Filter { state: Some(state), ..Filter::default() };
    Ok(match word {
        "" | "offen" => ("offen", Filter::default()),
        "neu" => ("neu", of(DeskState::New)),
        "meine" => ("meine", Filter { owner: Some(me), ..Filter::default() }),
        "zurueckgestellt" => ("zurueckgestellt", of(DeskState::Waiting)),
        "erledigt" => ("erledigt", of(DeskState::Done)),
        _ => return Err(Refusal::not_found()),
    })
}

fn count(list: &str, counts: &Counts) -> Option<i64> {
    match list {
        "offen" => Some(counts.new + counts.claimed + counts.waiting),
        "neu" => Some(counts.new),
        "meine" => Some(counts.mine),
        "zurueckgestellt" => Some(counts.waiting),
        _ => None,
    }
}

fn owner_name(
    owner: Option<PrincipalId>,
    me: PrincipalId,
    names: &std::collections::BTreeMap<PrincipalId, String>,
) -> String {
    match owner {
        None => String::new(),
        Some(id) if id == me => "ich".to_owned(),
        Some(id) => names.get(&id).map_or_else(|| "ein Konto".to_owned(), |n| text::line(n, 80)),
    }
}

fn row(line: &DeskLine, tenant: &str, owner: String, from: &str) -> Row {
    let item = &line.item;
    Row {
        href: format!("/nachrichten/{}/{}?von={from}", item.tenant, item.message),
        id: item.delivery.to_string(),
        when: item.created_at.in_berlin("%d.%m.%Y, %H:%M Uhr"),
        machine_time: item.created_at.rfc3339(),
        tenant: tenant.to_owned(),
        sender: match text::sender(&line.sender_name, &line.sender_address) {
            sender if sender.is_empty() => "(ohne Absender)".to_owned(),
            sender => sender,
        },
        subject: match text::line(&line.subject, 200) {
            subject if subject.is_empty() => "(ohne Betreff)".to_owned(),
            subject => subject,
        },
        urgent: item.urgent,
        out: line.out,
        state: state(item),
        colour: colour(item.standing.state),
        owner,
    }
}

/// The state in words.
pub(crate) fn state(item: &DeskItem) -> String {
    let word = texts::say(&format!("desk-state-{}", item.standing.state.as_str()), &[]);
    if item.standing.state == DeskState::Waiting && item.standing.due_at > Timestamp(0) {
        format!("{word} bis {}", item.standing.due_at.in_berlin("%d.%m.%Y"))
    } else {
        word
    }
}

/// The colour of a state; the word beside it says the same.
pub(crate) const fn colour(state: DeskState) -> &'static str {
    match state {
        DeskState::New => "warning",
        DeskState::Claimed | DeskState::Waiting => "info",
        DeskState::Done => "success",
    }
}

/// An item on the message page: how it stands and what the person can do.
pub(crate) struct Panel {
    pub(crate) action: String,
    pub(crate) version: i64,
    pub(crate) desk: String,
    pub(crate) state: String,
    pub(crate) colour: &'static str,
    pub(crate) owner: String,
    pub(crate) mine: bool,
    pub(crate) new: bool,
    pub(crate) done: bool,
    pub(crate) undo: bool,
    pub(crate) handles: bool,
    /// To whom it can be handed over: id and name.
    pub(crate) colleagues: Vec<(String, String)>,
    /// The first day it can be laid aside to.
    pub(crate) tomorrow: String,
}

/// The panel for an item.
pub(crate) async fn panel(
    web: &Web,
    person: &Person,
    view: &MessageView,
    item: &DeskItem,
) -> Result<Panel, Refusal> {
    let (me, handles) = (person.signed.access.principal, view.handles);
    let colleagues = if handles { web.hub().colleagues(item.tenant, item.desk).await? } else { Vec::new() };
    let laid = view.deliveries.iter().find(|d| d.delivery.id == item.delivery);
    let desk = laid.map_or_else(|| "Arbeitskorb".to_owned(), |d| d.target.clone());
    let state = item.standing.state;
    Ok(Panel {
        action: format!("/vorgaenge/{}/{}", item.tenant, item.delivery),
        version: item.version,
        desk,
        state: self::state(item),
        colour: colour(state),
        owner: owner_name(item.standing.owner, me, &view.names),
        mine: item.standing.owner == Some(me),
        new: state == DeskState::New,
        done: state == DeskState::Done,
        undo: handles && can_undo(item, me),
        handles,
        colleagues: colleagues
            .into_iter()
            .filter(|c| Some(c.id) != item.standing.owner)
            .map(|c| (c.id.to_string(), text::line(&c.name, 80)))
            .collect(),
        tomorrow: web
            .hub()
            .clock()
            .now()
            .plus(std::time::Duration::from_secs(24 * 3600))
            .in_berlin("%Y-%m-%d"),
    })
}

/// The form's fields.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    version: i64,
    #[serde(default)]
    schritt: String,
    #[serde(default)]
    an: String,
    #[serde(default)]
    bis: String,
}

/// `POST /vorgaenge/{tenant}/{item}`.
pub(crate) async fn act(
    State(web): State<Web>,
    person: Person,
    Path((tenant, delivery)): Path<(String, String)>,
    Form(fields): Form<Fields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let tenant: TenantId = tenant.parse().map_err(|_| Refusal::not_found())?;
    let id: DeliveryId = delivery.parse().map_err(|_| Refusal::not_found())?;
    let (hub, access) = (web.hub(), &person.signed.access);
    let act = match fields.schritt.as_str() {
        "uebernehmen" => Some(DeskAct::Claim),
        "freigeben" => Some(DeskAct::Release),
        "weitergeben" => {
            let to =
                fields.an.parse().map_err(|_| Refusal::wrong(StatusCode::BAD_REQUEST, "PST-DESK-0003"))?;
            Some(DeskAct::HandOver { to })
        }
        "zurueckstellen" => {
            let until = Timestamp::start_of_day(&fields.bis)
                .ok_or_else(|| Refusal::wrong(StatusCode::BAD_REQUEST, "PST-DESK-0004"))?;
            Some(DeskAct::Wait { until })
        }
        "erledigen" => Some(DeskAct::Finish),
        "aufnehmen" => Some(DeskAct::Reopen),
        "rueckgaengig" => None,
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    };
    let item = match act {
        Some(act) => hub.desk_act(access, tenant, id, act, fields.version).await?,
        None => hub.desk_undo(access, tenant, id, fields.version).await?,
    };
    Ok(Redirect::to(&format!("/nachrichten/{tenant}/{}?hinweis=vorgang", item.message)))
}

/// The form of a note.
#[derive(Deserialize)]
pub(crate) struct NoteFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    text: String,
}

/// `POST /nachrichten/{tenant}/{id}/vermerke`.
pub(crate) async fn note(
    State(web): State<Web>,
    person: Person,
    Path((tenant, id)): crate::download::MessagePath,
    Form(fields): Form<NoteFields>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let (tenant, id) = crate::download::ids(&tenant, &id)?;
    web.hub().add_note(&person.signed.access, tenant, id, &fields.text).await?;
    Ok(Redirect::to(&format!("/nachrichten/{tenant}/{id}?hinweis=vermerk#vermerke")))
}
