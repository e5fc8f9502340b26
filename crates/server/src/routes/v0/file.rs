//! `GET /files/{file_id}` and its `/metadata`: a file with its whole ciphertext as base64, made while it is read.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use blobs::{BlobError, BlobStream};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use proto::FileId;
use proto::v0::base64::{Encoder, encoded_len};
use proto::v0::{FileMetadata, TAIL};
use serde_json::{Value, json};

use super::{Rest, Unreadable};
use crate::audit::{Agent, Kind, Scribe};
use crate::auth::v0::V0Caller;
use crate::error::{Answer, Refusal};
use crate::http::{Fields, reply};
use crate::routes::content::open_part;
use crate::secrets::V0Place;
use crate::state::App;

pub(crate) async fn metadata(
    State(app): State<App>,
    V0Caller(caller): V0Caller,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    let file = super::view(&app, caller.user, file_id).await?;
    let owner = file.owner == caller.user;
    Ok(reply(&FileMetadata { file: super::row(&app, file)?, owner }))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    V0Caller(caller): V0Caller,
    agent: Agent,
    method: Method,
    Fields(file_id): Fields<FileId>,
) -> Answer<Response> {
    let file = super::view(&app, caller.user, file_id).await?;
    let (owner, len) = (file.owner, file.len);
    let head = head(&app, file).await?;
    let parts = app.db.parts_of(file_id).await?;
    let part = parts.first().ok_or_else(Refusal::not_found)?;
    let octets = open_part(&app, file_id, part, 0..len).await?;
    if method != Method::HEAD {
        let fetched = Scribe::of(&app, caller.user, &agent).await?.file(Kind::FileFetched, owner, file_id);
        if !app.db.count_v0_download(file_id, &[fetched]).await? {
            return Err(Refusal::not_found());
        }
    }
    let length = head.len() as u64 + encoded_len(len) + TAIL.len() as u64;
    let mut response = Response::new(Body::from_stream(object(head, octets)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// Everything that is said before the octets.
async fn head(app: &App, file: db::V0File) -> Answer<Vec<u8>> {
    let file_id = file.file_id;
    let sealed = app.db.v0_rest(file_id).await?.ok_or_else(Refusal::not_found)?;
    let rest = app.keys.open_v0(V0Place::Rest(file_id), sealed);
    let rest: Rest = rest
        .and_then(|rest| serde_json::from_slice(&rest).ok())
        .ok_or_else(|| Refusal::internal(Unreadable))?;
    let row = super::row(app, file)?;
    let fields: BTreeMap<&str, Value> = [
        ("file_id", json!(file_id)),
        ("filename", json!(row.filename)),
        ("nonce", json!(rest.nonce)),
        ("wrapped_key", json!(rest.wrapped_key)),
        ("metadata", json!(rest.metadata)),
    ]
    .into();
    proto::v0::head(&fields).map_err(Refusal::internal)
}

/// The object in pieces: a blob's piece, at most 1 MiB, and its text are all that is in memory.
fn object(head: Vec<u8>, octets: BlobStream) -> impl Stream<Item = Result<Bytes, BlobError>> {
    let text = stream::try_unfold((octets, Some(Encoder::default())), async |(mut octets, encoder)| {
        let Some(mut encoder) = encoder else { return Ok(None) };
        let mut text = Vec::new();
        let next = match octets.try_next().await? {
            Some(piece) => {
                encoder.push(&piece, &mut text);
                Some(encoder)
            }
            None => {
                encoder.finish(&mut text);
                text.extend_from_slice(TAIL);
                None
            }
        };
        Ok(Some((Bytes::from(text), (octets, next))))
    });
    stream::once(async { Ok(Bytes::from(head)) }).chain(text)
}
