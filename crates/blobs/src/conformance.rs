//! The one suite that every driver and decorator runs.
//!
//! `run_all` takes a way to make empty stores. Each promise is a function of its own, so that a driver's tests can
//! name them singly.

#![expect(clippy::unwrap_used, reason = "a suite of tests: a broken promise ends it")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};

use crate::{BlobError, BlobName, Blobs};

/// Runs every promise, each on an empty store of its own.
///
/// # Panics
/// If a promise is broken.
pub async fn run_all<F: Future<Output = Arc<dyn Blobs>>>(mut empty: impl FnMut() -> F) {
    what_was_committed_is_read_back(&*empty().await).await;
    every_length_survives(&*empty().await).await;
    what_was_written_together_is_there(&*empty().await).await;
    a_known_length_changes_nothing(&*empty().await).await;
    any_range_can_be_read(&*empty().await).await;
    a_range_outside_is_refused(&*empty().await).await;
    a_stream_may_be_dropped_early(&*empty().await).await;
    nothing_is_seen_before_the_commit(&*empty().await).await;
    a_dropped_writer_leaves_nothing(&*empty().await).await;
    the_first_of_two_writers_wins(&*empty().await).await;
    one_of_many_racing_writers_wins(empty().await).await;
    many_blobs_at_once_stay_apart(empty().await).await;
    absence_is_answered(&*empty().await).await;
    deletion_is_idempotent(&*empty().await).await;
    the_list_is_complete(&*empty().await).await;
    a_sweep_harms_no_committed_blob(&*empty().await).await;
    a_usable_store_is_healthy(&*empty().await).await;
}

/// Octets that differ at every offset of interest.
pub fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap() ^ i.to_le_bytes()[2]).collect()
}

/// Writes a blob in pieces of `piece` octets.
///
/// # Errors
/// Whatever the store reports.
pub async fn put(blobs: &dyn Blobs, name: BlobName, bytes: &[u8], piece: usize) -> Result<(), BlobError> {
    let mut writer = blobs.create(name).await?;
    for piece in bytes.chunks(piece.max(1)) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.commit().await
}

/// Reads a range and checks that no piece is longer than promised.
///
/// # Errors
/// Whatever the store reports.
///
/// # Panics
/// If a piece is longer than 1 MiB.
pub async fn fetch(
    blobs: &dyn Blobs,
    name: BlobName,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = blobs.read(name, range).await?.try_collect().await?;
    assert!(pieces.iter().all(|piece| piece.len() <= 1 << 20), "a piece is at most 1 MiB");
    Ok(pieces.concat())
}

async fn listed(blobs: &dyn Blobs) -> Vec<(BlobName, u64)> {
    let mut all: Vec<_> =
        blobs.list().await.unwrap().map_ok(|blob| (blob.name, blob.len)).try_collect().await.unwrap();
    all.sort_unstable();
    all
}

async fn what_was_written_together_is_there(blobs: &dyn Blobs) {
    blobs.put_all(Vec::new()).await.unwrap();
    let many: Vec<_> = (0..40_usize).map(|n| (BlobName::generate(), Bytes::from(sample(n * 500)))).collect();
    blobs.put_all(many.clone()).await.unwrap();
    for (name, bytes) in &many {
        assert_eq!(fetch(blobs, *name, 0..bytes.len() as u64).await.unwrap(), *bytes);
    }
    assert_eq!(listed(blobs).await.len(), many.len());
    let again = vec![(BlobName::generate(), Bytes::new()), many[7].clone()];
    assert!(matches!(blobs.put_all(again).await, Err(BlobError::AlreadyExists)), "nothing is replaced");
    assert_eq!(fetch(blobs, many[7].0, 0..many[7].1.len() as u64).await.unwrap(), many[7].1);
}

async fn what_was_committed_is_read_back(blobs: &dyn Blobs) {
    let (name, bytes) = (BlobName::generate(), sample(5_000_000));
    put(blobs, name, &bytes, 300_000).await.unwrap();
    assert_eq!(blobs.len(name).await.unwrap(), Some(5_000_000));
    assert!(fetch(blobs, name, 0..5_000_000).await.unwrap() == bytes, "the octets that were written");
}

async fn every_length_survives(blobs: &dyn Blobs) {
    let edges =
        [0, 1, 8_191, 8_192, 8_193, (1 << 19) - 1, 1 << 19, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20];
    for len in edges {
        for piece in [1 << 24, 100_003, 4_099] {
            let (name, bytes) = (BlobName::generate(), sample(len));
            put(blobs, name, &bytes, piece).await.unwrap();
            assert_eq!(blobs.len(name).await.unwrap(), Some(len as u64));
            assert!(fetch(blobs, name, 0..len as u64).await.unwrap() == bytes, "{len} octets by {piece}");
        }
    }
    // Pieces of all sizes in turn, so that short ones are collected between long ones, and empty ones.
    let (name, bytes) = (BlobName::generate(), sample(3_000_000));
    let mut writer = blobs.create(name).await.unwrap();
    let mut rest = Bytes::from(bytes.clone());
    for len in [1, 0, 100_000, 7, 9_000, 8_192, 8_191, 0, 1_500_000, 13].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        writer.write(rest.split_to(len.min(rest.len()))).await.unwrap();
    }
    writer.commit().await.unwrap();
    assert!(fetch(blobs, name, 0..3_000_000).await.unwrap() == bytes);
}

async fn a_known_length_changes_nothing(blobs: &dyn Blobs) {
    for len in [0, 1, 100_000, 7_000_000] {
        let (name, bytes) = (BlobName::generate(), Bytes::from(sample(len)));
        for commits in [false, true, true] {
            let is_taken = commits && blobs.len(name).await.unwrap().is_some();
            let mut writer = blobs.create_sized(name, len as u64).await.unwrap();
            let (mut rest, mut pieces) = (bytes.clone(), [600_000, 0, 3, 2_000_000].into_iter().cycle());
            while !rest.is_empty() {
                writer.write(rest.split_to(pieces.next().unwrap().min(rest.len()))).await.unwrap();
            }
            assert_eq!(
                blobs.len(name).await.unwrap(),
                is_taken.then_some(len as u64),
                "not before the commit"
            );
            if commits && is_taken {
                assert!(matches!(writer.commit().await, Err(BlobError::AlreadyExists)));
            } else if commits {
                writer.commit().await.unwrap();
            }
        }
        assert!(fetch(blobs, name, 0..len as u64).await.unwrap() == bytes, "{len}");
    }
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 0, "nothing is left to sweep");
}

async fn any_range_can_be_read(blobs: &dyn Blobs) {
    let (name, bytes) = (BlobName::generate(), sample(2_500_000));
    put(blobs, name, &bytes, 1 << 20).await.unwrap();
    for (from, to) in [
        (0, 0),
        (0, 1),
        (1, 2),
        (7, 600_000),
        (524_287, 524_289),
        (524_288, 2_500_000),
        (2_499_999, 2_500_000),
        (2_500_000, 2_500_000),
    ] {
        let found = fetch(blobs, name, from as u64..to as u64).await.unwrap();
        assert!(found == bytes[from..to], "{from}..{to}");
    }
}

async fn a_range_outside_is_refused(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    put(blobs, name, &sample(100), 100).await.unwrap();
    let reversed = std::ops::Range { start: 6, end: 5 };
    for range in [0..101, 100..101, 101..101, reversed, u64::MAX - 1..u64::MAX] {
        assert!(matches!(blobs.read(name, range).await, Err(BlobError::OutOfRange { len: 100 })));
    }
}

async fn a_stream_may_be_dropped_early(blobs: &dyn Blobs) {
    let (name, bytes) = (BlobName::generate(), sample(4_000_000));
    put(blobs, name, &bytes, 1 << 20).await.unwrap();
    for _ in 0..20 {
        let mut stream = blobs.read(name, 0..4_000_000).await.unwrap();
        let first = stream.next().await.unwrap().unwrap();
        assert!(bytes.starts_with(&first));
    }
    assert!(fetch(blobs, name, 0..4_000_000).await.unwrap() == bytes);
}

async fn nothing_is_seen_before_the_commit(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    let mut writer = blobs.create(name).await.unwrap();
    writer.write(Bytes::from(sample(3_000_000))).await.unwrap();
    assert_eq!(blobs.len(name).await.unwrap(), None);
    assert!(matches!(blobs.read(name, 0..1).await, Err(BlobError::NotFound)));
    assert_eq!(listed(blobs).await, []);
    writer.commit().await.unwrap();
    assert_eq!(listed(blobs).await, [(name, 3_000_000)]);
}

async fn a_dropped_writer_leaves_nothing(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    let mut writer = blobs.create(name).await.unwrap();
    writer.write(Bytes::from(sample(3_000_000))).await.unwrap();
    drop(writer);
    assert_eq!(blobs.len(name).await.unwrap(), None);
    assert_eq!(listed(blobs).await, []);
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 0, "nothing is left to sweep");
    put(blobs, name, b"again", 5).await.unwrap();
    assert_eq!(fetch(blobs, name, 0..5).await.unwrap(), b"again");
}

async fn the_first_of_two_writers_wins(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    let mut first = blobs.create(name).await.unwrap();
    let mut second = blobs.create(name).await.unwrap();
    first.write(Bytes::from_static(b"first")).await.unwrap();
    second.write(Bytes::from_static(b"second")).await.unwrap();
    first.commit().await.unwrap();
    assert!(matches!(second.commit().await, Err(BlobError::AlreadyExists)));
    assert_eq!(fetch(blobs, name, 0..5).await.unwrap(), b"first");
    assert_eq!(listed(blobs).await, [(name, 5)]);
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 0, "the loser left nothing");
}

async fn one_of_many_racing_writers_wins(blobs: Arc<dyn Blobs>) {
    let name = BlobName::generate();
    let writers = (0..8_u8).map(|i| {
        let blobs = blobs.clone();
        tokio::spawn(async move { put(&*blobs, name, &[i; 1000], 100).await.is_ok().then_some(i) })
    });
    let winners: Vec<u8> = join_all(writers).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(winners.len(), 1, "one commit succeeds");
    assert_eq!(fetch(&*blobs, name, 0..1000).await.unwrap(), [winners[0]; 1000]);
}

async fn many_blobs_at_once_stay_apart(blobs: Arc<dyn Blobs>) {
    let tasks = (0..24_usize).map(|i| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            let (name, bytes) = (BlobName::generate(), sample(200_000 + i));
            put(&*blobs, name, &bytes, 50_000).await.unwrap();
            assert!(fetch(&*blobs, name, i as u64..200_000).await.unwrap() == bytes[i..200_000]);
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(listed(&*blobs).await.len(), 24);
}

async fn absence_is_answered(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    assert_eq!(blobs.len(name).await.unwrap(), None);
    assert!(matches!(blobs.read(name, 0..0).await, Err(BlobError::NotFound)));
    assert_eq!(listed(blobs).await, []);
}

async fn deletion_is_idempotent(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    blobs.delete(name).await.unwrap();
    put(blobs, name, b"x", 1).await.unwrap();
    blobs.delete(name).await.unwrap();
    assert_eq!(blobs.len(name).await.unwrap(), None);
    assert_eq!(listed(blobs).await, []);
    blobs.delete(name).await.unwrap();
}

async fn the_list_is_complete(blobs: &dyn Blobs) {
    let mut expected = Vec::new();
    for i in 0..300_u16 {
        // Two names in each folder of a driver that goes by the first octet.
        let mut bytes = *BlobName::generate().as_bytes();
        bytes[0] = u8::try_from(i % 150).unwrap();
        let name = BlobName::from_bytes(bytes);
        put(blobs, name, &sample(usize::from(i)), 1000).await.unwrap();
        expected.push((name, u64::from(i)));
    }
    expected.sort_unstable();
    assert_eq!(listed(blobs).await, expected);
    let mut list = blobs.list().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let age = i64::try_from(now).unwrap() - list.next().await.unwrap().unwrap().modified;
    assert!((-60..3600).contains(&age), "written just now, not {age} seconds ago");
}

async fn a_sweep_harms_no_committed_blob(blobs: &dyn Blobs) {
    let name = BlobName::generate();
    put(blobs, name, b"kept", 4).await.unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from_static(b"young")).await.unwrap();
    assert_eq!(blobs.sweep_temporary(Duration::from_secs(86_400)).await.unwrap(), 0);
    writer.commit().await.unwrap();
    blobs.sweep_temporary(Duration::ZERO).await.unwrap();
    assert_eq!(fetch(blobs, name, 0..4).await.unwrap(), b"kept");
}

async fn a_usable_store_is_healthy(blobs: &dyn Blobs) {
    let health = blobs.health().await.unwrap();
    assert!(health.free_bytes.is_none_or(|free| free > 0));
    assert_eq!(listed(blobs).await, [], "the check leaves nothing behind");
}
