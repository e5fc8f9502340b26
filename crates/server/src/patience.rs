//! How long a connection may keep us waiting: for its greeting, for room to write, and for its next request.
//!
//! Headers are watched by hyper, bodies by their routes; here is what lies between.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// What an HTTP/2 client says first (RFC 9113, section 3.4). Until it is clear whether a client says this or a request
/// of HTTP/1, nothing below us counts the time.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose other end may not leave us waiting to write for longer than `patience`.
pub(crate) struct Stalled<S> {
    inner: S,
    patience: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Stalled<S> {
    pub(crate) fn new(inner: S, patience: Duration) -> Self {
        Self { inner, patience, alarm: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.alarm = None;
            return outcome;
        }
        let deadline = Instant::now() + self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalled<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}

/// A stream that must make clear within its time which HTTP it speaks.
pub(crate) struct Greeted<S> {
    inner: S,
    /// Octets of [`PREFACE`] that were said.
    said: usize,
    /// `None` once it is clear.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Greeted<S> {
    pub(crate) fn new(inner: S, patience: Duration) -> Self {
        Self { inner, said: 0, alarm: Some(Box::pin(tokio::time::sleep(patience))) }
    }

    fn heard(&mut self, new: &[u8]) {
        let expected = &PREFACE[self.said..];
        self.said += new.len();
        // Its end, or something else, or the whole of it.
        if new.is_empty() || !expected.starts_with(new) || self.said == PREFACE.len() {
            self.alarm = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        let Some(alarm) = &mut self.alarm else { return outcome };
        if outcome.is_ready() {
            self.heard(&buf.filled()[before..]);
            return outcome;
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The requests that are under way on one connection.
#[derive(Clone)]
pub(crate) struct Requests(watch::Sender<usize>);

impl Requests {
    pub(crate) fn none() -> Self {
        Self(watch::Sender::new(0))
    }

    /// One more, until what is returned is dropped.
    pub(crate) fn begin(&self) -> Request {
        self.0.send_modify(|count| *count += 1);
        Request(self.0.clone())
    }

    /// Comes back once there has been none for as long as `patience`.
    ///
    /// HTTP/2 keeps a connection for as long as its pings are answered, and each takes one of the places.
    pub(crate) async fn idle_for(&self, patience: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is held by `self`.
            let _ = count.wait_for(|count| *count == 0).await;
            let began = count.wait_for(|count| *count > 0);
            if tokio::time::timeout(patience, began).await.is_err() {
                return;
            }
        }
    }
}

/// A request that is under way; see [`Requests::begin`].
pub(crate) struct Request(watch::Sender<usize>);

impl Request {
    /// Lasts as long as this body is being sent.
    pub(crate) fn until_sent(self, body: Body) -> Body {
        Body::new(Held { body, _request: self })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

struct Held {
    body: Body,
    _request: Request,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_stops_reading_does_not_hold_the_writer() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut ours = Stalled::new(ours, PATIENCE);
        let error = ours.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// What is read from somebody who says this and then nothing, up to `most` octets.
    async fn read(said: &[u8], most: usize) -> io::Result<usize> {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Greeted::new(ours, PATIENCE);
        theirs.write_all(said).await?;
        let mut buf = vec![0; most];
        for at in 0..said.len() {
            ours.read_exact(&mut buf[at..=at]).await?;
        }
        // After a greeting there is no hurry: the paused clock would go on for ever.
        tokio::time::timeout(PATIENCE * 10, ours.read(&mut buf)).await.unwrap_or(Ok(usize::MAX))
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_greeting_is_waited_for_no_longer_than_a_whole_one() {
        for half in [&b""[..], b"P", b"PRI * HTTP/2.0", &PREFACE[..23]] {
            assert_eq!(read(half, 64).await.unwrap_err().kind(), io::ErrorKind::TimedOut, "{half:?}");
        }
        for clear in [&PREFACE[..], b"G", b"PO", b"PUT /", b"PRI * HTTP/1"] {
            assert_eq!(read(clear, 64).await.unwrap(), usize::MAX, "{clear:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_while_nothing_is_asked_or_sent() {
        let requests = Requests::none();
        let held = requests.begin().until_sent(Body::from("x"));
        let idle = |requests: &Requests| {
            let requests = requests.clone();
            async move { tokio::time::timeout(PATIENCE * 10, requests.idle_for(PATIENCE)).await.is_ok() }
        };
        assert!(!idle(&requests).await, "something is being sent");
        drop(held);
        assert!(idle(&requests).await);
    }
}
