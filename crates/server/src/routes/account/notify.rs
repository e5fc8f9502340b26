//! `GET /account/notify`, `PUT /account/notify`: whether letters tell the caller of files that others shared.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use proto::Notify;

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Answer<Response> {
    Ok(reply(&Notify { mail: app.db.wants_notices(caller.user).await? }))
}

pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    Json(wish): Json<Notify>,
) -> Answer<StatusCode> {
    app.db.want_notices(caller.user, wish.mail).await?;
    Ok(StatusCode::NO_CONTENT)
}
