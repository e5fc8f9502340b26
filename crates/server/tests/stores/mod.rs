//! Several stores at once, copies in several folders, and moving between stores.

mod copies;
mod moving;
#[path = "../../../blobs/tests/ipfs/node.rs"]
mod node;
mod object;
mod published;
mod several;
#[expect(dead_code, reason = "the store of the driver's own tests, of which these need a part")]
#[path = "../../../blobs/tests/s3/store.rs"]
mod store;

use std::sync::Arc;

use blobs::{Blobs, MemoryBlobs};
use server::admin::Upkeep;
use server::{Config, JobReport, Running, Seams, Server, StoreName};

use crate::stage::sealed::{MIB, alice_and_bob_at};
use crate::stage::server::send;
use crate::stage::{Parcel, Person, Stage};

/// A server over two stores in memory: the local one, and one in the place of S3.
struct Two {
    stage: Stage,
    alice: Person,
    bob: Person,
    local: MemoryBlobs,
    s3: MemoryBlobs,
}

impl Two {
    async fn new() -> Self {
        let local = MemoryBlobs::new();
        Self::over(Arc::new(local.clone()), local).await
    }

    /// With something before the local store.
    async fn over(before: Arc<dyn Blobs>, local: MemoryBlobs) -> Self {
        let s3 = MemoryBlobs::new();
        let stores = vec![(StoreName::Local, before), (StoreName::S3, Arc::new(s3.clone()) as _)];
        let stage = Stage::with_seams(|_| {}, |seams| Seams { stores, ..seams }).await;
        let (alice, bob) = alice_and_bob_at(&stage).await;
        Self { stage, alice, bob, local, s3 }
    }

    fn stores(&self) -> Vec<(StoreName, Arc<dyn Blobs>)> {
        vec![(StoreName::Local, Arc::new(self.local.clone())), (StoreName::S3, Arc::new(self.s3.clone()))]
    }

    /// Another server over the same database, told something else.
    async fn beside(&self, stores: Vec<(StoreName, Arc<dyn Blobs>)>, default: StoreName) -> Running {
        let seams = Seams {
            clock: Some(self.stage.clock.clone()),
            mailer: Some(Arc::new(self.stage.mail.clone())),
            stores,
            ..Seams::default()
        };
        Server::start_with(self.config(default), seams).await.unwrap()
    }

    fn config(&self, default: StoreName) -> Config {
        let mut config = Config::for_data(self.stage.data.path().join("data"));
        config.storage.parts.store = default;
        config.storage.parts.s3.s3_bucket = Some("in-memory".into());
        config
    }

    /// What an operator has before the two stores.
    async fn upkeep(&self) -> Upkeep {
        std::fs::create_dir_all(self.stage.data.path().join("data/blobs")).unwrap();
        let config = self.config(StoreName::Local);
        let mut plain = config.clone();
        plain.storage.parts.s3 = Default::default();
        let upkeep = Upkeep::open(&plain).await.unwrap();
        upkeep.with_stores(&config, self.stores()).await.unwrap().with_clock(self.stage.clock.clone())
    }

    /// Long enough for orphans to be told; everybody signs in again.
    async fn two_days_later(&mut self) -> JobReport {
        self.stage.later(2 * 86_400);
        self.alice = again(&self.stage, &self.alice).await;
        self.bob = again(&self.stage, &self.bob).await;
        self.stage.run_jobs().await
    }

    async fn sent(&self, len: u64) -> Parcel {
        let parcel = Parcel::new(len);
        parcel.send(&self.stage, &self.alice, &[&self.bob]).await;
        parcel
    }

    async fn opens(&self, parcel: &Parcel) {
        opens(&self.stage, &self.bob, parcel).await;
    }
}

/// The same person, signed in anew.
async fn again(stage: &Stage, person: &Person) -> Person {
    Person { token: Person::new(stage, &person.address).await.token, ..person.clone() }
}

/// Every octet of a file is given, and so are its leaves.
async fn opens(stage: &Stage, reader: &Person, parcel: &Parcel) {
    let ticket = parcel.ticket(stage, reader).await;
    let mut body = Vec::new();
    for n in 0..parcel.part_count() {
        let path = proto::paths::fill(proto::paths::CONTENT, &[&parcel.file_id, &n]);
        let reply = parcel.content(stage, &ticket, &path, None).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        body.extend_from_slice(&reply.body);
    }
    assert_eq!(body, parcel.body);
    let path = proto::paths::fill(proto::paths::LEAVES, &[&parcel.file_id, &0]);
    let reply = parcel.content(stage, &ticket, &path, None).await;
    let leaves: Vec<_> = parcel.body.chunks(1 << 18).map(envelope::merkle::leaf).collect();
    assert_eq!(reply.body, envelope::merkle::nodes_to_bytes(&leaves));
}

/// The author ends a file for everybody.
async fn deleted(stage: &Stage, author: &Person, parcel: &Parcel) {
    let proof = author.root.sign(&[b"waxwing/v1/action/delete\0", parcel.file_id.as_bytes()]);
    let proof = proto::B64(proof.to_vec()).to_text();
    let request = stage.request(reqwest::Method::DELETE, &parcel.file_path()).bearer_auth(&author.token);
    let reply = send(request.header(proto::headers::PROOF, proof)).await;
    assert!(reply.status.is_success(), "{:?}", reply.body);
}

async fn held(blobs: &MemoryBlobs) -> usize {
    use futures::StreamExt as _;
    blobs.list().await.unwrap().count().await
}

const SMALL: u64 = 1_000;
const LARGE: u64 = 2 * MIB + 1_000;
