//! Contacts: whose keys are pinned, since when, and whether a human compared them.

/// Somebody whose keys are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Address.
    pub address: Address,
    /// Account on the server.
    pub user_id: UserId,
    /// Pinned root.
    pub root_id: RootId,
    /// Highest bundle number seen.
    pub seq: u32,
    /// Whether a human compared the safety number.
    pub verified: bool,
    /// Unix seconds of the first contact.
    pub first_seen: i64,
    /// Whether this very call pinned it.
    pub first_contact: bool,
    /// Roots that were pinned before, newest first.
    pub previous: Vec<RootId>,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedContact {
    /// Contact as pinned now.
    pub contact: Contact,
    /// Number to compare (absent while there are no own keys).
    pub safety_number: Option<SafetyNumber>,
}
