//! Files that were sent and received: list, look, remove, take back.

use crate::{Address, FileId, RootId};
use std::path::PathBuf;

/// What one is to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role { /// Sent it.
    Author, /// Was given it.
    Recipient }

/// How far the keys behind an address are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Oneself.
    Own,
    /// Pinned, and a human compared the safety number.
    Verified,
    /// Pinned at first use.
    Pinned,
    /// Never seen before (and pinned by the verb only if it says so).
    FirstContact,
    /// Not the pinned keys: hard stop for everything but listing.
    Changed,
}

/// Who sent a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Address in the signed bundle.
    pub address: Address,
    /// Root that signed.
    pub root_id: RootId,
    /// How far it is trusted.
    pub trust: Trust,
    /// Whether a root signed that has been retired since (linked to the present one).
    pub retired_root: bool,
}

/// Somebody who holds access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Account.
    pub user_id: crate::UserId,
    /// Address, if a contact.
    pub address: Option<Address>,
}

/// One file that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Id.
    pub file_id: FileId,
    /// One's role.
    pub role: Role,
    /// Sealed name.
    pub name: String,
    /// Sealed media type.
    pub media_type: String,
    /// Bytes of the original.
    pub bytes: u64,
    /// Bytes of the sealed body.
    pub body_len: u64,
    /// Whether it was compressed.
    pub compressed: bool,
    /// Whether its size is padded.
    pub padded: bool,
    /// Modification time of the original, milliseconds since 1970.
    pub modified_ms: i64,
    /// Who sent it.
    pub sender: Sender,
    /// Unix seconds: when it appeared (the server's word).
    pub created: i64,
    /// Unix seconds: when it ends (the server's word).
    pub expires_at: i64,
    /// Downloads by others (the server's word).
    pub downloads: u32,
    /// Allowed downloads by others.
    pub max_downloads: Option<u32>,
    /// Who holds access besides the author; for the author only (the server's word).
    pub recipients: Vec<Recipient>,
}

/// Which page.
#[derive(Clone, Debug, Default)]
pub struct FilePaging {
    /// `next` of the page before.
    pub after: Option<String>,
    /// Rows, at most 200; absent: 50.
    pub limit: Option<u32>,
}

/// One page of files.
#[derive(Clone, Debug, Default)]
pub struct FileList {
    /// Those that verified, newest first.
    pub files: Vec<FileSummary>,
    /// Those that did not: nothing of them is shown but the id.
    pub refused: Vec<FileId>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What became of a removed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone for everybody.
    ForEveryone,
    /// Only the own access was given up.
    OwnAccess,
}

/// An upload that this machine can resume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// Id.
    pub file_id: FileId,
    /// The source.
    pub path: PathBuf,
    /// Bytes of the source.
    pub bytes: u64,
    /// Recipients.
    pub to: Vec<Address>,
    /// Parts sealed so far.
    pub sealed_parts: u64,
    /// Parts in all.
    pub parts: u64,
    /// Unix seconds at which it was begun.
    pub begun: i64,
    /// Whether another process is at it just now.
    pub running: bool,
}
