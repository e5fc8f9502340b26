//! The driver of IPFS against a stand-in in this process; against a real node where one is named.

#![expect(clippy::unwrap_used, reason = "a test: what cannot go on ends it")]

mod node;

use std::io;
use std::sync::Arc;

use blobs::{BlobError, BlobName, Blobs, Ipfs, IpfsAuthorization, IpfsOptions, conformance};
use bytes::Bytes;
use conformance::{fetch, put, sample};

use node::Node;

impl Node {
    fn options(&self) -> IpfsOptions {
        IpfsOptions::new(self.api())
    }

    fn open(&self) -> Ipfs {
        Ipfs::new(&self.options()).unwrap()
    }
}

#[tokio::test]
async fn ipfs_keeps_every_promise() {
    let node = Node::start().await;
    every_promise(node.options()).await;
}

async fn every_promise(options: IpfsOptions) {
    let run = BlobName::generate();
    let mut folders = 0;
    conformance::run_all(|| {
        folders += 1;
        let mut options = options.clone();
        options.folder = format!("/waxwing-{run}/{folders}");
        async move { Arc::new(Ipfs::new(&options).unwrap()) as Arc<dyn Blobs> }
    })
    .await;
}

// The CIDs come from the JavaScript implementation of IPFS, which was given the same octets.
#[test]
fn the_stand_in_computes_real_cids() {
    assert_eq!(node::cid(b"sealed"), "bafkreigj2abwx3lhis6n62jpzganq4l5pzpvut2oqjtljkcjqjqc7monbe");
    assert_eq!(node::cid(b""), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    assert_eq!(node::cid(&[b'a'; 3_000_000]), "bafybeig3tekvo6icfwhptbbtr5vlcn77vkjfsz4t2zpb7prqrhqgwrtwei");
}

#[tokio::test]
async fn a_blob_is_pinned_under_its_cid_until_it_is_deleted() {
    let node = Node::start().await;
    let blobs = node.open();
    let (name, bytes) = (BlobName::generate(), sample(2_500_000));
    assert_eq!(blobs.cid(name).await.unwrap(), None);
    put(&blobs, name, &bytes, 100_000).await.unwrap();
    let cid = blobs.cid(name).await.unwrap().unwrap();
    assert_eq!(cid.as_str(), node::cid(&bytes));
    assert!(blobs.is_pinned(name).await.unwrap());
    blobs.delete(name).await.unwrap();
    assert!(node.held.lock().unwrap().pins.is_empty() && node.held.lock().unwrap().named.is_empty());
    assert!(matches!(blobs.is_pinned(name).await, Err(BlobError::NotFound)));
}

#[tokio::test]
async fn what_cannot_be_pinned_is_not_there() {
    let node = Node::start().await;
    let blobs = node.open();
    for (words, is_passing) in [("context deadline exceeded", true), ("merkledag: not found", false)] {
        node.held.lock().unwrap().no_pin = Some(words.to_owned());
        let name = BlobName::generate();
        let error = put(&blobs, name, b"sealed", 6).await.unwrap_err();
        assert_eq!(error.is_transient(), is_passing, "{words}");
        assert_eq!(blobs.len(name).await.unwrap(), None);
    }
    node.held.lock().unwrap().no_pin = Some("write: no space left on device".to_owned());
    let full = put(&blobs, BlobName::generate(), b"sealed", 6).await;
    assert!(matches!(full, Err(BlobError::StorageFull)));
    assert!(node.held.lock().unwrap().named.is_empty());
}

#[tokio::test]
async fn a_node_that_goes_away_is_not_available_and_then_fine_again() {
    let mut node = Node::start().await;
    let blobs = node.open();
    let (name, bytes) = (BlobName::generate(), sample(3_000_000));
    put(&blobs, name, &bytes, 1 << 20).await.unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from_static(b"under way")).await.unwrap();
    node.stop().await;
    assert!(writer.commit().await.unwrap_err().is_transient());
    assert!(blobs.read(name, 0..10).await.err().unwrap().is_transient());
    assert!(blobs.len(name).await.unwrap_err().is_transient());
    assert!(blobs.delete(name).await.unwrap_err().is_transient());
    assert!(blobs.list().await.err().unwrap().is_transient());
    assert!(blobs.health().await.unwrap_err().is_transient());
    let lost = put(&blobs, BlobName::generate(), &bytes, 1 << 20).await;
    assert!(lost.unwrap_err().is_transient());
    node.come_back().await;
    blobs.health().await.unwrap();
    assert!(fetch(&blobs, name, 0..3_000_000).await.unwrap() == bytes);
}

#[tokio::test]
async fn a_node_that_says_nothing_is_given_up() {
    // It accepts connections (the system does so for it) and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = IpfsOptions::new(format!("http://{}", listener.local_addr().unwrap()));
    options.silence = std::time::Duration::from_millis(50);
    options.commit_time = options.silence;
    let blobs = Ipfs::new(&options).unwrap();
    assert!(blobs.health().await.unwrap_err().is_transient());
    assert!(put(&blobs, BlobName::generate(), &sample(9_000_000), 1 << 20).await.unwrap_err().is_transient());
    assert!(put(&blobs, BlobName::generate(), b"", 1).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn an_authorization_is_sent_and_its_lack_is_refused() {
    let node = Node::start().await;
    node.held.lock().unwrap().authorization = Some("Bearer word".to_owned());
    let refused = node.open().health().await.unwrap_err();
    assert!(matches!(refused, BlobError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied));
    let mut options = node.options();
    options.authorization = IpfsAuthorization::new("Bearer word");
    let blobs = Ipfs::new(&options).unwrap();
    let name = BlobName::generate();
    put(&blobs, name, b"sealed", 6).await.unwrap();
    assert_eq!(fetch(&blobs, name, 0..6).await.unwrap(), b"sealed");
}

/// Whether real stores are to be played with, which takes programs that are not everywhere.
fn with_real_stores(what: &str) -> bool {
    let is_asked_for = std::env::var_os("WAXWING_REAL_STORES").is_some();
    if !is_asked_for {
        eprintln!("not run: {what} belongs to make test-full");
    }
    is_asked_for
}

#[tokio::test]
async fn a_node_of_ipfs_keeps_every_promise() {
    if !with_real_stores("a node of IPFS") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let real = stage::IpfsNode::start(folder.path()).unwrap();
    let options = IpfsOptions::new(&real.api);
    every_promise(options.clone()).await;
    let blobs = Ipfs::new(&options).unwrap();
    for len in [0, 6, 1 << 20, (1 << 20) + 1, 20_000_000] {
        let (name, bytes) = (BlobName::generate(), sample(len));
        put(&blobs, name, &bytes, 100_000).await.unwrap();
        let cid = blobs.cid(name).await.unwrap().unwrap();
        assert_eq!(cid.as_str(), node::cid(&bytes), "the stand-in and the node agree on {len} octets");
        assert!(blobs.is_pinned(name).await.unwrap());
        blobs.delete(name).await.unwrap();
        assert_eq!(blobs.len(name).await.unwrap(), None);
    }
}
