//! The offline container: everything of one file in one stream, for whoever has no server between them.
//!
//! ```text
//! "WXWGCT01" ‖ u32 length ‖ manifest ‖ u32 length ‖ author's bundle (0 if anonymous)
//!   ‖ u16 count ‖ count × (u32 length ‖ grant) ‖ leaves, 32 bytes a segment ‖ body
//! ```
//!
//! The grants stand in ascending order of their recipient ids, no two alike, so that the same grants have one
//! spelling and their order tells nothing. All of them, and the bundle, belong to the manifest and are its author's.

use std::io::{self, Read, Write};

use crate::ed25519::BadSignature;
use crate::merkle::{Accumulator, Node};
use crate::{Bundle, Grant, Manifest, ParseError, RecipientId, Suite, Wrap, bundle, grant, manifest};

/// First eight bytes of a container.
pub const MAGIC: &[u8; 8] = b"WXWGCT01";
/// Most grants of a container.
pub const MAX_GRANTS: usize = 65_535;

/// Why the beginning of a container was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed. Ending too early is a [`ParseError`].
    #[error("the source could not be read: {0}")]
    Io(io::Error),
    /// The bytes are no container.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The bundle, or a grant of a signed file, is not signed by its author.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

/// What stands before the leaves. Reading proves its shape, and that bundle and grants are signed by one root; not
/// whose root that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The file's manifest.
    pub manifest: Manifest,
    /// The author's bundle as it was when the file was sealed; `None` exactly if the file is anonymous.
    pub author: Option<Bundle>,
    /// The grants that were kept, in ascending order of their recipient ids.
    pub grants: Vec<Grant>,
}

impl Head {
    /// A head of these parts, with the grants put in order. Refuses what [`Head::read`] would refuse.
    pub fn new(
        manifest: Manifest,
        author: Option<Bundle>,
        mut grants: Vec<Grant>,
    ) -> Result<Self, ParseError> {
        grants.sort_by_key(Grant::recipient_id);
        let mut order = Order::new(&manifest);
        check_author(&manifest, author.as_ref())?;
        grants.iter().try_for_each(|grant| order.check(grant))?;
        if grants.is_empty() || grants.len() > MAX_GRANTS {
            return Err(ParseError::OutOfRange { field: "grants" });
        }
        Ok(Self { manifest, author, grants })
    }

    /// Bytes of the head as [`Head::write`] writes it.
    pub fn encoded_len(&self) -> u64 {
        let bundle = self.author.as_ref().map_or(0, |bundle| bundle.as_bytes().len());
        let grants: usize = self.grants.iter().map(|grant| 4 + grant.as_bytes().len()).sum();
        (MAGIC.len() + 4 + self.manifest.as_bytes().len() + 4 + bundle + 2 + grants) as u64
    }

    /// Writes the head; leaves and body follow.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        sized(out, self.manifest.as_bytes())?;
        sized(out, self.author.as_ref().map_or(&[], |bundle| bundle.as_bytes()))?;
        let count = u16::try_from(self.grants.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        out.write_all(&count.to_be_bytes())?;
        self.grants.iter().try_for_each(|grant| sized(out, grant.as_bytes()))
    }

    /// Reads a head and keeps the grants that `keep` wants; all of them are checked, signatures included, so that
    /// no byte of a signed container can change unseen. The source then stands before the first leaf.
    pub fn read(source: &mut impl Read, mut keep: impl FnMut(&Grant) -> bool) -> Result<Self, ReadError> {
        if &array::<8>(source, "magic")? != MAGIC {
            return Err(ParseError::Magic.into());
        }
        let manifest = Manifest::parse(field(source, manifest::MAX_LEN, "manifest")?)?;
        let bundle = field(source, bundle::MAX_LEN, "author")?;
        let author = if bundle.is_empty() { None } else { Some(Bundle::parse(bundle)?) };
        check_author(&manifest, author.as_ref())?;
        if let Some(bundle) = &author {
            bundle.verify()?;
        }
        let count = u16::from_be_bytes(array(source, "grants")?);
        if count == 0 {
            return Err(ParseError::OutOfRange { field: "grants" }.into());
        }
        let mut order = Order::new(&manifest);
        let mut grants = Vec::new();
        for _ in 0..count {
            let grant = Grant::parse(field(source, grant::MAX_LEN, "grant")?)?;
            order.check(&grant)?;
            if let Some(bundle) = &author {
                grant.verify(bundle.root_key())?;
            }
            if keep(&grant) {
                grants.push(grant);
            }
        }
        Ok(Self { manifest, author, grants })
    }
}

/// Reads the leaves of the body, gives each to `each`, and proves them all under the manifest's root.
///
/// `each` must release nothing before this has succeeded. The source then stands before the body.
pub fn read_leaves(
    source: &mut impl Read,
    manifest: &Manifest,
    mut each: impl FnMut(Node) -> io::Result<()>,
) -> Result<(), ReadError> {
    let mut tree = Accumulator::new();
    for _ in 0..manifest.body().segments() {
        let leaf = Node::from_bytes(array(source, "leaf")?);
        tree.push(leaf);
        each(leaf).map_err(ReadError::Io)?;
    }
    if tree.root() == Some(manifest.body_root()) {
        Ok(())
    } else {
        Err(ParseError::Contradiction { field: "leaves" }.into())
    }
}

/// An anonymous file has no author's bundle, and a signed one has that of its author.
fn check_author(manifest: &Manifest, author: Option<&Bundle>) -> Result<(), ParseError> {
    let fits = match (manifest.suite(), author) {
        (Suite::Anonymous, None) => true,
        (Suite::Signed, Some(bundle)) => bundle.root_id() == manifest.author_root_id(),
        _ => false,
    };
    if fits { Ok(()) } else { Err(ParseError::Contradiction { field: "author" }) }
}

/// What the grants of one container have in common.
struct Order<'m> {
    manifest: &'m Manifest,
    content: crate::ContentId,
    before: Option<RecipientId>,
}

impl<'m> Order<'m> {
    fn new(manifest: &'m Manifest) -> Self {
        Self { manifest, content: manifest.content_id(), before: None }
    }

    fn check(&mut self, grant: &Grant) -> Result<(), ParseError> {
        let belongs = grant.file_id() == self.manifest.file_id()
            && grant.content_id() == self.content
            && grant.suite() == self.manifest.suite()
            // Whoever opens a container knows the author and nobody else. Zeros are equal too.
            && grant.grantor_root_id() == self.manifest.author_root_id()
            // A link names a place on a server.
            && grant.wrap() != Wrap::Link;
        let ascends = self.before.is_none_or(|before| before < grant.recipient_id());
        self.before = Some(grant.recipient_id());
        if belongs && ascends { Ok(()) } else { Err(ParseError::Contradiction { field: "grant" }) }
    }
}

fn sized(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(bytes)
}

fn array<const N: usize>(source: &mut impl Read, field: &'static str) -> Result<[u8; N], ReadError> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(|error| ended(error, field))?;
    Ok(bytes)
}

/// A length and as many bytes. The length is judged first, and room grows with what is really there.
fn field(source: &mut impl Read, max: usize, field: &'static str) -> Result<Vec<u8>, ReadError> {
    let len = u32::from_be_bytes(array(source, field)?);
    if len as usize > max {
        return Err(ParseError::OutOfRange { field }.into());
    }
    let mut bytes = Vec::new();
    source.take(len.into()).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() == len as usize { Ok(bytes) } else { Err(ParseError::Truncated { field }.into()) }
}

fn ended(error: io::Error, field: &'static str) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ParseError::Truncated { field }.into(),
        _ => ReadError::Io(error),
    }
}
