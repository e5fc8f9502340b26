//! Links: made, listed, changed and taken back by the owner of a file; opened by whoever has the secret.

use envelope::link::LinkId;
use serde::{Deserialize, Serialize};

use crate::{B64, FileId, Ticket, UnixSeconds, UserId};

/// `POST /links`. The same request again gives the same answer; a differing one for the same id is 409.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct MakeLink {
    /// 16 random bytes that the client made.
    pub link_id: LinkId,
    /// A file that the caller sent.
    pub file_id: FileId,
    /// The Ed25519 key that proofs are checked by, 32 bytes.
    pub public_key: B64,
    /// A whole grant (`WXWGGR01…`) of wrap 3 for the link, signed by the root of the caller's newest bundle.
    pub grant: B64,
    /// Seconds from now until the link ends; absent: as long as the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<i64>,
    /// Downloads by the link before it closes; absent: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}

/// `PUT /links/{id}`: both limits anew.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ChangeLink {
    /// Unix seconds at which the link ends; absent: as long as the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixSeconds>,
    /// Downloads by the link before it closes; absent: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}

/// A link as its owner sees it. The secret is nowhere on the server.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct LinkInfo {
    /// Which link.
    pub link_id: LinkId,
    /// To which file.
    pub file_id: FileId,
    /// Unix seconds at which it was made.
    pub created: UnixSeconds,
    /// Unix seconds at which it ends; absent: as long as the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixSeconds>,
    /// Unix seconds at which the file ends, and every link to it.
    pub file_expires_at: UnixSeconds,
    /// Downloads by the link so far.
    pub downloads: u32,
    /// Downloads before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}

/// `GET /links`: all links of the caller's, newest first; at most [`crate::limits::LINKS_PER_ACCOUNT`].
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct LinkList {
    /// The links.
    pub links: Vec<LinkInfo>,
}

/// `POST /links/{id}/nonce`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct LinkNonce {
    /// 32 bytes, good once and for [`crate::limits::LINK_NONCE_SECONDS`].
    pub nonce: B64,
}

/// `POST /links/{id}/open`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct OpenLink {
    /// The nonce.
    pub nonce: B64,
    /// An Ed25519 signature by the link's key over `"waxwing/v1/link-auth\0"` ‖ link id ‖ nonce, 64 bytes.
    pub signature: B64,
    /// A random UUID that names this download; the same one again within 24 hours counts nothing.
    pub download_id: String,
    /// Only look: no ticket, and nothing is counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub look: bool,
}

/// What a right proof gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenedLink {
    /// The file.
    pub file: LinkFile,
    /// Leave to fetch its content; absent if one only looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Ticket>,
}

/// The file behind a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkFile {
    /// Which file.
    pub file_id: FileId,
    /// Whole manifest.
    pub manifest: B64,
    /// The link's grant.
    pub grant: B64,
    /// Account of the author.
    pub author: UserId,
    /// The author's chain of bundles, oldest first, to be checked against the root that the link names.
    pub author_chain: Vec<B64>,
    /// Bytes of every part but the last.
    pub part_len: u64,
    /// Unix seconds at which the file appeared.
    pub created: UnixSeconds,
    /// Unix seconds at which the link ends, or the file if that is earlier.
    pub expires_at: UnixSeconds,
    /// Downloads by the link so far.
    pub downloads: u32,
    /// Downloads by the link before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}
