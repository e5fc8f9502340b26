//! `GET /content/{file_id}/parts/{n}`: ciphertext of one part, whole or a range of it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use proto::{Code, FileId};

use super::{Shown, Way, elsewhere, immutable, is_held, layout, not_modified, open_part, open_sound};
use crate::error::{Answer, Refusal};
use crate::http::{Fields, Wanted, wanted};
use crate::state::App;

pub(crate) async fn fetch(
    State(app): State<App>,
    Fields((file_id, n)): Fields<(FileId, u32)>,
    shown: Shown,
    way: Way,
    headers: HeaderMap,
) -> Answer<Response> {
    layout(&app, &shown, file_id).await?;
    let part = app.db.part(file_id, n).await?.ok_or_else(Refusal::not_found)?;
    let etag = format!("\"{:?}\"", part.node);
    if is_held(&headers, &etag) {
        return Ok(not_modified(&etag));
    }
    let range = match wanted(range_header(&headers, &etag), part.len) {
        Wanted::Outside => return Ok(outside(part.len)),
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
    };
    if way.direct
        && let Some(redirect) = elsewhere(&app, &part.blob)?
    {
        return Ok(redirect);
    }
    let octets = range.clone().unwrap_or(0..part.len);
    let sent = octets.end - octets.start;
    let stream = match way.checked {
        true => {
            let plain = open_part(&app, file_id, &part, octets.clone());
            open_sound(&app, file_id, part.clone().into(), octets, plain).await?
        }
        false => open_part(&app, file_id, &part, octets).await?,
    };
    let mut response = Response::new(Body::from_stream(stream));
    let reply = response.headers_mut();
    reply.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    reply.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
    if let Some(range) = range {
        let text = format!("bytes {}-{}/{}", range.start, range.end - 1, part.len);
        reply.insert(header::CONTENT_RANGE, HeaderValue::from_str(&text).map_err(Refusal::internal)?);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(immutable(response, &etag))
}

/// The range counts only if it is asked of what is here.
fn range_header<'a>(headers: &'a HeaderMap, etag: &str) -> Option<&'a str> {
    let condition = headers.get(header::IF_RANGE).map(HeaderValue::as_bytes);
    if condition.is_some_and(|condition| condition != etag.as_bytes()) {
        return None;
    }
    headers.get(header::RANGE)?.to_str().ok()
}

fn outside(len: u64) -> Response {
    let mut response =
        Refusal::new(Code::Range, format!("The part has {len} bytes; the range lies outside."))
            .into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{len}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}
