//! Uploads of visitors: each is known by 32 random bytes that its client made, and by nothing else. They are good for
//! that upload into that box, until it has ended.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use db::{AbandonAnswer, Digest, IntoBox, NewEvent, Upload, UploadState};
use proto::limits::{BOX_UPLOAD_SECONDS, BOX_UPLOADS_MAX};
use proto::{B64, Begin, BoxId, Code, Complete, FileId};

use crate::audit::{Agent, Kind, Scribe};
use crate::error::{Answer, Refusal};
use crate::http::{ClientIp, Fields, Json, reply, single};
use crate::places::On;
use crate::routes::uploads::complete::{check_terms, completed, finish_of, finish_with, leaves_of};
use crate::routes::uploads::verify::Signed;
use crate::routes::uploads::{begin, parts, with_parts};
use crate::routes::{boxes, directory};
use crate::state::App;

/// What a visitor shows for an upload, hashed: it has no other use, and the database alone is to give none away.
pub(crate) struct Visitor {
    key: Digest,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let text = single(&parts.headers, proto::headers::UPLOAD_KEY)?.unwrap_or_default();
        let wrong = || {
            Refusal::malformed(
                "An upload into a drop box carries 32 random bytes (header waxwing-upload-key).",
            )
        };
        let key: [u8; 32] = B64::parse(text).ok().and_then(|key| key.0.try_into().ok()).ok_or_else(wrong)?;
        Ok(Self { key: Digest::from_bytes(crate::secrets::sha256(&[b"waxwing/v1/server/visitor\0", &key])) })
    }
}

impl Visitor {
    /// The upload that this is for. Whatever is wrong with key, box or upload is one answer.
    async fn upload(&self, app: &App, id: BoxId, file_id: FileId) -> Answer<Upload> {
        let upload = app.db.visitor_upload(id, file_id, self.key, app.time()).await?;
        upload.ok_or_else(Refusal::not_found)
    }
}

pub(crate) async fn begin(
    State(app): State<App>,
    ip: ClientIp,
    visitor: Visitor,
    Fields(id): Fields<BoxId>,
    Json(request): Json<Begin>,
) -> Answer<Response> {
    boxes::view::count(&app, &ip).await?;
    let there = boxes::open(&app, id).await?;
    if request.box_id.is_some() {
        return Err(Refusal::malformed("The drop box stands in the path alone."));
    }
    let most = there.max_body.map_or(app.limits.file_bytes, |most| most.min(app.limits.file_bytes));
    begin::check(&request, most)?;
    let into = IntoBox { id, visitor: Some(visitor.key), max_open: BOX_UPLOADS_MAX };
    let expires_at = app.time().plus(BOX_UPLOAD_SECONDS).min(there.expires_at);
    let begun = begin::begin_for(&app, there.owner, &request, Some(into), expires_at).await;
    let upload = begun.map_err(for_stranger)?;
    Ok(reply(&with_parts(&app, upload).await?))
}

/// What is somebody else's quota is not told in figures.
fn for_stranger(refusal: Refusal) -> Refusal {
    match refusal.code {
        Code::QuotaExceeded => {
            Refusal::new(Code::BoxFull, "There is no room for this in the drop box. Ask its owner.")
        }
        _ => refusal,
    }
}

pub(crate) async fn status(
    State(app): State<App>,
    visitor: Visitor,
    Fields((id, file_id)): Fields<(BoxId, FileId)>,
) -> Answer<Response> {
    let upload = visitor.upload(&app, id, file_id).await?;
    let key = visitor.key;
    app.arriving.settled(file_id).await;
    // What was received meanwhile counts; an upload that ended meanwhile is told as it was.
    let upload = app.db.visitor_upload(id, file_id, key, app.time()).await?.unwrap_or(upload);
    Ok(reply(&with_parts(&app, upload).await?))
}

pub(crate) async fn abandon(
    State(app): State<App>,
    visitor: Visitor,
    Fields((id, file_id)): Fields<(BoxId, FileId)>,
) -> Answer<StatusCode> {
    let upload = visitor.upload(&app, id, file_id).await?;
    match app.db.abandon_upload(upload.owner, file_id, app.time()).await? {
        AbandonAnswer::Abandoned => Ok(StatusCode::NO_CONTENT),
        AbandonAnswer::Nothing => Err(Refusal::not_found()),
    }
}

pub(crate) async fn put(
    State(app): State<App>,
    visitor: Visitor,
    Fields((id, file_id, n)): Fields<(BoxId, FileId, u32)>,
    headers: HeaderMap,
    mut body: Body,
) -> Answer<Response> {
    let upload = visitor.upload(&app, id, file_id).await?;
    let most = app.db.open_box(id, app.time()).await?.and_then(|there| there.max_body);
    let most = most.map_or(app.limits.file_bytes, |most| most.min(app.limits.file_bytes));
    let on = On::Boxes(upload.owner);
    let found = async { Ok((upload, most)) };
    let taken = parts::put::take(&app, on, found, n, &headers, &mut body).await;
    Ok(reply(&taken.map_err(for_stranger)?))
}

pub(crate) async fn complete(
    State(app): State<App>,
    visitor: Visitor,
    Fields((id, file_id)): Fields<(BoxId, FileId)>,
    Json(request): Json<Complete>,
) -> Answer<Response> {
    check_terms(&request)?;
    // Members are the caller's own files, and a visitor has none: who is charged here is somebody else.
    if request.member || request.members.is_some() {
        return Err(Refusal::malformed("A visitor sends single files."));
    }
    let upload = visitor.upload(&app, id, file_id).await?;
    let owner = upload.owner;
    let signed = Signed::parse(&request.manifest, &request.grants)?;
    let (grants, leaves_blob) = if upload.state == UploadState::Finished {
        // Only the digest of the request counts now; nothing is judged or written again.
        (Vec::new(), None)
    } else {
        let bundle = directory::newest(&app, owner).await?.ok_or_else(Refusal::not_found)?;
        let grants = signed.check_anonymous(file_id, owner, &bundle)?;
        (grants, leaves_of(&app, &upload, &signed.manifest).await?)
    };
    // Whoever sends has no account: it happens to the owner's.
    let scribe = Scribe::of(&app, owner, &Agent::default()).await?;
    let arrived: Vec<NewEvent> = vec![scribe.file(Kind::BoxArrival, owner, file_id)];
    let finish = finish_of(&app, &scribe, file_id, &signed.manifest, leaves_blob, grants, &request)?;
    finish_with(&app, db::Finish { events: arrived, ..finish }, leaves_blob).await?;
    let finished = visitor.upload(&app, id, file_id).await?;
    Ok(reply(&completed(&finished)))
}
