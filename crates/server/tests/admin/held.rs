//! A backup that is stopped between the copy of the database and that of the first blob, while the server goes on.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use blobs::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, LocalBlobs};
use server::Config;
use server::admin::{AdminError, Backup, BackupOptions, BackupReport, Restore};
use tokio::sync::{Notify, Semaphore};

use super::config;
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::server::files_below;
use crate::stage::{Parcel, Person, Stage};

/// A store that says when it is first asked, and answers when it may.
struct Held {
    inner: LocalBlobs,
    asked: Notify,
    may_answer: Semaphore,
}

#[async_trait]
impl Blobs for Held {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.inner.create(name).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.inner.read(name, range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        self.asked.notify_one();
        drop(self.may_answer.acquire().await);
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

/// Runs a backup to `safe`, and `meanwhile` when the database is copied and no blob yet.
async fn back_up_while(stage: &Stage, meanwhile: impl AsyncFnOnce()) -> Result<BackupReport, AdminError> {
    let inner = LocalBlobs::open(stage.data.path().join("data/blobs")).await.unwrap();
    let held = Arc::new(Held { inner, asked: Notify::new(), may_answer: Semaphore::new(0) });
    let backup = Backup::open(&config(stage)).await.unwrap();
    let backup = backup.with_clock(stage.clock.clone());
    let backup = backup.with_stores(vec![(server::StoreName::Local, held.clone())]).await.unwrap();
    let options = BackupOptions { to: safe(stage), with_secrets: true, reread: false };
    let going_on = async {
        held.asked.notified().await;
        meanwhile().await;
        held.may_answer.add_permits(1);
        // A backup that needs no blob asks for none: its end is waited for, not this.
        std::future::pending().await
    };
    let outcome = tokio::select! {
        outcome = backup.run(&options, |_| {}) => outcome,
        outcome = going_on => outcome,
    };
    backup.close().await;
    outcome
}

fn safe(stage: &Stage) -> PathBuf {
    stage.data.path().join("safe")
}

/// One file that lives for a minute.
async fn short_lived(stage: &Stage, alice: &Person, bob: &Person) -> Parcel {
    let parcel = Parcel::new(MIB + 1_000);
    let mut request = parcel.complete_request(alice, &[bob]);
    request.expires_in = 60;
    parcel.send_as(stage, alice, &request).await;
    parcel
}

async fn restored(stage: &Stage) -> u64 {
    let restore = Restore { from: safe(stage), secrets: None, accept_damage: false };
    let report = restore.run(&Config::for_data(stage.data.path().join("restored")), |_| {}).await.unwrap();
    assert_eq!(report.damaged, 0);
    report.blobs
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_between_the_copy_of_the_database_and_that_of_the_blobs_is_in_the_backup() {
    let (stage, alice, bob) = alice_and_bob().await;
    short_lived(&stage, &alice, &bob).await;
    let report = back_up_while(&stage, async || {
        stage.later(60);
        let done = stage.run_jobs().await;
        assert_eq!((done.expired_files, done.deleted_blobs), (1, 0), "ended, and not deleted");
    })
    .await
    .unwrap();
    assert_eq!((report.files, report.blobs, report.damaged), (1, 3, 0));
    assert_eq!(stage.run_jobs().await.deleted_blobs, 3, "now they go");
    assert_eq!(restored(&stage).await, 3, "the backup is of its moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_held_up_too_long_gives_up_and_leaves_the_one_before_it() {
    let (stage, alice, bob) = alice_and_bob().await;
    let stays = Parcel::new(MIB + 1_000);
    stays.send(&stage, &alice, &[&bob]).await;
    back_up_while(&stage, async || {}).await.unwrap();
    let before = files_below(&safe(&stage));
    short_lived(&stage, &alice, &bob).await;
    // As after a machine that slept: nobody prolonged the lease, and the deletions went on.
    let refused = back_up_while(&stage, async || {
        stage.later(400);
        assert_eq!(stage.run_jobs().await.deleted_blobs, 3);
    })
    .await;
    assert!(matches!(refused, Err(AdminError::BackupLapsed)), "{refused:?}");
    assert_eq!(files_below(&safe(&stage)), before, "nothing of it is left");
    assert_eq!(restored(&stage).await, 3, "the one before is whole");
    // The next one has to wait for nobody.
    assert_eq!(back_up_while(&stage, async || {}).await.unwrap().files, 1);
}
