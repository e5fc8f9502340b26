//! Uploads: begin, parts, status, complete.

use crate::{B64, BoxId, FileId, Token, UnixSeconds, UserId};
use envelope::merkle::Node;
use serde::{Deserialize, Serialize};

/// `POST /uploads`. The same request again gives the same answer; a differing one for the same id is 409.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Made by the client, never used before.
    pub file_id: FileId,
    /// Bytes of every part but the last: a power of two of segments.
    pub part_len: u64,
    /// Bytes of the whole sealed body, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_len: Option<u64>,
    /// The drop box that a file is for which its sender signs. Not in a visitor's, whose path names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_id: Option<BoxId>,
}

/// One part that the server holds durably.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PartRecord {
    /// Number, from 0.
    pub n: u32,
    /// Bytes.
    pub len: u64,
    /// Merkle node over the part's segments.
    pub node: Node,
}

/// `POST /uploads`, `GET /uploads/{id}`: what the server has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UploadStatus {
    /// Which upload.
    pub file_id: FileId,
    /// As begun.
    pub part_len: u64,
    /// As begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_len: Option<u64>,
    /// Unix seconds at which an unfinished upload ends.
    pub expires_at: UnixSeconds,
    /// Bytes of parts that arrived whole, repeated ones counted each time.
    pub received_bytes: u64,
    /// Parts that arrived whole, repeated ones counted each time.
    pub received_parts: u64,
    /// Whether parts may be put into the object store itself, after [`AskDirect`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Parts that are durable, by number.
    pub parts: Vec<PartRecord>,
}

/// `POST /uploads/{id}/parts/{n}/direct`: where to put a part in the object store.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AskDirect {
    /// Bytes.
    pub len: u64,
    /// Merkle node over the part's segments.
    pub node: Node,
}

/// Its reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DirectPlace {
    /// Where one `PUT` of exactly the part's bytes goes, soon and without credentials.
    pub url: String,
    /// What [`ConfirmDirect`] shows then.
    pub leave: Token,
}

/// `PUT /uploads/{id}/parts/{n}/direct`: the part is there. The server reads it and answers as if it had been sent here.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmDirect {
    /// Bytes.
    pub len: u64,
    /// Merkle node over the part's segments.
    pub node: Node,
    /// As it was given.
    pub leave: Token,
}

/// `GET /uploads`: the caller's unfinished uploads, without their parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UploadList {
    /// Unfinished uploads, oldest first.
    pub uploads: Vec<UploadStatus>,
}

/// A grant and who may fetch it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct GrantTo {
    /// Whose list shows the file. Absent for a bare RSA key: then every signed-in caller who names file id and
    /// recipient id exactly may fetch, and the file is in nobody's list but the author's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// A whole grant (`WXWGGR01…`).
    pub grant: B64,
}

/// `POST /uploads/{id}/complete`. The same request again gives the same answer; a differing one is 409.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// A whole manifest (`WXWGMF01…`), signed by the caller's root.
    pub manifest: B64,
    /// At most [`crate::limits::GRANTS_MAX`]; one of them is the author's own. A member of a folder has none.
    pub grants: Vec<GrantTo>,
    /// Seconds from now until the file ends.
    pub expires_in: i64,
    /// Downloads by others before the file closes; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
    /// The file is to be a member of a folder: it has no grants and no limit, and lives at most seven days until its folder
    /// appears, with which it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub member: bool,
    /// The file is a folder, and these are its members: their ids, 16 bytes each, ascending, at most
    /// [`crate::limits::MEMBERS_MAX`]; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<B64>,
}

/// The file has appeared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Completed {
    /// Which file.
    pub file_id: FileId,
    /// Unix seconds at which it ends.
    pub expires_at: UnixSeconds,
    /// Bytes of parts received for it, repeated ones counted each time.
    pub received_bytes: u64,
    /// Parts received for it, repeated ones counted each time.
    pub received_parts: u64,
}

/// `POST /files/batch`: files of one sealed segment each, which appear together or not at all. The same request
/// again gives the same answer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// 1 to [`crate::limits::BATCH_FILES_MAX`], as long as the whole request is within
    /// [`crate::limits::JSON_BODY_MAX`].
    pub files: Vec<BatchFile>,
}

/// One file of a batch.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct BatchFile {
    /// A random UUID that the client made.
    pub file_id: FileId,
    /// The whole sealed body: one segment, the final one.
    pub body: B64,
    /// What would complete an upload of it.
    pub complete: Complete,
}

/// All files of a batch have appeared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchReply {
    /// In the order of the request.
    pub files: Vec<Completed>,
}
