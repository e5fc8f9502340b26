//! Signing in by a passkey alone: `POST /auth/passkey`, `/auth/passkey/session`.

use axum::extract::State;
use axum::response::Response;
use proto::{CeremonyEnd, PasskeySignIn};

use crate::audit::{self, Agent};
use crate::auth::{passkey, session};
use crate::error::Answer;
use crate::http::{ClientIp, Json, Keeper, reply};
use crate::state::App;

pub(crate) async fn begin(
    State(app): State<App>,
    client: ClientIp,
    Json(PasskeySignIn {}): Json<PasskeySignIn>,
) -> Answer<Response> {
    super::count(&app, "ip-passkey", &client).await?;
    Ok(reply(&passkey::begin_sign_in(&app).await?))
}

pub(crate) async fn open(
    State(app): State<App>,
    client: ClientIp,
    agent: Agent,
    keeper: Keeper,
    Json(end): Json<CeremonyEnd>,
) -> Answer<Response> {
    super::count(&app, "ip-passkey-session", &client).await?;
    let user = passkey::sign_in(&app, end, &agent).await?;
    let opened = session::open(&app, user, agent.clone(), true, keeper).await?;
    audit::signed_in(&app, user, false, "passkey", &agent).await?;
    Ok(opened.into_reply(&app))
}
