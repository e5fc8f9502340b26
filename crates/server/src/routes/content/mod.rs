//! Ciphertext and what proves it, for whoever shows a ticket.

pub(crate) mod leaves;
pub(crate) mod members;
pub(crate) mod part;
pub(crate) mod tree;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use blobs::BlobName;
use db::{BlobRef, FileLayout};
use proto::{Code, FileId};
use serde::Deserialize;

use crate::auth::is_suspended;
use crate::auth::ticket::Ticket;
use crate::error::{Answer, Refusal};
use crate::http::{Params, single};
use crate::state::App;

/// Octets never change under a file's id, and are of no use without a key.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The ticket of a request: the header, or the query field where a header cannot be set.
pub(crate) struct Shown(String);

#[derive(Deserialize)]
struct Query {
    ticket: Option<String>,
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

fn blob_name(blob: &BlobRef) -> Answer<BlobName> {
    blob.as_str().parse().map_err(Refusal::internal)
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
