//! The outermost layer: request id, header limits, problems, safe headers, and one log line for each request.

use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use db::DbError;
use proto::Code;

use crate::error::{Refusal, refusal_for};
use crate::http::lingering;
use crate::metrics::{Answered, Metrics, class_of};
use crate::state::App;

/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Most octets of a request's header fields together, names and values.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Longest target (path and query) of a request.
const TARGET_MAX: usize = 2 << 10;

/// Wraps every request, known path or not.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _under_way = app.metrics.begin();
    let id = uuid::Uuid::from_bytes(crate::random::uuid()).to_string();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let bytes_in = request.body().size_hint().exact().unwrap_or(0);
    let request = lingering(&app, request);
    let inner = if is_too_large(&request) {
        Refusal::new(Code::HeadersTooLarge, "The headers of the request are too many or too long.")
            .into_response()
    } else {
        next.run(request).await
    };
    let mut response = as_problem(inner, &id, &app.metrics);
    let bytes_out = response.body().size_hint().exact();
    let headers = response.headers_mut();
    harden(headers);
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(proto::headers::REQUEST_ID, value);
    }
    let bytes_out = bytes_out.or_else(|| length(headers)).unwrap_or(0);
    app.metrics.answered(&Answered {
        class: class_of(&route),
        status: response.status().as_u16(),
        took: started.elapsed(),
        bytes_in,
        bytes_out,
    });
    tracing::info!(
        request = %id,
        method = %method,
        route,
        status = response.status().as_u16(),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        bytes_in,
        bytes_out,
        "answered"
    );
    response
}

/// A panic in a handler, for the layer that catches it.
pub(crate) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Refusal::new(Code::Internal, "The request was not carried out. Try again; if it stays, ask the operator.")
        .into_response()
}

fn is_too_large(request: &Request) -> bool {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX || target > TARGET_MAX
}

fn as_problem(mut response: Response, id: &str, metrics: &Metrics) -> Response {
    let marked = response.extensions_mut().remove::<Refusal>();
    let refusal = match marked {
        Some(refusal) => refusal,
        None if response.status().is_client_error() || response.status().is_server_error() => {
            refusal_for(response.status())
        }
        None => return response,
    };
    if let Some(limit) = refusal.limit_name() {
        metrics.refused(limit);
    }
    if refusal.was_caused_by(|cause| matches!(cause, DbError::Busy)) {
        metrics.database_was_busy();
    }
    let mut problem = refusal.into_problem_response(id);
    for name in [header::ALLOW, header::CONTENT_RANGE] {
        if let Some(value) = response.headers_mut().remove(&name) {
            problem.headers_mut().insert(name, value);
        }
    }
    problem
}

fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
