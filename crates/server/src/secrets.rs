//! The server's own keys: two secrets, made on first start or given, and one subkey of them for each purpose.

use std::io;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf, hmac};
use db::{CodeMac, Lookup, RefreshHash};
use envelope::Address;
use zeroize::Zeroizing;

use crate::config::Secrets;
use crate::private_file;

/// Which key a purpose gets; each label is used nowhere else.
#[derive(Clone, Copy)]
enum Purpose {
    AddressLookup,
    AddressEncryption,
    CodeMac,
    LimitSubject,
    TicketMac,
    AccessToken,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AddressLookup => b"waxwing/v1/server/address-lookup",
            Self::AddressEncryption => b"waxwing/v1/server/address-encryption",
            Self::CodeMac => b"waxwing/v1/server/code",
            Self::LimitSubject => b"waxwing/v1/server/limit-subject",
            Self::TicketMac => b"waxwing/v1/server/ticket",
            Self::AccessToken => b"waxwing/v1/server/access-token",
        }
    }
}

/// Every key that the server uses, ready.
pub(crate) struct Keys {
    lookup: hmac::Key,
    address: RandomizedNonceKey,
    code: hmac::Key,
    subject: hmac::Key,
    ticket: hmac::Key,
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
        Self {
            lookup: mac(Purpose::AddressLookup),
            address: RandomizedNonceKey::new(&AES_256_GCM, &*subkey(secret_key, Purpose::AddressEncryption))
                .expect("a subkey has the length of an AES-256 key"),
            code: mac(Purpose::CodeMac),
            subject: mac(Purpose::LimitSubject),
            ticket: mac(Purpose::TicketMac),
            access_seeds: vec![subkey(jwt_secret, Purpose::AccessToken)],
        }
    }

    /// By what an address is found again.
    pub(crate) fn lookup(&self, address: &Address) -> Lookup {
        Lookup::from_bytes(mac(&self.lookup, &[address.as_str().as_bytes()]))
    }

    /// An address as it rests: nonce 12 ‖ ciphertext ‖ tag 16, bound to its lookup value.
    pub(crate) fn seal_address(&self, address: &Address) -> Vec<u8> {
        let lookup = self.lookup(address);
        let mut body = address.as_str().as_bytes().to_vec();
        let nonce: Nonce = self
            .address
            .seal_in_place_append_tag(Aad::from(lookup.as_bytes()), &mut body)
            .expect("an address is far below the limit of AES-GCM");
        [nonce.as_ref().as_slice(), &body].concat()
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

    /// Compares a ticket's code in constant time.
    pub(crate) fn ticket_is_good(&self, ticket: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.ticket, ticket, code).is_ok()
    }
}

/// The hash by which a refresh token (32 random bytes, which need no key) is found again.
pub(crate) fn refresh_hash(token: &[u8; 32]) -> RefreshHash {
    RefreshHash::from_bytes(sha256(&[b"waxwing/v1/server/refresh\0", token]))
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
    if made.len() < 32 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the kept secret is too short"));
    }
    Ok(Zeroizing::new(made))
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
            Purpose::CodeMac,
            Purpose::LimitSubject,
            Purpose::TicketMac,
            Purpose::AccessToken,
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
        let open = |aad: [u8; 32]| {
            let nonce = Nonce::try_assume_unique_for_key(&sealed[..12]).unwrap();
            let mut body = sealed[12..].to_vec();
            keys.address.open_in_place(nonce, Aad::from(aad), &mut body).map(|plain| plain.to_vec()).ok()
        };
        assert_eq!(open(*keys.lookup(&address).as_bytes()).unwrap(), b"alice@wax.example");
        assert_eq!(open([0; 32]), None);
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
