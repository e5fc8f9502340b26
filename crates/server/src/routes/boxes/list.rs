//! `GET /boxes`: the caller's drop boxes.

use axum::extract::State;
use axum::response::Response;
use proto::BoxList;
use proto::limits::BOXES_PER_ACCOUNT;

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::reply;
use crate::state::App;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Response> {
    // Those that ended are kept for a while besides those that are open.
    let boxes = app.db.boxes_of(caller.user, app.time(), 2 * BOXES_PER_ACCOUNT).await?;
    Ok(reply(&BoxList { boxes: boxes.into_iter().map(super::info).collect() }))
}
