//! The vault: an identity's secret keys, sealed under a key that its slots hold.

use std::fmt;

use envelope::UserId;
use envelope::vault::{SALT_LEN, SLOT_LEN, Slot, SlotKind, VaultLayout};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::identity::{RootKeyPair, XWingKeyPair};
use crate::kdf::{argon2id, hkdf};
pub use crate::passphrase::{MIN_SCORE_LOCAL, MIN_SCORE_SERVER, Passphrase, Score, strength};
use crate::small::{open_small, seal_small};
use crate::{
    Identity, IndexKey, JournalKey, OpenError, RecoveryPhrase, RsaPrivateKey, SealError, Secret, VaultKey,
    random,
};

/// An opened vault.
pub struct Unlocked {
    /// The secret keys.
    pub identity: Identity,
    /// The key that the slots hold.
    pub vault_key: VaultKey,
    /// Whose vault it is.
    pub user_id: UserId,
    /// Which version it was.
    pub version: u32,
}

impl Unlocked {
    /// The key for the journal of unfinished uploads: HKDF(vault key, user id, `"waxwing/v1/journal"`, 32).
    pub fn journal_key(&self) -> JournalKey {
        JournalKey::from_secret(hkdf(
            self.vault_key.secret().expose_secret(),
            self.user_id.as_bytes(),
            &[b"waxwing/v1/journal"],
        ))
    }

    /// The key for the index of files: HKDF(vault key, user id, `"waxwing/v1/index"`, 32).
    pub fn index_key(&self) -> IndexKey {
        IndexKey::from_secret(hkdf(
            self.vault_key.secret().expose_secret(),
            self.user_id.as_bytes(),
            &[b"waxwing/v1/index"],
        ))
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked")
            .field("user_id", &self.user_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What opens a vault, or is to open it.
#[derive(Debug, Clone, Copy)]
pub enum VaultSecret<'a> {
    /// What a person remembers. Takes 64 MiB and a few tenths of a second.
    Passphrase(&'a Passphrase),
    /// What a person wrote down.
    Phrase(&'a RecoveryPhrase),
}

impl VaultSecret<'_> {
    fn kind(self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Phrase(_) => SlotKind::Recovery,
        }
    }
}

/// Seals `identity` under `vault_key`, with one slot for each of `secrets`.
///
/// [`SealError::NoSecret`] if there is none: nobody could open it.
pub fn seal_vault(
    identity: &Identity,
    vault_key: &VaultKey,
    secrets: &[VaultSecret<'_>],
    user_id: UserId,
    version: u32,
) -> Result<Vec<u8>, SealError> {
    let slots: Result<Vec<Slot>, SealError> =
        secrets.iter().map(|secret| seal_slot(vault_key, *secret, user_id)).collect();
    seal_with_slots(identity, vault_key, user_id, version, &slots?)
}

/// Seals a new version of an opened vault with the slots of `old`, so that no passphrase is needed.
///
/// The vault key and user must be those of `old`, or its slots would hold another key.
pub fn reseal_vault(old: &[u8], unlocked: &Unlocked, version: u32) -> Result<Vec<u8>, ResealVaultError> {
    let slots = slots_of(old, unlocked)?;
    Ok(seal_with_slots(&unlocked.identity, &unlocked.vault_key, unlocked.user_id, version, &slots)?)
}

/// Seals a new version of an opened vault that `passphrase` opens and no other passphrase; the slots of recovery
/// phrases stay. The vault key stays too, so that `old`, where there is a copy, opens with the old passphrase still.
pub fn change_passphrase(
    old: &[u8],
    unlocked: &Unlocked,
    passphrase: &Passphrase,
    version: u32,
) -> Result<Vec<u8>, ResealVaultError> {
    replace_slots(old, unlocked, VaultSecret::Passphrase(passphrase), version)
}

/// Seals a new version of an opened vault that `phrase` opens and no other phrase; the slots of passphrases stay.
/// The vault key stays too, so that `old`, where there is a copy, opens with the old phrase still.
pub fn new_phrase(
    old: &[u8],
    unlocked: &Unlocked,
    phrase: &RecoveryPhrase,
    version: u32,
) -> Result<Vec<u8>, ResealVaultError> {
    replace_slots(old, unlocked, VaultSecret::Phrase(phrase), version)
}

/// Why a vault was not sealed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResealVaultError {
    /// The old vault does not open with the key at hand.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new vault cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Whether a recovery phrase opens this vault.
pub fn has_phrase(vault: &[u8]) -> Result<bool, OpenError> {
    Ok(VaultLayout::parse(vault)?.slots().iter().any(|slot| slot.kind == SlotKind::Recovery))
}

/// Opens a vault with a passphrase or a recovery phrase. Tries at most four slots of its kind.
pub fn open_vault(vault: &[u8], secret: VaultSecret<'_>) -> Result<Unlocked, OpenError> {
    let layout = VaultLayout::parse(vault)?;
    let slots = layout.slots().iter().filter(|slot| slot.kind == secret.kind());
    let vault_key = slots
        .take(MAX_SLOTS_OF_A_KIND)
        .find_map(|slot| open_slot(slot, secret, layout.user_id()))
        .ok_or(OpenError::NotAuthentic)?;
    open_body(&layout, vault_key)
}

/// Opens a vault with its key, as an agent or keychain keeps it.
pub fn open_vault_with_key(vault: &[u8], vault_key: &VaultKey) -> Result<Unlocked, OpenError> {
    let layout = VaultLayout::parse(vault)?;
    open_body(&layout, VaultKey::from_secret(vault_key.secret().duplicate()))
}

/// Slots that are tried, so that a forged vault cannot cost minutes.
const MAX_SLOTS_OF_A_KIND: usize = 4;

/// The slots of a vault that `unlocked` was opened from.
fn slots_of(vault: &[u8], unlocked: &Unlocked) -> Result<Vec<Slot>, OpenError> {
    open_vault_with_key(vault, &unlocked.vault_key)?;
    let layout = VaultLayout::parse(vault)?;
    if layout.user_id() == unlocked.user_id {
        Ok(layout.slots().to_vec())
    } else {
        Err(OpenError::NotAuthentic)
    }
}

/// Puts one slot for `secret` in the place of all of its kind.
fn replace_slots(
    old: &[u8],
    unlocked: &Unlocked,
    secret: VaultSecret<'_>,
    version: u32,
) -> Result<Vec<u8>, ResealVaultError> {
    let mut slots = slots_of(old, unlocked)?;
    slots.retain(|slot| slot.kind != secret.kind());
    slots.push(seal_slot(&unlocked.vault_key, secret, unlocked.user_id)?);
    Ok(seal_with_slots(&unlocked.identity, &unlocked.vault_key, unlocked.user_id, version, &slots)?)
}

fn seal_with_slots(
    identity: &Identity,
    vault_key: &VaultKey,
    user_id: UserId,
    version: u32,
    slots: &[Slot],
) -> Result<Vec<u8>, SealError> {
    if slots.is_empty() {
        return Err(SealError::NoSecret);
    }
    let mut vault = VaultLayout::head_bytes(user_id, version, slots)?;
    let body = seal_small(vault_key.secret(), &body_aad(&vault), &encode_identity(identity)?)?;
    vault.extend_from_slice(&body);
    VaultLayout::parse(&vault)?;
    Ok(vault)
}

fn seal_slot(vault_key: &VaultKey, secret: VaultSecret<'_>, user_id: UserId) -> Result<Slot, SealError> {
    let (salt, kind) = (random::bytes(), secret.kind());
    let sealed = seal_small(
        &slot_key(secret, &salt),
        &slot_aad(user_id, kind, &salt),
        vault_key.secret().expose_secret(),
    )?;
    let sealed: [u8; SLOT_LEN] = sealed.try_into().expect("a sealed key of 32 bytes has 138");
    Ok(Slot { kind, salt, sealed })
}

fn open_slot(slot: &Slot, secret: VaultSecret<'_>, user_id: UserId) -> Option<VaultKey> {
    let key = slot_key(secret, &slot.salt);
    let plain = open_small(&key, &slot_aad(user_id, slot.kind, &slot.salt), &slot.sealed).ok()?;
    Secret::from_slice(&plain).map(VaultKey::from_secret)
}

fn slot_key(secret: VaultSecret<'_>, salt: &[u8; SALT_LEN]) -> Secret<32> {
    match secret {
        VaultSecret::Passphrase(passphrase) => {
            let stretched = argon2id(passphrase, salt);
            hkdf(stretched.expose_secret(), salt, &[b"waxwing/v1/vault/passphrase"])
        }
        VaultSecret::Phrase(phrase) => {
            hkdf(phrase.entropy().expose_secret(), salt, &[b"waxwing/v1/vault/recovery"])
        }
    }
}

fn slot_aad(user_id: UserId, kind: SlotKind, salt: &[u8; SALT_LEN]) -> Vec<u8> {
    [b"waxwing/v1/vault-slot\0".as_slice(), user_id.as_bytes(), &[kind as u8], salt].concat()
}

fn body_aad(head: &[u8]) -> Vec<u8> {
    [b"waxwing/v1/vault\0", head].concat()
}

fn open_body(layout: &VaultLayout, vault_key: VaultKey) -> Result<Unlocked, OpenError> {
    let plain = open_small(vault_key.secret(), &body_aad(&layout.head()), layout.body())?;
    let identity = decode_identity(&plain).ok_or(OpenError::NotAuthentic)?;
    Ok(Unlocked { identity, vault_key, user_id: layout.user_id(), version: layout.version() })
}

/// CBOR {1 roots, 2 X-Wing seeds, 3 RSA PKCS#8, 4 pins version}.
fn encode_identity(identity: &Identity) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if identity.pins_version() > envelope::MAX_INTEGER {
        return Err(SealError::TooLong);
    }
    let seeds = identity.roots().len() + identity.xwing().len();
    let rsa: usize = identity.rsa().iter().map(|key| key.pkcs8().len() + 9).sum();
    let mut writer = Writer::with_capacity(64 + seeds * 34 + rsa);
    writer.map(4);
    writer.uint(1);
    writer.array(identity.roots().len());
    identity.roots().iter().for_each(|root| writer.bytes(root.seed().expose_secret()));
    writer.uint(2);
    writer.array(identity.xwing().len());
    identity.xwing().iter().for_each(|key| writer.bytes(key.seed().expose_secret()));
    writer.uint(3);
    writer.array(identity.rsa().len());
    identity.rsa().iter().for_each(|key| writer.bytes(key.pkcs8()));
    writer.uint(4);
    writer.uint(identity.pins_version());
    Ok(Zeroizing::new(writer.finish()))
}

fn decode_identity(cbor: &[u8]) -> Option<Identity> {
    let (mut roots, mut xwing, mut rsa, mut pins_version) = (None, None, None, None);
    let mut reader = Reader::new(cbor);
    let read = reader.map(|key, value| {
        match key {
            1 => roots = Some(seeds(value)?.into_iter().map(RootKeyPair::from_seed).collect::<Vec<_>>()),
            2 => xwing = Some(seeds(value)?.into_iter().map(XWingKeyPair::from_seed).collect::<Vec<_>>()),
            3 => {
                let keys = (0..value.array()?).map(|_| rsa_key(value));
                rsa = Some(keys.collect::<Result<Vec<_>, _>>()?);
            }
            4 => pins_version = Some(value.uint()?),
            _ => return Err(envelope::ParseError::UnknownCode { field: "vault key" }),
        }
        Ok(())
    });
    read.ok()?;
    reader.finish().ok()?;
    Identity::from_parts(roots?, xwing?, rsa?, pins_version?)
}

fn seeds(reader: &mut Reader<'_>) -> Result<Vec<Secret<32>>, envelope::ParseError> {
    (0..reader.array()?)
        .map(|_| {
            Secret::from_slice(reader.bytes()?).ok_or(envelope::ParseError::OutOfRange { field: "seed" })
        })
        .collect()
}

fn rsa_key(reader: &mut Reader<'_>) -> Result<RsaPrivateKey, envelope::ParseError> {
    RsaPrivateKey::from_pkcs8(reader.bytes()?)
        .map_err(|_| envelope::ParseError::OutOfRange { field: "RSA key" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RsaBits;

    /// Bytes that grow are moved, and leave secrets behind where nobody erases them.
    #[test]
    fn an_identity_is_written_into_room_that_never_grows() {
        let mut identity = Identity::generate();
        for _ in 0..3 {
            identity.rotate();
            identity.rotate_xwing();
            assert!(identity.add_rsa(RsaPrivateKey::generate(RsaBits::B2048)));
            let seeds = identity.roots().len() + identity.xwing().len();
            let rsa: usize = identity.rsa().iter().map(|key| key.pkcs8().len() + 9).sum();
            let written = encode_identity(&identity).unwrap();
            assert_eq!(written.capacity(), 64 + 34 * seeds + rsa);
            assert!(decode_identity(&written).is_some());
        }
    }

    #[test]
    fn a_version_of_pins_ends_where_doubles_stop_counting() {
        let mut identity = Identity::generate();
        identity.set_pins_version(envelope::MAX_INTEGER);
        let written = encode_identity(&identity).unwrap();
        assert_eq!(decode_identity(&written).unwrap().pins_version(), envelope::MAX_INTEGER);
        identity.set_pins_version(envelope::MAX_INTEGER + 1);
        assert_eq!(encode_identity(&identity).map(drop), Err(SealError::TooLong));
    }
}
