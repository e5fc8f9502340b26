//! The object-store driver against a real server that checks signatures.

#![expect(clippy::unwrap_used, reason = "a test: what cannot go on ends it")]

mod hostile;
mod liar;
mod store;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use blobs::{
    BadS3, BlobError, BlobName, Blobs, Presign, PutTerms, Retry, RetryPolicy, S3, S3Keys, S3Style,
    conformance,
};
use bytes::Bytes;
use conformance::{fetch, put, sample};
use futures::TryStreamExt;
use reqwest::StatusCode;

use store::{BUCKET, ID, SECRET, Store, keys};

#[tokio::test]
async fn s3_keeps_every_promise() {
    let store = Store::start().await;
    let mut buckets = 0;
    conformance::run_all(|| {
        buckets += 1;
        let mut options = store.options();
        options.prefix = format!("run/{buckets}");
        options.list_page = 100;
        async move { Arc::new(S3::new(&options, keys()).unwrap()) as Arc<dyn Blobs> }
    })
    .await;
}

#[tokio::test]
async fn long_blobs_go_in_chunks_and_come_back_whole() {
    let store = Store::start().await;
    let blobs = store.open();
    for len in [(5 << 20) - 1, 5 << 20, (5 << 20) + 1, 10 << 20, 23_000_000] {
        let (name, bytes) = (BlobName::generate(), sample(len));
        put(&blobs, name, &bytes, 700_001).await.unwrap();
        assert_eq!(blobs.len(name).await.unwrap(), Some(len as u64));
        assert!(fetch(&blobs, name, 0..len as u64).await.unwrap() == bytes, "{len}");
        assert!(matches!(put(&blobs, name, &bytes, 1 << 20).await, Err(BlobError::AlreadyExists)));
    }
}

#[tokio::test]
async fn a_blob_is_one_object_under_the_prefix() {
    let store = Store::start().await;
    let mut options = store.options();
    options.prefix = "waxwing/".into();
    let blobs = S3::new(&options, keys()).unwrap();
    let name = BlobName::generate();
    put(&blobs, name, b"sealed", 6).await.unwrap();
    assert_eq!(std::fs::read(store.file(&format!("waxwing/{name}"))).unwrap(), b"sealed");
    assert_eq!((blobs.bucket(), blobs.name(&blobs.key(name))), (BUCKET, Some(name)));
    assert_eq!(blobs.name(&name.to_string()), None, "another prefix");
    // What is not ours is neither listed nor touched.
    std::fs::write(store.file("waxwing/readme"), b"x").unwrap();
    let listed: Vec<_> = blobs.list().await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|blob| blob.name).collect::<Vec<_>>(), [name]);
}

#[tokio::test]
async fn a_wrong_key_is_refused_for_good() {
    let store = Store::start().await;
    let name = BlobName::generate();
    put(&store.open(), name, b"sealed", 6).await.unwrap();
    for keys in [S3Keys::new(ID, "another secret", None), S3Keys::new("nobody", SECRET, None)] {
        let blobs = S3::new(&store.options(), keys).unwrap();
        let refused = |error: BlobError| matches!(error, BlobError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied);
        assert!(refused(blobs.read(name, 0..6).await.err().unwrap()));
        assert!(refused(blobs.len(name).await.unwrap_err()));
        assert!(refused(put(&blobs, BlobName::generate(), b"x", 1).await.unwrap_err()));
        assert!(refused(blobs.delete(name).await.unwrap_err()));
        assert!(refused(blobs.list().await.err().unwrap()));
        assert!(refused(blobs.health().await.unwrap_err()));
    }
    assert_eq!(fetch(&store.open(), name, 0..6).await.unwrap(), b"sealed");
}

#[tokio::test]
async fn a_missing_bucket_is_not_an_empty_one() {
    let store = Store::start().await;
    let mut options = store.options();
    options.bucket = "nothing".into();
    let blobs = S3::new(&options, keys()).unwrap();
    assert!(matches!(blobs.health().await, Err(BlobError::Io(_))));
    assert!(matches!(blobs.list().await, Err(BlobError::Io(_))));
}

#[tokio::test]
async fn a_store_that_goes_away_is_not_available_and_then_fine_again() {
    let mut store = Store::start().await;
    let blobs = store.open();
    let (name, bytes) = (BlobName::generate(), sample(6_000_000));
    put(&blobs, name, &bytes, 1 << 20).await.unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(bytes.clone())).await.unwrap();
    store.stop().await;
    assert!(blobs.read(name, 0..10).await.err().unwrap().is_transient());
    assert!(blobs.len(name).await.unwrap_err().is_transient());
    assert!(blobs.delete(name).await.unwrap_err().is_transient());
    assert!(blobs.health().await.unwrap_err().is_transient());
    assert!(blobs.sweep_temporary(Duration::ZERO).await.unwrap_err().is_transient());
    assert!(writer.commit().await.unwrap_err().is_transient());
    store.come_back().await;
    blobs.health().await.unwrap();
    assert!(fetch(&blobs, name, 0..6_000_000).await.unwrap() == bytes);
    put(&blobs, BlobName::generate(), &bytes, 1 << 20).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_busy_for_a_moment_is_asked_again() {
    let store = Store::start().await;
    let blobs = store.open();
    for len in [100, 12_000_000] {
        let (name, bytes) = (BlobName::generate(), sample(len));
        store.faults.busy.store(2, Ordering::Relaxed);
        put(&blobs, name, &bytes, 1 << 20).await.unwrap();
        assert!(fetch(&blobs, name, 0..len as u64).await.unwrap() == bytes);
    }
    store.faults.busy.store(u32::MAX, Ordering::Relaxed);
    assert!(put(&blobs, BlobName::generate(), b"x", 1).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_no_failure_if_the_object_is_there() {
    let store = Store::start().await;
    let blobs = store.open();
    for len in [0, 100, 12_000_000] {
        let (name, bytes) = (BlobName::generate(), sample(len));
        store.faults.lost.store(1, Ordering::Relaxed);
        put(&blobs, name, &bytes, 1 << 20).await.unwrap();
        assert_eq!(store.faults.lost.load(Ordering::Relaxed), 0, "it was lost");
        assert!(fetch(&blobs, name, 0..len as u64).await.unwrap() == bytes);
        assert!(matches!(put(&blobs, name, &bytes, 1 << 20).await, Err(BlobError::AlreadyExists)));
    }
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_asked_without_them() {
    let store = Store::start().await;
    store.faults.no_conditions.store(true, Ordering::Relaxed);
    let blobs = store.open();
    let bytes = sample(6_000_000);
    let many = (0..8).map(|n| put(&blobs, BlobName::generate(), &bytes[..n * 800_000], 1 << 20));
    futures::future::try_join_all(many).await.unwrap();
    let name = BlobName::generate();
    put_sized(&blobs, name, &bytes).await.unwrap();
    assert!(matches!(put(&blobs, name, &bytes, 1 << 20).await, Err(BlobError::AlreadyExists)));
    // What flows by cannot be sent again by the driver: the first time it is for whoever has it.
    let fresh = store.open();
    assert!(put_sized(&fresh, BlobName::generate(), &bytes).await.unwrap_err().is_transient());
    put_sized(&fresh, BlobName::generate(), &bytes).await.unwrap();
}

/// Writes a blob whose length was announced.
async fn put_sized(blobs: &dyn Blobs, name: BlobName, bytes: &[u8]) -> Result<(), BlobError> {
    let mut writer = blobs.create_sized(name, bytes.len() as u64).await?;
    for piece in bytes.chunks(1 << 20) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.commit().await
}

#[tokio::test]
async fn a_blob_of_known_length_is_one_request_and_fails_as_one() {
    let store = Store::start().await;
    let blobs = store.open();
    let (name, bytes) = (BlobName::generate(), sample(12_000_000));
    store.faults.busy.store(1, Ordering::Relaxed);
    assert!(put_sized(&blobs, name, &bytes).await.unwrap_err().is_transient(), "its octets are gone");
    assert_eq!(blobs.len(name).await.unwrap(), None);
    store.faults.lost.store(1, Ordering::Relaxed);
    put_sized(&blobs, name, &bytes).await.unwrap();
    assert_eq!(store.faults.lost.load(Ordering::Relaxed), 0, "the answer was lost");
    assert!(store.begun.lock().unwrap().is_empty(), "not in chunks");
    assert!(fetch(&blobs, name, 0..12_000_000).await.unwrap() == bytes);
}

#[tokio::test]
async fn another_length_than_was_announced_is_no_blob() {
    let store = Store::start().await;
    let blobs = store.open();
    let name = BlobName::generate();
    let mut writer = blobs.create_sized(name, 7_000_000).await.unwrap();
    writer.write(Bytes::from(sample(6_999_999))).await.unwrap();
    assert!(matches!(writer.commit().await, Err(BlobError::Io(_))), "too few");
    let mut writer = blobs.create_sized(name, 7_000_000).await.unwrap();
    assert!(matches!(writer.write(Bytes::from(sample(7_000_001))).await, Err(BlobError::Io(_))), "too many");
    assert!(matches!(writer.commit().await, Err(BlobError::Broken)));
    assert_eq!(blobs.len(name).await.unwrap(), None);
}

#[tokio::test]
async fn an_own_authority_is_trusted_where_it_is_given_and_nowhere_else() {
    let store = Store::start_with_tls().await;
    let name = BlobName::generate();
    let mut options = store.options();
    options.ca_pem = store.ca_pem();
    let blobs = S3::new(&options, keys()).unwrap();
    put(&blobs, name, &sample(6_000_000), 1 << 20).await.unwrap();
    assert!(fetch(&blobs, name, 0..6_000_000).await.unwrap() == sample(6_000_000));
    let refused = store.open().len(name).await.unwrap_err();
    assert!(!refused.is_transient(), "a certificate does not get better by asking again: {refused:?}");
}

#[tokio::test]
async fn a_download_outlives_a_store_that_restarts() {
    let mut store = Store::start().await;
    let (name, bytes) = (BlobName::generate(), sample(40_000_000));
    let blobs = Retry::new(store.open(), RetryPolicy::default());
    put(&blobs, name, &bytes, 1 << 20).await.unwrap();
    let mut stream = blobs.read(name, 0..40_000_000).await.unwrap();
    let mut found = stream.try_next().await.unwrap().unwrap().to_vec();
    store.stop().await;
    store.come_back().await;
    while let Some(piece) = stream.try_next().await.unwrap() {
        found.extend_from_slice(&piece);
    }
    assert!(found == bytes);
}

#[tokio::test]
async fn a_writer_that_is_dropped_ends_its_upload() {
    let store = Store::start().await;
    let blobs = store.open();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(sample(12_000_000))).await.unwrap();
    assert_eq!(store.begun.lock().unwrap().len(), 1);
    drop(writer);
    // It is ended by a task of its own, which is over when the store has forgotten the upload.
    while !store.begun.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn a_sweep_ends_old_uploads_of_ours_alone() {
    let mut store = Store::start().await;
    let mut options = store.options();
    options.prefix = "ours".into();
    let blobs = S3::new(&options, keys()).unwrap();
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(sample(12_000_000))).await.unwrap();
    // The store is away when the writer is dropped, so that its upload stays behind.
    store.stop().await;
    drop(writer);
    assert!(blobs.health().await.is_err());
    store.come_back().await;
    store.begun.lock().unwrap().push(("theirs/x".into(), "another".into()));
    let century = Duration::from_hours(24 * 365 * 100);
    assert_eq!(blobs.sweep_temporary(century).await.unwrap(), 0, "too young");
    assert_eq!(blobs.sweep_temporary(Duration::from_hours(1)).await.unwrap(), 1);
    let left: Vec<_> = store.begun.lock().unwrap().clone();
    assert_eq!(left, [("theirs/x".to_owned(), "another".to_owned())]);
}

#[tokio::test]
async fn a_presigned_download_works_from_a_plain_client_until_it_is_over() {
    let store = Store::start().await;
    let blobs = store.open();
    let name = BlobName::generate();
    put(&blobs, name, b"sealed octets", 13).await.unwrap();
    let plain = plain_client();
    let url = blobs.presign_get(name, Duration::from_secs(600));
    let whole = plain.get(url.expose_url()).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap(), "sealed octets");
    let part = plain.get(url.expose_url()).header("range", "bytes=7-12").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), "octets");
    // Another object, another method, another time: each is another signature.
    let other = url.expose_url().replace(&name.to_string(), &BlobName::generate().to_string());
    assert_eq!(plain.get(other).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(plain.delete(url.expose_url()).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let longer = url.expose_url().replace("X-Amz-Expires=600", "X-Amz-Expires=6000");
    assert_eq!(plain.get(longer).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let unsigned = url.expose_url().split('?').next().unwrap();
    assert_eq!(plain.get(unsigned).send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_presigned_address_ends() {
    let store = Store::start().await;
    let blobs = store.open();
    let name = BlobName::generate();
    put(&blobs, name, b"sealed", 6).await.unwrap();
    let url = blobs.presign_get(name, Duration::from_secs(1));
    let plain = plain_client();
    // The store goes by the clock of the system; asked until it refuses, and it must.
    loop {
        let status = plain.get(url.expose_url()).send().await.unwrap().status();
        if status == StatusCode::FORBIDDEN {
            break;
        }
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_presigned_upload_takes_the_agreed_length_and_nothing_else() {
    let store = Store::start().await;
    let blobs = store.open();
    let name = BlobName::generate();
    let terms = PutTerms { len: Some(6), once: true, lasts: Duration::from_secs(600) };
    let url = blobs.presign_put(name, terms);
    let plain = plain_client();
    let send = async |body: &'static str, with: &[(&'static str, String)]| {
        let mut request = plain.put(url.expose_url()).body(body);
        for (header, value) in with.iter().filter(|(header, _)| *header != "content-length") {
            request = request.header(*header, value);
        }
        request.send().await.unwrap().status()
    };
    assert_eq!(send("longer than agreed", url.headers()).await, StatusCode::FORBIDDEN);
    assert_ne!(send("sealed", &[]).await, StatusCode::OK, "without the headers that were signed");
    assert_eq!(blobs.len(name).await.unwrap(), None);
    assert_eq!(send("sealed", url.headers()).await, StatusCode::OK);
    assert_eq!(fetch(&blobs, name, 0..6).await.unwrap(), b"sealed");
    assert_eq!(send("SEALED", url.headers()).await, StatusCode::PRECONDITION_FAILED, "once");
    assert_eq!(fetch(&blobs, name, 0..6).await.unwrap(), b"sealed");
    let free = PutTerms { len: None, once: false, lasts: Duration::from_secs(600) };
    let url = blobs.presign_put(name, free);
    assert!(url.headers().is_empty());
    assert_eq!(plain.put(url.expose_url()).body("any length").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_cdn_takes_the_place_of_the_host_and_keeps_the_signature() {
    let store = Store::start().await;
    let mut options = store.options();
    options.cdn = Some("https://cdn.example/sealed/".into());
    options.prefix = "waxwing".into();
    let blobs = S3::new(&options, keys()).unwrap();
    let name = BlobName::generate();
    let url = blobs.presign_get(name, Duration::from_secs(60));
    let (address, query) = url.expose_url().split_once('?').unwrap();
    assert_eq!(address, format!("https://cdn.example/sealed/waxwing/{name}"));
    assert!(query.contains("X-Amz-Signature="));
    let upload = blobs.presign_put(name, PutTerms { len: None, once: false, lasts: Duration::from_secs(60) });
    assert!(upload.expose_url().starts_with(&options.endpoint), "uploads go to the store itself");
}

#[test]
fn a_bucket_may_be_part_of_the_host_name() {
    let mut options = blobs::S3Options::new("https://s3.example", "eu-1", "sealed");
    options.style = S3Style::VirtualHost;
    let blobs = S3::new(&options, keys()).unwrap();
    let url = blobs.presign_get(BlobName::generate(), Duration::from_secs(60));
    assert!(url.expose_url().starts_with("https://sealed.s3.example/"));
}

#[test]
fn keys_and_presigned_addresses_do_not_print() {
    let options = blobs::S3Options::new("https://s3.example", "eu-1", "sealed");
    let blobs = S3::new(&options, keys()).unwrap();
    let url = blobs.presign_get(BlobName::generate(), Duration::from_secs(60));
    let printed = format!("{url:?} {:?} {options:?}", keys());
    assert!(
        !printed.contains("Signature") && !printed.contains(SECRET) && !printed.contains(ID),
        "{printed}"
    );
}

#[test]
fn options_that_make_no_bucket_are_refused() {
    let with = |change: fn(&mut blobs::S3Options)| {
        let mut options = blobs::S3Options::new("https://s3.example", "eu-1", "sealed");
        change(&mut options);
        S3::new(&options, keys()).err()
    };
    assert_eq!(with(|_| {}), None);
    for endpoint in
        ["s3.example", "ftp://s3.example", "https://user:word@s3.example", "https://s3.example/?x"]
    {
        let mut options = blobs::S3Options::new(endpoint, "eu-1", "sealed");
        options.prefix = "a/b".into();
        assert_eq!(S3::new(&options, keys()).err(), Some(BadS3::Endpoint), "{endpoint}");
    }
    assert_eq!(with(|options| options.bucket = "a/b".into()), Some(BadS3::Bucket));
    for prefix in ["/a", "a//b", "a/../b", "..", "/", "a b"] {
        let mut options = blobs::S3Options::new("https://s3.example", "eu-1", "sealed");
        options.prefix = prefix.into();
        assert_eq!(S3::new(&options, keys()).err(), Some(BadS3::Prefix), "{prefix}");
    }
    assert_eq!(with(|options| options.cdn = Some("cdn.example".into())), Some(BadS3::Cdn));
    assert!(matches!(
        with(|options| options.ca_pem = Some("no certificate".into())),
        Some(BadS3::Authority(_))
    ));
}

#[tokio::test]
async fn garage_keeps_every_promise() {
    if std::env::var_os("WAXWING_REAL_STORES").is_none() {
        eprintln!("not run: Garage belongs to make test-full");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let garage = stage::Garage::start(folder.path()).unwrap();
    let mut options = blobs::S3Options::new(&garage.endpoint, garage.region, garage.bucket);
    options.list_page = 100;
    let keys = S3Keys::new(&garage.key_id, &garage.secret, None);
    let mut prefixes = 0;
    conformance::run_all(|| {
        prefixes += 1;
        let (mut options, keys) = (options.clone(), keys.clone());
        options.prefix = format!("run/{prefixes}");
        async move { Arc::new(S3::new(&options, keys).unwrap()) as Arc<dyn Blobs> }
    })
    .await;
    let blobs = S3::new(&options, keys).unwrap();
    let (name, bytes) = (BlobName::generate(), sample(23_000_000));
    put(&blobs, name, &bytes, 700_001).await.unwrap();
    assert!(fetch(&blobs, name, 0..23_000_000).await.unwrap() == bytes);
    let url = blobs.presign_get(name, Duration::from_secs(600));
    let part = plain_client().get(url.expose_url()).header("range", "bytes=7-12").send().await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), bytes[7..13]);
    let uploaded = BlobName::generate();
    let terms = PutTerms { len: Some(6), once: false, lasts: Duration::from_secs(600) };
    let url = blobs.presign_put(uploaded, terms);
    let longer = plain_client().put(url.expose_url()).body("longer than agreed").send().await.unwrap();
    assert_eq!(longer.status(), StatusCode::FORBIDDEN);
    let agreed = plain_client().put(url.expose_url()).body("sealed").send().await.unwrap();
    assert_eq!(agreed.status(), StatusCode::OK);
    assert_eq!(fetch(&blobs, uploaded, 0..6).await.unwrap(), b"sealed");
    let mut writer = blobs.create(BlobName::generate()).await.unwrap();
    writer.write(Bytes::from(sample(12_000_000))).await.unwrap();
    // As a process that is killed leaves it.
    std::mem::forget(writer);
    assert_eq!(blobs.sweep_temporary(Duration::from_hours(1)).await.unwrap(), 0, "too young");
    assert_eq!(blobs.sweep_temporary(Duration::ZERO).await.unwrap(), 1);
    let stranger = S3Keys::new(&garage.key_id, "0".repeat(64), None);
    assert!(S3::new(&options, stranger).unwrap().len(name).await.is_err());
}

fn plain_client() -> reqwest::Client {
    // The provider of the whole program, as its `main` installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
