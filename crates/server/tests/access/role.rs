//! Who asks. A role that is to be played needs a name here, a way to be made in [`super::scene`], and its column.

/// Everybody who can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Without a token.
    Nobody,
    /// Signed in, with keys, and without a grant.
    Other,
    /// With a grant.
    Recipient,
    /// With a grant that was taken back, and a ticket from before.
    Revoked,
    /// Whose file, upload, session or key file it is.
    Owner,
    /// In the owner's account by the owner's mailbox, with a root key of their own making.
    Mailbox,
    /// The owner in a session that has shown no second factor, at a server that demands one.
    Factorless,
    /// The owner, with a session from before the operator suspended the account.
    Suspended,
    /// The owner, with a session from before the account was erased.
    Erased,
}

impl Role {
    pub(super) const ALL: [Self; 9] = [
        Self::Nobody,
        Self::Other,
        Self::Recipient,
        Self::Revoked,
        Self::Owner,
        Self::Mailbox,
        Self::Factorless,
        Self::Suspended,
        Self::Erased,
    ];

    /// The head of its column.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Other => "other",
            Self::Recipient => "recipient",
            Self::Revoked => "revoked",
            Self::Owner => "owner",
            Self::Mailbox => "mailbox only",
            Self::Factorless => "no factor",
            Self::Suspended => "suspended",
            Self::Erased => "erased",
        }
    }
}
