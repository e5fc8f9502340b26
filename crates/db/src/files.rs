//! Files: who sees them, fetches them, and ends them.

use async_trait::async_trait;
use envelope::BoxId;
use envelope::ids::{ContentId, FileId, RecipientId, RootId, UserId};

use crate::{BlobRef, DbError, Digest, NewEvent, UnixTime};

/// What the server remembers of files. What changes something takes `events`, which are appended to the audit log in
/// the same transaction, exactly if it changed something. A person *may reach* a file by a grant of their own. Members of a folder
/// have no grants: they are asked for by their folder, whose ticket is theirs.
#[async_trait]
pub trait Files: Send + Sync {
    /// The living files that a person has a grant to, newest first, at most `limit` (1 to 500) of them behind the
    /// cursor. The cost depends on the page and not on the total. A page shorter than `limit` is the last one.
    async fn list_files(
        &self,
        user: UserId,
        after: Option<FileCursor>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<FileView>, DbError>;

    /// What a person sees of one file.
    async fn file_for(&self, user: UserId, file_id: FileId, now: UnixTime) -> Result<FileAccess, DbError>;

    /// What whoever names a bare key sees of one file that has a grant for it: the view of `user`, with that
    /// grant. Without such a grant [`FileAccess::Nothing`], whatever `user` may reach otherwise.
    async fn file_by_key(
        &self,
        user: UserId,
        file_id: FileId,
        recipient: RecipientId,
        now: UnixTime,
    ) -> Result<FileAccess, DbError>;

    /// Counts a download, once per download id in `window_secs`. Called whenever a ticket is asked for.
    ///
    /// Idempotent within the window. After it the same id counts as a new download. Never lets more downloads
    /// begin than the limit, however many ask at once. The author's own downloads are not counted.
    async fn take_ticket(&self, take: TakeTicket) -> Result<TicketAnswer, DbError>;

    /// How a living file is laid out; `None` if there is none. Called with every download of a part: who may
    /// have it has been decided when the ticket was given.
    async fn file_layout(&self, file_id: FileId) -> Result<Option<FileLayout>, DbError>;

    /// Those of `ids` that are living members of a living folder, in any order; at most 100 are asked for at once. Who may
    /// have them has been decided when the ticket of the folder was given.
    async fn members_among(
        &self,
        folder: FileId,
        ids: &[FileId],
        now: UnixTime,
    ) -> Result<Vec<MemberView>, DbError>;

    /// Whether `member` belongs to a living folder that is in this round of tickets. Called with every download of a part by
    /// the ticket of a folder.
    async fn is_member_of(
        &self,
        folder: FileId,
        member: FileId,
        round: u32,
        now: UnixTime,
    ) -> Result<bool, DbError>;

    /// The bare keys that hold a grant of a file, in the order of their ids; the first 1,000. Whether the asker may
    /// know is the caller's business.
    async fn keys_of(&self, file_id: FileId) -> Result<Vec<RecipientId>, DbError>;

    /// Takes a bare key's grant away. Idempotent in effect.
    async fn revoke_key(
        &self,
        owner: UserId,
        file_id: FileId,
        recipient: RecipientId,
        events: &[NewEvent],
    ) -> Result<RevokeAnswer, DbError>;

    /// Takes a person's grant away. The author's own grant stays. Idempotent in effect.
    async fn revoke_grant(
        &self,
        owner: UserId,
        file_id: FileId,
        recipient: UserId,
        events: &[NewEvent],
    ) -> Result<RevokeAnswer, DbError>;

    /// Puts another grant in the place of a person's grant to a living file, if that is still `replaced`, octet for
    /// octet. What the list shows, and when it was shared, stay. Idempotent: a grant that is there already is
    /// replaced by itself.
    async fn replace_grant(&self, replace: ReplaceGrant) -> Result<ReplaceAnswer, DbError>;

    /// Drops one's own grant to somebody else's file. Idempotent in effect.
    async fn leave_file(
        &self,
        user: UserId,
        file_id: FileId,
        events: &[NewEvent],
    ) -> Result<LeaveAnswer, DbError>;

    /// Ends a file for everybody, frees its octets and dooms its blobs. The members of a folder are freed and closed with it, and
    /// expire now. Idempotent in effect; a member is not ended by itself.
    async fn delete_file(
        &self,
        owner: UserId,
        file_id: FileId,
        now: UnixTime,
        events: &[NewEvent],
    ) -> Result<DeleteAnswer, DbError>;

    /// What a person is charged for.
    async fn usage(&self, owner: UserId) -> Result<Usage, DbError>;
}

/// What a person is charged for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sealed octets of files and open uploads, reserved ones included.
    pub charged_bytes: u64,
    /// Living files, members of folders included.
    pub files: u64,
    /// Open uploads.
    pub open_uploads: u64,
}

/// Where a page of a listing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCursor {
    /// [`FileView::listed_at`] of the last file of the page.
    pub listed_at: UnixTime,
    /// Its id.
    pub file_id: FileId,
}

/// In what way a file is a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// They sent it.
    Author,
    /// It was sent to them.
    Recipient,
}

/// A living file as one person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Its id.
    pub file_id: FileId,
    /// In what way it is this person's.
    pub role: Role,
    /// The account that sent it.
    pub author: UserId,
    /// The root key that signed it.
    pub author_root: RootId,
    /// The content id of the manifest.
    pub content_id: ContentId,
    /// The revision of the manifest.
    pub revision: u64,
    /// The whole manifest.
    pub manifest: Vec<u8>,
    /// SHA-256 of the manifest.
    pub manifest_digest: Digest,
    /// The person's grant.
    pub grant: Option<Vec<u8>>,
    /// When the file appeared.
    pub created_at: UnixTime,
    /// When the person got the grant.
    pub listed_at: UnixTime,
    /// When it expires.
    pub expires_at: UnixTime,
    /// Downloads allowed; `None` for any number.
    pub max_downloads: Option<u32>,
    /// Downloads counted.
    pub downloads: u32,
    /// Octets of every part but the last.
    pub part_len: u64,
    /// Octets of the body.
    pub body_len: u64,
    /// Octets of all parts that came whole while it was uploaded, duplicates included.
    pub received_bytes: u64,
    /// Number of parts that came whole while it was uploaded, duplicates included.
    pub received_parts: u64,
    /// The drop box of the person's that it came into.
    pub box_id: Option<BoxId>,
    /// Who passed it on to the person; `None`: its author gave it.
    pub given_by: Option<UserId>,
}

impl FileView {
    /// Where the page after this file begins.
    pub fn cursor(&self) -> FileCursor {
        FileCursor { listed_at: self.listed_at, file_id: self.file_id }
    }
}

/// What a person sees of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// It is there.
    Available(Box<FileView>),
    /// It was there for this person and has expired (known for some time after its deletion too).
    Expired,
    /// There is no such file for this person.
    Nothing,
}

/// A ticket that is asked for.
#[derive(Clone, Debug)]
pub struct TakeTicket {
    /// Who asks.
    pub user: UserId,
    /// For which file.
    pub file_id: FileId,
    /// The bare key by whose grant they ask; `None` for a grant of their own.
    pub recipient: Option<RecipientId>,
    /// The client's id of this download.
    pub download_id: crate::DownloadId,
    /// The present.
    pub now: UnixTime,
    /// How long renewals are not counted, in seconds.
    pub window_secs: u32,
    /// Appended to the audit log with [`TicketAnswer::First`]; the owner of the file is put in by the database.
    pub events: Vec<NewEvent>,
}

/// Whether a ticket may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketAnswer {
    /// A new download; it has been counted (unless the author asks).
    First,
    /// A download that was counted before.
    Renewed,
    /// As many downloads as allowed have begun.
    LimitReached,
    /// The file has expired.
    Expired,
    /// There is no such file for this person.
    Nothing,
}

/// A member of a folder, as whoever may open the folder is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub file_id: FileId,
    /// The whole manifest.
    pub manifest: Vec<u8>,
    /// Octets of every part but the last.
    pub part_len: u64,
}

/// How a living file is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// Octets of every part but the last.
    pub part_len: u64,
    /// Octets of the body.
    pub body_len: u64,
    /// The root over its segments.
    pub body_root: Digest,
    /// Where the leaves are kept, 32 octets a segment; `None` if the only leaf is the root.
    pub leaves_blob: Option<BlobRef>,
    /// When the file expires.
    pub expires_at: UnixTime,
    /// Tickets of an earlier round are void.
    pub ticket_round: u32,
}

/// What came of taking a grant away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeAnswer {
    /// It is gone.
    Revoked,
    /// The owner has no such file, or that person or key no grant to it, or that person is the author.
    Nothing,
}

/// A grant in the place of another of the same person.
#[derive(Clone, Debug)]
pub struct ReplaceGrant {
    /// Whose.
    pub user: UserId,
    /// Which file.
    pub file_id: FileId,
    /// The whole grant that is there.
    pub replaced: Vec<u8>,
    /// The key that the new one is wrapped to.
    pub recipient: RecipientId,
    /// The whole grant to put in its place.
    pub bytes: Vec<u8>,
    /// The present.
    pub now: UnixTime,
    /// Appended to the audit log if another grant was there.
    pub events: Vec<NewEvent>,
}

/// What came of replacing a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceAnswer {
    /// The new one is there.
    Replaced,
    /// Another one than the replaced is there.
    Changed,
    /// There is no such living file, or that person has no grant to it.
    Nothing,
}

/// What came of dropping one's grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveAnswer {
    /// It is gone.
    Left,
    /// There was no grant, or the person is the author.
    Nothing,
}

/// What came of deleting a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAnswer {
    /// It is gone; its blobs are doomed.
    Deleted,
    /// The owner has no such living file.
    Nothing,
}
