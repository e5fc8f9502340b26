//! `POST /directory/reset`, `POST /directory/reset/stop`: new keys that nobody signed over.

use envelope::Bundle;
use envelope::action::{KEEP_KEYS, context, keep_bytes};
use proto::{B64, Code, LookupReply, MyBundle, PendingReset, PublishBundle, Published, StopReset, paths};
use reqwest::StatusCode;
use serde_json::json;
use server::Notice;

use crate::stage::person::{Root, signed};
use crate::stage::{Person, Reply, Stage};

const DAY: i64 = 86_400;

/// Alice, and the bundle that somebody without her root would like to see in the place of hers.
async fn lost() -> (Stage, Person, Root, Bundle) {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let fresh = Root::generate();
    let bundle = unlinked(&alice, &fresh);
    (stage, alice, fresh, bundle)
}

fn unlinked(person: &Person, fresh: &Root) -> Bundle {
    let mut body = person.next_body();
    body.root_key = fresh.public();
    signed(&body, fresh, None)
}

/// A bundle in the place of somebody's, by a root that is known to nobody.
pub(crate) fn wish(person: &Person) -> Bundle {
    unlinked(person, &Root::generate())
}

/// The word of `by` that a person's keys stay.
pub(crate) fn objection(person: &Person, by: &Root, bundle: &Bundle) -> StopReset {
    let proof = by.sign(&[&context(KEEP_KEYS), &keep_bytes(&person.user, &bundle.hash())]);
    StopReset { bundle_hash: B64(bundle.hash().to_vec()), proof: B64(proof.to_vec()) }
}

pub(crate) async fn ask(stage: &Stage, person: &Person, bundle: &Bundle) -> Reply {
    let body = PublishBundle { bundle: B64(bundle.as_bytes().to_vec()) };
    person.post(stage, paths::RESET, &body).await
}

async fn stop(stage: &Stage, person: &Person, by: &Root, bundle: &Bundle) -> Reply {
    person.post(stage, paths::RESET_STOP, &objection(person, by, bundle)).await
}

/// Days later; sessions are renewed by signing in again.
async fn later(stage: &Stage, person: &mut Person, seconds: i64) {
    stage.clock.advance(seconds);
    person.token = stage.sign_in(&person.address).await.access_token.expose_secret().to_owned();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_count_after_three_days_and_not_a_second_earlier() {
    let (stage, mut alice, _, bundle) = lost().await;
    assert_eq!(alice.publish(&stage, &bundle).await.code(), Code::ProofNeeded);
    let asked: PendingReset = ask(&stage, &alice, &bundle).await.json();
    assert_eq!((asked.begun, asked.due), (stage.now(), stage.now() + 3 * DAY));
    assert_eq!(alice.publish(&stage, &bundle).await.code(), Code::ProofNeeded);
    later(&stage, &mut alice, 2 * DAY).await;
    let again: PendingReset = ask(&stage, &alice, &bundle).await.json();
    assert_eq!(again, asked, "asking again gains no time and loses none");
    later(&stage, &mut alice, DAY - 1).await;
    assert_eq!(alice.publish(&stage, &bundle).await.code(), Code::ProofNeeded);
    later(&stage, &mut alice, 1).await;
    assert_eq!(alice.publish(&stage, &bundle).await.json::<Published>().seq, 2);
    assert_eq!(alice.publish(&stage, &bundle).await.json::<Published>().seq, 2, "the same again");
    assert_eq!(alice.get(&stage, paths::MY_BUNDLE).await.json::<MyBundle>().reset, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_every_session_and_whoever_looks_up_are_told() {
    let (stage, alice, _, bundle) = lost().await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let lookup = json!({"addresses": [alice.address]});
    let before: LookupReply = bob.post(&stage, paths::LOOKUP, &lookup).await.json();
    assert_eq!(before.people[0].reset_due, None);
    let asked: PendingReset = ask(&stage, &alice, &bundle).await.json();
    ask(&stage, &alice, &bundle).await;
    assert_eq!(alice.get(&stage, paths::MY_BUNDLE).await.json::<MyBundle>().reset, Some(asked.clone()));
    let after: LookupReply = bob.post(&stage, paths::LOOKUP, &lookup).await.json();
    assert_eq!(after.people[0].reset_due, Some(asked.due));
    let mail = stage.mail.clone();
    let mut stage = stage;
    stage.running.take().unwrap().shutdown().await;
    assert_eq!(mail.notices(), [(alice.address, Notice::KeysReset { due: asked.due })], "one letter");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_keys_stops_it_and_whoever_has_the_mailbox_does_not() {
    let (stage, mut alice, fresh, bundle) = lost().await;
    ask(&stage, &alice, &bundle).await;
    assert_eq!(stop(&stage, &alice, &fresh, &bundle).await.code(), Code::ProofNeeded);
    let reply = stop(&stage, &alice, &alice.root, &bundle).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(stop(&stage, &alice, &alice.root, &bundle).await.code(), Code::NotFound);
    later(&stage, &mut alice, 4 * DAY).await;
    assert_eq!(alice.publish(&stage, &bundle).await.code(), Code::ProofNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_the_old_keys_voids_the_wish() {
    let (stage, mut alice, _, bundle) = lost().await;
    ask(&stage, &alice, &bundle).await;
    let mut body = alice.next_body();
    body.created += 1;
    let own = signed(&body, &alice.root, None);
    assert_eq!(alice.publish(&stage, &own).await.json::<Published>().seq, 2);
    later(&stage, &mut alice, 4 * DAY).await;
    assert_eq!(alice.publish(&stage, &bundle).await.code(), Code::Conflict);
    assert_eq!(ask(&stage, &alice, &bundle).await.code(), Code::Conflict, "it follows a bundle that is past");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bundle_than_the_one_that_was_asked_for_is_not_published() {
    let (stage, mut alice, fresh, bundle) = lost().await;
    ask(&stage, &alice, &bundle).await;
    later(&stage, &mut alice, 4 * DAY).await;
    let mut body = alice.next_body();
    body.root_key = fresh.public();
    body.created += 1;
    assert_eq!(alice.publish(&stage, &signed(&body, &fresh, None)).await.code(), Code::ProofNeeded);
    assert_eq!(alice.publish(&stage, &bundle).await.json::<Published>().seq, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_successor_or_needs_no_waiting_is_refused() {
    let (stage, alice, fresh, bundle) = lost().await;
    let mut skipping = alice.next_body();
    (skipping.root_key, skipping.seq) = (fresh.public(), 3);
    assert_eq!(ask(&stage, &alice, &signed(&skipping, &fresh, None)).await.code(), Code::Conflict);
    let forged = signed(
        &{
            let mut body = alice.next_body();
            body.root_key = fresh.public();
            body
        },
        &Root::generate(),
        None,
    );
    assert!(matches!(ask(&stage, &alice, &forged).await.code(), Code::Rejected | Code::ProofNeeded));
    assert_eq!(ask(&stage, &alice, &alice.next_bundle()).await.code(), Code::Conflict, "its own keys");
    let mallory = Person::with_bundle(&stage, "mallory@wax.example").await;
    assert_eq!(ask(&stage, &mallory, &bundle).await.code(), Code::Rejected, "somebody else's");
    let bare = Person::new(&stage, "bare@wax.example").await;
    assert_eq!(ask(&stage, &bare, &bare.next_bundle()).await.code(), Code::Conflict, "no keys to be lost");
}
