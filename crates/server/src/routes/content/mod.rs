//! Ciphertext and what proves it, for whoever shows a ticket.

pub(crate) mod leaves;
pub(crate) mod members;
pub(crate) mod part;
pub(crate) mod tree;

use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use blobs::{BlobError, BlobStream, Presign as _};
use db::{BlobRef, FileLayout, Part};
use proto::{Code, FileId};
use serde::Deserialize;

use crate::auth::is_suspended;
use crate::auth::ticket::Ticket;
use crate::error::{Answer, Refusal};
use crate::http::{Params, single};
use crate::places::On;
use crate::state::App;
use crate::stored::Recorded;
use crate::stores::{Place, StoreError};

/// Octets never change under a file's id, and are of no use without a key.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The ticket of a request: the header, or the query field where a header cannot be set.
pub(crate) struct Shown(String);

#[derive(Deserialize)]
struct Query {
    ticket: Option<String>,
}

/// In what way a client wants content.
pub(crate) struct Way {
    /// Hashed by the server first, because what came before was not what was recorded: another copy may be.
    checked: bool,
    /// Also by a redirect to the store, where that can be reached by clients.
    direct: bool,
}

impl FromRequestParts<App> for Way {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let way = single(&parts.headers, proto::headers::WAY)?;
        // A signed address is good for GET alone.
        let direct = way == Some(proto::headers::DIRECT) && parts.method == Method::GET;
        Ok(Self { checked: way == Some(proto::headers::CHECKED), direct })
    }
}

impl FromRequestParts<App> for Shown {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let in_header = single(&parts.headers, proto::headers::TICKET)?.map(str::to_owned);
        let Params(query) = Params::<Query>::from_request_parts(parts, app).await?;
        in_header
            .or(query.ticket)
            .map(Self)
            .ok_or_else(|| Refusal::new(Code::Forbidden, "Content is given for a ticket. Ask for one first."))
    }
}

/// How a living file is laid out, for a good ticket of its own or of the folder that it is a member of.
async fn layout(app: &App, shown: &Shown, file_id: FileId) -> Answer<FileLayout> {
    let ticket = Ticket::open(&shown.0, &app.keys, app.now())?;
    if ticket.file_id != file_id
        && !app.db.is_member_of(ticket.file_id, file_id, ticket.round, app.time()).await?
    {
        return Err(Ticket::refused());
    }
    laid_out(app, &ticket, file_id).await
}

async fn laid_out(app: &App, ticket: &Ticket, file_id: FileId) -> Answer<FileLayout> {
    if is_suspended(app, ticket.user).await? {
        return Err(Refusal::suspended());
    }
    let layout = app.db.file_layout(file_id).await?.ok_or_else(Refusal::not_found)?;
    // The round of a folder was looked at with its members.
    if ticket.file_id == file_id && ticket.round != layout.ticket_round {
        return Err(Ticket::refused());
    }
    if layout.expires_at <= app.time() {
        return Err(Refusal::new(Code::Expired, "The file has expired. Ask its sender to send it again."));
    }
    Ok(layout)
}

/// Octets of a blob. One that is not there any more may have been moved to another store since its row was read: then `again`,
/// which reads the row once more, says where it is now.
pub(crate) async fn open(
    app: &App,
    blob: &BlobRef,
    octets: Range<u64>,
    again: impl Future<Output = Answer<Option<BlobRef>>>,
) -> Answer<BlobStream> {
    match app.stores.read(blob, octets.clone()).await {
        Err(StoreError::Blob(BlobError::NotFound)) => match again.await? {
            None => Err(Refusal::not_found()),
            Some(same) if same == *blob => Err(Refusal::internal(BlobError::NotFound)),
            Some(moved) => Ok(app.stores.read(&moved, octets).await?),
        },
        opened => Ok(opened?),
    }
}

/// Octets of one part.
pub(crate) async fn open_part(
    app: &App,
    file_id: FileId,
    part: &Part,
    octets: Range<u64>,
) -> Answer<BlobStream> {
    let again = async { Ok(app.db.part(file_id, part.n).await?.map(|part| part.blob)) };
    open(app, &part.blob, octets, again).await
}

/// Octets out of the copy that is as it was recorded, where there are several copies; else `otherwise`.
async fn open_sound(
    app: &App,
    file_id: FileId,
    recorded: Recorded,
    octets: Range<u64>,
    otherwise: impl Future<Output = Answer<BlobStream>>,
) -> Answer<BlobStream> {
    let Ok(place) = Place::try_from(&recorded.blob) else { return otherwise.await };
    let shelf = app.stores.shelf(place.store)?;
    if shelf.copies.is_none() {
        return otherwise.await;
    }
    // Reading all of a blob for a piece of it is as much work as taking one in.
    let _turn = app.places.take(On::File(file_id)).await?;
    match recorded.sound_among(&shelf.sources(), place.name).await.map_err(Refusal::internal)? {
        Ok(sound) => Ok(sound.read(place.name, octets).await.map_err(StoreError::from)?),
        Err(damage) => {
            tracing::error!(blob = %place, damage = damage.as_str(), "no copy of a blob is as it was recorded");
            otherwise.await
        }
    }
}

/// Octets of the leaves of a file.
async fn open_leaves(
    app: &App,
    file_id: FileId,
    layout: &FileLayout,
    leaves: &BlobRef,
    octets: Range<u64>,
    way: &Way,
) -> Answer<BlobStream> {
    let again = async { Ok(app.db.file_layout(file_id).await?.and_then(|layout| layout.leaves_blob)) };
    let plain = open(app, leaves, octets.clone(), again);
    if !way.checked {
        return plain.await;
    }
    let recorded = Recorded::leaves(leaves.clone(), layout.body_len, layout.body_root);
    open_sound(app, file_id, recorded, octets, plain).await
}

/// How long the address of a redirect is good: to begin with, not to end.
const DIRECT_FOR: Duration = Duration::from_secs(120);

/// A redirect to where the store itself gives a blob, if it does. The same range is asked for there.
fn elsewhere(app: &App, blob: &BlobRef) -> Answer<Option<Response>> {
    let Ok(place) = Place::try_from(blob) else { return Ok(None) };
    let Some(direct) = &app.stores.shelf(place.store)?.direct else { return Ok(None) };
    let address = direct.presign_get(place.name, DIRECT_FOR);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(address.expose_url()).map_err(Refusal::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(Some(response))
}

/// Headers of every content reply.
fn immutable(mut response: Response, etag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, CACHE);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Whether the client holds exactly this already.
fn is_held(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == etag || value.trim() == "*")
}

fn not_modified(etag: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    immutable(response, etag)
}
