// SPDX-License-Identifier: EUPL-1.2
//! Pages that show what is new by themselves: a page says how far things had gone when it was made, asks whether they
//! went on, and hears so within seconds.
//!
//! Guarantees: a question is answered after [`WAIT`] at the latest, so rights and session are looked at anew all the
//! time and a node can end; the answer is a number, never mail; asking does not keep a session alive. Without script
//! a page has its link to reload.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use poststelle_hub::Hub;
use poststelle_model::{Access, MessageId, TenantId};
use poststelle_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::assets;
use crate::error::Refusal;
use crate::session::Person;
use crate::web::Web;

/// The longest a question waits for news.
const WAIT: Duration = Duration::from_secs(10);
/// How often it looks.
const STEP: Duration = Duration::from_millis(500);

/// What a page needs to show what is new.
pub(crate) struct Live {
    /// Address of the page as it is.
    pub(crate) here: String,
    /// Address of the question; empty = a page of old things, where nothing new appears.
    pub(crate) url: String,
    /// The script that asks.
    pub(crate) script: String,
}

impl Live {
    /// For a list. Taken before the list is read, so that nothing falls between.
    pub(crate) async fn list(hub: &Hub, access: &Access) -> Result<Self, StoreError> {
        Ok(Self::new(format!("/neues?stand={}", hub.progress(access).await?)))
    }

    /// For a message whose timeline has this many events.
    pub(crate) fn message(tenant: TenantId, id: MessageId, events: usize) -> Self {
        Self::new(format!("/neues?stand={events}&mandant={tenant}&nachricht={id}"))
    }

    /// Older pages do not change.
    pub(crate) fn none() -> Self {
        Self::new(String::new())
    }

    fn new(url: String) -> Self {
        Self { here: String::new(), url, script: assets::live_script() }
    }

    /// On the page with this address.
    pub(crate) fn at(self, here: impl Into<String>) -> Self {
        Self { here: here.into(), ..self }
    }
}

/// The question.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// How far things had gone; without it the answer comes at once.
    stand: Option<i64>,
    #[serde(default)]
    mandant: String,
    #[serde(default)]
    nachricht: String,
}

#[derive(Serialize)]
struct News {
    stand: i64,
}

/// `GET /neues`: 200 with the new number, or 204 when nothing happened for [`WAIT`]; 401 when the session is over.
pub(crate) async fn wait(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let person = Person::verified(&web, &headers).await?.ok_or_else(Refusal::unknown)?;
    let (hub, access) = (web.hub(), &person.signed.access);
    let message = match (asked.mandant.as_str(), asked.nachricht.as_str()) {
        ("", "") => None,
        (tenant, id) => Some(crate::download::ids(tenant, id)?),
    };
    let began = Instant::now();
    let mut seen = None;
    loop {
        // For a message only its own tenant counts; whether it is for these eyes is asked before anything is told.
        let progress = match message {
            Some((tenant, _)) => hub.progress_in(tenant).await?,
            None => hub.progress(access).await?,
        };
        if seen.replace(progress) != Some(progress) {
            let stand = match message {
                None => progress,
                Some((tenant, id)) => hub.message_progress(access, tenant, id).await?,
            };
            if asked.stand != Some(stand) {
                return Ok(Json(News { stand }).into_response());
            }
        }
        if began.elapsed() >= WAIT {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        tokio::time::sleep(STEP).await;
    }
}
