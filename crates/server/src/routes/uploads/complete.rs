//! `POST /uploads/{file_id}/complete`: makes the file appear, if what is stored is what the author signed.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use db::{Digest, Finish, FinishAnswer, UploadState};
use envelope::merkle::{Accumulator, Node};
use envelope::{Bundle, Manifest};
use proto::limits::{EXPIRY_MAX_SECONDS, MEMBERS_MAX, UPLOAD_SECONDS};
use proto::{B64, Code, Complete, Completed, FileId, UserId};

use super::verify::{Signed, check_body};
use crate::audit::{Agent, Scribe};
use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::routes::directory;
use crate::state::App;
use crate::stores::Place;

/// Leaves are written in pieces of about this many octets.
const PIECE: usize = 256 << 10;

pub(crate) async fn complete(
    State(app): State<App>,
    caller: Caller,
    agent: Agent,
    Fields(file_id): Fields<FileId>,
    Json(request): Json<Complete>,
) -> Answer<Response> {
    check_terms(&request)?;
    let upload = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
    let signed = Signed::parse(&request.manifest, &request.grants)?;
    let repeated = upload.state == UploadState::Finished;
    let (grants, leaves_blob) = if repeated {
        // Only the digest of the request counts now; nothing is judged or written again.
        (Vec::new(), None)
    } else {
        let grants = judge(&app, caller.user, file_id, &signed, request.member).await?;
        if let Some(id) = upload.box_id {
            let owner = app.db.open_box(id, app.time()).await?.ok_or_else(box_closed)?.owner;
            if !grants.iter().any(|grant| grant.user == Some(owner)) {
                return Err(Refusal::new(Code::Rejected, "A grant to the owner of the drop box is missing."));
            }
        }
        (grants, leaves_of(&app, &upload, &signed.manifest).await?)
    };
    let manifest = &signed.manifest;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let finish = finish_of(&app, &scribe, file_id, manifest, leaves_blob, grants, &request)?;
    finish_with(&app, finish, leaves_blob).await?;
    // Read again, so that a repetition is answered with what was said first.
    let finished = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
    Ok(reply(&completed(&finished)))
}

/// What is said of an upload that is a file by now.
pub(crate) fn completed(finished: &db::Upload) -> Completed {
    Completed {
        file_id: finished.file_id,
        expires_at: finished.expires_at.0,
        received_bytes: finished.received_bytes,
        received_parts: finished.received_parts,
    }
}

fn box_closed() -> Refusal {
    Refusal::new(Code::UploadEnded, "The drop box takes this file no longer.")
}

/// Compares what was received with what the manifest says, and writes its leaves.
pub(crate) async fn leaves_of(app: &App, upload: &db::Upload, manifest: &Manifest) -> Answer<Option<Place>> {
    let parts = app.db.parts_of(upload.file_id).await?;
    check_body(manifest, upload, &parts)?;
    // A single leaf is the root, which the manifest has.
    match parts.len() {
        1 if manifest.body().segments() == 1 => Ok(None),
        _ => Ok(Some(write_leaves(app, upload.file_id, &parts, manifest.body_root()).await?)),
    }
}

/// Makes the file appear; the blob of its leaves goes away unless it does.
pub(crate) async fn finish_with(app: &App, finish: Finish, leaves_blob: Option<Place>) -> Answer<()> {
    let answer = app.db.finish_upload(finish).await;
    if let Some(place) = leaves_blob {
        app.stores.discard_unless(place, &answer, |answer| matches!(answer, FinishAnswer::Finished)).await;
    }
    match answer? {
        FinishAnswer::Finished | FinishAnswer::Same => Ok(()),
        FinishAnswer::Conflict => {
            Err(Refusal::new(Code::Conflict, "The upload was completed in another way before."))
        }
        FinishAnswer::Missing => {
            Err(Refusal::new(Code::UploadEnded, "The upload has ended. Begin a new one."))
        }
        FinishAnswer::Incomplete => Err(Refusal::new(Code::PartsMissing, "Parts are missing.")),
        FinishAnswer::BoxClosed => Err(box_closed()),
        FinishAnswer::BadMember => Err(Refusal::new(
            Code::MembersMissing,
            "Files of the folder are not there, have ended, or are in a folder already. Send them again.",
        )),
    }
}

/// What the database is told of a file that may appear.
pub(crate) fn finish_of(
    app: &App,
    scribe: &Scribe,
    file_id: FileId,
    manifest: &Manifest,
    leaves_blob: Option<Place>,
    grants: Vec<db::NewGrant>,
    request: &Complete,
) -> Answer<Finish> {
    Ok(Finish {
        file_id,
        owner: scribe.actor(),
        // A member is told of with its folder.
        events: if request.member { Vec::new() } else { scribe.sent(file_id, &grants) },
        manifest: manifest.as_bytes().to_vec(),
        manifest_digest: Digest::from_bytes(manifest.digest()),
        content_id: manifest.content_id(),
        author_root: manifest.author_root_id(),
        revision: manifest.revision(),
        body_len: manifest.body_len(),
        body_root: Digest::from_bytes(*manifest.body_root().as_bytes()),
        leaves_blob: leaves_blob.map(Place::reference),
        grants,
        is_member: request.member,
        members: members_of(request)?,
        expires_at: app.time().plus(request.expires_in),
        max_downloads: request.max_downloads,
        request_digest: digest_of(request)?,
        now: app.time(),
    })
}

pub(crate) fn check_terms(request: &Complete) -> Answer<()> {
    if !(1..=EXPIRY_MAX_SECONDS).contains(&request.expires_in) {
        return Err(Refusal::malformed("A file lives from one second to 366 days."));
    }
    if request.max_downloads == Some(0) {
        return Err(Refusal::malformed("A download limit is at least 1."));
    }
    let has_terms =
        !request.grants.is_empty() || request.max_downloads.is_some() || request.members.is_some();
    if request.member && (has_terms || request.expires_in > UPLOAD_SECONDS) {
        return Err(Refusal::malformed(
            "A member of a folder has no grants, limits or members, and waits at most seven days for its folder.",
        ));
    }
    members_of(request).map(drop)
}

/// The members that a folder names, in the one way to write them.
fn members_of(request: &Complete) -> Answer<Vec<FileId>> {
    let Some(B64(bytes)) = &request.members else { return Ok(Vec::new()) };
    let (ids, rest) = bytes.as_chunks::<16>();
    let ascending = ids.windows(2).all(|two| two[0] < two[1]);
    if !rest.is_empty() || !(1..=MEMBERS_MAX).contains(&ids.len()) || !ascending {
        return Err(Refusal::malformed("Members are 1 to 50,000 ids of 16 bytes, ascending."));
    }
    Ok(ids.iter().map(|id| FileId::from_bytes(*id)).collect())
}

/// By what a repetition is known: the request as it would be written again, so that only its meaning counts.
fn digest_of(request: &Complete) -> Answer<Digest> {
    let canonical = serde_json::to_vec(request).map_err(Refusal::internal)?;
    Ok(Digest::from_bytes(crate::secrets::sha256(&[b"waxwing/v1/server/complete\0", &canonical])))
}

async fn judge(
    app: &App,
    author: UserId,
    file_id: FileId,
    signed: &Signed,
    is_member: bool,
) -> Answer<Vec<db::NewGrant>> {
    let bundles = bundles_of(app, author, signed.users()).await?;
    // Up to 501 signatures are too long for a task that others wait for.
    tokio::task::block_in_place(|| signed.check(file_id, author, &bundles, is_member))
}

/// The newest bundles of the author and of everybody who is given something.
pub(crate) async fn bundles_of(
    app: &App,
    author: UserId,
    mut users: Vec<UserId>,
) -> Answer<HashMap<UserId, Bundle>> {
    users.push(author);
    users.sort_unstable();
    users.dedup();
    let stored = app.db.newest_bundles(&users).await?;
    stored.into_iter().map(|stored| Ok((stored.user, directory::read(app, stored)?))).collect()
}

/// Writes the leaves of all parts as one blob, part by part, and proves them once more under the signed root.
async fn write_leaves(app: &App, file_id: FileId, parts: &[db::Part], root: Node) -> Answer<Place> {
    let ended = || Refusal::new(Code::UploadEnded, "The upload has ended. Begin a new one.");
    let place = app.stores.fresh();
    let mut writer = app.stores.create(place).await?;
    let mut proof = Accumulator::new();
    let mut piece = BytesMut::with_capacity(2 * PIECE);
    for part in parts {
        let leaves = app.db.leaves_of_part(file_id, part.n).await?.ok_or_else(ended)?;
        let (leaves, rest) = leaves.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Refusal::internal(Damaged));
        }
        for leaf in leaves {
            proof.push(Node::from_bytes(*leaf));
            piece.extend_from_slice(leaf);
        }
        if piece.len() >= PIECE {
            writer.write(piece.split().freeze()).await?;
        }
    }
    if proof.root() != Some(root) {
        return Err(Refusal::internal(Damaged));
    }
    let last: Bytes = piece.freeze();
    writer.write(last).await?;
    writer.commit().await?;
    Ok(place)
}

/// The leaves that were kept are not those that the parts were recorded with.
#[derive(Debug, thiserror::Error)]
#[error("the kept leaves do not give the root of their parts")]
struct Damaged;
