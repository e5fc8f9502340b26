//! `DELETE /uploads/{file_id}`: ends an unfinished upload and frees what it held.

use axum::extract::State;
use axum::http::StatusCode;
use db::AbandonAnswer;
use proto::FileId;

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

pub(crate) async fn abandon(
    State(app): State<App>,
    caller: Caller,
    Fields(file_id): Fields<FileId>,
) -> Answer<StatusCode> {
    match app.db.abandon_upload(caller.user, file_id, app.time()).await? {
        AbandonAnswer::Abandoned => Ok(StatusCode::NO_CONTENT),
        AbandonAnswer::Nothing => Err(Refusal::not_found()),
    }
}
