//! Takes in for a while what is left of a body that nobody wants any more, so that the client gets to read why it was refused, and
//! its next request finds the connection as it should be.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::state::App;

/// Closing a connection on bytes that are under way would destroy the reply at the other end.
const LONGEST: Duration = Duration::from_secs(10);
const MOST: usize = 64 << 20;

/// The request with a body that is read on in the background, within bounds of time and length, where it is let go before its
/// end: whether by a handler, or by what refused the request before one saw it.
pub(crate) fn lingering(app: &App, request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    request.map(|body| Body::new(Lingering { body: Some(body), tasks: app.tasks.clone() }))
}

struct Lingering {
    /// Gone with its end.
    body: Option<Body>,
    tasks: TaskTracker,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !body.is_end_stream());
        // At the end of the process nobody is left to read it.
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            self.tasks.spawn_on(drain(rest), &runtime);
        }
    }
}

async fn drain(mut body: Body) {
    let drained = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST {
                return;
            }
        }
    };
    // Whether it came to its end does not matter.
    let _ = tokio::time::timeout(LONGEST, drained).await;
}
