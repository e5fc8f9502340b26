//! After sharing: more people for a file, another name, other limits, and the end of it all.

use async_trait::async_trait;
use envelope::ids::{ContentId, FileId, RecipientId, UserId};

use crate::{DbError, Digest, NewEvent, NewGrant, UnixTime};

/// What may be done to a living file without its content. What is signed by whom, and whose keys are named, is the
/// caller's business. Members of folders know none of this: everything here is done to their folder.
#[async_trait]
pub trait Sharing: Send + Sync {
    /// Gives a file to more people and bare keys, all of them or none. Whoever gives is the owner or holds a grant of
    /// their own. The owner's grant takes the place of one that somebody passed on, or that is for another key of the same
    /// person; every other that is there stays as it is. Only the owner gives to bare keys. Idempotent.
    async fn add_holders(&self, add: AddHolders) -> Result<AddHoldersAnswer, DbError>;

    /// Who holds a grant of a file, the owner included, in the order of their ids; the first 1,000. Whether the asker
    /// may know is the caller's business.
    async fn holders_of(&self, file_id: FileId) -> Result<Vec<Holder>, DbError>;

    /// Takes all grants but the owner's, all bare keys and all links of a file away, and begins a new round of tickets.
    /// The events are appended if anything was taken away. Idempotent in effect. `None` if `owner` has no such living file.
    async fn stop_sharing(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<Option<Stopped>, DbError>;

    /// Puts another manifest of the same content in the place of that of the revision before. Idempotent: one that is
    /// there already, octet for octet, is [`RenameAnswer::Renamed`] and appends nothing.
    async fn rename_file(&self, rename: NewManifest) -> Result<RenameAnswer, DbError>;

    /// Sets when a file ends and how often it may be fetched. The members of a folder end with it. The events are appended
    /// if something is another than before. `false` if `owner` has no such living file.
    async fn change_file(&self, change: NewTerms) -> Result<bool, DbError>;
}

/// Grants that are to be added.
#[derive(Clone, Debug)]
pub struct AddHolders {
    /// Who gives.
    pub giver: UserId,
    /// Which file.
    pub file_id: FileId,
    /// The grants, each with what is appended to the audit log if it is taken; at most 500.
    pub grants: Vec<(NewGrant, NewEvent)>,
    /// People and bare keys that one file may have, the owner included.
    pub max_holders: u32,
    /// The present.
    pub now: UnixTime,
}

/// What came of adding grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddHoldersAnswer {
    /// All of them may open the file now.
    Added {
        /// People whose other grant stays.
        already: Vec<UserId>,
        /// Keys whose other grant stays.
        already_keys: Vec<RecipientId>,
    },
    /// The file would have more holders than it may.
    TooMany,
    /// There is no such living file for who gives, or a bare key and they are not its owner.
    Nothing,
}

/// Somebody who may open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub user: UserId,
    /// Who passed it on to them; `None`: the owner gave it.
    pub given_by: Option<UserId>,
    /// Since when.
    pub since: UnixTime,
    /// Downloads that they began.
    pub downloads: u32,
    /// When the last of them began.
    pub fetched_at: Option<UnixTime>,
}

/// What stopping took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Grants of people.
    pub people: u32,
    /// Grants of bare keys.
    pub keys: u32,
    /// Links.
    pub links: u32,
}

/// A manifest in the place of another.
#[derive(Clone, Debug)]
pub struct NewManifest {
    /// Whose file.
    pub owner: UserId,
    /// Which file.
    pub file_id: FileId,
    /// The content id, which stays.
    pub content_id: ContentId,
    /// The revision; that of the present one is one less.
    pub revision: u64,
    /// The whole manifest.
    pub manifest: Vec<u8>,
    /// SHA-256 of it.
    pub digest: Digest,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if another was there.
    pub events: Vec<NewEvent>,
}

/// What came of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameAnswer {
    /// The new manifest is there.
    Renamed,
    /// The file is not of the revision before.
    Changed,
    /// The owner has no such living file.
    Nothing,
}

/// Limits in the place of those of a file.
#[derive(Clone, Debug)]
pub struct NewTerms {
    /// Whose.
    pub owner: UserId,
    /// Which file.
    pub file_id: FileId,
    /// When it ends.
    pub expires_at: UnixTime,
    /// Downloads allowed; `None` for any number.
    pub max_downloads: Option<u32>,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log.
    pub events: Vec<NewEvent>,
}
