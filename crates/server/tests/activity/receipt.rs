//! `POST /files/{id}/receipt`.

use envelope::action::{RECEIPT, context, receipt_bytes};
use proto::{B64, Code, ContentId, FileInfo, PostReceipt, paths};

use super::kinds;
use crate::stage::sealed::{alice_and_bob, assert_gone};
use crate::stage::{Parcel, Person, Reply, Stage};

const OPENED: i64 = 1_800_000_000;

async fn post(stage: &Stage, person: &Person, parcel: &Parcel, receipt: &PostReceipt) -> Reply {
    person.post(stage, &paths::fill(paths::RECEIPT, &[&parcel.file_id]), receipt).await
}

/// Sends a parcel whose content id is known: that of the very manifest that was sent.
async fn sent(stage: &Stage, alice: &Person, to: &[&Person]) -> (Parcel, ContentId) {
    let parcel = Parcel::new(1_000);
    let request = parcel.complete_request(alice, to);
    let content_id = envelope::Manifest::parse(request.manifest.0.clone()).unwrap().content_id();
    parcel.send_as(stage, alice, &request).await;
    (parcel, content_id)
}

fn signed(parcel: &Parcel, content_id: ContentId, signer: &Person) -> PostReceipt {
    signed_for(RECEIPT, parcel, content_id, signer)
}

fn signed_for(purpose: &str, parcel: &Parcel, content_id: ContentId, signer: &Person) -> PostReceipt {
    let signed = receipt_bytes(parcel.file_id, content_id, OPENED);
    PostReceipt { opened: OPENED, signature: B64(signer.root.sign(&[&context(purpose), &signed]).to_vec()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_taken_from_its_signer_once_and_shown_to_the_author_alone() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (parcel, content_id) = sent(&stage, &alice, &[&bob]).await;
    let good = signed(&parcel, content_id, &bob);
    for _ in 0..2 {
        assert_gone(&post(&stage, &bob, &parcel, &good).await);
    }
    let info: FileInfo = alice.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(info.receipts.len(), 1);
    assert_eq!((info.receipts[0].user, info.receipts[0].opened), (bob.user, OPENED));
    assert_eq!(info.receipts[0].signature, good.signature);
    let info: FileInfo = bob.get(&stage, &parcel.file_path()).await.json();
    assert_eq!(info.receipts, []);
    let about = format!("?file={}&kind=file_opened", parcel.file_id);
    assert_eq!(kinds(&stage, &alice, &about).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_not_the_callers_own_is_refused() {
    let (stage, alice, bob) = alice_and_bob().await;
    let carol = Person::with_bundle(&stage, "carol@wax.example").await;
    let (parcel, content_id) = sent(&stage, &alice, &[&bob]).await;
    let good = signed(&parcel, content_id, &bob);
    let code = async |person, receipt: &PostReceipt| post(&stage, person, &parcel, receipt).await.code();
    assert_eq!(code(&carol, &signed(&parcel, content_id, &carol)).await, Code::NotFound);
    assert_eq!(code(&alice, &signed(&parcel, content_id, &alice)).await, Code::Forbidden);
    let other = ContentId::from_bytes([9; 32]);
    for wrong in [
        signed(&parcel, content_id, &alice),
        signed(&parcel, other, &bob),
        PostReceipt { opened: OPENED + 1, ..good.clone() },
        signed_for("delete", &parcel, content_id, &bob),
    ] {
        assert_eq!(code(&bob, &wrong).await, Code::Rejected);
    }
    let short = PostReceipt { signature: B64(vec![0; 63]), ..good.clone() };
    assert_eq!(code(&bob, &short).await, Code::Malformed);
    let nobody = stage.post(&paths::fill(paths::RECEIPT, &[&parcel.file_id]), &good).await;
    assert_eq!(nobody.code(), Code::SignInNeeded);
    assert_gone(&post(&stage, &bob, &parcel, &good).await);
}
