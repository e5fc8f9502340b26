//! Parts by way of what is behind the server: copies in several folders, and an object store.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, noise};
use crate::store;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

fn blobs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(blobs_below(&path)),
            false => found.push(path),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_folder_lost_and_every_copy_in_another_damaged_a_file_still_opens() {
    let folder = |root: &Path, name: &str| root.join("server").join(name);
    let stage = Stage::with(|config| {
        let data = config.storage.data.clone();
        config.storage.parts.blobs = ["one", "two", "three"].map(|name| data.join(name)).into();
        config.storage.parts.copies = Some(3);
    })
    .await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let content = noise(3_500_000, 1);
    let sent = alice.send(&alice.file("plan.bin", &content), &bob).await.unwrap();
    let root = stage.folder.path();
    std::fs::remove_dir_all(folder(root, "two")).unwrap();
    // The server's own folder, which it reads first: parts, and leaves.
    let own = blobs_below(&folder(root, "one"));
    assert_eq!(own.len(), 5, "four parts and their leaves");
    for path in own {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let received = bob.receive(sent.file_id).await.unwrap().path.unwrap();
    assert_eq!(std::fs::read(&received).unwrap(), content);
    std::fs::remove_file(received).unwrap();
    // Where every copy is damaged, nothing is opened.
    for path in blobs_below(&folder(root, "three")) {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let refused = bob.receive(sent.file_id).await.unwrap_err();
    assert!(matches!(refused, client::Error::NotAuthentic), "{refused}");
}

/// Goes through a proxy from now on, signed in there.
async fn via(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

/// One file of one part, a server that points to an object store, and what that store was asked.
struct Pointed {
    stage: Stage,
    proxy: Proxy,
    bob: Person,
    file_id: client::FileId,
    content: Vec<u8>,
    asked: Arc<AtomicUsize>,
    through_the_server: Arc<AtomicUsize>,
}

/// The proxy plays the store as well, below `/stored`; `place` makes the address out of the proxy's own.
async fn pointed(
    place: impl Fn(&str) -> String + Send + Sync + 'static,
    stored: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static,
) -> Pointed {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let content = noise(700_000, 2);
    let sent = alice.send(&alice.file("plan.bin", &content), &bob).await.unwrap();
    let part =
        blobs_below(&stage.blobs()).into_iter().max_by_key(|path| std::fs::metadata(path).unwrap().len());
    let part = std::fs::read(part.unwrap()).unwrap();
    let url: Arc<OnceLock<String>> = Arc::default();
    let (asked, through) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (known, count, server) = (url.clone(), asked.clone(), through.clone());
    let answer = move |exchange: &Exchange| {
        if exchange.path.starts_with("/stored") {
            count.fetch_add(1, Ordering::SeqCst);
            let told = exchange.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>();
            for name in
                ["authorization", "waxwing-ticket", "waxwing-client", "waxwing-way", "cookie", "referer"]
            {
                assert!(!told.iter().any(|told| told == name), "the store is told {name}");
            }
            return stored(part.clone());
        }
        if exchange.path.contains("/parts/") {
            if exchange.header("waxwing-way") == Some("direct") {
                return Answer::Redirect(place(known.get().unwrap()));
            }
            server.fetch_add(1, Ordering::SeqCst);
        }
        Answer::Forward
    };
    let proxy = Proxy::start(&stage, answer, |_| {}).await;
    url.set(proxy.url().to_owned()).unwrap();
    via(&stage, &bob, &proxy).await;
    Pointed { stage, proxy, bob, file_id: sent.file_id, content, asked, through_the_server: through }
}

impl Pointed {
    async fn opens(&self) {
        let path = self.bob.receive(self.file_id).await.unwrap().path.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), self.content);
        // Its name is free for the next time.
        std::fs::remove_file(path).unwrap();
        assert!(self.proxy.url().starts_with("https://localhost:") && self.stage.folder.path().exists());
    }

    fn counts(&self) -> (usize, usize) {
        (self.asked.load(Ordering::SeqCst), self.through_the_server.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_comes_from_the_store_that_the_server_points_to_and_nothing_says_who_asks() {
    let pointed = pointed(|url| format!("{url}/stored?sig=1"), |part| Answer::Reply(200, "", part)).await;
    pointed.opens().await;
    assert_eq!(pointed.counts(), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_alters_is_asked_of_the_server() {
    let altered = |mut part: Vec<u8>| {
        part[100] ^= 1;
        Answer::Reply(200, "", part)
    };
    let pointed = pointed(|url| format!("{url}/stored"), altered).await;
    pointed.opens().await;
    assert_eq!(pointed.counts(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_reached_or_refuses_is_asked_once_and_then_the_server_serves() {
    let refuses = |_| Answer::Reply(403, "application/xml", b"<Error/>".to_vec());
    for pointed in [
        pointed(|url| format!("{url}/stored"), refuses).await,
        pointed(|url| format!("{url}/stored"), |_| Answer::Drop).await,
        pointed(|_| "https://localhost:1/stored".to_owned(), refuses).await,
    ] {
        pointed.opens().await;
        pointed.opens().await;
        let (asked, through) = pointed.counts();
        assert!(asked <= 1 && through == 2, "{asked} {through}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_may_not_be_called_is_not_called() {
    for place in [
        |_: &str| "http://store.example/stored".to_owned(),
        |url: &str| url.replace("https://", "https://me:secret@") + "/stored",
        |_: &str| "file:///etc/hostname".to_owned(),
        |url: &str| format!("{url}/stored#x"),
        |_: &str| String::new(),
    ] {
        let pointed = pointed(place, |part| Answer::Reply(200, "", part)).await;
        pointed.opens().await;
        assert_eq!(pointed.counts(), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_may_not_send_on_to_another_address() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let sends_on = move |_| {
        note.lock().unwrap().push(());
        Answer::Redirect("/stored/further".into())
    };
    let pointed = pointed(|url| format!("{url}/stored"), sends_on).await;
    pointed.opens().await;
    assert_eq!((pointed.counts(), seen.lock().unwrap().len()), ((1, 1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_that_way_is_served_by_the_server_alone() {
    let pointed = pointed(|url| format!("{url}/stored"), |part| Answer::Reply(200, "", part)).await;
    let options = client::ClientOptions { direct: false, ..Stage::options() };
    let bob = pointed.stage.again(&pointed.bob, options).await;
    let received = bob.receive(pointed.file_id).await.unwrap();
    assert_eq!(std::fs::read(received.path.unwrap()).unwrap(), pointed.content);
    assert_eq!(pointed.counts(), (0, 1));
}

/// A server whose default store is a bucket, and people whose every part goes past the server.
struct Bucket {
    store: store::Store,
    stage: Stage,
    alice: Person,
    bob: Person,
}

impl Bucket {
    async fn new() -> Self {
        // Only the first of a process succeeds, which is all that is needed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let store = store::Store::start().await;
        let endpoint = store.options().endpoint;
        let stage = Stage::with(|config| {
            let parts = &mut config.storage.parts;
            parts.store = server::StoreName::S3;
            parts.s3.s3_bucket = Some(store::BUCKET.into());
            parts.s3.s3_endpoint = Some(endpoint.parse().unwrap());
            parts.s3.s3_access_key_id = Some(store::ID.into());
            let secret = server::config::GivenSecret::new(store::SECRET.into());
            config.secrets.aws_secret_access_key = Some(secret);
        })
        .await;
        let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
        Self { store, stage, alice, bob }
    }

    async fn received(&self, file_id: client::FileId) -> Vec<u8> {
        std::fs::read(self.bob.receive(file_id).await.unwrap().path.unwrap()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_into_a_bucket_and_come_out_of_it_past_the_server() {
    let bucket = Bucket::new().await;
    let put = Arc::new(AtomicUsize::new(0));
    let (count, proxy) = (put.clone(), Arc::new(AtomicUsize::new(0)));
    let through = proxy.clone();
    let watched = move |exchange: &Exchange| {
        if exchange.method == "PUT" && exchange.path.ends_with("/direct") {
            count.fetch_add(1, Ordering::SeqCst);
        } else if exchange.path.contains("/parts/") && exchange.body.len() > 10_000 {
            through.fetch_add(1, Ordering::SeqCst);
        }
        Answer::Forward
    };
    let watch = Proxy::start(&bucket.stage, watched, |_| {}).await;
    via(&bucket.stage, &bucket.alice, &watch).await;
    let content = noise(3_500_000, 3);
    let sent = bucket.alice.send(&bucket.alice.file("plan.bin", &content), &bucket.bob).await.unwrap();
    assert_eq!((put.load(Ordering::SeqCst), proxy.load(Ordering::SeqCst)), (4, 0));
    assert_eq!(sent.received_parts, 4);
    assert!(bucket.received(sent.file_id).await == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_goes_away_in_the_middle_and_comes_back_ends_neither_a_sending_nor_a_receiving() {
    let bucket = Bucket::new().await;
    let content = noise(6_500_000, 4);
    let path = bucket.alice.file("plan.bin", &content);
    let Bucket { mut store, stage, alice, bob } = bucket;
    let begun = Arc::new(tokio::sync::Notify::new());
    let (note, parts) = (begun.clone(), AtomicUsize::new(0));
    // When the second part is on its way, sent or asked for.
    let watched = move |exchange: &Exchange| {
        if exchange.path.contains("/parts/") && parts.fetch_add(1, Ordering::SeqCst) == 2 {
            note.notify_one();
        }
        Answer::Forward
    };
    let watch = Proxy::start(&stage, watched, |_| {}).await;
    via(&stage, &alice, &watch).await;
    let away = async {
        begun.notified().await;
        store.stop().await;
        // Until a client has met it: the server says that it is away.
        let ready = reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(stage.ca().as_bytes()).unwrap())
            .build()
            .unwrap();
        let asked = format!("{}/health/ready", stage.url());
        while ready.get(&asked).send().await.unwrap().status() != 503 {}
        store.come_back().await;
        store
    };
    let (sent, mut store) = tokio::join!(alice.send(&path, &bob), away);
    let sent = sent.unwrap();
    let begun = Arc::new(tokio::sync::Notify::new());
    let (note, parts) = (begun.clone(), AtomicUsize::new(0));
    let watched = move |exchange: &Exchange| {
        if exchange.path.contains("/parts/") && parts.fetch_add(1, Ordering::SeqCst) == 2 {
            note.notify_one();
        }
        Answer::Forward
    };
    let watch = Proxy::start(&stage, watched, |_| {}).await;
    via(&stage, &bob, &watch).await;
    let away = async {
        begun.notified().await;
        store.stop().await;
        tokio::task::yield_now().await;
        store.come_back().await;
    };
    let (received, ()) = tokio::join!(bob.receive(sent.file_id), away);
    assert!(std::fs::read(received.unwrap().path.unwrap()).unwrap() == content);
}
