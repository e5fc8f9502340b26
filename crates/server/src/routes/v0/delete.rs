//! `DELETE /files/{file_id}`: ends a file for everybody. Unlike natively there is no root key to ask for.

use axum::extract::State;
use axum::response::Response;
use db::DeleteAnswer;
use proto::FileId;
use proto::v0::Done;

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::v0::V0Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::state::App;

pub(crate) async fn delete(
    State(app): State<App>,
    V0Caller(caller): V0Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    if super::view(&app, caller.user, file_id).await?.owner != caller.user {
        return Err(super::forbidden());
    }
    let deleted = Scribe::of(&app, caller.user, &agent).await?.file(Kind::FileDeleted, caller.user, file_id);
    match app.db.delete_file(caller.user, file_id, app.time(), &[deleted]).await? {
        DeleteAnswer::Deleted => Ok(reply(&Done { status: "ok".to_owned(), message: None })),
        DeleteAnswer::Nothing => Err(Refusal::not_found()),
    }
}
