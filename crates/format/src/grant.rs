//! Making and opening grants: one recipient's way to a file's key.

use std::fmt;

use envelope::bundle::{KeyAlgorithm, XWING_PUBLIC_LEN};
use envelope::grant::{GrantHead, SIGNATURE_CONTEXT, recipient_id};
use envelope::{Bundle, Grant, Manifest, RecipientId, RootId, Suite, Wrap};
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::identity::XWingKeyPair;
use crate::{
    FileKey, Identity, LinkKeys, OpenError, Reader, RootKeyPair, RsaPrivateKey, RsaPublicKey, SealError,
    Secret, random,
};

/// The version of the format that is sealed here.
const FORMAT_VERSION: u16 = 1;

type XWingPublic = <XWing as Kem>::PublicKey;

/// Whom a grant is for: an X-Wing or RSA key, and the root that vouches for it.
#[derive(Clone)]
pub struct RecipientKey {
    root: Option<RootId>,
    key: PublicKey,
    id: RecipientId,
}

#[derive(Clone)]
enum PublicKey {
    XWing(Box<XWingPublic>),
    Rsa(RsaPublicKey),
}

impl RecipientKey {
    /// The X-Wing key `key` of the person `root`, or a bare key. Refuses bytes that are no valid key.
    pub fn xwing(root: Option<RootId>, key: &[u8]) -> Result<Self, SealError> {
        let parsed = XWingPublic::from_bytes(key).map_err(|_| SealError::RecipientKey)?;
        let id = recipient_id(Wrap::XWing, root, key);
        Ok(Self { root, key: PublicKey::XWing(Box::new(parsed)), id })
    }

    /// The RSA key `key` of the person `root`, or a bare key.
    pub fn rsa(root: Option<RootId>, key: &RsaPublicKey) -> Self {
        Self { root, key: PublicKey::Rsa(key.clone()), id: key.recipient_id(root) }
    }

    /// The first X-Wing key of `bundle` that is valid at `now` (Unix seconds). [`SealError::Format`] if the person
    /// wants a later format than this one.
    ///
    /// The bundle must have been verified and its root pinned before; this does neither.
    pub fn from_bundle(bundle: &Bundle, now: u64) -> Result<Self, SealError> {
        if bundle.min_format() > FORMAT_VERSION {
            return Err(SealError::Format);
        }
        let key = bundle.key_for(KeyAlgorithm::XWing, now).ok_or(SealError::RecipientKey)?;
        Self::xwing(Some(bundle.root_id()), &key.key)
    }

    /// The recipient id that the grant will name.
    pub fn id(&self) -> RecipientId {
        self.id
    }

    /// The root that vouches for the key.
    pub fn root(&self) -> Option<RootId> {
        self.root
    }

    /// How a file key is wrapped for this recipient.
    pub fn wrap(&self) -> Wrap {
        match self.key {
            PublicKey::XWing(_) => Wrap::XWing,
            PublicKey::Rsa(_) => Wrap::RsaOaep,
        }
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecipientKey").field(&self.id).finish()
    }
}

/// What goes into grants.
#[derive(Debug)]
pub struct SealGrant<'a> {
    /// The file's key.
    pub fk: &'a FileKey,
    /// The file's manifest.
    pub manifest: &'a Manifest,
    /// Who gives. `None` only for an anonymous file, whose grant is anonymous then.
    pub grantor: Option<&'a RootKeyPair>,
    /// Manifests of a lower revision are refused with this grant.
    pub min_revision: u64,
    /// Unix seconds, 0 = never: shown as policy, not enforced by cryptography.
    pub not_after: u64,
}

/// Wraps the file key for `recipient`, bound to file, content, recipient and grantor, and signs it.
pub fn seal_grant(seal: &SealGrant<'_>, recipient: &RecipientKey) -> Result<Grant, SealError> {
    let (suite, grantor_root_id) = crate::manifest::suite_of(seal.grantor);
    if seal.manifest.suite() == Suite::Signed && suite != Suite::Signed {
        return Err(SealError::Grantor);
    }
    let head = GrantHead {
        wrap: recipient.wrap(),
        suite,
        file_id: seal.manifest.file_id(),
        content_id: seal.manifest.content_id(),
        recipient_id: recipient.id,
        grantor_root_id,
        min_revision: seal.min_revision,
        not_after: seal.not_after,
    };
    let (encapsulated, wrapped) = match &recipient.key {
        PublicKey::XWing(key) => wrap_xwing(key, seal.fk, &head.bound())?,
        PublicKey::Rsa(key) => (Vec::new(), key.wrap(seal.fk, &head.bound())),
    };
    let mut bytes = head.encode(&encapsulated, &wrapped)?;
    if let Some(root) = seal.grantor {
        let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    Ok(Grant::parse(bytes)?)
}

/// Wraps the file key under a link's key, bound as every grant is, and signs it.
pub fn seal_link_grant(seal: &SealGrant<'_>, link: &LinkKeys) -> Result<Grant, SealError> {
    let (suite, grantor_root_id) = crate::manifest::suite_of(seal.grantor);
    if seal.manifest.suite() == Suite::Signed && suite != Suite::Signed {
        return Err(SealError::Grantor);
    }
    let head = GrantHead {
        wrap: Wrap::Link,
        suite,
        file_id: seal.manifest.file_id(),
        content_id: seal.manifest.content_id(),
        recipient_id: link.recipient_id(),
        grantor_root_id,
        min_revision: seal.min_revision,
        not_after: seal.not_after,
    };
    let wrapped = link.wrap(seal.fk, &head.bound())?;
    let mut bytes = head.encode(&[], &wrapped)?;
    if let Some(root) = seal.grantor {
        let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
        bytes.extend_from_slice(signature.as_bytes());
    }
    Ok(Grant::parse(bytes)?)
}

/// [`seal_grant`] for many recipients on all cores; grants come in the order of `recipients`.
pub fn seal_grants(seal: &SealGrant<'_>, recipients: &[RecipientKey]) -> Result<Vec<Grant>, SealError> {
    recipients.par_iter().map(|recipient| seal_grant(seal, recipient)).collect()
}

/// Unwraps the file key, after the public fields of grant and manifest were found to agree.
///
/// It does not look at signatures: [`crate::open::open_file`] does, before it comes here. The
/// key is only proven right by what it opens next, the manifest's HMAC.
pub(crate) fn unwrap_grant(
    grant: &Grant,
    manifest: &Manifest,
    reader: Reader<'_>,
) -> Result<FileKey, OpenError> {
    let suites_fit = match (manifest.suite(), grant.suite()) {
        (Suite::Signed, Suite::Signed) | (Suite::Anonymous, _) => true,
        (Suite::Signed, Suite::Anonymous) => false,
    };
    let fits = suites_fit
        && grant.file_id() == manifest.file_id()
        && grant.content_id() == manifest.content_id()
        && manifest.revision() >= grant.min_revision();
    if !fits {
        return Err(OpenError::NotAuthentic);
    }
    match reader {
        Reader::Identity(identity) => unwrap_as(identity, grant),
        // Whoever comes with one bare key asked for the grant by that key's own recipient id.
        Reader::Rsa(key) if key.public().recipient_id(None) == grant.recipient_id() => unwrap_rsa(grant, key),
        Reader::Rsa(_) => Err(OpenError::NotAuthentic),
        // The recipient id names the link; an RSA or X-Wing grant that names one is forged.
        Reader::Link(link) if grant.wrap() == Wrap::Link && grant.recipient_id() == link.recipient_id() => {
            link.unwrap(grant.wrapped_key(), &grant.bound()).ok_or(OpenError::NotAuthentic)
        }
        Reader::Link(_) => Err(OpenError::NotAuthentic),
    }
}

fn unwrap_as(identity: &Identity, grant: &Grant) -> Result<FileKey, OpenError> {
    match grant.wrap() {
        Wrap::XWing => {
            let key = identity.xwing_for(grant.recipient_id()).ok_or(OpenError::NotForThisIdentity)?;
            unwrap_xwing(grant, key).ok_or(OpenError::NotAuthentic)
        }
        Wrap::RsaOaep => {
            let key = identity.rsa_for(grant.recipient_id()).ok_or(OpenError::NotForThisIdentity)?;
            unwrap_rsa(grant, key)
        }
        // A link's grant opens with the link: [`Reader::Link`].
        Wrap::Link => Err(OpenError::NotForThisIdentity),
    }
}

fn unwrap_rsa(grant: &Grant, key: &RsaPrivateKey) -> Result<FileKey, OpenError> {
    // The recipient id names both wrap and key, so that an id of ours comes with no other wrap unless forged.
    let fits = grant.wrap() == Wrap::RsaOaep;
    let fk = fits.then(|| key.unwrap(grant.wrapped_key(), &grant.bound())).flatten();
    fk.ok_or(OpenError::NotAuthentic)
}

/// The encapsulated key (1120 bytes) and the file key wrapped under it (48 bytes).
fn wrap_xwing(key: &XWingPublic, fk: &FileKey, bound: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let (encapsulated, wrapped) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        key,
        bound,
        fk.secret().expose_secret(),
        &[],
        &mut random::Rng,
    )
    .map_err(|_| SealError::RecipientKey)?;
    Ok((encapsulated.to_bytes().to_vec(), wrapped))
}

fn unwrap_xwing(grant: &Grant, key: &XWingKeyPair) -> Option<FileKey> {
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(grant.encapsulated_key()).ok()?;
    let fk = hpke::single_shot_open::<AesGcm256, HkdfSha256, XWing>(
        &OpModeR::Base,
        &key.private(),
        &encapsulated,
        &grant.bound(),
        grant.wrapped_key(),
        &[],
    )
    .ok()?;
    Secret::from_slice(&Zeroizing::new(fk)).map(FileKey::from_secret)
}

/// The public key of an X-Wing seed, 1216 bytes.
pub(crate) fn xwing_public(seed: &Secret<32>) -> Box<[u8; XWING_PUBLIC_LEN]> {
    let private = xwing_private(seed);
    let bytes = XWing::sk_to_pk(&private).to_bytes();
    Box::new(bytes.as_slice().try_into().expect("an X-Wing public key has 1216 bytes"))
}

/// The private key of an X-Wing seed: the seed itself, never HPKE's DeriveKeyPair.
pub(crate) fn xwing_private(seed: &Secret<32>) -> <XWing as Kem>::PrivateKey {
    <XWing as Kem>::PrivateKey::from_bytes(seed.expose_secret()).expect("any 32 bytes are an X-Wing seed")
}
