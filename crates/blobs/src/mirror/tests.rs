//! Stores that fail at every moment, and what a mirror makes of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};

use super::*;
use crate::conformance::{fetch, put, sample};
use crate::{LocalBlobs, MemoryBlobs};

/// A store in memory that can be made to fail.
#[derive(Clone, Default)]
struct Faulty {
    memory: MemoryBlobs,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Everything fails.
    is_down: AtomicBool,
    /// Writing fails as on a device without room, after the writer was made.
    is_full: AtomicBool,
    /// Commits fail.
    no_commit: AtomicBool,
    /// Streams break after so many octets.
    break_after: Mutex<Option<usize>>,
}

impl Faulty {
    fn up(&self) -> Result<(), BlobError> {
        if self.faults.is_down.load(Ordering::Relaxed) { Err(lost()) } else { Ok(()) }
    }

    fn set_down(&self, is_down: bool) {
        self.faults.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Octets of a blob, whether or not the store is up.
    async fn holds(&self, name: BlobName) -> Option<Vec<u8>> {
        let len = self.memory.len(name).await.unwrap()?;
        Some(fetch(&self.memory, name, 0..len).await.unwrap())
    }
}

fn lost() -> BlobError {
    BlobError::Unavailable(io::ErrorKind::ConnectionRefused.into())
}

struct FaultyWriter {
    inner: Box<dyn BlobWriter>,
    store: Faulty,
}

#[async_trait]
impl BlobWriter for FaultyWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.store.up()?;
        if self.store.faults.is_full.load(Ordering::Relaxed) {
            return Err(BlobError::StorageFull);
        }
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>) -> Result<(), BlobError> {
        self.store.up()?;
        if self.store.faults.no_commit.load(Ordering::Relaxed) {
            return Err(lost());
        }
        self.inner.commit().await
    }
}

#[async_trait]
impl Blobs for Faulty {
    async fn create(&self, name: BlobName) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.up()?;
        Ok(Box::new(FaultyWriter { inner: self.memory.create(name).await?, store: self.clone() }))
    }
    async fn read(&self, name: BlobName, range: Range<u64>) -> Result<BlobStream, BlobError> {
        self.up()?;
        let whole = self.memory.read(name, range).await?;
        let Some(after) = *self.faults.break_after.lock().unwrap() else { return Ok(whole) };
        let pieces: Vec<Bytes> = whole.try_collect().await?;
        let some = Bytes::from(pieces.concat()).slice(..after);
        Ok(stream::iter([Ok(some), Err(lost())]).boxed())
    }
    async fn len(&self, name: BlobName) -> Result<Option<u64>, BlobError> {
        self.up()?;
        self.memory.len(name).await
    }
    async fn delete(&self, name: BlobName) -> Result<(), BlobError> {
        self.up()?;
        self.memory.delete(name).await
    }
    async fn list(&self) -> Result<BlobList, BlobError> {
        self.up()?;
        self.memory.list().await
    }
    async fn sweep_temporary(&self, older_than: Duration) -> Result<u64, BlobError> {
        self.up()?;
        self.memory.sweep_temporary(older_than).await
    }
    async fn health(&self) -> Result<Health, BlobError> {
        self.up()?;
        self.memory.health().await
    }
}

/// Three stores, and a mirror that keeps two copies.
fn three() -> ([Faulty; 3], Mirror) {
    let stores: [Faulty; 3] = std::array::from_fn(|_| Faulty::default());
    let named =
        |(n, store): (usize, &Faulty)| (format!("store {n}"), Arc::new(store.clone()) as Arc<dyn Blobs>);
    let mirror = Mirror::new(stores.iter().enumerate().map(named).collect(), 2).unwrap();
    (stores, mirror)
}

async fn places(stores: &[Faulty; 3], name: BlobName) -> Vec<usize> {
    let mut found = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        if store.holds(name).await.is_some() {
            found.push(index);
        }
    }
    found
}

#[tokio::test]
async fn two_copies_lie_where_the_name_says() {
    let (stores, mirror) = three();
    for _ in 0..20 {
        let name = BlobName::generate();
        put(&mirror, name, b"sealed", 3).await.unwrap();
        let mut expected = mirror.set.order(name)[..2].to_vec();
        expected.sort_unstable();
        assert_eq!(places(&stores, name).await, expected);
    }
}

#[tokio::test]
async fn the_own_store_is_written_and_read_first() {
    let (stores, mirror) = three();
    let mirror = mirror.preferring("store 1").unwrap();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    assert!(stores[1].holds(name).await.is_some());
    stores.iter().enumerate().filter(|(index, _)| *index != 1).for_each(|(_, store)| store.set_down(true));
    assert_eq!(fetch(&mirror, name, 0..6).await.unwrap(), b"sealed");
}

#[tokio::test]
async fn any_one_store_may_be_away() {
    let (stores, mirror) = three();
    for away in &stores {
        let (before, during) = (BlobName::generate(), BlobName::generate());
        put(&mirror, before, b"before", 2).await.unwrap();
        away.set_down(true);
        assert_eq!(fetch(&mirror, before, 1..6).await.unwrap(), b"efore");
        assert_eq!(mirror.len(before).await.unwrap(), Some(6));
        put(&mirror, during, b"during", 2).await.unwrap();
        let many = vec![(BlobName::generate(), Bytes::from_static(b"small")); 1];
        mirror.put_all(many.clone()).await.unwrap();
        mirror.health().await.unwrap();
        assert_eq!(mirror.states().await.iter().filter(|state| state.health.is_err()).count(), 1);
        away.set_down(false);
        assert_eq!(places(&stores, during).await.len(), 2);
        assert_eq!(places(&stores, many[0].0).await.len(), 2);
    }
}

#[tokio::test]
async fn a_store_that_dies_while_it_takes_a_stream_is_replaced() {
    for dies in 0..3 {
        let (stores, mirror) = three();
        let (name, bytes) = (BlobName::generate(), sample(3_000_000));
        let mut writer = mirror.create(name).await.unwrap();
        writer.write(Bytes::copy_from_slice(&bytes[..1_000_000])).await.unwrap();
        stores[dies].set_down(true);
        writer.write(Bytes::copy_from_slice(&bytes[1_000_000..])).await.unwrap();
        writer.commit().await.unwrap();
        let held = places(&stores, name).await;
        assert!(held.len() == 2 && !held.contains(&dies), "{held:?}");
        for index in held {
            assert!(stores[index].holds(name).await.unwrap() == bytes);
        }
    }
}

#[tokio::test]
async fn a_full_store_or_a_failed_commit_is_replaced() {
    for fault in [|faults: &Faults| &faults.is_full, |faults: &Faults| &faults.no_commit]
        as [fn(&Faults) -> &AtomicBool; 2]
    {
        for fails in 0..3 {
            let (stores, mirror) = three();
            fault(&stores[fails].faults).store(true, Ordering::Relaxed);
            let name = BlobName::generate();
            put(&mirror, name, b"sealed", 3).await.unwrap();
            let held = places(&stores, name).await;
            assert!(held.len() == 2 && !held.contains(&fails), "{held:?}");
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_any_one_store() {
    // Every store dies at every moment of a write, and comes back; then every store goes away in turn.
    for (dies, moment) in (0..3).flat_map(|dies| (0..4).map(move |moment| (dies, moment))) {
        let (stores, mirror) = three();
        let (name, bytes) = (BlobName::generate(), sample(300_000));
        let die = |now| stores[dies].set_down(now == moment || stores[dies].up().is_err());
        die(0);
        let mut writer = mirror.create(name).await.unwrap();
        die(1);
        for (n, piece) in bytes.chunks(100_000).enumerate() {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
            die(2 + n.min(1));
        }
        writer.commit().await.unwrap();
        stores[dies].set_down(false);
        for away in &stores {
            away.set_down(true);
            assert!(fetch(&mirror, name, 0..300_000).await.unwrap() == bytes, "{dies} at {moment}");
            away.set_down(false);
        }
    }
}

#[tokio::test]
async fn servers_with_different_stores_of_their_own_see_one_storage() {
    let (stores, _) = three();
    let server = |own: &str, turned: bool| {
        let named =
            |(n, store): (usize, &Faulty)| (format!("store {n}"), Arc::new(store.clone()) as Arc<dyn Blobs>);
        let mut stores: Vec<_> = stores.iter().enumerate().map(named).collect();
        if turned {
            stores.reverse();
        }
        Mirror::new(stores, 2).unwrap().preferring(own).unwrap()
    };
    let servers = [server("store 0", false), server("store 1", true), server("store 2", false)];
    let mut names = Vec::new();
    for n in 0..30 {
        let name = BlobName::generate();
        put(&servers[n % 3], name, b"sealed", 3).await.unwrap();
        names.push(name);
    }
    names.sort_unstable();
    for server in &servers {
        let mut listed: Vec<_> =
            server.list().await.unwrap().map_ok(|blob| blob.name).try_collect().await.unwrap();
        listed.sort_unstable();
        assert_eq!(listed, names, "each once");
        for name in &names {
            assert_eq!(fetch(server, *name, 0..6).await.unwrap(), b"sealed");
            assert_eq!(server.repair(*name, &INTACT).await.unwrap().written, 0);
        }
    }
    servers[0].delete(names[0]).await.unwrap();
    assert_eq!(servers[1].len(names[0]).await.unwrap(), None);
}

#[tokio::test]
async fn too_few_stores_refuse_for_now_and_leave_nothing() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    let mut writer = mirror.create(name).await.unwrap();
    writer.write(Bytes::from_static(b"sealed")).await.unwrap();
    let order = mirror.set.order(name);
    stores[order[1]].set_down(true);
    stores[order[2]].set_down(true);
    assert!(writer.commit().await.unwrap_err().is_transient());
    assert_eq!(places(&stores, name).await, [] as [usize; 0], "one copy alone is not used");
    assert!(put(&mirror, name, b"x", 1).await.unwrap_err().is_transient());
    assert!(mirror.put_all(vec![(name, Bytes::new())]).await.unwrap_err().is_transient());
    assert!(mirror.health().await.unwrap_err().is_transient());
}

#[tokio::test]
async fn full_stores_are_a_full_storage() {
    let (stores, mirror) = three();
    stores.iter().for_each(|store| store.faults.is_full.store(true, Ordering::Relaxed));
    assert!(matches!(put(&mirror, BlobName::generate(), b"x", 1).await, Err(BlobError::StorageFull)));
}

#[tokio::test]
async fn a_stream_goes_on_in_another_store_at_the_octet_where_it_broke() {
    let (stores, mirror) = three();
    let (name, bytes) = (BlobName::generate(), sample(10_000));
    put(&mirror, name, &bytes, 1000).await.unwrap();
    let first = mirror.set.order(name)[0];
    *stores[first].faults.break_after.lock().unwrap() = Some(3);
    assert!(fetch(&mirror, name, 5..9_000).await.unwrap() == bytes[5..9_000]);
}

#[tokio::test]
async fn a_stream_that_breaks_everywhere_ends_with_an_error() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    // No piece comes from anywhere, so that there is an end of trying.
    stores.iter().for_each(|store| *store.faults.break_after.lock().unwrap() = Some(0));
    let mut pieces = mirror.read(name, 0..6).await.unwrap();
    assert!(pieces.next().await.unwrap().unwrap_err().is_transient());
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn what_an_unreachable_store_may_have_is_not_called_absent() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    stores[2].set_down(true);
    assert!(mirror.len(name).await.unwrap_err().is_transient());
    assert!(mirror.read(name, 0..0).await.err().unwrap().is_transient());
    stores[2].set_down(false);
    assert_eq!(mirror.len(name).await.unwrap(), None);
}

#[tokio::test]
async fn a_deletion_is_done_when_every_store_was_reached() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    let held = places(&stores, name).await;
    stores[held[0]].set_down(true);
    assert!(mirror.delete(name).await.unwrap_err().is_transient());
    assert_eq!(places(&stores, name).await, [held[0]]);
    stores[held[0]].set_down(false);
    mirror.delete(name).await.unwrap();
    assert_eq!(mirror.len(name).await.unwrap(), None);
}

#[tokio::test]
async fn a_listing_without_one_store_gives_the_rest_and_then_says_so() {
    let (stores, mirror) = three();
    let mut names: Vec<_> = (0..60).map(|_| BlobName::generate()).collect();
    for name in &names {
        put(&mirror, *name, b"x", 1).await.unwrap();
    }
    names.sort_unstable();
    for store in &stores {
        store.set_down(true);
        let items: Vec<_> = mirror.list().await.unwrap().collect().await;
        let (last, blobs) = items.split_last().unwrap();
        assert!(last.as_ref().unwrap_err().is_transient());
        let mut found: Vec<_> = blobs.iter().map(|blob| blob.as_ref().unwrap().name).collect();
        found.sort_unstable();
        assert_eq!(found, names, "two copies of three: the others have each");
        store.set_down(false);
    }
}

/// Knows the octets themselves.
struct Knows(&'static [u8]);

#[async_trait]
impl CopyJudge for Knows {
    async fn is_intact(&self, store: &dyn Blobs, name: BlobName) -> Result<bool, BlobError> {
        let len = store.len(name).await?.ok_or(BlobError::NotFound)?;
        let pieces: Vec<Bytes> = store.read(name, 0..len).await?.try_collect().await?;
        Ok(pieces.concat() == self.0)
    }
}

const INTACT: Knows = Knows(b"sealed");

#[tokio::test]
async fn a_missing_copy_is_brought_back() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    let held = places(&stores, name).await;
    stores[held[0]].memory.delete(name).await.unwrap();
    let repaired = mirror.repair(name, &INTACT).await.unwrap();
    assert_eq!(repaired, Repaired { intact: 1, written: 1, ..Repaired::default() });
    assert_eq!(places(&stores, name).await, held, "where it belongs");
    let again = mirror.repair(name, &INTACT).await.unwrap();
    assert_eq!(again, Repaired { intact: 2, ..Repaired::default() });
}

#[tokio::test]
async fn a_damaged_copy_is_replaced_and_never_a_source() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    // The first place that is read from.
    let damaged = mirror.set.order(name)[0];
    stores[damaged].memory.delete(name).await.unwrap();
    put(&stores[damaged].memory, name, b"sEaled", 6).await.unwrap();
    let repaired = mirror.repair(name, &INTACT).await.unwrap();
    assert_eq!(repaired, Repaired { intact: 1, damaged: 1, written: 1, ..Repaired::default() });
    for index in places(&stores, name).await {
        assert_eq!(stores[index].holds(name).await.unwrap(), b"sealed");
    }
}

#[tokio::test]
async fn without_an_intact_copy_nothing_is_touched() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sEaled", 3).await.unwrap();
    let held = places(&stores, name).await;
    let repaired = mirror.repair(name, &INTACT).await.unwrap();
    assert!(repaired.is_lost() && repaired.damaged == 2 && repaired.lacking == 2, "{repaired:?}");
    assert_eq!(places(&stores, name).await, held);
}

#[tokio::test]
async fn a_store_that_is_away_during_repair_is_reported_and_stood_in_for() {
    let (stores, mirror) = three();
    let name = BlobName::generate();
    put(&mirror, name, b"sealed", 3).await.unwrap();
    let held = places(&stores, name).await;
    stores[held[0]].set_down(true);
    let repaired = mirror.repair(name, &INTACT).await.unwrap();
    assert_eq!(repaired, Repaired { intact: 1, unreachable: 1, written: 1, ..Repaired::default() });
    let states = mirror.copies(name).await;
    assert!(matches!(states[held[0]].state, CopyState::Unreachable(_)));
    assert_eq!(states.iter().filter(|copy| matches!(copy.state, CopyState::Held { len: 6 })).count(), 2);
}

#[tokio::test]
async fn stores_that_cannot_be_told_apart_are_refused() {
    let store = || Arc::new(MemoryBlobs::new()) as Arc<dyn Blobs>;
    let named = |labels: &[&str]| labels.iter().map(|label| ((*label).to_owned(), store())).collect();
    assert_eq!(Mirror::new(named(&["a", "a"]), 1).err(), Some(BadMirror::SameLabel));
    assert_eq!(Mirror::new(named(&["a", "b"]), 3).err(), Some(BadMirror::Copies));
    assert_eq!(Mirror::new(named(&["a", "b"]), 0).err(), Some(BadMirror::Copies));
    assert_eq!(Mirror::new(named(&["a"]), 1).unwrap().preferring("b").err(), Some(BadMirror::UnknownLabel));
}

#[tokio::test]
async fn room_is_counted_for_every_copy() {
    let store = |octets| Arc::new(MemoryBlobs::with_capacity(octets)) as Arc<dyn Blobs>;
    let stores = [("a", 100), ("b", 7), ("c", 50)].map(|(label, octets)| (label.to_owned(), store(octets)));
    let mirror = Mirror::new(stores.into(), 2).unwrap();
    assert_eq!(mirror.health().await.unwrap().free_bytes, Some(50));
}

/// Three folders of this machine, as servers of an embedded cluster have them.
async fn three_folders(at: &std::path::Path) -> Mirror {
    let mut stores = Vec::new();
    for n in 0..3 {
        let local = LocalBlobs::open(at.join(format!("{n}"))).await.unwrap();
        stores.push((format!("store {n}"), Arc::new(local) as Arc<dyn Blobs>));
    }
    Mirror::new(stores, 2).unwrap()
}

#[tokio::test]
async fn a_folder_that_is_removed_at_run_time_costs_nothing_and_is_repaired() {
    for removed in 0..3 {
        let at = tempfile::tempdir().unwrap();
        let mirror = three_folders(at.path()).await.preferring("store 1").unwrap();
        let names: Vec<_> = (0..40).map(|_| BlobName::generate()).collect();
        for name in &names {
            put(&mirror, *name, b"sealed", 3).await.unwrap();
        }
        // One blob is under way when the folder goes.
        let (under_way, bytes) = (BlobName::generate(), sample(5_000_000));
        let mut writer = mirror.create(under_way).await.unwrap();
        writer.write(Bytes::copy_from_slice(&bytes[..2_500_000])).await.unwrap();
        std::fs::remove_dir_all(at.path().join(removed.to_string())).unwrap();
        for name in &names {
            assert_eq!(fetch(&mirror, *name, 0..6).await.unwrap(), b"sealed");
        }
        writer.write(Bytes::copy_from_slice(&bytes[2_500_000..])).await.unwrap();
        writer.commit().await.unwrap();
        assert!(fetch(&mirror, under_way, 0..5_000_000).await.unwrap() == bytes);
        let fresh: Vec<_> = (0..40).map(|_| (BlobName::generate(), Bytes::from_static(b"sealed"))).collect();
        mirror.put_all(fresh.clone()).await.unwrap();
        let mut brought_back = 0;
        for name in names.iter().chain(fresh.iter().map(|(name, _)| name)) {
            let repaired = mirror.repair(*name, &INTACT).await.unwrap();
            assert!(
                repaired.lacking == 0 && repaired.damaged == 0 && repaired.unreachable == 0,
                "{repaired:?}"
            );
            brought_back += repaired.written;
            let held = mirror.copies(*name).await;
            assert_eq!(held.iter().filter(|copy| matches!(copy.state, CopyState::Held { .. })).count(), 2);
        }
        assert!(brought_back > 0, "some of forty blobs lay in that folder");
        assert!(mirror.states().await.iter().all(|state| state.health.is_ok()));
    }
}
