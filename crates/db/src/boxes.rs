//! Drop boxes: places that people without an account may send files into.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{FileId, UserId};

use crate::{DbError, Digest, FileCursor, FileView, NewEvent, UnixTime, Upload};

/// What the server remembers of drop boxes. That a description is signed is the caller's business.
///
/// A box is *open* while it is not closed, has not ended, and its owner is neither suspended nor gone. What came into
/// it stays when it ends. Uploads into a box begin with [`crate::Uploads::begin_upload`], which never lets more
/// files come than the box takes, however many begin at once.
#[async_trait]
pub trait Boxes: Send + Sync {
    /// Keeps a box. Idempotent: the same description again changes nothing and is [`MakeBoxAnswer::Made`].
    async fn make_box(&self, new: NewBox) -> Result<MakeBoxAnswer, DbError>;

    /// The boxes of a person, newest first, at most `limit`.
    async fn boxes_of(&self, owner: UserId, now: UnixTime, limit: u32) -> Result<Vec<StoredBox>, DbError>;

    /// An open box; `None` for every other. Called whenever a stranger asks.
    async fn open_box(&self, id: BoxId, now: UnixTime) -> Result<Option<OpenBox>, DbError>;

    /// Closes a box for good, and ends what visitors have under way into it. Says whether `owner` has such a box that
    /// was not closed.
    async fn close_box(
        &self,
        owner: UserId,
        id: BoxId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<bool, DbError>;

    /// A visitor's upload, open or finished, into an open box, by the hash of what they show for it; `None` for every
    /// other.
    async fn visitor_upload(
        &self,
        id: BoxId,
        file_id: FileId,
        key: Digest,
        now: UnixTime,
    ) -> Result<Option<Upload>, DbError>;

    /// The living files that came into a box of `user`, as [`crate::Files::list_files`] lists them.
    async fn list_box(
        &self,
        user: UserId,
        id: BoxId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<FileView>, DbError>;
}

/// A box that is to be made.
#[derive(Clone, Debug)]
pub struct NewBox {
    /// Its id.
    pub id: BoxId,
    /// Who makes it.
    pub owner: UserId,
    /// The whole signed description.
    pub description: Vec<u8>,
    /// When it ends.
    pub expires_at: UnixTime,
    /// Files that it takes; `None` for any number.
    pub max_files: Option<u32>,
    /// Octets of the longest sealed body that it takes; `None` for what the server takes.
    pub max_body: Option<u64>,
    /// Boxes that one account may have open.
    pub max_of_owner: u32,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if it is made now.
    pub events: Vec<NewEvent>,
}

/// What came of making a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MakeBoxAnswer {
    /// It is there.
    Made(StoredBox),
    /// There is, or was, another box of that id.
    Conflict,
    /// The owner has as many boxes as allowed.
    TooMany,
}

/// A box as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBox {
    /// Its id.
    pub id: BoxId,
    /// The whole signed description.
    pub description: Vec<u8>,
    /// Files that came, whatever became of them.
    pub arrivals: u32,
    /// Uploads under way.
    pub under_way: u32,
    /// Whether its owner closed it.
    pub closed: bool,
}

/// A box as a stranger needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBox {
    /// Whose it is.
    pub owner: UserId,
    /// The whole signed description.
    pub description: Vec<u8>,
    /// When it ends.
    pub expires_at: UnixTime,
    /// Octets of the longest sealed body that it takes; `None` for what the server takes.
    pub max_body: Option<u64>,
}

/// The box that an upload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntoBox {
    /// Which box.
    pub id: BoxId,
    /// The hash of what a visitor shows for the upload, who has no account: the box's owner owns what they send. `None`
    /// for somebody who has one and signs.
    pub visitor: Option<Digest>,
    /// Uploads of visitors that may be under way into the box.
    pub max_open: u32,
}
