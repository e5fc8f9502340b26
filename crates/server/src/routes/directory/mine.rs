//! `GET /directory/me`: the caller's newest bundle.

use axum::extract::State;
use axum::response::Response;
use proto::{B64, MyBundle, PendingReset};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::reply;
use crate::state::App;

pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let newest = app.db.newest_bundle(caller.user).await?.ok_or_else(Refusal::not_found)?;
    let reset = app.db.reset(caller.user).await?.map(|reset| PendingReset {
        bundle_hash: B64(reset.bundle.as_bytes().to_vec()),
        begun: reset.begun_at.0,
        due: reset.due_at.0,
    });
    Ok(reply(&MyBundle { bundle: B64(super::octets(&app, newest)?), reset }))
}
