//! `POST /account/erase`.

use envelope::action::{ERASE, SECOND_FACTOR, context, erase_bytes};
use proto::{B64, Code, FactorProof, FactorRequest, LookupReply, paths};
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{Person, Reply, Stage};

pub(crate) fn proof(stage: &Stage, person: &Person, purpose: &str, ahead: i64) -> FactorRequest {
    let time = stage.now() + ahead;
    let bytes = erase_bytes(&person.user, time.unsigned_abs());
    let signature = B64(person.root.sign(&[&context(purpose), &bytes]).to_vec());
    FactorRequest { proof: Some(FactorProof { time, signature }) }
}

async fn erase(stage: &Stage, person: &Person, request: &FactorRequest) -> Reply {
    person.post(stage, paths::ERASE, request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_forgotten_and_may_come_back_as_somebody_new() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let bob = Person::with_bundle(&stage, "bob@wax.example").await;
    let reply = erase(&stage, &alice, &proof(&stage, &alice, ERASE, 0)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(alice.get(&stage, paths::WHOAMI).await.code(), Code::SignInNeeded);
    let asked = json!({"addresses": [alice.address, bob.address]});
    let found: LookupReply = bob.post(&stage, paths::LOOKUP, &asked).await.json();
    assert_eq!(found.people.len(), 1, "only Bob himself");
    let again = Person::with_bundle(&stage, "alice@wax.example").await;
    assert_ne!(again.user, alice.user);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_mailbox_alone_erases_nothing() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let thief = Person::with_bundle(&stage, "thief@wax.example").await;
    let forged = Person { root: thief.root, user: alice.user, token: alice.token.clone(), ..thief };
    for request in [
        FactorRequest::default(),
        proof(&stage, &forged, ERASE, 0),
        proof(&stage, &alice, SECOND_FACTOR, 0),
        proof(&stage, &alice, ERASE, -3_600),
        proof(&stage, &alice, ERASE, 3_600),
    ] {
        assert_eq!(erase(&stage, &alice, &request).await.code(), Code::ProofNeeded);
    }
    assert_eq!(alice.get(&stage, paths::WHOAMI).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_keys_is_erased_by_its_session() {
    let stage = Stage::new().await;
    let alice = Person::new(&stage, "alice@wax.example").await;
    let reply = erase(&stage, &alice, &FactorRequest::default()).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(erase(&stage, &alice, &FactorRequest::default()).await.code(), Code::SignInNeeded);
}
