//! `POST /auth/second`: the second factor of a sign-in that has proved the mailbox.

use axum::extract::State;
use axum::response::Response;
use proto::SecondFactorRequest;

use crate::auth::{factor, session};
use crate::error::Answer;
use crate::http::{ClientIp, ClientName, Json, reply};
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    client: ClientIp,
    name: ClientName,
    Json(request): Json<SecondFactorRequest>,
) -> Answer<Response> {
    super::count(&app, "ip-second", &client).await?;
    let user = factor::show(&app, &request.token, &request.code).await?;
    Ok(reply(&session::open(&app, user, name, true).await?))
}
