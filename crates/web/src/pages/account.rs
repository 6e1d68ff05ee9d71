// SPDX-License-Identifier: EUPL-1.2
//! One's own account: sessions, password, second factor.
//!
//! Guarantees: what is shown and changed is the account behind the cookie, nobody else's; the secret of a second factor
//! and its recovery codes are shown once. The form for a password of one's own also serves who has to choose one
//! before anything else opens.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_crypto::token::constant_time_eq;
use poststelle_hub::accounts::{AccountError, AccountView, Offer};
use poststelle_hub::directory::PASSWORD_MIN;
use poststelle_hub::texts;
use poststelle_store::accounts::WaitsFor;
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::admin::people::days;
use super::sign_in::{Asked, goes_on};
use super::{Choice, Frame, OwnForm, page};
use crate::error::Refusal;
use crate::session::{Person, token_of};
use crate::text;
use crate::web::Web;

struct SessionRow {
    id: String,
    own: bool,
    since: String,
    seen: String,
    agent: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    csrf: String,
    login: String,
    name: String,
    sessions: Vec<SessionRow>,
    second_factor: bool,
    recovery_left: i64,
    represents: Vec<String>,
    /// Who stands in: id and words.
    deputies: Vec<(String, String)>,
    colleagues: Vec<Choice>,
    today: String,
    notice: &'static str,
    error: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Said {
    #[serde(default)]
    hinweis: String,
}

/// The account; what is not right about it sends to the sign-in.
async fn account(web: &Web, person: &Person) -> Result<AccountView, Refusal> {
    Ok(web.hub().account(&person.token).await?)
}

async fn account_page(
    web: &Web,
    person: &Person,
    status: StatusCode,
    notice: &'static str,
    error: String,
) -> Result<Response, Refusal> {
    let account = account(web, person).await?;
    let sessions = account.sessions.into_iter().map(|s| SessionRow {
        id: s.id,
        own: s.own,
        since: s.created_at.berlin(),
        seen: s.seen_at.berlin(),
        agent: text::line(&s.agent, 160),
    });
    let away = web.hub().own_deputies(&person.signed.access).await?;
    let title = if error.is_empty() { "Mein Konto" } else { "Fehler – Mein Konto" };
    let template = AccountPage {
        frame: Frame::new(title, "/konto", Some(person)),
        csrf: person.signed.csrf.clone(),
        login: account.login,
        name: text::line(&person.signed.name, 80),
        sessions: sessions.collect(),
        second_factor: account.second_factor,
        recovery_left: account.recovery_left,
        represents: super::desk::represents(person),
        deputies: away
            .deputies
            .iter()
            .map(|d| (d.id.to_string(), format!("{}: {}", days(d), text::line(&d.deputy_name, 80))))
            .collect(),
        colleagues: away
            .colleagues
            .into_iter()
            .map(|(id, name)| Choice { id: id.to_string(), name: text::line(&name, 80), chosen: false })
            .collect(),
        today: web.now().in_berlin("%Y-%m-%d"),
        notice,
        error,
    };
    Ok(page(status, &template))
}

/// `GET /konto`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let notice = match said.hinweis.as_str() {
        "passwort" => "Ihr Passwort ist geändert. Alle anderen Sitzungen sind beendet.",
        "sitzung" => "Die Sitzung ist beendet.",
        "vertretung" => "Die Vertretung ist eingetragen.",
        "vertretung-ende" => "Die Vertretung ist beendet.",
        "entfernt" => "Der zweite Faktor ist entfernt. Zum Anmelden genügt wieder das Passwort.",
        _ => "",
    };
    account_page(&web, &person, StatusCode::OK, notice, String::new()).await
}

/// `POST /konto/sitzungen/{session}/beenden`. One that is not there any more is ended too.
pub(crate) async fn end_session(
    State(web): State<Web>,
    person: Person,
    Path(session): Path<String>,
    Form(fields): Form<OwnForm>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    web.hub().end_session(person.signed.access.principal, &session).await?;
    Ok(Redirect::to("/konto?hinweis=sitzung"))
}

/// The form of one's own absence.
#[derive(Deserialize)]
pub(crate) struct AwayFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    wer: String,
    #[serde(default)]
    von: String,
    #[serde(default)]
    bis: String,
}

/// `POST /konto/vertretung`.
pub(crate) async fn set_deputy(
    State(web): State<Web>,
    person: Person,
    Form(fields): Form<AwayFields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let deputy = fields.wer.parse().map_err(|_| Refusal::not_found())?;
    let days = (fields.von.as_str(), fields.bis.as_str());
    match web.hub().set_own_deputy(&person.signed.access, deputy, days).await {
        Ok(()) => Ok(Redirect::to("/konto?hinweis=vertretung").into_response()),
        Err(error) => {
            let refusal = Refusal::here(error)?;
            account_page(&web, &person, refusal.status, "", refusal.sentence()).await
        }
    }
}

/// `POST /konto/vertretung/{deputy}/beenden`. One that is over already is ended too.
pub(crate) async fn end_deputy(
    State(web): State<Web>,
    person: Person,
    Path(deputy): Path<String>,
    Form(fields): Form<OwnForm>,
) -> Result<Redirect, Refusal> {
    person.check_csrf(&fields.csrf)?;
    let id = deputy.parse().map_err(|_| Refusal::not_found())?;
    web.hub().end_own_deputy(&person.signed.access, id).await?;
    Ok(Redirect::to("/konto?hinweis=vertretung-ende"))
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    frame: Frame,
    csrf: String,
    next: String,
    /// Nothing else opens before.
    forced: bool,
    least: usize,
    error: String,
}

/// The password form's fields.
#[derive(Deserialize)]
pub(crate) struct PasswordFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    alt: String,
    #[serde(default)]
    neu: String,
    #[serde(default)]
    wiederholung: String,
    #[serde(default)]
    weiter: String,
}

/// Who may choose a password: a signed-in person, or one whose session waits for just that.
struct Choosing {
    person: Option<Person>,
    token: String,
    csrf: String,
}

impl Choosing {
    async fn of(web: &Web, headers: &HeaderMap, next: &str) -> Result<Self, Refusal> {
        if let Some(person) = Person::verified(web, headers).await? {
            let (token, csrf) = (person.token.clone(), person.signed.csrf.clone());
            return Ok(Self { person: Some(person), token, csrf });
        }
        let token = token_of(web, headers).ok_or_else(|| Refusal::sign_in(next))?;
        let waiting = web.hub().waiting(&token).await?.filter(|w| w.waits_for == WaitsFor::Password);
        let csrf = waiting.ok_or_else(|| Refusal::sign_in(next))?.csrf;
        Ok(Self { person: None, token, csrf })
    }

    fn page(&self, status: StatusCode, next: &str, error: String) -> Response {
        let title =
            if error.is_empty() { "Eigenes Passwort wählen" } else { "Fehler – Eigenes Passwort wählen" };
        let template = PasswordPage {
            frame: Frame::new(title, "/konto", self.person.as_ref()),
            csrf: self.csrf.clone(),
            next: next.to_owned(),
            forced: self.person.is_none(),
            least: PASSWORD_MIN,
            error,
        };
        page(status, &template)
    }
}

/// `GET /konto/passwort`.
pub(crate) async fn password_form(
    State(web): State<Web>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let choosing = Choosing::of(&web, &headers, "/konto/passwort").await?;
    Ok(choosing.page(StatusCode::OK, &asked.weiter, String::new()))
}

/// `POST /konto/passwort`.
pub(crate) async fn password(
    State(web): State<Web>,
    headers: HeaderMap,
    Form(fields): Form<PasswordFields>,
) -> Result<Response, Refusal> {
    let choosing = Choosing::of(&web, &headers, "/konto/passwort").await?;
    if !constant_time_eq(choosing.csrf.as_bytes(), fields.csrf.as_bytes()) {
        return Err(Refusal::forbidden("PST-WEB-0001"));
    }
    let again =
        |refusal: &Refusal| choosing.page(refusal.status, &fields.weiter, texts::sentence(&refusal.reason));
    if fields.neu != fields.wiederholung {
        return Ok(again(&Refusal::wrong(StatusCode::BAD_REQUEST, "PST-ACCOUNT-0005")));
    }
    let _place = web.checks().acquire().await;
    match web.hub().change_password(&choosing.token, &fields.alt, &fields.neu).await {
        Ok(session) => {
            web.forget_operator(&choosing.token);
            let next = if choosing.person.is_some() { "/konto?hinweis=passwort" } else { &fields.weiter };
            Ok(goes_on(&web, &session, next))
        }
        Err(error @ (AccountError::Store(_) | AccountError::NoSession)) => Err(error.into()),
        Err(error) => Ok(again(&error.into())),
    }
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct FactorPage {
    frame: Frame,
    csrf: String,
    offer: Option<Offer>,
    /// The offer's secret in groups of four.
    secret: String,
    /// Side of the picture, modules.
    side: usize,
    /// Its dark modules as path of an SVG.
    picture: String,
    /// Shown once.
    codes: Vec<String>,
    error: String,
}

impl FactorPage {
    fn new(person: &Person, error: String) -> Self {
        let title = if error.is_empty() { "Zweiter Faktor" } else { "Fehler – Zweiter Faktor" };
        Self {
            frame: Frame::new(title, "/konto", Some(person)),
            csrf: person.signed.csrf.clone(),
            offer: None,
            secret: String::new(),
            side: 0,
            picture: String::new(),
            codes: Vec::new(),
            error,
        }
    }

    fn offering(mut self, offer: Offer, house: &str, login: &str) -> Self {
        let label = |text: &str| text::percent(text).replace('/', "%2F");
        let (issuer, login) = (label(&format!("Poststelle {house}")), label(login));
        let uri = format!("otpauth://totp/{issuer}:{login}?secret={}&issuer={issuer}", offer.secret);
        if let Ok(code) = QrCode::new(uri) {
            self.side = code.width();
            let dark = code.to_colors().into_iter().enumerate().filter(|(_, c)| *c == Color::Dark);
            let module = |(i, _): (usize, Color)| format!("M{} {}h1v1h-1z", i % self.side, i / self.side);
            self.picture = dark.map(module).collect();
        }
        let groups: Vec<String> =
            offer.secret.chars().collect::<Vec<_>>().chunks(4).map(String::from_iter).collect();
        self.secret = groups.join(" ");
        self.offer = Some(offer);
        self
    }
}

/// `GET /konto/zweiter-faktor`.
pub(crate) async fn offer(State(web): State<Web>, person: Person) -> Result<Response, Refusal> {
    offered(&web, &person, StatusCode::OK, String::new()).await
}

async fn offered(web: &Web, person: &Person, status: StatusCode, error: String) -> Result<Response, Refusal> {
    let account = account(web, person).await?;
    if account.second_factor {
        return Ok(Redirect::to("/konto").into_response());
    }
    let offer = web.hub().offer_second_factor(person.signed.access.principal).await?;
    let template = FactorPage::new(person, error).offering(offer, web.hub().domain(), &account.login);
    Ok(page(status, &template))
}

/// The second factor's fields.
#[derive(Deserialize)]
pub(crate) struct FactorFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    geheimnis: String,
    #[serde(default)]
    code: String,
}

/// `POST /konto/zweiter-faktor`.
pub(crate) async fn set_factor(
    State(web): State<Web>,
    person: Person,
    Form(fields): Form<FactorFields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    match web.hub().set_second_factor(&person.token, &fields.geheimnis, &fields.code).await {
        Ok(codes) => {
            let shown = FactorPage { codes, ..FactorPage::new(&person, String::new()) };
            Ok(page(StatusCode::OK, &shown))
        }
        Err(AccountError::WrongCode) => {
            // With a fresh secret: the one before was shown, and whose code it was is not known.
            let refusal = Refusal::from(AccountError::WrongCode);
            offered(&web, &person, refusal.status, texts::say("PST-ACCOUNT-0006", &[])).await
        }
        Err(AccountError::NoSession) => Ok(Redirect::to("/konto").into_response()),
        Err(error) => Err(error.into()),
    }
}

/// `POST /konto/zweiter-faktor/entfernen`.
pub(crate) async fn end_factor(
    State(web): State<Web>,
    person: Person,
    Form(fields): Form<FactorFields>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    match web.hub().end_second_factor(&person.token, &fields.code).await {
        Ok(()) => Ok(Redirect::to("/konto?hinweis=entfernt").into_response()),
        Err(error @ (AccountError::WrongCode | AccountError::Locked)) => {
            let refusal = Refusal::from(error);
            account_page(&web, &person, refusal.status, "", texts::sentence(&refusal.reason)).await
        }
        Err(AccountError::NoSession) => Ok(Redirect::to("/konto").into_response()),
        Err(error) => Err(error.into()),
    }
}
