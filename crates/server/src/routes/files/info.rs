//! `GET /files/{file_id}`: manifest, the caller's grant, and the server's own bookkeeping.

use axum::extract::State;
use axum::response::Response;
use db::Role;
use proto::FileId;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    let view = super::view(&app, caller.user, file_id).await?;
    let bundle = app.db.newest_bundle(view.author).await?.ok_or_else(Refusal::not_found)?;
    let bundle = directory::octets(&app, bundle)?;
    let is_author = view.role == Role::Author;
    let mut info = super::info(view, bundle).ok_or_else(Refusal::not_found)?;
    if is_author {
        info.recipients = app.db.recipients_of(file_id).await?;
    }
    Ok(reply(&info))
}
