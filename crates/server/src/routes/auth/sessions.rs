//! The caller's sessions: `GET /auth/sessions`, `DELETE /auth/sessions/{session_id}`, `POST /auth/sessions/end-others`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use db::SessionId;
use proto::{SessionInfo, SessionList, SessionsEnded};
use uuid::Uuid;

use crate::audit::{self, Agent, Kind};
use crate::auth::SignedIn;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::state::App;

pub(crate) async fn list(State(app): State<App>, caller: SignedIn) -> Answer<Response> {
    let sessions = app.db.sessions_of(caller.user, app.time()).await?;
    let sessions = sessions
        .into_iter()
        .map(|session| SessionInfo {
            id: Uuid::from_bytes(*session.sid.as_bytes()).to_string(),
            client: session.client,
            created: session.created_at.0,
            last_used: session.last_used_at.0,
            expires_at: session.expires_at.0,
            second_factor: session.strong,
            current: session.sid == caller.sid,
        })
        .collect();
    Ok(reply(&SessionList { sessions }))
}

pub(crate) async fn end(
    State(app): State<App>,
    caller: SignedIn,
    agent: Agent,
    Fields(id): Fields<String>,
) -> Answer<StatusCode> {
    let id = Uuid::try_parse(&id).map_err(|_| Refusal::not_found())?;
    if app.db.end_session_of(caller.user, SessionId::from_bytes(id.into_bytes())).await? {
        audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Refusal::not_found())
    }
}

pub(crate) async fn end_others(State(app): State<App>, caller: SignedIn, agent: Agent) -> Answer<Response> {
    let ended = app.db.end_other_sessions(caller.user, caller.sid).await?;
    if ended > 0 {
        audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
    }
    Ok(reply(&SessionsEnded { ended }))
}
