//! The directory of signed identity bundles.

use async_trait::async_trait;
use envelope::ids::{RootId, UserId};

use crate::{DbError, Digest, NewEvent, UnixTime};

/// What the server remembers of people's public keys: a chain of bundles for each, only ever appended to.
/// Signatures are the caller's business.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Appends a bundle to its owner's chain. Called when keys are made or changed. Idempotent: the same bundle
    /// again is [`PublishAnswer::Same`].
    ///
    /// A first bundle has `seq` 1 and no `previous`; each later one has the next number and the hash of the
    /// bundle before it. Anything else is a conflict and changes nothing; of parallel calls one wins.
    async fn publish_bundle(&self, new: NewBundle) -> Result<PublishAnswer, DbError>;

    /// The newest bundle of a person; `None` if there is none.
    async fn newest_bundle(&self, user: UserId) -> Result<Option<StoredBundle>, DbError>;

    /// The newest bundles of several people, in no particular order; who has none is left out. At most 1,000.
    async fn newest_bundles(&self, users: &[UserId]) -> Result<Vec<StoredBundle>, DbError>;

    /// Bundles of a person from `from_seq` on, oldest first, at most `limit`; empty if there are none.
    async fn bundle_chain(
        &self,
        user: UserId,
        from_seq: u32,
        limit: u32,
    ) -> Result<Vec<StoredBundle>, DbError>;
}

/// A bundle that is to be appended.
#[derive(Clone, Debug)]
pub struct NewBundle {
    /// Whose it is.
    pub user: UserId,
    /// Its place in the chain, from 1.
    pub seq: u32,
    /// The whole bundle.
    pub bundle: Vec<u8>,
    /// Its hash, as the next bundle will name it.
    pub hash: Digest,
    /// The root key that signed it.
    pub root: RootId,
    /// The hash of the bundle before it; `None` for the first.
    pub previous: Option<Digest>,
    /// Whether its root is linked to the one before by nothing but a wish that is due (see [`crate::Resets`]); if that has
    /// been stopped meanwhile, nothing is published.
    pub by_reset: bool,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if it is published now.
    pub events: Vec<NewEvent>,
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishAnswer {
    /// It is the newest now.
    Published,
    /// Exactly this bundle was there already.
    Same,
    /// The wish that it follows was stopped.
    Stopped,
    /// It does not continue the chain, or its number is taken by another.
    Conflict {
        /// The newest number there is; `None` if the chain is empty.
        newest: Option<u32>,
    },
}

/// A bundle of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBundle {
    /// Whose it is.
    pub user: UserId,
    /// Its place in the chain, from 1.
    pub seq: u32,
    /// The whole bundle.
    pub bundle: Vec<u8>,
    /// Its hash.
    pub hash: Digest,
    /// The root key that signed it.
    pub root: RootId,
}
