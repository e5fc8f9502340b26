//! The one way into a file: every check of the format, in its reading order.

use envelope::ed25519::PublicKey;
use envelope::segment::BodyShape;
use envelope::{Grant, Manifest, RootId, Suite};

use crate::grant::unwrap_grant;
use crate::manifest::open_parts;
use crate::{FileKey, Identity, LinkKeys, Metadata, OpenError, PayloadOpener, RsaPrivateKey};

/// Whose secret keys may open a file.
#[derive(Debug, Clone, Copy)]
pub enum Reader<'a> {
    /// A person: every key of their vault, X-Wing and RSA.
    Identity(&'a Identity),
    /// A bare RSA key, which has no roots of its own.
    Rsa(&'a RsaPrivateKey),
    /// Whoever has a link; it has no roots of its own.
    Link(&'a LinkKeys),
}

impl<'a> Reader<'a> {
    fn root_keys(self) -> impl Iterator<Item = &'a PublicKey> {
        let identity = match self {
            Self::Identity(identity) => Some(identity),
            Self::Rsa(_) | Self::Link(_) => None,
        };
        identity.into_iter().flat_map(Identity::root_keys)
    }
}

/// What is needed to open a file. All of it came from a server that may lie, but the reader's
/// and the pinned keys.
#[derive(Debug)]
pub struct OpenFile<'a> {
    /// The file's manifest.
    pub manifest: &'a Manifest,
    /// A grant of it.
    pub grant: &'a Grant,
    /// Whose keys may open it.
    pub reader: Reader<'a>,
    /// The author's pinned root key. `None` opens anonymous files only.
    pub author: Option<&'a PublicKey>,
    /// The grantor's pinned root key, where the grantor is a third person. The author's and the
    /// reader's own roots, and the linked ones, are tried without it.
    pub grantor: Option<&'a PublicKey>,
    /// Other roots of the author: those that a verified chain of bundles links to theirs, before and after it.
    pub linked: &'a [PublicKey],
}

/// Who shared a file, as an interface should say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The author signed both file and grant.
    ByAuthor(RootId),
    /// The author signed the file, and gave it with another of their roots: one was retired for the other.
    ByAuthorRotated {
        /// Which root signed the file.
        author: RootId,
        /// Which root signed the grant.
        grantor: RootId,
    },
    /// The author signed the file, and the reader wrapped it again for themselves.
    ByAuthorRewrapped(RootId),
    /// "By `author`, passed on by `grantor`": never show it as the author's own sharing.
    PassedOn {
        /// Who signed the file.
        author: RootId,
        /// Who signed the grant.
        grantor: RootId,
    },
    /// Nobody signed anything.
    Anonymous,
    /// "Anonymous file, shared by …".
    AnonymousSharedBy(RootId),
}

/// A file whose manifest, grant and metadata are authentic. Its segments are checked as they come.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file's key, for sharing and renaming.
    pub fk: FileKey,
    /// Opens the segments.
    pub opener: PayloadOpener,
    /// The authenticated metadata.
    pub metadata: Metadata,
    /// Length and segments of the body.
    pub shape: BodyShape,
    /// Who shared it.
    pub sharing: Sharing,
}

/// Checks signatures against pinned roots, ids and content id; unwraps the key; checks the
/// manifest's HMAC and the payload's header; opens the metadata.
///
/// What remains for the caller: leaves under [`Manifest::body_root`], then segments.
pub fn open_file(open: &OpenFile<'_>) -> Result<OpenedFile, OpenError> {
    let sharing = verify_signatures(open)?;
    let fk = unwrap_grant(open.grant, open.manifest, open.reader)?;
    let (opener, metadata) = open_parts(open.manifest, &fk)?;
    Ok(OpenedFile { fk, opener, metadata, shape: open.manifest.body(), sharing })
}

fn verify_signatures(open: &OpenFile<'_>) -> Result<Sharing, OpenError> {
    let author = match open.manifest.suite() {
        Suite::Signed => {
            let author = open.author.ok_or(OpenError::NotAuthentic)?;
            open.manifest.verify(author).map_err(|_| OpenError::NotAuthentic)?;
            Some(RootId::of(author))
        }
        Suite::Anonymous => None,
    };
    let grantor = match open.grant.suite() {
        Suite::Signed => {
            let id = open.grant.grantor_root_id();
            let own = open.reader.root_keys();
            let others = own.chain(open.linked).chain(open.grantor);
            let key = open.author.into_iter().chain(others).find(|key| RootId::of(key) == id);
            open.grant.verify(key.ok_or(OpenError::NotAuthentic)?).map_err(|_| OpenError::NotAuthentic)?;
            Some(id)
        }
        Suite::Anonymous => None,
    };
    match (author, grantor) {
        (Some(author), Some(grantor)) if author == grantor => Ok(Sharing::ByAuthor(author)),
        (Some(author), Some(grantor)) if open.reader.root_keys().any(|key| RootId::of(key) == grantor) => {
            Ok(Sharing::ByAuthorRewrapped(author))
        }
        (Some(author), Some(grantor)) if open.linked.iter().any(|key| RootId::of(key) == grantor) => {
            Ok(Sharing::ByAuthorRotated { author, grantor })
        }
        (Some(author), Some(grantor)) => Ok(Sharing::PassedOn { author, grantor }),
        (None, Some(grantor)) => Ok(Sharing::AnonymousSharedBy(grantor)),
        (None, None) => Ok(Sharing::Anonymous),
        (Some(_), None) => Err(OpenError::NotAuthentic),
    }
}
