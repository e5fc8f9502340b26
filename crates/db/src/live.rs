//! What happened to whom, in order, for whoever watches.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use crate::{DbError, UnixTime};

/// The order in which things happened that people are told of while they watch. It is written in the transaction of what
/// happened, by the driver itself, and remembered for some days.
///
/// None ever appears before one that could be read already: whoever was told everything up to a number is told whatever
/// is committed later, under a higher one, by whichever server.
#[async_trait]
pub trait Live: Send + Sync {
    /// What happened to a person behind the number `after`, in order, at most `limit` (1 to 500).
    async fn happenings_of(&self, user: UserId, after: u64, limit: u32) -> Result<Vec<Happening>, DbError>;

    /// To whom something happened behind the number `after`, in order, at most `limit` (1 to 5,000), with the end of a
    /// session, which is told to nobody. Called every second or so by a server that somebody watches.
    async fn stirred(&self, after: u64, limit: u32) -> Result<Vec<(u64, UserId)>, DbError>;

    /// Up to where and from where on everything is known.
    async fn live_span(&self) -> Result<LiveSpan, DbError>;

    /// Forgets what was noted at `before` or earlier, what lies more than `most` numbers back, and dates what is new.
    /// Called now and then by one job. Idempotent.
    async fn forget_happenings(&self, now: UnixTime, before: UnixTime, most: u64) -> Result<u64, DbError>;
}

/// What is known of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSpan {
    /// Everything behind this number is known.
    pub forgotten: u64,
    /// The highest number ever given; 0 if none was.
    pub last: u64,
}

impl LiveSpan {
    /// Whether whoever was told everything up to `seq` can go on from there. Not if something since was forgotten, and
    /// not if this is another history: a copy that lives on differs above the lowest 32 bits.
    #[must_use]
    pub fn holds(self, seq: u64) -> bool {
        seq <= self.last && seq >= self.forgotten && seq >> 32 == self.last >> 32
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Its number.
    pub seq: u64,
    /// What.
    pub kind: HappeningKind,
    /// The file that it is about.
    pub file_id: Option<FileId>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// A file came into the person's list.
    FileArrived,
    /// A file in it changed.
    FileChanged,
    /// A file left it.
    FileGone,
    /// The audit log has an event that the person may see, of this kind.
    Activity(String),
}
