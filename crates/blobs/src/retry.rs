//! Repeats what failed for a passing reason.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health};

/// How often and how patiently to repeat.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// The wait after the first failure; it doubles from then on. The real wait is random between half and whole.
    pub first_wait: Duration,
    /// No wait is longer.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// 5 attempts within about a second.
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_millis(50), longest_wait: Duration::from_secs(2) }
    }
}

impl RetryPolicy {
    /// How long to wait after `failures` failures (1 or more); `jitter` from 0 to 1.
    fn wait(&self, failures: u32, jitter: f64) -> Duration {
        let doubled = self.first_wait.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        doubled.min(self.longest_wait).mul_f64(0.5 + 0.5 * jitter)
    }
}

/// Repeats operations that failed with a transient error, with growing, random waits.
///
/// A stream that breaks off is continued at the exact octet where it broke. A writer is never repeated once it
/// exists: its octets are gone, so whoever has them sends them again. A listing is repeated only at its start.
pub struct Retry<B> {
    inner: Arc<B>,
    policy: RetryPolicy,
}

impl<B: Blobs> Retry<B> {
    /// Repeats over `inner`.
    pub fn new(inner: B, policy: RetryPolicy) -> Self {
        Self { inner: Arc::new(inner), policy }
    }
}

/// Runs `operation` until it succeeds, fails for good, or the attempts are used up.
pub(crate) async fn repeat<T, F: Future<Output = Result<T, BlobError>>>(
    policy: &RetryPolicy,
    failed_before: u32,
    mut operation: impl FnMut() -> F,
) -> Result<T, BlobError> {
    let mut failures = failed_before;
    loop {
        if failures > 0 {
            tokio::time::sleep(policy.wait(failures, jitter())).await;
        }
        match operation().await {
            Err(error) if error.is_transient() && failures + 1 < policy.attempts => {
                failures += 1;
                tracing::debug!(failures, %error, "a storage operation is repeated");
            }
            other => return other,
        }
    }
}

/// A number from 0 to 1, so that many who failed together do not come back together.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0
}

#[async_trait]
impl<B: Blobs + 'static> Blobs for Retry<B> {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        repeat(&self.policy, 0, || self.inner.create(name)).await
    }

    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        repeat(&self.policy, 0, || self.inner.create_sized(name, len)).await
    }

    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        // Some of them may be there after a failure, and a name is written once: not repeated.
        self.inner.put_all(blobs).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let stream = repeat(&self.policy, 0, || self.inner.read(name, range.clone())).await?;
        let state = Resuming {
            inner: self.inner.clone(),
            policy: self.policy,
            name,
            rest: range,
            failures: 0,
            stream,
        };
        let pieces = stream::unfold(Some(state), |state| async move {
            let mut state = state?;
            match state.next_piece().await? {
                Ok(piece) => Some((Ok(piece), Some(state))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pieces.boxed())
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        repeat(&self.policy, 0, || self.inner.len(name)).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        repeat(&self.policy, 0, || self.inner.delete(name)).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        repeat(&self.policy, 0, || self.inner.list()).await
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        repeat(&self.policy, 0, || self.inner.sweep_temporary(older_than)).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        repeat(&self.policy, 0, || self.inner.health()).await
    }
}

/// A stream that can be continued where it broke.
struct Resuming<B> {
    inner: Arc<B>,
    policy: RetryPolicy,
    name: BlobName,
    /// What has not been handed out yet.
    rest: Range<u64>,
    /// Failures since the last piece that came.
    failures: u32,
    stream: BlobStream,
}

impl<B: Blobs> Resuming<B> {
    async fn next_piece(&mut self) -> Option<Result<Bytes, BlobError>> {
        loop {
            match self.stream.next().await? {
                Ok(piece) => {
                    self.rest.start += piece.len() as u64;
                    self.failures = 0;
                    return Some(Ok(piece));
                }
                Err(error) if error.is_transient() && self.failures + 1 < self.policy.attempts => {
                    self.failures += 1;
                    let again = || self.inner.read(self.name, self.rest.clone());
                    match repeat(&self.policy, self.failures, again).await {
                        Ok(stream) => self.stream = stream,
                        Err(error) => return Some(Err(error)),
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU32, Ordering};

    use bytes::Bytes;
    use futures::TryStreamExt;

    use super::*;
    use crate::MemoryBlobs;

    /// Fails the first `faults` operations, streams in the middle too, and counts how often it was called.
    struct Flaky {
        inner: MemoryBlobs,
        faults: AtomicU32,
        calls: AtomicU32,
        error: fn() -> BlobError,
    }

    impl Flaky {
        fn new(inner: &MemoryBlobs, faults: u32, error: fn() -> BlobError) -> Self {
            Self { inner: inner.clone(), faults: faults.into(), calls: 0.into(), error }
        }

        fn trip(&self) -> Result<(), BlobError> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            match self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => Err((self.error)()),
                Err(_) => Ok(()),
            }
        }
    }

    #[async_trait]
    impl Blobs for Flaky {
        async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
            self.trip()?;
            self.inner.create(name).await
        }
        async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
            // Every stream gives three octets and then breaks while there are faults left.
            let whole: Vec<Bytes> = self.inner.read(name, range).await?.try_collect().await?;
            let all = whole.concat();
            match self.trip() {
                Err(error) => {
                    let some = Bytes::copy_from_slice(&all[..all.len().min(3)]);
                    Ok(stream::iter([Ok(some), Err(error)]).boxed())
                }
                Ok(()) => Ok(stream::iter([Ok(Bytes::from(all))]).boxed()),
            }
        }
        async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
            self.trip()?;
            self.inner.len(name).await
        }
        async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
            self.trip()?;
            self.inner.delete(name).await
        }
        async fn list(&self) -> Result<BlobList, BlobError> {
            self.trip()?;
            self.inner.list().await
        }
        async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
            self.trip()?;
            self.inner.sweep_temporary(older_than).await
        }
        async fn health(&self) -> Result<Health, BlobError> {
            self.trip()?;
            self.inner.health().await
        }
    }

    const QUICK: RetryPolicy = RetryPolicy {
        attempts: 4,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(2),
    };

    fn busy() -> BlobError {
        BlobError::Unavailable(io::ErrorKind::TimedOut.into())
    }

    async fn one_blob() -> (MemoryBlobs, BlobName) {
        let memory = MemoryBlobs::new();
        let name = BlobName::generate();
        let mut writer = memory.create(name).await.unwrap();
        writer.write(Bytes::from_static(b"abcdefghijklmnop")).await.unwrap();
        writer.commit().await.unwrap();
        (memory, name)
    }

    #[tokio::test(start_paused = true)]
    async fn passing_trouble_is_not_seen() {
        let (memory, name) = one_blob().await;
        let blobs = Retry::new(Flaky::new(&memory, 3, busy), QUICK);
        assert_eq!(blobs.len(name).await.unwrap(), Some(16));
        assert_eq!(blobs.inner.calls.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn lasting_trouble_is_reported_after_the_last_attempt() {
        let (memory, name) = one_blob().await;
        let blobs = Retry::new(Flaky::new(&memory, 100, busy), QUICK);
        assert!(blobs.len(name).await.unwrap_err().is_transient());
        assert_eq!(blobs.inner.calls.load(Ordering::Relaxed), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_transient_is_not_repeated() {
        let (memory, name) = one_blob().await;
        let blobs = Retry::new(Flaky::new(&memory, 1, || BlobError::StorageFull), QUICK);
        assert!(matches!(blobs.len(name).await, Err(BlobError::StorageFull)));
        assert_eq!(blobs.inner.calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_stream_goes_on_at_the_octet_where_it_broke() {
        let (memory, name) = one_blob().await;
        // More faults than attempts: each piece that comes makes the patience new.
        let blobs = Retry::new(Flaky::new(&memory, 5, busy), QUICK);
        let pieces: Vec<Bytes> = blobs.read(name, 1..16).await.unwrap().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"bcdefghijklmnop");
    }

    #[tokio::test(start_paused = true)]
    async fn creating_is_repeated_but_only_before_octets_flow() {
        let memory = MemoryBlobs::with_capacity(4);
        let blobs = Retry::new(Flaky::new(&memory, 2, busy), QUICK);
        let mut writer = blobs.create(BlobName::generate()).await.unwrap();
        assert!(matches!(writer.write(Bytes::from_static(b"12345")).await, Err(BlobError::StorageFull)));
        assert_eq!(blobs.inner.calls.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let policy = RetryPolicy {
            attempts: 99,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(1),
        };
        assert_eq!(policy.wait(1, 1.0), Duration::from_millis(100));
        assert_eq!(policy.wait(2, 1.0), Duration::from_millis(200));
        assert_eq!(policy.wait(2, 0.0), Duration::from_millis(100));
        assert_eq!(policy.wait(90, 1.0), Duration::from_secs(1));
    }
}
