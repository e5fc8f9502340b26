//! `GET /directory/me`: the caller's newest bundle.

use axum::extract::State;
use axum::response::Response;
use proto::{B64, PublishBundle};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::reply;
use crate::state::App;

pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let newest = app.db.newest_bundle(caller.user).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&PublishBundle { bundle: B64(super::octets(&app, newest)?) }))
}
