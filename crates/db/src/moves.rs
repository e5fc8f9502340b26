//! Blobs that are moved from one store to another, and deletions that have to wait.

use async_trait::async_trait;

use crate::{BlobRef, DbError, Lease, UnixTime};

/// What moving blobs asks of the database.
#[async_trait]
pub trait Moves: Send + Sync {
    /// Puts another reference in the place of the one by which a part, or the leaves of a file, is known, and dooms the old blob, which
    /// is to be deleted `keep_secs` from now: whoever read its reference a moment ago can still read it. One step: each blob is
    /// known by exactly one of both, or doomed, at every moment. Unless the answer is [`MoveAnswer::Moved`] the caller
    /// deletes the new blob.
    async fn move_blob(&self, step: MoveBlob<'_>) -> Result<MoveAnswer, DbError>;

    /// Lets doomed blobs wait until a later time, because they cannot be deleted now. Idempotent. At most 1,000; what is not doomed
    /// is left alone.
    async fn put_off_deletions(&self, blobs: &[BlobRef], until: UnixTime) -> Result<(), DbError>;
}

/// One blob of a move.
#[derive(Clone, Copy, Debug)]
pub struct MoveBlob<'a> {
    /// Where it was.
    pub from: &'a BlobRef,
    /// Where its copy is, durable and read again.
    pub to: &'a BlobRef,
    /// The present.
    pub now: UnixTime,
    /// How long the old blob stays.
    pub keep_secs: u32,
    /// The lease of [`crate::Job::BlobMove`].
    pub lease: &'a Lease,
}

/// What came of moving a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveAnswer {
    /// It is known by its new reference.
    Moved,
    /// Nothing is known by the old reference: its file has ended, or it was moved before.
    Gone,
    /// The lease is no longer held: stop.
    LeaseLost,
}
