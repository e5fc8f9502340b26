//! `POST /files/{file_id}/stop`: the author ends every other's access, all links and all tickets at once.

use axum::extract::State;
use axum::response::Response;
use db::Role;
use proto::{Code, FileId, Stopped};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::state::App;

pub(crate) async fn stop(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only the sender can stop sharing a file."));
    }
    let event = Scribe::of(&app, caller.user, &agent).await?.file(Kind::SharingStopped, caller.user, file_id);
    let stopped = app.db.stop_sharing(caller.user, file_id, app.time(), &[event]).await?;
    let db::Stopped { people, keys, links } = stopped.ok_or_else(Refusal::not_found)?;
    Ok(reply(&Stopped { people, keys, links }))
}
