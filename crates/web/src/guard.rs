// SPDX-License-Identifier: EUPL-1.2
//! Around every request: id and span (of the client's trace when it names one), refusal of changing requests from
//! foreign pages, one form for all refusals, security headers. Nothing secret is logged: neither query, nor headers,
//! nor body.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERER, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::Refusal;
use crate::pages;
use crate::web::Web;

/// KERN's icons are masks with `data:` addresses; nothing else comes from anywhere but here.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The middleware.
pub(crate) async fn around(State(web): State<Web>, request: Request, next: Next) -> Response {
    let id = web.hub().ids().next().simple().to_string();
    let path = request.uri().path().to_owned();
    let program = !is_for_people(&path);
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let span = tracing::info_span!(
        target: "trace",
        "request",
        id,
        method,
        route,
        traceparent = traceparent(request.headers()),
        status = Empty
    );
    let began = web.now();
    let back = if request.method().is_safe() { None } else { own_page(request.headers()) };
    let foreign = !program && !is_own(request.method(), request.headers());
    let answer = async {
        let answer = if foreign {
            Refusal::forbidden("PST-WEB-0008").into_response()
        } else {
            next.run(request).await
        };
        let took = web.now().since(began);
        let status = answer.status().as_u16();
        Span::current().record("status", status);
        web.hub().metrics().request(&method, &route, status, took);
        tracing::debug!(path, status = answer.status().as_u16(), ms = took.as_millis(), "answered");
        answer
    }
    .instrument(span)
    .await;
    let mut answer = in_words(answer, program, back);
    protect(answer.headers_mut(), web.config().secure_cookies);
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// The client's place in its own trace (W3C Trace Context), unless it is no such text at all.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let plain = text.len() == 55 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    plain.then_some(text)
}

fn is_for_people(path: &str) -> bool {
    !["/api/", "/health/", "/metrics", "/static/"].iter().any(|p| path.starts_with(p))
}

/// Gives every refusal its one form.
fn in_words(answer: Response, program: bool, back: Option<String>) -> Response {
    let refusal = match answer.extensions().get::<Refusal>() {
        Some(refusal) => refusal.clone(),
        // What the framework itself refused; our own error answers have a body type of their own.
        None if is_bare(&answer) => Refusal::of_status(answer.status()),
        None => return answer,
    };
    let mut words =
        if program { refusal.problem() } else { pages::refusal(&refusal, back.unwrap_or_default()) };
    refusal.decorate(&mut words);
    // Headers set on the way (a cookie ended, methods allowed) stay.
    for (name, value) in answer.headers() {
        if !words.headers().contains_key(name) && (name == "set-cookie" || name == "allow") {
            words.headers_mut().append(name, value.clone());
        }
    }
    words
}

/// An error made by the framework: no body, or plain text of its own.
fn is_bare(answer: &Response) -> bool {
    let status = answer.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return false;
    }
    answer.headers().get("content-type").is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

fn protect(headers: &mut HeaderMap, secure: bool) {
    let mut put = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(CONTENT_SECURITY_POLICY, PAGE_POLICY);
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    put(REFERRER_POLICY, "same-origin");
    put(RESOURCE_POLICY, "same-origin");
    put(CACHE_CONTROL, "no-store");
    if secure {
        put(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

/// May a changing request from a browser be believed to come from our own pages? Forms carry a token besides; this
/// covers the sign-in, which has no session yet.
fn is_own(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text(&HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match (text(&ORIGIN), text(&HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, o)| o.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    }
}

/// The page of ours on which a form was sent off: path and query.
fn own_page(headers: &HeaderMap) -> Option<String> {
    let from: Uri = headers.get(REFERER)?.to_str().ok()?.parse().ok()?;
    let here = headers.get(HOST)?.to_str().ok()?;
    let page = from.path_and_query()?.as_str();
    let own = from.authority()?.as_str().eq_ignore_ascii_case(here) && !page.starts_with("//");
    (own && page.len() < 2000).then(|| page.to_owned())
}

/// Who asks: the peer, or what a believed proxy says of it.
pub(crate) fn address(web: &Web, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let peer = peer.ip().to_canonical();
    if !web.config().proxies.contains(&peer) {
        return Some(peer);
    }
    // From the right: the first one that is not one of our proxies.
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let named: Vec<IpAddr> = named.flat_map(|v| v.split(',')).filter_map(|a| a.trim().parse().ok()).collect();
    let outside = named.iter().rev().find(|a| !web.config().proxies.contains(a));
    Some(outside.map_or(peer, IpAddr::to_canonical))
}

/// The key under which tries of an address are counted: an IPv6 client owns its whole /64.
pub(crate) fn counted(address: Option<IpAddr>) -> String {
    match address {
        None => String::new(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_are_gone_back_to() {
        let back = |from: &'static str| {
            let mut map = HeaderMap::new();
            map.insert("referer", HeaderValue::from_static(from));
            map.insert("host", HeaderValue::from_static("a.example:80"));
            own_page(&map)
        };
        assert_eq!(
            back("http://a.example:80/nachrichten/x?von=/arbeit"),
            Some("/nachrichten/x?von=/arbeit".into())
        );
        for foreign in [
            "http://b.example/nachrichten",
            "/nachrichten",
            "http://a.example:80//b.example",
            "javascript:x",
            "",
        ] {
            assert_eq!(back(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn foreign_pages_cannot_change_anything() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.insert(*name, HeaderValue::from_static(value));
            }
            map
        };
        let own = |pairs| is_own(&Method::POST, &headers(pairs));
        assert!(own(&[]));
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
        assert!(own(&[("origin", "http://a.example:80"), ("host", "a.example:80")]));
        assert!(!own(&[("origin", "https://evil.example"), ("host", "a.example")]));
        assert!(!own(&[("origin", "null"), ("host", "a.example")]));
        assert!(is_own(&Method::GET, &headers(&[("sec-fetch-site", "cross-site")])));
    }
}
