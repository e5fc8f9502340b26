//! The second factor of a sign-in that has proved the mailbox: `POST /auth/second`, `/auth/second/passkey`,
//! `/auth/second/passkey/finish`.

use axum::extract::State;
use axum::response::Response;
use proto::{PasskeySecondEnd, PasskeySecondRequest, SecondFactorRequest};

use crate::audit::{self, Agent};
use crate::auth::{factor, passkey, session};
use crate::error::Answer;
use crate::http::{ClientIp, Json, Keeper, reply};
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    client: ClientIp,
    agent: Agent,
    keeper: Keeper,
    Json(request): Json<SecondFactorRequest>,
) -> Answer<Response> {
    super::count(&app, "ip-second", &client).await?;
    let user = factor::show(&app, &request.token, &request.code, &agent).await?;
    let opened = session::open(&app, user, agent.clone(), true, keeper).await?;
    audit::signed_in(&app, user, false, "second factor", &agent).await?;
    Ok(opened.into_reply(&app))
}

pub(crate) async fn begin_passkey(
    State(app): State<App>,
    client: ClientIp,
    Json(request): Json<PasskeySecondRequest>,
) -> Answer<Response> {
    super::count(&app, "ip-second-passkey", &client).await?;
    Ok(reply(&passkey::begin_second(&app, &request.token).await?))
}

pub(crate) async fn show_passkey(
    State(app): State<App>,
    client: ClientIp,
    agent: Agent,
    keeper: Keeper,
    Json(end): Json<PasskeySecondEnd>,
) -> Answer<Response> {
    super::count(&app, "ip-second", &client).await?;
    let user = passkey::second(&app, end, &agent).await?;
    let opened = session::open(&app, user, agent.clone(), true, keeper).await?;
    audit::signed_in(&app, user, false, "code and passkey", &agent).await?;
    Ok(opened.into_reply(&app))
}
