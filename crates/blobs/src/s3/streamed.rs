//! Writing an object whose length is known: one request, through which its octets flow.
//!
//! The last octets are held back until the commit, because a store makes an object visible by itself when all of it has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::CONTENT_LENGTH;
use rusty_s3::S3Action as _;

use super::Store;
use super::writer::is_unsupported;
use crate::pipe::{PIECE_LEN, Pipe};
use crate::retry::repeat;
use crate::{BlobError, BlobName, BlobWriter, http};

pub(super) struct StreamedWriter {
    store: Arc<Store>,
    name: BlobName,
    len: u64,
    written: u64,
    /// The piece that came last.
    held: Bytes,
    pipe: Option<Pipe<()>>,
    /// Whether the last octets may go: an answer before them is not believed.
    may_end: Arc<AtomicBool>,
    /// The store said early that the name is taken; whoever writes is told at the commit.
    is_taken: bool,
    broken: bool,
}

impl StreamedWriter {
    /// For an object of `len` octets, at least one.
    pub(super) fn new(store: Arc<Store>, name: BlobName, len: u64) -> Self {
        let (held, may_end) = (Bytes::new(), Arc::default());
        Self { store, name, len, written: 0, held, pipe: None, may_end, is_taken: false, broken: false }
    }

    /// Sends what was held and holds `next`.
    async fn pass_on(&mut self, next: Bytes) -> Result<(), BlobError> {
        let piece = std::mem::replace(&mut self.held, next);
        if piece.is_empty() || self.is_taken {
            return Ok(());
        }
        let (store, name, len) = (self.store.clone(), self.name, self.len);
        let (silence, may_end) = (store.silence, self.may_end.clone());
        match self.pipe.get_or_insert_with(|| open(store, name, len, may_end)).send(piece, silence).await {
            Err(BlobError::AlreadyExists) => self.is_taken = true,
            other => return other,
        }
        Ok(())
    }
}

/// The one request. It has no length of time as a whole: every piece has, and the answer.
fn open(store: Arc<Store>, name: BlobName, len: u64, may_end: Arc<AtomicBool>) -> Pipe<()> {
    Pipe::open(move |body| async move {
        let key = store.key(name);
        let once = store.conditions.load(Ordering::Relaxed);
        let mut action = store.bucket.put_object(Some(&store.keys.0), &key);
        if once {
            action.headers_mut().insert("if-none-match", "*");
        }
        let mut request = store.client.put(store.sign(&action)).header(CONTENT_LENGTH, len).body(body);
        if once {
            request = request.header("if-none-match", "*");
        }
        match store.accept(request.send().await.map_err(http::failed)?).await {
            Err(error) if is_unsupported(&error) && once => {
                store.no_conditions();
                Err(http::unavailable(
                    "the store has no conditional writes, and is asked without them next time",
                ))
            }
            Ok(_) if !may_end.load(Ordering::Relaxed) => {
                Err(http::odd("a store that answers before it has all octets"))
            }
            other => other.map(drop),
        }
    })
}

#[async_trait]
impl BlobWriter for StreamedWriter {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        // Stays set if this future is dropped or fails on the way.
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Broken);
        }
        self.written += bytes.len() as u64;
        if self.written > self.len {
            return Err(http::odd("more octets than were announced"));
        }
        while !bytes.is_empty() {
            self.pass_on(bytes.split_to(PIECE_LEN.min(bytes.len()))).await?;
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        if self.written != self.len {
            return Err(http::odd("fewer octets than were announced"));
        }
        let store = self.store.clone();
        let _turn = store.turns.of(self.name).lock().await;
        if self.is_taken || repeat(&store.policy, 0, || store.len(self.name)).await?.is_some() {
            return Err(BlobError::AlreadyExists);
        }
        self.may_end.store(true, Ordering::Relaxed);
        self.pass_on(Bytes::new()).await?;
        let Some(pipe) = &mut self.pipe else { return Err(BlobError::Broken) };
        match pipe.end(store.chunk_time).await {
            // The answer was lost. The name was free and the turn is held: what is there is ours.
            Err(error) if error.is_transient() => match store.len(self.name).await {
                Ok(Some(found)) if found == self.len => Ok(()),
                _ => Err(error),
            },
            other => other,
        }
    }
}
