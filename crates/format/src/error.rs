//! What can go wrong when sealing, and when opening.

use envelope::ParseError;

/// Why something could not be opened.
///
/// Everything that fails to authenticate is one variant without detail, so that nobody learns
/// from an error which check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not laid out as the format says; no key was used.
    #[error("malformed: {0}")]
    Malformed(#[from] ParseError),
    /// The grant is for none of the identity's keys; seen from public fields, no key was used.
    #[error("not sealed for this identity")]
    NotForThisIdentity,
    /// Some check failed: a signature, an id, an authentication tag, a passphrase, a contradiction inside.
    #[error("cannot be authenticated")]
    NotAuthentic,
}

/// Why something could not be sealed: always a mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A segment's position and the lengths of its buffers do not fit together.
    #[error("segment position and buffer lengths do not fit together")]
    SegmentShape,
    /// The plaintext is longer than what holds it.
    #[error("too long to seal")]
    TooLong,
    /// The metadata contradicts itself, the suite, or the length of the body.
    #[error("metadata contradicts the file")]
    Metadata,
    /// A signed file needs a signed grant, and the grantor's key was not given.
    #[error("a signed file needs a signed grant")]
    Grantor,
    /// A vault needs a passphrase or a recovery phrase that opens it.
    #[error("nothing would open this vault")]
    NoSecret,
    /// The recipient's public key is not a valid key.
    #[error("recipient key is not valid")]
    RecipientKey,
    /// The recipient takes only a later version of the format than this one.
    #[error("recipient takes only a later version of the format")]
    Format,
    /// A field has no place in its layout.
    #[error("cannot be laid out: {0}")]
    Layout(#[from] ParseError),
}
