//! `GET /files/{file_id}`: manifest, the caller's grant or that of a key they name, and the server's own bookkeeping.

use axum::extract::State;
use axum::response::Response;
use db::Role;
use proto::{FileId, FileQuery};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Params, reply};
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Fields(file_id): Fields<FileId>,
    Params(query): Params<FileQuery>,
) -> Answer<Response> {
    let view = match query.recipient {
        None => super::view(&app, caller.user, file_id).await?,
        Some(key) => super::view_by_key(&app, caller.user, file_id, key).await?,
    };
    let bundle = app.db.newest_bundle(view.author).await?.ok_or_else(Refusal::not_found)?;
    let bundle = directory::octets(&app, bundle)?;
    let tell_holders = view.role == Role::Author && query.recipient.is_none();
    let mut info = super::info(view, bundle).ok_or_else(Refusal::not_found)?;
    if tell_holders {
        info.recipients = app.db.recipients_of(file_id).await?;
        info.keys = app.db.keys_of(file_id).await?;
        info.receipts = super::receipt::of(&app, file_id).await?;
    }
    Ok(reply(&info))
}
