//! A call whose body is handed over piece by piece while it runs.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use reqwest::Body;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{BlobError, http};

/// Octets that are handed over at once: one piece waits, one is being sent, one is at hand.
pub(crate) const PIECE_LEN: usize = 1 << 20;

/// The running call. It is broken off when dropped, so that an unfinished body is not taken for a whole one.
pub(crate) struct Pipe<T> {
    pieces: Option<mpsc::Sender<Bytes>>,
    call: JoinHandle<Result<T, BlobError>>,
}

impl<T: Send + 'static> Pipe<T> {
    /// Begins a call with a body that is still to come.
    pub(crate) fn open<F: Future<Output = Result<T, BlobError>> + Send + 'static>(
        call: impl FnOnce(Body) -> F,
    ) -> Self {
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?;
            Some((Ok::<_, io::Error>(piece), receiver))
        });
        Self { pieces: Some(sender), call: tokio::spawn(call(Body::wrap_stream(pieces))) }
    }

    /// Hands one piece over, which must be taken `within` a time.
    pub(crate) async fn send(&mut self, piece: Bytes, within: Duration) -> Result<(), BlobError> {
        let Some(pieces) = &self.pieces else { return Err(BlobError::Broken) };
        match timeout(within, pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            // The call is over before its end: it says why.
            Ok(Err(_)) => Err(self.end(within).await.err().unwrap_or(BlobError::Broken)),
            Err(_) => Err(http::silent()),
        }
    }

    /// Nothing more comes: what the call brought, which must be there `within` a time.
    pub(crate) async fn end(&mut self, within: Duration) -> Result<T, BlobError> {
        self.pieces = None;
        let ended = timeout(within, &mut self.call).await.map_err(|_| http::silent())?;
        ended.map_err(|_| http::unavailable("the call was stopped"))?
    }
}

impl<T> Drop for Pipe<T> {
    fn drop(&mut self) {
        // Before the pieces end.
        self.call.abort();
    }
}
