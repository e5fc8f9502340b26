//! Whether a server's keys are those that the database was filled with.

use async_trait::async_trait;

use crate::{DbError, Digest};

/// Whether a server's keys are those that the database was filled with.
#[async_trait]
pub trait KeyCheck: Send + Sync {
    /// Keeps a value that follows from a server's keys and tells nothing of them, where none is kept yet, and gives the one
    /// that is kept. Idempotent; called at every start.
    async fn keep_key_check(&self, check: Digest) -> Result<Digest, DbError>;
}
