//! Files: list, changes, one, ticket, receipt, delete, take back, wrap again.

pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod delete;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod receipt;
pub(crate) mod replace;
pub(crate) mod revoke;
pub(crate) mod ticket;

use db::{FileAccess, FileView, Role};
use proto::{B64, Code, FileId, FileInfo, RecipientId, UserId};

use crate::error::{Answer, Refusal};
use crate::state::App;

/// One file as the caller sees it; whoever has no grant learns nothing.
pub(crate) async fn view(app: &App, user: UserId, file_id: FileId) -> Answer<FileView> {
    read(app.db.file_for(user, file_id, app.time()).await?)
}

/// One file by the grant of a bare key; whoever names no such grant learns nothing.
async fn view_by_key(app: &App, user: UserId, file_id: FileId, key: RecipientId) -> Answer<FileView> {
    read(app.db.file_by_key(user, file_id, key, app.time()).await?)
}

fn read(access: FileAccess) -> Answer<FileView> {
    match access {
        FileAccess::Available(view) => Ok(*view),
        FileAccess::Expired => Err(expired()),
        FileAccess::Nothing => Err(Refusal::not_found()),
    }
}

pub(crate) fn expired() -> Refusal {
    Refusal::new(Code::Expired, "The file has expired. Ask its sender to send it again.")
}

/// The reply's row; `None` for one without a grant, of which there is none.
fn info(view: FileView, author_bundle: Vec<u8>) -> Option<FileInfo> {
    Some(FileInfo {
        file_id: view.file_id,
        role: match view.role {
            Role::Author => proto::Role::Author,
            Role::Recipient => proto::Role::Recipient,
        },
        manifest: B64(view.manifest),
        grant: B64(view.grant?),
        author: view.author,
        author_bundle: B64(author_bundle),
        part_len: view.part_len,
        created: view.created_at.0,
        expires_at: view.expires_at.0,
        downloads: view.downloads,
        max_downloads: view.max_downloads,
        box_id: view.box_id,
        // A list does not say; one file does, to its author.
        recipients: Vec::new(),
        keys: Vec::new(),
        receipts: Vec::new(),
    })
}
