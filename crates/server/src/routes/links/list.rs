//! `GET /links`: all links to the caller's files.

use axum::extract::State;
use axum::response::Response;
use proto::LinkList;
use proto::limits::LINKS_PER_ACCOUNT;

use crate::auth::Caller;
use crate::error::Answer;
use crate::http::reply;
use crate::state::App;

pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Answer<Response> {
    let links = app.db.links_of(caller.user, app.time(), LINKS_PER_ACCOUNT).await?;
    Ok(reply(&LinkList { links: links.iter().map(super::info).collect() }))
}
