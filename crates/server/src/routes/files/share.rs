//! `POST /files/{file_id}/grants`: the file for more people, by its author or passed on by whoever was given it.

use axum::extract::State;
use axum::response::Response;
use db::{AddHolders, AddHoldersAnswer, NewEvent, Role};
use envelope::Suite;
use proto::limits::{GRANTS_MAX, HOLDERS_MAX};
use proto::{B64, Code, FileId, Share, Shared};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::routes::uploads::complete::bundles_of;
use crate::routes::uploads::verify::Signed;
use crate::state::App;

pub(crate) async fn share(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<Share>,
) -> Answer<Response> {
    if !(1..=GRANTS_MAX).contains(&request.grants.len()) {
        return Err(Refusal::malformed("Share with 1 to 500 people and keys at once."));
    }
    let view = super::view(&app, caller.user, file_id).await?;
    let is_author = view.role == Role::Author;
    if !is_author && request.grants.iter().any(|to| to.user_id.is_none()) {
        return Err(Refusal::new(
            Code::Forbidden,
            "Only the sender can give a file to a key without an account.",
        ));
    }
    let signed = Signed::parse(&B64(view.manifest), &request.grants)?;
    if signed.manifest.suite() != Suite::Signed {
        return Err(Refusal::new(Code::Rejected, "A file that nobody signed cannot be shared further."));
    }
    let bundles = bundles_of(&app, caller.user, signed.users()).await?;
    // Up to 500 signatures are too long for a task that others wait for.
    let grants = tokio::task::block_in_place(|| signed.check_given(caller.user, &bundles))?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let kind = if is_author { Kind::FileShared } else { Kind::FilePassedOn };
    let told =
        |grant: &db::NewGrant| NewEvent { other: grant.user, ..scribe.file(kind, view.author, file_id) };
    let add = AddHolders {
        giver: caller.user,
        file_id,
        grants: grants.into_iter().map(|grant| (grant.clone(), told(&grant))).collect(),
        max_holders: HOLDERS_MAX,
        now: app.time(),
    };
    match app.db.add_holders(add).await? {
        AddHoldersAnswer::Added { already, already_keys } => Ok(reply(&Shared { already, already_keys })),
        AddHoldersAnswer::TooMany => Err(Refusal::new(
            Code::Forbidden,
            "A file is for at most 1,000 people and keys. Nobody was added.",
        )),
        AddHoldersAnswer::Nothing => Err(Refusal::not_found()),
    }
}
