//! Sign-in, session and account.

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Address that the code went to.
    pub address: Address,
    /// Account.
    pub user_id: UserId,
    /// Unix seconds at which the session ends if it is not used.
    pub session_ends: i64,
}

/// What the server says of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoAmI {
    /// Address (as signed in here).
    pub address: Address,
    /// Account.
    pub user_id: UserId,
    /// The server.
    pub server: String,
    /// Unix seconds at which the account was made.
    pub created: i64,
    /// Whether keys are published.
    pub has_bundle: bool,
    /// Bytes stored.
    pub used_bytes: u64,
    /// Bytes that may be stored.
    pub quota_bytes: u64,
}
