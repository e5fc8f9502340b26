//! `GET /content/{file_id}/leaves/{page}`: up to 1,024 leaves of 32 octets.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use envelope::BodyShape;
use envelope::merkle::PAGE_LEAVES;
use proto::FileId;

use super::{Shown, Way, immutable, is_held, layout, not_modified, open_leaves};
use crate::error::{Answer, Refusal};
use crate::http::Fields;
use crate::state::App;

const PAGE_BYTES: u64 = PAGE_LEAVES as u64 * 32;

pub(crate) async fn fetch(
    State(app): State<App>,
    Fields((file_id, page)): Fields<(FileId, u32)>,
    shown: Shown,
    way: Way,
    headers: HeaderMap,
) -> Answer<Response> {
    let layout = layout(&app, &shown, file_id).await?;
    let total = BodyShape::from_body_len(layout.body_len).map_err(Refusal::internal)?.segments() * 32;
    let start = u64::from(page) * PAGE_BYTES;
    if start >= total {
        return Err(Refusal::not_found());
    }
    let etag = format!("\"{:?}-leaves-{page}\"", layout.body_root);
    if is_held(&headers, &etag) {
        return Ok(not_modified(&etag));
    }
    let end = total.min(start + PAGE_BYTES);
    let body = match &layout.leaves_blob {
        Some(blob) => Body::from_stream(open_leaves(&app, file_id, &layout, blob, start..end, &way).await?),
        // The only leaf is the root.
        None => Body::from(layout.body_root.as_bytes().to_vec()),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    Ok(immutable(response, &etag))
}
