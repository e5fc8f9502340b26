//! What changed in a person's list of files, in order.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use crate::{DbError, FileView, UnixTime};

/// The order in which a person's list changed. Each file of a person stands in it once, at its latest change.
#[async_trait]
pub trait Changes: Send + Sync {
    /// What changed behind the number `after` (0 is the beginning), in order, at most `limit` (1 to 500) of it. From the
    /// beginning only what is in the list is told, otherwise also what has left it. A page shorter than `limit` is the last
    /// one. Whoever was told everything up to a number is told whatever is committed later, under a higher one.
    async fn changed_files(
        &self,
        user: UserId,
        after: u64,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<Change>, DbError>;

    /// The highest number ever given, to whomever; 0 if none was.
    async fn last_change(&self) -> Result<u64, DbError>;
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub seq: u64,
    /// Which file.
    pub file_id: FileId,
    /// The file as it is now; `None` if it is not in the list any more.
    pub file: Option<Box<FileView>>,
}
