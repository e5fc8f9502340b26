//! New keys for people who have lost theirs.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, Digest, NewEvent, UnixTime};

/// What the server remembers of people who asked for new keys without the old ones: at most one wish each. A bundle that
/// is published, whichever, fulfils or voids it.
#[async_trait]
pub trait Resets: Send + Sync {
    /// Puts a wish in the place of another one of the same person, whose time starts anew. Idempotent: the same bundle
    /// again changes nothing and gives the wish as it was. `events` are appended if something changed.
    async fn begin_reset(&self, new: NewReset) -> Result<Reset, DbError>;

    /// The wish of a person.
    async fn reset(&self, user: UserId) -> Result<Option<Reset>, DbError>;

    /// The wishes of several people, in no particular order. At most 1,000.
    async fn resets(&self, users: &[UserId]) -> Result<Vec<(UserId, Reset)>, DbError>;

    /// Drops the wish for that very bundle; says whether there was one.
    async fn stop_reset(&self, user: UserId, bundle: Digest, events: &[NewEvent]) -> Result<bool, DbError>;
}

/// A wish that is to be kept.
#[derive(Clone, Debug)]
pub struct NewReset {
    /// Whose.
    pub user: UserId,
    /// The hash of the bundle that is to be published.
    pub bundle: Digest,
    /// The present.
    pub now: UnixTime,
    /// When it may be.
    pub due_at: UnixTime,
    /// Appended to the audit log if the wish is new.
    pub events: Vec<NewEvent>,
}

/// A wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The hash of the bundle that is to be published.
    pub bundle: Digest,
    /// When it was asked for.
    pub begun_at: UnixTime,
    /// When it may be published.
    pub due_at: UnixTime,
    /// Whether this very call made it.
    pub is_new: bool,
}
