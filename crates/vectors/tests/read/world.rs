//! Cases as they lie on the disk, and readers made of their fields.

use envelope::ed25519::PublicKey;
use envelope::vault::{SLOT_LEN, Slot, SlotKind, VaultLayout};
use envelope::{RootId, UserId};
use format::rsa::RsaPrivateKey;
use format::small::seal_small;
use format::vault::open_vault_with_key;
use format::{Identity, Secret, VaultKey};
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/vectors"))
}

/// All cases of a kind, by name.
pub(crate) fn cases(kind: &str) -> Vec<(String, Value)> {
    let mut cases: Vec<_> = std::fs::read_dir(folder().join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

pub(crate) fn case(kind: &str, name: &str) -> Value {
    cases(kind).into_iter().find(|(found, _)| found == name).unwrap().1
}

pub(crate) fn file(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).unwrap()
}

pub(crate) fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().unwrap()
}

pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

pub(crate) fn public_key(value: &Value) -> Option<PublicKey> {
    (!value.is_null()).then(|| PublicKey::from_bytes(array(value)))
}

/// The person or the bare key that a case reads with.
pub(crate) enum Opener {
    Identity(Box<Identity>),
    Rsa(RsaPrivateKey),
}

impl Opener {
    pub(crate) fn of(case: &Value) -> Self {
        let reader = &case["reader"];
        let rsa = reader["rsa_key"]
            .as_str()
            .map(|path| RsaPrivateKey::from_pem(std::str::from_utf8(&file(path)).unwrap(), None).unwrap());
        let Some(root_seed) = reader.get("root_seed") else { return Self::Rsa(rsa.unwrap()) };
        // A person who only has an RSA key in the case has some X-Wing key too.
        let xwing = reader.get("xwing_seed").map_or([9; 32], array);
        Self::Identity(Box::new(identity(array(root_seed), xwing, rsa)))
    }

    pub(crate) fn reader(&self) -> format::open::Reader<'_> {
        match self {
            Self::Identity(identity) => format::open::Reader::Identity(identity),
            Self::Rsa(key) => format::open::Reader::Rsa(key),
        }
    }

    /// Whether a grant for this recipient could be for this reader.
    pub(crate) fn wants(&self, grant: &envelope::Grant) -> bool {
        match self {
            Self::Identity(identity) => identity.recipient_ids().contains(&grant.recipient_id()),
            Self::Rsa(key) => key.public().recipient_id(None) == grant.recipient_id(),
        }
    }
}

/// An identity of these secrets, by way of a vault.
pub(crate) fn identity(root: [u8; 32], xwing: [u8; 32], rsa: Option<RsaPrivateKey>) -> Identity {
    let key = VaultKey::from_secret(Secret::from_bytes([1; 32]));
    let slot = Slot { kind: SlotKind::Recovery, salt: [0; 16], sealed: sealed_slot() };
    let head = VaultLayout::head_bytes(UserId::from_bytes([2; 16]), 1, &[slot]).unwrap();
    let mut cbor = vec![0xa4, 1, 0x81, 0x58, 32];
    cbor.extend_from_slice(&root);
    cbor.extend_from_slice(&[2, 0x81, 0x58, 32]);
    cbor.extend_from_slice(&xwing);
    cbor.extend_from_slice(&[3, 0x80, 4, 0]);
    let aad = [b"waxwing/v1/vault\0".as_slice(), &head].concat();
    let body = seal_small(key.secret(), &aad, &cbor).unwrap();
    let mut identity = open_vault_with_key(&[head, body].concat(), &key).unwrap().identity;
    if let Some(rsa) = rsa {
        identity.add_rsa(rsa);
    }
    identity
}

fn sealed_slot() -> [u8; SLOT_LEN] {
    seal_small(&Secret::from_bytes([3; 32]), b"", &[0; 32]).unwrap().try_into().unwrap()
}

pub(crate) fn root_id(value: &Value) -> RootId {
    RootId::from_bytes(array(value))
}
