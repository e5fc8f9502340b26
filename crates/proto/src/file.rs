//! Files: lists, one file, tickets, health.

use crate::{B64, BoxId, FileId, Holder, PassedBy, Receipt, RecipientId, Token, UnixSeconds, UserId};
use serde::{Deserialize, Serialize};

/// What the caller is to a file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sent it.
    Author,
    /// Was given it.
    Recipient,
}

/// `GET /files/{id}`, and a row of `GET /files`. Everything that a person is shown comes out of the sealed
/// parts; the clear fields are the server's own bookkeeping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileInfo {
    /// Which file.
    pub file_id: FileId,
    /// The caller's role.
    pub role: Role,
    /// Whole manifest.
    pub manifest: B64,
    /// The caller's own grant.
    pub grant: B64,
    /// Account of the author.
    pub author: UserId,
    /// The author's newest bundle, to be checked against pins; it may be newer than the file.
    pub author_bundle: B64,
    /// Bytes of every part but the last.
    pub part_len: u64,
    /// Unix seconds at which the file appeared.
    pub created: UnixSeconds,
    /// Unix seconds at which it ends.
    pub expires_at: UnixSeconds,
    /// Downloads by others so far.
    pub downloads: u32,
    /// Downloads by others before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
    /// The drop box of the caller's that it came into. What nobody signed is the caller's own, who may delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_id: Option<BoxId>,
    /// Who passed it on to the caller; absent: its author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_by: Option<PassedBy>,
    /// Accounts that hold a grant, the author's own included; told to the author only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Holder>,
    /// Bare keys that hold a grant; told to the author only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<RecipientId>,
    /// What recipients signed when they first opened the file; told to the author only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
}

/// `GET /files/{id}?recipient=HEX64`: asks for the grant of a bare key, whoever one is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileQuery {
    /// The recipient id of the key, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientId>,
}

/// `GET /files?after=CURSOR&limit=N`: newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilePage {
    /// One page.
    pub files: Vec<FileInfo>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /files/changes?after=CURSOR&limit=N`: what changed in the caller's list, oldest change first. Each file stands in
/// it once, at its latest change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileChanges {
    /// Files that came or changed, as they are now.
    pub files: Vec<FileInfo>,
    /// Files that are not in the list any more.
    pub gone: Vec<FileId>,
    /// Where to go on, now or some day.
    pub next: String,
    /// Whether there is more to ask for at once.
    pub more: bool,
    /// The server's clock, by which files end.
    pub now: UnixSeconds,
    /// The cursor did not hold: this begins at the beginning, and what is not told again is not in the list any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
}

/// `PUT /files/{id}/grants/me`: the caller's own grant, wrapped again after their keys changed. The same request
/// again changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ReplaceGrant {
    /// A whole X-Wing grant (`WXWGGR01…`) for the caller, signed by the root of the caller's newest bundle.
    pub grant: B64,
}

/// `POST /files/{id}/ticket`: asks to fetch content. The first ticket of a download id counts a download.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    /// A random UUID that names this download; the same one again within 24 hours counts nothing.
    pub download_id: String,
    /// The recipient id of a bare key whose grant the caller goes by, if it is not their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientId>,
}

/// Leave to fetch content for some minutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// For the header [`crate::headers::TICKET`] (or the query field `ticket`) of content requests.
    pub ticket: Token,
    /// Unix seconds at which it ends; ask again under the same download id.
    pub expires_at: UnixSeconds,
}

/// `GET /health`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `healthy`, or `degraded` when a part of the server does not answer.
    pub status: String,
    /// The server's clock, unix seconds.
    pub timestamp: UnixSeconds,
    /// Whether S3 storage is configured and answers.
    pub s3_available: bool,
    /// Whether mail can be sent.
    pub email_available: bool,
    /// Whether Redis answers; absent where none is configured. The server works without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_available: Option<bool>,
}
