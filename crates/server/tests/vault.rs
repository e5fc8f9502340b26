//! `PUT /vault`, `GET /vault`, `POST /vault/remove`.

use aws_lc_rs::digest;
use envelope::action::{VAULT, VAULT_REMOVAL, context, vault_bytes};
use envelope::ids::UserId;
use envelope::vault::{MAGIC, SALT_LEN, SLOT_LEN};
use proto::{B64, Code, PutVault, RemoveVault, VaultReply, paths};
use reqwest::{Method, StatusCode};

use crate::stage::server::send;
use crate::stage::{Person, Reply, Stage};

/// A key file as far as its outside goes.
pub(crate) fn vault(user: UserId, version: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(user.as_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&[1, 1]);
    bytes.extend_from_slice(&[7; SALT_LEN]);
    bytes.extend_from_slice(&crate::stage::sealed::small_message(SLOT_LEN));
    bytes.extend_from_slice(&crate::stage::sealed::small_message(400));
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap()
}

pub(crate) fn proof(person: &Person, version: u32, bytes: &[u8]) -> B64 {
    let signed = vault_bytes(&person.user, version, &sha256(bytes));
    B64(person.root.sign(&[&context(VAULT), &signed]).to_vec())
}

async fn put(stage: &Stage, person: &Person, vault: Vec<u8>, proof: B64) -> Reply {
    let request = stage.request(Method::PUT, paths::VAULT).bearer_auth(&person.token);
    send(request.json(&PutVault { vault: B64(vault), proof })).await
}

pub(crate) async fn keep(stage: &Stage, person: &Person, version: u32) -> Reply {
    let bytes = vault(person.user, version);
    let proof = proof(person, version, &bytes);
    put(stage, person, bytes, proof).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_kept_and_replaced_by_a_higher_number_alone() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    assert_eq!(alice.get(&stage, paths::VAULT).await.code(), Code::NotFound);
    let bytes = vault(alice.user, 3);
    for _ in 0..2 {
        let reply = put(&stage, &alice, bytes.clone(), proof(&alice, 3, &bytes)).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "once, and the same again");
    }
    assert_eq!(keep(&stage, &alice, 3).await.code(), Code::Conflict, "another one of the same number");
    assert_eq!(keep(&stage, &alice, 2).await.code(), Code::Conflict);
    let bytes = vault(alice.user, 4);
    put(&stage, &alice, bytes.clone(), proof(&alice, 4, &bytes)).await;
    let kept: VaultReply = alice.get(&stage, paths::VAULT).await.json();
    assert_eq!((kept.version, kept.stored_at), (4, stage.now()));
    assert_eq!(kept.vault.0, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_mailbox_alone_replaces_and_removes_no_key_file() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    keep(&stage, &alice, 1).await;
    let (bytes, thief) = (vault(alice.user, 2), Person::new(&stage, "thief@wax.example").await);
    let thief = Person { user: alice.user, token: alice.token.clone(), ..thief };
    let forged = proof(&thief, 2, &bytes);
    assert_eq!(put(&stage, &alice, bytes.clone(), forged).await.code(), Code::ProofNeeded);
    let of_another = proof(&alice, 2, &vault(alice.user, 3));
    assert_eq!(put(&stage, &alice, bytes.clone(), of_another).await.code(), Code::ProofNeeded);
    assert_eq!(put(&stage, &alice, bytes, B64(vec![0; 63])).await.code(), Code::Malformed);
    // Signed by another root, for another purpose, or for another number.
    for (person, purpose, version) in
        [(&thief, VAULT_REMOVAL, 1), (&alice, VAULT, 1), (&alice, VAULT_REMOVAL, 2)]
    {
        let signed = vault_bytes(&alice.user, version, &[0; 32]);
        let proof = B64(person.root.sign(&[&context(purpose), &signed]).to_vec());
        let reply = alice.post(&stage, paths::VAULT_REMOVE, &RemoveVault { version: 1, proof }).await;
        assert_eq!(reply.code(), Code::ProofNeeded, "{purpose} {version}");
    }
    let kept: VaultReply = alice.get(&stage, paths::VAULT).await.json();
    assert_eq!(kept.version, 1);
    let signed = vault_bytes(&alice.user, 1, &[0; 32]);
    let proof = B64(alice.root.sign(&[&context(VAULT_REMOVAL), &signed]).to_vec());
    let removed = alice.post(&stage, paths::VAULT_REMOVE, &RemoveVault { version: 1, proof }).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(alice.get(&stage, paths::VAULT).await.code(), Code::NotFound);
    assert_eq!(keep(&stage, &alice, 1).await.code(), Code::Conflict, "a removed one does not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_file_or_somebody_elses_is_not_kept() {
    let stage = Stage::new().await;
    let (alice, bob) = (
        Person::with_bundle(&stage, "a@wax.example").await,
        Person::with_bundle(&stage, "b@wax.example").await,
    );
    let foreign = vault(bob.user, 1);
    let signed = proof(&alice, 1, &foreign);
    assert_eq!(put(&stage, &alice, foreign, signed).await.code(), Code::Rejected);
    for bytes in [Vec::new(), vec![0; 500], vault(alice.user, 1)[..100].to_vec()] {
        let signed = proof(&alice, 1, &bytes);
        assert_eq!(put(&stage, &alice, bytes, signed).await.code(), Code::Malformed);
    }
    let nobody = Person::new(&stage, "c@wax.example").await;
    assert_eq!(keep(&stage, &nobody, 1).await.code(), Code::ProofNeeded, "there is no root to prove it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_handed_out_ten_times_a_day() {
    let stage = Stage::new().await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    keep(&stage, &alice, 1).await;
    for _ in 0..10 {
        alice.get(&stage, paths::VAULT).await.json::<VaultReply>();
    }
    let refusal = alice.get(&stage, paths::VAULT).await.refusal();
    assert_eq!((refusal.code, refusal.retry_after.is_some()), (Code::TooMany, true));
}
