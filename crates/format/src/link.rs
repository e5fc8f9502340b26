//! Links: a secret in the fragment of an address, what is derived from it, and the address itself.
//!
//! The server is told the public half of a signing key and nothing else that the secret or the password goes into.

use std::fmt;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use envelope::ed25519::{PublicKey, Signature};
use envelope::link::{AUTH_CONTEXT, LinkId, NONCE_LEN};
use envelope::{ParseError, RecipientId, RootId};
use zeroize::Zeroizing;

use crate::kdf::{argon2id, hkdf};
use crate::small::{open_small, seal_small};
use crate::{FileKey, Passphrase, RootKeyPair, SealError, Secret, random};

const TEXT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);
/// Longest origin of an address, bytes: `https://`, a name of 253 and a port.
const ORIGIN_MAX: usize = 267;
/// Characters of 32 bytes.
const TEXT_32: usize = 43;

/// A fresh link id whose text does not begin with a dash: people type it as an argument of commands.
pub fn link_id() -> LinkId {
    loop {
        let id = LinkId::from_bytes(random::bytes());
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}

/// The secret of a link: 32 random bytes that stand in the fragment and never reach a server.
#[derive(PartialEq, Eq)]
pub struct LinkSecret(Secret<32>);

impl LinkSecret {
    /// A fresh secret.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    /// Takes 32 secret bytes.
    pub fn from_secret(secret: Secret<32>) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What is derived from a link's secret, and from its password if it has one.
pub struct LinkKeys {
    id: LinkId,
    wrap: Secret<32>,
    auth: RootKeyPair,
}

impl LinkKeys {
    /// Derives the keys of the link `id`. IKM = secret, or secret ‖ Argon2id(password, salt) with salt the first 16 bytes
    /// of HKDF(secret, id, `"waxwing/v1/link/salt"`); then HKDF(IKM, id, …) twice. With a password it takes 64 MiB and a
    /// few tenths of a second.
    pub fn derive(id: LinkId, secret: &LinkSecret, password: Option<&Passphrase>) -> Self {
        let secret = secret.0.expose_secret();
        let mut ikm = Zeroizing::new(Vec::with_capacity(64));
        ikm.extend_from_slice(secret);
        if let Some(password) = password {
            let salt = hkdf(secret, id.as_bytes(), &[b"waxwing/v1/link/salt"]);
            let (salt, _) = salt.expose_secret().split_first_chunk().expect("32 bytes begin with 16");
            ikm.extend_from_slice(argon2id(password, salt).expose_secret());
        }
        Self {
            id,
            wrap: hkdf(&ikm, id.as_bytes(), &[b"waxwing/v1/link/wrap"]),
            auth: RootKeyPair::from_seed(hkdf(&ikm, id.as_bytes(), &[b"waxwing/v1/link/auth"])),
        }
    }

    /// The link.
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// What the server is told, and all that it can check a proof by.
    pub fn public(&self) -> &PublicKey {
        self.auth.public()
    }

    /// The proof for the server's nonce.
    pub fn prove(&self, nonce: &[u8; NONCE_LEN]) -> Signature {
        self.auth.sign(&[AUTH_CONTEXT, self.id.as_bytes(), nonce])
    }

    /// The recipient id of the link's grant.
    pub fn recipient_id(&self) -> RecipientId {
        self.id.recipient_id()
    }

    /// The file key under the link's key, 138 bytes.
    pub(crate) fn wrap(&self, fk: &FileKey, bound: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        seal_small(&self.wrap, bound, fk.secret().expose_secret())
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8], bound: &[u8; 32]) -> Option<FileKey> {
        let fk = open_small(&self.wrap, bound, wrapped).ok()?;
        Secret::from_slice(&fk).map(FileKey::from_secret)
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys[redacted]")
    }
}

/// A link as it is passed on: `https://HOST[:PORT]/s/ID#1.SECRET.ROOT`, and `#1p.` where it has a password. The three
/// binary fields are base64url without padding. Neither printed nor serialised but by [`LinkAddress::expose_secret`].
pub struct LinkAddress {
    origin: String,
    id: LinkId,
    secret: LinkSecret,
    has_password: bool,
    sender: RootId,
}

impl LinkAddress {
    /// The address of a link at `origin` (`https://HOST[:PORT]`).
    pub fn new(
        origin: &str,
        id: LinkId,
        secret: LinkSecret,
        has_password: bool,
        sender: RootId,
    ) -> Result<Self, ParseError> {
        check_origin(origin)?;
        Ok(Self { origin: origin.to_owned(), id, secret, has_password, sender })
    }

    /// Reads exactly what [`LinkAddress::expose_secret`] writes; nothing else is a link.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let bad = ParseError::Spelling { field: "link" };
        let (place, fragment) = text.split_once('#').ok_or(bad)?;
        let (origin, id) = place.split_once("/s/").ok_or(bad)?;
        check_origin(origin)?;
        let (has_password, rest) = match (fragment.strip_prefix("1."), fragment.strip_prefix("1p.")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(bad),
        };
        let (secret, root) = rest.split_once('.').ok_or(bad)?;
        let root = secret_of(root).ok_or(bad)?;
        Ok(Self {
            origin: origin.to_owned(),
            id: id.parse()?,
            secret: LinkSecret(secret_of(secret).ok_or(bad)?),
            has_password,
            sender: RootId::from_bytes(*root.expose_secret()),
        })
    }

    /// `https://HOST[:PORT]`. Whether that is a server's address is for whoever connects to judge.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The link.
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// Whether a password goes into the keys; the server is never asked.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The root that must have given the file.
    pub fn sender(&self) -> RootId {
        self.sender
    }

    /// The link's keys; `password` exactly if the link has one.
    pub fn keys(&self, password: Option<&Passphrase>) -> LinkKeys {
        LinkKeys::derive(self.id, &self.secret, password)
    }

    /// The whole address. Every use is a place to look at in review.
    pub fn expose_secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(ORIGIN_MAX + 128));
        let secret = text_of(self.secret.0.expose_secret());
        let mark = if self.has_password { "1p" } else { "1" };
        for part in [self.origin.as_str(), "/s/", &self.id.to_string(), "#", mark, ".", &secret, "."] {
            text.push_str(part);
        }
        text.push_str(&text_of(self.sender.as_bytes()));
        text
    }
}

impl fmt::Debug for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkAddress[redacted]")
    }
}

/// 32 bytes as base64url, 43 characters.
pub(crate) fn text_of(bytes: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new([0; TEXT_32]);
    let len = TEXT.encode_slice(bytes, &mut *text).expect("32 bytes are 43 characters");
    Zeroizing::new(std::str::from_utf8(&text[..len]).expect("base64url is ASCII").to_owned())
}

pub(crate) fn secret_of(text: &str) -> Option<Secret<32>> {
    if text.len() != TEXT_32 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    let len = TEXT.decode_slice(text, &mut *bytes).ok()?;
    (len == 32).then(|| Secret::from_bytes(*bytes))
}

/// What no origin holds is refused here, so that no part of an address stands where another is meant.
pub(crate) fn check_origin(origin: &str) -> Result<(), ParseError> {
    let bad = ParseError::Spelling { field: "link" };
    let host = origin.strip_prefix("https://").ok_or(bad)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]_".contains(&byte);
    let begins = |first: &u8| first.is_ascii_alphanumeric() || *first == b'[';
    if !host.as_bytes().first().is_some_and(begins) || origin.len() > ORIGIN_MAX || !host.bytes().all(plain) {
        return Err(bad);
    }
    Ok(())
}
