//! `PUT /files/{file_id}/terms`: how long and how often a file of the caller's may be fetched.

use axum::extract::State;
use axum::response::Response;
use db::{NewTerms, Role, UnixTime};
use proto::limits::EXPIRY_MAX_SECONDS;
use proto::{ChangeFile, Code, FileId, FileTerms};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::state::App;

pub(crate) async fn change(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<ChangeFile>,
) -> Answer<Response> {
    if request.max_downloads == Some(0) {
        return Err(Refusal::malformed("A download limit is at least 1."));
    }
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only the sender can change the limits of a file."));
    }
    let latest = view.created_at.plus(EXPIRY_MAX_SECONDS);
    if request.expires_at <= app.now() || request.expires_at > latest.0 {
        return Err(Refusal::malformed("A file ends in the future, at most 366 days after it was sent."));
    }
    let event = Scribe::of(&app, caller.user, &agent).await?.file(Kind::FileChanged, caller.user, file_id);
    let change = NewTerms {
        owner: caller.user,
        file_id,
        expires_at: UnixTime(request.expires_at),
        max_downloads: request.max_downloads,
        now: app.time(),
        events: vec![event],
    };
    if !app.db.change_file(change).await? {
        return Err(Refusal::not_found());
    }
    Ok(reply(&FileTerms {
        file_id,
        expires_at: request.expires_at,
        downloads: view.downloads,
        max_downloads: request.max_downloads,
    }))
}
