//! Identities: bundles, rotation, signed actions.

use envelope::action::{self, verify_action};
use envelope::bundle::{ChainError, KeyAlgorithm, verify_chain};
use envelope::{Address, Bundle, UserId};
use format::grant::RecipientKey;
use format::identity::BundleParams;
use format::{Identity, SealError};

fn params(previous: Option<&Bundle>) -> BundleParams {
    BundleParams {
        user_id: UserId::from_bytes([1; 16]),
        address: Address::parse("alice@wax.example").unwrap(),
        seq: previous.map_or(1, |bundle| bundle.seq() + 1),
        prev_hash: previous.map_or([0; 32], Bundle::hash),
        created: 1000,
        min_format: 1,
    }
}

#[test]
fn a_bundle_is_signed_and_carries_the_present_keys() {
    let identity = Identity::generate();
    let bundle = identity.bundle(&params(None)).unwrap();
    assert_eq!(bundle.verify(), Ok(()));
    assert_eq!(bundle.root_id(), identity.root_id());
    assert_eq!(&*bundle.key_for(KeyAlgorithm::XWing, 1000).unwrap().key, identity.xwing_public());
    assert!(identity.matches(&bundle));
    let recipient = RecipientKey::from_bundle(&bundle, 1000).unwrap();
    assert_eq!((recipient.id(), recipient.root()), (identity.recipient_id(), Some(identity.root_id())));
    assert!(RecipientKey::from_bundle(&bundle, 999).is_err());
}

#[test]
fn nothing_is_sealed_to_a_person_who_wants_a_later_format() {
    let identity = Identity::generate();
    let key = |min_format| {
        let bundle = identity.bundle(&BundleParams { min_format, ..params(None) }).unwrap();
        RecipientKey::from_bundle(&bundle, 1000).map(|key| key.id())
    };
    assert_eq!(key(0), Ok(identity.recipient_id()));
    assert_eq!(key(1), Ok(identity.recipient_id()));
    assert_eq!(key(2), Err(SealError::Format));
}

#[test]
fn a_bundle_of_somebody_else_does_not_match() {
    let (alice, bob) = (Identity::generate(), Identity::generate());
    assert!(!alice.matches(&bob.bundle(&params(None)).unwrap()));
}

#[test]
fn an_outdated_bundle_does_not_match() {
    let mut alice = Identity::generate();
    let old = alice.bundle(&params(None)).unwrap();
    alice.rotate_xwing();
    assert!(!alice.matches(&old), "the present X-Wing key is not in it");
    assert!(alice.matches(&alice.bundle(&params(Some(&old))).unwrap()));
    alice.rotate();
    assert!(!alice.matches(&old), "the root is retired");
}

#[test]
fn a_rotated_root_is_linked_to_the_one_before() {
    let mut alice = Identity::generate();
    let first = alice.bundle(&params(None)).unwrap();
    assert!(alice.rotation_bundle(&params(Some(&first))).is_err(), "there is no root before");
    alice.rotate();
    let linked = alice.rotation_bundle(&params(Some(&first))).unwrap();
    assert_eq!(verify_chain(&[first.clone(), linked]), Ok(()));
    let unlinked = alice.bundle(&params(Some(&first))).unwrap();
    assert_eq!(unlinked.follows(&first), Err(ChainError::UnlinkedRoot));
    assert_eq!(alice.root_keys().count(), 2);
    assert!(alice.has_root(first.root_id()));
}

#[test]
fn recipient_ids_cover_retired_keys_and_roots() {
    let mut alice = Identity::generate();
    let old = alice.recipient_id();
    alice.rotate();
    assert_ne!(alice.recipient_id(), old);
    assert!(alice.recipient_ids().contains(&old));
    assert!(alice.recipient_ids().contains(&alice.recipient_id()));
}

#[test]
fn an_action_is_signed_by_the_present_root() {
    let alice = Identity::generate();
    let signature = alice.sign_action(action::DELETE, &[5; 16]);
    assert_eq!(verify_action(alice.root().public(), action::DELETE, &[5; 16], &signature), Ok(()));
    assert!(verify_action(alice.root().public(), action::DELETE, &[6; 16], &signature).is_err());
    assert!(
        verify_action(Identity::generate().root().public(), action::DELETE, &[5; 16], &signature).is_err()
    );
}
