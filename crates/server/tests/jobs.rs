//! What the server does by itself.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use blobs::{BlobError, BlobList, BlobName, BlobStream, BlobWriter, Blobs, Health, MemoryBlobs};
use bytes::Bytes;
use proto::{WhoAmI, paths};
use server::Seams;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::Semaphore;

use crate::metrics::{until_ran, with_admin};
use crate::stage::sealed::{MIB, alice_and_bob};
use crate::stage::{Parcel, Person, Stage};

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
    let mut writer = store.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from_static(b"left behind")).await.unwrap();
    writer.commit().await.unwrap();
    assert_eq!(stage.stored_files(), 2);
    stage.later(86_000);
    assert_eq!(stage.run_jobs().await.orphans, 0);
    stage.later(86_400);
    assert_eq!(stage.run_jobs().await.orphans, 1);
    assert_eq!(stage.stored_files(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_an_empty_database_sweeps_nothing_of_the_one_before() {
    use blobs::Blobs as _;
    let stage = Stage::new().await;
    let folder = stage.data.path().join("data/blobs");
    let store = blobs::LocalBlobs::open(&folder).await.unwrap();
    let name = BlobName::generate();
    let mut writer = store.create(name).await.unwrap();
    writer.write(Bytes::from_static(b"of an instance whose database is elsewhere")).await.unwrap();
    writer.commit().await.unwrap();
    // Written before this database was begun.
    let shard = folder.join(&name.to_string()[..2]).join(name.to_string());
    let before = std::time::SystemTime::now() - Duration::from_secs(3_600);
    std::fs::File::options().write(true).open(shard).unwrap().set_modified(before).unwrap();
    stage.later(30 * 86_400);
    assert_eq!(stage.run_jobs().await.orphans, 0);
    assert_eq!(stage.stored_files(), 1);
}

/// A store in which somebody is held up at a deletion.
struct Gate {
    store: Arc<MemoryBlobs>,
    /// Deletions that may still be made.
    open: Semaphore,
    arrived: Semaphore,
    deleted: AtomicU64,
}

#[async_trait]
impl Blobs for Gate {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.store.create(name).await
    }

    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.store.read(name, range).await
    }

    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        self.store.len(name).await
    }

    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        self.deleted.fetch_add(1, Ordering::SeqCst);
        self.store.delete(name).await
    }

    async fn list(&self) -> Result<BlobList, BlobError> {
        self.store.list().await
    }

    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        self.store.sweep_temporary(older_than).await
    }

    async fn health(&self) -> Result<Health, BlobError> {
        self.store.health().await
    }
}

/// Two servers over one database and one store; the first is held up at the gate.
async fn two_at_a_gate() -> (Stage, server::Running, Arc<Gate>) {
    let store = Arc::new(MemoryBlobs::new());
    let gate = Arc::new(Gate {
        store: store.clone(),
        open: Semaphore::new(0),
        arrived: Semaphore::new(0),
        deleted: AtomicU64::new(0),
    });
    let at_gate: Arc<dyn Blobs> = gate.clone();
    let stage = Stage::with_seams(with_admin, |seams| Seams {
        stores: vec![(server::StoreName::Local, at_gate)],
        ..seams
    })
    .await;
    // Each runs its jobs once by itself, and then not for a minute.
    until_ran(stage.running.as_ref().unwrap(), "expiry").await;
    until_ran(stage.running.as_ref().unwrap(), "orphan-sweep").await;
    let second = stage.beside_over(store).await;
    until_ran(&second, "expiry").await;
    (stage, second, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_whose_lease_was_taken_by_another_server_stops() {
    let (stage, second, gate) = two_at_a_gate().await;
    // Nothing refers to these: more than one batch of them.
    for _ in 0..1_200 {
        let mut writer = gate.store.create(BlobName::generate()).await.unwrap();
        writer.write(Bytes::from_static(b"left behind")).await.unwrap();
        writer.commit().await.unwrap();
    }
    stage.later(2 * 86_400);
    let (first, other) = overtaken(&stage, &second, &gate).await;
    assert_eq!(other.orphans, 1_200, "the one at the gate is still there, too");
    assert_eq!(first.orphans, 500, "the batch at which it was, and no more");
    assert_eq!(gate.deleted.load(Ordering::SeqCst), 500);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_of_what_ended_stop_when_the_lease_was_taken() {
    let (stage, second, gate) = two_at_a_gate().await;
    let path = stage.data.path().join("data/waxwing.db");
    let mut db = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    for _ in 0..450 {
        let row = sqlx::query("INSERT INTO doomed_blobs (blob, doomed_at) VALUES ($1, 0)");
        row.bind(BlobName::generate().to_string()).execute(&mut db).await.unwrap();
    }
    db.close().await.unwrap();
    stage.later(1_000);
    let (first, other) = overtaken(&stage, &second, &gate).await;
    assert_eq!(other.deleted_blobs, 450);
    assert_eq!(first.deleted_blobs, 200, "the batch at which it was, and no more");
    assert_eq!(second.run_jobs().await.unwrap(), server::JobReport::default());
    second.shutdown().await;
}

/// The jobs of the first server, held up at the gate for longer than their lease lasts, and those of the second, which takes
/// over meanwhile.
async fn overtaken(
    stage: &Stage,
    second: &server::Running,
    gate: &Gate,
) -> (server::JobReport, server::JobReport) {
    let first = stage.running.as_ref().unwrap().run_jobs();
    let other = async {
        gate.arrived.acquire().await.unwrap().forget();
        stage.later(400);
        let report = second.run_jobs().await.unwrap();
        gate.open.add_permits(10_000);
        report
    };
    let (first, other) = futures::join!(first, other);
    (first.unwrap(), other)
}
