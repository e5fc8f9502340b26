//! `POST /uploads`: begins an upload; quota and sizes are judged now.

use axum::extract::State;
use axum::response::Response;
use db::{BeginAnswer, IntoBox, NewUpload, UnixTime, Upload};
use envelope::{BodyShape, PartShape};
use proto::limits::BOX_UPLOADS_MAX;
use proto::limits::UPLOAD_SECONDS;
use proto::{Begin, Code, FileId, UserId};

use crate::auth::Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Json, reply};
use crate::state::App;

pub(crate) async fn begin(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<Begin>,
) -> Answer<Response> {
    check(&request, app.limits.file_bytes)?;
    let into = request.box_id.map(|id| IntoBox { id, visitor: None, max_open: BOX_UPLOADS_MAX });
    let expires_at = app.time().plus(UPLOAD_SECONDS);
    let upload = begin_for(&app, caller.user, &request, into, expires_at).await?;
    Ok(reply(&super::with_parts(&app, upload).await?))
}

/// Begins an upload that `owner` is charged for. Its sizes have been checked.
pub(crate) async fn begin_for(
    app: &App,
    owner: UserId,
    request: &Begin,
    into_box: Option<IntoBox>,
    expires_at: UnixTime,
) -> Answer<Upload> {
    let answer = app
        .db
        .begin_upload(NewUpload {
            file_id: request.file_id,
            owner,
            part_len: request.part_len,
            body_len: request.body_len,
            now: app.time(),
            expires_at,
            quota_bytes: app.limits.quota_bytes,
            max_open: app.limits.uploads,
            into_box,
        })
        .await?;
    match answer {
        BeginAnswer::Begun(upload) | BeginAnswer::Same(upload) => Ok(upload),
        BeginAnswer::Conflict => Err(Refusal::new(
            Code::Conflict,
            "This file id is taken. Begin again under a new one, with a new key.",
        )),
        BeginAnswer::QuotaExceeded { used, quota } => Err(Refusal::quota(used, quota)),
        BeginAnswer::TooManyOpen { open } => Err(Refusal::new(
            Code::QuotaExceeded,
            format!("{open} uploads are unfinished. Finish or abandon some of them first."),
        )),
        BeginAnswer::NoBox => Err(Refusal::not_found()),
        BeginAnswer::BoxFull => {
            Err(Refusal::new(Code::BoxFull, "The drop box has as many files as it takes."))
        }
        BeginAnswer::BoxBusy => Err(Refusal::new(
            Code::Unavailable,
            "Many people are sending into this drop box. Try again in some minutes.",
        )
        .retry_after(60)),
        BeginAnswer::TooLargeForBox => {
            Err(Refusal::new(Code::TooLarge, "The drop box takes no file of that size."))
        }
    }
}

pub(crate) fn check(request: &Begin, file_bytes: u64) -> Answer<()> {
    if !is_random_uuid(&request.file_id) {
        return Err(Refusal::malformed("A file id is a random UUID (version 4)."));
    }
    let parts = PartShape::from_part_len(request.part_len)
        .map_err(|_| Refusal::malformed("A part is a power of two of segments, from 1 MiB to 2 GiB."))?;
    let Some(body_len) = request.body_len else { return Ok(()) };
    let too_large = || {
        Refusal::new(Code::TooLarge, format!("This server takes sealed files of up to {file_bytes} bytes."))
    };
    if body_len > file_bytes {
        return Err(too_large());
    }
    let body = BodyShape::from_body_len(body_len)
        .map_err(|_| Refusal::malformed("No sealed body has this length."))?;
    if !parts.holds(body) {
        return Err(Refusal::malformed("A body is sent in at most 10,000 parts. Use larger ones."));
    }
    Ok(())
}

pub(crate) fn is_random_uuid(id: &FileId) -> bool {
    let bytes = id.as_bytes();
    bytes[6] >> 4 == 4 && bytes[8] >> 6 == 0b10
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn request(part_len: u64, body_len: Option<u64>) -> Begin {
        Begin { file_id: FileId::from_bytes(crate::random::uuid()), part_len, body_len, box_id: None }
    }

    fn code(request: &Begin) -> Option<Code> {
        check(request, GIB).err().map(|refusal| refusal.code)
    }

    #[test]
    fn sizes_are_judged_before_anything_is_sent() {
        let mib = 1 << 20;
        assert_eq!(code(&request(16 * mib, Some(100 * mib))), None);
        assert_eq!(code(&request(mib, None)), None);
        assert_eq!(code(&request(mib / 2, None)), Some(Code::Malformed));
        assert_eq!(code(&request(3 * mib, None)), Some(Code::Malformed));
        assert_eq!(code(&request(mib, Some(31))), Some(Code::Malformed));
        assert_eq!(code(&request(mib, Some(GIB + 1))), Some(Code::TooLarge));
        assert_eq!(check(&request(mib, Some(10_001 * mib)), 1 << 44).unwrap_err().code, Code::Malformed);
    }

    #[test]
    fn only_random_ids_are_file_ids() {
        let mut wrong = request(1 << 20, None);
        wrong.file_id = FileId::from_bytes([0; 16]);
        assert_eq!(code(&wrong), Some(Code::Malformed));
    }
}
