// SPDX-License-Identifier: EUPL-1.2
//! The description of `/api/v1` in OpenAPI 3.1, made from the handlers; the handbook carries a copy. A test holds it
//! against the table of routes, in both directions.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use super::{
    connectors, drafts, inspection, intake, log, people, places, read, resume, rules, status, text_blocks,
};
use crate::download;

/// A refusal (RFC 9457); `code` is stable, `detail` is a German sentence for people.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes crate::error, which writes it")]
pub(crate) struct Problem {
    /// `urn:poststelle:` and the code.
    r#type: String,
    /// The status in two or three words.
    title: String,
    status: u16,
    detail: String,
    /// Stands in the handbook with what to do.
    code: String,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident { $($status:literal $words:literal $variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(IntoResponses)]
        #[expect(dead_code, reason = "describes answers, is never made")]
        pub(crate) enum $name {
            $(
                #[response(status = $status, description = $words, content_type = "application/problem+json")]
                $variant(Problem),
            )+
        }
    )+};
}

refusals! {
    /// Of everything that is asked with a token or a session.
    Refusals {
        400 "The request cannot be read" Unreadable,
        401 "No valid token and no session" Unknown,
        403 "Known, but not allowed" Forbidden,
        404 "Not there, or not for this client: the answer is the same" Absent,
        405 "No such method here" Method,
        429 "Too much at once; try again later" Busy,
        500 "A mistake of the house" Mistake,
        503 "Database or blob store do not answer; try again later" Later,
    }
    /// Of what hands something in, beside [`Refusals`].
    IntakeRefusals {
        408 "The client was silent for too long" Silent,
        413 "Larger than the cap" TooLarge,
        415 "Unknown content type, or encoded content" Kind,
        422 "Empty, or no such mailbox" Unfit,
    }
    /// Of changes without a body, beside [`Refusals`].
    ChangeRefusals {
        409 "Changed meanwhile" Changed,
        422 "Not possible like this; `detail` says why" Unfit,
    }
    /// Of what takes JSON, beside [`Refusals`].
    JsonRefusals {
        409 "Changed meanwhile" Changed,
        413 "Larger than the cap" TooLarge,
        415 "Not JSON" Kind,
        422 "JSON that lacks something" Unfit,
    }
}

struct Doors;

impl Modify for Doors {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of a service, bound to one tenant (`poststelle token new`)."));
        let session =
            ApiKeyValue::with_description("poststelle", "A person's session; reads, never changes.");
        let parts = api.components.get_or_insert_default();
        parts.add_security_scheme("token", SecurityScheme::Http(token.build()));
        parts.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        api.info = InfoBuilder::new()
            .title("poststelle")
            .version("1")
            .description(Some("Messages of a virtuelle Poststelle: hand in, read, set going again, check."))
            .license(Some(LicenseBuilder::new().name("EUPL-1.2").identifier(Some("EUPL-1.2")).build()))
            .build();
    }
}

#[derive(OpenApi)]
#[openapi(
    paths(
        read::list,
        read::search,
        intake::take,
        read::one,
        read::timeline,
        download::api_original,
        download::api_part,
        resume::resume,
        inspection::sheet,
        inspection::check,
        inspection::hold,
        inspection::decide,
        inspection::quarantine,
        drafts::list,
        drafts::begin,
        drafts::one,
        drafts::save,
        drafts::delete,
        drafts::attach,
        drafts::detach,
        drafts::send,
        drafts::withdraw,
        text_blocks::list,
        text_blocks::add,
        text_blocks::change,
        text_blocks::delete,
        people::list,
        people::add,
        people::one,
        people::change,
        people::password,
        people::drop_factor,
        people::set_grant,
        people::tokens,
        people::new_token,
        people::revoke_token,
        people::deputies,
        people::set_deputy,
        people::end_deputy,
        places::desks,
        places::add_desk,
        places::change_desk,
        places::mailboxes,
        places::add_mailbox,
        places::change_mailbox,
        places::add_address,
        places::changes,
        rules::show,
        rules::prepare,
        rules::test,
        rules::release,
        rules::history,
        connectors::list,
        connectors::add,
        connectors::change,
        connectors::check,
        status::balance,
        status::status,
        log::checkpoint,
        log::tile,
        document,
    ),
    security(("token" = []), ("session" = [])),
    components(schemas(Problem)),
    modifiers(&Doors)
)]
struct Api;

/// The description as text.
#[must_use]
pub fn text() -> String {
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// `GET /api/v1/openapi.json`: for everybody.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "description", security(()),
    responses((status = 200, description = "This description", body = Object, content_type = "application/json"))
)]
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], text()).into_response()
}
