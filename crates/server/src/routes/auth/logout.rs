//! `POST /auth/logout`: ends the caller's session at once, on every server.

use axum::extract::State;
use axum::http::StatusCode;

use crate::audit::{self, Agent, Kind};
use crate::auth::SignedIn;
use crate::error::Answer;
use crate::state::App;

pub(crate) async fn end(State(app): State<App>, caller: SignedIn, agent: Agent) -> Answer<StatusCode> {
    app.db.end_session(caller.sid).await?;
    audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
    Ok(StatusCode::NO_CONTENT)
}
