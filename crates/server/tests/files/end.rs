//! `DELETE /files/{id}` and `DELETE /files/{id}/grants/{user}`.

use proto::{B64, Code, FileInfo, paths};
use reqwest::Method;

use crate::stage::person::Root;
use crate::stage::sealed::{alice_and_bob, assert_gone};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Reply, Stage};

async fn delete(stage: &Stage, person: &Person, parcel: &Parcel, proof: &str) -> Reply {
    let request = stage.request(Method::DELETE, &parcel.file_path()).bearer_auth(&person.token);
    send(request.header(proto::headers::PROOF, proof)).await
}

fn proof(root: &Root, purpose: &str, id: &[u8; 16]) -> String {
    let context = format!("waxwing/v1/action/{purpose}\0");
    B64(root.sign(&[context.as_bytes(), id]).to_vec()).to_text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_removed_by_its_authors_root_key_only() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob]).await;
    let id = parcel.file_id.as_bytes();
    let good = proof(&alice.root, "delete", id);
    assert_eq!(alice.delete(&stage, &parcel.file_path()).await.code(), Code::ProofNeeded);
    for wrong in [
        proof(&bob.root, "delete", id),
        proof(&alice.root, "rename", id),
        proof(&alice.root, "delete", &[0; 16]),
    ] {
        assert_eq!(delete(&stage, &alice, &parcel, &wrong).await.code(), Code::ProofNeeded);
    }
    for text in ["", "AAAA", "not base64!"] {
        assert_eq!(delete(&stage, &alice, &parcel, text).await.code(), Code::Malformed, "{text}");
    }
    assert_eq!(delete(&stage, &bob, &parcel, &proof(&bob.root, "delete", id)).await.code(), Code::Forbidden);
    assert_eq!(delete(&stage, &carol, &parcel, &good).await.code(), Code::NotFound);
    alice.get(&stage, &parcel.file_path()).await.json::<FileInfo>();
    let ticket = parcel.ticket(&stage, &bob).await;
    assert_gone(&delete(&stage, &alice, &parcel, &good).await);
    assert_eq!(delete(&stage, &alice, &parcel, &good).await.code(), Code::NotFound);
    assert_eq!(bob.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    let tree = paths::fill(paths::TREE, &[&parcel.file_id]);
    assert_eq!(parcel.content(&stage, &ticket, &tree, None).await.code(), Code::NotFound);
    assert_eq!(stage.run_jobs().await.deleted_blobs, 1);
    assert_eq!(stage.stored_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_taken_back_by_the_author_or_dropped_by_their_holder() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let dave = Person::with_bundle(&stage, "dave@wax.example").await;
    let parcel = Parcel::new(1_000);
    parcel.send(&stage, &alice, &[&bob, &carol]).await;
    let grant = |person: &Person| paths::fill(paths::GRANT, &[&parcel.file_id, &person.user]);
    assert_eq!(dave.delete(&stage, &grant(&bob)).await.code(), Code::NotFound);
    assert_eq!(dave.delete(&stage, &grant(&dave)).await.code(), Code::NotFound);
    assert_eq!(bob.delete(&stage, &grant(&carol)).await.code(), Code::Forbidden);
    assert_eq!(bob.delete(&stage, &grant(&alice)).await.code(), Code::Forbidden);
    assert_eq!(alice.delete(&stage, &grant(&alice)).await.code(), Code::Forbidden);
    assert_eq!(alice.delete(&stage, &grant(&dave)).await.code(), Code::NotFound);
    assert_gone(&bob.delete(&stage, &grant(&bob)).await);
    assert_eq!(bob.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    assert_gone(&alice.delete(&stage, &grant(&carol)).await);
    assert_eq!(carol.get(&stage, &parcel.file_path()).await.code(), Code::NotFound);
    assert_eq!(alice.delete(&stage, &grant(&carol)).await.code(), Code::NotFound);
    alice.get(&stage, &parcel.file_path()).await.json::<FileInfo>();
}
