//! The authenticator app: `POST /auth/totp`, `/auth/totp/confirm`, `/auth/totp/remove`, `/auth/backup-codes`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use envelope::action::FactorChange;
use proto::{FactorRequest, TotpConfirm};

use crate::audit::{self, Agent, Kind};
use crate::auth::{SignedIn, factor};
use crate::error::Answer;
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn offer(
    State(app): State<App>,
    caller: SignedIn,
    Json(request): Json<FactorRequest>,
) -> Answer<Response> {
    let keys = factor::prove(&app, caller.user, FactorChange::Add, request.proof).await?;
    Ok(reply(&factor::offer(&app, &caller, keys).await?))
}

pub(crate) async fn confirm(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Json(request): Json<TotpConfirm>,
) -> Answer<Response> {
    let codes = factor::confirm(&app, &caller, &request.code).await?;
    audit::note(&app, caller.user, Kind::SecondFactorAdded, &agent).await?;
    Ok(reply(&codes))
}

pub(crate) async fn remove(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Json(request): Json<FactorRequest>,
) -> Answer<StatusCode> {
    factor::strong(&app, &caller).await?;
    factor::prove(&app, caller.user, FactorChange::Remove, request.proof).await?;
    if app.db.remove_totp(caller.user).await? {
        audit::note(&app, caller.user, Kind::SecondFactorRemoved, &agent).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn renew_backup_codes(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Json(request): Json<FactorRequest>,
) -> Answer<Response> {
    factor::strong(&app, &caller).await?;
    factor::prove(&app, caller.user, FactorChange::BackupCodes, request.proof).await?;
    let codes = factor::renew_backup_codes(&app, caller.user).await?;
    audit::note(&app, caller.user, Kind::BackupCodesMade, &agent).await?;
    Ok(reply(&codes))
}
