//! RSA keys: for files sealed to a key that stands alone, and for people who keep one.
//!
//! Exactly 2048, 3072 or 4096 bits with the exponent 65537; everything else is refused, wherever it
//! comes from. Encryption is OAEP with SHA-256 and MGF1-SHA-256, labelled with what the file key is
//! bound to.
//!
//! Private operations are aws-lc's: they blind the base, exponentiate and take the OAEP padding off
//! in constant time, and check the result against the public key. One error without detail comes
//! out of them, so that nobody learns whether a key or a padding was wrong.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use envelope::grant::recipient_id;
use envelope::{RecipientId, RootId, Wrap};
use zeroize::Zeroizing;

use crate::{FileKey, Passphrase, Secret, pem};

const SPKI_LABEL: &str = "PUBLIC KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";
const PKCS1_LABEL: &str = "RSA PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
/// AlgorithmIdentifier { rsaEncryption, NULL }, at offset 4 of every SubjectPublicKeyInfo here.
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// INTEGER 65537, the last bytes of every SubjectPublicKeyInfo here.
const EXPONENT: &[u8] = b"\x02\x03\x01\x00\x01";

/// Why a key file was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsaKeyError {
    /// The text is not exactly one PEM block.
    #[error("not one PEM block")]
    Pem,
    /// A PEM block, but of something else: a private key where a public one is wanted, or the reverse.
    #[error("a PEM block of another kind")]
    Kind,
    /// The key is under a passphrase and none was given.
    #[error("the key is protected by a passphrase")]
    PassphraseNeeded,
    /// The passphrase is wrong, or the file is damaged.
    #[error("the passphrase does not open the key")]
    Passphrase,
    /// The key is encrypted in a way that is not read: not PBES2 with AES, or PBKDF2 with SHA-1.
    #[error("the key is encrypted in a way that is not supported")]
    Encryption,
    /// The file asks for more work or memory than any honest file.
    #[error("the key file asks for an unreasonable amount of work")]
    Cost,
    /// Not an RSA key of 2048, 3072 or 4096 bits with the exponent 65537, or its numbers do not belong together.
    #[error("not an RSA key of 2048, 3072 or 4096 bits with the exponent 65537")]
    Key,
}

/// How long a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RsaBits {
    /// 2048 bits.
    B2048,
    /// 3072 bits.
    B3072,
    /// 4096 bits.
    B4096,
}

impl RsaBits {
    /// The length in bits.
    pub fn bits(self) -> usize {
        match self {
            Self::B2048 => 2048,
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }

    /// The length of the modulus, and of a wrapped file key, in bytes.
    pub fn modulus_len(self) -> usize {
        self.bits() / 8
    }

    /// The length of the DER SubjectPublicKeyInfo in bytes.
    pub fn spki_len(self) -> usize {
        self.modulus_len() + 38
    }

    fn from_bits(bits: usize) -> Option<Self> {
        [Self::B2048, Self::B3072, Self::B4096].into_iter().find(|size| size.bits() == bits)
    }

    fn key_size(self) -> KeySize {
        match self {
            Self::B2048 => KeySize::Rsa2048,
            Self::B3072 => KeySize::Rsa3072,
            Self::B4096 => KeySize::Rsa4096,
        }
    }
}

/// An RSA public key.
#[derive(Clone)]
pub struct RsaPublicKey {
    key: PublicEncryptingKey,
    bits: RsaBits,
    spki: Box<[u8]>,
}

impl RsaPublicKey {
    /// Reads a PEM file `PUBLIC KEY`.
    pub fn from_pem(text: &str) -> Result<Self, RsaKeyError> {
        match pem::decode(text)? {
            (SPKI_LABEL, der) => Self::from_spki(&der),
            _ => Err(RsaKeyError::Kind),
        }
    }

    /// The key as a PEM file `PUBLIC KEY`.
    pub fn to_pem(&self) -> String {
        pem::encode(SPKI_LABEL, &self.spki).to_string()
    }

    /// The key of a DER SubjectPublicKeyInfo in its one legal spelling: 294, 422 or 550 bytes.
    pub fn from_spki(der: &[u8]) -> Result<Self, RsaKeyError> {
        let key = PublicEncryptingKey::from_der(der).map_err(|_| RsaKeyError::Key)?;
        let public = Self::new(key)?;
        if *public.spki == *der { Ok(public) } else { Err(RsaKeyError::Key) }
    }

    fn new(key: PublicEncryptingKey) -> Result<Self, RsaKeyError> {
        let bits = RsaBits::from_bits(key.key_size_bits()).ok_or(RsaKeyError::Key)?;
        let spki: Box<[u8]> = key.as_der().map_err(|_| RsaKeyError::Key)?.as_ref().into();
        // With the lengths of modulus and whole fixed, these bytes leave the exponent no other value.
        let legal = spki.len() == bits.spki_len()
            && spki[4..].starts_with(RSA_ENCRYPTION)
            && spki.ends_with(EXPONENT);
        if legal { Ok(Self { key, bits, spki }) } else { Err(RsaKeyError::Key) }
    }

    /// The DER SubjectPublicKeyInfo: 294, 422 or 550 bytes.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// How long the key is.
    pub fn bits(&self) -> RsaBits {
        self.bits
    }

    /// The recipient id of a grant for this key, alone or vouched for by `root`.
    pub fn recipient_id(&self, root: Option<RootId>) -> RecipientId {
        recipient_id(Wrap::RsaOaep, root, &self.spki)
    }

    /// Wraps `fk` for this key: 256, 384 or 512 bytes.
    pub(crate) fn wrap(&self, fk: &FileKey, bound: &[u8; 32]) -> Vec<u8> {
        self.encrypt(fk.secret(), Some(bound))
    }

    /// The same for the compatible older format alone: with an empty label, which this one never has.
    pub(crate) fn wrap_v0(&self, fk: &Secret<32>) -> Vec<u8> {
        self.encrypt(fk, None)
    }

    fn encrypt(&self, fk: &Secret<32>, label: Option<&[u8]>) -> Vec<u8> {
        let key = OaepPublicEncryptingKey::new(self.key.clone()).expect("an RSA key takes OAEP");
        let mut wrapped = vec![0; self.bits.modulus_len()];
        let len = key
            .encrypt(&OAEP_SHA256_MGF1SHA256, fk.expose_secret(), &mut wrapped, label)
            .expect("32 bytes fit every legal key")
            .len();
        debug_assert_eq!(len, self.bits.modulus_len());
        wrapped
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for RsaPublicKey {}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublicKey")
            .field("bits", &self.bits.bits())
            .field("recipient", &self.recipient_id(None))
            .finish()
    }
}

/// An RSA private key. Zeroed on drop, never printed.
pub struct RsaPrivateKey {
    key: OaepPrivateDecryptingKey,
    /// As aws-lc writes it, whatever it was read from.
    pkcs8: Zeroizing<Vec<u8>>,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// A fresh key. Takes up to some seconds for 4096 bits.
    ///
    /// # Panics
    /// If the system's random generator fails.
    pub fn generate(bits: RsaBits) -> Self {
        let key = PrivateDecryptingKey::generate(bits.key_size()).expect("the system's generator works");
        Self::new(key).expect("a generated key has the size and exponent that were asked for")
    }

    /// Reads a PEM file: `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `ENCRYPTED PRIVATE KEY`
    /// (PKCS#8 under a passphrase: PBES2 with PBKDF2 or scrypt, and AES).
    ///
    /// A passphrase is ignored where the file needs none. The costs of a key derivation are judged
    /// before anything is spent on it.
    pub fn from_pem(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, RsaKeyError> {
        match pem::decode(text)? {
            (PKCS8_LABEL, der) => Self::from_pkcs8(&der),
            (PKCS1_LABEL, der) => {
                let pair = KeyPair::from_der(&der).map_err(|_| RsaKeyError::Key)?;
                Self::from_pkcs8(pair.as_der().map_err(|_| RsaKeyError::Key)?.as_ref())
            }
            (ENCRYPTED_LABEL, der) => {
                let plain = pem::decrypt(&der, passphrase.ok_or(RsaKeyError::PassphraseNeeded)?)?;
                // A wrong passphrase now and then leaves bytes behind that look padded.
                pkcs8::PrivateKeyInfoRef::try_from(plain.as_slice()).map_err(|_| RsaKeyError::Passphrase)?;
                Self::from_pkcs8(&plain)
            }
            _ => Err(RsaKeyError::Kind),
        }
    }

    /// The key as a PEM file `ENCRYPTED PRIVATE KEY`: PBKDF2-HMAC-SHA-256 with 600,000 rounds and
    /// AES-256-CBC, which `openssl pkey` reads as it is.
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Zeroizing<String> {
        pem::encode(ENCRYPTED_LABEL, &pem::encrypt(&self.pkcs8, passphrase))
    }

    /// The key of an unencrypted PKCS#8 document of version 1 (RFC 5958), nothing behind it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, RsaKeyError> {
        // aws-lc reads version 2 and leaves alone what follows.
        let info = pkcs8::PrivateKeyInfoRef::try_from(der).map_err(|_| RsaKeyError::Key)?;
        if info.public_key.is_some() {
            return Err(RsaKeyError::Key);
        }
        Self::new(PrivateDecryptingKey::from_pkcs8(der).map_err(|_| RsaKeyError::Key)?)
    }

    fn new(key: PrivateDecryptingKey) -> Result<Self, RsaKeyError> {
        let public = RsaPublicKey::new(key.public_key())?;
        let pkcs8 = key.as_der().map_err(|_| RsaKeyError::Key)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| RsaKeyError::Key)?;
        Ok(Self { key, pkcs8, public })
    }

    /// The key as an unencrypted PKCS#8 document: as secret as the key.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key.
    pub fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Unwraps a file key. `None` for every cause.
    pub(crate) fn unwrap(&self, wrapped: &[u8], bound: &[u8; 32]) -> Option<FileKey> {
        self.decrypt(wrapped, Some(bound)).map(FileKey::from_secret)
    }

    /// The same for the compatible older format alone: with an empty label.
    pub(crate) fn unwrap_v0(&self, wrapped: &[u8]) -> Option<Secret<32>> {
        self.decrypt(wrapped, None)
    }

    fn decrypt(&self, wrapped: &[u8], label: Option<&[u8]>) -> Option<Secret<32>> {
        let mut plain = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let fk = self.key.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut plain, label).ok()?;
        Secret::from_slice(fk)
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey[redacted]")
    }
}
