//! `DELETE /boxes/{box_id}`: closes a drop box of the caller's for good.

use axum::extract::State;
use axum::http::StatusCode;
use proto::BoxId;

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

pub(crate) async fn close(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(id): Fields<BoxId>,
) -> Answer<StatusCode> {
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let closed = db::NewEvent { owner: Some(caller.user), ..scribe.account(Kind::BoxClosed) };
    match app.db.close_box(caller.user, id, app.time(), &[closed]).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found()),
    }
}
