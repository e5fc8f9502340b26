//! `DELETE /files/{file_id}/grants/{user_id}` and `…/keys/{recipient_id}`: the author takes a grant back, or a
//! recipient drops their own.

use axum::extract::State;
use axum::http::StatusCode;
use db::{LeaveAnswer, NewEvent, RevokeAnswer, Role};
use proto::{Code, FileId, RecipientId, UserId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

pub(crate) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields((file_id, user_id)): Fields<(FileId, UserId)>,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let gone = match view.role {
        Role::Author if user_id == caller.user => {
            return Err(Refusal::new(Code::Forbidden, "The sender's own grant stays as long as the file."));
        }
        Role::Author => {
            let revoked = scribe.file(Kind::AccessRevoked, view.author, file_id);
            let events = [NewEvent { other: Some(user_id), ..revoked }];
            app.db.revoke_grant(caller.user, file_id, user_id, &events).await? == RevokeAnswer::Revoked
        }
        Role::Recipient if user_id == caller.user => {
            let left = scribe.file(Kind::FileLeft, view.author, file_id);
            app.db.leave_file(caller.user, file_id, &[left]).await? == LeaveAnswer::Left
        }
        Role::Recipient => {
            return Err(Refusal::new(Code::Forbidden, "Only the sender can take a grant of others back."));
        }
    };
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found()) }
}

pub(crate) async fn revoke_key(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields((file_id, key)): Fields<(FileId, RecipientId)>,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only the sender can take the grant of a key back."));
    }
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let revoked = scribe.file(Kind::AccessRevoked, view.author, file_id);
    match app.db.revoke_key(caller.user, file_id, key, &[revoked]).await? {
        RevokeAnswer::Revoked => Ok(StatusCode::NO_CONTENT),
        RevokeAnswer::Nothing => Err(Refusal::not_found()),
    }
}
