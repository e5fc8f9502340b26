//! `PUT /files/{file_id}/manifest`: the same content under another name, as the next revision.

use axum::extract::State;
use axum::http::StatusCode;
use db::{Digest, FileView, NewManifest, RenameAnswer, Role};
use envelope::bundle::MAX_CHAIN;
use envelope::ed25519::PublicKey;
use envelope::{Manifest, Suite};
use proto::limits::MANIFEST_MAX;
use proto::{Code, FileId, Rename};

use crate::audit::{Agent, Kind, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json};
use crate::routes::directory;
use crate::state::App;

pub(crate) async fn rename(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<Rename>,
) -> Answer<StatusCode> {
    let view = super::view(&app, caller.user, file_id).await?;
    if view.role != Role::Author {
        return Err(Refusal::new(Code::Forbidden, "Only the sender can rename a file."));
    }
    if request.manifest.0.len() > MANIFEST_MAX {
        return Err(Refusal::malformed("The manifest is too long."));
    }
    let manifest = Manifest::parse(request.manifest.0.as_slice())
        .map_err(|error| Refusal::malformed(format!("The manifest cannot be read: {error}.")))?;
    judge(&app, &manifest, &view).await?;
    let event = Scribe::of(&app, caller.user, &agent).await?.file(Kind::FileRenamed, caller.user, file_id);
    let new = NewManifest {
        owner: caller.user,
        file_id,
        content_id: manifest.content_id(),
        revision: manifest.revision(),
        digest: Digest::from_bytes(manifest.digest()),
        manifest: manifest.as_bytes().to_vec(),
        now: app.time(),
        events: vec![event],
    };
    match app.db.rename_file(new).await? {
        RenameAnswer::Renamed => Ok(StatusCode::NO_CONTENT),
        RenameAnswer::Changed => {
            Err(Refusal::new(Code::Conflict, "The file has another revision by now. Look at it first."))
        }
        RenameAnswer::Nothing => Err(Refusal::not_found()),
    }
}

/// Whether it is of the same content, which the content id covers whole, and by the root that signed that.
async fn judge(app: &App, manifest: &Manifest, view: &FileView) -> Answer<()> {
    let rejected = |detail: &'static str| Refusal::new(Code::Rejected, detail);
    if manifest.suite() != Suite::Signed
        || manifest.file_id() != view.file_id
        || manifest.content_id() != view.content_id
    {
        return Err(rejected("The manifest is of other content than the file's."));
    }
    let unsigned = || rejected("The manifest is not signed by the root key that signed the file.");
    let key = author_key(app, view).await?.ok_or_else(unsigned)?;
    manifest.verify(&key).map_err(|_| unsigned())
}

/// The root key that signed the file: the author's present one, or one that it took the place of.
async fn author_key(app: &App, view: &FileView) -> Answer<Option<PublicKey>> {
    let Some(newest) = directory::newest(app, view.author).await? else { return Ok(None) };
    if newest.root_id() == view.author_root {
        return Ok(Some(*newest.root_key()));
    }
    let most = u32::try_from(MAX_CHAIN).unwrap_or(u32::MAX);
    let from = newest.seq().saturating_sub(most - 1).max(1);
    for stored in app.db.bundle_chain(view.author, from, most).await? {
        let bundle = directory::read(app, stored)?;
        if bundle.root_id() == view.author_root {
            return Ok(Some(*bundle.root_key()));
        }
    }
    Ok(None)
}
