//! `DELETE /links/{link_id}`: takes a link of the caller's back.

use axum::extract::State;
use axum::http::StatusCode;
use proto::LinkId;

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(link): Fields<LinkId>,
) -> Answer<StatusCode> {
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let revoked = db::NewEvent { owner: Some(caller.user), ..scribe.account(Kind::LinkRevoked) };
    match app.db.revoke_link(caller.user, link, &[revoked]).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found()),
    }
}
