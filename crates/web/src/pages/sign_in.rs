// SPDX-License-Identifier: EUPL-1.2
//! Signing in (password, then the code of a second factor) and out.
//!
//! Guarantees: one answer for a wrong name, a wrong password and a locked account; tries are limited per address and
//! per name before a password is checked, and few passwords are checked at once; after signing in the browser is only
//! ever sent to a page of this house.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use poststelle_crypto::token::constant_time_eq;
use poststelle_hub::accounts::{AccountError, Waiting};
use poststelle_hub::people::NewSession;
use poststelle_hub::texts;
use poststelle_store::accounts::WaitsFor;
use serde::Deserialize;

use super::{Frame, OwnForm, page};
use crate::error::Refusal;
use crate::guard;
use crate::session::{Person, cookie, token_of};
use crate::text;
use crate::web::Web;

/// Longest wait for a free place among the password checks.
const CHECK_WAIT: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    login: String,
    /// What went wrong; empty = nothing.
    error: String,
    signed_out: bool,
}

/// What the form's address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) weiter: String,
    #[serde(default)]
    abgemeldet: String,
}

/// The form's fields.
#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    weiter: String,
}

/// A path of this house, or the start page. Browsers read `\` as `/` and drop tabs and line ends.
fn local(next: &str) -> &str {
    let fits = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 500
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if fits { next } else { "/" }
}

/// `GET /anmelden`.
pub(crate) async fn form(State(web): State<Web>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    // Who is half-way through goes on from there.
    if let Some(token) = token_of(&web, &headers)
        && let Ok(Some(waiting)) = web.hub().waiting(&token).await
    {
        let step = match waiting.waits_for {
            WaitsFor::Password => "/konto/passwort",
            _ => "/anmelden/code",
        };
        return Redirect::to(&format!("{step}?weiter={}", text::percent(local(&asked.weiter))))
            .into_response();
    }
    // Without a database the form is shown all the same; trying it tells what is wrong.
    if let Ok(Some(_)) = Person::verified(&web, &headers).await {
        return Redirect::to(local(&asked.weiter)).into_response();
    }
    let template = SignInPage {
        frame: Frame::new("Anmelden", "", None),
        next: local(&asked.weiter).to_owned(),
        login: String::new(),
        error: String::new(),
        signed_out: !asked.abgemeldet.is_empty(),
    };
    page(StatusCode::OK, &template)
}

/// `POST /anmelden`.
pub(crate) async fn submit(
    State(web): State<Web>,
    extensions: Extensions,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Refusal> {
    let login: String = fields.login.trim().chars().take(200).collect();
    let refused = |status: StatusCode, error: String| {
        let template = SignInPage {
            frame: Frame::new("Fehler beim Anmelden", "", None),
            next: local(&fields.weiter).to_owned(),
            login: login.clone(),
            error,
            signed_out: false,
        };
        page(status, &template)
    };
    let wrong = || refused(StatusCode::FORBIDDEN, texts::say("PST-WEB-0002", &[]));
    if login.is_empty() || fields.password.is_empty() || fields.password.len() > 1024 {
        return Ok(wrong());
    }
    let now = web.now();
    let address = guard::counted(guard::address(&web, &headers, &extensions));
    let name = login.to_lowercase();
    let taken = web
        .by_address()
        .take(&address, now)
        .and_then(|()| web.by_login().take(&name, now).inspect_err(|_| web.by_address().give_back(&address)));
    if let Err(wait) = taken {
        let seconds = wait.as_secs().max(1).to_string();
        tracing::warn!(address, "too many sign-ins");
        let mut answer =
            refused(StatusCode::TOO_MANY_REQUESTS, texts::say("PST-WEB-0003", &[("seconds", &seconds)]));
        if let Ok(seconds) = HeaderValue::from_str(&seconds) {
            answer.headers_mut().insert(RETRY_AFTER, seconds);
        }
        return Ok(answer);
    }
    let checked = async {
        let _place = web.checks().acquire().await;
        web.config().sign_in.check(web.hub(), &login, &fields.password).await
    };
    let give_back = || {
        web.by_address().give_back(&address);
        web.by_login().give_back(&name);
    };
    let found = match tokio::time::timeout(CHECK_WAIT, checked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            give_back();
            return Err(error.into());
        }
        Err(_) => {
            give_back();
            return Err(Refusal::no_database());
        }
    };
    let Some(principal) = found else {
        tracing::info!(address, "sign-in refused");
        return Ok(wrong());
    };
    give_back();
    let agent = headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let session = web.hub().open_session(principal, agent).await?;
    Ok(goes_on(&web, &session, &fields.weiter))
}

/// With its cookie to where the session leads: to its next step, or to `next`.
pub(crate) fn goes_on(web: &Web, session: &NewSession, next: &str) -> Response {
    let next = local(next);
    let step = |path: &str| format!("{path}?weiter={}", text::percent(next));
    let mut answer = match session.waits_for {
        WaitsFor::Nothing => Redirect::to(next),
        WaitsFor::Code => Redirect::to(&step("/anmelden/code")),
        WaitsFor::Password => Redirect::to(&step("/konto/passwort")),
    }
    .into_response();
    if let Some(value) = cookie(web, session.token.reveal()) {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    answer
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    csrf: String,
    name: String,
    next: String,
    /// What went wrong; empty = nothing.
    error: String,
}

/// The code form's fields.
#[derive(Deserialize)]
pub(crate) struct CodeFields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    weiter: String,
}

/// The session that waits for a code; everybody else starts at the beginning.
async fn waiting(web: &Web, headers: &HeaderMap, next: &str) -> Result<(String, Waiting), Refusal> {
    let token = token_of(web, headers).ok_or_else(|| Refusal::sign_in(local(next)))?;
    let waiting = web.hub().waiting(&token).await?.filter(|w| w.waits_for == WaitsFor::Code);
    Ok((token, waiting.ok_or_else(|| Refusal::sign_in(local(next)))?))
}

fn code_page(status: StatusCode, waiting: &Waiting, next: &str, error: String) -> Response {
    let template = CodePage {
        frame: Frame::new(if error.is_empty() { "Code eingeben" } else { "Fehler beim Code" }, "", None),
        csrf: waiting.csrf.clone(),
        name: text::line(&waiting.name, 80),
        next: local(next).to_owned(),
        error,
    };
    page(status, &template)
}

/// `GET /anmelden/code`.
pub(crate) async fn code_form(
    State(web): State<Web>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, waiting) = waiting(&web, &headers, &asked.weiter).await?;
    Ok(code_page(StatusCode::OK, &waiting, &asked.weiter, String::new()))
}

/// `POST /anmelden/code`.
pub(crate) async fn code(
    State(web): State<Web>,
    headers: HeaderMap,
    Form(fields): Form<CodeFields>,
) -> Result<Response, Refusal> {
    let (token, waiting) = waiting(&web, &headers, &fields.weiter).await?;
    if !constant_time_eq(waiting.csrf.as_bytes(), fields.csrf.as_bytes()) {
        return Err(Refusal::forbidden("PST-WEB-0001"));
    }
    match web.hub().prove_code(&token, &fields.code).await {
        Ok(session) => Ok(goes_on(&web, &session, &fields.weiter)),
        Err(AccountError::NoSession) => Err(Refusal::sign_in(local(&fields.weiter))),
        Err(AccountError::Store(error)) => Err(error.into()),
        Err(error) => {
            let error = texts::sentence(&Refusal::from(error).reason);
            Ok(code_page(StatusCode::FORBIDDEN, &waiting, &fields.weiter, error))
        }
    }
}

/// `POST /abmelden`.
pub(crate) async fn leave(
    State(web): State<Web>,
    person: Person,
    Form(fields): Form<OwnForm>,
) -> Result<Response, Refusal> {
    person.check_csrf(&fields.csrf)?;
    web.forget_operator(&person.token);
    web.hub().close_session(&person.token).await?;
    let mut answer = Redirect::to("/anmelden?abgemeldet=1").into_response();
    if let Some(value) = cookie(&web, "") {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_to_pages_of_this_house() {
        assert_eq!(local("/nachrichten?vor=1"), "/nachrichten?vor=1");
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil",
            "javascript:alert(1)",
        ] {
            assert_eq!(local(bad), "/", "{bad}");
        }
    }
}
