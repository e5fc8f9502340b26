//! `POST /auth/refresh`: trades a refresh token for a new pair.

use axum::extract::State;
use axum::response::Response;

use crate::auth::session;
use crate::error::Answer;
use crate::http::Presented;
use crate::state::App;

pub(crate) async fn renew(State(app): State<App>, presented: Presented) -> Answer<Response> {
    Ok(session::renew(&app, &presented).await?.into_reply(&app))
}
