//! `POST /uploads`, `GET /uploads`, `GET` and `DELETE /uploads/{id}`.

use proto::{Begin, Code, UploadList, UploadStatus, WhoAmI, paths};
use serde_json::json;

use crate::stage::sealed::{MIB, alice_and_bob, assert_gone, file_id};
use crate::stage::{Parcel, Person, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_begin_gives_the_same_answer_and_a_differing_one_conflicts() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(2 * MIB + 100);
    let first = parcel.begin(&stage, &alice).await;
    assert_eq!((first.file_id, first.part_len, first.body_len), (parcel.file_id, MIB, Some(2 * MIB + 100)));
    assert_eq!(first.expires_at, stage.now() + 7 * 86_400);
    parcel.put(&stage, &alice, 1).await.json::<proto::PartRecord>();
    stage.later(60);
    let again = parcel.begin(&stage, &alice).await;
    assert_eq!(again.expires_at, first.expires_at);
    assert_eq!(again.parts.len(), 1);
    let mut other = parcel.begin_request();
    other.body_len = Some(2 * MIB + 101);
    assert_eq!(alice.post(&stage, paths::UPLOADS, &other).await.code(), Code::Conflict);
    assert_eq!(bob.post(&stage, paths::UPLOADS, &parcel.begin_request()).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_id_is_never_free_again() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    assert_gone(&alice.delete(&stage, &parcel.upload_path()).await);
    assert_eq!(alice.post(&stage, paths::UPLOADS, &parcel.begin_request()).await.code(), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_beyond_the_servers_are_refused_at_begin() {
    let stage = Stage::with(|config| {
        config.limits.file_bytes = 4 * MIB;
        config.limits.quota_bytes = 5 * MIB;
        config.limits.uploads = 2;
    })
    .await;
    let alice = Person::with_bundle(&stage, "alice@wax.example").await;
    let begin = |body_len| Begin { file_id: file_id(), part_len: MIB, body_len, box_id: None };
    let code = async |request: &Begin| alice.post(&stage, paths::UPLOADS, request).await.code();
    assert_eq!(code(&begin(Some(4 * MIB + 100))).await, Code::TooLarge);
    assert_eq!(code(&begin(Some(31))).await, Code::Malformed);
    alice.post(&stage, paths::UPLOADS, &begin(Some(4 * MIB))).await.json::<UploadStatus>();
    assert_eq!(code(&begin(Some(2 * MIB))).await, Code::QuotaExceeded);
    alice.post(&stage, paths::UPLOADS, &begin(None)).await.json::<UploadStatus>();
    // As many unfinished uploads as allowed.
    assert_eq!(code(&begin(None)).await, Code::QuotaExceeded);
    let me: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!((me.used_bytes, me.quota_bytes), (4 * MIB, 5 * MIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_part_lengths_have_one_shape() {
    let (stage, alice, _) = alice_and_bob().await;
    let good = serde_json::to_value(Parcel::new(1_000).begin_request()).unwrap();
    for (name, value) in [
        ("file_id", json!("00000000-0000-0000-0000-000000000000")),
        ("file_id", json!(file_id().to_string().to_uppercase())),
        ("file_id", json!("x")),
        ("part_len", json!(MIB + 1)),
        ("part_len", json!(MIB / 2)),
        ("part_len", json!(0)),
        ("part_len", json!(-1)),
        ("body_len", json!("1000")),
        ("more", json!(1)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert_eq!(alice.post(&stage, paths::UPLOADS, &bad).await.code(), Code::Malformed, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_others_do_not_exist() {
    let (stage, alice, bob) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    parcel.begin(&stage, &alice).await;
    assert_eq!(bob.get(&stage, &parcel.upload_path()).await.code(), Code::NotFound);
    assert_eq!(bob.delete(&stage, &parcel.upload_path()).await.code(), Code::NotFound);
    assert_eq!(parcel.put(&stage, &bob, 0).await.code(), Code::NotFound);
    let request = parcel.complete_request(&bob, &[]);
    assert_eq!(parcel.complete(&stage, &bob, &request).await.code(), Code::NotFound);
    assert!(bob.get(&stage, paths::UPLOADS).await.json::<UploadList>().uploads.is_empty());
    let mine: UploadList = alice.get(&stage, paths::UPLOADS).await.json();
    assert_eq!(mine.uploads.len(), 1);
    assert_eq!(mine.uploads[0].file_id, parcel.file_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_or_expired_upload_takes_nothing_more() {
    let (stage, alice, _) = alice_and_bob().await;
    let abandoned = Parcel::new(2 * MIB);
    abandoned.begin(&stage, &alice).await;
    abandoned.put(&stage, &alice, 0).await.json::<proto::PartRecord>();
    assert_gone(&alice.delete(&stage, &abandoned.upload_path()).await);
    assert_eq!(abandoned.put(&stage, &alice, 1).await.code(), Code::NotFound);
    let expired = Parcel::new(2 * MIB);
    expired.begin(&stage, &alice).await;
    expired.put(&stage, &alice, 0).await.json::<proto::PartRecord>();
    stage.later(7 * 86_400);
    let again = Person::new(&stage, "alice@wax.example").await;
    assert_eq!(expired.put(&stage, &again, 1).await.code(), Code::NotFound);
    assert_eq!(stage.run_jobs().await.expired_uploads, 1);
    let me: WhoAmI = again.get(&stage, paths::WHOAMI).await.json();
    assert_eq!(me.used_bytes, 0);
    assert_eq!(stage.stored_files(), 0);
}
