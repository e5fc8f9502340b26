//! `GET /files/{file_id}`: manifest, the caller's grant, and the server's own bookkeeping.

use axum::extract::State;
use axum::response::Response;
use proto::FileId;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    let view = super::view(&app, caller.user, file_id).await?;
    let bundle = app.db.newest_bundle(view.author).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&super::info(view, bundle.bundle).ok_or_else(Refusal::not_found)?))
}
