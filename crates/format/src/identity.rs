//! A person's secret keys: root keys that sign, X-Wing keys that files are sealed to.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use envelope::bundle::{
    BundleBody, BundleKey, KeyAlgorithm, KeyUsage, ROTATION_CONTEXT, SIGNATURE_CONTEXT, XWING_PUBLIC_LEN,
};
use envelope::ed25519::{PublicKey, Signature};
use envelope::grant::recipient_id;
use envelope::{Address, Bundle, RecipientId, RootId, UserId, Wrap, action};
use hpke::Kem;
use hpke::kem::XWing;

use crate::grant::{xwing_private, xwing_public};
use crate::{RsaPrivateKey, SealError, Secret};

/// One root key pair: whoever holds it is the person.
pub struct RootKeyPair {
    seed: Secret<32>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl RootKeyPair {
    /// A fresh root.
    pub fn generate() -> Self {
        Self::from_seed(Secret::generate())
    }

    /// The root that has this Ed25519 seed.
    pub fn from_seed(seed: Secret<32>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret())
            .expect("any 32 bytes are an Ed25519 seed");
        let public = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        Self { seed, pair, public: PublicKey::from_bytes(public) }
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The root id.
    pub fn root_id(&self) -> RootId {
        RootId::of(&self.public)
    }

    pub(crate) fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// Signs the concatenation of `message`; the first part is always a context of this format.
    pub(crate) fn sign(&self, message: &[&[u8]]) -> Signature {
        let signature = self.pair.sign(&message.concat());
        Signature::from_bytes(signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes"))
    }
}

impl fmt::Debug for RootKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKeyPair[redacted]")
    }
}

/// One X-Wing key pair.
pub(crate) struct XWingKeyPair {
    seed: Secret<32>,
    public: Box<[u8; XWING_PUBLIC_LEN]>,
}

impl XWingKeyPair {
    pub(crate) fn from_seed(seed: Secret<32>) -> Self {
        let public = xwing_public(&seed);
        Self { seed, public }
    }

    pub(crate) fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    pub(crate) fn private(&self) -> <XWing as Kem>::PrivateKey {
        xwing_private(&self.seed)
    }
}

/// All secret keys of one person, newest first; retired ones are kept so that old files still open.
pub struct Identity {
    /// Never empty.
    roots: Vec<RootKeyPair>,
    /// Never empty.
    xwing: Vec<XWingKeyPair>,
    rsa: Vec<RsaPrivateKey>,
    pins_version: u64,
}

/// What a bundle says besides keys.
#[derive(Debug, Clone)]
pub struct BundleParams {
    /// Whose it is, at this server.
    pub user_id: UserId,
    /// The address it stands for.
    pub address: Address,
    /// One more than the bundle before, from 1.
    pub seq: u32,
    /// [`Bundle::hash`] of the bundle before; zeros at seq 1.
    pub prev_hash: [u8; 32],
    /// Unix seconds.
    pub created: u64,
    /// Lowest format version this person accepts.
    pub min_format: u16,
}

impl Identity {
    /// A new person.
    pub fn generate() -> Self {
        Self {
            roots: vec![RootKeyPair::generate()],
            xwing: vec![XWingKeyPair::from_seed(Secret::generate())],
            rsa: Vec::new(),
            pins_version: 0,
        }
    }

    /// `None` if there is no root or no X-Wing key.
    pub(crate) fn from_parts(
        roots: Vec<RootKeyPair>,
        xwing: Vec<XWingKeyPair>,
        rsa: Vec<RsaPrivateKey>,
        pins_version: u64,
    ) -> Option<Self> {
        (!roots.is_empty() && !xwing.is_empty()).then_some(Self { roots, xwing, rsa, pins_version })
    }

    /// The present root.
    pub fn root(&self) -> &RootKeyPair {
        &self.roots[0]
    }

    /// The present root's id: who this person is to others.
    pub fn root_id(&self) -> RootId {
        self.root().root_id()
    }

    /// The public keys of all roots, newest first.
    pub fn root_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.roots.iter().map(RootKeyPair::public)
    }

    /// All roots, newest first.
    /// The root key pair that is `root`, present or retired.
    pub fn root_pair(&self, root: RootId) -> Option<&RootKeyPair> {
        self.root_pairs().find(|pair| pair.root_id() == root)
    }

    pub(crate) fn root_pairs(&self) -> impl Iterator<Item = &RootKeyPair> {
        self.roots.iter()
    }

    /// Whether `root` is one of this person's, present or retired.
    pub fn has_root(&self, root: RootId) -> bool {
        self.roots.iter().any(|pair| pair.root_id() == root)
    }

    /// The present X-Wing public key.
    pub fn xwing_public(&self) -> &[u8; XWING_PUBLIC_LEN] {
        &self.xwing[0].public
    }

    /// The recipient id of a grant for the present root and X-Wing key.
    pub fn recipient_id(&self) -> RecipientId {
        recipient_id(Wrap::XWing, Some(self.root_id()), self.xwing_public())
    }

    /// All recipient ids that this identity can open grants of: every root, and no root, with every key, X-Wing
    /// and RSA.
    pub fn recipient_ids(&self) -> Vec<RecipientId> {
        let rsa = self.rsa.iter().flat_map(|key| self.owners().map(|root| key.public().recipient_id(root)));
        self.candidates().map(|(id, _)| id).chain(rsa).collect()
    }

    pub(crate) fn xwing_for(&self, recipient: RecipientId) -> Option<&XWingKeyPair> {
        self.candidates().find(|(id, _)| *id == recipient).map(|(_, key)| key)
    }

    /// Puts an RSA key in front, so that grants for it open; one that is there already is not added again.
    /// Whether it was added.
    pub fn add_rsa(&mut self, key: RsaPrivateKey) -> bool {
        let new = self.rsa.iter().all(|known| known.public() != key.public());
        if new {
            self.rsa.insert(0, key);
        }
        new
    }

    /// The RSA keys, newest first.
    pub fn rsa_keys(&self) -> impl Iterator<Item = &RsaPrivateKey> {
        self.rsa.iter()
    }

    /// The RSA key of a grant for `recipient`: every key stands alone, and with every root.
    pub(crate) fn rsa_for(&self, recipient: RecipientId) -> Option<&RsaPrivateKey> {
        self.rsa.iter().find(|key| self.owners().any(|root| key.public().recipient_id(root) == recipient))
    }

    /// The roots, present and retired, that a key may be vouched for by, and none.
    fn owners(&self) -> impl Iterator<Item = Option<RootId>> {
        self.roots.iter().map(|root| Some(root.root_id())).chain([None])
    }

    fn candidates(&self) -> impl Iterator<Item = (RecipientId, &XWingKeyPair)> {
        self.xwing.iter().flat_map(|key| {
            self.owners().map(move |root| (recipient_id(Wrap::XWing, root, key.public.as_slice()), key))
        })
    }

    /// Puts a fresh root and a fresh X-Wing key in front; the old ones are kept as retired.
    pub fn rotate(&mut self) {
        self.roots.insert(0, RootKeyPair::generate());
        self.rotate_xwing();
    }

    /// Puts a fresh X-Wing key in front; the old one is kept as retired.
    pub fn rotate_xwing(&mut self) {
        self.xwing.insert(0, XWingKeyPair::from_seed(Secret::generate()));
    }

    /// The signed bundle of the present root and X-Wing key.
    pub fn bundle(&self, params: &BundleParams) -> Result<Bundle, SealError> {
        self.signed_bundle(params, None)
    }

    /// The bundle that links the present root to the one before, signed by both.
    /// [`SealError::Grantor`] if there is no root before.
    pub fn rotation_bundle(&self, params: &BundleParams) -> Result<Bundle, SealError> {
        self.signed_bundle(params, Some(self.roots.get(1).ok_or(SealError::Grantor)?))
    }

    fn signed_bundle(
        &self,
        params: &BundleParams,
        previous: Option<&RootKeyPair>,
    ) -> Result<Bundle, SealError> {
        let body = BundleBody {
            user_id: params.user_id,
            seq: params.seq,
            prev_hash: params.prev_hash,
            root_key: *self.root().public(),
            prev_root: previous.map(|root| *root.public()),
            created: params.created,
            min_format: params.min_format,
            address: params.address.clone(),
            keys: vec![BundleKey {
                usage: KeyUsage::V1,
                algorithm: KeyAlgorithm::XWing,
                not_before: params.created,
                not_after: 0,
                key: self.xwing_public().as_slice().into(),
            }],
        };
        let mut bytes = body.encode()?;
        let signature = self.root().sign(&[SIGNATURE_CONTEXT, &bytes]);
        let linked = previous.map_or([0; 64], |root| *root.sign(&[ROTATION_CONTEXT, &bytes]).as_bytes());
        bytes.extend_from_slice(signature.as_bytes());
        bytes.extend_from_slice(&linked);
        Ok(Bundle::parse(bytes)?)
    }

    /// Whether `bundle` is this identity's present one: the same root, every key derived again and
    /// equal, and the present X-Wing key among them.
    pub fn matches(&self, bundle: &Bundle) -> bool {
        let ours = |key: &BundleKey| match key.algorithm {
            KeyAlgorithm::XWing => self.xwing.iter().any(|pair| pair.public.as_slice() == &*key.key),
            KeyAlgorithm::Rsa => self.rsa.iter().any(|pair| *pair.public().spki() == *key.key),
        };
        bundle.verify().is_ok()
            && bundle.root_key() == self.root().public()
            && bundle.keys().iter().all(ours)
            && bundle.keys().iter().any(|key| *key.key == *self.xwing_public())
    }

    /// Whether `bundle` may be the one before this identity's next: by the present root or the one before it, and
    /// naming no key that is not here. A bundle that [`Identity::matches`] is not: nothing has changed since.
    pub fn succeeds(&self, bundle: &Bundle) -> bool {
        let known = |key: &BundleKey| {
            key.algorithm != KeyAlgorithm::XWing
                || self.xwing.iter().any(|pair| pair.public.as_slice() == &*key.key)
        };
        bundle.verify().is_ok()
            && self.roots.iter().take(2).any(|root| root.public() == bundle.root_key())
            && bundle.keys().iter().all(known)
            && !self.matches(bundle)
    }

    /// The signed bundle that comes after `previous`, made at `created` (Unix seconds): linked by the previous root
    /// if the root is another. Address, user and lowest format stay.
    pub fn next_bundle(&self, previous: &Bundle, created: u64) -> Result<Bundle, SealError> {
        let params = BundleParams {
            user_id: previous.user_id(),
            address: previous.address().clone(),
            seq: previous.seq().checked_add(1).ok_or(SealError::TooLong)?,
            prev_hash: previous.hash(),
            created,
            min_format: previous.min_format(),
        };
        if previous.root_key() == self.root().public() {
            self.bundle(&params)
        } else {
            self.rotation_bundle(&params)
        }
    }

    /// Signs an action that only the holder of the root may ask for; see [`envelope::action`].
    ///
    /// # Panics
    /// If `purpose` holds a zero byte.
    pub fn sign_action(&self, purpose: &str, bytes: &[u8]) -> Signature {
        self.root().sign(&[&action::context(purpose), bytes])
    }

    /// The version of the record of pins that this identity last saw.
    pub fn pins_version(&self) -> u64 {
        self.pins_version
    }

    /// Notes the version of the record of pins. Values above 2^53 − 1 cannot be stored.
    pub fn set_pins_version(&mut self, version: u64) {
        self.pins_version = version;
    }

    pub(crate) fn roots(&self) -> &[RootKeyPair] {
        &self.roots
    }

    pub(crate) fn xwing(&self) -> &[XWingKeyPair] {
        &self.xwing
    }

    pub(crate) fn rsa(&self) -> &[RsaPrivateKey] {
        &self.rsa
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity[redacted]")
    }
}

#[cfg(test)]
mod tests;
