//! `POST`, `PUT /uploads/{file_id}/parts/{n}/direct`: a part that the client puts into the object store itself.
//!
//! The client is given an address that is good for one object, always the same for one part: whoever asks again and again
//! overwrites what they put there. When it says that the part is there, the part is
//! read out of that object exactly as out of a request: framing, length and node are judged, it is written under another
//! name, and only then it is recorded. So whoever still has the address can change nothing that counts.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use blobs::{BlobName, Presign as _, PutTerms, S3};
use db::Upload;
use proto::{AskDirect, Code, ConfirmDirect, DirectPlace, FileId};

use super::put::{Announced, expected, take_in};
use crate::auth::Caller;
use crate::auth::direct::{DirectPart, part_object};
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Json, reply};
use crate::places::On;
use crate::state::App;
use crate::stores::{Place, Shelf, StoreError};

/// How long the address is good to begin with, and then the leave to say that the part is there.
const PUT_FOR: Duration = Duration::from_secs(600);
const LEAVE_SECONDS: i64 = 3_600;

/// Where to put a part.
pub(crate) async fn ask(
    State(app): State<App>,
    caller: Caller,
    Fields((file_id, n)): Fields<(FileId, u32)>,
    Json(request): Json<AskDirect>,
) -> Answer<Response> {
    let upload = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
    let (_, direct) = object_store(&app)?;
    expected(&upload, app.limits.file_bytes, Announced { n, len: request.len, node: request.node })?;
    has_room(&app, &upload, n, request.len).await?;
    let name = part_object(&app.keys, caller.user, file_id, n);
    let leave =
        DirectPart { user: caller.user, file_id, n, name, expires_at: app.time().plus(LEAVE_SECONDS) };
    let terms = PutTerms { len: Some(request.len), once: false, lasts: PUT_FOR };
    let url = direct.presign_put(name, terms).expose_url().to_owned();
    Ok(reply(&DirectPlace { url, leave: leave.seal(&app.keys) }))
}

/// Refuses what the account could not keep. A body of a length that was told is charged for already; of another one each part
/// is when it is recorded, and what lies in the bucket until then must not be more than there is room for.
async fn has_room(app: &App, upload: &Upload, n: u32, len: u64) -> Answer<()> {
    if upload.body_len.is_some() {
        return Ok(());
    }
    let own = app.db.account(upload.owner).await?.and_then(|account| account.quota_bytes);
    let quota = own.unwrap_or(app.limits.quota_bytes);
    let used = app.db.usage(upload.owner).await?.charged_bytes;
    let through = u64::from(n).saturating_mul(upload.part_len).saturating_add(len);
    // The upload was read first: a part that came since is charged and counted as ahead, never the other way round.
    let ahead = through.saturating_sub(upload.stored_bytes);
    if used.saturating_add(ahead) > quota { Err(Refusal::quota(used, quota)) } else { Ok(()) }
}

/// The part is there.
pub(crate) async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Fields((file_id, n)): Fields<(FileId, u32)>,
    Json(request): Json<ConfirmDirect>,
) -> Answer<Response> {
    let upload = app.db.upload(caller.user, file_id, app.time()).await?.ok_or_else(Refusal::not_found)?;
    let (shelf, _) = object_store(&app)?;
    let leave = DirectPart::open(request.leave.expose_secret(), &app.keys, app.time())?;
    if (leave.user, leave.file_id, leave.n) != (caller.user, file_id, n) {
        return Err(Refusal::new(Code::Forbidden, "This leave is for another part."));
    }
    let part = Announced { n, len: request.len, node: request.node };
    expected(&upload, app.limits.file_bytes, part)?;
    let mut body = object(shelf, leave.name, part.len).await?;
    let taken =
        take_in(&app, On::Account(caller.user), &upload, app.limits.file_bytes, part, &mut body).await;
    // What cannot be taken now may be another time; what is wrong with it stays wrong.
    let stays = |refusal: &Refusal| refusal.code.status() >= 500 || refusal.code == Code::Timeout;
    if !taken.as_ref().is_err_and(stays) {
        app.stores.discard(Place { store: shelf.name, name: leave.name }).await;
    }
    Ok(reply(&taken?))
}

/// What a client has put there.
async fn object(shelf: &Shelf, name: BlobName, len: u64) -> Answer<Body> {
    match shelf.blobs.len(name).await.map_err(StoreError::from)? {
        Some(found) if found == len => {}
        Some(_) => return Err(Refusal::malformed("What is in the store has another length than this part.")),
        None => {
            return Err(Refusal::new(Code::Conflict, "The part is not in the store. Send it here instead."));
        }
    }
    let stream = shelf.blobs.read(name, 0..len).await.map_err(StoreError::from)?;
    Ok(Body::from_stream(stream))
}

/// The store that parts may be put into.
fn object_store(app: &App) -> Answer<(&Shelf, &S3)> {
    let found = app.stores.direct().and_then(|shelf| Some((shelf, shelf.direct.as_ref()?)));
    found.ok_or_else(|| Refusal::new(Code::NotOffered, "Parts are sent to this server itself."))
}
