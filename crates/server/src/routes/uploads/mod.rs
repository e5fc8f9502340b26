//! Uploads: begin, parts, status, complete.

pub(crate) mod abandon;
pub(crate) mod begin;
pub(crate) mod complete;
pub(crate) mod list;
pub(crate) mod parts;
pub(crate) mod status;
pub(crate) mod verify;

use envelope::merkle::Node;
use proto::{PartRecord, UploadStatus};

use crate::error::Answer;
use crate::state::App;

/// An upload as the client sees it, with its parts.
pub(crate) async fn with_parts(app: &App, upload: db::Upload) -> Answer<UploadStatus> {
    app.arriving.settled(upload.file_id).await;
    let parts = app.db.parts_of(upload.file_id).await?;
    // Counted again only if something arrived meanwhile; an upload that ended meanwhile is told as it was.
    let upload = app.db.upload(upload.owner, upload.file_id, app.time()).await?.unwrap_or(upload);
    let mut status = without_parts(&upload);
    status.direct = app.stores.direct().is_some();
    status.parts = parts
        .into_iter()
        .map(|part| PartRecord { n: part.n, len: part.len, node: Node::from_bytes(*part.node.as_bytes()) })
        .collect();
    Ok(status)
}

fn without_parts(upload: &db::Upload) -> UploadStatus {
    UploadStatus {
        file_id: upload.file_id,
        part_len: upload.part_len,
        body_len: upload.body_len,
        expires_at: upload.expires_at.0,
        received_bytes: upload.received_bytes,
        received_parts: upload.received_parts,
        direct: false,
        parts: Vec::new(),
    }
}
