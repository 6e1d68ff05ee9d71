// SPDX-License-Identifier: EUPL-1.2
//! Who asks: a person with a session cookie, or a program with a token.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use poststelle_crypto::digest::{hex, sha256};
use poststelle_crypto::token::constant_time_eq;
use poststelle_hub::people::SignedIn;

use crate::error::Refusal;
use crate::web::Web;

/// A signed-in person. As an extractor it sends strangers to the sign-in page.
pub(crate) struct Person {
    pub(crate) signed: SignedIn,
    /// Text of the cookie; never logged.
    pub(crate) token: String,
}

/// Somebody who may read through the API: a token, or for reading a person's session.
pub(crate) struct Caller(pub(crate) SignedIn);

/// A program with a token: the only one who may change something through the API.
pub(crate) struct Client(pub(crate) SignedIn);

/// With `Secure` the name promises that nobody but this host set it.
const fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-poststelle" } else { "poststelle" }
}

/// The text of the session cookie.
pub(crate) fn token_of(web: &Web, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(web.config().secure_cookies);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value.to_owned())
}

/// The header that hands out a session, or (empty `token`) ends it.
pub(crate) fn cookie(web: &Web, token: &str) -> Option<HeaderValue> {
    let secure = web.config().secure_cookies;
    let (name, tail) = (cookie_name(secure), if secure { "; Secure" } else { "" });
    let end = if token.is_empty() { "; Max-Age=0" } else { "" };
    let mut value =
        HeaderValue::from_str(&format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{end}{tail}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Did a page ask by itself, not the person in front of it? It says so; who does not only keeps the own session alive.
fn by_itself(headers: &HeaderMap) -> bool {
    headers.contains_key("x-poststelle-live")
}

impl Person {
    /// The person behind the cookie of a request, verified now.
    pub(crate) async fn verified(web: &Web, headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(token) = token_of(web, headers) else { return Ok(None) };
        let Some(signed) = web.hub().session(&token, !by_itself(headers)).await? else {
            web.forget_operator(&token);
            return Ok(None);
        };
        if signed.access.is_operator() {
            web.remember_operator(&token, &signed);
        } else {
            web.forget_operator(&token);
        }
        Ok(Some(Self { signed, token }))
    }

    /// Does a form carry this session's token?
    pub(crate) fn check_csrf(&self, given: &str) -> Result<(), Refusal> {
        if !self.signed.csrf.is_empty() && constant_time_eq(self.signed.csrf.as_bytes(), given.as_bytes()) {
            Ok(())
        } else {
            Err(Refusal::forbidden("PST-WEB-0001"))
        }
    }
}

impl FromRequestParts<Web> for Person {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refusal> {
        let from = if parts.method.is_safe() {
            parts.uri.path_and_query().map_or("", axum::http::uri::PathAndQuery::as_str)
        } else {
            ""
        };
        Self::verified(web, &parts.headers).await?.ok_or_else(|| Refusal::sign_in(from))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl FromRequestParts<Web> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refusal> {
        let token = bearer(&parts.headers).ok_or_else(Refusal::unknown)?;
        // Counted before the database is asked, under a hash: the token itself is kept nowhere.
        web.by_token()
            .take(&hex(&sha256(token.as_bytes())), web.now())
            .map_err(|wait| Refusal::wrong(StatusCode::TOO_MANY_REQUESTS, "PST-API-0011").after(wait))?;
        web.hub().api_token(token).await?.map(Self).ok_or_else(Refusal::unknown)
    }
}

impl FromRequestParts<Web> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refusal> {
        if parts.headers.contains_key(AUTHORIZATION) {
            return Client::from_request_parts(parts, web).await.map(|c| Self(c.0));
        }
        if !parts.method.is_safe() {
            return Err(Refusal::unknown());
        }
        Person::verified(web, &parts.headers).await?.map(|p| Self(p.signed)).ok_or_else(Refusal::unknown)
    }
}

/// The operator's view: only for people who run the installation.
pub(crate) fn operator(signed: &SignedIn) -> Result<(), Refusal> {
    if signed.access.is_operator() { Ok(()) } else { Err(Refusal::forbidden("PST-WEB-0004")) }
}
