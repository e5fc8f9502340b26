//! The vault: the right secret opens it, nothing else does.

use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, Version};
use envelope::UserId;
use envelope::vault::{SlotKind, VaultLayout};
use fast_floe::Key;
use format::passphrase::{MIN_SCORE_LOCAL, MIN_SCORE_SERVER, strength};
use format::vault::{
    change_passphrase, has_phrase, new_phrase, open_vault, open_vault_with_key, reseal_vault, seal_vault,
};
use format::{Identity, OpenError, Passphrase, RecoveryPhrase, SealError, VaultKey, VaultSecret};

use crate::fixtures::hkdf;

const USER: UserId = UserId::from_bytes([1; 16]);
const WORDS: &str = "correct horse battery staple";
/// The phrase whose entropy is 00 01 02 … 1f.
const PHRASE: &str = "abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era live \
    bid rhythm alien crouch range attend journey unaware";
/// Bytes of the vault before its first slot, and of a slot.
const HEAD: usize = 29;
const SLOT: usize = 155;

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
    let (passphrase, phrase) = (passphrase(WORDS), phrase());
    let secrets = [VaultSecret::Passphrase(&passphrase), VaultSecret::Phrase(&phrase)];
    let vault = seal_vault(&identity, &key, &secrets, USER, 4).unwrap();
    Kept { identity, key, vault }
});

fn passphrase(words: &str) -> Passphrase {
    Passphrase::parse(words.to_owned()).unwrap()
}

fn phrase() -> RecoveryPhrase {
    RecoveryPhrase::parse(PHRASE.to_owned()).unwrap()
}

fn open(vault: &[u8], words: &str) -> Result<VaultKey, OpenError> {
    open_vault(vault, VaultSecret::Passphrase(&passphrase(words))).map(|unlocked| unlocked.vault_key)
}

fn recover(vault: &[u8], phrase: &RecoveryPhrase) -> Result<VaultKey, OpenError> {
    open_vault(vault, VaultSecret::Phrase(phrase)).map(|unlocked| unlocked.vault_key)
}

fn unlocked() -> format::vault::Unlocked {
    open_vault_with_key(&KEPT.vault, &KEPT.key).unwrap()
}

#[test]
fn the_passphrase_opens_it() {
    let unlocked = open_vault(&KEPT.vault, VaultSecret::Passphrase(&passphrase(WORDS))).unwrap();
    assert_eq!((unlocked.user_id, unlocked.version), (USER, 4));
    assert_eq!(unlocked.vault_key, KEPT.key);
    let (ours, theirs) = (&unlocked.identity, &KEPT.identity);
    assert_eq!(ours.recipient_ids(), theirs.recipient_ids());
    assert!(ours.root_keys().eq(theirs.root_keys()));
    assert_eq!(ours.pins_version(), 9);
}

#[test]
fn another_passphrase_does_not() {
    assert_eq!(open(&KEPT.vault, "correct horse battery stable"), Err(OpenError::NotAuthentic));
}

#[test]
fn the_recovery_phrase_opens_it_and_another_does_not() {
    assert_eq!(recover(&KEPT.vault, &phrase()).unwrap(), KEPT.key);
    assert_eq!(recover(&KEPT.vault, &RecoveryPhrase::generate()), Err(OpenError::NotAuthentic));
    assert!(has_phrase(&KEPT.vault).unwrap());
}

#[test]
fn a_vault_says_whether_a_phrase_opens_it() {
    let (words, phrase) = (passphrase(WORDS), phrase());
    for (secret, has) in [(VaultSecret::Passphrase(&words), false), (VaultSecret::Phrase(&phrase), true)] {
        let vault = seal_vault(&KEPT.identity, &KEPT.key, &[secret], USER, 1).unwrap();
        assert_eq!(has_phrase(&vault), Ok(has));
    }
}

#[test]
fn a_vault_that_nothing_would_open_is_not_sealed() {
    let result = seal_vault(&KEPT.identity, &KEPT.key, &[], USER, 1);
    assert_eq!(result, Err(SealError::NoSecret));
}

#[test]
fn a_changed_passphrase_replaces_the_old_one_and_leaves_the_phrase() {
    let next = change_passphrase(&KEPT.vault, &unlocked(), &passphrase("quite another one"), 5).unwrap();
    assert_eq!(open(&next, "quite another one").unwrap(), KEPT.key);
    assert_eq!(open(&next, WORDS), Err(OpenError::NotAuthentic));
    assert_eq!(recover(&next, &phrase()).unwrap(), KEPT.key);
    assert_eq!(open_vault_with_key(&next, &KEPT.key).unwrap().version, 5);
    assert_eq!(open(&KEPT.vault, WORDS).unwrap(), KEPT.key, "an old copy opens as before");
}

#[test]
fn a_new_phrase_replaces_the_old_one_and_leaves_the_passphrase() {
    let fresh = RecoveryPhrase::generate();
    let next = new_phrase(&KEPT.vault, &unlocked(), &fresh, 5).unwrap();
    assert_eq!(recover(&next, &fresh).unwrap(), KEPT.key);
    assert_eq!(recover(&next, &phrase()), Err(OpenError::NotAuthentic));
    assert_eq!(open(&next, WORDS).unwrap(), KEPT.key);
}

#[test]
fn secrets_are_not_changed_with_another_vaults_key_or_user() {
    let mut other = unlocked();
    other.vault_key = VaultKey::generate();
    assert!(new_phrase(&KEPT.vault, &other, &phrase(), 5).is_err());
    let mut other = unlocked();
    other.user_id = UserId::from_bytes([2; 16]);
    assert!(new_phrase(&KEPT.vault, &other, &phrase(), 5).is_err());
    assert!(change_passphrase(&KEPT.vault, &other, &passphrase(WORDS), 5).is_err());
}

/// A forged vault must not cost minutes of Argon2.
#[test]
fn a_fifth_slot_of_a_kind_is_not_tried() {
    let layout = VaultLayout::parse(&KEPT.vault).unwrap();
    let real = layout.slots()[1].clone();
    assert_eq!(real.kind, SlotKind::Recovery);
    let fresh = RecoveryPhrase::generate();
    let other = new_phrase(&KEPT.vault, &unlocked(), &fresh, 5).unwrap();
    let decoy = VaultLayout::parse(&other).unwrap().slots()[1].clone();
    for (decoys, opens) in [(3, true), (4, false)] {
        let slots = [vec![decoy.clone(); decoys], vec![real.clone()]].concat();
        let mut forged = VaultLayout::head_bytes(USER, 4, &slots).unwrap();
        let aad = [b"waxwing/v1/vault\0".as_slice(), &forged].concat();
        let key = Key::from_bytes(*KEPT.key.secret().expose_secret());
        let plain = {
            let head = &KEPT.vault[..KEPT.vault.len() - layout.body().len()];
            fast_floe::decrypt(&key, &[b"waxwing/v1/vault\0", head].concat(), layout.body()).unwrap()
        };
        forged.extend(format::small::seal_small(KEPT.key.secret(), &aad, &plain).unwrap());
        assert_eq!(recover(&forged, &phrase()).is_ok(), opens, "{decoys} before it");
    }
}

/// The kind is sealed with the slot: what a phrase opens cannot be passed off as what a passphrase opens.
#[test]
fn a_slot_passed_off_as_another_kind_is_refused() {
    let mut swapped = KEPT.vault.clone();
    swapped[HEAD] = SlotKind::Recovery as u8;
    swapped[HEAD + SLOT] = SlotKind::Passphrase as u8;
    assert_eq!(open(&swapped, WORDS), Err(OpenError::NotAuthentic));
    assert_eq!(recover(&swapped, &phrase()), Err(OpenError::NotAuthentic));
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
    let head_len = HEAD + 2 * SLOT;
    for at in (0..head_len).chain([head_len, head_len + 80, vault.len() - 1]) {
        let mut tampered = vault.clone();
        tampered[at] ^= 1;
        assert!(open_vault_with_key(&tampered, &KEPT.key).is_err(), "byte {at}");
    }
    assert!(open_vault_with_key(&vault[..vault.len() - 1], &KEPT.key).is_err());
    assert!(open_vault_with_key(&[vault.as_slice(), &[0]].concat(), &KEPT.key).is_err());
}

/// Mallory's slots, which her secrets open, put in the place of the victim's.
#[test]
fn a_slot_swapped_between_users_is_refused() {
    let mallory = UserId::from_bytes([2; 16]);
    let (words, phrase) = (passphrase(WORDS), phrase());
    let secrets = [VaultSecret::Passphrase(&words), VaultSecret::Phrase(&phrase)];
    let theirs = seal_vault(&KEPT.identity, &KEPT.key, &secrets, mallory, 4).unwrap();
    let slots = HEAD..HEAD + 2 * SLOT;
    let swapped = [&KEPT.vault[..slots.start], &theirs[slots.clone()], &KEPT.vault[slots.end..]].concat();
    assert_eq!(open(&swapped, WORDS), Err(OpenError::NotAuthentic));
    assert_eq!(recover(&swapped, &phrase), Err(OpenError::NotAuthentic));
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
    let slot = &layout.slots()[1];
    let entropy: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let slot_key = hkdf(&entropy, &slot.salt, "waxwing/v1/vault/recovery");
    let aad = [b"waxwing/v1/vault-slot\0".as_slice(), USER.as_bytes(), &[2], &slot.salt].concat();
    let same = fast_floe::decrypt(&Key::from_bytes(slot_key), &aad, &slot.sealed).unwrap();
    assert_eq!(vault_key, same);
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
fn no_more_than_four_slots_of_a_kind_are_tried() {
    let phrases: Vec<RecoveryPhrase> = (0..5).map(|_| RecoveryPhrase::generate()).collect();
    let secrets: Vec<VaultSecret<'_>> = phrases.iter().map(VaultSecret::Phrase).collect();
    let vault = seal_vault(&KEPT.identity, &KEPT.key, &secrets, USER, 1).unwrap();
    assert!(open_vault(&vault, secrets[3]).is_ok());
    // A server could add as many as it liked, and each costs the work of a guess.
    assert!(matches!(open_vault(&vault, secrets[4]), Err(OpenError::NotAuthentic)));
}

#[test]
fn a_new_version_keeps_the_slots_and_needs_no_passphrase() {
    let mut unlocked = open_vault_with_key(&KEPT.vault, &KEPT.key).unwrap();
    unlocked.identity.set_pins_version(10);
    let next = reseal_vault(&KEPT.vault, &unlocked, 5).unwrap();
    let slots = HEAD..HEAD + 2 * SLOT;
    assert_eq!(next[slots.clone()], KEPT.vault[slots]);
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
    assert_eq!((MIN_SCORE_LOCAL.as_u8(), MIN_SCORE_SERVER.as_u8()), (3, 4));
    assert!(strength(&passphrase("violet-anchor-meadow-tundra-42")) >= MIN_SCORE_SERVER);
    assert!(strength(&passphrase(&"\u{e9}".repeat(5000))).as_u8() <= 4);
}
