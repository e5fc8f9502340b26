//! The server's own keys: two secrets, made on first start or given, and one subkey of them for each purpose.

use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hkdf, hmac};
use db::{CeremonyHash, CodeMac, CredentialMac, Digest, Lookup, PasskeyId, RefreshHash, StoredBundle};
use envelope::Address;
use envelope::audit::Head;
use envelope::ed25519::PublicKey;
use envelope::ids::{FileId, UserId};
use zeroize::Zeroizing;

use crate::config::Secrets;
use crate::http::Keeper;
use crate::private_file;

/// Which key a purpose gets; each label is used nowhere else.
#[derive(Clone, Copy)]
enum Purpose {
    AddressLookup,
    AddressEncryption,
    BundleEncryption,
    CodeMac,
    LimitSubject,
    TicketMac,
    LinkNonce,
    AccessToken,
    RefreshSuccessor,
    FactorEncryption,
    BackupCode,
    PasskeyEncryption,
    PasskeyLookup,
    AuditKeys,
    AuditHead,
    V0Encryption,
    KeyCheck,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AddressLookup => b"waxwing/v1/server/address-lookup",
            Self::AddressEncryption => b"waxwing/v1/server/address-encryption",
            Self::BundleEncryption => b"waxwing/v1/server/bundle-encryption",
            Self::CodeMac => b"waxwing/v1/server/code",
            Self::LimitSubject => b"waxwing/v1/server/limit-subject",
            Self::TicketMac => b"waxwing/v1/server/ticket",
            Self::LinkNonce => b"waxwing/v1/server/link-nonce",
            Self::AccessToken => b"waxwing/v1/server/access-token",
            Self::RefreshSuccessor => b"waxwing/v1/server/refresh-successor",
            Self::FactorEncryption => b"waxwing/v1/server/factor-encryption",
            Self::BackupCode => b"waxwing/v1/server/backup-code",
            Self::PasskeyEncryption => b"waxwing/v1/server/passkey-encryption",
            Self::PasskeyLookup => b"waxwing/v1/server/passkey-lookup",
            Self::AuditKeys => b"waxwing/v1/server/audit-keys",
            Self::AuditHead => b"waxwing/v1/server/audit-head",
            Self::V0Encryption => b"waxwing/v1/server/v0-encryption",
            Self::KeyCheck => b"waxwing/v1/server/key-check",
        }
    }
}

/// What is sealed of passkeys, and where it belongs.
#[derive(Clone, Copy)]
pub(crate) enum PasskeyPlace {
    /// The public key and what belongs to it.
    Credential(UserId, PasskeyId),
    /// The name that its owner gave it.
    Name(UserId, PasskeyId),
    /// The state of a ceremony.
    Ceremony(CeremonyHash),
}

impl PasskeyPlace {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Credential(user, id) => [&[1], user.as_bytes().as_slice(), id.as_bytes()].concat(),
            Self::Name(user, id) => [&[2], user.as_bytes().as_slice(), id.as_bytes()].concat(),
            Self::Ceremony(hash) => [&[3], hash.as_bytes().as_slice()].concat(),
        }
    }
}

/// What is sealed of a file of the documented API, and of which.
#[derive(Clone, Copy)]
pub(crate) enum V0Place {
    /// What it is called.
    Name(FileId),
    /// What its recipient needs to open it.
    Rest(FileId),
}

impl V0Place {
    fn bytes(self) -> [u8; 17] {
        let (tag, file) = match self {
            Self::Name(file) => (1, file),
            Self::Rest(file) => (2, file),
        };
        let mut bytes = [tag; 17];
        bytes[1..].copy_from_slice(file.as_bytes());
        bytes
    }
}

/// Every key that the server uses, ready.
pub(crate) struct Keys {
    lookup: hmac::Key,
    address: RandomizedNonceKey,
    bundle: RandomizedNonceKey,
    code: hmac::Key,
    subject: hmac::Key,
    ticket: hmac::Key,
    link_nonce: hmac::Key,
    successor: hmac::Key,
    factor: RandomizedNonceKey,
    backup: hmac::Key,
    passkey: RandomizedNonceKey,
    credential: hmac::Key,
    audit_keys: RandomizedNonceKey,
    audit_head: Ed25519KeyPair,
    v0: RandomizedNonceKey,
    check: Digest,
    /// Ed25519 seeds of access tokens: the one that signs, then those still believed.
    pub(crate) access_seeds: Vec<Zeroizing<[u8; 32]>>,
}

impl Keys {
    /// Reads the secrets that were given, or those in `dir`, making what is missing.
    pub(crate) fn open(given: &Secrets, dir: &Path) -> io::Result<Self> {
        let secret_key = match &given.secret_key {
            Some(secret) => Zeroizing::new(secret.expose_secret().to_vec()),
            None => kept(&dir.join("secret_key"))?,
        };
        let jwt_secret = match &given.jwt_secret {
            Some(secret) => Zeroizing::new(secret.expose_secret().to_vec()),
            None => kept(&dir.join("jwt_secret"))?,
        };
        let mut keys = Self::derive(&secret_key, &jwt_secret);
        if let Some(previous) = &given.jwt_secret_previous {
            keys.access_seeds.push(subkey(previous.expose_secret(), Purpose::AccessToken));
        }
        Ok(keys)
    }

    fn derive(secret_key: &[u8], jwt_secret: &[u8]) -> Self {
        let mac = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &*subkey(secret_key, purpose));
        let aead = |purpose| {
            RandomizedNonceKey::new(&AES_256_GCM, &*subkey(secret_key, purpose))
                .expect("a subkey has the length of an AES-256 key")
        };
        Self {
            lookup: mac(Purpose::AddressLookup),
            address: aead(Purpose::AddressEncryption),
            bundle: aead(Purpose::BundleEncryption),
            code: mac(Purpose::CodeMac),
            subject: mac(Purpose::LimitSubject),
            ticket: mac(Purpose::TicketMac),
            link_nonce: mac(Purpose::LinkNonce),
            successor: mac(Purpose::RefreshSuccessor),
            factor: aead(Purpose::FactorEncryption),
            backup: mac(Purpose::BackupCode),
            passkey: aead(Purpose::PasskeyEncryption),
            credential: mac(Purpose::PasskeyLookup),
            audit_keys: aead(Purpose::AuditKeys),
            audit_head: audit_head(secret_key),
            v0: aead(Purpose::V0Encryption),
            check: Digest::from_bytes(*subkey(secret_key, Purpose::KeyCheck)),
            access_seeds: vec![subkey(jwt_secret, Purpose::AccessToken)],
        }
    }

    /// What a database keeps to know these keys by. It follows from `SECRET_KEY` as a subkey that is used for nothing else, and
    /// opens nothing.
    pub(crate) fn check(&self) -> Digest {
        self.check
    }

    /// By what an address is found again.
    pub(crate) fn lookup(&self, address: &Address) -> Lookup {
        Lookup::from_bytes(mac(&self.lookup, &[address.as_str().as_bytes()]))
    }

    /// An address as it rests: nonce 12 ‖ ciphertext ‖ tag 16, bound to its lookup value.
    pub(crate) fn seal_address(&self, address: &Address) -> Vec<u8> {
        let lookup = self.lookup(address);
        seal(&self.address, lookup.as_bytes(), address.as_str().as_bytes())
    }

    /// An address that rested; `None` if it was sealed with another `SECRET_KEY`, or for another lookup value.
    pub(crate) fn open_address(&self, lookup: &Lookup, sealed: Vec<u8>) -> Option<Address> {
        let plain = open(&self.address, lookup.as_bytes(), sealed)?;
        Address::parse(std::str::from_utf8(&plain).ok()?).ok()
    }

    /// What the documented API tells of a file, as it rests, bound to the file and to what it is.
    pub(crate) fn seal_v0(&self, place: V0Place, told: &[u8]) -> Vec<u8> {
        seal(&self.v0, &place.bytes(), told)
    }

    /// What rested; `None` if it was sealed with another `SECRET_KEY`, or for another place.
    pub(crate) fn open_v0(&self, place: V0Place, sealed: Vec<u8>) -> Option<Vec<u8>> {
        open(&self.v0, &place.bytes(), sealed)
    }

    /// The secret of an authenticator app as it rests, bound to its owner.
    pub(crate) fn seal_factor(&self, user: UserId, secret: &[u8; 20]) -> Vec<u8> {
        seal(&self.factor, user.as_bytes(), secret)
    }

    /// Such a secret that rested; `None` if it was sealed with another `SECRET_KEY`, or for somebody else.
    pub(crate) fn open_factor(&self, user: UserId, sealed: Vec<u8>) -> Option<Zeroizing<[u8; 20]>> {
        let plain = Zeroizing::new(open(&self.factor, user.as_bytes(), sealed)?);
        Some(Zeroizing::new(plain.as_slice().try_into().ok()?))
    }

    /// A backup code together with whose it is.
    pub(crate) fn backup_mac(&self, user: UserId, code: &str) -> CodeMac {
        CodeMac::from_bytes(mac(&self.backup, &[user.as_bytes(), code.as_bytes()]))
    }

    /// By what the credential of a passkey is found again.
    pub(crate) fn credential_mac(&self, credential: &[u8]) -> CredentialMac {
        CredentialMac::from_bytes(mac(&self.credential, &[credential]))
    }

    /// What belongs to a passkey as it rests, bound to its place.
    pub(crate) fn seal_passkey(&self, place: PasskeyPlace, plain: &[u8]) -> Vec<u8> {
        seal(&self.passkey, &place.bytes(), plain)
    }

    /// Such a thing that rested; `None` if it was sealed with another `SECRET_KEY`, or for another place.
    pub(crate) fn open_passkey(&self, place: PasskeyPlace, sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.passkey, &place.bytes(), sealed).map(Zeroizing::new)
    }

    /// The refresh token that takes another's place: always the same one, so that an answer that was lost can be
    /// given again, and none that anybody without the server's key could compute.
    pub(crate) fn refresh_successor(&self, token: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.successor, &[token]))
    }

    /// A bundle as it rests: public to whoever asks with an account, but it names an address, and whoever reads
    /// the database alone is to find none. Bound to its owner and its place in the chain.
    pub(crate) fn seal_bundle(&self, user: UserId, seq: u32, bundle: &[u8]) -> Vec<u8> {
        seal(&self.bundle, &bundle_place(user, seq), bundle)
    }

    /// A bundle that rested; `None` if it was sealed with another `SECRET_KEY`, or for another place.
    pub(crate) fn open_bundle(&self, stored: StoredBundle) -> Option<Vec<u8>> {
        open(&self.bundle, &bundle_place(stored.user, stored.seq), stored.bundle)
    }

    /// A one-time code together with whose it is.
    pub(crate) fn code_mac(&self, lookup: &Lookup, code: &str) -> CodeMac {
        CodeMac::from_bytes(mac(&self.code, &[lookup.as_bytes(), code.as_bytes()]))
    }

    /// A counted limit's bucket; the subject (an address of any kind) does not show in it.
    pub(crate) fn bucket(&self, kind: &str, subject: &[u8]) -> Vec<u8> {
        let hidden = mac(&self.subject, &[kind.as_bytes(), &[0], subject]);
        [kind.as_bytes(), b":", &hidden[..16]].concat()
    }

    /// The code that makes a ticket good.
    pub(crate) fn ticket_mac(&self, ticket: &[u8]) -> [u8; 32] {
        mac(&self.ticket, &[ticket])
    }

    /// The code that makes a link's nonce good.
    pub(crate) fn link_nonce_mac(&self, nonce: &[u8]) -> [u8; 32] {
        mac(&self.link_nonce, &[nonce])
    }

    /// Compares a ticket's code in constant time.
    pub(crate) fn ticket_is_good(&self, ticket: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.ticket, ticket, code).is_ok()
    }

    /// A person's audit key as it rests, bound to its person.
    pub(crate) fn seal_audit_key(&self, user: UserId, key: &[u8; 32]) -> Vec<u8> {
        seal(&self.audit_keys, user.as_bytes(), key)
    }

    /// An audit key that rested; `None` if it was sealed with another `SECRET_KEY`, or for another person.
    pub(crate) fn open_audit_key(&self, user: UserId, sealed: Vec<u8>) -> Option<Zeroizing<[u8; 32]>> {
        let key = Zeroizing::new(open(&self.audit_keys, user.as_bytes(), sealed)?);
        key.as_slice().try_into().map(Zeroizing::new).ok()
    }

    /// Signs a head of the audit log.
    pub(crate) fn sign_head(&self, head: &Head) -> [u8; 64] {
        let signature = self.audit_head.sign(&head.signed_bytes());
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// The key that heads of the audit log verify with.
    pub(crate) fn log_key(&self) -> PublicKey {
        public_of(&self.audit_head)
    }
}

/// The key that heads of the audit log verify with, by the secret that was given or is kept in `dir`. Makes nothing.
pub(crate) fn log_key(given: &Secrets, dir: &Path) -> io::Result<PublicKey> {
    let secret_key = match &given.secret_key {
        Some(secret) => Zeroizing::new(secret.expose_secret().to_vec()),
        None => long_enough(std::fs::read(dir.join("secret_key"))?)?,
    };
    Ok(public_of(&audit_head(&secret_key)))
}

fn audit_head(secret_key: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&*subkey(secret_key, Purpose::AuditHead))
        .expect("a subkey has the length of an Ed25519 seed")
}

fn public_of(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey::from_bytes(pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes"))
}

fn bundle_place(user: UserId, seq: u32) -> Vec<u8> {
    [user.as_bytes().as_slice(), &seq.to_be_bytes()].concat()
}

/// Nonce 12 ‖ ciphertext ‖ tag 16.
pub(crate) fn seal(key: &RandomizedNonceKey, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut body = plain.to_vec();
    let nonce: Nonce = key
        .seal_in_place_append_tag(Aad::from(aad), &mut body)
        .expect("what rests in a row is far below the limit of AES-GCM");
    [nonce.as_ref().as_slice(), &body].concat()
}

/// What [`seal`] gave; `None` if it was sealed under another key or for another place.
pub(crate) fn open(key: &RandomizedNonceKey, aad: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_at_mut_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_in_place(nonce, Aad::from(aad), body).ok().map(|plain| plain.to_vec())
}

/// The hash by which a refresh token (32 random bytes, which need no key) is found again. One of a cookie is not found
/// as one of a program, and the other way round.
pub(crate) fn refresh_hash(keeper: Keeper, token: &[u8; 32]) -> RefreshHash {
    let label: &[u8] = match keeper {
        Keeper::Program => b"waxwing/v1/server/refresh\0",
        Keeper::Browser => b"waxwing/v1/server/refresh-browser\0",
    };
    RefreshHash::from_bytes(sha256(&[label, token]))
}

/// SHA-256 over parts.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes")
}

fn subkey(secret: &[u8], purpose: Purpose) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[purpose.label()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *out))
        .expect("32 bytes are one block of HKDF-SHA-256");
    out
}

/// A secret of the data folder: 64 hex digits, so that it can be moved into the environment as it is.
fn kept(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let made = private_file::read_or_make(path, || {
        let random: Zeroizing<[u8; 32]> = Zeroizing::new(crate::random::bytes());
        Ok(random.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect())
    })?;
    long_enough(made)
}

fn long_enough(secret: Vec<u8>) -> io::Result<Zeroizing<Vec<u8>>> {
    if secret.len() < 32 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the kept secret is too short"));
    }
    Ok(Zeroizing::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::derive(b"one secret key for tests", b"another secret for tokens")
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let all = [
            Purpose::AddressLookup,
            Purpose::AddressEncryption,
            Purpose::BundleEncryption,
            Purpose::CodeMac,
            Purpose::LimitSubject,
            Purpose::TicketMac,
            Purpose::LinkNonce,
            Purpose::AccessToken,
            Purpose::RefreshSuccessor,
            Purpose::FactorEncryption,
            Purpose::BackupCode,
            Purpose::PasskeyEncryption,
            Purpose::PasskeyLookup,
            Purpose::AuditKeys,
            Purpose::AuditHead,
            Purpose::V0Encryption,
        ];
        let keys: std::collections::BTreeSet<_> =
            all.into_iter().map(|purpose| *subkey(b"same secret", purpose)).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn a_sealed_address_opens_only_under_its_own_lookup() {
        let keys = keys();
        let address = Address::parse("alice@wax.example").unwrap();
        let sealed = keys.seal_address(&address);
        let opened = |aad: [u8; 32]| open(&keys.address, &aad, sealed.clone());
        assert_eq!(opened(*keys.lookup(&address).as_bytes()).unwrap(), b"alice@wax.example");
        assert_eq!(opened([0; 32]), None);
    }

    #[test]
    fn the_secret_of_an_app_opens_for_its_owner_alone() {
        let keys = keys();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let sealed = keys.seal_factor(alice, &[7; 20]);
        assert_eq!(keys.open_factor(alice, sealed.clone()).as_deref(), Some(&[7; 20]));
        assert!(keys.open_factor(bob, sealed.clone()).is_none());
        assert!(keys.open_factor(alice, sealed[..20].to_vec()).is_none());
        assert_ne!(keys.backup_mac(alice, "code"), keys.backup_mac(bob, "code"));
    }

    #[test]
    fn what_belongs_to_a_passkey_opens_in_its_own_place_alone() {
        let keys = keys();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let id = PasskeyId::from_bytes([3; 16]);
        let sealed = keys.seal_passkey(PasskeyPlace::Credential(alice, id), b"a public key");
        let opened = |place| keys.open_passkey(place, sealed.clone());
        assert_eq!(opened(PasskeyPlace::Credential(alice, id)).unwrap().as_slice(), b"a public key");
        assert!(opened(PasskeyPlace::Credential(bob, id)).is_none());
        assert!(opened(PasskeyPlace::Credential(alice, PasskeyId::from_bytes([4; 16]))).is_none());
        assert!(opened(PasskeyPlace::Name(alice, id)).is_none());
        assert!(opened(PasskeyPlace::Ceremony(CeremonyHash::from_bytes([1; 32]))).is_none());
    }

    #[test]
    fn a_refresh_token_has_one_successor_under_one_key() {
        let (keys, token) = (keys(), [9; 32]);
        assert_eq!(*keys.refresh_successor(&token), *keys.refresh_successor(&token));
        assert_ne!(*keys.refresh_successor(&token), token);
        let others = Keys::derive(b"one secret key for tests", b"a later secret for tokens");
        assert_ne!(*keys.refresh_successor(&token), *others.refresh_successor(&[8; 32]));
        let foreign = Keys::derive(b"somebody else's secret key", b"another secret for tokens");
        assert_ne!(*keys.refresh_successor(&token), *foreign.refresh_successor(&token));
    }

    #[test]
    fn a_refresh_token_of_one_kind_is_not_found_as_the_other() {
        assert_ne!(refresh_hash(Keeper::Program, &[9; 32]), refresh_hash(Keeper::Browser, &[9; 32]));
    }

    #[test]
    fn a_sealed_bundle_opens_only_in_its_own_place_and_shows_nothing() {
        let keys = keys();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let bundle = keys.seal_bundle(alice, 1, b"a bundle of alice@wax.example");
        assert!(!bundle.windows(5).any(|bytes| bytes == b"alice"));
        let stored = |user, seq, bundle: &[u8]| StoredBundle {
            user,
            seq,
            bundle: bundle.to_vec(),
            hash: Digest::from_bytes([0; 32]),
            root: envelope::RootId::from_bytes([0; 32]),
        };
        assert_eq!(keys.open_bundle(stored(alice, 1, &bundle)).unwrap(), b"a bundle of alice@wax.example");
        for wrong in [stored(bob, 1, &bundle), stored(alice, 2, &bundle), stored(alice, 1, &bundle[..11])] {
            assert_eq!(keys.open_bundle(wrong), None);
        }
    }

    #[test]
    fn an_audit_key_opens_only_for_its_own_person() {
        let keys = keys();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let sealed = keys.seal_audit_key(alice, &[9; 32]);
        assert_eq!(*keys.open_audit_key(alice, sealed.clone()).unwrap(), [9; 32]);
        assert!(keys.open_audit_key(bob, sealed).is_none());
    }

    #[test]
    fn the_log_key_is_found_by_the_kept_secret_and_none_is_made_for_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(log_key(&Secrets::default(), dir.path()).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let keys = Keys::open(&Secrets::default(), dir.path()).unwrap();
        assert_eq!(log_key(&Secrets::default(), dir.path()).unwrap(), keys.log_key());
    }

    #[test]
    fn secrets_are_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::parse("alice@wax.example").unwrap();
        let first = Keys::open(&Secrets::default(), dir.path()).unwrap().lookup(&address);
        let second = Keys::open(&Secrets::default(), dir.path()).unwrap().lookup(&address);
        assert!(first == second);
    }
}
