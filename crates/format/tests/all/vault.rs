//! The vault: the right secret opens it, nothing else does.

use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, Version};
use envelope::UserId;
use envelope::vault::{SlotKind, VaultLayout};
use fast_floe::Key;
use format::passphrase::{MIN_SCORE_LOCAL, MIN_SCORE_SERVER, strength};
use format::vault::{open_vault, open_vault_with_key, reseal_vault, seal_vault};
use format::{Identity, OpenError, Passphrase, VaultKey};

use crate::fixtures::hkdf;

const USER: UserId = UserId::from_bytes([1; 16]);
const WORDS: &str = "correct horse battery staple";

/// One vault for all tests: sealing it takes 64 MiB and time.
struct Kept {
    identity: Identity,
    key: VaultKey,
    vault: Vec<u8>,
}

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let mut identity = Identity::generate();
    identity.rotate();
    identity.set_pins_version(9);
    let key = VaultKey::generate();
    let vault = seal_vault(&identity, &key, &passphrase(WORDS), USER, 4).unwrap();
    Kept { identity, key, vault }
});

fn passphrase(words: &str) -> Passphrase {
    Passphrase::parse(words.to_owned()).unwrap()
}

#[test]
fn the_passphrase_opens_it() {
    let unlocked = open_vault(&KEPT.vault, &passphrase(WORDS)).unwrap();
    assert_eq!((unlocked.user_id, unlocked.version), (USER, 4));
    assert_eq!(unlocked.vault_key, KEPT.key);
    let (ours, theirs) = (&unlocked.identity, &KEPT.identity);
    assert_eq!(ours.recipient_ids(), theirs.recipient_ids());
    assert!(ours.root_keys().eq(theirs.root_keys()));
    assert_eq!(ours.pins_version(), 9);
}

#[test]
fn another_passphrase_does_not() {
    let result = open_vault(&KEPT.vault, &passphrase("correct horse battery stable"));
    assert_eq!(result.map(drop), Err(OpenError::NotAuthentic));
}

#[test]
fn its_key_opens_it_and_another_does_not() {
    assert!(open_vault_with_key(&KEPT.vault, &KEPT.key).is_ok());
    let result = open_vault_with_key(&KEPT.vault, &VaultKey::generate());
    assert_eq!(result.map(drop), Err(OpenError::NotAuthentic));
}

/// The costs stand nowhere in the bytes, and no clear byte can be changed: there is nothing to lower.
#[test]
fn no_byte_can_be_changed_so_no_cost_can_be_lowered() {
    let vault = &KEPT.vault;
    let head_len = 29 + 155;
    for at in (0..head_len).chain([head_len, head_len + 80, vault.len() - 1]) {
        let mut tampered = vault.clone();
        tampered[at] ^= 1;
        assert!(open_vault_with_key(&tampered, &KEPT.key).is_err(), "byte {at}");
    }
    assert!(open_vault_with_key(&vault[..vault.len() - 1], &KEPT.key).is_err());
    assert!(open_vault_with_key(&[vault.as_slice(), &[0]].concat(), &KEPT.key).is_err());
}

/// Mallory's slot, which her passphrase opens, put in the place of the victim's.
#[test]
fn a_slot_swapped_between_users_is_refused() {
    let mallory = UserId::from_bytes([2; 16]);
    let theirs = seal_vault(&KEPT.identity, &KEPT.key, &passphrase(WORDS), mallory, 4).unwrap();
    let swapped = [&KEPT.vault[..29], &theirs[29..29 + 155], &KEPT.vault[29 + 155..]].concat();
    let result = open_vault(&swapped, &passphrase(WORDS));
    assert_eq!(result.map(drop), Err(OpenError::NotAuthentic));
}

/// Opens a vault by the format's text, with other implementations where there are any.
#[test]
fn a_vault_opens_from_the_written_rules_alone() {
    let layout = VaultLayout::parse(&KEPT.vault).unwrap();
    let slot = &layout.slots()[0];
    assert_eq!(slot.kind, SlotKind::Passphrase);
    let mut stretched = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(65_536, 3, 1, Some(32)).unwrap())
        .hash_password_into(WORDS.as_bytes(), &slot.salt, &mut stretched)
        .unwrap();
    let slot_key = hkdf(&stretched, &slot.salt, "waxwing/v1/vault/passphrase");
    let aad = [b"waxwing/v1/vault-slot\0".as_slice(), USER.as_bytes(), &[1], &slot.salt].concat();
    let vault_key = fast_floe::decrypt(&Key::from_bytes(slot_key), &aad, &slot.sealed).unwrap();
    assert_eq!(vault_key, KEPT.key.secret().expose_secret());
    let head = &KEPT.vault[..KEPT.vault.len() - layout.body().len()];
    let aad = [b"waxwing/v1/vault\0", head].concat();
    let body =
        fast_floe::decrypt(&Key::from_bytes(vault_key.try_into().unwrap()), &aad, layout.body()).unwrap();
    // {1: [seed, seed], 2: [seed, seed], 3: [], 4: 9}
    assert_eq!(body.len(), 1 + 2 + 2 * 34 + 2 + 2 * 34 + 2 + 2);
    assert_eq!(body[..5], [0xa4, 0x01, 0x82, 0x58, 0x20]);
    assert_eq!(body[71..75], [0x02, 0x82, 0x58, 0x20]);
    assert_eq!(body[141..], [0x03, 0x80, 0x04, 0x09]);
}

#[test]
fn a_new_version_keeps_the_slots_and_needs_no_passphrase() {
    let mut unlocked = open_vault_with_key(&KEPT.vault, &KEPT.key).unwrap();
    unlocked.identity.set_pins_version(10);
    let next = reseal_vault(&KEPT.vault, &unlocked, 5).unwrap();
    assert_eq!(next[29..29 + 155], KEPT.vault[29..29 + 155]);
    let opened = open_vault_with_key(&next, &KEPT.key).unwrap();
    assert_eq!((opened.version, opened.identity.pins_version()), (5, 10));
    unlocked.vault_key = VaultKey::generate();
    assert!(reseal_vault(&KEPT.vault, &unlocked, 5).is_err(), "the slots hold another key");
}

#[test]
fn the_journal_key_is_the_users_own() {
    let unlocked = open_vault_with_key(&KEPT.vault, &KEPT.key).unwrap();
    let expected = hkdf(KEPT.key.secret().expose_secret(), USER.as_bytes(), "waxwing/v1/journal");
    assert_eq!(unlocked.journal_key().secret().expose_secret(), &expected);
}

#[test]
fn a_passphrase_is_composed_and_never_empty() {
    assert_eq!(passphrase("e\u{301}").expose_secret(), "\u{e9}");
    assert!(Passphrase::parse(String::new()).is_err());
}

#[test]
fn weak_passphrases_score_low() {
    assert!(strength(&passphrase("password1")) < MIN_SCORE_LOCAL);
    assert!(strength(&passphrase("waxwing")) < MIN_SCORE_LOCAL);
    assert!(strength(&passphrase("violet-anchor-meadow-tundra-42")) >= MIN_SCORE_SERVER);
    assert!(strength(&passphrase(&"\u{e9}".repeat(5000))).as_u8() <= 4);
}
