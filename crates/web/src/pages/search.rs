// SPDX-License-Identifier: EUPL-1.2
//! Finding messages by their words, over all tenants whose mail the person may read.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use poststelle_model::{MessageId, TenantId};
use poststelle_store::search;
use serde::Deserialize;

use super::messages::{Row, in_words};
use super::{Choice, Frame, optional, page};
use crate::error::Refusal;
use crate::session::Person;
use crate::text;
use crate::web::Web;

/// Hits on one page.
const PAGE: usize = 30;
/// Longest question kept in an address, characters.
const QUESTION: usize = 300;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    question: String,
    tenants: Vec<Choice>,
    several: bool,
    /// Was there a word to look for?
    asked: bool,
    hits: Vec<Hit>,
    older: String,
    newest: String,
}

struct Hit {
    row: Row,
    tenant: String,
}

/// What the address may carry.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    mandant: String,
    #[serde(default)]
    vor: String,
}

/// `GET /suche`.
pub(crate) async fn show(
    State(web): State<Web>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let access = &person.signed.access;
    let tenants = web.hub().visible_tenants(access).await?;
    let chosen = optional::<TenantId>(&asked.mandant)?;
    let before = optional::<MessageId>(&asked.vor)?;
    let within: Vec<TenantId> =
        tenants.iter().map(|t| t.id).filter(|t| chosen.is_none_or(|c| c == *t)).collect();
    if within.is_empty() && chosen.is_some() {
        return Err(Refusal::not_found());
    }
    let question: String = asked.q.chars().take(QUESTION).collect();
    let query = search::Query::parse(&question).filter(|_| !within.is_empty());
    let mut found = match &query {
        Some(query) => {
            let limit = i64::try_from(PAGE + 1).unwrap_or(0);
            web.hub().search(access, &within, query, before, limit).await?
        }
        None => Vec::new(),
    };
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let address = |before: Option<MessageId>| {
        let mut parts = vec![format!("q={}", text::percent(&question))];
        parts.extend(chosen.map(|c| format!("mandant={c}")));
        parts.extend(before.map(|b| format!("vor={b}")));
        format!("/suche?{}", parts.join("&"))
    };
    let here = text::percent(&address(before)).replace('/', "%2F");
    let template = SearchPage {
        frame: Frame::new("Suche", "/suche", Some(&person)),
        asked: query.is_some(),
        several: tenants.len() > 1,
        older: found.last().filter(|_| more).map(|l| address(Some(l.line.id))).unwrap_or_default(),
        newest: if before.is_some() { address(None) } else { String::new() },
        hits: found
            .into_iter()
            .map(|l| {
                let tenant = tenants.iter().find(|t| t.id == l.line.tenant);
                let row = in_words(l);
                Hit {
                    tenant: tenant.map(|t| t.name.clone()).unwrap_or_default(),
                    row: Row { href: format!("{}?von={here}", row.href), ..row },
                }
            })
            .collect(),
        tenants: tenants.iter().map(|t| Choice::new(t, chosen)).collect(),
        question,
    };
    Ok(page(StatusCode::OK, &template))
}
