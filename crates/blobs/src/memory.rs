//! Blobs in memory: for tests and demonstrations, gone with the process.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, ListedBlob};

/// The longest piece of a stream.
const PIECE_LEN: usize = 1 << 20;

/// Blobs in memory. Clones share their content.
#[derive(Clone)]
pub struct MemoryBlobs {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    blobs: HashMap<BlobName, Blob>,
    /// Octets that may still be written; those of open writers are counted.
    free: u64,
}

#[derive(Clone)]
struct Blob {
    bytes: Bytes,
    modified: i64,
}

impl MemoryBlobs {
    /// An empty store without a bound.
    pub fn new() -> Self {
        Self::with_capacity(u64::MAX)
    }

    /// An empty store that is full after `octets`.
    pub fn with_capacity(octets: u64) -> Self {
        Self { held: Arc::new(Mutex::new(Held { blobs: HashMap::new(), free: octets })) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change under this lock is complete in itself, so a panic elsewhere leaves nothing torn.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), name, bytes: Vec::new(), broken: false }))
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let bytes = self.held().blobs.get(&name).ok_or(BlobError::NotFound)?.bytes.clone();
        let len = bytes.len() as u64;
        if range.start > range.end || range.end > len {
            return Err(BlobError::OutOfRange { len });
        }
        let at = |offset: u64| usize::try_from(offset).expect("an offset within a slice");
        let mut rest = bytes.slice(at(range.start)..at(range.end));
        let pieces = std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| Ok(rest.split_to(PIECE_LEN.min(rest.len()))))
        });
        Ok(stream::iter(pieces).boxed())
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        Ok(self.held().blobs.get(&name).map(|blob| blob.bytes.len() as u64))
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        let mut held = self.held();
        if let Some(blob) = held.blobs.remove(&name) {
            held.free += blob.bytes.len() as u64;
        }
        Ok(())
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        let held = self.held();
        let listed: Vec<_> = held
            .blobs
            .iter()
            .map(|(&name, blob)| {
                Ok(ListedBlob { name, len: blob.bytes.len() as u64, modified: blob.modified })
            })
            .collect();
        Ok(stream::iter(listed).boxed())
    }

    async fn sweep_temporary(&self, _older_than: Duration) -> Result<u64, BlobError> {
        Ok(0)
    }

    async fn health(&self) -> Result<Health, BlobError> {
        Ok(Health { free_bytes: Some(self.held().free) })
    }
}

struct MemoryWriter {
    store: MemoryBlobs,
    name: BlobName,
    bytes: Vec<u8>,
    broken: bool,
}

#[async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        let mut held = self.store.held();
        let Some(free) = held.free.checked_sub(bytes.len() as u64) else {
            self.broken = true;
            return Err(BlobError::StorageFull);
        };
        held.free = free;
        drop(held);
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), BlobError> {
        if self.broken {
            return Err(BlobError::Broken);
        }
        let store = self.store.clone();
        let mut held = store.held();
        if held.blobs.contains_key(&self.name) {
            // The guard goes first: dropping the writer gives its octets back under the same lock.
            drop(held);
            return Err(BlobError::AlreadyExists);
        }
        let bytes = std::mem::take(&mut self.bytes).into();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let modified = i64::try_from(now).unwrap_or(i64::MAX);
        held.blobs.insert(self.name, Blob { bytes, modified });
        drop(held);
        Ok(())
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.store.held().free += self.bytes.len() as u64;
    }
}
