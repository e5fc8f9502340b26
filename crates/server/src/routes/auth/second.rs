//! `POST /auth/second`: the second factor of a sign-in that has proved the mailbox.

use axum::extract::State;
use axum::response::Response;
use proto::SecondFactorRequest;

use crate::audit::{self, Agent};
use crate::auth::{factor, session};
use crate::error::Answer;
use crate::http::{ClientIp, Json, Keeper};
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
