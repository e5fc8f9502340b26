//! Every driver and decorator keeps the same promises.

mod ipfs;
mod s3;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use blobs::{
    BlobError, BlobName, Blobs, Limit, LocalBlobs, MemoryBlobs, Mirror, Retry, RetryPolicy, conformance,
};

#[tokio::test]
async fn memory_keeps_every_promise() {
    conformance::run_all(async || Arc::new(MemoryBlobs::new()) as Arc<dyn Blobs>).await;
}

#[tokio::test]
async fn local_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = 0;
    conformance::run_all(|| {
        stores += 1;
        let root = folder.path().join(stores.to_string());
        async { Arc::new(LocalBlobs::open(root).await.unwrap()) as Arc<dyn Blobs> }
    })
    .await;
}

#[tokio::test]
async fn retry_and_limit_over_local_keep_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = 0;
    conformance::run_all(|| {
        stores += 1;
        let root = folder.path().join(stores.to_string());
        async {
            let local = LocalBlobs::open(root).await.unwrap();
            Arc::new(Limit::new(Retry::new(local, RetryPolicy::default()), 4)) as Arc<dyn Blobs>
        }
    })
    .await;
}

#[tokio::test]
async fn retry_over_limit_over_memory_keeps_every_promise() {
    conformance::run_all(async || {
        Arc::new(Retry::new(Limit::new(MemoryBlobs::new(), 4), RetryPolicy::default())) as Arc<dyn Blobs>
    })
    .await;
}

#[tokio::test]
async fn a_mirror_over_memory_keeps_every_promise() {
    conformance::run_all(async || {
        let store = |label: &str| (label.to_owned(), Arc::new(MemoryBlobs::new()) as Arc<dyn Blobs>);
        Arc::new(Mirror::new(["a", "b", "c"].map(store).into(), 2).unwrap()) as Arc<dyn Blobs>
    })
    .await;
}

#[tokio::test]
async fn a_mirror_over_folders_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let mut mirrors = 0;
    conformance::run_all(|| {
        mirrors += 1;
        let root = folder.path().join(mirrors.to_string());
        async move {
            let mut stores = Vec::new();
            for label in ["a", "b", "c"] {
                let local = LocalBlobs::open(root.join(label)).await.unwrap();
                stores.push((label.to_owned(), Arc::new(local) as Arc<dyn Blobs>));
            }
            let mirror = Mirror::new(stores, 2).unwrap().preferring("c").unwrap();
            Arc::new(Limit::new(mirror, 8)) as Arc<dyn Blobs>
        }
    })
    .await;
}

/// A file system of its own that is unmounted at the end.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where mounting is not allowed (it needs root on Linux).
    fn tmpfs(at: &'a Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_file_system_is_storage_full_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::tmpfs(folder.path(), "size=4m") else {
        eprintln!(
            "not run: mounting a small file system is not allowed here (errors are mapped in unit tests)"
        );
        return;
    };
    let blobs = LocalBlobs::open(folder.path()).await.unwrap();
    let kept = BlobName::generate();
    conformance::put(&blobs, kept, b"kept", 4).await.unwrap();
    let bytes = conformance::sample(6 << 20);
    let lost = BlobName::generate();
    for piece in [1 << 20, 100_000] {
        let full = conformance::put(&blobs, lost, &bytes, piece).await;
        assert!(matches!(full, Err(BlobError::StorageFull)), "{full:?}");
        assert_eq!(blobs.len(lost).await.unwrap(), None);
    }
    // The room is free again, and what was there before is untouched.
    conformance::put(&blobs, lost, &bytes[..2 << 20], 1 << 20).await.unwrap();
    assert_eq!(conformance::fetch(&blobs, kept, 0..4).await.unwrap(), b"kept");
}
