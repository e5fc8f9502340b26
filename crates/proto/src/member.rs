//! Members of folders: files without grants of their own, shown to whoever has a ticket of their folder.

use crate::{B64, FileId};
use serde::{Deserialize, Serialize};

/// `POST /content/{id}/members`, with a ticket of the folder.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct MembersRequest {
    /// 1 to [`crate::limits::MEMBERS_AT_ONCE`] ids, as the folder's list names them.
    pub ids: Vec<FileId>,
}

/// Those of the ids that are members of the folder and there, in any order.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct MemberList {
    /// The members.
    pub members: Vec<MemberInfo>,
}

/// A member as the server shows it. Its key stands in the folder's list.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct MemberInfo {
    /// Which file.
    pub file_id: FileId,
    /// Whole manifest.
    pub manifest: B64,
    /// Bytes of every part but the last.
    pub part_len: u64,
}
