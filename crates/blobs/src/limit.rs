//! Bounds how many streams and writers live at once.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health};

/// Lets at most so many operations run at once; others wait in the order in which they came.
///
/// A writer, a stream and a listing hold their place as long as they live, so bound the time that a slow peer
/// may take. A task that holds one and waits for another can wait for itself: finish or drop the first.
/// Health is not limited, so that a busy store does not look like a sick one.
pub struct Limit<B> {
    inner: B,
    places: Arc<Semaphore>,
}

impl<B: Blobs> Limit<B> {
    /// At most `operations` (at least 1) at once over `inner`.
    pub fn new(inner: B, operations: usize) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(operations.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        self.places.clone().acquire_owned().await.expect("the semaphore is never closed")
    }
}

#[async_trait]
impl<B: Blobs> Blobs for Limit<B> {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        let place = self.place().await;
        let inner = self.inner.create(name).await?;
        Ok(Box::new(LimitedWriter { inner, _place: place }))
    }

    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        let place = self.place().await;
        let inner = self.inner.create_sized(name, len).await?;
        Ok(Box::new(LimitedWriter { inner, _place: place }))
    }

    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        let _place = self.place().await;
        self.inner.put_all(blobs).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let place = self.place().await;
        Ok(Box::pin(Limited { inner: self.inner.read(name, range).await?, _place: place }))
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        let _place = self.place().await;
        self.inner.len(name).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let _place = self.place().await;
        self.inner.delete(name).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        let place = self.place().await;
        Ok(Box::pin(Limited { inner: self.inner.list().await?, _place: place }))
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        let _place = self.place().await;
        self.inner.sweep_temporary(older_than).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        self.inner.health().await
    }
}

struct LimitedWriter {
    inner: Box<dyn BlobWriter>,
    _place: OwnedSemaphorePermit,
}

#[async_trait]
impl BlobWriter for LimitedWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>) -> Result<(), BlobError> {
        self.inner.commit().await
    }
}

/// A stream with the place that it holds.
struct Limited<T> {
    inner: Pin<Box<dyn Stream<Item = T> + Send>>,
    _place: OwnedSemaphorePermit,
}

impl<T> Stream for Limited<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.as_mut().poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::MemoryBlobs;

    #[tokio::test]
    async fn a_writer_holds_its_place_until_it_is_gone() {
        let blobs = Limit::new(MemoryBlobs::new(), 1);
        let writer = blobs.create(BlobName::generate()).await.unwrap();
        assert!(blobs.create(BlobName::generate()).now_or_never().is_none(), "a second one has to wait");
        drop(writer);
        assert!(blobs.create(BlobName::generate()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_stream_holds_its_place_until_it_is_gone() {
        let memory = MemoryBlobs::new();
        let name = BlobName::generate();
        let mut writer = memory.create(name).await.unwrap();
        writer.write(Bytes::from_static(b"sealed")).await.unwrap();
        writer.commit().await.unwrap();
        let blobs = Limit::new(memory, 1);
        let stream = blobs.read(name, 0..6).await.unwrap();
        assert!(blobs.len(name).now_or_never().is_none(), "the only place is taken");
        assert!(blobs.health().now_or_never().is_some(), "health is not limited");
        drop(stream);
        assert!(blobs.len(name).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_commit_gives_the_place_back() {
        let blobs = Limit::new(MemoryBlobs::new(), 1);
        blobs.create(BlobName::generate()).await.unwrap().commit().await.unwrap();
        assert!(blobs.create(BlobName::generate()).now_or_never().is_some());
    }
}
