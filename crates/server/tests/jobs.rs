//! What the server does by itself.

use proto::{WhoAmI, paths};

use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::{Parcel, Person};

#[tokio::test(flavor = "multi_thread")]
async fn expiry_deletes_the_blobs_of_what_has_ended_and_of_nothing_else() {
    let (stage, alice, bob) = alice_and_bob().await;
    let (short, long) = (Parcel::new(MIB + 1_000), Parcel::new(1_000));
    let mut request = short.complete_request(&alice, &[&bob]);
    request.expires_in = 3_600;
    short.send_as(&stage, &alice, &request).await;
    long.send(&stage, &alice, &[&bob]).await;
    // Two parts and their leaves; one part, whose only leaf is the root.
    assert_eq!(stage.stored_files(), 4);
    assert_eq!(stage.run_jobs().await, server::JobReport::default());
    stage.later(3_600);
    let report = stage.run_jobs().await;
    assert_eq!((report.expired_files, report.deleted_blobs, report.orphans), (1, 3, 0));
    assert_eq!(stage.stored_files(), 1);
    assert_eq!(stage.run_jobs().await, server::JobReport::default());
    let alice = Person { token: Person::new(&stage, "alice@wax.example").await.token, ..alice };
    let me: WhoAmI = alice.get(&stage, paths::WHOAMI).await.json();
    assert_eq!(me.used_bytes, 1_000);
    let ticket = long.ticket(&stage, &alice).await;
    let path = paths::fill(paths::CONTENT, &[&long.file_id, &0]);
    assert_eq!(long.content(&stage, &ticket, &path, None).await.body, long.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orphan_sweep_takes_old_blobs_that_nothing_refers_to() {
    let (stage, alice, _) = alice_and_bob().await;
    let parcel = Parcel::new(1_000);
    let mut request = parcel.complete_request(&alice, &[]);
    request.expires_in = 30 * 86_400;
    parcel.send_as(&stage, &alice, &request).await;
    // A blob whose row was never written, as after a crash between the two.
    use blobs::Blobs as _;
    let store = blobs::LocalBlobs::open(stage.data.path().join("data/blobs")).await.unwrap();
    let mut writer = store.create(blobs::BlobName::generate()).await.unwrap();
    writer.write(bytes::Bytes::from_static(b"left behind")).await.unwrap();
    writer.commit().await.unwrap();
    assert_eq!(stage.stored_files(), 2);
    stage.later(86_000);
    assert_eq!(stage.run_jobs().await.orphans, 0);
    stage.later(86_400);
    assert_eq!(stage.run_jobs().await.orphans, 1);
    assert_eq!(stage.stored_files(), 1);
}
