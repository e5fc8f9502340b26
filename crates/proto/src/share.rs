//! After sharing: more people, another name, other limits, and the end of it all.

use serde::{Deserialize, Serialize};

use crate::{B64, FileId, GrantTo, RecipientId, UnixSeconds, UserId};

/// `POST /files/{id}/grants`: the file for more people, by its author or by whoever was given it. The same request again
/// changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// 1 to [`crate::limits::GRANTS_MAX`] grants, signed by the root of the caller's newest bundle. Only the author gives to
    /// bare keys.
    pub grants: Vec<GrantTo>,
}

/// What came of it: all of them may open the file now.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Shared {
    /// Accounts that had a grant before, which stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub already: Vec<UserId>,
    /// Bare keys that had a grant before, which stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub already_keys: Vec<RecipientId>,
}

/// `POST /files/{id}/stop`: what was taken away.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Stopped {
    /// Grants of people.
    pub people: u32,
    /// Grants of bare keys.
    pub keys: u32,
    /// Links.
    pub links: u32,
}

/// `PUT /files/{id}/manifest`: the same content under another name. The same request again changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// A whole manifest (`WXWGMF01…`) of the next revision, signed by the root that signed the present one.
    pub manifest: B64,
}

/// `PUT /files/{id}/terms`: both limits anew.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// Unix seconds at which the file ends.
    pub expires_at: UnixSeconds,
    /// Downloads by others before it closes, those so far included; absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}

/// The limits of a file as they are now.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct FileTerms {
    /// Which file.
    pub file_id: FileId,
    /// Unix seconds at which it ends.
    pub expires_at: UnixSeconds,
    /// Downloads by others so far.
    pub downloads: u32,
    /// Downloads by others before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<u32>,
}

/// Somebody who holds a grant, as the author is told.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Holder {
    /// Account.
    pub user_id: UserId,
    /// Account that passed it on to them; absent: the author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_by: Option<UserId>,
    /// Unix seconds at which they were given it.
    pub since: UnixSeconds,
    /// Downloads that they began.
    pub downloads: u32,
    /// Unix seconds at which the last of these began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<UnixSeconds>,
}

/// Who passed a file on to the caller. It is the grant's signature that says so; this is where its key is found.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PassedBy {
    /// Account.
    pub user_id: UserId,
    /// Its newest bundle, to be checked against pins; absent if it has none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<B64>,
}
