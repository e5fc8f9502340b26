//! `POST /upload`: a whole file in one JSON object; it appears when it is durable, or nothing stays.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use blobs::BlobWriter;
use db::{AddV0Answer, Digest, Lookup, NewV0File, UnixTime};
use proto::limits::EXPIRY_MAX_SECONDS;
use proto::v0::{ALLOWED_MAX, EXPIRES_HOURS, NAME_MAX, UploadFields, Uploaded, base64};
use proto::{Code, FileId};

use super::Rest;
use super::receive::{Received, receive, too_large};
use crate::audit::{Agent, Scribe};
use crate::auth::v0::{Member, Uploader};
use crate::database::in_time;
use crate::error::{Answer, Refusal};
use crate::http::reply;
use crate::places::On;
use crate::routes::auth::address;
use crate::secrets::V0Place;
use crate::state::App;
use crate::stores::Place;

/// Most octets of the nonce.
const NONCE_MAX: usize = 64;
/// Most octets of the wrapped key.
const WRAPPED_MAX: usize = 16 << 10;
/// Most bytes of the metadata.
const METADATA_MAX: usize = 64 << 10;

pub(crate) async fn take(State(app): State<App>, request: Request) -> Answer<Response> {
    let (mut parts, mut body) = request.into_parts();
    Ok(reply(&receive_whole(&app, &mut parts, &mut body).await?))
}

async fn receive_whole(app: &App, parts: &mut Parts, body: &mut Body) -> Answer<Uploaded> {
    let Uploader(caller) = Uploader::from_request_parts(parts, app).await?;
    let Ok(agent) = Agent::from_request_parts(parts, app).await;
    is_json(&parts.headers)?;
    let most = app.v0.max_content_length;
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > most) {
        return Err(too_large(most));
    }
    let turn = app.places.take(On::Account(caller.user)).await?;
    let place = app.stores.fresh();
    let mut writer = app.stores.create(place).await?;
    let idle = Duration::from_secs(app.limits.idle_seconds);
    let received = receive(body, most, idle, writer.as_mut()).await?;
    let scribe = Scribe::of(app, caller.user, &agent).await?;
    let new = judge(app, caller, &scribe, place, received)?;
    // The whole file is here: from now on it is kept even if the client does not wait for the answer.
    let app = app.clone();
    let tasks = app.tasks.clone();
    let kept = tasks.spawn(async move {
        let kept = keep(&app, place, writer, new).await;
        drop(turn);
        kept
    });
    kept.await.map_err(Refusal::internal)?
}

fn is_json(headers: &HeaderMap) -> Answer<()> {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.split(';').next());
    match essence {
        Some(essence) if essence.trim().eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Refusal::new(Code::MediaType, "Send this as application/json.")),
    }
}

/// Judges every field; nothing of the file is visible yet.
pub(super) fn judge(
    app: &App,
    caller: Member,
    scribe: &Scribe,
    place: Place,
    received: Received,
) -> Answer<NewV0File> {
    let Received { fields, may_lack_nonce, len, node } = received;
    let wrong = |detail: &'static str| Refusal::malformed(format!("{detail} Nothing was stored."));
    if fields.filename.is_empty() || fields.filename.chars().count() > NAME_MAX {
        return Err(wrong("A filename has 1 to 1,024 characters."));
    }
    if !(may_lack_nonce && fields.nonce.is_empty()) {
        is_octets(&fields.nonce, NONCE_MAX)
            .ok_or_else(|| wrong("The nonce is not base64 of 1 to 64 octets."))?;
    }
    is_octets(&fields.wrapped_key, WRAPPED_MAX)
        .ok_or_else(|| wrong("The wrapped key is not base64 of 1 to 16,384 octets."))?;
    let is_json_text = serde_json::from_str::<serde::de::IgnoredAny>(&fields.metadata).is_ok();
    if fields.metadata.len() > METADATA_MAX || !is_json_text {
        return Err(wrong("The metadata is a text that holds JSON, of at most 64 KiB."));
    }
    let expires_at = expiry(app.time(), fields.expires_hours)
        .ok_or_else(|| wrong("A file lives from one hour to 366 days: expires_hours is 1 to 8784."))?;
    let readers = readers(app, &fields)?;
    let file_id = FileId::from_bytes(crate::random::uuid());
    let rest = Rest { nonce: fields.nonce, wrapped_key: fields.wrapped_key, metadata: fields.metadata };
    let rest = serde_json::to_vec(&rest).map_err(Refusal::internal)?;
    Ok(NewV0File {
        file_id,
        owner: caller.user,
        sealed_name: app.keys.seal_v0(V0Place::Name(file_id), fields.filename.as_bytes()),
        sealed: app.keys.seal_v0(V0Place::Rest(file_id), &rest),
        readers,
        blob: place.reference(),
        len,
        node: Digest::from_bytes(*node.as_bytes()),
        now: app.time(),
        expires_at,
        quota_bytes: app.limits.quota_bytes,
        // Those named may have no account, so there is nobody else to note.
        events: scribe.sent(file_id, &[]),
    })
}

fn is_octets(text: &str, most: usize) -> Option<()> {
    let octets = base64::decode(text).ok()?;
    (1..=most).contains(&octets.len()).then_some(())
}

fn expiry(now: UnixTime, hours: Option<u64>) -> Option<UnixTime> {
    let seconds = i64::try_from(hours.unwrap_or(EXPIRES_HOURS)).ok()?.checked_mul(3_600)?;
    (1..=EXPIRY_MAX_SECONDS).contains(&seconds).then(|| now.plus(seconds))
}

fn readers(app: &App, fields: &UploadFields) -> Answer<Vec<Lookup>> {
    let allowed = fields.allowed_users.as_deref().unwrap_or_default();
    if allowed.len() > ALLOWED_MAX {
        return Err(Refusal::malformed("A file is for at most 500 addresses. Nothing was stored."));
    }
    allowed.iter().map(|text| Ok(app.keys.lookup(&address(text)?))).collect()
}

/// Makes it durable, then visible; the blob of what does not appear goes away.
pub(super) async fn keep(
    app: &App,
    place: Place,
    writer: Box<dyn BlobWriter>,
    new: NewV0File,
) -> Answer<Uploaded> {
    let uploaded = Uploaded { file_id: new.file_id, expires_at: new.expires_at.0 };
    writer.commit().await?;
    let answer = in_time(app.db.add_v0_file(new)).await;
    app.stores.discard_unless(place, &answer, |answer| matches!(answer, AddV0Answer::Added)).await;
    match answer? {
        AddV0Answer::Added => Ok(uploaded),
        AddV0Answer::QuotaExceeded { used, quota } => Err(Refusal::quota(used, quota)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_positive_and_bounded() {
        let at = |hours| expiry(UnixTime(1_000), hours).map(|at| at.0);
        assert_eq!(at(None), Some(1_000 + 168 * 3_600));
        assert_eq!(at(Some(1)), Some(4_600));
        assert_eq!(at(Some(8_784)), Some(1_000 + 8_784 * 3_600));
        for hours in [0, 8_785, u64::MAX, u64::MAX / 3_600] {
            assert_eq!(at(Some(hours)), None, "{hours}");
        }
    }
}
