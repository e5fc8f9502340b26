//! The directory.

pub(crate) mod reset;

use envelope::Bundle;
use proto::{B64, Chain, Code, LookupReply, PublishBundle, Published, paths};
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::person::{Root, signed};
use crate::stage::{Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_grows_by_successors_only() {
    let stage = Stage::new().await;
    let mut alice = Person::new(&stage, "alice@wax.example").await;
    assert_eq!(alice.get(&stage, paths::MY_BUNDLE).await.code(), Code::NotFound);
    let first = alice.next_bundle();
    let published: Published = alice.publish(&stage, &first).await.json();
    assert_eq!(published.seq, 1);
    // The same again is no fault; another first one is.
    assert_eq!(alice.publish(&stage, &first).await.json::<Published>().seq, 1);
    let mut other = alice.next_body();
    other.created += 1;
    assert_eq!(alice.publish(&stage, &signed(&other, &alice.root, None)).await.code(), Code::Conflict);
    alice.newest = Some(first.clone());
    let second = alice.next_bundle();
    let mut skipping = alice.next_body();
    skipping.seq = 3;
    assert_eq!(alice.publish(&stage, &signed(&skipping, &alice.root, None)).await.code(), Code::Conflict);
    let mut detached = alice.next_body();
    detached.prev_hash = [7; 32];
    assert_eq!(alice.publish(&stage, &signed(&detached, &alice.root, None)).await.code(), Code::Conflict);
    assert_eq!(alice.publish(&stage, &second).await.json::<Published>().seq, 2);
    // Going back is a conflict.
    assert_eq!(alice.publish(&stage, &first).await.code(), Code::Conflict);
    let mine: PublishBundle = alice.get(&stage, paths::MY_BUNDLE).await.json();
    assert_eq!(mine.bundle.0, second.as_bytes());
    let chain: Chain = alice.get(&stage, &paths::fill(paths::CHAIN, &[&alice.user])).await.json();
    assert_eq!(chain.bundles, [B64(first.as_bytes().to_vec()), B64(second.as_bytes().to_vec())]);
    let from = format!("{}?from=2", paths::fill(paths::CHAIN, &[&alice.user]));
    assert_eq!(alice.get(&stage, &from).await.json::<Chain>().bundles.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_needs_the_signature_of_the_one_before() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let fresh = Root::generate();
    let mut body = alice.next_body();
    body.root_key = fresh.public();
    assert_eq!(alice.publish(&stage, &signed(&body, &fresh, None)).await.code(), Code::ProofNeeded);
    // A link that somebody else signed is none.
    body.prev_root = Some(alice.root.public());
    let forged = signed(&body, &fresh, Some(&Root::generate()));
    assert_eq!(alice.publish(&stage, &forged).await.code(), Code::Rejected);
    let linked = signed(&body, &fresh, Some(&alice.root));
    assert_eq!(alice.publish(&stage, &linked).await.json::<Published>().seq, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_its_owners_and_signed() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let bob = Person::new(&stage, "bob@wax.example").await;
    assert_eq!(alice.publish(&stage, &bob.next_bundle()).await.code(), Code::Rejected);
    let mut body = alice.next_body();
    body.address = envelope::Address::parse("bob@wax.example").unwrap();
    assert_eq!(alice.publish(&stage, &signed(&body, &alice.root, None)).await.code(), Code::Rejected);
    let unsigned = signed(&alice.next_body(), &bob.root, None);
    assert_eq!(alice.publish(&stage, &unsigned).await.code(), Code::Rejected);
    let mut late = alice.next_body();
    (late.seq, late.prev_hash) = (2, [1; 32]);
    assert_eq!(alice.publish(&stage, &signed(&late, &alice.root, None)).await.code(), Code::Conflict);
    let mut bytes = alice.next_bundle().as_bytes().to_vec();
    bytes.push(0);
    assert_eq!(alice.publish_bytes(&stage, bytes).await.code(), Code::Malformed);
    assert_eq!(alice.publish_bytes(&stage, vec![0; 16_385]).await.code(), Code::TooLarge);
    assert_eq!(alice.get(&stage, paths::MY_BUNDLE).await.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn lookup_gives_the_bundles_of_those_who_have_one() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    Person::new(&stage, "bare@wax.example").await;
    let asked = json!({ "addresses": ["alice@WAX.example", "bare@wax.example", "nobody@wax.example"] });
    let found: LookupReply = alice.post(&stage, paths::LOOKUP, &asked).await.json();
    assert_eq!(found.people.len(), 1);
    assert_eq!(found.people[0].address, "alice@WAX.example");
    assert_eq!(Bundle::parse(found.people[0].bundle.0.clone()).unwrap().user_id(), alice.user);
    let none: LookupReply = alice.post(&stage, paths::LOOKUP, &json!({ "addresses": [] })).await.json();
    assert!(none.people.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_are_bounded_in_size_and_number() {
    let stage = Stage::with(|config| config.limits.lookups = 3).await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let many: Vec<_> = (0..501).map(|n| format!("p{n}@wax.example")).collect();
    assert_eq!(
        alice.post(&stage, paths::LOOKUP, &json!({ "addresses": many })).await.code(),
        Code::Malformed
    );
    assert_eq!(
        alice.post(&stage, paths::LOOKUP, &json!({ "addresses": ["no address"] })).await.code(),
        Code::Malformed
    );
    let full = alice.post(&stage, paths::LOOKUP, &json!({ "addresses": many[..500] })).await;
    assert_eq!(full.status, StatusCode::OK);
    let over = alice.post(&stage, paths::LOOKUP, &json!({ "addresses": [] })).await;
    assert_eq!(over.code(), Code::TooMany);
    assert!(over.refusal().retry_after.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_nobody_is_nothing() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let nobody = crate::stage::sealed::file_id();
    assert_eq!(alice.get(&stage, &paths::fill(paths::CHAIN, &[&nobody])).await.code(), Code::NotFound);
    assert_eq!(alice.get(&stage, "/api/v1/directory/NOT-AN-ID/chain").await.code(), Code::NotFound);
}
