//! Making and opening manifests: who authored a file, what its body is, and its sealed metadata.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use envelope::manifest::{ManifestHead, SIGNATURE_CONTEXT};
use envelope::merkle::Node;
use envelope::segment::BodyShape;
use envelope::small::HEADER_LEN;
use envelope::{FileId, Manifest, RootId, Suite};

use crate::kdf::{Role, file_role_key};
use crate::small::{open_small, seal_small};
use crate::{FileKey, FileName, Metadata, OpenError, PayloadOpener, RootKeyPair, SealError};

/// What goes into a manifest.
#[derive(Debug)]
pub struct SealManifest<'a> {
    /// The file's key.
    pub fk: &'a FileKey,
    /// The file.
    pub file_id: FileId,
    /// From 1; one more for every rename.
    pub revision: u64,
    /// The author's root key: the suite is signed. `None`: the suite is anonymous.
    pub author: Option<&'a RootKeyPair>,
    /// The payload's FLOE header, 74 bytes.
    pub payload_header: &'a [u8; HEADER_LEN],
    /// Length and segments of the body.
    pub body: BodyShape,
    /// Root of the integrity tree over the body.
    pub body_root: Node,
    /// The metadata to seal.
    pub metadata: &'a Metadata,
}

/// The suite and author id that a file sealed by `author` has.
pub fn suite_of(author: Option<&RootKeyPair>) -> (Suite, RootId) {
    author.map_or((Suite::Anonymous, RootId::ZERO), |root| (Suite::Signed, root.root_id()))
}

/// Seals the metadata, authenticates and signs: a complete manifest.
pub fn seal_manifest(seal: &SealManifest<'_>) -> Result<Manifest, SealError> {
    let (suite, author_root_id) = suite_of(seal.author);
    let head = ManifestHead {
        suite,
        file_id: seal.file_id,
        revision: seal.revision,
        author_root_id,
        payload_header: *seal.payload_header,
        body: seal.body,
        body_root: seal.body_root,
    };
    let plain = seal.metadata.encode(suite, seal.body)?;
    let metadata_key = file_role_key(seal.fk, seal.file_id, Role::Metadata);
    let sealed = seal_small(&metadata_key, &metadata_aad(&head), &plain)?;
    let mut bytes = head.encode(&sealed)?;
    let code = hmac::sign(&manifest_key(seal.fk, seal.file_id), &bytes);
    bytes.extend_from_slice(code.as_ref());
    if let Some(root) = seal.author {
        let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    Ok(Manifest::parse(bytes)?)
}

/// The manifest of the same content under another name, with the next revision. Grants survive it.
pub fn rename(
    manifest: &Manifest,
    fk: &FileKey,
    author: &RootKeyPair,
    name: FileName,
    media_type: String,
) -> Result<Manifest, RenameError> {
    let metadata = Metadata { name, media_type, ..open_manifest(manifest, fk)? };
    if manifest.author_root_id() != author.root_id() {
        return Err(RenameError::NotTheAuthor);
    }
    Ok(seal_manifest(&SealManifest {
        fk,
        file_id: manifest.file_id(),
        revision: manifest.revision() + 1,
        author: Some(author),
        payload_header: manifest.payload_header(),
        body: manifest.body(),
        body_root: manifest.body_root(),
        metadata: &metadata,
    })?)
}

/// Why a file could not be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// Only the author's own root can sign a new manifest.
    #[error("only the author can rename a file")]
    NotTheAuthor,
    /// The present manifest does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new manifest cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Checks the HMAC, then the payload header's tag, then opens the metadata.
///
/// It does not look at the signature: [`crate::open::open_file`] does, in the reading order of
/// the format.
pub fn open_manifest(manifest: &Manifest, fk: &FileKey) -> Result<Metadata, OpenError> {
    Ok(open_parts(manifest, fk)?.1)
}

/// As [`open_manifest`], and gives the payload ready to open.
pub(crate) fn open_parts(manifest: &Manifest, fk: &FileKey) -> Result<(PayloadOpener, Metadata), OpenError> {
    let head = manifest.head();
    hmac::verify(&manifest_key(fk, head.file_id), manifest.authenticated_bytes(), manifest.hmac())
        .map_err(|_| OpenError::NotAuthentic)?;
    let payload = PayloadOpener::new(fk, head.suite, head.file_id, head.author_root_id, &head.payload_header)
        .map_err(|_| OpenError::NotAuthentic)?;
    let metadata_key = file_role_key(fk, head.file_id, Role::Metadata);
    let plain = open_small(&metadata_key, &metadata_aad(head), manifest.metadata())
        .map_err(|_| OpenError::NotAuthentic)?;
    let metadata = Metadata::decode(&plain, head.suite, head.body).map_err(|_| OpenError::NotAuthentic)?;
    Ok((payload, metadata))
}

fn manifest_key(fk: &FileKey, file_id: FileId) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, file_role_key(fk, file_id, Role::Manifest).expose_secret())
}

fn metadata_aad(head: &ManifestHead) -> Vec<u8> {
    [
        b"waxwing/v1/metadata\0".as_slice(),
        &head.suite.to_bytes(),
        head.file_id.as_bytes(),
        head.author_root_id.as_bytes(),
        &head.revision.to_be_bytes(),
        digest(&SHA256, &head.payload_header).as_ref(),
    ]
    .concat()
}
