//! Files of the documented API (v0).

use async_trait::async_trait;
use envelope::ids::{FileId, UserId};

use crate::{BlobRef, DbError, Digest, FileCursor, Lookup, NewEvent, UnixTime};

/// What the server remembers of files of the documented API. They are charged for, expire and are deleted as every other
/// file ([`crate::Jobs`], [`crate::Files::delete_file`]), their blob is found by [`crate::Uploads::parts_of`], and no other
/// sentence of [`crate::Files`] or [`crate::Uploads`] knows them.
#[async_trait]
pub trait V0: Send + Sync {
    /// Makes a file appear whose blob is durable. Unless the answer is [`AddV0Answer::Added`], the caller deletes the blob.
    /// Not to be repeated: ids are fresh and random.
    async fn add_v0_file(&self, new: NewV0File) -> Result<AddV0Answer, DbError>;

    /// One file as somebody may see it. Called with every request about one.
    async fn v0_file(&self, user: UserId, file_id: FileId, now: UnixTime) -> Result<V0Access, DbError>;

    /// Counts a download. Says whether the file is still there.
    async fn count_v0_download(&self, file_id: FileId, events: &[NewEvent]) -> Result<bool, DbError>;

    /// As [`NewV0File::sealed`], of a living file. Called once per download.
    async fn v0_rest(&self, file_id: FileId) -> Result<Option<Vec<u8>>, DbError>;

    /// Living files of an owner, newest first, at most `limit` of them behind `after`.
    async fn v0_files_of(
        &self,
        owner: UserId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<V0File>, DbError>;

    /// Living files of others that somebody may fetch, newest first, at most `limit`.
    async fn v0_files_for(&self, user: UserId, limit: u32, now: UnixTime) -> Result<Vec<V0File>, DbError>;

    /// Totals over the living files of an owner.
    async fn v0_stats(&self, owner: UserId, now: UnixTime) -> Result<V0Stats, DbError>;
}

/// A file that is to appear.
#[derive(Clone, Debug)]
pub struct NewV0File {
    /// Its id.
    pub file_id: FileId,
    /// Whose it is.
    pub owner: UserId,
    /// Its name, sealed by the server.
    pub sealed_name: Vec<u8>,
    /// Nonce, wrapped key and metadata, sealed by the server.
    pub sealed: Vec<u8>,
    /// Who may fetch it besides the owner. At most 1,000.
    pub readers: Vec<Lookup>,
    /// Where its octets are.
    pub blob: BlobRef,
    /// How many.
    pub len: u64,
    /// The root over them, cut like a part.
    pub node: Digest,
    /// The present.
    pub now: UnixTime,
    /// When it ends.
    pub expires_at: UnixTime,
    /// What its owner may store, unless the account says otherwise.
    pub quota_bytes: u64,
    /// Appended to the audit log in the same transaction.
    pub events: Vec<NewEvent>,
}

/// What came of adding one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddV0Answer {
    /// It is there.
    Added,
    /// It does not fit into what its owner may store.
    QuotaExceeded {
        /// Octets charged now.
        used: u64,
        /// Octets allowed.
        quota: u64,
    },
}

/// A living file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V0File {
    /// Its id.
    pub file_id: FileId,
    /// Whose it is.
    pub owner: UserId,
    /// As [`NewV0File::sealed_name`].
    pub sealed_name: Vec<u8>,
    /// Octets of its ciphertext.
    pub len: u64,
    /// When it came.
    pub created_at: UnixTime,
    /// When it ends.
    pub expires_at: UnixTime,
    /// How often it was fetched.
    pub downloads: u32,
}

impl V0File {
    /// Its place in a list.
    pub fn cursor(&self) -> FileCursor {
        FileCursor { listed_at: self.created_at, file_id: self.file_id }
    }
}

/// What somebody may see of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum V0Access {
    /// All of it.
    Available(Box<V0File>),
    /// It is, or was until it expired, somebody else's, who did not name them.
    Forbidden,
    /// It has expired; they could have seen it.
    Expired,
    /// There is none of this id.
    Nothing,
}

/// Totals of an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V0Stats {
    /// Living files.
    pub files: u64,
    /// Octets of their ciphertexts.
    pub bytes: u64,
    /// Events of the audit log that the person is shown.
    pub events: u64,
}
