//! `GET /files/{file_id}`: manifest, the caller's grant or that of a key they name, and the server's own bookkeeping.

use axum::extract::State;
use axum::response::Response;
use db::Role;
use proto::{FileId, FileQuery, Holder};

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
    let people: Vec<_> = super::shown(&view).collect();
    let bundles = directory::newest_of(&app, &people).await?;
    let tell_holders = view.role == Role::Author && query.recipient.is_none();
    let mut info = super::info(view, &bundles).ok_or_else(Refusal::not_found)?;
    if tell_holders {
        info.recipients = app.db.holders_of(file_id).await?.into_iter().map(holder).collect();
        info.keys = app.db.keys_of(file_id).await?;
        info.receipts = super::receipt::of(&app, file_id).await?;
    }
    Ok(reply(&info))
}

fn holder(holder: db::Holder) -> Holder {
    Holder {
        user_id: holder.user,
        given_by: holder.given_by,
        since: holder.since.0,
        downloads: holder.downloads,
        fetched_at: holder.fetched_at.map(|at| at.0),
    }
}
