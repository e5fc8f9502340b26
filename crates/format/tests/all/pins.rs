//! The record of pins: one's own devices read it, nobody changes it, one spelling.

use std::collections::BTreeMap;

use envelope::pins::{HEAD_LEN, MAX_LEN, PinsLayout};
use envelope::{Address, FileId, ParseError, RootId, UserId};
use format::pins::{FileRevision, MAX_PREVIOUS, PinRecord, PinnedContact, open_pins, seal_pins};
use format::{Identity, OpenError, SealError};

const USER: UserId = UserId::from_bytes([1; 16]);

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@people.example")).unwrap()
}

fn contact(fill: u8) -> PinnedContact {
    PinnedContact {
        user_id: UserId::from_bytes([fill; 16]),
        root_id: RootId::from_bytes([fill; 32]),
        seq: u32::from(fill),
        bundle_hash: [fill ^ 0x55; 32],
        verified: fill.is_multiple_of(2),
        first_seen: 1_700_000_000 + i64::from(fill),
        previous: vec![
            (RootId::from_bytes([fill ^ 1; 32]), true),
            (RootId::from_bytes([fill ^ 2; 32]), false),
        ],
    }
}

fn record() -> PinRecord {
    PinRecord {
        contacts: BTreeMap::from([(address("bob"), contact(2)), (address("carol"), contact(3))]),
        forgotten: BTreeMap::from([(address("dave"), -5)]),
        revisions: BTreeMap::from([(
            FileId::from_bytes([9; 16]),
            FileRevision { revision: 7, digest: [8; 32] },
        )]),
    }
}

#[test]
fn what_one_device_knows_the_other_reads() {
    let me = Identity::generate();
    for (version, said) in [(1, PinRecord::default()), (envelope::MAX_INTEGER, record())] {
        let sealed = seal_pins(&me, USER, version, &said).unwrap();
        let layout = PinsLayout::parse(&sealed).unwrap();
        assert_eq!((layout.user_id(), layout.version(), layout.to_bytes()), (USER, version, sealed.clone()));
        assert_eq!(open_pins(&me, USER, &sealed), Ok((version, said)));
    }
}

#[test]
fn no_address_and_no_root_stands_in_it_readable() {
    let sealed = seal_pins(&Identity::generate(), USER, 1, &record()).unwrap();
    let holds = |needle: &[u8]| sealed.windows(needle.len()).any(|window| window == needle);
    assert!(holds(USER.as_bytes()), "the search finds what is there");
    assert!(!holds(b"bob@people") && !holds(&[2; 32]) && !holds(&[9; 16]));
}

#[test]
fn no_byte_of_it_can_be_changed_left_out_or_added() {
    let me = Identity::generate();
    let sealed = seal_pins(&me, USER, 3, &PinRecord::default()).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(open_pins(&me, USER, &changed).is_err(), "byte {at}");
        assert!(open_pins(&me, USER, &sealed[..at]).is_err(), "cut at {at}");
    }
    assert!(open_pins(&me, USER, &[&sealed[..], &[0]].concat()).is_err());
}

#[test]
fn another_person_another_account_and_a_retired_root_make_no_record() {
    let mut me = Identity::generate();
    let sealed = seal_pins(&me, USER, 1, &record()).unwrap();
    assert_eq!(open_pins(&Identity::generate(), USER, &sealed), Err(OpenError::NotAuthentic));
    assert_eq!(open_pins(&me, UserId::from_bytes([2; 16]), &sealed), Err(OpenError::NotAuthentic));
    me.rotate_xwing();
    assert!(open_pins(&me, USER, &sealed).is_ok(), "the root is the same");
    me.rotate();
    assert_eq!(open_pins(&me, USER, &sealed), Err(OpenError::NotAuthentic));
}

#[test]
fn a_record_that_another_signed_over_the_same_body_is_refused() {
    let (me, other) = (Identity::generate(), Identity::generate());
    let mine = seal_pins(&me, USER, 1, &record()).unwrap();
    let theirs = seal_pins(&other, USER, 1, &record()).unwrap();
    let spliced = [&mine[..mine.len() - 64], &theirs[theirs.len() - 64..]].concat();
    assert_eq!(open_pins(&me, USER, &spliced), Err(OpenError::NotAuthentic));
    assert!(PinsLayout::parse(&mine).unwrap().verify(me.root().public()).is_ok());
    assert!(PinsLayout::parse(&mine).unwrap().verify(other.root().public()).is_err());
}

#[test]
fn a_version_of_zero_and_one_beyond_counting_are_refused() {
    let me = Identity::generate();
    let range = ParseError::OutOfRange { field: "version" };
    for version in [0, envelope::MAX_INTEGER + 1] {
        let sealed = seal_pins(&me, USER, version, &record());
        assert_eq!(sealed, Err(SealError::Layout(range)), "{version}");
    }
    let mut sealed = seal_pins(&me, USER, 1, &record()).unwrap();
    sealed[HEAD_LEN - 1] = 0;
    assert_eq!(PinsLayout::parse(&sealed), Err(range));
}

#[test]
fn a_plaintext_has_one_spelling() {
    let plain = record().encode().unwrap();
    assert_eq!(PinRecord::decode(&plain), Ok(record()));
    for at in 0..plain.len() {
        assert!(PinRecord::decode(&plain[..at]).is_err(), "cut at {at}");
        let mut changed = plain.to_vec();
        changed[at] ^= 0x20;
        if let Ok(read) = PinRecord::decode(&changed) {
            assert_eq!(*read.encode().unwrap(), changed, "byte {at}");
        }
    }
    assert!(PinRecord::decode(&[&plain[..], &[0]].concat()).is_err());
}

#[test]
fn contacts_out_of_order_twice_or_without_a_field_are_refused() {
    // {1: [], 2: [{1: "b@c", 2: 0}, {1: "a@c", 2: 0}], 3: []}
    let forgotten = |names: [&str; 2]| {
        let mut plain = vec![0xa3, 1, 0x80, 2, 0x82];
        for name in names {
            plain.extend_from_slice(&[0xa2, 1, 0x60 | u8::try_from(name.len()).unwrap()]);
            plain.extend_from_slice(name.as_bytes());
            plain.extend_from_slice(&[2, 0]);
        }
        plain.extend_from_slice(&[3, 0x80]);
        plain
    };
    assert!(PinRecord::decode(&forgotten(["a@c.example", "b@c.example"])).is_ok());
    assert!(PinRecord::decode(&forgotten(["b@c.example", "a@c.example"])).is_err());
    assert!(PinRecord::decode(&forgotten(["a@c.example", "a@c.example"])).is_err());
    assert!(PinRecord::decode(&forgotten(["a@C.example", "b@c.example"])).is_err(), "another spelling");
    assert!(PinRecord::decode(&[0xa2, 1, 0x80, 2, 0x80]).is_err(), "the revisions are missing");
    assert!(PinRecord::decode(&[0xa4, 1, 0x80, 2, 0x80, 3, 0x80, 4, 0x80]).is_err(), "a fourth field");
}

#[test]
fn a_record_holds_many_contacts_and_refuses_too_many() {
    let mut said = PinRecord::default();
    for n in 0..1_500 {
        let mut contact = contact(4);
        contact.previous.clear();
        said.contacts.insert(address(&format!("person-{n}")), contact);
    }
    let sealed = seal_pins(&Identity::generate(), USER, 1, &said).unwrap();
    assert!(sealed.len() <= MAX_LEN);
    for n in 0..1_000 {
        said.contacts.insert(address(&format!("one-more-{n}")), contact(5));
    }
    assert_eq!(seal_pins(&Identity::generate(), USER, 1, &said), Err(SealError::TooLong));
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let with = |change: &dyn Fn(&mut PinnedContact)| {
        let mut one = contact(2);
        change(&mut one);
        PinRecord { contacts: BTreeMap::from([(address("bob"), one)]), ..PinRecord::default() }
            .encode()
            .map(drop)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|one| one.previous = vec![(one.root_id, true); MAX_PREVIOUS]), Ok(()));
    assert!(with(&|one| one.previous = vec![(one.root_id, true); MAX_PREVIOUS + 1]).is_err());
    assert!(with(&|one| one.seq = 0).is_err());
    assert!(with(&|one| one.first_seen = i64::MAX).is_err());
}
