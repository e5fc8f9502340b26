//! The one place that turns refusals and faults into HTTP: RFC 9457 problem details with stable codes.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use blobs::BlobError;
use db::DbError;
use proto::{Code, Problem};

use crate::limited::Limit;
use crate::stores::StoreError;

/// Why a request is not served: a stable code, a sentence for a person, and for the log the cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    detail: Cow<'static, str>,
    pub(crate) retry_after: Option<u64>,
    limit: Option<Limit>,
    /// Whether it stood somewhere that it would be refused.
    pub(crate) is_said_again: bool,
    #[source]
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
            limit: None,
            is_said_again: false,
            cause: None,
        }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    pub(crate) fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing under this address that you may see.")
    }

    /// Said only to whoever proved the mailbox, or had a session.
    pub(crate) fn suspended() -> Self {
        Self::new(
            Code::Suspended,
            "The operator suspended this account. Nothing was deleted; what you sent can still be opened. Ask the operator.",
        )
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(crate) fn too_many(limit: Limit, seconds: u32) -> Self {
        let detail = format!("Wait {seconds} seconds, then try again.");
        Self { limit: Some(limit), ..Self::new(Code::TooMany, detail) }.retry_after(seconds.into())
    }

    /// The same, without asking the database again.
    pub(crate) fn said_again(self) -> Self {
        Self { is_said_again: true, ..self }
    }

    /// The same about one file of several, counted from 1.
    pub(crate) fn of_file(mut self, n: usize) -> Self {
        self.detail = format!("File {n} of the batch: {}", self.detail).into();
        self
    }

    pub(crate) fn quota(used: u64, quota: u64) -> Self {
        Self::new(
            Code::QuotaExceeded,
            format!(
                "{used} of {quota} bytes are in use. Remove files that you no longer need, or ask the operator."
            ),
        )
    }

    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(
            Code::Internal,
            "The request was not carried out. Try again; if it stays, ask the operator.",
        )
        .because(cause)
    }

    /// The limit that refuses, if it is one.
    pub(crate) fn limit_name(&self) -> Option<&'static str> {
        self.limit.map(|limit| limit.name)
    }

    /// Whether the fault behind it is one of these.
    pub(crate) fn was_caused_by(&self, is: impl Fn(&DbError) -> bool) -> bool {
        self.cause.as_ref().and_then(|cause| cause.downcast_ref()).is_some_and(is)
    }

    /// Logs what an operator must know; refusals that a client brings about are no faults.
    fn log(&self) {
        let Some(cause) = &self.cause else { return };
        if self.code.status() < 500 {
            return;
        }
        let cause = crate::logging::chain(&**cause);
        tracing::error!(code = self.code.as_str(), %cause, "a request failed through a fault of the server");
    }

    fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.as_ref());
        request_id.clone_into(&mut problem.request_id);
        problem.retry_after = self.retry_after;
        problem
    }

    /// The whole reply, for the layer that knows the request's id.
    pub(crate) fn into_problem_response(self, request_id: &str) -> Response {
        self.log();
        let problem = self.problem(request_id);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(limit) = self.limit {
            // As draft-ietf-httpapi-ratelimit-headers writes them: what is left, until when, and of how much.
            let left = format!("\"{}\";r=0;t={}", limit.name, self.retry_after.unwrap_or(1));
            let policy = format!("\"{}\";q={};w={}", limit.name, limit.max, limit.window_secs);
            for (name, value) in [("ratelimit", left), ("ratelimit-policy", policy)] {
                headers.extend(
                    HeaderValue::from_str(&value).map(|value| (HeaderName::from_static(name), value)),
                );
            }
        }
        if self.code == Code::SignInNeeded {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    /// Only a mark: the outermost layer, which knows the request's id, writes the reply.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Busy => {
                Self::new(Code::Unavailable, "The database is busy. Try again.").retry_after(1).because(error)
            }
            DbError::Away(_) => Self::new(Code::Unavailable, "The database cannot be reached. Try again.")
                .retry_after(2)
                .because(error),
            DbError::ClockApart { .. } => {
                Self::new(Code::Unavailable, "The clocks of server and database differ. Try again.")
                    .retry_after(5)
                    .because(error)
            }
            DbError::StorageFull => storage_full(error),
            DbError::Suspended => Self::suspended(),
            DbError::UnknownAccount => {
                Self::new(Code::SignInNeeded, "This account is not here any more. Nothing was kept.")
            }
            DbError::Closed => Self::new(Code::Unavailable, "The server is stopping. Try again.")
                .retry_after(5)
                .because(error),
            other => Self::internal(other),
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::StorageFull => storage_full(error),
            BlobError::Unavailable(_) => {
                Self::new(Code::Unavailable, "The storage is busy. Try again.").retry_after(1).because(error)
            }
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Blob(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

fn storage_full(error: impl Error + Send + Sync + 'static) -> Refusal {
    Refusal::new(Code::StorageFull, "The server has no room left. Ask the operator; what was sent stays.")
        .because(error)
}

/// Turns the plain refusals that libraries below make into ours.
pub(crate) fn refusal_for(status: StatusCode) -> Refusal {
    match status {
        StatusCode::NOT_FOUND => Refusal::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => {
            Refusal::new(Code::MethodNotAllowed, "This address does not take that method.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(Code::TooLarge, "The body is too large for this address.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Refusal::new(Code::MediaType, "Send this as application/json."),
        StatusCode::REQUEST_TIMEOUT => Refusal::new(Code::Timeout, "The request took too long. Try again."),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Refusal::new(Code::HeadersTooLarge, "The headers of the request are too many or too long.")
        }
        status if status.is_client_error() => Refusal::malformed("The request could not be understood."),
        _ => Refusal::new(
            Code::Internal,
            "The request was not carried out. Try again; if it stays, ask the operator.",
        ),
    }
}
