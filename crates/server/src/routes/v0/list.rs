//! `GET /files`: the caller's own uploads; `GET /api/v1/v0-files`: those and the ones of others, for native clients.

use axum::extract::State;
use axum::response::Response;
use proto::v0::{FileList, FileMetadata, NativeList};
use serde::Deserialize;

use crate::auth::Caller;
use crate::auth::v0::V0Caller;
use crate::error::Answer;
use crate::http::{Params, reply};
use crate::routes::files::list::{read_cursor, write_cursor};
use crate::state::App;

/// Files of one page.
const PAGE: u32 = 1_000;

#[derive(Deserialize)]
pub(crate) struct Query {
    after: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    V0Caller(caller): V0Caller,
    Params(query): Params<Query>,
) -> Answer<Response> {
    let after = query.after.as_deref().map(read_cursor).transpose()?;
    let files = app.db.v0_files_of(caller.user, after, PAGE, app.time()).await?;
    let is_full = files.len() >= PAGE as usize;
    let next = files.last().filter(|_| is_full).map(|last| write_cursor(&last.cursor()));
    let files = files.into_iter().map(|file| super::row(&app, file)).collect::<Answer<_>>()?;
    Ok(reply(&FileList { files, next }))
}

pub(crate) async fn native(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let own = app.db.v0_files_of(caller.user, None, PAGE, app.time()).await?;
    let others = app.db.v0_files_for(caller.user, PAGE, app.time()).await?;
    let mut files = own
        .into_iter()
        .chain(others)
        .map(|file| {
            let owner = file.owner == caller.user;
            Ok(FileMetadata { file: super::row(&app, file)?, owner })
        })
        .collect::<Answer<Vec<_>>>()?;
    files.sort_by_key(|file| std::cmp::Reverse((file.file.uploaded_at, file.file.file_id)));
    files.truncate(PAGE as usize);
    Ok(reply(&NativeList { files }))
}
