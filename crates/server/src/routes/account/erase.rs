//! `POST /account/erase`: the person leaves, and is forgotten.

use axum::extract::State;
use axum::http::StatusCode;
use db::{Erase, Lookup};
use envelope::action::{ERASE, erase_bytes};
use proto::FactorRequest;

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::{SignedIn, factor, proof};
use crate::error::Answer;
use crate::http::Json;
use crate::state::App;

pub(crate) async fn erase(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Json(request): Json<FactorRequest>,
) -> Answer<StatusCode> {
    factor::strong(&app, &caller).await?;
    let bytes = |time| erase_bytes(&caller.user, time).to_vec();
    proof::timed(&app, caller.user, ERASE, request.proof, bytes, "Erasing an account").await?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let erase = Erase {
        user: caller.user,
        lookup: Lookup::from_bytes(crate::random::bytes()),
        now: app.time(),
        events: vec![scribe.account(Kind::AccountErased)],
    };
    // If another request was quicker, it is done all the same.
    if app.db.erase_account(erase).await? {
        tracing::info!(user = %caller.user, "an account was erased");
    }
    Ok(StatusCode::NO_CONTENT)
}
