//! A database whose answer is lost: it has kept what it was told, and the server cannot know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ::stage::postgres::{self, Databases};
use proto::{B64, Batch, BatchFile, BatchReply, Code, Completed, PartRecord, paths};
use server::config::GivenSecret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::sealed::{MIB, alice_and_bob_at};
use crate::stage::{Parcel, Person, Reply, Stage};

/// What the message that ends a transaction looks like, either way.
const COMMIT: &[u8] = b"COMMIT\0";

/// The way to a database on which, when it is told to, the answer to the next commit is lost, and the connection with it.
struct Tap {
    url: String,
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
}

impl Tap {
    async fn before(url: &str) -> Self {
        let port: u16 = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (loses, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (wanted, count) = (loses.clone(), lost.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(carry(near, far, wanted.clone(), count.clone()));
            }
        });
        Self { url: url.replace(&format!(":{port}/"), &format!(":{own}/")), loses, lost }
    }

    /// Makes a request whose commit is kept and not told of; the request is refused as if the database were away. `None` where it was
    /// not its own commit that came next: what the server does by itself commits, too.
    async fn losing(&self, request: impl Future<Output = Reply>) -> Option<()> {
        let before = self.lost.load(Ordering::SeqCst);
        self.loses.store(true, Ordering::SeqCst);
        let reply = request.await;
        assert_eq!(self.lost.load(Ordering::SeqCst), before + 1, "an answer was lost: {reply:?}");
        if reply.status.is_success() {
            return None;
        }
        assert_eq!(reply.code(), Code::Unavailable);
        Some(())
    }
}

/// How often it is tried to lose the right answers.
const TRIES: usize = 20;

/// Both ways of one connection, until either end goes, or an answer is to be lost.
async fn carry(mut near: TcpStream, mut far: TcpStream, wanted: Arc<AtomicBool>, lost: Arc<AtomicU32>) {
    let (mut asked, mut told) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut loses = false;
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(len @ 1..) = read else { return };
                let ends = asked[..len].windows(COMMIT.len()).any(|window| window == COMMIT);
                loses |= ends && wanted.swap(false, Ordering::SeqCst);
                if far.write_all(&asked[..len]).await.is_err() {
                    return;
                }
            }
            read = far.read(&mut told) => {
                let Ok(len @ 1..) = read else { return };
                if loses && told[..len].windows(COMMIT.len()).any(|window| window == COMMIT) {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if near.write_all(&told[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The database server goes with it.
struct Scene {
    stage: Stage,
    tap: Tap,
    alice: Person,
    bob: Person,
    _databases: Databases,
}

async fn scene() -> Option<Scene> {
    if let Some(why) = postgres::missing() {
        eprintln!("not run: {why}");
        return None;
    }
    let databases = Databases::open().unwrap();
    let tap = Tap::before(&databases.database().unwrap()).await;
    let url = tap.url.clone();
    let stage = Stage::with(|config| config.secrets.database_url = Some(GivenSecret::new(url))).await;
    let (alice, bob) = alice_and_bob_at(&stage).await;
    Some(Scene { stage, tap, alice, bob, _databases: databases })
}

async fn opens(stage: &Stage, person: &Person, parcel: &Parcel) {
    let ticket = parcel.ticket(stage, person).await;
    for n in 0..parcel.part_count() {
        let path = paths::fill(paths::CONTENT, &[&parcel.file_id, &n]);
        assert_eq!(parcel.content(stage, &ticket, &path, None).await.body, parcel.part(n), "part {n}");
    }
    let path = paths::fill(paths::LEAVES, &[&parcel.file_id, &0]);
    assert!(parcel.content(stage, &ticket, &path, None).await.status.is_success());
}

/// Parts and file, each asked for again after its commit was not told of.
async fn uploaded(scene: &Scene) -> Option<()> {
    let Scene { stage, tap, alice, bob, .. } = scene;
    let before = stage.stored_files();
    let parcel = Parcel::new(2 * MIB + 1_000);
    parcel.begin(stage, alice).await;
    for n in 0..parcel.part_count() {
        tap.losing(parcel.put(stage, alice, n)).await?;
        parcel.put(stage, alice, n).await.json::<PartRecord>();
    }
    let request = parcel.complete_request(alice, &[bob]);
    tap.losing(parcel.complete(stage, alice, &request)).await?;
    parcel.complete(stage, alice, &request).await.json::<Completed>();
    opens(stage, bob, &parcel).await;
    // What came of the repetitions was in nobody's row.
    assert_eq!(stage.stored_files() - before, usize::try_from(parcel.part_count()).unwrap() + 1);
    Some(())
}

/// The same of a batch.
async fn batched(scene: &Scene) -> Option<()> {
    let Scene { stage, tap, alice, bob, .. } = scene;
    let before = stage.stored_files();
    let parcels = [1_000, 20_000, 32].map(Parcel::new);
    let files = parcels.iter().map(|parcel| BatchFile {
        file_id: parcel.file_id,
        body: B64(parcel.body.clone()),
        complete: parcel.complete_request(alice, &[bob]),
    });
    let batch = Batch { files: files.collect() };
    tap.losing(alice.post(stage, paths::BATCH, &batch)).await?;
    alice.post(stage, paths::BATCH, &batch).await.json::<BatchReply>();
    for parcel in &parcels {
        opens(stage, bob, parcel).await;
    }
    assert_eq!(stage.stored_files() - before, parcels.len());
    Some(())
}

/// And of a file of the documented API, which has no repetition: it is there.
async fn uploaded_in_one(scene: &Scene) -> Option<()> {
    let Scene { stage, tap, alice, .. } = scene;
    let listed = async || alice.get(stage, paths::V0_FILES).await.json::<serde_json::Value>();
    let ids = |listed: serde_json::Value| -> Vec<String> {
        let files = listed["files"].as_array().unwrap();
        files.iter().map(|file| file["file_id"].as_str().unwrap().to_owned()).collect()
    };
    let before = ids(listed().await);
    tap.losing(alice.post(stage, paths::V0_UPLOAD, &crate::v0::upload(&[]))).await?;
    let id = ids(listed().await).into_iter().find(|id| !before.contains(id)).unwrap();
    let file = alice.get(stage, &paths::V0_FILE.replace("{file_id}", &id)).await;
    assert_eq!(file.json::<serde_json::Value>()["ciphertext"], "QUJDREVGR0hJSktMTU5PUFFS");
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_or_a_file_whose_commit_was_not_told_of_is_there_and_opens() {
    let Some(scene) = scene().await else { return };
    for _ in 0..TRIES {
        if uploaded(&scene).await.is_some() {
            return;
        }
    }
    panic!("it never was its own commit that was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_commit_was_not_told_of_is_there_and_opens() {
    let Some(scene) = scene().await else { return };
    for _ in 0..TRIES {
        if batched(&scene).await.is_some() {
            return;
        }
    }
    panic!("it never was its own commit that was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_documented_api_whose_commit_was_not_told_of_is_listed_and_opens() {
    let Some(scene) = scene().await else { return };
    for _ in 0..TRIES {
        if uploaded_in_one(&scene).await.is_some() {
            return;
        }
    }
    panic!("it never was its own commit that was lost");
}
