//! Letters that tell people of files that others shared: who wants them, and who has one coming.

use async_trait::async_trait;
use envelope::ids::UserId;

use crate::{DbError, UnixTime};

/// What waits to be told by mail. It begins to wait in the transaction that appends the event to the audit log, by the
/// driver itself: `file_shared` for the one with whom, `box_arrival` for the owner of the box, for nobody what they did
/// themselves.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Takes what is due, at most `limit` (1 to 500), of people who are neither suspended nor erased: waiting for
    /// `wait_secs`, and `pause_secs` after the letter before. Of all servers one gets it, once; a letter that is lost
    /// after that is not written again.
    async fn claim_notices(
        &self,
        now: UnixTime,
        wait_secs: u32,
        pause_secs: u32,
        limit: u32,
    ) -> Result<Vec<DueNotice>, DbError>;

    /// Whether a person wants letters. Everybody does who has not said otherwise.
    async fn wants_notices(&self, user: UserId) -> Result<bool, DbError>;

    /// Notes whether a person wants letters. What waits is dropped if not. Idempotent.
    async fn want_notices(&self, user: UserId, wanted: bool) -> Result<(), DbError>;
}

/// One letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueNotice {
    /// To whom.
    pub user: UserId,
    /// Somebody shared a file.
    pub shared: bool,
    /// A file came into a drop box.
    pub arrived: bool,
}
