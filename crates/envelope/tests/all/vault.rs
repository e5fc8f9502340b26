//! The vault's outer layout.

use envelope::UserId;
use envelope::small::SMALL_PLAIN_MAX;
use envelope::vault::{MAX_LEN, Slot, SlotKind, VaultLayout};
use proptest::prelude::*;

use crate::fixtures::{small, with};

fn vault(slots: usize) -> Vec<u8> {
    let slot = |n: usize| Slot {
        kind: if n.is_multiple_of(2) { SlotKind::Passphrase } else { SlotKind::Recovery },
        salt: [2; 16],
        sealed: small(32).try_into().unwrap(),
    };
    let slots: Vec<Slot> = (0..slots).map(slot).collect();
    let mut bytes = VaultLayout::head_bytes(UserId::from_bytes([1; 16]), 3, &slots).unwrap();
    bytes.extend_from_slice(&small(100));
    bytes
}

#[test]
fn parsing_and_serialising_are_inverse() {
    for slots in [1, 2, 255] {
        let bytes = vault(slots);
        assert_eq!(bytes.len(), 29 + slots * 155 + 206);
        let layout = VaultLayout::parse(&bytes).unwrap();
        assert_eq!(layout.to_bytes(), bytes);
        assert_eq!(layout.slots().len(), slots);
        assert_eq!((layout.user_id(), layout.version()), (UserId::from_bytes([1; 16]), 3));
        assert_eq!(layout.body(), small(100));
    }
}

#[test]
fn the_longest_vault_parses() {
    let head = vault(255)[..29 + 255 * 155].to_vec();
    let longest = [head.as_slice(), &small(SMALL_PLAIN_MAX)].concat();
    assert_eq!(longest.len(), MAX_LEN);
    assert_eq!(VaultLayout::parse(&longest).unwrap().head(), head);
    let longer = [head.as_slice(), &small(SMALL_PLAIN_MAX + 1)].concat();
    assert!(VaultLayout::parse(&longer).is_err());
}

#[test]
fn a_vault_without_slots_is_refused() {
    assert!(VaultLayout::parse(&vault(0)).is_err());
    let too_many: Vec<Slot> = VaultLayout::parse(&vault(255)).unwrap().slots().to_vec();
    let too_many = [too_many, vec![VaultLayout::parse(&vault(1)).unwrap().slots()[0].clone()]].concat();
    assert!(VaultLayout::head_bytes(UserId::from_bytes([1; 16]), 3, &too_many).is_err());
}

#[test]
fn other_lengths_are_refused() {
    let bytes = vault(2);
    crate::fixtures::refuses_other_lengths(&bytes, |bytes| VaultLayout::parse(bytes).ok());
}

#[test]
fn illegal_fields_are_refused() {
    let bytes = vault(1);
    for (name, at, value) in [
        ("magic", 0, &b"WXWGVT02"[..]),
        ("slot kind 0", 29, &[0]),
        ("slot kind 3", 29, &[3]),
        ("slot with other parameters", 29 + 17, &[1]),
        ("more slots than there are", 28, &[2]),
        ("body with other parameters", 29 + 155, &[1]),
    ] {
        assert!(VaultLayout::parse(&with(&bytes, at, value)).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn what_parses_serialises_to_itself(at in 0_usize..390, byte: u8) {
        let bytes = with(&vault(1), at, &[byte]);
        if let Ok(layout) = VaultLayout::parse(&bytes) {
            prop_assert_eq!(layout.to_bytes(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = VaultLayout::parse(&tail);
        let _ = VaultLayout::parse(&[b"WXWGVT01".as_slice(), &tail].concat());
    }
}
