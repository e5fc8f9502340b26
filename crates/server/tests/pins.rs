//! `PUT /pins`, `GET /pins`.

use envelope::ids::UserId;
use envelope::pins::{PinsLayout, SIGNATURE_CONTEXT};
use proto::{B64, Code, PinsReply, PutPins, paths};
use reqwest::{Method, StatusCode};

use crate::stage::server::send;
use crate::stage::{Person, Reply, Stage};

/// A record as far as its outside goes.
pub(crate) fn record(user: UserId, version: u64, by: &Person) -> Vec<u8> {
    let head = PinsLayout::head(user, version);
    let body = crate::stage::sealed::small_message(300);
    let signature = by.root.sign(&[SIGNATURE_CONTEXT, &head, &body]);
    [&head[..], &body, &signature].concat()
}

pub(crate) async fn put(stage: &Stage, person: &Person, previous: u64, record: Vec<u8>) -> Reply {
    let request = stage.request(Method::PUT, paths::PINS).bearer_auth(&person.token);
    send(request.json(&PutPins { previous, record: B64(record) })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_pins_takes_the_place_of_the_one_that_was_read() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    assert_eq!(alice.get(&stage, paths::PINS).await.code(), Code::NotFound);
    let first = record(alice.user, 1, &alice);
    for _ in 0..2 {
        let reply = put(&stage, &alice, 0, first.clone()).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "once, and the same again");
    }
    let rival = record(alice.user, 2, &alice);
    assert_eq!(put(&stage, &alice, 0, rival).await.code(), Code::Conflict, "somebody wrote meanwhile");
    let second = record(alice.user, 5, &alice);
    assert_eq!(put(&stage, &alice, 1, second.clone()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(put(&stage, &alice, 5, first).await.code(), Code::Conflict, "an older one never comes back");
    let kept: PinsReply = alice.get(&stage, paths::PINS).await.json();
    assert_eq!(kept.record.0, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_mailbox_alone_writes_no_record() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let thief = Person::with_bundle(&stage, "thief@wax.example").await;
    let forged = record(alice.user, 1, &thief);
    assert_eq!(put(&stage, &alice, 0, forged).await.code(), Code::ProofNeeded);
    let mut changed = record(alice.user, 1, &alice);
    changed[200] ^= 1;
    assert_eq!(put(&stage, &alice, 0, changed).await.code(), Code::ProofNeeded);
    let theirs = record(thief.user, 1, &thief);
    assert_eq!(put(&stage, &alice, 0, theirs).await.code(), Code::Rejected, "somebody else's");
    assert_eq!(put(&stage, &alice, 0, b"WXWGPN01".to_vec()).await.code(), Code::Malformed);
    assert_eq!(alice.get(&stage, paths::PINS).await.code(), Code::NotFound, "nothing of it is kept");
    let bare = Person::new(&stage, "bare@wax.example").await;
    let unpublished = record(bare.user, 1, &bare);
    assert_eq!(put(&stage, &bare, 0, unpublished).await.code(), Code::ProofNeeded, "no bundle, no record");
    assert_eq!(thief.get(&stage, paths::PINS).await.code(), Code::NotFound);
}
