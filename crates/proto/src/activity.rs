//! Activity: the caller's part of the audit log, the chain that seals it, and receipts.

use crate::{B64, EventId, FileId, Head, Link, UnixSeconds, UserId};
use serde::{Deserialize, Serialize};

/// `GET /activity?after=CURSOR&limit=N&kind=KIND&file=ID&since=SECONDS`: newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActivityPage {
    /// One page.
    pub events: Vec<ActivityEvent>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where the log stands.
    pub log: LogState,
}

/// Something that the caller did, that happened to their account, or that others did to their files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActivityEvent {
    /// Random.
    pub id: EventId,
    /// Unix seconds by the server's clock.
    pub at: UnixSeconds,
    /// A [`crate::Kind`] as text; a newer server may say more than is known here.
    pub kind: String,
    /// Who did it, or to whose account it happened.
    pub actor: UserId,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// Somebody else whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<UserId>,
    /// What the actor's client called itself; told to the actor only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// By what the actor signed in; told to the actor only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// Number of the batch that holds it; absent while it is not sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
}

/// Where the audit log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// The Ed25519 public key of the server's log, 32 bytes.
    pub key: B64,
    /// The newest head; absent while nothing was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<SignedHead>,
}

/// A head and the server's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// `SEQ:HASH`.
    pub head: Head,
    /// 64 bytes, over [`Head::signed_bytes`].
    pub signature: B64,
}

/// `GET /activity/heads?from=SEQ`: what each batch from that number on added to the chain, oldest first, at most
/// [`crate::limits::HEADS_MAX`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heads {
    /// Without their heads: a reader computes these.
    pub links: Vec<Link>,
}

/// `POST /files/{id}/receipt`: the caller opened the file. The first receipt stays; a later one changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostReceipt {
    /// Unix seconds by the caller's clock.
    pub opened: UnixSeconds,
    /// By the root of the caller's newest bundle, 64 bytes: [`envelope::action::RECEIPT`].
    pub signature: B64,
}

/// A receipt, as the author of the file is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Who opened.
    pub user: UserId,
    /// Unix seconds by their clock; signed.
    pub opened: UnixSeconds,
    /// By their root, 64 bytes.
    pub signature: B64,
}
