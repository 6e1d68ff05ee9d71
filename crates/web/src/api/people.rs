// SPDX-License-Identifier: EUPL-1.2
//! `/api/v1/tenants/{tenant}/people`: accounts, roles, tokens and deputies of a tenant, as on the pages.
//!
//! Guarantees: for the role `tenant_admin` alone; to everybody else the tenant is not there. A first password and a
//! token are in the one answer that made them. Asked again, what stands already is left as it is.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use poststelle_hub::administer::{NewPerson, PersonView};
use poststelle_model::people::{Grant, Place};
use poststelle_model::{PrincipalId, Role, TenantId};
use poststelle_store::administration::Deputy;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::openapi::{ChangeRefusals, JsonRefusals, Refusals};
use crate::error::Refusal;
use crate::pages::admin::in_hand;
use crate::session::{Caller, Client};
use crate::web::Web;

/// Whose.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct OfTenant {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
}

/// Whose, and who.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes a path")]
pub(crate) struct OfPerson {
    /// The tenant.
    #[param(format = "uuid")]
    tenant: String,
    /// The person or service.
    #[param(format = "uuid")]
    person: String,
}

/// A role in this tenant: in all of it, at one desk or in one mailbox.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Grant)]
pub(crate) struct GrantOut {
    /// `tenant_admin`, `clerk`, `auditor` or `intake`.
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    desk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<String>,
}

impl GrantOut {
    fn of(grant: &Grant) -> Self {
        let (desk, mailbox) = match grant.place {
            Place::Desk { desk, .. } => (Some(desk.to_string()), None),
            Place::Mailbox { mailbox, .. } => (None, Some(mailbox.to_string())),
            _ => (None, None),
        };
        Self { role: grant.role.as_str().to_owned(), desk, mailbox }
    }

    fn read(&self, tenant: TenantId) -> Result<Grant, Refusal> {
        let role = read_role(&self.role)?;
        let absent = |_| Refusal::not_found();
        let place = match (&self.desk, &self.mailbox) {
            (None, None) => Place::Tenant { tenant },
            (Some(desk), None) => Place::Desk { tenant, desk: desk.parse().map_err(absent)? },
            (None, Some(mailbox)) => Place::Mailbox { tenant, mailbox: mailbox.parse().map_err(absent)? },
            (Some(_), Some(_)) => return Err(unfit()),
        };
        Ok(Grant { role, place })
    }
}

/// A person or service in sight of the tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonOut {
    id: String,
    login: String,
    name: String,
    /// `person` or `service`.
    kind: String,
    active: bool,
    /// Has a first password of the house's and chose none of their own yet.
    must_change: bool,
    second_factor: bool,
    /// Roles in this tenant.
    grants: Vec<GrantOut>,
    /// Has roles in other tenants too.
    elsewhere: bool,
    /// Roles here are in force: the Administration holds the mandate, or it is a service.
    backed: bool,
    /// Password, lock, name, second factor and deputy can be changed with this token.
    account: bool,
    version: i64,
}

impl PersonOut {
    fn of(view: PersonView) -> Self {
        Self {
            id: view.row.id.to_string(),
            account: view.closed.is_none(),
            grants: view.grants.iter().map(GrantOut::of).collect(),
            login: view.row.login,
            name: view.row.name,
            kind: view.row.kind,
            active: view.row.active,
            must_change: view.row.must_change,
            second_factor: view.row.second_factor,
            elsewhere: view.elsewhere,
            backed: view.backed,
            version: view.row.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct People {
    people: Vec<PersonOut>,
}

fn unfit() -> Refusal {
    Refusal::wrong(StatusCode::UNPROCESSABLE_ENTITY, "PST-ADMIN-0006")
}

fn read_role(word: &str) -> Result<Role, Refusal> {
    Role::parse(word).ok_or_else(unfit)
}

fn id(text: &str) -> Result<PrincipalId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

/// People and services with a role in the tenant, and people of the Administration with its mandate.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/people", operation_id = "people", params(OfTenant),
    responses((status = 200, description = "People and services", body = People), Refusals)
)]
pub(crate) async fn list(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let people = hand.people().await?.into_iter().map(PersonOut::of).collect();
    Ok(Json(People { people }).into_response())
}

/// One of them.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/people/{person}", operation_id = "person", params(OfPerson),
    responses((status = 200, description = "The person or service", body = PersonOut), Refusals)
)]
pub(crate) async fn one(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, person)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    Ok(Json(PersonOut::of(hand.person(id(&person)?).await?)).into_response())
}

/// Somebody to be added.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewPerson)]
pub(crate) struct New {
    login: String,
    name: String,
    /// `person` or `service`; a person when left out.
    #[serde(default)]
    kind: String,
    /// First role, for the whole tenant; a service needs one.
    role: Option<String>,
}

/// Somebody who was added.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedPerson)]
pub(crate) struct Added {
    id: String,
    /// A person's first password: here and nowhere else. The first sign-in asks for an own one.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Adds a person of the Administration with the mandate, or a service.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/people", operation_id = "add_person", security(("token" = [])),
    params(OfTenant), request_body = New,
    responses((status = 201, description = "Added", body = Added), Refusals, JsonRefusals)
)]
pub(crate) async fn add(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(new): Json<New>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let role = new.role.as_deref().map(read_role).transpose()?;
    let service = match new.kind.as_str() {
        "" | "person" => false,
        "service" => true,
        _ => return Err(unfit()),
    };
    let _place = web.checks().acquire().await;
    let new = NewPerson { login: new.login, name: new.name, service, role };
    let (id, password) = hand.add_person(&new).await?;
    Ok((StatusCode::CREATED, Json(Added { id: id.to_string(), password })).into_response())
}

/// What changes of an account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = PersonChange)]
pub(crate) struct Change {
    /// With the `version` it was read in.
    name: Option<String>,
    version: Option<i64>,
    /// False shuts the account out, with its sessions and tokens.
    active: Option<bool>,
}

/// Changes name or lock of an account.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/people/{person}", operation_id = "change_person",
    security(("token" = [])), params(OfPerson), request_body = Change,
    responses((status = 200, description = "As it is now", body = PersonOut), Refusals, JsonRefusals)
)]
pub(crate) async fn change(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id = id(&person)?;
    if let Some(name) = &change.name {
        hand.rename_person(id, name, change.version.unwrap_or(0)).await?;
    }
    if let Some(active) = change.active {
        hand.set_active(id, active).await?;
    }
    Ok(Json(PersonOut::of(hand.person(id).await?)).into_response())
}

/// A first password.
#[derive(Serialize, ToSchema)]
pub(crate) struct Password {
    /// Here and nowhere else. The next sign-in asks for an own one.
    password: String,
}

/// Makes a new first password and ends all sessions.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/people/{person}/password", operation_id = "new_password",
    security(("token" = [])), params(OfPerson),
    responses((status = 200, description = "The password, once", body = Password),
        Refusals, ChangeRefusals)
)]
pub(crate) async fn password(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let _place = web.checks().acquire().await;
    Ok(Json(Password { password: hand.new_password(id(&person)?).await? }).into_response())
}

/// Takes the second factor away and ends all sessions; without one nothing happens.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/people/{person}/second-factor", operation_id = "drop_second_factor",
    security(("token" = [])), params(OfPerson),
    responses((status = 204, description = "There is none any more"), Refusals, ChangeRefusals)
)]
pub(crate) async fn drop_factor(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    hand.drop_second_factor(id(&person)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A role to give or take.
#[derive(Deserialize, ToSchema)]
#[schema(as = GrantChange)]
pub(crate) struct GrantChange {
    #[serde(flatten)]
    grant: GrantOut,
    /// True gives it, false takes it back.
    granted: bool,
}

/// Gives a role in this tenant or takes it back; in force with the next request.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/people/{person}/grants", operation_id = "set_grant",
    security(("token" = [])), params(OfPerson), request_body = GrantChange,
    responses(
        (status = 200, description = "As it is now", body = PersonOut),
        (status = 204, description = "It was the last role here: the account is out of sight"),
        Refusals, JsonRefusals
    )
)]
pub(crate) async fn set_grant(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person)): Path<(String, String)>,
    Json(change): Json<GrantChange>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let id = id(&person)?;
    if !hand.set_grant(id, change.grant.read(hand.tenant.id)?, change.granted).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(PersonOut::of(hand.person(id).await?)).into_response())
}

/// A token as it is listed; its text is nowhere.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct TokenOut {
    name: String,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    tokens: Vec<TokenOut>,
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiToken)]
pub(crate) struct NewToken {
    name: String,
    /// 1 to 3650.
    days: u32,
}

/// A token, once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Made {
    /// Here and nowhere else.
    token: String,
}

/// Tokens of a service for this tenant, oldest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/people/{person}/tokens", operation_id = "tokens", params(OfPerson),
    responses((status = 200, description = "The tokens", body = Tokens), Refusals)
)]
pub(crate) async fn tokens(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path((tenant, person)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let rows = hand.tokens(id(&person)?).await?.into_iter();
    let tokens = rows.map(|t| TokenOut {
        name: t.name,
        created_at: t.created_at.rfc3339(),
        expires_at: t.expires_at.rfc3339(),
    });
    Ok(Json(Tokens { tokens: tokens.collect() }).into_response())
}

/// Makes a token for a service, bound to this tenant.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/people/{person}/tokens", operation_id = "new_token",
    security(("token" = [])), params(OfPerson), request_body = NewToken,
    responses((status = 201, description = "The token, once", body = Made), Refusals, JsonRefusals)
)]
pub(crate) async fn new_token(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person)): Path<(String, String)>,
    Json(new): Json<NewToken>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let token = hand.new_token(id(&person)?, &new.name, new.days).await?;
    Ok((StatusCode::CREATED, Json(Made { token })).into_response())
}

/// Takes a token of this name back at once; one that is not there is taken back too.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/people/{person}/tokens/{name}", operation_id = "revoke_token",
    security(("token" = [])), params(OfPerson, ("name" = String, Path, description = "The token's name")),
    responses((status = 204, description = "It opens nothing any more"), Refusals, ChangeRefusals)
)]
pub(crate) async fn revoke_token(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, person, name)): Path<(String, String, String)>,
) -> Result<StatusCode, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    hand.revoke_token(id(&person)?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody who stands in for somebody.
#[derive(Serialize, ToSchema)]
#[schema(as = Deputy)]
pub(crate) struct DeputyOut {
    id: String,
    person: String,
    person_name: String,
    deputy: String,
    deputy_name: String,
    begins_at: String,
    /// This moment not included.
    ends_at: String,
}

impl DeputyOut {
    fn of(d: Deputy) -> Self {
        Self {
            id: d.id.to_string(),
            person: d.principal.to_string(),
            person_name: d.principal_name,
            deputy: d.deputy.to_string(),
            deputy_name: d.deputy_name,
            begins_at: d.begins_at.rfc3339(),
            ends_at: d.ends_at.rfc3339(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Deputies {
    deputies: Vec<DeputyOut>,
}

/// Who stands in for people of this tenant, now and later.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/deputies", operation_id = "deputies", params(OfTenant),
    responses((status = 200, description = "The deputies", body = Deputies), Refusals)
)]
pub(crate) async fn deputies(
    State(web): State<Web>,
    Caller(signed): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let deputies = hand.deputies().await?.into_iter().map(DeputyOut::of).collect();
    Ok(Json(Deputies { deputies }).into_response())
}

/// Who shall stand in for whom.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewDeputy)]
pub(crate) struct NewDeputy {
    person: String,
    deputy: String,
    /// First day, `YYYY-MM-DD`, Europe/Berlin; not before today.
    from: String,
    /// Last day, which counts whole.
    until: String,
}

/// Lets a colleague of the same Administration stand in; the same once more changes nothing.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/deputies", operation_id = "set_deputy", security(("token" = [])),
    params(OfTenant), request_body = NewDeputy,
    responses((status = 201, description = "All that stand in for this person, now and later", body = Deputies),
        Refusals, JsonRefusals)
)]
pub(crate) async fn set_deputy(
    State(web): State<Web>,
    Client(signed): Client,
    Path(tenant): Path<String>,
    Json(new): Json<NewDeputy>,
) -> Result<Response, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    let person = id(&new.person)?;
    hand.set_deputy(person, id(&new.deputy)?, (&new.from, &new.until)).await?;
    let all = hand.deputies().await?.into_iter().filter(|d| d.principal == person);
    let deputies = all.map(DeputyOut::of).collect();
    Ok((StatusCode::CREATED, Json(Deputies { deputies })).into_response())
}

/// Ends it now; what is over already is ended too.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/deputies/{deputy}", operation_id = "end_deputy",
    security(("token" = [])), params(OfTenant, ("deputy" = String, Path, description = "Its id", format = "uuid")),
    responses((status = 204, description = "It is over"), Refusals, ChangeRefusals)
)]
pub(crate) async fn end_deputy(
    State(web): State<Web>,
    Client(signed): Client,
    Path((tenant, deputy)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let hand = in_hand(&web, &signed, &tenant).await?;
    hand.end_deputy(deputy.parse().map_err(|_| Refusal::not_found())?).await?;
    Ok(StatusCode::NO_CONTENT)
}
