//! Containers: sealed and opened without a word to any server.

use crate::stage::{Person, Stage, noise};
use client::{
    Author, Cancel, Compress, ContainerKey, ContainerRecipient as To, Error, OnConflict, OpenContainer,
    Opened, Quiet, SealContainer, SealedContainer, Source, Target, Trust,
};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const PLAIN: usize = 262_112;

/// Alice and Bob know each other, and the server is gone.
async fn two() -> (Stage, Person, Person) {
    let mut stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap();
    stage.stop().await;
    (stage, alice, bob)
}

fn for_bob(bob: &Person, source: Source, target: Target) -> SealContainer {
    let to = vec![To::Contact(bob.address.clone())];
    SealContainer { source, to, name: None, compress: Compress::Never, padded: true, target }
}

fn seal(who: &Person, request: SealContainer) -> client::Result<SealedContainer> {
    who.client.seal_container(Some(&who.keys), request, &Quiet, &Cancel::new())
}

fn open(who: &Person, container: &Path) -> client::Result<Opened> {
    let request = OpenContainer {
        source: Source::File(container.into()),
        target: Target::Directory { path: who.folder.clone(), on_conflict: OnConflict::Refuse },
        from: None,
    };
    who.client.open_container(ContainerKey::Person(&who.keys), request, &Quiet, &Cancel::new())
}

/// A writer whose bytes can be looked at afterwards.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn piped(bytes: &[u8]) -> Source {
    Source::Stream { reader: Box::new(Cursor::new(bytes.to_vec())), name: "standard input".into() }
}

/// A container of Alice for Bob.
fn container(alice: &Person, bob: &Person, content: &[u8]) -> PathBuf {
    let path = alice.folder.join("letter.wxc");
    let source = Source::File(alice.file("letter.txt", content));
    seal(alice, for_bob(bob, source, Target::File { path: path.clone(), overwrite: true })).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_edge_length_come_out_as_they_went_in() {
    let (_stage, alice, bob) = two().await;
    for len in [0, 1, 5_000, PLAIN - 1, PLAIN, PLAIN + 1, 16 * PLAIN, 16 * PLAIN + 1, 50 * PLAIN + 7] {
        for padded in [true, false] {
            let content = noise(len, len as u64);
            let source = Source::File(alice.file("thing.bin", &content));
            let path = alice.folder.join("thing.wxc");
            let target = Target::File { path: path.clone(), overwrite: true };
            let sealed = seal(&alice, SealContainer { padded, ..for_bob(&bob, source, target) }).unwrap();
            assert_eq!((sealed.bytes, sealed.recipients), (len as u64, 2));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), sealed.container_bytes);
            let opened = open(&bob, &path).unwrap();
            assert_eq!((opened.name.as_str(), opened.bytes), ("thing.bin", len as u64));
            let place = opened.path.unwrap();
            assert!(std::fs::read(&place).unwrap() == content, "{len} {padded}");
            std::fs::remove_file(place).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_goes_through_pipes_on_both_sides() {
    let (_stage, alice, bob) = two().await;
    let text = b"the same words again and again ".repeat(40_000);
    for (content, compress) in
        [(noise(0, 1), Compress::Never), (noise(70 * PLAIN, 2), Compress::Auto), (text, Compress::Auto)]
    {
        let sealed = Pipe::default();
        let target = Target::Writer(Box::new(sealed.clone()));
        let request = SealContainer { compress, ..for_bob(&bob, piped(&content), target) };
        let said = seal(&alice, request).unwrap();
        let sealed = sealed.0.lock().unwrap().clone();
        assert_eq!(said.container_bytes, sealed.len() as u64);
        let opened = Pipe::default();
        let target = Target::Writer(Box::new(opened.clone()));
        let request = OpenContainer { source: piped(&sealed), target, from: Some(alice.address.clone()) };
        let key = ContainerKey::Person(&bob.keys);
        let got = bob.client.open_container(key, request, &Quiet, &Cancel::new()).unwrap();
        assert_eq!((got.path, got.bytes), (None, content.len() as u64));
        assert!(*opened.0.lock().unwrap() == content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_can_be_compressed_into_a_container_of_its_own() {
    let (_stage, alice, bob) = two().await;
    let text = b"the same words again and again ".repeat(40_000);
    let path = alice.folder.join("c.wxc");
    let request = SealContainer {
        compress: Compress::Auto,
        ..for_bob(&bob, Source::File(alice.file("c.txt", &text)), Target::file(&path))
    };
    let sealed = seal(&alice, request).unwrap();
    assert!(sealed.container_bytes < text.len() as u64 / 10);
    assert!(std::fs::read(open(&bob, &path).unwrap().path.unwrap()).unwrap() == text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sealed_it_is_said_as_far_as_it_is_known_and_nothing_is_pinned() {
    let mut stage = Stage::new().await;
    let (alice, bob, carol) =
        (stage.person("alice").await, stage.person("bob").await, stage.person("carol").await);
    alice.client.lookup(&[bob.address.clone(), carol.address.clone()]).await.unwrap();
    bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap();
    stage.stop().await;
    let path = alice.folder.join("a.wxc");
    let to = vec![To::Contact(bob.address.clone()), To::Contact(carol.address.clone())];
    let source = Source::File(alice.file("a.txt", b"abc"));
    seal(&alice, SealContainer { to, ..for_bob(&bob, source, Target::file(&path)) }).unwrap();

    let known = |trust| Author::Known { address: alice.address.clone(), trust, retired_root: false };
    assert_eq!(open(&bob, &path).unwrap().author, known(Trust::Pinned));
    bob.client.verify_contact(&alice.address).unwrap();
    std::fs::remove_file(bob.folder.join("a.txt")).unwrap();
    assert_eq!(open(&bob, &path).unwrap().author, known(Trust::Verified));
    std::fs::rename(alice.folder.join("a.txt"), alice.folder.join("before.txt")).unwrap();
    assert_eq!(open(&alice, &path).unwrap().author, known(Trust::Own));

    let unknown = Author::Unknown { claims: alice.address.clone(), root_id: alice.keys.root_id() };
    assert_eq!(open(&carol, &path).unwrap().author, unknown);
    assert!(carol.client.contacts().unwrap().is_empty());
    let request = OpenContainer {
        source: Source::File(path),
        target: Target::Directory { path: carol.folder.clone(), on_conflict: OnConflict::KeepBoth },
        from: Some(alice.address.clone()),
    };
    let key = ContainerKey::Person(&carol.keys);
    let refused = carol.client.open_container(key, request, &Quiet, &Cancel::new());
    assert!(matches!(refused, Err(Error::OtherAuthor(_))), "{refused:?}");
    assert_eq!(carol.names(), ["a.txt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_claims_a_contacts_address_with_other_keys_is_stopped() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap();
    let elsewhere = Stage::new().await;
    let forger = elsewhere.person("alice").await;
    let bundle = bob.client.own_bundle().unwrap();
    let path = forger.folder.join("a.wxc");
    let source = Source::File(forger.file("a.txt", b"abc"));
    let request =
        SealContainer { to: vec![To::Bundle(bundle)], ..for_bob(&bob, source, Target::file(&path)) };
    seal(&forger, request).unwrap();
    let stopped = open(&bob, &path);
    assert!(matches!(stopped, Err(Error::IdentityChanged(_))), "{stopped:?}");
    assert!(bob.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_vouches_for_an_anonymous_container() {
    let (_stage, alice, bob) = two().await;
    let path = alice.folder.join("a.wxc");
    let request = for_bob(&bob, Source::File(alice.file("a.txt", b"abc")), Target::file(&path));
    alice.client.seal_container(None, request, &Quiet, &Cancel::new()).unwrap();
    assert_eq!(open(&bob, &path).unwrap().author, Author::Anonymous);
    assert!(matches!(open(&alice, &path), Err(Error::NotAuthentic)), "she is no recipient");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_changed_missing_or_added_byte_leaves_a_file_behind() {
    let (_stage, alice, bob) = two().await;
    let path = container(&alice, &bob, &noise(PLAIN + 100, 3));
    let honest = std::fs::read(&path).unwrap();
    let changed = bob.folder.join("changed.wxc");
    let mut lies: Vec<Vec<u8>> = Vec::new();
    for at in (0..honest.len()).step_by(honest.len() / 60).chain([honest.len() - 1]) {
        let mut lie = honest.clone();
        lie[at] ^= 1;
        lies.push(lie);
    }
    lies.push([honest.as_slice(), &[0]].concat());
    lies.extend([0, 7, 100, 3_000, honest.len() / 2, honest.len() - 1].map(|len| honest[..len].to_vec()));
    for lie in lies {
        std::fs::write(&changed, &lie).unwrap();
        let opened = open(&bob, &changed);
        assert!(matches!(opened, Err(Error::NotAuthentic)), "{opened:?}");
        let target = Target::file(bob.folder.join("out"));
        let request = OpenContainer { source: piped(&lie), target, from: None };
        let key = ContainerKey::Person(&bob.keys);
        let opened = bob.client.open_container(key, request, &Quiet, &Cancel::new());
        assert!(matches!(opened, Err(Error::NotAuthentic)), "{opened:?}");
        assert_eq!(bob.names(), ["changed.wxc"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_for_strangers_nobody_or_a_folder_is_refused_before_anything_is_written() {
    let (_stage, alice, bob) = two().await;
    let source = || Source::File(alice.file("a.txt", b"abc"));
    let target = || Target::file(alice.folder.join("a.wxc"));
    let to = vec![To::Contact(crate::stage::address("nobody"))];
    let stranger = seal(&alice, SealContainer { to, ..for_bob(&bob, source(), target()) });
    assert!(matches!(stranger, Err(Error::UnknownContact(_))), "{stranger:?}");
    let nobody = seal(&alice, SealContainer { to: Vec::new(), ..for_bob(&bob, source(), target()) });
    assert!(matches!(nobody, Err(Error::NoRecipients)), "{nobody:?}");
    let bundle = vec![To::Bundle(b"no bundle".to_vec())];
    let forged = seal(&alice, SealContainer { to: bundle, ..for_bob(&bob, source(), target()) });
    assert!(matches!(forged, Err(Error::BundleNotGenuine)), "{forged:?}");
    let folder = seal(&alice, for_bob(&bob, source(), Target::directory(&alice.folder)));
    assert!(matches!(folder, Err(Error::TargetIsDirectory(_))), "{folder:?}");
    assert_eq!(alice.names(), ["a.txt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_leaves_nothing_behind() {
    let (_stage, alice, bob) = two().await;
    let cancel = Cancel::new();
    cancel.cancel();
    let source = Source::File(alice.file("a.txt", &noise(PLAIN, 1)));
    let request = for_bob(&bob, source, Target::file(alice.folder.join("a.wxc")));
    let stopped = alice.client.seal_container(Some(&alice.keys), request, &Quiet, &cancel);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert_eq!(alice.names(), ["a.txt"]);
    let path = container(&alice, &bob, b"abc");
    let request =
        OpenContainer { source: Source::File(path), target: Target::directory(&bob.folder), from: None };
    let stopped = bob.client.open_container(ContainerKey::Person(&bob.keys), request, &Quiet, &cancel);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert!(bob.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_before_one_that_was_rejected_by_hand_is_nobodys() {
    let stage = Stage::new().await;
    let (mut alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    for (who, whom) in [(&alice, &bob), (&bob, &alice)] {
        who.client.lookup(std::slice::from_ref(&whom.address)).await.unwrap();
    }
    let letter = container(&alice, &bob, b"by the first root");
    alice.keys = alice.client.rotate(&alice.keys, &crate::rotation::new(), None).await.unwrap();
    bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap();
    let expected = Author::Known { address: alice.address.clone(), trust: Trust::Pinned, retired_root: true };
    assert_eq!(open(&bob, &letter).unwrap().author, expected);
    std::fs::remove_file(bob.folder.join("letter.txt")).unwrap();
    // Both were somebody else's, as Bob finds out; he takes the keys that he compared.
    let other = crate::devices::impostor("alice").await;
    let _proxy = crate::devices::lying(&stage, &bob.client, &bob.address, crate::devices::shows(other)).await;
    let error = bob.client.lookup(std::slice::from_ref(&alice.address)).await.unwrap_err();
    let Error::IdentityChanged(change) = error else { panic!("{error:?}") };
    bob.client.accept_new_identity(&alice.address, &change.new.to_string()).await.unwrap();
    let refused = open(&bob, &letter);
    assert!(matches!(refused, Err(Error::IdentityChanged(_))), "{refused:?}");
    assert!(bob.names().is_empty());
}
