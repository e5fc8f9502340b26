//! Bundles, vaults and containers, again with every step open to being done wrongly.

use crate::cbor;
use crate::forge::{Person, Recipient, Sealed};
use crate::primitives::{Seeded, argon2id, hkdf, sha256, small};

/// A bundle before it is signed.
#[derive(Clone)]
pub(crate) struct BundleBody {
    pub(crate) user_id: [u8; 16],
    pub(crate) seq: u32,
    pub(crate) prev_hash: [u8; 32],
    pub(crate) root: [u8; 32],
    pub(crate) prev_root: [u8; 32],
    pub(crate) created: u64,
    pub(crate) min_format: u16,
    pub(crate) address: Vec<u8>,
    /// usage, algorithm, not before, not after, key
    pub(crate) keys: Vec<(u8, u8, u64, u64, Vec<u8>)>,
}

impl BundleBody {
    /// The first bundle of a person.
    pub(crate) fn first(person: &Person) -> Self {
        Self {
            user_id: user_id(person),
            seq: 1,
            prev_hash: [0; 32],
            root: person.root,
            prev_root: [0; 32],
            created: 1_700_000_000,
            min_format: 1,
            address: format!("{}@people.example", person.name).into_bytes(),
            keys: vec![(1, 2, 1_700_000_000, 0, person.xwing.clone())],
        }
    }

    /// The bundle after `before`, of the same person.
    pub(crate) fn after(person: &Person, before: &[u8], seq: u32) -> Self {
        let prev_hash = sha256(&[b"waxwing/v1/identity-hash\0", before]);
        Self { seq, prev_hash, created: 1_700_000_000 + u64::from(seq), ..Self::first(person) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let len = |len: usize| u16::try_from(len).expect("short").to_be_bytes();
        let mut bytes = [
            b"WXWGID01".as_slice(),
            &self.user_id,
            &self.seq.to_be_bytes(),
            &self.prev_hash,
            &self.root,
            &self.prev_root,
            &self.created.to_be_bytes(),
            &self.min_format.to_be_bytes(),
            &len(self.address.len()),
            &self.address,
            &len(self.keys.len()),
        ]
        .concat();
        for (usage, algorithm, not_before, not_after, key) in &self.keys {
            bytes.extend_from_slice(&[*usage, *algorithm]);
            bytes.extend_from_slice(&not_before.to_be_bytes());
            bytes.extend_from_slice(&not_after.to_be_bytes());
            bytes.extend_from_slice(&len(key.len()));
            bytes.extend_from_slice(key);
        }
        bytes
    }

    pub(crate) fn signed(&self, signer: &Person, previous: Option<&Person>) -> Vec<u8> {
        let bytes = self.bytes();
        let signature = signer.sign("waxwing/v1/identity", &bytes);
        let linked = previous.map_or([0; 64], |root| root.sign("waxwing/v1/identity-rotation", &bytes));
        [bytes.as_slice(), &signature, &linked].concat()
    }
}

/// The bundle of a person who never changed anything.
pub(crate) fn bundle(person: &Person) -> Vec<u8> {
    BundleBody::first(person).signed(person, None)
}

pub(crate) fn user_id(person: &Person) -> [u8; 16] {
    let mut id: [u8; 16] = Seeded::new(&format!("user {}", person.name)).bytes();
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// What opens a slot.
#[derive(Clone)]
pub(crate) enum Secret {
    Passphrase(&'static str),
    /// Entropy of the 24 words.
    Phrase([u8; 32]),
}

impl Secret {
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Passphrase(_) => 1,
            Self::Phrase(_) => 2,
        }
    }

    fn key(&self, salt: &[u8; 16]) -> [u8; 32] {
        match self {
            Self::Passphrase(text) => hkdf(&argon2id(text, salt), salt, "waxwing/v1/vault/passphrase"),
            Self::Phrase(entropy) => hkdf(entropy, salt, "waxwing/v1/vault/recovery"),
        }
    }
}

/// A vault before it is sealed.
pub(crate) struct Vault {
    pub(crate) user_id: [u8; 16],
    pub(crate) version: u32,
    pub(crate) vault_key: [u8; 32],
    pub(crate) body: Vec<u8>,
    pub(crate) rng: Seeded,
}

impl Vault {
    pub(crate) fn new(label: &str, person: &Person, rsa: &[Vec<u8>]) -> Self {
        let mut rng = Seeded::new(label);
        let body = cbor::map(&[
            (1, cbor::array(&[cbor::bytes(&person.root_seed)])),
            (2, cbor::array(&[cbor::bytes(&person.xwing_seed)])),
            (3, cbor::array(&rsa.iter().map(|key| cbor::bytes(key)).collect::<Vec<_>>())),
            (4, cbor::uint(9)),
        ]);
        Self { user_id: user_id(person), version: 3, vault_key: rng.bytes(), body, rng }
    }

    /// kind ‖ salt ‖ slot, for the user `for_user`.
    pub(crate) fn slot(&mut self, secret: &Secret, for_user: &[u8; 16]) -> Vec<u8> {
        let salt: [u8; 16] = self.rng.bytes();
        let aad = [b"waxwing/v1/vault-slot\0".as_slice(), for_user, &[secret.kind()], &salt].concat();
        let sealed = small(&secret.key(&salt), &aad, &self.vault_key, &mut self.rng);
        [&[secret.kind()], salt.as_slice(), &sealed].concat()
    }

    pub(crate) fn seal(&mut self, slots: &[Vec<u8>]) -> Vec<u8> {
        let count = u8::try_from(slots.len()).expect("few");
        let head =
            [b"WXWGVT01".as_slice(), &self.user_id, &self.version.to_be_bytes(), &[count], &slots.concat()]
                .concat();
        let aad = [b"waxwing/v1/vault\0".as_slice(), &head].concat();
        let body = small(&self.vault_key, &aad, &self.body, &mut self.rng);
        [head, body].concat()
    }
}

/// A container of exactly these pieces.
pub(crate) fn container(
    manifest: &[u8],
    bundle: &[u8],
    grants: &[Vec<u8>],
    leaves: &[u8],
    body: &[u8],
) -> Vec<u8> {
    let count = u16::try_from(grants.len()).expect("few");
    let grants = grants.iter().flat_map(|grant| sized(grant)).collect::<Vec<_>>();
    [b"WXWGCT01", sized(manifest).as_slice(), &sized(bundle), &count.to_be_bytes(), &grants, leaves, body]
        .concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

/// The author's grants for `recipients`, in the order of a container.
pub(crate) fn grants(sealed: &mut Sealed<'_>, recipients: &[Recipient]) -> Vec<Vec<u8>> {
    let mut recipients = recipients.to_vec();
    recipients.sort_by_key(Recipient::id);
    recipients.iter().map(|recipient| sealed.grant(recipient)).collect()
}
