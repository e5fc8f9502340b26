//! A server that lies about files: one uniform error, no output, and an honest twin beside every lie.

use crate::round_trip::Shared;
use crate::stage::{Answer, Exchange, Person, Proxy, Stage, noise};
use client::{Error, FileId, FilePaging, Target};
use proto::{B64, FileInfo, FilePage};
use std::path::{Path, PathBuf};

const CONTENT: usize = 3 << 20;

struct Case {
    stage: Stage,
    alice: Person,
    bob: Person,
    /// Two files from Alice to Bob.
    ids: [FileId; 2],
}

async fn case() -> Case {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let mut ids = Vec::new();
    for n in 0..2 {
        let path = alice.file(&format!("file-{n}"), &noise(CONTENT, n));
        ids.push(alice.send(&path, &bob).await.unwrap().file_id);
    }
    Case { stage, alice, bob, ids: [ids[0], ids[1]] }
}

impl Case {
    /// Bob asks through this lie and must get the uniform error and nothing else.
    async fn refuses(&self, what: &str, lie: impl Fn(&mut Exchange) + Send + Sync + 'static) {
        let proxy = Proxy::start(&self.stage, |_| Answer::Forward, lie).await;
        self.bob.through(&proxy);
        let code = self.stage.code(&self.bob.client, &self.bob.address).await;
        self.bob.client.sign_in(&self.bob.address, &code).await.unwrap();
        self.refused(what).await;
    }

    async fn refused(&self, what: &str) {
        let error = self.bob.receive(self.ids[0]).await.expect_err(what);
        assert!(matches!(error, Error::NotAuthentic), "{what}: {error:?}");
        assert!(self.bob.names().is_empty(), "{what}: {:?}", self.bob.names());
    }

    /// Bob asks the honest server and gets it all.
    async fn honest(&self) {
        self.bob.client.configure_server(self.stage.url(), Some(self.stage.ca())).unwrap();
        let code = self.stage.code(&self.bob.client, &self.bob.address).await;
        self.bob.client.sign_in(&self.bob.address, &code).await.unwrap();
        for id in self.ids {
            let got = self.bob.receive(id).await.unwrap();
            std::fs::remove_file(got.path.unwrap()).unwrap();
        }
    }

    /// What the honest server says of the second file.
    async fn other(&self) -> FileInfo {
        let (proxy, seen) = recording(&self.stage).await;
        self.bob.through(&proxy);
        let code = self.stage.code(&self.bob.client, &self.bob.address).await;
        self.bob.client.sign_in(&self.bob.address, &code).await.unwrap();
        self.bob.client.info(&self.bob.keys, self.ids[1]).await.unwrap();
        seen.lock().unwrap().take().unwrap()
    }
}

/// What was damaged is asked for once more, from there on: with how much behind it depends on how many segments this machine
/// proves together. So that reply is damaged where it begins.
fn lie_again_or(exchange: &mut Exchange, change: impl Fn(&mut Vec<u8>)) {
    if exchange.status == 206 { exchange.reply[0] ^= 1 } else { change(&mut exchange.reply) }
}

type Seen = std::sync::Arc<std::sync::Mutex<Option<FileInfo>>>;

async fn recording(stage: &Stage) -> (Proxy, Seen) {
    let seen = Seen::default();
    let note = seen.clone();
    let proxy = Proxy::start(
        stage,
        |_| Answer::Forward,
        move |exchange| {
            if is_info(exchange) {
                *note.lock().unwrap() = serde_json::from_slice(&exchange.reply).ok();
            }
        },
    )
    .await;
    (proxy, seen)
}

fn is_info(exchange: &Exchange) -> bool {
    exchange.method == "GET" && exchange.path.starts_with("/api/v1/files/")
}

fn in_info(change: impl Fn(&mut FileInfo) + Send + Sync + 'static) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if is_info(exchange) {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut info);
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_manifest_grant_and_author_are_refused() {
    let case = case().await;
    case.honest().await;
    let other = case.other().await;
    let (manifest, grant) = (other.manifest.clone(), other.grant.clone());
    case.refuses("another file's manifest", in_info(move |info| info.manifest = manifest.clone())).await;
    case.refuses("another file's grant", in_info(move |info| info.grant = grant.clone())).await;
    let whole = other.clone();
    case.refuses("another file", in_info(move |info| *info = whole.clone())).await;
    case.refuses(
        "another file's parts under this id",
        in_info(move |info| {
            (info.manifest, info.grant) = (other.manifest.clone(), other.grant.clone());
        }),
    )
    .await;
    for at in [9, 30, 70, 150, 200, 700] {
        let flipped = in_info(move |info| info.manifest.0[at] ^= 1);
        case.refuses(&format!("manifest byte {at}"), flipped).await;
    }
    for at in [9, 14, 40, 70, 100, 130, 600, 1_290] {
        case.refuses(&format!("grant byte {at}"), in_info(move |info| info.grant.0[at] ^= 1)).await;
    }
    case.refuses("a trailing byte", in_info(|info| info.manifest.0.push(0))).await;
    case.refuses("no grant", in_info(|info| info.grant = B64::default())).await;
    let carol = case.stage.person("carol").await.client.own_bundle().unwrap();
    case.refuses("somebody else as the author", in_info(move |info| info.author_bundle = B64(carol.clone())))
        .await;
    case.refuses("a broken author", in_info(|info| info.author_bundle.0[100] ^= 1)).await;
    case.honest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_only_what_verifies() {
    let case = case().await;
    let first = case.ids[0];
    let proxy = Proxy::start(
        &case.stage,
        |_| Answer::Forward,
        move |exchange| {
            if exchange.method == "GET" && exchange.path == "/api/v1/files" {
                let mut page: FilePage = serde_json::from_slice(&exchange.reply).unwrap();
                for info in page.files.iter_mut().filter(|info| info.file_id == first) {
                    info.manifest.0[200] ^= 1;
                }
                exchange.reply = serde_json::to_vec(&page).unwrap();
            }
        },
    )
    .await;
    case.bob.through(&proxy);
    let code = case.stage.code(&case.bob.client, &case.bob.address).await;
    case.bob.client.sign_in(&case.bob.address, &code).await.unwrap();
    let list = case.bob.client.list(&case.bob.keys, FilePaging::default()).await.unwrap();
    assert_eq!(list.files.iter().map(|file| file.file_id).collect::<Vec<_>>(), [case.ids[1]]);
    assert_eq!(list.refused, [case.ids[0]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_tree_leaves_and_content_are_refused() {
    let case = case().await;
    case.honest().await;
    let of = |end: &'static str, change: fn(&mut Vec<u8>)| {
        move |exchange: &mut Exchange| {
            if exchange.path.contains("/content/") && exchange.path.contains(end) {
                lie_again_or(exchange, change);
            }
        }
    };
    case.refuses("a changed tree", of("/tree", |reply| reply[0] ^= 1)).await;
    case.refuses("a tree with one node more", of("/tree", |reply| reply.extend([0; 32]))).await;
    case.refuses("an empty tree", of("/tree", Vec::clear)).await;
    case.refuses("changed leaves", of("/leaves/0", |reply| reply[40] ^= 1)).await;
    case.refuses("leaves in another order", of("/leaves/0", |reply| reply.rotate_left(32))).await;
    case.refuses("fewer leaves", of("/leaves/0", |reply| reply.truncate(32))).await;
    case.refuses("a flipped bit in the first part", of("/parts/0", |reply| reply[100] ^= 1)).await;
    case.refuses("a flipped bit in the last byte", of("/parts/2", |reply| *reply.last_mut().unwrap() ^= 1))
        .await;
    case.refuses("segments in another order", of("/parts/1", |reply| reply.rotate_left(1 << 18))).await;
    case.refuses("a segment twice", of("/parts/1", |reply| reply.copy_within(0..1 << 18, 1 << 18))).await;
    case.honest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_of_another_file_is_refused() {
    let case = case().await;
    let folder = case.stage.blobs();
    let blobs = blobs(&folder);
    assert!(!blobs.is_empty());
    // Every blob gets a flipped bit, wherever the server put the parts: nothing opens.
    for blob in &blobs {
        let mut bytes = std::fs::read(blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(blob, bytes).unwrap();
    }
    case.refused("damaged blobs").await;
    for blob in &blobs {
        let mut bytes = std::fs::read(blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(blob, bytes).unwrap();
    }
    case.honest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_gets_nothing_of_a_segment_that_is_not_proven() {
    let case = case().await;
    let lie = |exchange: &mut Exchange| {
        if exchange.path.contains("/content/") && exchange.path.contains("/parts/1") {
            lie_again_or(exchange, |reply| reply[(1 << 18) + 5] ^= 1);
        }
    };
    let proxy = Proxy::start(&case.stage, |_| Answer::Forward, lie).await;
    case.bob.through(&proxy);
    let code = case.stage.code(&case.bob.client, &case.bob.address).await;
    case.bob.client.sign_in(&case.bob.address, &code).await.unwrap();
    let out = Shared::default();
    let error = case.bob.receive_into(case.ids[0], Target::Writer(Box::new(out.clone()))).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthentic), "{error}");
    let released = out.0.lock().unwrap().clone();
    // Part 1 is segments 4 to 7; the damaged one is 5.
    assert!(released.len() <= 5 * 262_112);
    assert_eq!(released, noise(CONTENT, 0)[..released.len()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_cannot_pass_content_off_as_the_authors_to_another() {
    let case = case().await;
    // Alice asks for a file of her own with what Bob was given: a grant for somebody else opens nothing.
    let other = case.other().await;
    let lie = in_info(move |info| info.grant = other.grant.clone());
    let proxy = Proxy::start(&case.stage, |_| Answer::Forward, lie).await;
    case.alice.through(&proxy);
    let code = case.stage.code(&case.alice.client, &case.alice.address).await;
    case.alice.client.sign_in(&case.alice.address, &code).await.unwrap();
    let error = case.alice.client.info(&case.alice.keys, case.ids[1]).await.unwrap_err();
    assert!(matches!(error, Error::NotAuthentic), "{error}");
}

fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(blobs(&path));
        } else if std::fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found
}
