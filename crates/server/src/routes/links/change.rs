//! `PUT /links/{link_id}`: how long and how often a link of the caller's opens.

use axum::extract::State;
use axum::response::Response;
use db::{NewLimits, UnixTime};
use proto::{ChangeLink, LinkId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::state::App;

pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(link): Fields<LinkId>,
    Json(request): Json<ChangeLink>,
) -> Answer<Response> {
    let expires_in = request.expires_at.map(|at| at.saturating_sub(app.now()));
    super::check_limits(expires_in, request.max_downloads)?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let changed = db::NewEvent { owner: Some(caller.user), ..scribe.account(Kind::LinkChanged) };
    let change = NewLimits {
        owner: caller.user,
        link,
        expires_at: request.expires_at.map(UnixTime),
        max_downloads: request.max_downloads,
        now: app.time(),
        events: vec![changed],
    };
    let link = app.db.change_link(change).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&super::info(&link)))
}
