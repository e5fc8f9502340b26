//! What a server asks before it works with a database: whether its keys are those that this was filled with, and since when
//! it is there.

use async_trait::async_trait;

use crate::{DbError, Digest, UnixTime};

/// What a server asks before it works with a database.
#[async_trait]
pub trait KeyCheck: Send + Sync {
    /// Keeps a value that follows from a server's keys and tells nothing of them, where none is kept yet, and gives the one
    /// that is kept. Idempotent; called at every start.
    async fn keep_key_check(&self, check: Digest) -> Result<Digest, DbError>;

    /// Keeps the time from which on this database knows every blob, where none is kept yet. Idempotent; called at every start.
    async fn keep_birth(&self, now: UnixTime) -> Result<(), DbError>;

    /// The time that was kept; `None` where no server has used the database yet. What is older may be another database's: one that
    /// was moved aside, or is still to be moved or restored into this one.
    async fn birth(&self) -> Result<Option<UnixTime>, DbError>;
}
