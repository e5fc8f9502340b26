//! Drop boxes: made, listed and closed by their owner; sent into by whoever has the address.

use envelope::BoxId;
use serde::{Deserialize, Serialize};

use crate::{B64, UserId};

/// `POST /boxes`. Id, limits and end stand in the description. The same request again changes nothing; another
/// description for the same id is 409.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct MakeBox {
    /// The whole description (`WXWGBX01…`), signed by the root of the caller's newest bundle.
    pub description: B64,
}

/// A box as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct BoxInfo {
    /// Which box.
    pub box_id: BoxId,
    /// The whole description.
    pub description: B64,
    /// Files that came into it so far, those that were removed since included.
    pub arrivals: u32,
    /// Uploads into it that are under way.
    pub under_way: u32,
    /// Whether its owner closed it.
    pub closed: bool,
}

/// `GET /boxes`: all boxes of the caller's, newest first; at most [`crate::limits::BOXES_PER_ACCOUNT`]. One that was
/// closed or has ended is shown for some weeks more.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct BoxList {
    /// The boxes.
    pub boxes: Vec<BoxInfo>,
}

/// `GET /boxes/{id}`, without a session.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct BoxView {
    /// The whole description, to be checked against the root that the address names.
    pub description: B64,
    /// The account of the owner.
    pub owner: UserId,
    /// The owner's chain of bundles, oldest first, to be checked against that root; files are sealed to the newest.
    pub owner_chain: Vec<B64>,
    /// Whether what is sent now is published on IPFS, which cannot be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publishes: bool,
}
