//! The audit log: events that are only ever appended, their hash chain, the keys of their personal fields.

use async_trait::async_trait;
use envelope::audit::{Kind, Link};
use envelope::ids::{EventId, FileId, UserId};

use crate::{DbError, Digest, Lease, UnixTime};

/// What the server remembers of what happened. Nothing here changes or removes an event.
///
/// Events stand in one order, by growing numbers. None ever appears before one that could be read already.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends events in their order, all or none. Called for what no other sentence of the database appends by
    /// itself. Not idempotent: an id that was used fails.
    async fn append_events(&self, events: &[NewEvent]) -> Result<(), DbError>;

    /// What a person may see, newest first, at most `limit` (1 to 500): what they did or what happened to their
    /// account, and what others did to files that they own.
    async fn activity_of(&self, ask: AskActivity) -> Result<Vec<StoredEvent>, DbError>;

    /// Everybody's events above a number, oldest first, at most `limit` (1 to 10,000). Called by the sealer and by
    /// checks.
    async fn events_after(&self, n: u64, limit: u32) -> Result<Vec<StoredEvent>, DbError>;

    /// Appends a batch to the chain: the next number, on top of the newest head. Called by the sealer alone.
    async fn append_batch(
        &self,
        new: NewBatch,
        lease: &Lease,
        now: UnixTime,
    ) -> Result<AppendBatchAnswer, DbError>;

    /// The newest batch; `None` before the first.
    async fn newest_batch(&self) -> Result<Option<Batch>, DbError>;

    /// Batches from a number on, oldest first, at most `limit` (1 to 1,000).
    async fn batches_from(&self, seq: u64, limit: u32) -> Result<Vec<Batch>, DbError>;

    /// The leaves of a batch as they were appended, 32 octets an event; `None` if there is no such batch.
    async fn leaves_of_batch(&self, seq: u64) -> Result<Option<Vec<u8>>, DbError>;

    /// A person's sealed audit key; `None` if they have none, or none any more.
    async fn audit_key(&self, user: UserId) -> Result<Option<Vec<u8>>, DbError>;

    /// Keeps a sealed key for a person who has none, and answers the key that is kept: of parallel calls all get the
    /// same. Idempotent in effect.
    async fn keep_audit_key(&self, user: UserId, sealed: Vec<u8>) -> Result<Vec<u8>, DbError>;

    /// Destroys a person's key, and with it every personal field of theirs; the events stay. `false` if there was
    /// none. Called by erasure. Idempotent in effect.
    async fn forget_audit_key(&self, user: UserId) -> Result<bool, DbError>;
}

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Random.
    pub id: EventId,
    /// The present.
    pub at: UnixTime,
    /// What happened.
    pub kind: Kind,
    /// Who did it, or to whose account it happened.
    pub actor: UserId,
    /// The owner of the file, if it is about one.
    pub owner: Option<UserId>,
    /// The file.
    pub file_id: Option<FileId>,
    /// Somebody else whom it is about.
    pub other: Option<UserId>,
    /// Personal fields under the actor's key; empty if there are none.
    pub sealed: Vec<u8>,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the order.
    pub n: u64,
    /// Random.
    pub id: EventId,
    /// When it happened.
    pub at: UnixTime,
    /// [`Kind`] as text; a newer version may have written one that is not known here.
    pub kind: String,
    /// Who did it, or to whose account it happened.
    pub actor: UserId,
    /// The owner of the file, if it is about one.
    pub owner: Option<UserId>,
    /// The file.
    pub file_id: Option<FileId>,
    /// Somebody else whom it is about.
    pub other: Option<UserId>,
    /// Personal fields under the actor's key; empty if there are none.
    pub sealed: Vec<u8>,
    /// The batch that holds it; `None` while it is not sealed.
    pub batch: Option<u64>,
}

impl StoredEvent {
    /// The event as its leaf covers it.
    pub fn as_hashed(&self) -> envelope::audit::Event<'_> {
        envelope::audit::Event {
            id: self.id.as_bytes(),
            at: self.at.0,
            kind: &self.kind,
            actor: self.actor,
            owner: self.owner,
            file_id: self.file_id,
            other: self.other,
            sealed: &self.sealed,
        }
    }
}

/// Which events are asked for.
#[derive(Clone, Debug)]
pub struct AskActivity {
    /// Who asks.
    pub user: UserId,
    /// Only events before this number; `None` for the newest.
    pub before: Option<u64>,
    /// Only events of this kind.
    pub kind: Option<Kind>,
    /// Only events about this file.
    pub file_id: Option<FileId>,
    /// Only events that happened then or later.
    pub since: Option<UnixTime>,
    /// At most so many.
    pub limit: u32,
}

/// A batch that is to be appended.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Number of the last event in it.
    pub last_n: u64,
    /// What it adds to the chain.
    pub link: Link,
    /// The head that it stands on; 32 zeros for the first.
    pub previous: Digest,
    /// The head with it.
    pub head: Digest,
    /// The server's signature over that head.
    pub signature: [u8; 64],
    /// The leaves of its events, 32 octets each.
    pub leaves: Vec<u8>,
}

/// A batch of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Number of the last event in it.
    pub last_n: u64,
    /// What it adds to the chain.
    pub link: Link,
    /// The head with it.
    pub head: Digest,
    /// The server's signature over that head.
    pub signature: [u8; 64],
}

/// What came of appending a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendBatchAnswer {
    /// It is the newest now.
    Appended,
    /// The lease is no longer held: stop.
    NotHeld,
    /// It does not continue the chain.
    Conflict,
}
