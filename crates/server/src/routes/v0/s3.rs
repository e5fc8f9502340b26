//! `POST /upload/presigned`, `/upload/s3`: a file that its sender puts into the object store, where the server keeps files in one.
//!
//! The object's name is the caller's own: half of it is a code over who they are. It is read into a blob of the server's own
//! when the caller says that it is there, so that whoever still has the address can change nothing that was taken.

use std::time::Duration;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;
use blobs::{BlobName, Presign as _, PutTerms, S3};
use envelope::ids::UserId;
use proto::Code;
use proto::v0::{FILE_MAX, Presigned, S3Fields, Uploaded};

use super::receive::{Received, receive_stream};
use super::upload::{judge, keep};
use crate::audit::{Agent, Scribe};
use crate::auth::direct::{is_v0_object_of, v0_object};
use crate::auth::v0::{Member, Uploader, V0Caller};
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::places::On;
use crate::state::App;
use crate::stores::{Place, Shelf, StoreError, StoreName};

/// How long the address is good to begin with.
const PUT_FOR: Duration = Duration::from_secs(3_600);

pub(crate) async fn presigned(State(app): State<App>, V0Caller(caller): V0Caller) -> Answer<Response> {
    let (_, direct) = object_store(&app)?;
    has_room(&app, caller.user).await?;
    let name = v0_object(&app.keys, caller.user);
    let url = direct.presign_put(name, PutTerms { len: None, once: false, lasts: PUT_FOR });
    let (bucket, s3_key) = (direct.bucket().to_owned(), direct.key(name));
    Ok(reply(&Presigned { upload_url: url.expose_url().to_owned(), s3_key, bucket }))
}

/// Nobody says how long the file will be, and what is put there counts only once it is said to be there: so there must be room
/// for the largest.
async fn has_room(app: &App, user: UserId) -> Answer<()> {
    let own = app.db.account(user).await?.and_then(|account| account.quota_bytes);
    let quota = own.unwrap_or(app.limits.quota_bytes);
    let used = app.db.usage(user).await?.charged_bytes;
    if used.saturating_add(FILE_MAX) > quota { Err(Refusal::quota(used, quota)) } else { Ok(()) }
}

pub(crate) async fn uploaded(State(app): State<App>, request: Request) -> Answer<Response> {
    use axum::extract::FromRequest as _;
    let (mut parts, body) = request.into_parts();
    if object_store(&app).is_err() {
        // Who may not call at all is told that first.
        V0Caller::from_request_parts(&mut parts, &app).await?;
        return Err(without_s3());
    }
    let Uploader(caller) = Uploader::from_request_parts(&mut parts, &app).await?;
    let Ok(agent) = Agent::from_request_parts(&mut parts, &app).await;
    let Json(fields) = Json::<S3Fields>::from_request(Request::from_parts(parts, body), &app).await?;
    let scribe = Scribe::of(&app, caller.user, &agent).await?;
    let tasks = app.tasks.clone();
    // From here on it runs to its end even if the client does not wait for the answer.
    let taken = tasks.spawn(async move { take(&app, caller, &scribe, fields).await });
    Ok(reply(&taken.await.map_err(Refusal::internal)??))
}

async fn take(app: &App, caller: Member, scribe: &Scribe, fields: S3Fields) -> Answer<Uploaded> {
    let (shelf, direct) = object_store(app)?;
    let name = own_object(app, direct, caller, &fields)?;
    let turn = app.places.take(On::Account(caller.user)).await?;
    let len = match shelf.blobs.len(name).await.map_err(StoreError::from)? {
        Some(len) if len <= FILE_MAX => len,
        Some(_) => return Err(Refusal::new(Code::TooLarge, "A file of this API has at most 500 MB.")),
        None => {
            return Err(Refusal::new(Code::NotFound, "There is no such object: put the file there first."));
        }
    };
    let stream = shelf.blobs.read(name, 0..len).await.map_err(StoreError::from)?;
    let place = app.stores.fresh();
    let mut writer = app.stores.create(place).await?;
    let (len, node) = receive_stream(stream, writer.as_mut()).await?;
    let new = judge(
        app,
        caller,
        scribe,
        place,
        Received { fields: fields.into(), may_lack_nonce: true, len, node },
    )?;
    let kept = keep(app, place, writer, new).await?;
    drop(turn);
    app.stores.discard(Place { store: shelf.name, name }).await;
    Ok(kept)
}

/// The object that a caller names, if it is in the bucket and theirs.
fn own_object(app: &App, direct: &S3, caller: Member, fields: &S3Fields) -> Answer<BlobName> {
    let refused = || Refusal::new(Code::Forbidden, "That is no object that you were given an address for.");
    let name = direct.name(&fields.s3_key).filter(|_| direct.bucket() == fields.bucket);
    name.filter(|name| is_v0_object_of(&app.keys, caller.user, *name)).ok_or_else(refused)
}

fn object_store(app: &App) -> Answer<(&Shelf, &S3)> {
    let shelf = app.stores.shelf(StoreName::S3).map_err(|_| without_s3())?;
    Ok((shelf, shelf.direct.as_ref().ok_or_else(without_s3)?))
}

fn without_s3() -> Refusal {
    Refusal::new(
        Code::NotOffered,
        "This server keeps no files in S3, so there is nothing to upload to directly. Use POST /upload.",
    )
}
