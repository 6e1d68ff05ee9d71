// SPDX-License-Identifier: EUPL-1.2
//! The one error type: a status, a stable code and a German sentence. [`crate::guard`] turns it into a page, or into an
//! RFC 9457 problem below `/api`.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use poststelle_hub::AcceptError;
use poststelle_hub::accounts::AccountError;
use poststelle_hub::administer::AdminError;
use poststelle_hub::change::CommitError;
use poststelle_hub::channel::ChannelError;
use poststelle_hub::content::HELD;
use poststelle_hub::desk::DeskError;
use poststelle_hub::directory::DirectoryError;
use poststelle_hub::inspecting::HoldError;
use poststelle_hub::rules::RulesError;
use poststelle_hub::status::AlarmError;
use poststelle_hub::targets::TargetsError;
use poststelle_hub::texts;
use poststelle_hub::view::ViewError;
use poststelle_hub::writing::WriteError;
use poststelle_model::{DeskState, Fault, Reason, Retry};
use poststelle_store::StoreError;
use poststelle_store::desk::NOTE_CAP;
use serde::Serialize;

/// Wait this long before the next try, when nothing better is known.
const WAIT: Duration = Duration::from_secs(30);

/// Why something was not done.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: Reason,
    /// Try again after this.
    pub(crate) wait: Option<Duration>,
    /// Go there instead (sign-in).
    pub(crate) go: Option<String>,
}

/// RFC 9457.
#[derive(Debug, Serialize)]
struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    code: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: Reason) -> Self {
        Self { status, reason, wait: None, go: None }
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Not there, or not for these eyes: the same answer for both.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Reason::new("PST-API-0002", Fault::Sender))
    }

    /// Nobody is signed in.
    pub(crate) fn unknown() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Reason::new("PST-API-0001", Fault::Sender))
    }

    /// Nobody is signed in: a page sends them to the sign-in and back to `from` afterwards.
    pub(crate) fn sign_in(from: &str) -> Self {
        let mut go = "/anmelden".to_owned();
        if from != "/" && !from.is_empty() {
            go.push_str("?weiter=");
            go.push_str(&crate::text::percent(from));
        }
        Self { go: Some(go), ..Self::unknown() }
    }

    /// Known, but not allowed.
    pub(crate) fn forbidden(code: &'static str) -> Self {
        Self::wrong(StatusCode::FORBIDDEN, code)
    }

    /// The asking side must change something.
    pub(crate) fn wrong(status: StatusCode, code: &'static str) -> Self {
        Self::new(status, Reason::new(code, Fault::Sender))
    }

    /// The request itself is wrong.
    pub(crate) fn bad(status: StatusCode, code: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(status, Reason::new(code, Fault::Sender).with("detail", detail))
    }

    /// The database did not answer in time.
    pub(crate) fn no_database() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Reason::new("PST-STORE-0001", Fault::Operator)).after(WAIT)
    }

    /// What a framework refused (unknown path, wrong method, form too large) in our words.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => "PST-WEB-0005",
            StatusCode::PAYLOAD_TOO_LARGE => "PST-WEB-0006",
            s if s.is_client_error() => {
                return Self::bad(status, "PST-API-0003", texts::say("detail-unreadable", &[]));
            }
            _ => return Self::new(status, Reason::new("PST-WEB-0007", Fault::Operator)),
        };
        Self::wrong(status, code)
    }

    /// The sentence.
    pub(crate) fn sentence(&self) -> String {
        texts::sentence(&self.reason)
    }

    /// What happened, in two or three words.
    pub(crate) fn title(&self) -> String {
        let key = format!("status-{}", self.status.as_u16());
        if texts::has(&key) { texts::say(&key, &[]) } else { texts::say("status-500", &[]) }
    }

    /// As RFC 9457 problem.
    pub(crate) fn problem(&self) -> Response {
        let code = self.reason.code.as_str().to_owned();
        let problem = Problem {
            r#type: format!("urn:poststelle:{code}"),
            title: self.title(),
            status: self.status.as_u16(),
            detail: self.sentence(),
            code,
        };
        let mut answer = (self.status, Json(problem)).into_response();
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"poststelle\""));
        }
        answer
    }

    /// Headers of every form of this refusal.
    pub(crate) fn decorate(&self, answer: &mut Response) {
        if let Some(wait) = self.wait {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(place) = self.go.as_deref().and_then(|g| HeaderValue::from_str(g).ok()) {
            return (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response();
        }
        // The body is made in `guard`, which knows whether a person or a program asked.
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

fn of_reason(reason: Reason, retry: Retry) -> Refusal {
    match retry {
        Retry::Now | Retry::Later => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).after(WAIT),
        Retry::Never => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, reason),
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::NotFound(_)) {
            return Self::not_found();
        }
        tracing::warn!(%error, "store");
        of_reason(error.reason(), error.retry())
    }
}

impl From<ViewError> for Refusal {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::NotFound => Self::not_found(),
            ViewError::ReadOnly => Self::forbidden("PST-API-0010"),
            ViewError::Store(error) => error.into(),
            ViewError::Commit(error) => error.into(),
        }
    }
}

impl From<HoldError> for Refusal {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::View(error) => error.into(),
            HoldError::SamePerson => Self::forbidden("PST-INSPECT-0003"),
            HoldError::Late(_) => Self::wrong(StatusCode::CONFLICT, "PST-INSPECT-0004"),
            HoldError::NoWords => Self::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-INSPECT-0005"),
        }
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::NoSession => Self::sign_in(""),
            AccountError::WrongPassword => Self::forbidden("PST-ACCOUNT-0001"),
            AccountError::PoorPassword => Self::wrong(StatusCode::BAD_REQUEST, "PST-ACCOUNT-0002"),
            AccountError::WrongCode => Self::forbidden("PST-ACCOUNT-0003"),
            AccountError::Locked => Self::forbidden("PST-ACCOUNT-0004"),
        }
    }
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Self {
        let state = |state: DeskState| texts::say(&format!("desk-state-{}", state.as_str()), &[]);
        let conflict = |code| Reason::new(code, Fault::Sender);
        match error {
            DeskError::View(error) => error.into(),
            DeskError::Changed { item, by } => {
                let reason = conflict("PST-DESK-0001").with("state", state(item.standing.state));
                let by = if by.is_empty() { "Die Poststelle".to_owned() } else { crate::text::line(&by, 80) };
                Self::new(StatusCode::CONFLICT, reason.with("by", by))
            }
            DeskError::NotNow(from) => {
                Self::new(StatusCode::CONFLICT, conflict("PST-DESK-0002").with("state", state(from)))
            }
            DeskError::NotTheirs => Self::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-DESK-0003"),
            DeskError::NotAhead => Self::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-DESK-0004"),
            DeskError::NoNote => {
                let reason = conflict("PST-DESK-0005").with("cap", NOTE_CAP);
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
            }
        }
    }
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::View(error) => error.into(),
            AdminError::Changed => Self::wrong(StatusCode::CONFLICT, "PST-ADMIN-0007"),
            AdminError::Refused(reason) => {
                let status = match reason.code.as_str() {
                    "PST-ADMIN-0003" | "PST-ADMIN-0009" | "PST-ADMIN-0013" | "PST-ADMIN-0018" => {
                        StatusCode::CONFLICT
                    }
                    "PST-ADMIN-0004" | "PST-ADMIN-0005" | "PST-ADMIN-0014" | "PST-ADMIN-0017" => {
                        StatusCode::FORBIDDEN
                    }
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::new(status, reason)
            }
        }
    }
}

impl Refusal {
    /// What can be said on the page the person came from; all else leaves it.
    pub(crate) fn here(error: AdminError) -> Result<Self, Self> {
        match error {
            AdminError::View(error) => Err(error.into()),
            error => Ok(error.into()),
        }
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::View(error) => error.into(),
            WriteError::Accept(error) => error.into(),
            WriteError::Changed(_) => Self::wrong(StatusCode::CONFLICT, "PST-DRAFT-0001"),
            WriteError::NotNow(_) => Self::wrong(StatusCode::CONFLICT, "PST-DRAFT-0011"),
            WriteError::Refused(reason) => {
                let status = match reason.code.as_str() {
                    "PST-DRAFT-0008" => StatusCode::PAYLOAD_TOO_LARGE,
                    "PST-DRAFT-0012" | "PST-TEXT-0004" | "PST-TEXT-0005" => StatusCode::CONFLICT,
                    "PST-API-0008" => StatusCode::BAD_REQUEST,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::new(status, reason)
            }
        }
    }
}

impl From<RulesError> for Refusal {
    fn from(error: RulesError) -> Self {
        match error {
            RulesError::View(error) => error.into(),
            RulesError::Directory(error) => of_directory(error),
            RulesError::Changed => Self::wrong(StatusCode::CONFLICT, "PST-RULE-0013"),
            RulesError::Refused(reason) => {
                let status = match reason.code.as_str() {
                    "PST-RULE-0009" | "PST-RULE-0012" => StatusCode::FORBIDDEN,
                    "PST-RULE-0010" => StatusCode::CONFLICT,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::new(status, reason)
            }
        }
    }
}

impl From<TargetsError> for Refusal {
    fn from(error: TargetsError) -> Self {
        match error {
            TargetsError::View(error) => error.into(),
            TargetsError::Directory(error) => of_directory(error),
            TargetsError::Changed => Self::wrong(StatusCode::CONFLICT, "PST-CONNECTOR-0003"),
            TargetsError::Refused(reason) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason),
        }
    }
}

fn of_directory(error: DirectoryError) -> Refusal {
    match error {
        DirectoryError::Store(error) => error.into(),
        DirectoryError::Evidence(error) => CommitError::from(error).into(),
        DirectoryError::Invalid(what) => Refusal::bad(StatusCode::UNPROCESSABLE_ENTITY, "PST-API-0003", what),
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        tracing::warn!(%error, "not proved, not done");
        let reason = match error.store() {
            Some(error @ StoreError::Database(_)) => error.reason(),
            _ => Reason::new("PST-HUB-0010", Fault::Operator),
        };
        of_reason(reason, Retry::Later)
    }
}

impl From<AlarmError> for Refusal {
    fn from(error: AlarmError) -> Self {
        match error {
            AlarmError::NotFound => Self::not_found(),
            AlarmError::EndsByItself => Self::wrong(StatusCode::CONFLICT, "PST-HUB-0009"),
            AlarmError::Store(error) => error.into(),
            AlarmError::Evidence(error) => CommitError::from(error).into(),
        }
    }
}

impl From<ChannelError> for Refusal {
    fn from(error: ChannelError) -> Self {
        if error.reason.code.as_str() == HELD {
            return Self::new(StatusCode::FORBIDDEN, error.reason);
        }
        tracing::warn!(%error, "content");
        of_reason(error.reason, error.retry)
    }
}

impl From<AcceptError> for Refusal {
    fn from(error: AcceptError) -> Self {
        let reason = error.reason();
        match &error {
            AcceptError::TooLarge { .. } | AcceptError::TooManyTenants { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
            }
            // Nothing was acknowledged: whatever it was, handing it in again is right.
            _ => {
                tracing::warn!(%error, "not accepted");
                of_reason(reason, error.retry())
            }
        }
    }
}
