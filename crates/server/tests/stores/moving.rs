//! Moving from one store to another while files are read and written.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use blobs::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Health};
use proto::paths;
use server::admin::{AdminError, Damage, MoveEvent, MoveOptions, MoveReport};
use tokio::sync::{Notify, Semaphore};

use super::*;

const OUT: MoveOptions = MoveOptions { from: StoreName::Local, to: StoreName::S3, take_over: false };

async fn moved(two: &Two) -> MoveReport {
    let upkeep = two.upkeep().await;
    let report = upkeep.move_blobs(OUT, |_| {}).await.unwrap();
    upkeep.close().await;
    report
}

/// A local store at which reading, or writing, waits for leave.
struct Gate {
    inner: MemoryBlobs,
    asked: Notify,
    may_read: Semaphore,
}

impl Gate {
    fn before(inner: &MemoryBlobs, open: usize) -> Arc<Self> {
        Arc::new(Self { inner: inner.clone(), asked: Notify::new(), may_read: Semaphore::new(open) })
    }
}

#[async_trait]
impl Blobs for Gate {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.inner.create(name).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.asked.notify_one();
        self.may_read.acquire().await.unwrap().forget();
        self.inner.read(name, range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        self.inner.len(name).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        self.inner.delete(name).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        self.inner.list().await
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        self.inner.sweep_temporary(older_than).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        self.inner.health().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_moved_and_opens_before_and_after_the_old_blobs_are_gone() {
    let two = Two::new().await;
    let (large, small, open) = (two.sent(LARGE).await, two.sent(SMALL).await, Parcel::new(2 * MIB));
    open.begin(&two.stage, &two.alice).await;
    open.put(&two.stage, &two.alice, 0).await;
    let report = moved(&two).await;
    assert_eq!((report.moved, report.ended, report.damaged), (6, 0, 0));
    assert_eq!((report.files, report.bytes), (3, LARGE + 9 * 32 + SMALL + MIB));
    assert_eq!(
        (held(&two.local).await, held(&two.s3).await),
        (6, 6),
        "where they were they stay for a while"
    );
    two.opens(&large).await;
    assert_eq!(moved(&two).await.moved, 0, "there is nothing to be done twice");
    two.stage.later(900);
    assert_eq!(two.stage.run_jobs().await.deleted_blobs, 6);
    assert_eq!((held(&two.local).await, held(&two.s3).await), (0, 6));
    two.opens(&large).await;
    two.opens(&small).await;
    // The upload goes on, its next part in the default store, and is moved with the rest.
    open.put(&two.stage, &two.alice, 1).await;
    let request = open.complete_request(&two.alice, &[&two.bob]);
    open.complete(&two.stage, &two.alice, &request).await.json::<proto::Completed>();
    two.opens(&open).await;
    assert_eq!(moved(&two).await.moved, 2);
    two.opens(&open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_had_read_the_old_place_goes_on_at_the_new_one() {
    let local = MemoryBlobs::new();
    let gate = Gate::before(&local, 0);
    let two = Two::over(gate.clone(), local).await;
    let parcel = two.sent(SMALL).await;
    let ticket = parcel.ticket(&two.stage, &two.bob).await;
    let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &0]);
    let download = parcel.content(&two.stage, &ticket, &path, None);
    let meanwhile = async {
        gate.asked.notified().await;
        assert_eq!(moved(&two).await.moved, 1);
        two.stage.later(900);
        assert_eq!(two.stage.run_jobs().await.deleted_blobs, 1);
        gate.may_read.add_permits(1);
    };
    let (reply, ()) = tokio::join!(download, meanwhile);
    assert_eq!((reply.status, reply.body.as_ref()), (reqwest::StatusCode::OK, parcel.body.as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_while_files_are_sent_fetched_and_deleted_loses_nothing_and_leaves_no_orphan() {
    let mut two = Two::new().await;
    let mut parcels = Vec::new();
    for _ in 0..6 {
        parcels.push(two.sent(LARGE).await);
    }
    let doomed = two.sent(LARGE).await;
    let going_on = async {
        let mut sent = Vec::new();
        for parcel in &parcels {
            sent.push(two.sent(LARGE).await);
            two.opens(parcel).await;
        }
        deleted(&two.stage, &two.alice, &doomed).await;
        sent
    };
    let upkeep = two.upkeep().await;
    let (report, sent) = tokio::join!(upkeep.move_blobs(OUT, |_| {}), going_on);
    assert_eq!(report.unwrap().damaged, 0);
    parcels.extend(sent);
    upkeep.move_blobs(OUT, |_| {}).await.unwrap();
    two.two_days_later().await;
    assert_eq!((held(&two.local).await, held(&two.s3).await), (0, 12 * 4));
    for parcel in &parcels {
        two.opens(parcel).await;
    }
    upkeep.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_off_is_gone_on_with_and_its_remains_are_swept() {
    let mut two = Two::new().await;
    let parcels = [two.sent(LARGE).await, two.sent(LARGE).await];
    // Cut off where the first file is moved and the second is being copied.
    let upkeep = two.upkeep().await;
    let (cut, been_there) = (Notify::new(), std::sync::atomic::AtomicBool::new(false));
    let each = |event: &MoveEvent| {
        if matches!(event, MoveEvent::Progress(_))
            && !been_there.swap(true, std::sync::atomic::Ordering::SeqCst)
        {
            cut.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = cut.notified() => {}
        report = upkeep.move_blobs(OUT, each) => panic!("it was not cut off: {report:?}"),
    }
    // As a copy that a killed run had made durable and nothing refers to.
    two.s3.put_all(vec![(BlobName::generate(), "a copy".into())]).await.unwrap();
    let refused = upkeep.move_blobs(OUT, |_| {}).await;
    assert!(matches!(refused, Err(AdminError::MoveRuns)), "its lease still lives: {refused:?}");
    let report = upkeep.move_blobs(MoveOptions { take_over: true, ..OUT }, |_| {}).await.unwrap();
    assert!((1..=8).contains(&report.moved), "{report:?}");
    two.two_days_later().await;
    assert_eq!((held(&two.local).await, held(&two.s3).await), (0, 8));
    for parcel in &parcels {
        two.opens(parcel).await;
    }
    upkeep.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_named_and_stays() {
    let two = Two::new().await;
    let (damaged, sound) = (two.sent(SMALL).await, two.sent(SMALL).await);
    let part = two.stage.database().await.part(damaged.file_id, 0).await.unwrap().unwrap();
    let name: BlobName = part.blob.as_str().parse().unwrap();
    two.local.delete(name).await.unwrap();
    let altered = vec![7_u8; usize::try_from(SMALL).unwrap()];
    two.local.put_all(vec![(name, altered.into())]).await.unwrap();
    let upkeep = two.upkeep().await;
    let mut found = Vec::new();
    let each = |event: &MoveEvent| match event {
        MoveEvent::Damaged(one) => found.push((one.file_id, one.damage)),
        MoveEvent::Progress(_) => {}
    };
    let report = upkeep.move_blobs(OUT, each).await.unwrap();
    assert_eq!((report.moved, report.damaged), (1, 1));
    assert!(found.iter().all(|one| *one == (damaged.file_id, Damage::Altered)), "{found:?}");
    assert_eq!(two.local.len(name).await.unwrap(), Some(SMALL), "somebody may want to look at it");
    two.opens(&sound).await;
    let same = upkeep.move_blobs(MoveOptions { to: StoreName::Local, ..OUT }, |_| {}).await;
    assert!(matches!(same, Err(AdminError::SameStore(StoreName::Local))));
    let unknown = upkeep.move_blobs(MoveOptions { to: StoreName::Ipfs, ..OUT }, |_| {}).await;
    assert!(matches!(unknown, Err(AdminError::Store(_))), "{unknown:?}");
    upkeep.close().await;
}
