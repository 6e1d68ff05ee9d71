// SPDX-License-Identifier: EUPL-1.2
//! Pages for people: German, server-rendered, whole without JavaScript. Page texts live in the templates; sentences
//! for reasons come from [`poststelle_hub::texts`].

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod books;
pub(crate) mod desk;
pub(crate) mod draft;
pub(crate) mod drafts;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod messages;
pub(crate) mod operator;
pub(crate) mod quarantine;
pub(crate) mod resume;
pub(crate) mod search;
pub(crate) mod sheet;
pub(crate) mod sign_in;
pub(crate) mod text_blocks;
pub(crate) mod upload;

use std::str::FromStr;

use askama::Template;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_model::TenantId;
use poststelle_store::tenants::Tenant;
use serde::Deserialize;

use crate::assets;
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;

/// A form with nothing in it but the session's token.
#[derive(Deserialize)]
pub(crate) struct OwnForm {
    #[serde(default)]
    pub(crate) csrf: String,
}

/// What surrounds every page.
pub(crate) struct Frame {
    /// Title of the window and of the page.
    pub(crate) title: String,
    /// Style sheets in order.
    pub(crate) styles: Vec<String>,
    /// Picture in the browser's tab.
    pub(crate) icon: String,
    /// Who is signed in; `None` = nobody, then no menu.
    pub(crate) person: Option<Bar>,
    /// Path of the menu's entry this page belongs to.
    pub(crate) active: &'static str,
}

/// The menu of a signed-in person.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) csrf: String,
    pub(crate) reads_mail: bool,
    pub(crate) writes: bool,
    pub(crate) administers: bool,
    pub(crate) is_operator: bool,
}

impl Frame {
    pub(crate) fn new(title: impl Into<String>, active: &'static str, person: Option<&Person>) -> Self {
        let person = person.map(|p| Bar {
            name: crate::text::line(&p.signed.name, 80),
            csrf: p.signed.csrf.clone(),
            reads_mail: !p.signed.access.reading_tenants().is_empty(),
            writes: !p.signed.access.writing_tenants().is_empty(),
            administers: !p.signed.access.administered_tenants().is_empty(),
            is_operator: p.signed.access.is_operator(),
        });
        Self { title: title.into(), styles: assets::styles(), icon: assets::icon(), person, active }
    }

    /// Where help on this page stands.
    pub(crate) fn help(&self) -> &'static str {
        match self.active {
            "/arbeit" => "/hilfe#arbeiten",
            "/nachrichten" | "/suche" | "/buecher" => "/hilfe#finden",
            "/entwuerfe" => "/hilfe#schreiben",
            "/konto" => "/hilfe#anmelden",
            "/quarantaene" => "/hilfe#quarantaene",
            "/verwaltung" => "/hilfe#verwalten",
            _ => "/hilfe",
        }
    }

    /// Marks the current entry of the menu.
    pub(crate) fn is(&self, path: &str) -> bool {
        self.active == path
    }
}

/// A tenant to choose.
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) chosen: bool,
}

impl Choice {
    pub(crate) fn new(tenant: &Tenant, chosen: Option<TenantId>) -> Self {
        Self { id: tenant.id.to_string(), name: tenant.name.clone(), chosen: chosen == Some(tenant.id) }
    }
}

/// An id from an address; empty = none.
pub(crate) fn optional<T: FromStr>(text: &str) -> Result<Option<T>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::not_found())
}

/// The tenant an address names; that it is for these eyes the hub decides.
pub(crate) fn tenant_id(text: &str) -> Result<TenantId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

/// A rendered page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut answer = (status, html).into_response();
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            answer
        }
        Err(error) => {
            tracing::error!(%error, "template");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    sentence: String,
    code: String,
    back: String,
}

/// A refusal as a page, with a way back to the page of ours that asked (empty = none).
pub(crate) fn refusal(refusal: &Refusal, back: String) -> Response {
    let template = ErrorPage {
        frame: Frame::new(refusal.title(), "", None),
        sentence: refusal.sentence(),
        code: refusal.reason.code.as_str().to_owned(),
        back,
    };
    page(refusal.status, &template)
}

/// `GET /`: to where the person works.
pub(crate) async fn start(person: Person) -> Redirect {
    let works_with_mail = !person.signed.access.reading_tenants().is_empty();
    Redirect::to(if person.signed.access.is_operator() && !works_with_mail { "/betrieb" } else { "/arbeit" })
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    frame: Frame,
    states: Vec<(String, &'static str)>,
}

/// `GET /hilfe`: readable by everybody; also without a database.
pub(crate) async fn help(State(web): State<Web>, headers: axum::http::HeaderMap) -> Response {
    let person = Person::verified(&web, &headers).await.ok().flatten();
    let say = |state: &str| poststelle_hub::texts::say(&format!("state-{state}"), &[]);
    let states = vec![
        (say("planned"), "Die Übergabe steht an und beginnt von selbst."),
        (say("sending"), "Die Übergabe läuft gerade."),
        (
            say("deferred"),
            "Das Ziel war nicht erreichbar oder bat um Geduld. Die Poststelle versucht es von selbst wieder.",
        ),
        (
            say("unclear"),
            "Die Verbindung brach nach dem Senden ab. Die Poststelle klärt, ob die Nachricht angekommen ist.",
        ),
        (
            say("accepted"),
            "Die andere Seite hat die Nachricht übernommen. Das heißt noch nicht, dass jemand sie gelesen hat.",
        ),
        (say("confirmed"), "Die Nachricht liegt dort, wo sie hingehört."),
        (
            say("rejected"),
            "Die andere Seite nimmt die Nachricht nicht an. Die Nachricht selbst ist weiter hier.",
        ),
        (
            say("expired"),
            "Alle Versuche waren vergeblich; der Absender wird benachrichtigt. Die Nachricht ist weiter hier.",
        ),
        (
            say("parked"),
            "Ohne eine Entscheidung geht es nicht weiter. Bei der Nachricht steht, wer handeln muss.",
        ),
    ];
    page(StatusCode::OK, &HelpPage { frame: Frame::new("Hilfe", "/hilfe", person.as_ref()), states })
}
