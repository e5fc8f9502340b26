//! `PUT /files/{file_id}/grants/me`: the caller's own grant, wrapped again after their keys changed.

use axum::extract::State;
use axum::http::StatusCode;
use db::{ReplaceAnswer, ReplaceGrant};
use envelope::{Bundle, Grant, Suite, Wrap};
use proto::limits::GRANT_MAX;
use proto::{Code, FileId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json};
use crate::routes::directory;
use crate::routes::uploads::verify::is_key_of;
use crate::state::App;

pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<proto::ReplaceGrant>,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    let replaced = view.grant.ok_or_else(Refusal::not_found)?;
    if request.grant.0.len() > GRANT_MAX {
        return Err(Refusal::malformed("The grant is too long."));
    }
    let grant = Grant::parse(request.grant.0.as_slice())
        .map_err(|error| Refusal::malformed(format!("The grant cannot be read: {error}.")))?;
    let before = Grant::parse(replaced.as_slice()).map_err(Refusal::internal)?;
    let bundle = directory::newest(&app, caller.user).await?;
    let bundle = bundle.ok_or_else(|| rejected("Publish your bundle first."))?;
    if grant.content_id() != view.content_id || grant.min_revision() > view.revision {
        return Err(rejected("The grant is of other content than the file's."));
    }
    judge(&grant, &before, &bundle)?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let replace = ReplaceGrant {
        user: caller.user,
        file_id,
        replaced,
        recipient: grant.recipient_id(),
        bytes: grant.as_bytes().to_vec(),
        now: app.time(),
        events: vec![scribe.file(Kind::GrantReplaced, view.author, file_id)],
    };
    match app.db.replace_grant(replace).await? {
        ReplaceAnswer::Replaced => Ok(StatusCode::NO_CONTENT),
        ReplaceAnswer::Changed => {
            Err(Refusal::new(Code::Conflict, "Your grant was replaced meanwhile. Fetch it first."))
        }
        ReplaceAnswer::Nothing => Err(Refusal::not_found()),
    }
}

/// What a person may change of their own grant: which of their keys it is wrapped to, and that they signed it.
fn judge(grant: &Grant, before: &Grant, own: &Bundle) -> Answer<()> {
    if grant.wrap() != Wrap::XWing || grant.suite() != Suite::Signed {
        return Err(rejected("Only a signed X-Wing grant can take the place of your grant."));
    }
    if grant.file_id() != before.file_id() || grant.content_id() != before.content_id() {
        return Err(rejected("The grant is of another file than the one it would replace."));
    }
    if grant.min_revision() < before.min_revision() {
        return Err(rejected("The grant would allow an earlier revision than the one it replaces."));
    }
    if grant.not_after() != before.not_after() {
        return Err(rejected("The grant ends at another time than the one it replaces."));
    }
    if !is_key_of(grant, own) {
        return Err(rejected("The grant is for a key that your newest bundle does not name."));
    }
    if grant.grantor_root_id() != own.root_id() || grant.verify(own.root_key()).is_err() {
        return Err(rejected("The grant is not signed by the root key of your newest bundle."));
    }
    Ok(())
}

fn rejected(detail: &'static str) -> Refusal {
    Refusal::new(Code::Rejected, detail)
}
