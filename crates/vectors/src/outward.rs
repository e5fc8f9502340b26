//! What is handed to people without an account, and what a person's devices tell each other: links, drop boxes, lists of folders,
//! records of pins. Again every step can be done wrongly.

use crate::cbor;
use crate::forge::{Person, framed, key_pair};
use crate::people::user_id;
use crate::primitives::{Seeded, argon2id, hkdf, small};
use aws_lc_rs::signature::KeyPair;

/// Where all addresses lead.
pub(crate) const ORIGIN: &str = "https://files.people.example";

/// base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |number, n| number << 8 | u32::from(*three.get(n).unwrap_or(&0)));
        for n in 0..=three.len() {
            let digit = number >> (18 - 6 * n) & 63;
            text.push(char::from(alphabet[usize::try_from(digit).expect("below 64")]));
        }
    }
    text
}

/// A link, and what comes out of its secret and its password.
pub(crate) struct Link {
    pub(crate) id: [u8; 16],
    pub(crate) secret: [u8; 32],
    has_password: bool,
    pub(crate) wrap_key: [u8; 32],
    auth_seed: [u8; 32],
}

impl Link {
    /// `password` is in NFC.
    pub(crate) fn new(label: &str, password: Option<&str>) -> Self {
        let mut rng = Seeded::new(&format!("link {label}"));
        let (id, secret): ([u8; 16], [u8; 32]) = (rng.bytes(), rng.bytes());
        let mut ikm = secret.to_vec();
        if let Some(password) = password {
            let salt = hkdf(&secret, &id, "waxwing/v1/link/salt");
            ikm.extend(argon2id(password, &salt[..16].try_into().expect("16 bytes")));
        }
        Self {
            id,
            secret,
            has_password: password.is_some(),
            wrap_key: hkdf(&ikm, &id, "waxwing/v1/link/wrap"),
            auth_seed: hkdf(&ikm, &id, "waxwing/v1/link/auth"),
        }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        key_pair(&self.auth_seed).public_key().as_ref().try_into().expect("32 bytes")
    }

    /// A signature of whoever has the link.
    pub(crate) fn prove(&self, context: &str, id: &[u8; 16], nonce: &[u8]) -> [u8; 64] {
        let signed = [context.as_bytes(), b"\0", id, nonce].concat();
        key_pair(&self.auth_seed).sign(&signed).as_ref().try_into().expect("64 bytes")
    }

    /// The address that names `sender`.
    pub(crate) fn address(&self, sender: &Person) -> String {
        let mark = if self.has_password { "1p" } else { "1" };
        let (id, secret) = (base64url(&self.id), base64url(&self.secret));
        format!("{ORIGIN}/s/{id}#{mark}.{secret}.{}", base64url(&sender.root_id()))
    }
}

/// A drop box before its description is sealed and signed.
#[derive(Clone)]
pub(crate) struct DropBox {
    pub(crate) id: [u8; 16],
    pub(crate) owner: [u8; 32],
    pub(crate) key: [u8; 32],
    pub(crate) created: u64,
    pub(crate) ends: u64,
    pub(crate) max_files: u32,
    pub(crate) max_body: u64,
    /// The plaintext of the words.
    pub(crate) words: Vec<u8>,
}

impl DropBox {
    pub(crate) fn new(label: &str, owner: &Person) -> Self {
        let id: [u8; 16] = Seeded::new(&format!("box {label}")).bytes();
        Self {
            id,
            owner: owner.root_id(),
            key: hkdf(&owner.root_seed, &id, "waxwing/v1/box"),
            created: 1_700_000_000,
            ends: 1_701_000_000,
            max_files: 50,
            max_body: 262_144 + 33,
            words: words(&[(1, cbor::text(b"Applications")), (2, cbor::text(b"One file each.\nThank you."))]),
        }
    }

    /// Everything before the length of the words.
    fn terms(&self) -> Vec<u8> {
        [
            b"WXWGBX01".as_slice(),
            &self.id,
            &self.owner,
            &self.created.to_be_bytes(),
            &self.ends.to_be_bytes(),
            &self.max_files.to_be_bytes(),
            &self.max_body.to_be_bytes(),
        ]
        .concat()
    }

    /// The words, sealed for these terms.
    pub(crate) fn sealed_words(&self) -> Vec<u8> {
        let aad = [b"waxwing/v1/box-words\0".as_slice(), &self.terms()].concat();
        small(&self.key, &aad, &self.words, &mut Seeded::new("words of a box"))
    }

    /// The description around any words, signed by anybody.
    pub(crate) fn with(&self, sealed: &[u8], context: &str, signer: &Person) -> Vec<u8> {
        let len = u32::try_from(sealed.len()).expect("short").to_be_bytes();
        let bytes = [&self.terms(), len.as_slice(), sealed].concat();
        let signature = signer.sign(context, &bytes);
        [bytes.as_slice(), &signature].concat()
    }

    pub(crate) fn description(&self, signer: &Person) -> Vec<u8> {
        self.with(&self.sealed_words(), "waxwing/v1/box", signer)
    }

    /// The address with the key of the words, or without.
    pub(crate) fn address(&self, with_key: bool, owner: &Person) -> String {
        let key = if with_key { format!("k.{}", base64url(&self.key)) } else { String::new() };
        format!("{ORIGIN}/d/{}#1{key}.{}", base64url(&self.id), base64url(&owner.root_id()))
    }
}

/// The plaintext of the words of a box.
pub(crate) fn words(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    framed(&cbor::map(entries))
}

/// An entry of a bundle of files.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) file_id: Vec<u8>,
    pub(crate) fk: Vec<u8>,
    pub(crate) content_id: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) min_revision: u64,
}

impl Entry {
    /// A member that no file stands behind.
    pub(crate) fn at(path: &str) -> Self {
        let mut rng = Seeded::new(&format!("member {path}"));
        let (file_id, fk, content_id): ([u8; 16], [u8; 32], [u8; 32]) =
            (rng.bytes(), rng.bytes(), rng.bytes());
        Self {
            path: path.as_bytes().to_vec(),
            file_id: file_id.to_vec(),
            fk: fk.to_vec(),
            content_id: content_id.to_vec(),
            size: 1_000,
            min_revision: 1,
        }
    }

    pub(crate) fn fields(&self) -> Vec<(u64, Vec<u8>)> {
        vec![
            (1, cbor::text(&self.path)),
            (2, cbor::bytes(&self.file_id)),
            (3, cbor::bytes(&self.fk)),
            (4, cbor::bytes(&self.content_id)),
            (5, cbor::uint(self.size)),
            (6, cbor::uint(self.min_revision)),
        ]
    }

    pub(crate) fn item(&self) -> Vec<u8> {
        cbor::map(&self.fields())
    }
}

/// The content of a bundle of files, in the order that is given.
pub(crate) fn list(members: &[Entry], empty: &[&str]) -> Vec<u8> {
    let members = cbor::array(&members.iter().map(Entry::item).collect::<Vec<_>>());
    let empty_paths: Vec<Vec<u8>> = empty.iter().map(|path| cbor::text(path.as_bytes())).collect();
    let mut entries = vec![(1, members)];
    if !empty.is_empty() {
        entries.push((2, cbor::array(&empty_paths)));
    }
    cbor::map(&entries)
}

/// A record of pins before it is sealed and signed.
pub(crate) struct Pins {
    pub(crate) user_id: [u8; 16],
    pub(crate) version: u64,
    pub(crate) plain: Vec<u8>,
}

impl Pins {
    pub(crate) fn new(person: &Person, plain: Vec<u8>) -> Self {
        Self { user_id: user_id(person), version: 7, plain }
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        [b"WXWGPN01".as_slice(), &self.user_id, &self.version.to_be_bytes()].concat()
    }

    /// The body, sealed for a head under the root of `person`.
    pub(crate) fn body(&self, head: &[u8], person: &Person) -> Vec<u8> {
        let key = hkdf(&person.root_seed, &self.user_id, "waxwing/v1/pins");
        let aad = [b"waxwing/v1/pins\0".as_slice(), head].concat();
        small(&key, &aad, &self.plain, &mut Seeded::new("record of pins"))
    }

    pub(crate) fn signed(&self, person: &Person) -> Vec<u8> {
        let head = self.head();
        self.with(&self.body(&head, person), "waxwing/v1/pins-signature", person)
    }

    pub(crate) fn with(&self, body: &[u8], context: &str, signer: &Person) -> Vec<u8> {
        let bytes = [&self.head(), body].concat();
        let signature = signer.sign(context, &bytes);
        [bytes.as_slice(), &signature].concat()
    }
}
