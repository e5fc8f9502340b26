//! Identity bundles: layout, signatures, chains.

use envelope::bundle::{
    Bundle, BundleBody, BundleKey, ChainError, KeyAlgorithm, KeyUsage, MAX_LEN, ROTATION_CONTEXT,
    SIGNATURE_CONTEXT, verify_chain,
};
use envelope::{Address, ParseError, UserId};
use proptest::prelude::*;

use crate::fixtures::{Signer, refuses_other_lengths, with};

fn body(root: &Signer) -> BundleBody {
    let key = |algorithm, len| BundleKey {
        usage: KeyUsage::V1,
        algorithm,
        not_before: 100,
        not_after: 200,
        key: vec![8; len].into(),
    };
    BundleBody {
        user_id: UserId::from_bytes([1; 16]),
        seq: 1,
        prev_hash: [0; 32],
        root_key: root.public(),
        prev_root: None,
        created: 50,
        min_format: 7,
        address: Address::parse("alice@wax.example").unwrap(),
        keys: vec![key(KeyAlgorithm::XWing, 1216), key(KeyAlgorithm::Rsa, 294)],
    }
}

fn sealed(body: &BundleBody, root: &Signer, previous: Option<&Signer>) -> Vec<u8> {
    let mut bytes = body.encode().unwrap();
    let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
    let linked = previous.map_or([0; 64], |previous| *previous.sign(&[ROTATION_CONTEXT, &bytes]).as_bytes());
    bytes.extend_from_slice(signature.as_bytes());
    bytes.extend_from_slice(&linked);
    bytes
}

fn first(root: &Signer) -> Bundle {
    Bundle::parse(sealed(&body(root), root, None)).unwrap()
}

fn next(previous: &Bundle, root: &Signer, linked: Option<&Signer>) -> Bundle {
    let body = BundleBody {
        seq: previous.seq() + 1,
        prev_hash: previous.hash(),
        prev_root: linked.map(Signer::public),
        ..body(root)
    };
    Bundle::parse(sealed(&body, root, linked)).unwrap()
}

#[test]
fn parsing_and_serialising_are_inverse() {
    let root = Signer::new(1);
    let bytes = sealed(&body(&root), &root, None);
    let bundle = Bundle::parse(bytes.clone()).unwrap();
    assert_eq!(bundle.as_bytes(), bytes);
    assert_eq!(bundle.body(), &body(&root));
    assert_eq!(
        (bundle.user_id(), bundle.seq(), bundle.created(), bundle.min_format()),
        (UserId::from_bytes([1; 16]), 1, 50, 7)
    );
    assert_eq!((bundle.root_key(), bundle.prev_root(), bundle.prev_hash()), (&root.public(), None, &[0; 32]));
    assert_eq!(
        (bundle.address().as_str(), bundle.keys()),
        ("alice@wax.example", body(&root).keys.as_slice())
    );
    assert_eq!(bundle.verify(), Ok(()));
    let linked = next(&bundle, &Signer::new(2), Some(&root));
    assert_eq!(linked.body().encode().unwrap(), linked.signed_bytes());
}

#[test]
fn other_lengths_are_refused() {
    let root = Signer::new(1);
    refuses_other_lengths(&sealed(&body(&root), &root, None), |bytes| Bundle::parse(bytes).ok());
}

#[test]
fn illegal_fields_are_refused() {
    let root = Signer::new(1);
    let bytes = sealed(&body(&root), &root, None);
    let address_at = 8 + 16 + 4 + 32 + 32 + 32 + 8 + 2;
    let key_at = address_at + 2 + "alice@wax.example".len() + 2;
    let prev_sig_at = bytes.len() - 64;
    for (name, at, value) in [
        ("magic", 0, &b"WXWGID02"[..]),
        ("sequence 0", 24, &[0; 4]),
        ("previous hash at sequence 1", 28, &[1]),
        ("no previous hash at sequence 2", 24, &[0, 0, 0, 2]),
        ("previous root without its signature", 92, &[1]),
        ("signature without a previous root", prev_sig_at, &[1]),
        ("created 2^53", 124, &(1_u64 << 53).to_be_bytes()),
        ("address not in normal form", address_at + 2 + 6, b"W"),
        ("address not UTF-8", address_at + 2, &[0xff]),
        ("key usage", key_at, &[3]),
        ("key algorithm", key_at + 1, &[3]),
        ("key of another algorithm's size", key_at + 1, &[1]),
        ("key not before 2^53", key_at + 2, &(1_u64 << 53).to_be_bytes()),
    ] {
        assert!(Bundle::parse(with(&bytes, at, value)).is_err(), "{name}");
    }
}

#[test]
fn a_bundle_is_at_most_65536_bytes() {
    let root = Signer::new(1);
    let mut body = body(&root);
    let key = |len| BundleKey { key: vec![8; len].into(), ..body.keys[usize::from(len != 1216)].clone() };
    let mut keys = vec![key(1216); 52];
    keys.extend([key(294), key(422)]);
    body.keys = keys;
    let address = |last: usize| {
        let labels = ["b".repeat(63), "c".repeat(63), "d".repeat(last)];
        Address::parse(&format!("{}@{}", "a".repeat(64), labels.join("."))).unwrap()
    };
    body.address = address(49);
    let longest = sealed(&body, &root, None);
    assert_eq!(longest.len(), MAX_LEN);
    assert_eq!(Bundle::parse(longest).unwrap().verify(), Ok(()));
    body.address = address(50);
    let refused = Bundle::parse(sealed(&body, &root, None));
    assert_eq!(refused, Err(ParseError::OutOfRange { field: "bundle" }));
}

#[test]
fn a_bundle_signed_by_another_root_fails() {
    let (root, other) = (Signer::new(1), Signer::new(2));
    let forged = Bundle::parse(sealed(&body(&root), &other, None)).unwrap();
    assert!(forged.verify().is_err());
}

#[test]
fn a_link_signed_by_another_root_fails() {
    let (old, new, thief) = (Signer::new(1), Signer::new(2), Signer::new(3));
    let before = first(&old);
    let body = BundleBody { seq: 2, prev_hash: before.hash(), prev_root: Some(old.public()), ..body(&new) };
    let forged = Bundle::parse(sealed(&body, &new, Some(&thief))).unwrap();
    assert_eq!(forged.follows(&before), Err(ChainError::Signature));
    let honest = Bundle::parse(sealed(&body, &new, Some(&old))).unwrap();
    assert_eq!(honest.follows(&before), Ok(()));
}

#[test]
fn a_chain_of_linked_bundles_verifies() {
    let (old, new) = (Signer::new(1), Signer::new(2));
    let a = first(&old);
    let b = next(&a, &old, None);
    let c = next(&b, &new, Some(&old));
    let d = next(&c, &new, None);
    assert_eq!(verify_chain(&[a.clone(), b.clone(), c.clone(), d.clone()]), Ok(()));
    assert_eq!(verify_chain(&[b.clone(), c.clone()]), Ok(()));
    assert_eq!(verify_chain(&[]), Err(ChainError::Length));
    assert_eq!(verify_chain(&[a.clone(), c.clone()]), Err(ChainError::Sequence));
    assert_eq!(verify_chain(&[b.clone(), a]), Err(ChainError::Sequence));
    assert_eq!(verify_chain(&[b.clone(), b]), Err(ChainError::Sequence));
    assert_eq!(verify_chain(&[d, c]), Err(ChainError::Sequence));
}

#[test]
fn a_changed_root_without_a_link_is_a_new_person() {
    let a = first(&Signer::new(1));
    assert_eq!(next(&a, &Signer::new(2), None).follows(&a), Err(ChainError::UnlinkedRoot));
    let third = Signer::new(3);
    assert_eq!(next(&a, &Signer::new(2), Some(&third)).follows(&a), Err(ChainError::UnlinkedRoot));
}

#[test]
fn a_replaced_predecessor_is_noticed() {
    let root = Signer::new(1);
    let a = first(&root);
    let other = Bundle::parse(sealed(&BundleBody { created: 51, ..body(&root) }, &root, None)).unwrap();
    let b = next(&a, &root, None);
    assert_eq!(b.follows(&other), Err(ChainError::PreviousHash));
    let stranger = BundleBody { user_id: UserId::from_bytes([2; 16]), ..body(&root) };
    let stranger = Bundle::parse(sealed(&stranger, &root, None)).unwrap();
    assert_eq!(b.follows(&stranger), Err(ChainError::DifferentUser));
}

#[test]
fn a_chain_that_is_too_long_is_refused() {
    let root = Signer::new(1);
    let mut chain = vec![first(&root)];
    for _ in 0..64 {
        chain.push(next(&chain[chain.len() - 1], &root, None));
    }
    assert_eq!(verify_chain(&chain), Ok(()));
    chain.push(next(&chain[64], &root, None));
    assert_eq!(verify_chain(&chain), Err(ChainError::Length));
}

#[test]
fn a_key_is_chosen_by_algorithm_usage_and_time() {
    let root = Signer::new(1);
    let bundle = first(&root);
    assert!(bundle.key_for(KeyAlgorithm::XWing, 99).is_none());
    assert!(bundle.key_for(KeyAlgorithm::XWing, 100).is_some());
    assert!(bundle.key_for(KeyAlgorithm::XWing, 200).is_some());
    assert!(bundle.key_for(KeyAlgorithm::XWing, 201).is_none());
    let mut body = body(&root);
    body.keys[0].not_after = 0;
    body.keys[1].usage = KeyUsage::V0Only;
    let bundle = Bundle::parse(sealed(&body, &root, None)).unwrap();
    assert!(bundle.key_for(KeyAlgorithm::XWing, u64::MAX).is_some());
    assert!(bundle.key_for(KeyAlgorithm::Rsa, 150).is_none());
}

proptest! {
    #[test]
    fn every_flipped_bit_fails_to_verify(bit in 0_usize..8 * 1800) {
        let root = Signer::new(1);
        let mut bytes = sealed(&body(&root), &root, None);
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Bundle::parse(bytes).map_or(true, |bundle| bundle.verify().is_err()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..1600)) {
        let _ = Bundle::parse(tail.clone());
        let root = Signer::new(1);
        let mut bytes = sealed(&body(&root), &root, None);
        bytes.truncate(136);
        let _ = Bundle::parse([bytes, tail].concat());
    }
}
