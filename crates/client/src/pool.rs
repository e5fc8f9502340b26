//! Segment buffers: a bounded number of 256 KiB buffers that come back by themselves when nobody needs them.

use envelope::segment::SEGMENT_LEN;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hands out at most a fixed number of buffers; who asks for more waits.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Box<[u8]>>>>,
}

/// One segment's worth of bytes. Readable up to the length that was set; back in the pool when dropped.
#[derive(Debug)]
pub(crate) struct SegmentBuf {
    bytes: Option<Box<[u8]>>,
    len: usize,
    idle: Arc<Mutex<Vec<Box<[u8]>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(buffers: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(buffers)), idle: Arc::default() }
    }

    /// The next free buffer, of length 0; its bytes are those of its last user. `None` once the pool is closed.
    pub(crate) async fn take(&self) -> Option<SegmentBuf> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(self.hand_out(permit))
    }

    /// The same for a thread that may block.
    pub(crate) fn take_blocking(&self) -> Option<SegmentBuf> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(self.hand_out(permit));
        }
        let permit = futures::executor::block_on(Arc::clone(&self.permits).acquire_owned()).ok()?;
        Some(self.hand_out(permit))
    }

    /// Wakes everybody who waits, with nothing: the transfer is over.
    pub(crate) fn close(&self) {
        self.permits.close();
    }

    fn hand_out(&self, permit: OwnedSemaphorePermit) -> SegmentBuf {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = idle.unwrap_or_else(|| vec![0; SEGMENT_LEN].into_boxed_slice());
        SegmentBuf { bytes: Some(bytes), len: 0, idle: Arc::clone(&self.idle), _permit: permit }
    }
}

impl SegmentBuf {
    /// Bytes that are part of the segment so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Says how many bytes belong to the segment, at most 2^18.
    pub(crate) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= SEGMENT_LEN, "a segment is at most 2^18 bytes");
        self.len = len.min(SEGMENT_LEN);
    }

    /// The whole buffer, whatever its length.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.bytes.as_deref_mut().expect("bytes are there until the drop")
    }

    /// The segment.
    pub(crate) fn segment_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.room()[..len]
    }
}

impl AsRef<[u8]> for SegmentBuf {
    fn as_ref(&self) -> &[u8] {
        &self.bytes.as_deref().expect("bytes are there until the drop")[..self.len]
    }
}

impl Drop for SegmentBuf {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[tokio::test]
    async fn no_more_buffers_than_promised_and_each_comes_back() {
        let pool = Pool::new(2);
        let first = pool.take().await.unwrap();
        let _second = pool.take_blocking().unwrap();
        assert!(futures::poll!(Box::pin(pool.take())).is_pending());
        let shared = Bytes::from_owner(first);
        let clone = shared.clone();
        drop(shared);
        assert!(futures::poll!(Box::pin(pool.take())).is_pending(), "a clone still reads it");
        drop(clone);
        assert!(pool.take().await.is_some());
    }

    #[tokio::test]
    async fn closing_sends_the_waiting_home() {
        let pool = Pool::new(1);
        let held = pool.take().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.take().await.is_none() }
        });
        pool.close();
        assert!(waiting.await.unwrap());
        drop(held);
        assert!(pool.take_blocking().is_none());
    }
}
