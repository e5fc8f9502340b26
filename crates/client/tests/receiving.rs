//! Targets, torn downloads, and what must leave no trace.

use crate::round_trip::Shared;
use crate::stage::{Answer, Person, Proxy, Stage, Told, noise};
use client::{Cancel, Class, Error, FileId, OnConflict, Target};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

async fn sent(content: &[u8]) -> (Stage, Person, Person, FileId) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let sent = alice.send(&alice.file("thing", content), &bob).await.unwrap();
    (stage, alice, bob, sent.file_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_name_is_refused_kept_or_replaced_as_asked() {
    let (_stage, _alice, bob, id) = sent(b"new").await;
    let taken = bob.file("thing", b"old");
    let error = bob.receive(id).await.unwrap_err();
    assert!(matches!(error, Error::TargetExists(_)), "{error}");
    assert_eq!(std::fs::read(&taken).unwrap(), b"old");
    let into = |on_conflict| Target::Directory { path: bob.folder.clone(), on_conflict };
    let got = bob.receive_into(id, into(OnConflict::KeepBoth)).await.unwrap();
    assert_eq!(got.path.unwrap().file_name().unwrap(), "thing (1)");
    bob.receive_into(id, into(OnConflict::Replace)).await.unwrap();
    assert_eq!(std::fs::read(&taken).unwrap(), b"new");
    assert_eq!(bob.names(), ["thing", "thing (1)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_as_target_and_a_folder_that_is_missing_are_refused_plainly() {
    let (_stage, _alice, bob, id) = sent(b"x").await;
    let error = bob.receive_into(id, Target::file(&bob.folder)).await.unwrap_err();
    assert!(matches!(error, Error::TargetIsDirectory(_)), "{error}");
    let error = bob.receive_into(id, Target::file(bob.folder.join("no/such/folder"))).await.unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error}");
    let file = bob.file("f", b"");
    let error = bob.receive_into(id, Target::directory(file)).await.unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_download_goes_on_where_it_broke() {
    let content = noise(5 << 20, 1);
    let (stage, _alice, bob, id) = sent(&content).await;
    let count = AtomicU64::new(0);
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            let part = exchange.path.contains("/content/") && exchange.path.contains("/parts/");
            match part && count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                true => Answer::Half,
                false => Answer::Forward,
            }
        },
        |_| {},
    )
    .await;
    bob.through(&proxy);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    let got = bob.receive(id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
    let out = Shared::default();
    bob.receive_into(id, Target::Writer(Box::new(out.clone()))).await.unwrap();
    assert!(*out.0.lock().unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_in_the_middle_leaves_nothing_behind() {
    let content = noise(4 << 20, 2);
    let (stage, _alice, bob, id) = sent(&content).await;
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if exchange.path.contains("/parts/2") {
                stop.cancel();
            }
            Answer::Forward
        },
        |_| {},
    )
    .await;
    bob.through(&proxy);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    let target = Target::directory(&bob.folder);
    let error = bob.client.receive(&bob.keys, id, target, &Told::default(), &cancel).await.unwrap_err();
    assert_eq!(error.class(), Class::Interrupted, "{error}");
    assert!(bob.names().is_empty(), "{:?}", bob.names());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_goes_away_ends_it_with_its_own_error() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (_stage, _alice, bob, id) = sent(&noise(4 << 20, 3)).await;
    let error = bob.receive_into(id, Target::Writer(Box::new(Closed))).await.unwrap_err();
    assert!(matches!(&error, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_plainly_and_leaves_nothing() {
    // A device that is always full stands for the disk: the writer gets the very error that a full disk gives.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (_stage, _alice, bob, id) = sent(&noise(1 << 20, 4)).await;
    let error = bob.receive_into(id, Target::Writer(Box::new(full))).await.unwrap_err();
    assert!(matches!(&error, Error::Output(error) if error.kind() == io::ErrorKind::StorageFull), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_in_the_middle_leaves_nothing_where_mounting_is_allowed() {
    let small = Small::mount();
    let Some(small) = small else {
        eprintln!("NOT TESTED: a small file system could not be mounted (this needs root)");
        return;
    };
    let (stage, _alice, bob, id) = sent(&noise(3 << 20, 5)).await;
    let filler = small.folder.path().join("filler");
    let place = filler.clone();
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if exchange.path.contains("/content/") && exchange.path.contains("/parts/0") {
                // There was room when it was looked at; now there is not.
                drop(std::fs::write(&place, vec![1; 2 << 20]));
            }
            Answer::Forward
        },
        |_| {},
    )
    .await;
    bob.through(&proxy);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    let error = bob.receive_into(id, Target::directory(small.folder.path())).await.unwrap_err();
    assert!(
        matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("full"));
    let left: Vec<_> =
        std::fs::read_dir(small.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [filler]);
    let error = bob.receive_into(id, Target::directory(small.folder.path())).await.unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
}

/// A file system of 4 MiB, unmounted when dropped.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(folder.path());
        mount.status().is_ok_and(|status| status.success()).then_some(Self { folder })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.folder.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_finds_nothing() {
    let (stage, _alice, _bob, id) = sent(b"not yours").await;
    let mallory = stage.person("mallory").await;
    let error = mallory.receive(id).await.unwrap_err();
    assert_eq!(error.to_string(), Error::NotFound.to_string());
    assert!(mallory.names().is_empty());
    let unknown: FileId = "123e4567-e89b-42d3-a456-426614174000".parse().unwrap();
    assert_eq!(mallory.receive(unknown).await.unwrap_err().to_string(), error.to_string());
}
