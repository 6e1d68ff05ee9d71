// SPDX-License-Identifier: EUPL-1.2
//! A clerk's browser without a screen: signs in, opens pages, fills forms, uploads files, over real HTTP with
//! connections kept open.
//!
//! Guarantees: what was not answered is told apart from what was refused; nothing is repeated by itself. Does not: run
//! scripts, follow redirects, or understand HTML beyond the marks the pages carry.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use tokio::time::Instant;

/// Nobody answered, or not to the end: it may have happened or not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Silence(String);

impl From<reqwest::Error> for Silence {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where the page leads on to; empty = nowhere.
    pub location: String,
    /// The page.
    pub text: String,
    /// From the request to the last octet.
    pub took: Duration,
    cookie: String,
}

/// The edge between the fields of a letter.
const EDGE: &str = "poststelle-formular";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser, its session included.
#[derive(Debug, Clone)]
pub struct Clerk {
    http: Client,
    cookie: String,
    csrf: String,
}

impl Clerk {
    /// Somebody who is not signed in yet.
    ///
    /// # Errors
    /// When the machine has no TLS to offer.
    pub fn new() -> Result<Self, Silence> {
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { http, cookie: String::new(), csrf: String::new() })
    }

    /// Signs in at `base` (`http://host:port`) with a password; `false` when it is refused.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn sign_in(&mut self, base: &str, login: &str, password: &str) -> Result<bool, Silence> {
        self.cookie.clear();
        let fields = [("login", login), ("password", password), ("weiter", "/konto")];
        let answer = self.fill(&format!("{base}/anmelden"), &fields).await?;
        if answer.status != 303 || answer.cookie.is_empty() {
            return Ok(false);
        }
        self.cookie = answer.cookie;
        let account = self.see(&format!("{base}/konto")).await?;
        self.csrf = between(&account.text, "name=\"csrf\" value=\"", "\"").unwrap_or_default().to_owned();
        Ok(account.status == 200 && !self.csrf.is_empty())
    }

    /// Goes on with a session that is there already.
    pub fn resume(&mut self, cookie: String, csrf: String) {
        (self.cookie, self.csrf) = (cookie, csrf);
    }

    /// The session's token of changing forms.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    fn ask(&self, method: Method, url: &str) -> RequestBuilder {
        let ask = self.http.request(method, url);
        if self.cookie.is_empty() { ask } else { ask.header(COOKIE, &self.cookie) }
    }

    async fn answer(&self, ask: RequestBuilder) -> Result<Answer, Silence> {
        let began = Instant::now();
        let answer = ask.send().await?;
        let header = |name| {
            let value: Option<&reqwest::header::HeaderValue> = answer.headers().get(name);
            value.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
        };
        let (status, location) = (answer.status().as_u16(), header(LOCATION));
        let cookie = header(SET_COOKIE).split(';').next().unwrap_or_default().to_owned();
        let text = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
        Ok(Answer { status, location, text, took: began.elapsed(), cookie })
    }

    /// Opens a page.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn see(&self, url: &str) -> Result<Answer, Silence> {
        self.answer(self.ask(Method::GET, url)).await
    }

    /// Opens a page and leaves it open: the answer as it comes.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn listen(&self, url: &str) -> Result<reqwest::Response, Silence> {
        // A stream has no end of its own: only its silence is limited, by who reads it.
        let day = Duration::from_secs(24 * 3600);
        let ask = self.ask(Method::GET, url).header(ACCEPT, "text/event-stream").timeout(day);
        Ok(ask.send().await?.error_for_status()?)
    }

    /// Sends a form of plain fields.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn fill(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer, Silence> {
        let mut form = format!("csrf={}", self.csrf);
        for (name, value) in fields {
            form.push_str(&format!("&{name}={}", escaped(value)));
        }
        let ask = self.ask(Method::POST, url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.answer(ask.body(form)).await
    }

    /// Sends the form of a letter, as its script does (answered in JSON) or as the page does.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn write(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        by_script: bool,
    ) -> Result<Answer, Silence> {
        let mut form = String::new();
        for (name, value) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            form.push_str(&format!(
                "--{EDGE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        form.push_str(&format!("--{EDGE}--\r\n"));
        let mut ask = self.ask(Method::POST, url);
        ask = ask.header(CONTENT_TYPE, format!("multipart/form-data; boundary={EDGE}"));
        if by_script {
            ask = ask.header(ACCEPT, "application/json");
        }
        self.answer(ask.body(form)).await
    }

    /// Announces a file for the letter at `url`.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn announce(&self, url: &str, name: &str, size: usize) -> Result<Answer, Silence> {
        let file =
            serde_json::json!({ "name": name, "media_type": "application/octet-stream", "size": size });
        let ask = self.ask(Method::POST, url).header("x-csrf-token", &self.csrf);
        self.answer(ask.header(CONTENT_TYPE, "application/json").body(file.to_string())).await
    }

    /// Sends octets of an announced file from `offset` on.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn upload(&self, url: &str, offset: usize, octets: Bytes) -> Result<Answer, Silence> {
        let ask = self.ask(Method::PUT, url).header("x-csrf-token", &self.csrf);
        self.answer(ask.header("upload-offset", offset.to_string()).body(octets)).await
    }
}

/// What stands between two marks, first time.
#[must_use]
pub fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}

/// What stands between two marks, every time.
#[must_use]
pub fn all_between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to).map(|(found, _)| found)).collect()
}

/// A value as it stands in a form or an address.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_stands_between_marks() {
        let page = "<a href=\"/x/1\">a</a><a href=\"/x/2\">b</a>";
        assert_eq!(between(page, "href=\"", "\""), Some("/x/1"));
        assert_eq!(all_between(page, "href=\"", "\""), ["/x/1", "/x/2"]);
        assert_eq!(between(page, "src=\"", "\""), None);
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
