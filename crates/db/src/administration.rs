//! What an operator does with accounts, invitations and what is stored.

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use crate::{BlobRef, DbError, Digest, Enrolled, Lookup, NewAccount, NewEvent, UnixTime, UploadState};

/// What whoever administers the server asks of the database. What changes something takes `events`, which are
/// appended to the audit log in the same transaction, exactly if it changed something.
#[async_trait]
pub trait Administration: Send + Sync {
    /// Suspends an account: every session of it and every sign-in that is half done ends in the same step, and none
    /// begins until [`Administration::reinstate`]. Nothing that it owns is touched. Idempotent.
    ///
    /// # Errors
    /// [`DbError::UnknownAccount`].
    async fn suspend(
        &self,
        user: UserId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<SuspendAnswer, DbError>;

    /// Ends a suspension; says whether there was one. Idempotent.
    ///
    /// # Errors
    /// [`DbError::UnknownAccount`].
    async fn reinstate(&self, user: UserId, events: &[NewEvent]) -> Result<bool, DbError>;

    /// Gives an account a quota of its own, or with `None` that of the server; says whether that is a change. What is
    /// stored beyond a lower one stays. Idempotent.
    ///
    /// # Errors
    /// [`DbError::UnknownAccount`].
    async fn set_quota(
        &self,
        user: UserId,
        quota_bytes: Option<u64>,
        events: &[NewEvent],
    ) -> Result<bool, DbError>;

    /// Lets an address make an account, once. A living invitation of the same address is renewed.
    async fn invite(&self, new: NewInvitation) -> Result<InviteAnswer, DbError>;

    /// Living invitations in the order of their lookup values, at most `limit` (1 to 500) of them behind `after`. A
    /// page shorter than `limit` is the last one.
    async fn invitations(
        &self,
        after: Option<Lookup>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<Invitation>, DbError>;

    /// Takes an invitation back; says whether there was one. Idempotent.
    async fn withdraw_invitation(&self, lookup: Lookup) -> Result<bool, DbError>;

    /// Whether an address has a living invitation. Called with every request for a code.
    async fn is_invited(&self, lookup: Lookup, now: UnixTime) -> Result<bool, DbError>;

    /// As [`crate::Accounts::find_or_create_account`], for an address that may sign up only if it is invited: `None` if there is
    /// neither an account nor a living invitation. The invitation is used up in the same step.
    async fn find_or_create_invited(&self, new: NewAccount) -> Result<Option<Enrolled>, DbError>;

    /// Files and open uploads in the order of their ids, at most `limit` (1 to 500) of them behind `after`. A page
    /// shorter than `limit` is the last one.
    async fn stored_files(&self, after: Option<FileId>, limit: u32) -> Result<Vec<StoredFile>, DbError>;

    /// Called once on a copy that is to live on in the place of the original: ends every session, half sign-in and
    /// one-time code (what was ended after the copy was made must not come back), and every lease. Changes of lists get
    /// numbers that differ from all before above their lowest 32 bits, so that nobody goes on from what the copy does not know.
    /// Says how many sessions there were.
    async fn begin_again(&self) -> Result<u64, DbError>;
}

/// What came of suspending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspendAnswer {
    /// It is suspended now.
    Suspended {
        /// Sessions that ended by it.
        sessions: u64,
    },
    /// It was suspended before; nothing changed.
    Already,
}

/// An invitation.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// By what the address is found.
    pub lookup: Lookup,
    /// The address, sealed by the server.
    pub sealed_address: Vec<u8>,
    /// The present.
    pub now: UnixTime,
    /// When it stops being good.
    pub expires_at: UnixTime,
}

/// What came of inviting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteAnswer {
    /// The address is invited.
    Invited,
    /// It was invited before; the invitation lives on from now.
    Renewed,
    /// It has an account already.
    HasAccount,
}

/// An invitation that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// By what the address is found.
    pub lookup: Lookup,
    /// The address, sealed by the server.
    pub sealed_address: Vec<u8>,
    /// When it was made.
    pub invited_at: UnixTime,
    /// When it stops being good.
    pub expires_at: UnixTime,
}

/// A file or an open upload, as far as its bytes are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its id.
    pub file_id: FileId,
    /// Whether it is a file yet.
    pub state: UploadState,
    /// Octets of the body; of a file.
    pub body_len: Option<u64>,
    /// The root over its segments; of a file.
    pub body_root: Option<Digest>,
    /// Where the leaves are kept; of a file of more than one segment.
    pub leaves_blob: Option<BlobRef>,
}
