//! `DELETE /files/{file_id}`: ends a file for everybody; needs the author's root key, not only a session.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use db::{DeleteAnswer, Role};
use envelope::ed25519::{Signature, verify_strict};
use proto::{B64, Code, FileId};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, single};
use crate::routes::directory;
use crate::state::App;

/// What the proof is made over, before the file's id.
const ACTION: &[u8] = b"waxwing/v1/action/delete\0";

pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only its sender can remove a file for everybody."));
    }
    let needed = |detail: &'static str| Refusal::new(Code::ProofNeeded, detail);
    let text = single(&headers, proto::headers::PROOF)?
        .ok_or_else(|| needed("Removing a file needs a signature by your root key."))?;
    let proof: [u8; 64] = B64::parse(text)
        .ok()
        .and_then(|bytes| bytes.0.try_into().ok())
        .ok_or_else(|| Refusal::malformed("The proof is a signature of 64 bytes, as base64url."))?;
    let bundle =
        directory::newest(&app, caller.user).await?.ok_or_else(|| needed("Publish your bundle first."))?;
    verify_strict(bundle.root_key(), &[ACTION, file_id.as_bytes()], &Signature::from_bytes(proof))
        .map_err(|_| needed("The proof is not made by your root key for this file."))?;
    let deleted = Scribe::of(&app, caller.user, &agent).await?.file(Kind::FileDeleted, caller.user, file_id);
    match app.db.delete_file(caller.user, file_id, app.time(), &[deleted]).await? {
        DeleteAnswer::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteAnswer::Nothing => Err(Refusal::not_found()),
    }
}
