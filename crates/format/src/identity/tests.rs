//! Which bundles are an identity's own: forged ones are signed here with its own root.

use super::*;
use crate::rsa::RsaBits;

fn body(identity: &Identity) -> BundleBody {
    BundleBody {
        user_id: UserId::from_bytes([1; 16]),
        seq: 1,
        prev_hash: [0; 32],
        root_key: *identity.root().public(),
        prev_root: None,
        created: 1,
        min_format: 1,
        address: Address::parse("alice@wax.example").unwrap(),
        keys: vec![xwing_key(identity)],
    }
}

fn key(algorithm: KeyAlgorithm, bytes: &[u8]) -> BundleKey {
    BundleKey { usage: KeyUsage::V1, algorithm, not_before: 0, not_after: 0, key: bytes.into() }
}

fn xwing_key(identity: &Identity) -> BundleKey {
    key(KeyAlgorithm::XWing, identity.xwing_public())
}

fn signed(body: &BundleBody, root: &RootKeyPair) -> Bundle {
    let mut bytes = body.encode().unwrap();
    let signature = root.sign(&[SIGNATURE_CONTEXT, &bytes]);
    bytes.extend_from_slice(signature.as_bytes());
    bytes.extend_from_slice(&[0; 64]);
    Bundle::parse(bytes).unwrap()
}

/// A bundle of `identity` with these keys, signed by its present root.
fn with_keys(identity: &Identity, keys: Vec<BundleKey>) -> Bundle {
    signed(&BundleBody { keys, ..body(identity) }, identity.root())
}

#[test]
fn an_identity_has_at_least_one_key_of_each_kind() {
    let root = || vec![RootKeyPair::generate()];
    let xwing = || vec![XWingKeyPair::from_seed(Secret::generate())];
    assert!(Identity::from_parts(root(), xwing(), Vec::new(), 0).is_some());
    assert!(Identity::from_parts(Vec::new(), xwing(), Vec::new(), 0).is_none());
    assert!(Identity::from_parts(root(), Vec::new(), Vec::new(), 0).is_none());
}

#[test]
fn a_present_bundle_is_signed_by_the_present_root() {
    let (alice, mallory) = (Identity::generate(), Identity::generate());
    assert!(alice.matches(&signed(&body(&alice), alice.root())));
    assert!(!alice.matches(&signed(&body(&alice), mallory.root())), "the signature is another's");
    let taken = BundleBody { root_key: *mallory.root().public(), ..body(&alice) };
    assert!(!alice.matches(&signed(&taken, mallory.root())), "the root is another's");
}

#[test]
fn a_present_bundle_names_the_present_key_and_none_of_others() {
    let (mut alice, mallory) = (Identity::generate(), Identity::generate());
    let retired = xwing_key(&alice);
    alice.rotate_xwing();
    let present = xwing_key(&alice);
    assert!(alice.matches(&with_keys(&alice, vec![present.clone()])));
    assert!(alice.matches(&with_keys(&alice, vec![retired.clone(), present.clone()])));
    assert!(!alice.matches(&with_keys(&alice, vec![retired])));
    assert!(!alice.matches(&with_keys(&alice, vec![])));
    assert!(!alice.matches(&with_keys(&alice, vec![present.clone(), xwing_key(&mallory)])));

    let (own, other) = (RsaPrivateKey::generate(RsaBits::B2048), RsaPrivateKey::generate(RsaBits::B2048));
    let [own_key, other_key] = [&own, &other].map(|pair| key(KeyAlgorithm::Rsa, pair.public().spki()));
    assert!(!alice.matches(&with_keys(&alice, vec![present.clone(), own_key.clone()])));
    assert!(alice.add_rsa(own));
    assert!(alice.matches(&with_keys(&alice, vec![present.clone(), own_key])));
    assert!(!alice.matches(&with_keys(&alice, vec![present, other_key])));
}

#[test]
fn the_next_bundle_comes_after_one_of_the_last_two_roots() {
    let mut alice = Identity::generate();
    let first = signed(&body(&alice), alice.root());
    assert!(!alice.succeeds(&first), "nothing changed since");
    alice.rotate_xwing();
    assert!(alice.succeeds(&first));
    alice.rotate();
    assert!(alice.succeeds(&first));
    assert!(alice.has_root(first.root_id()));
    alice.rotate();
    assert!(!alice.succeeds(&first), "two roots ago");
    assert!(alice.has_root(first.root_id()));
    assert!(!alice.has_root(Identity::generate().root_id()));
}

#[test]
fn the_next_bundle_comes_after_none_of_others() {
    let (mut alice, mallory) = (Identity::generate(), Identity::generate());
    let before = body(&alice);
    alice.rotate_xwing();
    assert!(alice.succeeds(&signed(&before, alice.root())));
    assert!(!alice.succeeds(&signed(&before, mallory.root())), "the signature is another's");
    let taken = BundleBody { root_key: *mallory.root().public(), ..before.clone() };
    assert!(!alice.succeeds(&signed(&taken, mallory.root())), "the root is another's");
    let foreign = BundleBody { keys: vec![xwing_key(&alice), xwing_key(&mallory)], ..before.clone() };
    assert!(!alice.succeeds(&signed(&foreign, alice.root())), "a key is another's");
    // An RSA key may have been given up since.
    let given_up = BundleBody { keys: vec![key(KeyAlgorithm::Rsa, &[8; 294])], ..before };
    assert!(alice.succeeds(&signed(&given_up, alice.root())));
}

#[test]
fn the_next_bundle_is_linked_exactly_if_the_root_changed() {
    let mut alice = Identity::generate();
    let first = signed(&body(&alice), alice.root());
    alice.rotate_xwing();
    let second = alice.next_bundle(&first, 2).unwrap();
    assert_eq!((second.follows(&first), second.prev_root()), (Ok(()), None));
    alice.rotate();
    let third = alice.next_bundle(&second, 3).unwrap();
    assert_eq!((third.follows(&second), third.prev_root()), (Ok(()), Some(first.root_key())));
    assert_eq!((third.seq(), third.created(), third.min_format()), (3, 3, first.min_format()));
    assert_eq!((third.user_id(), third.address()), (first.user_id(), first.address()));
    assert!(alice.matches(&third));
}
