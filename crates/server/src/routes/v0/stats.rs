//! `GET /stats`: totals of the caller.

use axum::extract::State;
use axum::response::Response;
use proto::v0::StatsReply;

use crate::auth::v0::V0Caller;
use crate::error::Answer;
use crate::http::reply;
use crate::state::App;

pub(crate) async fn show(State(app): State<App>, V0Caller(caller): V0Caller) -> Answer<Response> {
    let stats = app.db.v0_stats(caller.user, app.time()).await?;
    Ok(reply(&StatsReply { total_files: stats.files, total_size: stats.bytes, activity_count: stats.events }))
}
