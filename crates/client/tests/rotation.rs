//! Rotation: contacts follow, old files open, and what was under way goes on or begins anew.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise, passphrase};
use client::{Cancel, Class, Client, Error, FilePaging, Home, Note, Passphrase, RecoveryPhrase};
use client::{SendRequest, Target, Trust};
use proto::{B64, Chain, FileInfo, LookupReply, PublishBundle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const NEW: &str = "nine grey otters drum on the pontoon";

pub fn new() -> Passphrase {
    Passphrase::parse(NEW.to_owned()).unwrap()
}

pub async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

pub async fn via(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    sign_in(stage, person).await;
}

pub async fn back(stage: &Stage, person: &Person) {
    person.client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    sign_in(stage, person).await;
}

async fn sign_in(stage: &Stage, person: &Person) {
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

/// The same person's next process, which knows what stands on disk.
pub fn fresh(person: &Person) -> Client {
    Client::open(Home::open(person.client.home().path()).unwrap(), Stage::options()).unwrap()
}

async fn rotate(person: &mut Person) {
    person.keys = person.client.rotate(&person.keys, &new(), None).await.unwrap();
}

pub fn seq(client: &Client) -> u32 {
    envelope::Bundle::parse(client.own_bundle().unwrap()).unwrap().seq()
}

async fn rewrap(person: &Person) -> client::Rewrapped {
    person.client.rewrap(&person.keys, &Told::default(), &Cancel::new()).await.unwrap()
}

pub fn read(received: &client::Received) -> Vec<u8> {
    std::fs::read(received.path.as_ref().unwrap()).unwrap()
}

/// Fetches into a name that is free.
async fn fetch(person: &Person, id: client::FileId) -> Vec<u8> {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let path = person.folder.join(format!("fetched-{}", NAMES.fetch_add(1, Ordering::Relaxed)));
    read(&person.receive_into(id, Target::file(path)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_who_rotates_stays_verified_and_old_files_of_theirs_open_marked() {
    let (_stage, alice, mut bob) = two().await;
    let old = bob.send(&bob.file("old", b"before"), &alice).await.unwrap().file_id;
    fetch(&alice, old).await;
    alice.client.verify_contact(&bob.address).unwrap();
    let (root, number) = (bob.keys.root_id(), alice.client.safety_number(&bob.address).unwrap());
    rotate(&mut bob).await;
    assert_ne!(bob.keys.root_id(), root);

    let info = alice.client.info(&alice.keys, old).await.unwrap();
    assert_eq!((info.sender.root_id, info.sender.retired_root), (root, true));
    assert_eq!(info.sender.trust, Trust::Verified);
    assert_eq!(fetch(&alice, old).await, b"before");

    let id = alice.send(&alice.file("new", b"after"), &bob).await.unwrap().file_id;
    let contact = &alice.client.contacts().unwrap()[0];
    assert_eq!((contact.root_id, contact.verified, contact.seq), (bob.keys.root_id(), true, 2));
    assert_eq!(contact.previous, [root]);
    assert_ne!(alice.client.safety_number(&bob.address).unwrap(), number);
    assert_eq!(fetch(&bob, id).await, b"after");
    let newer = bob.send(&bob.file("newer", b"later"), &alice).await.unwrap().file_id;
    let info = alice.client.info(&alice.keys, newer).await.unwrap();
    assert_eq!((info.sender.retired_root, info.sender.trust), (false, Trust::Verified));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_while_a_contact_was_away_are_followed() {
    let (stage, alice, mut bob) = two().await;
    let carol = stage.person("carol").await;
    let old = bob.send(&bob.file("old", b"before"), &carol).await.unwrap().file_id;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    alice.client.verify_contact(&bob.address).unwrap();
    rotate(&mut bob).await;
    let between = bob.send(&bob.file("between", b"2"), &carol).await.unwrap().file_id;
    rotate(&mut bob).await;
    bob.keys = bob.client.rotate_encryption(&bob.keys).await.unwrap();
    rotate(&mut bob).await;
    let id = alice.send(&alice.file("new", b"after"), &bob).await.unwrap().file_id;
    let contact = &alice.client.contacts().unwrap()[0];
    assert_eq!((contact.root_id, contact.verified, contact.seq), (bob.keys.root_id(), true, 5));
    assert_eq!(fetch(&bob, id).await, b"after");
    // Carol never saw Bob: the roots of his files are found in the chain that ends in his present one.
    for (file, content) in [(old, b"before".as_slice()), (between, b"2")] {
        assert!(carol.client.info(&carol.keys, file).await.unwrap().sender.retired_root);
        assert_eq!(fetch(&carol, file).await, content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_with_a_hole_is_a_hard_stop() {
    let (stage, alice, mut bob) = two().await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    for _ in 0..3 {
        rotate(&mut bob).await;
    }
    let proxy = Proxy::start(
        &stage,
        |_| Answer::Forward,
        |exchange| {
            if exchange.path.contains("/chain") {
                let mut chain: Chain = serde_json::from_slice(&exchange.reply).unwrap();
                chain.bundles.remove(1);
                exchange.reply = serde_json::to_vec(&chain).unwrap();
            }
        },
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let error = alice.send(&alice.file("a", b"1"), &bob).await.unwrap_err();
    assert_eq!(error.class(), Class::Identity);
    assert_eq!(alice.client.contacts().unwrap()[0].seq, 1, "the pin stays");
    back(&stage, &alice).await;
    alice.send(&alice.file("a", b"1"), &bob).await.unwrap();
}

/// Shows an older bundle wherever bundles are shown: in the directory, of oneself, beside files.
async fn replaying(stage: &Stage, bundle: Vec<u8>) -> Proxy {
    let replay = move |exchange: &mut Exchange| {
        if exchange.path.ends_with("/directory/lookup") {
            let mut reply: LookupReply = serde_json::from_slice(&exchange.reply).unwrap();
            reply.people.iter_mut().for_each(|person| person.bundle = B64(bundle.clone()));
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        } else if exchange.method == "GET" && exchange.path.ends_with("/directory/me") {
            exchange.reply = serde_json::to_vec(&PublishBundle { bundle: B64(bundle.clone()) }).unwrap();
        } else if exchange.method == "GET" && exchange.path.contains("/files/") {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            info.author_bundle = B64(bundle.clone());
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    };
    Proxy::start(stage, |_| Answer::Forward, replay).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_bundle_shown_again_is_a_hard_stop_for_contacts_and_for_oneself() {
    let (stage, alice, mut bob) = two().await;
    let old = bob.send(&bob.file("old", b"before"), &alice).await.unwrap().file_id;
    let older = bob.client.own_bundle().unwrap();
    rotate(&mut bob).await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    let proxy = replaying(&stage, older).await;
    via(&stage, &alice, &proxy).await;
    let sent = alice.send(&alice.file("a", b"1"), &bob).await.unwrap_err();
    assert_eq!(sent.class(), Class::Identity, "{sent}");
    let received = alice.receive(old).await.unwrap_err();
    assert_eq!(received.class(), Class::Identity, "{received}");
    assert_eq!(alice.client.contacts().unwrap()[0].seq, 2, "the pin stays");
    via(&stage, &bob, &proxy).await;
    let own = fresh(&bob).unlock(&new()).await.unwrap_err();
    assert!(matches!(own, Error::OwnKeysDiffer), "{own}");
    // The honest twin.
    back(&stage, &bob).await;
    back(&stage, &alice).await;
    fresh(&bob).unlock(&new()).await.unwrap();
    alice.send(&alice.file("a", b"1"), &bob).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_nothing_links_is_a_hard_stop_after_rotations_too() {
    let (stage, alice, mut bob) = two().await;
    rotate(&mut bob).await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    alice.client.verify_contact(&bob.address).unwrap();
    let elsewhere = Stage::new().await;
    let mut impostor = elsewhere.person("bob").await;
    for _ in 0..2 {
        rotate(&mut impostor).await;
    }
    let proxy = replaying(&stage, impostor.client.own_bundle().unwrap()).await;
    via(&stage, &alice, &proxy).await;
    let error = alice.send(&alice.file("a", b"1"), &bob).await.unwrap_err();
    let Error::IdentityChanged(change) = &error else { panic!("{error}") };
    assert!(change.was_verified);
    assert!(alice.client.uploads().unwrap().is_empty());
    assert!(alice.client.contacts().unwrap()[0].verified, "what was pinned stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_gives_the_key_file_a_new_key_and_keeps_the_old_keys_in_it() {
    let (_stage, alice, mut bob) = two().await;
    let mine = bob.send(&bob.file("mine", b"mine"), &alice).await.unwrap().file_id;
    let yours = alice.send(&alice.file("yours", b"yours"), &bob).await.unwrap().file_id;
    let old = bob.keys;
    let phrase = RecoveryPhrase::generate();
    bob.keys = bob.client.rotate(&old, &new(), Some(&phrase)).await.unwrap();
    assert_ne!(bob.keys.vault_key(), old.vault_key());
    assert!(matches!(bob.client.unlock(&passphrase()).await, Err(Error::WrongPassphrase)));
    assert!(matches!(bob.client.unlock_with_key(old.vault_key()).await, Err(Error::WrongPassphrase)));
    bob.client.recover(&phrase, &new()).unwrap();
    bob.keys = fresh(&bob).unlock(&new()).await.unwrap();
    assert_eq!((fetch(&bob, mine).await, fetch(&bob, yours).await), (b"mine".into(), b"yours".into()));
    let own = bob.client.info(&bob.keys, mine).await.unwrap();
    assert_eq!((own.sender.trust, own.sender.retired_root), (Trust::Own, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_encryption_key_alone_is_replaced_without_a_passphrase() {
    let (_stage, alice, mut bob) = two().await;
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    let number = alice.client.safety_number(&bob.address).unwrap();
    let old = alice.send(&alice.file("old", b"before"), &bob).await.unwrap().file_id;
    let keys = bob.client.rotate_encryption(&bob.keys).await.unwrap();
    assert_eq!((keys.root_id(), keys.vault_key()), (bob.keys.root_id(), bob.keys.vault_key()));
    bob.keys = keys;
    assert_eq!(seq(&bob.client), 2);
    assert!(bob.client.unlock(&passphrase()).await.is_ok());
    let id = alice.send(&alice.file("new", b"after"), &bob).await.unwrap().file_id;
    assert_eq!(alice.client.safety_number(&bob.address).unwrap(), number);
    assert_eq!(rewrap(&bob).await, client::Rewrapped { done: 1, already: 1, refused: vec![] });
    assert_eq!((fetch(&bob, old).await, fetch(&bob, id).await), (b"before".into(), b"after".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_wrapped_to_the_new_key_once_and_what_is_left_is_done_later() {
    let (stage, alice, mut bob) = two().await;
    let mut files = Vec::new();
    for n in 0..4_u8 {
        files.push(alice.send(&alice.file(&format!("in-{n}"), &[n]), &bob).await.unwrap().file_id);
        files.push(bob.send(&bob.file(&format!("out-{n}"), &[n]), &alice).await.unwrap().file_id);
    }
    rotate(&mut bob).await;
    let puts = AtomicU64::new(0);
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            let rewrap = exchange.path.ends_with("/grants/me");
            if rewrap && puts.fetch_add(1, Ordering::SeqCst) >= 3 { Answer::Drop } else { Answer::Forward }
        },
        |_| {},
    )
    .await;
    via(&stage, &bob, &proxy).await;
    let stopped = bob.client.rewrap(&bob.keys, &Told::default(), &Cancel::new()).await.unwrap_err();
    assert_eq!(stopped.class(), Class::Network);
    back(&stage, &bob).await;
    assert_eq!(rewrap(&bob).await, client::Rewrapped { done: 5, already: 3, refused: vec![] });
    assert_eq!(rewrap(&bob).await, client::Rewrapped { done: 0, already: 8, refused: vec![] });
    for (n, id) in files.iter().enumerate() {
        assert_eq!(fetch(&bob, *id).await, [u8::try_from(n / 2).unwrap()]);
    }
    // Others see what they saw.
    let list = alice.client.list(&alice.keys, FilePaging::default()).await.unwrap();
    assert_eq!((list.files.len(), list.refused.len()), (8, 0));
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = bob.client.rewrap(&bob.keys, &Told::default(), &cancel).await;
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_signed_for_a_file_that_does_not_verify() {
    let (stage, alice, mut bob) = two().await;
    let bad = alice.send(&alice.file("a", b"1"), &bob).await.unwrap().file_id;
    alice.send(&alice.file("b", b"2"), &bob).await.unwrap();
    rotate(&mut bob).await;
    let proxy = Proxy::start(
        &stage,
        |_| Answer::Forward,
        move |exchange| {
            if exchange.method == "GET" && exchange.path.starts_with("/api/v1/files?") {
                let mut page: proto::FilePage = serde_json::from_slice(&exchange.reply).unwrap();
                for info in page.files.iter_mut().filter(|info| info.file_id == bad) {
                    info.manifest.0[300] ^= 1;
                }
                exchange.reply = serde_json::to_vec(&page).unwrap();
            }
        },
    )
    .await;
    via(&stage, &bob, &proxy).await;
    assert_eq!(rewrap(&bob).await, client::Rewrapped { done: 1, already: 0, refused: vec![bad] });
    back(&stage, &bob).await;
    assert_eq!(rewrap(&bob).await, client::Rewrapped { done: 1, already: 1, refused: vec![] });
}

/// A way that refuses what `shut` names until it is opened.
async fn gate(stage: &Stage, shut: fn(&Exchange) -> bool) -> (Proxy, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let opened = open.clone();
    let before = move |exchange: &Exchange| {
        let holds = shut(exchange) && !opened.load(Ordering::SeqCst);
        if holds { Answer::Reply(401, "application/problem+json", signed_out()) } else { Answer::Forward }
    };
    (Proxy::start(stage, before, |_| {}).await, open)
}

fn signed_out() -> Vec<u8> {
    serde_json::to_vec(&proto::Problem::new(proto::Code::SignInNeeded, "Sign in.")).unwrap()
}

fn third_part(exchange: &Exchange) -> bool {
    exchange.method == "PUT" && exchange.path.ends_with("/parts/3")
}

fn complete(exchange: &Exchange) -> bool {
    exchange.path.ends_with("/complete")
}

/// Uploads that stopped at `shut`, then keys rotated, then the same request again: gives whether it was told to begin
/// anew, and whether it was the same upload.
async fn over_a_rotation(shut: fn(&Exchange) -> bool, whole: bool) -> (bool, bool) {
    let (stage, alice, mut bob) = two().await;
    let content = noise(5 << 20, 3);
    let path = bob.file("big", &content);
    let (proxy, open) = gate(&stage, shut).await;
    via(&stage, &bob, &proxy).await;
    bob.send(&path, &alice).await.unwrap_err();
    let begun = bob.client.uploads().unwrap();
    assert_eq!(begun.len(), 1);
    open.store(true, Ordering::SeqCst);
    sign_in(&stage, &bob).await;
    bob.keys = if whole {
        bob.client.rotate(&bob.keys, &new(), None).await.unwrap()
    } else {
        bob.client.rotate_encryption(&bob.keys).await.unwrap()
    };
    let told = Told::default();
    let request = SendRequest::file(&path, vec![alice.address.clone()]);
    let sent = bob.client.send(&bob.keys, request, &told, &Cancel::new()).await.unwrap();
    assert!(fetch(&alice, sent.file_id).await == content);
    assert!(bob.client.uploads().unwrap().is_empty());
    let list = alice.client.list(&alice.keys, FilePaging::default()).await.unwrap();
    assert_eq!(list.files.len(), 1, "sent once");
    let used = bob.client.whoami().await.unwrap().used_bytes;
    assert_eq!(used, sent.body_len, "nothing of the first upload is left at the server");
    (told.notes.lock().unwrap().contains(&Note::BegunWithOldKeys), sent.file_id == begun[0].file_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_begun_before_a_rotation_begins_anew_and_says_so() {
    assert_eq!(over_a_rotation(third_part, true).await, (true, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_begun_before_the_encryption_key_changed_goes_on() {
    assert_eq!(over_a_rotation(third_part, false).await, (false, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_signed_before_a_rotation_is_signed_anew() {
    assert_eq!(over_a_rotation(complete, true).await, (true, false));
    assert_eq!(
        over_a_rotation(complete, false).await,
        (true, false),
        "its grant to oneself is to the old key"
    );
}

/// The server had made the file appear; only its answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_completed_before_a_rotation_is_not_sent_twice() {
    let (stage, alice, mut bob) = two().await;
    let path = bob.file("a", b"once");
    let open = Arc::new(AtomicBool::new(false));
    let opened = open.clone();
    let swallow = move |exchange: &Exchange| match complete(exchange) && !opened.load(Ordering::SeqCst) {
        true => Answer::Swallow,
        false => Answer::Forward,
    };
    let proxy = Proxy::start(&stage, swallow, |_| {}).await;
    let options = client::ClientOptions { retry_for: std::time::Duration::ZERO, ..Stage::options() };
    let hasty = stage.again(&bob, options).await;
    via(&stage, &hasty, &proxy).await;
    hasty.send(&path, &alice).await.unwrap_err();
    let begun = hasty.client.uploads().unwrap()[0].file_id;
    open.store(true, Ordering::SeqCst);
    bob.keys = hasty.client.rotate(&hasty.keys, &new(), None).await.unwrap();
    let next = Person { client: hasty.client, ..bob };
    assert_eq!(next.send(&path, &alice).await.unwrap().file_id, begun);
    let list = alice.client.list(&alice.keys, FilePaging::default()).await.unwrap();
    assert_eq!(list.files.len(), 1);
}
