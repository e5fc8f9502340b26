//! `GET /uploads/{file_id}`: which parts are durable, with their nodes.

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
    let upload = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&super::with_parts(&app, upload).await?))
}
