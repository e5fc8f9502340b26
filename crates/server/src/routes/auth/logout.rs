//! `POST /auth/logout`: ends the caller's session at once, on every server.

use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use proto::Code;

use crate::audit::{self, Agent, Kind};
use crate::auth::{SignedIn, session};
use crate::error::Answer;
use crate::http::{Keeper, Presented};
use crate::state::App;

/// A program shows its access token; a browser its cookie, which it forgets by the answer, or its access token, or both.
pub(crate) async fn end(State(app): State<App>, agent: Agent, request: Request) -> Answer<Response> {
    let (mut parts, body) = request.into_parts();
    match Keeper::from_request_parts(&mut parts, &app).await? {
        Keeper::Browser => {
            // A page may have lost the one and kept the other.
            match SignedIn::from_request_parts(&mut parts, &app).await {
                Ok(caller) => {
                    app.db.end_session(caller.sid).await?;
                    audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
                }
                Err(refusal) if refusal.code == Code::SignInNeeded => {}
                Err(refusal) => return Err(refusal),
            }
            let presented = Presented::from_request(Request::from_parts(parts, body), &app).await?;
            session::end_in_browser(&app, &presented, &agent).await
        }
        Keeper::Program => {
            let caller = SignedIn::from_request_parts(&mut parts, &app).await?;
            app.db.end_session(caller.sid).await?;
            audit::note(&app, caller.user, Kind::SessionEnded, &agent).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}
