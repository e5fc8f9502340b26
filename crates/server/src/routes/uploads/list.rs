//! `GET /uploads`: the caller's unfinished uploads.

use axum::extract::State;
use axum::response::Response;
use proto::UploadList;

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::reply;
use crate::state::App;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let uploads = app.db.uploads_of(caller.user, app.time()).await?;
    Ok(reply(&UploadList { uploads: uploads.iter().map(super::without_parts).collect() }))
}
