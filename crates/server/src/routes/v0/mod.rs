//! The documented API (v0): its paths, fields and codes are fixed. At the root, and again under `/api/v0`.

pub(crate) mod delete;
pub(crate) mod file;
pub(crate) mod list;
mod receive;
pub(crate) mod s3;
pub(crate) mod sign_in;
pub(crate) mod stats;
pub(crate) mod upload;

use db::{FileAccess, V0Access, V0File};
use proto::v0::FileRow;
use proto::{Code, FileId, UserId};
use serde::{Deserialize, Serialize};

use crate::error::{Answer, Refusal};
use crate::routes::files::expired;
use crate::secrets::V0Place;
use crate::state::App;

/// What is kept sealed of a file beside its name.
#[derive(Serialize, Deserialize)]
struct Rest {
    nonce: String,
    wrapped_key: String,
    metadata: String,
}

/// A file as the caller may see it. Here, unlike in the native API, who is not allowed is told so.
async fn view(app: &App, user: UserId, file_id: FileId) -> Answer<V0File> {
    match app.db.v0_file(user, file_id, app.time()).await? {
        V0Access::Available(file) => Ok(*file),
        V0Access::Expired => Err(expired()),
        V0Access::Forbidden => Err(forbidden()),
        // A sealed file is known here only to whoever may open it by its own way.
        V0Access::Nothing => match app.db.file_for(user, file_id, app.time()).await? {
            FileAccess::Nothing => Err(Refusal::not_found()),
            _ => Err(Refusal::new(
                Code::OpenWithWax,
                "This file is sealed in a way that this API cannot carry: open it with wax.",
            )),
        },
    }
}

fn forbidden() -> Refusal {
    Refusal::new(Code::Forbidden, "The file is not for you. Ask its owner to send it to your address.")
}

fn row(app: &App, file: V0File) -> Answer<FileRow> {
    let name = app.keys.open_v0(V0Place::Name(file.file_id), file.sealed_name);
    let name =
        name.and_then(|name| String::from_utf8(name).ok()).ok_or_else(|| Refusal::internal(Unreadable))?;
    Ok(FileRow {
        file_id: file.file_id,
        filename: name,
        uploaded_at: file.created_at.0,
        expires_at: file.expires_at.0,
        size: file.len,
        downloads: file.downloads.into(),
    })
}

/// The row was sealed with another `SECRET_KEY` than today's.
#[derive(Debug, thiserror::Error)]
#[error("a stored file of the documented API does not open: SECRET_KEY is not the one it was sealed with")]
struct Unreadable;
