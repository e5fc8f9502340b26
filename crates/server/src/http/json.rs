//! JSON bodies: strict types, bounded length, and problems instead of plain text.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use proto::Code;
use proto::limits::JSON_BODY_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::state::App;

/// So many times as long as a request may take in all, a large one on a slow line may take to arrive.
const LONG: u64 = 10;

/// A request's JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Refusal::new(Code::MediaType, "Send this as application/json."));
        }
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let body = request.into_body();
        if announced.is_some_and(|length| length > JSON_BODY_MAX as u64) {
            return Err(too_large());
        }
        // Also where a route has no time limit of its own, because of what it does once it has been asked.
        let within = std::time::Duration::from_secs(app.limits.request_seconds.saturating_mul(LONG));
        let bytes = tokio::time::timeout(within, whole(body, announced)).await.map_err(|_| {
            Refusal::new(Code::Timeout, "The request did not arrive in time. Nothing was done; try again.")
        })??;
        // The parser's own words could repeat what the body says, so only the place is told.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Refusal::malformed(format!(
                "The JSON is not what this address takes (line {}, column {}).",
                error.line(),
                error.column()
            ))
        })
    }
}

/// The body, if it is not too long.
async fn whole(mut body: Body, announced: Option<u64>) -> Result<Vec<u8>, Refusal> {
    let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    // Nothing is reserved on the word of a header beyond what small requests need.
    let mut bytes = Vec::with_capacity(expected.min(64 << 10));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::malformed("The body did not arrive whole."));
        };
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > JSON_BODY_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

fn too_large() -> Refusal {
    Refusal::new(Code::TooLarge, "The JSON is longer than 2 MiB.")
}

/// A reply of JSON that nobody may keep.
pub(crate) fn reply(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => Refusal::internal(error).into_response(),
    }
}
