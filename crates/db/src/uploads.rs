//! Uploads, their parts, and the moment an upload becomes a file.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{ContentId, FileId, RecipientId, RootId, UserId};

use crate::{BlobRef, DbError, Digest, IntoBox, NewEvent, UnixTime};

/// What the server remembers of uploads.
///
/// A file id is used once: it begins as an upload, becomes a file or ends, and is never free again. An open
/// upload that has passed its `expires_at` behaves as ended, whether or not the expiry job has been there.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// Begins an upload and reserves its octets (or, without `body_len`, none until parts come). Idempotent: the
    /// same owner, id, part length and body length give [`BeginAnswer::Same`].
    async fn begin_upload(&self, new: NewUpload) -> Result<BeginAnswer, DbError>;

    /// An open or finished upload of this owner; `None` for a stranger's (a visitor's into a box included), an unknown or
    /// an ended one.
    async fn upload(&self, owner: UserId, file_id: FileId, now: UnixTime) -> Result<Option<Upload>, DbError>;

    /// The open uploads of a person, oldest first. Their number is bounded by `max_open` at begin.
    async fn uploads_of(&self, owner: UserId, now: UnixTime) -> Result<Vec<Upload>, DbError>;

    /// Records a part whose blob is durable. Called after every part that was received whole; the answer to the
    /// client follows it.
    ///
    /// The first recorded part of a number wins. Whoever gets anything but [`PartAnswer::Won`] deletes their own
    /// blob. Octets received are counted for [`PartAnswer::Won`] and [`PartAnswer::AlreadyThere`]. Not to be repeated
    /// blindly: a repetition with the blob that won is answered [`PartAnswer::Won`] again and not counted twice.
    async fn record_part(&self, part: NewPart) -> Result<PartAnswer, DbError>;

    /// All parts of an open upload or a file, by number; empty for an unknown or ended one. At most 10,000.
    async fn parts_of(&self, file_id: FileId) -> Result<Vec<Part>, DbError>;

    /// One part of an open upload or a file; `None` if it is not there. Called with every download of a part.
    async fn part(&self, file_id: FileId, n: u32) -> Result<Option<Part>, DbError>;

    /// The leaves of one part of an open upload, 32 octets a segment; `None` if there is no such part or the
    /// upload is finished. Called once per part while an upload completes.
    async fn leaves_of_part(&self, file_id: FileId, n: u32) -> Result<Option<Vec<u8>>, DbError>;

    /// Adds or replaces grants of an open upload (they show when it finishes) or of a file (they show at once).
    /// At most 1,000 at once. A person, or a bare key, has one grant to a file; a newer one replaces it. Idempotent.
    async fn add_grants(&self, add: AddGrants) -> Result<AddGrantsAnswer, DbError>;

    /// Makes an upload a file: it appears for everybody who has a grant, in one step. The leaves of its parts are
    /// forgotten, for they are in `leaves_blob` by now. Idempotent by `request_digest`.
    ///
    /// What the manifest says has been checked by the caller; here only the parts are counted once more.
    /// Unless the answer is [`FinishAnswer::Finished`], the caller deletes the leaves blob that it made.
    async fn finish_upload(&self, finish: Finish) -> Result<FinishAnswer, DbError>;

    /// Makes whole small files appear, all or none, in one transaction and with one wait for the device. At most 100.
    ///
    /// A file that was added exactly so before (by its `request_digest`) is [`FinishAnswer::Same`]; the caller deletes
    /// the blob that it made for that one, and all of them unless the answer is [`AddFilesAnswer::Added`].
    /// `finish.leaves_blob` is `None` and `finish.members` empty for all of them; they may be members to be.
    async fn add_files(&self, files: Vec<NewFile>, quota_bytes: u64) -> Result<AddFilesAnswer, DbError>;

    /// Ends an open upload, frees its octets and dooms its blobs. Idempotent in effect.
    async fn abandon_upload(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
    ) -> Result<AbandonAnswer, DbError>;
}

/// An upload that is to begin.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The id that the client made.
    pub file_id: FileId,
    /// Who uploads.
    pub owner: UserId,
    /// Octets of every part but the last.
    pub part_len: u64,
    /// Octets of the body, if known already.
    pub body_len: Option<u64>,
    /// The present.
    pub now: UnixTime,
    /// When the upload ends if it is not finished.
    pub expires_at: UnixTime,
    /// Octets that the owner may be charged for in all, unless the account has a figure of its own.
    pub quota_bytes: u64,
    /// Open uploads that the owner may have; those of visitors into boxes of theirs do not count.
    pub max_open: u32,
    /// The drop box that it is for. The owner of a visitor's upload is the owner of the box.
    pub into_box: Option<IntoBox>,
}

/// What came of beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginAnswer {
    /// It has begun.
    Begun(Upload),
    /// It had begun exactly so before; it may be finished by now.
    Same(Upload),
    /// The id is taken: by another, by a different upload, or by one that has ended.
    Conflict,
    /// The owner would be charged for more than allowed.
    QuotaExceeded {
        /// Octets charged now.
        used: u64,
        /// Octets allowed.
        quota: u64,
    },
    /// The owner has as many open uploads as allowed.
    TooManyOpen {
        /// How many.
        open: u32,
    },
    /// There is no such open box.
    NoBox,
    /// With the uploads under way the box has as many files as it takes.
    BoxFull,
    /// As many uploads of visitors as allowed are under way into the box.
    BoxBusy,
    /// The box takes no body of that length.
    TooLargeForBox,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Parts may come.
    Open,
    /// It is a file.
    Finished,
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub file_id: FileId,
    /// Who uploads.
    pub owner: UserId,
    /// Octets of every part but the last.
    pub part_len: u64,
    /// Octets of the body as told at begin.
    pub body_len: Option<u64>,
    /// How far it is.
    pub state: UploadState,
    /// When it began.
    pub created_at: UnixTime,
    /// When it ends if it is not finished; for a file, when that expires.
    pub expires_at: UnixTime,
    /// Octets of all parts that came whole, duplicates included.
    pub received_bytes: u64,
    /// Number of parts that came whole, duplicates included.
    pub received_parts: u64,
    /// Octets of the parts that are kept.
    pub stored_bytes: u64,
    /// The drop box that it is for.
    pub box_id: Option<BoxId>,
}

/// A part that has arrived.
#[derive(Clone, Debug)]
pub struct NewPart {
    /// Of which upload.
    pub file_id: FileId,
    /// Who sent it.
    pub owner: UserId,
    /// Its number, from 0.
    pub n: u32,
    /// Octets it holds.
    pub len: u64,
    /// Its node in the tree.
    pub node: Digest,
    /// Its leaves, 32 octets a segment.
    pub leaves: Vec<u8>,
    /// Where it is kept.
    pub blob: BlobRef,
    /// Whether its last segment is framed as the final one.
    pub is_final: bool,
    /// Octets that came over the wire for it.
    pub received_bytes: u64,
    /// The present.
    pub now: UnixTime,
    /// Octets that the owner may be charged for in all, unless the account has a figure of its own; counts only where
    /// the body length was not told.
    pub quota_bytes: u64,
}

/// What came of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartAnswer {
    /// It is the part of that number now.
    Won,
    /// Another was there first; it stays. Equal nodes mean equal octets.
    AlreadyThere {
        /// Its node.
        node: Digest,
        /// Its length.
        len: u64,
    },
    /// There is no open upload of that id and owner.
    Ended,
    /// The owner would be charged for more than allowed.
    QuotaExceeded {
        /// Octets charged now.
        used: u64,
        /// Octets allowed.
        quota: u64,
    },
}

/// A part that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub n: u32,
    /// Octets it holds.
    pub len: u64,
    /// Its node in the tree.
    pub node: Digest,
    /// Where it is kept.
    pub blob: BlobRef,
    /// Whether its last segment is framed as the final one.
    pub is_final: bool,
}

/// A grant that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// Who can fetch it; `None` for a bare key: whoever names file and recipient.
    pub user: Option<UserId>,
    /// The key it is wrapped to.
    pub recipient: RecipientId,
    /// The whole grant.
    pub bytes: Vec<u8>,
}

/// Grants for an upload or a file.
#[derive(Clone, Debug)]
pub struct AddGrants {
    /// Whose upload or file it is.
    pub owner: UserId,
    /// Which.
    pub file_id: FileId,
    /// The grants, at most 1,000.
    pub grants: Vec<NewGrant>,
    /// The present.
    pub now: UnixTime,
}

/// What came of adding grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddGrantsAnswer {
    /// They are kept.
    Added,
    /// The owner has no such open upload or living file.
    Nothing,
}

/// What makes an upload a file.
#[derive(Clone, Debug)]
pub struct Finish {
    /// Which upload.
    pub file_id: FileId,
    /// Whose.
    pub owner: UserId,
    /// The whole manifest.
    pub manifest: Vec<u8>,
    /// SHA-256 of the manifest.
    pub manifest_digest: Digest,
    /// The content id of the manifest.
    pub content_id: ContentId,
    /// The root key that signed it.
    pub author_root: RootId,
    /// The revision of the manifest.
    pub revision: u64,
    /// Octets of the body.
    pub body_len: u64,
    /// The root over its segments.
    pub body_root: Digest,
    /// Where the leaves are kept; `None` for a body of one segment, whose only leaf is its root.
    pub leaves_blob: Option<BlobRef>,
    /// Grants beside those added before, the author's own included.
    pub grants: Vec<NewGrant>,
    /// Whether it is to be a member of a folder: it has no grants and is in no list, and ends at `expires_at` unless a folder
    /// takes it in.
    pub is_member: bool,
    /// What the file is the folder of: living files of the same owner and root that were made to be members and are in no
    /// folder yet. Each once; at most 50,000. They end with it.
    pub members: Vec<FileId>,
    /// When the file expires.
    pub expires_at: UnixTime,
    /// Downloads allowed, those by the author not counted; `None` for any number.
    pub max_downloads: Option<u32>,
    /// A digest over the whole request, by which a repetition is known.
    pub request_digest: Digest,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if the file appears now.
    pub events: Vec<NewEvent>,
}

/// What came of finishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishAnswer {
    /// The file has appeared.
    Finished,
    /// Exactly this had been done before.
    Same,
    /// The upload was finished by a different request.
    Conflict,
    /// There is no open upload of that id and owner.
    Missing,
    /// The parts that are kept are not exactly the octets of the body.
    Incomplete,
    /// The drop box that it was for takes it no longer, or takes no body of that length.
    BoxClosed,
    /// One of the members is not a living file of the owner and root that was made to be one and is still free.
    BadMember,
}

/// A whole file of one part that is durable already.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Octets of every part but the last, of which this file has none.
    pub part_len: u64,
    /// Where its only part is kept.
    pub blob: BlobRef,
    /// Everything else.
    pub finish: Finish,
}

/// What came of adding whole files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddFilesAnswer {
    /// All are there: each [`FinishAnswer::Finished`] or [`FinishAnswer::Same`], in order.
    Added(Vec<FinishAnswer>),
    /// This id is taken; nothing was added.
    Conflict(FileId),
    /// The owner would be charged for more than allowed; nothing was added.
    QuotaExceeded {
        /// Octets charged now.
        used: u64,
        /// Octets allowed.
        quota: u64,
    },
}

/// What came of abandoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbandonAnswer {
    /// It has ended; its blobs are doomed.
    Abandoned,
    /// The owner has no such open upload.
    Nothing,
}
