//! Where sealed bytes are kept: the storage seam and its drivers.
//!
//! A *blob* is a run of sealed octets under a random name. It is written once, never changed and at some
//! time deleted. Nothing here knows what a blob holds: names are random and say nothing about files or people.
//!
//! | driver or decorator | what it is for |
//! |---|---|
//! | [`LocalBlobs`] | a folder of one machine; durable when acknowledged |
//! | [`MemoryBlobs`] | tests and demonstrations; gone with the process |
//! | [`S3`] | a bucket of any S3-compatible store; also presigned addresses ([`Presign`]) |
//! | [`Ipfs`] | a node of IPFS by Kubo's RPC: added, pinned, with a CID each |
//! | [`Retry`] | repeats what failed for a passing reason |
//! | [`Limit`] | bounds how many streams and writers live at once |
//! | [`Mirror`] | keeps each blob in several stores, so that any one of them may die |
//!
//! Each of them runs the one suite in [`conformance`] (feature `conformance`).

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
mod http;
mod ipfs;
mod limit;
mod local;
mod memory;
mod mirror;
mod name;
mod pipe;
mod retry;
mod s3;
mod turns;

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;

pub use error::BlobError;
pub use http::BadAuthority;
pub use ipfs::{BadIpfs, Cid, Ipfs, IpfsAuthorization, IpfsOptions};
pub use limit::Limit;
pub use local::LocalBlobs;
pub use memory::MemoryBlobs;
pub use mirror::{BadMirror, Copy, CopyJudge, CopyState, DEFAULT_COPIES, Mirror, Repaired, StoreState};
pub use name::{BadBlobName, BlobName};
pub use retry::{Retry, RetryPolicy};
pub use s3::{BadS3, Presign, PresignedUrl, PutTerms, S3, S3Keys, S3Options, S3Style};

/// Pieces given to [`BlobWriter::write`] that begin at a multiple of this in memory and are a multiple of it long
/// may be written from where they are, without a copy. Others are as good, only slower.
pub const DIRECT_ALIGN: usize = 4096;

/// The octets of a range in order, in pieces of at most 1 MiB.
///
/// The stream ends after exactly the octets asked for; a shorter answer is an error item, never a silent end.
/// After an error item the stream is over. Dropping it early stops all work behind it.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, BlobError>> + Send>>;

/// What the store holds, in no particular order. After an error item the stream is over.
pub type BlobList = Pin<Box<dyn Stream<Item = Result<ListedBlob, BlobError>> + Send>>;

/// One blob as the orphan sweep sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedBlob {
    /// The blob's name.
    pub name: BlobName,
    /// Octets it holds.
    pub len: u64,
    /// When its last octet was written, in unix seconds by the store's clock.
    pub modified: i64,
}

/// What a healthy store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Octets that can still be written, where the store knows.
    pub free_bytes: Option<u64>,
}

/// A store of blobs. Shared as `Arc<dyn Blobs>`; every method may be called from many tasks at once.
///
/// An operation that fails with an error for which [`BlobError::is_transient`] holds may be repeated as it was.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Starts a blob. Called once per part that arrives.
    ///
    /// Nothing is visible under `name` before [`BlobWriter::commit`] succeeds. Two writers may be open under one
    /// name; the first to commit wins, and the other's commit is [`BlobError::AlreadyExists`].
    ///
    /// # Errors
    /// [`BlobError::StorageFull`] or a store that cannot be reached. A name that is taken may be reported here
    /// or only at commit.
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Starts a blob of a length that is known: exactly [`create`](Blobs::create), for which a store behind a network may
    /// need less memory and fewer requests. Called once per part whose length was announced.
    ///
    /// The length is the caller's word: with another number of octets a write or the commit fails, or the
    /// blob has that number.
    ///
    /// # Errors
    /// Those of `create`.
    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        let _ = len;
        self.create(name).await
    }

    /// Writes small blobs and makes them durable together: fewer waits for the device than one by one. Called once
    /// per batch of small files; all of it is in memory.
    ///
    /// # Errors
    /// Those of [`BlobWriter::commit`]. After an error any of them may be there: delete the names or leave them to
    /// the orphan sweep, and do not use them.
    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        for (name, bytes) in blobs {
            let mut writer = self.create(name).await?;
            writer.write(bytes).await?;
            writer.commit().await?;
        }
        Ok(())
    }

    /// The octets `range` of a blob (end exclusive). Called once per download of a part or of a piece of one.
    ///
    /// An empty range within the blob gives an empty stream. A blob that is deleted while it is read may go on
    /// to its end or fail with [`BlobError::NotFound`].
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::OutOfRange`] if `range` is reversed or ends behind the blob.
    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError>;

    /// Octets in the blob; `None` if there is none of that name.
    ///
    /// # Errors
    /// Only for a store that cannot answer; absence is not an error.
    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError>;

    /// Removes a blob. Idempotent: success means that it is not there, whether or not it was.
    ///
    /// A deletion may be undone by a power loss; the orphan sweep finds such a blob again.
    ///
    /// # Errors
    /// A store that cannot be reached or refuses.
    async fn delete(&self, name: BlobName) -> Result<(), BlobError>;

    /// All committed blobs, for the orphan sweep. Blobs that come or go meanwhile may or may not be seen.
    ///
    /// # Errors
    /// A store that cannot be reached; later trouble is an item of the stream.
    async fn list(&self) -> Result<BlobList, BlobError>;

    /// Removes what interrupted writers left behind and nobody touched for `older_than`; says how many.
    ///
    /// Called at start and now and then by one job. `older_than` must exceed the longest pause that a living
    /// writer may make. Idempotent.
    ///
    /// # Errors
    /// A store that cannot be reached or refuses.
    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError>;

    /// Whether a blob could be written and read now. Called by readiness checks, every second or so.
    ///
    /// # Errors
    /// Whatever a write would fail with.
    async fn health(&self) -> Result<Health, BlobError>;
}

#[async_trait]
impl<B: Blobs + ?Sized> Blobs for Arc<B> {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        (**self).create(name).await
    }

    async fn create_sized(&self, name: BlobName, len: u64) -> Result<Box<dyn BlobWriter>, BlobError> {
        (**self).create_sized(name, len).await
    }

    async fn put_all(&self, blobs: Vec<(BlobName, Bytes)>) -> Result<(), BlobError> {
        (**self).put_all(blobs).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        (**self).read(name, range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        (**self).len(name).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        (**self).delete(name).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        (**self).list().await
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        (**self).sweep_temporary(older_than).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        (**self).health().await
    }
}

/// A blob that is being written. Dropping it without [`commit`](BlobWriter::commit) leaves nothing behind.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends `bytes`. Returns when they are taken over, not when they are durable; an error of an earlier
    /// write may be reported by a later call. Memory behind one writer is bounded: below 3 MiB for a folder, and what
    /// the driver's page says for a store behind a network. An empty write does nothing.
    ///
    /// After an error, or after its future was dropped before it was done, the writer is of no more use: every
    /// further call fails and `commit` does not succeed. A failed write is never repeated by a decorator.
    ///
    /// # Errors
    /// [`BlobError::StorageFull`] and input/output errors.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes the blob durable and visible, in this order. When it returns `Ok`, the blob survives a power loss.
    ///
    /// If the future is dropped before it is done, the blob is there whole or not at all.
    ///
    /// # Errors
    /// [`BlobError::AlreadyExists`] if another writer committed that name; its blob stays. After any other error
    /// the blob is not there, or, where only the last step failed, may be there whole: delete the name or
    /// leave it to the orphan sweep, and do not use it.
    async fn commit(self: Box<Self>) -> Result<(), BlobError>;
}
