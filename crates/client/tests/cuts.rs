//! A rotation that is killed between any two of its steps is taken up by the next unlocking.

use crate::rotation::{back, fresh, new, read, seq, two, via};
use crate::stage::{Answer, Person, Proxy, Stage, passphrase};
use client::{Class, Unlocked};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

/// What stands in a home.
fn snapshot(home: &Path) -> Files {
    std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Puts files of a home back to what they were, or were not.
fn put_back(home: &Path, files: &Files, names: &[&str]) {
    for name in names {
        let path = home.join(name);
        match files.get(*name) {
            Some(bytes) => {
                std::fs::write(&path, bytes).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            None if path.exists() => std::fs::remove_file(path).unwrap(),
            None => {}
        }
    }
}

/// Rotates over a way on which publishing ends like `answer`; gives what stood on disk before and after.
async fn cut(stage: &Stage, bob: &Person, answer: fn() -> Answer) -> (Files, Files) {
    let proxy = Proxy::start(
        stage,
        move |exchange| match (exchange.method.as_str(), exchange.path.as_str()) {
            ("PUT", "/api/v1/directory/me") => answer(),
            _ => Answer::Forward,
        },
        |_| {},
    )
    .await;
    via(stage, bob, &proxy).await;
    let home = bob.client.home().path();
    let before = snapshot(home);
    let error = bob.client.rotate(&bob.keys, &new(), None).await.unwrap_err();
    assert_eq!(error.class(), Class::Network, "{error}");
    let after = snapshot(home);
    back(stage, bob).await;
    (before, after)
}

/// The rotation is taken up: published, known to others, and nothing is left to do.
async fn taken_up(bob: &Person, alice: &Person) -> Unlocked {
    let client = fresh(bob);
    let me = client.unlock(&new()).await.unwrap();
    assert_ne!(me.root_id(), bob.keys.root_id());
    assert_eq!(seq(&client), 2);
    assert!(!bob.client.home().path().join("bundle.next.wxb").exists());
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    let contact = &alice.client.contacts().unwrap()[0];
    assert_eq!((contact.root_id, contact.verified), (me.root_id(), true));
    assert_eq!(client.unlock(&new()).await.unwrap().root_id(), me.root_id());
    me
}

async fn with_contact() -> (Stage, Person, Person) {
    let (stage, alice, bob) = two().await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    alice.client.verify_contact(&bob.address).unwrap();
    (stage, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_new_key_file_it_never_happened() {
    let (stage, _alice, bob) = with_contact().await;
    let (before, after) = cut(&stage, &bob, || Answer::Drop).await;
    let home = bob.client.home().path();
    assert_eq!(after["vault.1.wxv"], before["vault.wxv"], "put aside first");
    put_back(home, &before, &["vault.wxv", "vault.json", "bundle.wxb", "bundle.next.wxb"]);
    let me = fresh(&bob).unlock(&passphrase()).await.unwrap();
    assert_eq!(me.root_id(), bob.keys.root_id());
    let again = bob.client.rotate(&me, &new(), None).await.unwrap();
    assert_eq!(seq(&bob.client), 2);
    assert_ne!(again.root_id(), me.root_id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_new_key_file_it_is_taken_up() {
    let (stage, alice, mut bob) = with_contact().await;
    let id = alice.send(&alice.file("a", b"for the old keys"), &bob).await.unwrap().file_id;
    let (before, after) = cut(&stage, &bob, || Answer::Drop).await;
    let home = bob.client.home().path().to_path_buf();
    assert!(after.contains_key("bundle.next.wxb"));
    assert_eq!(after["bundle.wxb"], before["bundle.wxb"]);
    put_back(&home, &before, &["vault.json", "bundle.next.wxb"]);
    // Even then the keys open without a server, and what they sign is signed by the new root.
    let offline = fresh(&bob).unlock_offline(&new()).unwrap();
    let next = std::fs::read(home.join("bundle.next.wxb")).unwrap();
    assert_eq!(offline.root_id(), envelope::Bundle::parse(next.clone()).unwrap().root_id());
    let me = taken_up(&bob, &alice).await;
    assert_eq!(std::fs::read(home.join("bundle.wxb")).unwrap(), next, "the very bytes that were made first");
    assert_eq!(me.root_id(), offline.root_id());
    bob.keys = me;
    assert_eq!(read(&bob.receive(id).await.unwrap()), b"for the old keys");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_number_was_noted_it_is_taken_up() {
    let (stage, alice, bob) = with_contact().await;
    let (before, _) = cut(&stage, &bob, || Answer::Drop).await;
    put_back(bob.client.home().path(), &before, &["bundle.next.wxb"]);
    taken_up(&bob, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_publishing_it_publishes_the_very_bundle_that_was_made() {
    let (stage, alice, bob) = with_contact().await;
    let (_, after) = cut(&stage, &bob, || Answer::Drop).await;
    taken_up(&bob, &alice).await;
    assert_eq!(bob.client.own_bundle().unwrap(), after["bundle.next.wxb"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_publishing_it_is_found_published() {
    let (stage, alice, bob) = with_contact().await;
    let (before, after) = cut(&stage, &bob, || Answer::Swallow).await;
    assert_eq!(after["bundle.wxb"], before["bundle.wxb"], "nobody said that it arrived");
    taken_up(&bob, &alice).await;
    // Between putting the new bundle in its place and removing the file that it was made in.
    put_back(bob.client.home().path(), &after, &["bundle.next.wxb"]);
    taken_up(&bob, &alice).await;
}

/// A torn or foreign file in the place of the bundle that is to be published is not published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_of_other_keys_in_its_place_is_made_anew() {
    let (stage, alice, bob) = with_contact().await;
    cut(&stage, &bob, || Answer::Drop).await;
    let foreign = alice.client.own_bundle().unwrap();
    std::fs::write(bob.client.home().path().join("bundle.next.wxb"), foreign).unwrap();
    taken_up(&bob, &alice).await;
}
