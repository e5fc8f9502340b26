//! Each file knows its store.

use proto::{Health, paths};
use reqwest::Method;

use super::*;
use crate::stage::server::send;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_stays_in_its_store_when_new_ones_go_to_another() {
    let mut two = Two::new().await;
    let old = two.sent(LARGE).await;
    assert_eq!((held(&two.local).await, held(&two.s3).await), (4, 0));
    let second = two.beside(two.stores(), StoreName::S3).await;
    let url = std::mem::replace(&mut two.stage.url, second.url());
    let (new, small) = (two.sent(LARGE).await, two.sent(SMALL).await);
    assert_eq!((held(&two.local).await, held(&two.s3).await), (4, 5));
    for parcel in [&old, &new, &small] {
        two.opens(parcel).await;
    }
    // The first server goes on writing where it was told to, and reads both.
    two.stage.url = url;
    for parcel in [&old, &new, &small] {
        two.opens(parcel).await;
    }
    // What ends is deleted from the store that it is in.
    for parcel in [&old, &new] {
        deleted(&two.stage, &two.alice, parcel).await;
    }
    assert_eq!(two.stage.run_jobs().await.deleted_blobs, 8);
    assert_eq!((held(&two.local).await, held(&two.s3).await), (0, 1));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_configured_is_an_error_and_never_a_deletion() {
    let two = Two::new().await;
    let second = two.beside(two.stores(), StoreName::S3).await;
    let url = second.url();
    let parcel = Parcel::new(LARGE);
    let first = Stage { url, ..two.stage };
    parcel.send(&first, &two.alice, &[&two.bob]).await;
    // A server that knows of no S3, with an operator who does not either.
    let local = vec![(StoreName::Local, Arc::new(two.local.clone()) as Arc<dyn Blobs>)];
    let config = Config::for_data(first.data.path().join("data"));
    let seams = Seams {
        clock: Some(first.clock.clone()),
        mailer: Some(Arc::new(first.mail.clone())),
        stores: local,
        ..Seams::default()
    };
    let lacking = Server::start_with(config, seams).await.unwrap();
    let url = lacking.url();
    let lacking_stage = Stage { url, running: Some(lacking), ..first };
    let ticket = parcel.ticket(&lacking_stage, &two.bob).await;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    let refused = parcel.content(&lacking_stage, &ticket, &path, None).await;
    assert_eq!(refused.code(), proto::Code::Internal);
    deleted(&lacking_stage, &two.alice, &parcel).await;
    lacking_stage.later(2 * 86_400);
    let report = lacking_stage.run_jobs().await;
    assert_eq!((report.deleted_blobs, report.put_off_blobs, report.orphans), (0, 4, 0));
    assert_eq!(held(&two.s3).await, 4, "nothing was touched");
    assert_eq!(lacking_stage.run_jobs().await.put_off_blobs, 0, "it keeps nothing else");
    lacking_stage.later(300);
    let report = second.run_jobs().await.unwrap();
    assert_eq!((report.deleted_blobs + report.put_off_blobs, held(&two.s3).await), (4, 0));
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_swept_out_of_every_store_and_out_of_no_other() {
    let mut two = Two::new().await;
    let kept = two.sent(LARGE).await;
    for store in [&two.local, &two.s3] {
        store.put_all(vec![(blobs::BlobName::generate(), "left behind".into())]).await.unwrap();
    }
    let upkeep = two.upkeep().await;
    two.stage.later(2 * 86_400);
    let mut found = Vec::new();
    upkeep.orphans(|orphan| found.push(orphan.store)).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [StoreName::Local, StoreName::S3]);
    assert_eq!(two.two_days_later().await.orphans, 2);
    assert_eq!((held(&two.local).await, held(&two.s3).await), (4, 0));
    two.opens(&kept).await;
    upkeep.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_there_is_s3() {
    let two = Two::new().await;
    let health: Health = two.stage.get(paths::HEALTH).await.json();
    assert!(health.s3_available);
    let plain = Stage::new().await;
    let health: Health = send(plain.request(Method::GET, paths::HEALTH)).await.json();
    assert!(!health.s3_available);
}
