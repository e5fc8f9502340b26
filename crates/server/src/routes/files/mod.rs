//! Files: list, changes, one, its CIDs, ticket, receipt, delete, share, take back, wrap again, rename, change.

pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod changes;
pub(crate) mod cids;
pub(crate) mod delete;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod receipt;
pub(crate) mod rename;
pub(crate) mod replace;
pub(crate) mod revoke;
pub(crate) mod share;
pub(crate) mod stop;
pub(crate) mod ticket;

use std::collections::HashMap;

use db::{FileAccess, FileView, Role};
use proto::{B64, Code, FileId, FileInfo, PassedBy, RecipientId, UserId};

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

/// The accounts whose bundles a row shows.
fn shown(view: &FileView) -> impl Iterator<Item = UserId> {
    std::iter::once(view.author).chain(view.given_by)
}

/// The reply's row; `None` for one without a grant, of which there is none, or whose author has no bundle.
fn info(view: FileView, bundles: &HashMap<UserId, Vec<u8>>) -> Option<FileInfo> {
    let bundle = |user: &UserId| bundles.get(user).cloned().map(B64);
    let author_bundle = bundle(&view.author)?;
    let passed_by = view.given_by.map(|user_id| PassedBy { user_id, bundle: bundle(&user_id) });
    Some(FileInfo {
        file_id: view.file_id,
        role: match view.role {
            Role::Author => proto::Role::Author,
            Role::Recipient => proto::Role::Recipient,
        },
        manifest: B64(view.manifest),
        grant: B64(view.grant?),
        author: view.author,
        author_bundle,
        part_len: view.part_len,
        created: view.created_at.0,
        expires_at: view.expires_at.0,
        downloads: view.downloads,
        max_downloads: view.max_downloads,
        box_id: view.box_id,
        passed_by,
        // A list does not say; one file does, to its author.
        recipients: Vec::new(),
        keys: Vec::new(),
        receipts: Vec::new(),
    })
}
