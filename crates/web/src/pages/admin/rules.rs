// SPDX-License-Identifier: EUPL-1.2
//! `/verwaltung/{tenant}/regeln`: the rules of a tenant, what is prepared, and every release there was.
//!
//! Guarantees: everything here changes the draft; only "Freigeben" changes what holds for mail. What is refused is said
//! on the page itself, with the state as it is now.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_hub::rules::{RulesView, Step, condition};
use poststelle_hub::told::Told;
use poststelle_model::{Rule, RuleId, TenantId};
use serde::Deserialize;

use super::MENU;
use super::fields::Fields;
use crate::error::Refusal;
use crate::pages::{Frame, page, tenant_id};
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// A rule in a list.
pub(crate) struct Row {
    pub(crate) number: usize,
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) condition: String,
    pub(crate) actions: String,
    pub(crate) active: bool,
    pub(crate) standing: String,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

#[derive(Template)]
#[template(path = "admin_rules.html")]
struct RulesPage {
    frame: Frame,
    csrf: String,
    here: String,
    up: String,
    tenant: String,
    administers: bool,
    notice: String,
    error: String,
    version: i64,
    released: i64,
    base: i64,
    draft: bool,
    draft_by: String,
    draft_at: String,
    two_persons: bool,
    proposed_by: String,
    may_release: bool,
    differences: Vec<String>,
    rules: Vec<Row>,
    in_force: Vec<Row>,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Said {
    #[serde(default)]
    hinweis: String,
}

fn row(view: &RulesView, rule: &Rule, number: usize, count: usize) -> Row {
    let held = view.rules.iter().find(|r| r.id == rule.id);
    let standing = match (held, view.changed.get(&rule.id)) {
        (None, _) => "neu im Entwurf".to_owned(),
        (Some(held), Some((who, at))) => format!("Fassung {}, {} am {}", held.version, who, at.berlin()),
        (Some(held), None) => format!("Fassung {}", held.version),
    };
    Row {
        number,
        id: rule.id.to_string(),
        href: format!("{MENU}/{}/regeln/{}", view.tenant.id, rule.id),
        name: text::line(&rule.name, 200),
        condition: condition::in_words(&rule.condition),
        actions: view.places.actions(rule),
        active: rule.active,
        standing,
        first: number == 1,
        last: number == count,
    }
}

fn rows(view: &RulesView, rules: &[Rule]) -> Vec<Row> {
    rules.iter().zip(1..).map(|(rule, number)| row(view, rule, number, rules.len())).collect()
}

async fn show_as(
    web: &Web,
    person: &Person,
    tenant: TenantId,
    notice: String,
    refused: Option<&Refusal>,
) -> Result<Response, Refusal> {
    let view = web.hub().rules_view(&person.signed.access, tenant).await?;
    let error = refused.map(Refusal::sentence).unwrap_or_default();
    let title = format!("{}Regeln – {}", if error.is_empty() { "" } else { "Fehler – " }, view.tenant.name);
    let draft = view.set.draft.is_some();
    let template = RulesPage {
        frame: Frame::new(title, MENU, Some(person)),
        csrf: person.signed.csrf.clone(),
        here: format!("{MENU}/{tenant}/regeln"),
        up: if view.administers { format!("{MENU}/{tenant}") } else { String::new() },
        tenant: view.tenant.name.clone(),
        administers: view.administers,
        notice,
        error,
        version: view.set.version,
        released: view.released,
        base: view.set.base,
        draft,
        draft_by: text::line(&view.name(view.set.changed_by), 80),
        draft_at: view.set.changed_at.berlin(),
        two_persons: view.set.two_persons,
        proposed_by: view.set.proposed_by.map(|p| text::line(&view.name(Some(p)), 80)).unwrap_or_default(),
        may_release: view.may_release(),
        rules: rows(&view, view.shown()),
        in_force: if draft { rows(&view, &view.rules) } else { Vec::new() },
        differences: view.differences,
    };
    Ok(page(refused.map_or(StatusCode::OK, |r| r.status), &template))
}

fn notice(word: &str) -> String {
    match word {
        "entwurf" => "Im Entwurf gespeichert. Für die Post gilt das erst nach der Freigabe.",
        "freigegeben" => "Freigegeben. Neue Nachrichten werden ab jetzt nach diesen Regeln verteilt.",
        "verworfen" => "Der Entwurf ist verworfen. Die geltenden Regeln sind unverändert.",
        "vorgelegt" => "Der Entwurf liegt zur Freigabe vor. Eine andere Person muss ihn freigeben.",
        "zu-zweit" => "Regeln dieses Mandanten werden ab jetzt nur zu zweit freigegeben.",
        "allein" => "Regeln dieses Mandanten kann ab jetzt eine Person allein freigeben.",
        "zurueck" => "Die frühere Fassung ist jetzt der Entwurf. Sie gilt erst nach der Freigabe.",
        _ => "",
    }
    .to_owned()
}

/// `GET /verwaltung/{tenant}/regeln`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    show_as(&web, &person, tenant_id(&tenant)?, notice(&said.hinweis), None).await
}

/// `POST /verwaltung/{tenant}/regeln`: one step with the draft, or its release.
pub(crate) async fn act(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    let fields = fields.own(&person)?;
    let tenant = tenant_id(&tenant)?;
    let seen = fields.number("version")?;
    let access = &person.signed.access;
    let rule = || fields.one("regel").parse::<RuleId>().map_err(|_| Refusal::not_found());
    let (step, said) = match fields.one("schritt") {
        "freigeben" => {
            let released = fields.number("geltend")?;
            return match web.hub().release_rules(access, tenant, seen, released).await {
                Ok(_) => Ok(to(tenant, "freigegeben")),
                Err(error) => refused(&web, &person, tenant, error.into()).await,
            };
        }
        "hoch" => (Step::Move { rule: rule()?, up: true }, "entwurf"),
        "runter" => (Step::Move { rule: rule()?, up: false }, "entwurf"),
        "an" => (Step::Switch { rule: rule()?, on: true }, "entwurf"),
        "aus" => (Step::Switch { rule: rule()?, on: false }, "entwurf"),
        "entfernen" => (Step::Remove { rule: rule()? }, "entwurf"),
        "vorlegen" => (Step::Propose, "vorgelegt"),
        "verwerfen" => (Step::Discard, "verworfen"),
        "zu-zweit" => (Step::TwoPersons(true), "zu-zweit"),
        "allein" => (Step::TwoPersons(false), "allein"),
        "zurueck" => (Step::TakeBack { release: fields.number("fassung")? }, "zurueck"),
        _ => return Err(Refusal::of_status(StatusCode::BAD_REQUEST)),
    };
    match web.hub().prepare_rules(access, tenant, seen, step).await {
        // Who is no longer the second person sees nothing here any more.
        Ok(_) if said == "allein" && access.is_operator() => {
            Ok(Redirect::to("/betrieb/regeln").into_response())
        }
        Ok(_) => Ok(to(tenant, said)),
        Err(error) => refused(&web, &person, tenant, error.into()).await,
    }
}

fn to(tenant: TenantId, said: &str) -> Response {
    Redirect::to(&format!("{MENU}/{tenant}/regeln?hinweis={said}")).into_response()
}

/// The page as it is now, with why the step was not done; what is not there stays not there.
pub(crate) async fn refused(
    web: &Web,
    person: &Person,
    tenant: TenantId,
    refusal: Refusal,
) -> Result<Response, Refusal> {
    match refusal.status {
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN => {
            show_as(web, person, tenant, String::new(), Some(&refusal)).await
        }
        _ => Err(refusal),
    }
}

/// A release in the history.
struct Past {
    number: i64,
    when: String,
    by: String,
    proposed_by: String,
    differences: Vec<String>,
    in_force: bool,
    count: usize,
}

#[derive(Template)]
#[template(path = "admin_rules_history.html")]
struct HistoryPage {
    frame: Frame,
    csrf: String,
    rules: String,
    tenant: String,
    administers: bool,
    version: i64,
    releases: Vec<Past>,
    told: Vec<Told>,
}

/// `GET /verwaltung/{tenant}/regeln/verlauf`.
pub(crate) async fn history(
    State(web): State<Web>,
    person: Person,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let id = tenant_id(&tenant)?;
    let access = &person.signed.access;
    let view = web.hub().rules_view(access, id).await?;
    let (tenant, releases) = web.hub().rule_history(access, id).await?;
    let told = if view.administers { web.hub().rules_told(access, id).await? } else { Vec::new() };
    let template = HistoryPage {
        frame: Frame::new(format!("Verlauf der Regeln – {}", tenant.name), MENU, Some(&person)),
        csrf: person.signed.csrf.clone(),
        rules: format!("{MENU}/{id}/regeln"),
        tenant: tenant.name,
        administers: view.administers,
        version: view.set.version,
        told,
        releases: releases
            .into_iter()
            .map(|r| Past {
                number: r.release.version,
                when: r.release.released_at.berlin(),
                by: text::line(&r.by, 80),
                proposed_by: text::line(&r.proposed_by, 80),
                in_force: r.release.version == view.released,
                count: r.release.rules.len(),
                differences: r.differences,
            })
            .collect(),
    };
    Ok(page(StatusCode::OK, &template))
}

#[derive(Template)]
#[template(path = "admin_rules_proposed.html")]
struct ProposedPage {
    frame: Frame,
    tenants: Vec<(String, String)>,
}

/// `GET /betrieb/regeln`: drafts that wait for a second person, for who runs the installation.
pub(crate) async fn proposed(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    crate::session::operator(&person.signed)?;
    let tenants = web.hub().proposed_rules().await?;
    let template = ProposedPage {
        frame: Frame::new("Regeln zur Freigabe", "/betrieb", Some(&person)),
        tenants: tenants.into_iter().map(|(id, name)| (format!("{MENU}/{id}/regeln"), name)).collect(),
    };
    Ok(page(StatusCode::OK, &template))
}
