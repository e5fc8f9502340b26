//! `POST /auth/refresh`: trades a refresh token for a new pair.

use axum::extract::State;
use axum::response::Response;
use proto::RefreshRequest;

use crate::auth::session;
use crate::error::Answer;
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn renew(State(app): State<App>, Json(request): Json<RefreshRequest>) -> Answer<Response> {
    Ok(reply(&session::renew(&app, &request.refresh_token).await?))
}
