//! Says that a connection ends where a request was answered before its body was read.
//!
//! What is left of such a body stands in the way of the next request, so the connection is closed behind the answer. A client
//! that was not told would send its next request into it, and get nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// Whether the body of a request was let go before its end.
pub(crate) struct Unread(Option<Arc<AtomicBool>>);

impl Unread {
    /// Watches the body of a request from now on, where there is one and the connection is one request after the other.
    pub(crate) fn watch(request: Request) -> (Request, Self) {
        if request.version() == Version::HTTP_2 || request.body().is_end_stream() {
            return (request, Self(None));
        }
        let let_go = Arc::new(AtomicBool::new(false));
        let watched =
            request.map(|body| Body::new(Watched { body, has_ended: false, let_go: let_go.clone() }));
        (watched, Self(Some(let_go)))
    }

    /// Says so in the answer.
    pub(crate) fn tell(&self, response: &mut Response) {
        if self.0.as_ref().is_some_and(|let_go| let_go.load(Ordering::Acquire)) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

struct Watched {
    body: Body,
    has_ended: bool,
    let_go: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.has_ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.let_go.store(true, Ordering::Release);
        }
    }
}
