//! The caller's passkeys: `POST` and `GET /auth/passkeys`, `/auth/passkeys/finish`, `/auth/passkeys/{id}`,
//! `/auth/passkeys/{id}/remove`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use db::PasskeyId;
use envelope::action::FactorChange;
use proto::{CeremonyEnd, FactorRequest, PasskeyRename, PasskeyRequest};
use uuid::Uuid;

use crate::audit::{self, Agent, Kind};
use crate::auth::{SignedIn, factor, passkey};
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::state::App;

pub(crate) async fn begin(
    State(app): State<App>,
    caller: SignedIn,
    Json(request): Json<PasskeyRequest>,
) -> Answer<Response> {
    factor::strong(&app, &caller).await?;
    let keys = factor::prove(&app, caller.user, FactorChange::Add, request.proof).await?;
    Ok(reply(&passkey::begin_to_add(&app, &caller, keys, &request.name).await?))
}

pub(crate) async fn finish(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Json(end): Json<CeremonyEnd>,
) -> Answer<Response> {
    factor::strong(&app, &caller).await?;
    let added = passkey::add(&app, &caller, end).await?;
    audit::note(&app, caller.user, Kind::PasskeyAdded, &agent).await?;
    Ok(reply(&added))
}

pub(crate) async fn list(State(app): State<App>, caller: SignedIn) -> Answer<Response> {
    Ok(reply(&passkey::list(&app, caller.user).await?))
}

pub(crate) async fn rename(
    State(app): State<App>,
    caller: SignedIn,
    Fields(id): Fields<String>,
    Json(request): Json<PasskeyRename>,
) -> Answer<StatusCode> {
    factor::strong(&app, &caller).await?;
    if passkey::rename(&app, caller.user, parse(&id)?, &request.name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}

pub(crate) async fn remove(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Fields(id): Fields<String>,
    Json(request): Json<FactorRequest>,
) -> Answer<StatusCode> {
    factor::strong(&app, &caller).await?;
    factor::prove(&app, caller.user, FactorChange::Remove, request.proof).await?;
    if app.db.remove_passkey(caller.user, parse(&id)?).await? {
        audit::note(&app, caller.user, Kind::PasskeyRemoved, &agent).await?;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}

fn parse(id: &str) -> Answer<PasskeyId> {
    let id = Uuid::try_parse(id).map_err(|_| Refusal::not_found())?;
    Ok(PasskeyId::from_bytes(id.into_bytes()))
}
