//! The index of one's files: current, searchable, and never believed over what is signed.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage};
use client::{FileId, IndexFault, ListQuery, Listing, Quiet, Role, Sort, Trust};
use proto::FileChanges;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const CHANGES: &str = "/api/v1/files/changes";

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

async fn list(person: &Person) -> Listing {
    person.client.browse(&person.keys, &ListQuery::default(), &Quiet).await.unwrap()
}

fn names(listing: &Listing) -> Vec<&str> {
    let mut names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn send(alice: &Person, bob: &Person, name: &str) -> FileId {
    alice.send(&alice.file(name, name.as_bytes()), bob).await.unwrap().file_id
}

fn files(person: &Person) -> [PathBuf; 2] {
    ["index.wxi", "index.new.wxi"].map(|name| person.client.home().path().join(name))
}

/// A proxy in front of the server, and Bob behind it.
async fn behind(
    stage: &Stage,
    bob: &Person,
    change: impl Fn(&mut Exchange) + Send + Sync + 'static,
) -> Proxy {
    let proxy = Proxy::start(stage, |_| Answer::Forward, change).await;
    bob.through(&proxy);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    proxy
}

fn is_changes(exchange: &Exchange) -> bool {
    exchange.method == "GET" && exchange.path.starts_with(CHANGES) && exchange.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_changes_and_goes_is_in_the_list_at_once() {
    let (stage, alice, bob) = two().await;
    assert_eq!((list(&bob).await.total, list(&alice).await.total), (0, 0));
    let (one, two) = (send(&alice, &bob, "one").await, send(&alice, &bob, "two").await);
    let listing = list(&bob).await;
    assert_eq!((names(&listing), listing.total, listing.matched), (vec!["one", "two"], 2, 2));
    assert!(listing.files.iter().all(|file| file.sender.trust == Trust::FirstContact));
    assert!(list(&alice).await.files.iter().all(|file| file.role == Role::Author));
    bob.receive(two).await.unwrap();
    assert!(list(&bob).await.files.iter().all(|file| file.sender.trust == Trust::Pinned), "met since");
    bob.client.verify_contact(&alice.address).unwrap();
    assert!(list(&bob).await.files.iter().all(|file| file.sender.trust == Trust::Verified));
    alice.client.revoke(&alice.keys, one, &bob.address).await.unwrap();
    send(&alice, &bob, "three").await;
    assert_eq!(names(&list(&bob).await), ["three", "two"]);
    alice.client.remove(&alice.keys, two).await.unwrap();
    assert_eq!(names(&list(&bob).await), ["three"]);
    assert_eq!(names(&list(&alice).await), ["one", "three"]);
    stage.clock.advance(8 * 86_400);
    // The session of a week ago has ended; what is asked is what the list says.
    for person in [&alice, &bob] {
        let code = stage.code(&person.client, &person.address).await;
        person.client.sign_in(&person.address, &code).await.unwrap();
        assert_eq!(names(&list(person).await), [""; 0], "by the server's clock all have ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_asks_only_for_what_is_new() {
    let (stage, alice, bob) = two().await;
    for n in 0..3 {
        send(&alice, &bob, &format!("file {n}")).await;
    }
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let _proxy = behind(&stage, &bob, move |exchange| {
        if is_changes(exchange) {
            let page: FileChanges = serde_json::from_slice(&exchange.reply).unwrap();
            count.fetch_add(page.files.len(), Ordering::Relaxed);
        }
    })
    .await;
    for (expected, name) in [(3, "a"), (4, "b"), (5, "c")] {
        let again = stage.again(&bob, Stage::options()).await;
        assert_eq!(list(&again).await.total, expected);
        assert_eq!(told.load(Ordering::Relaxed) as u64, expected, "each was told once");
        send(&alice, &bob, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_index_is_thrown_away_and_what_is_listed_is_right() {
    let (stage, alice, bob) = two().await;
    send(&alice, &bob, "one").await;
    send(&alice, &bob, "two").await;
    let [_, recent] = files(&bob);
    list(&bob).await;
    let whole = std::fs::read(&recent).unwrap();
    let mut changed = whole.clone();
    changed[100] ^= 1;
    let other_version = [b"WXWGIX99", &whole[8..]].concat();
    for (bytes, fault) in [
        (changed, IndexFault::Damaged),
        (whole[..whole.len() - 1].to_vec(), IndexFault::Damaged),
        (Vec::new(), IndexFault::Damaged),
        (other_version, IndexFault::OtherVersion),
    ] {
        std::fs::write(&recent, bytes).unwrap();
        let again = stage.again(&bob, Stage::options()).await;
        let listing = list(&again).await;
        assert_eq!((names(&listing), listing.rebuilt), (vec!["one", "two"], Some(fault)));
        assert_eq!(list(&again).await.rebuilt, None, "said once");
    }
    // Somebody else's, put in its place.
    list(&alice).await;
    std::fs::copy(&files(&alice)[1], &recent).unwrap();
    let listing = list(&bob).await;
    assert_eq!(listing.rebuilt, Some(IndexFault::Damaged));
    assert!(listing.files.iter().all(|file| file.role == Role::Recipient));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_removes_the_index() {
    let (_stage, alice, bob) = two().await;
    send(&alice, &bob, "one").await;
    list(&bob).await;
    assert!(files(&bob)[1].exists());
    bob.client.sign_out().await.unwrap();
    assert!(files(&bob).iter().all(|path| !path.exists()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_verify_is_not_put_in_and_is_when_it_does() {
    let (stage, alice, bob) = two().await;
    let first = send(&alice, &bob, "one").await;
    send(&alice, &bob, "two").await;
    let lies = Arc::new(AtomicBool::new(true));
    let is_lying = lies.clone();
    let _proxy = behind(&stage, &bob, move |exchange| {
        if !is_lying.load(Ordering::Relaxed) || exchange.status != 200 {
            return;
        }
        if is_changes(exchange) {
            let mut page: FileChanges = serde_json::from_slice(&exchange.reply).unwrap();
            let lied = page.files.iter_mut().filter(|info| info.file_id == first);
            lied.for_each(|info| info.manifest.0[200] ^= 1);
            exchange.reply = serde_json::to_vec(&page).unwrap();
        } else if exchange.path == format!("/api/v1/files/{first}") {
            let mut info: proto::FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            info.manifest.0[200] ^= 1;
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    })
    .await;
    let listing = list(&bob).await;
    assert_eq!((names(&listing), &listing.refused), (vec!["two"], &vec![first]));
    lies.store(false, Ordering::Relaxed);
    let listing = list(&bob).await;
    assert_eq!((names(&listing), &listing.refused), (vec!["one", "two"], &vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_are_repeated_withheld_or_without_end_leave_a_right_list() {
    let (stage, alice, bob) = two().await;
    send(&alice, &bob, "one").await;
    let (kept, mode) = (Arc::new(Mutex::new(None::<Vec<u8>>)), Arc::new(AtomicUsize::new(0)));
    let (page_one, how) = (kept.clone(), mode.clone());
    let _proxy = behind(&stage, &bob, move |exchange| {
        if !is_changes(exchange) {
            return;
        }
        let mut kept = page_one.lock().unwrap();
        let mut page: FileChanges = serde_json::from_slice(&exchange.reply).unwrap();
        match how.load(Ordering::Relaxed) {
            // The first page once more, whatever was asked.
            1 => exchange.reply.clone_from(kept.as_ref().unwrap()),
            // Nothing is new.
            2 => page.files.clear(),
            // Round in a circle.
            3 => {
                exchange.reply.clone_from(kept.as_ref().unwrap());
                page = serde_json::from_slice(&exchange.reply).unwrap();
                page.more = true;
                exchange.reply = serde_json::to_vec(&page).unwrap();
            }
            // It always begins again.
            4 => (page.restarted, page.more) = (true, true),
            _ => *kept = Some(exchange.reply.clone()),
        }
        if matches!(how.load(Ordering::Relaxed), 2 | 4) {
            exchange.reply = serde_json::to_vec(&page).unwrap();
        }
    })
    .await;
    assert_eq!(names(&list(&bob).await), ["one"]);
    mode.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(names(&list(&bob).await), ["one"], "repeated");
    }
    send(&alice, &bob, "two").await;
    mode.store(3, Ordering::Relaxed);
    let error = bob.client.browse(&bob.keys, &ListQuery::default(), &Quiet).await.unwrap_err();
    assert_eq!(error.class(), client::Class::Network, "{error}");
    mode.store(4, Ordering::Relaxed);
    let error = bob.client.browse(&bob.keys, &ListQuery::default(), &Quiet).await.unwrap_err();
    assert_eq!(error.class(), client::Class::Network, "{error}");
    mode.store(0, Ordering::Relaxed);
    assert_eq!(names(&list(&bob).await), ["one", "two"], "an honest server again");
    send(&alice, &bob, "three").await;
    mode.store(2, Ordering::Relaxed);
    assert_eq!(names(&list(&bob).await), ["one", "two"], "withheld is not seen, and nothing else is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_changed_are_marked_and_taken_when_a_person_accepts_them() {
    let (stage, alice, bob) = two().await;
    let old = send(&alice, &bob, "old").await;
    bob.receive(old).await.unwrap();
    assert_eq!(list(&bob).await.files[0].sender.trust, Trust::Pinned);
    // Bob has pinned somebody else under Alice's address, whom nothing links to her.
    let stranger = Stage::new().await;
    let imposter = stranger.person("alice").await;
    let bundle = imposter.client.own_bundle().unwrap();
    std::fs::remove_file(bob.client.home().path().join("pins.json")).unwrap();
    bob.client.contacts_import(&bundle, &alice.address).unwrap();
    let listing = list(&bob).await;
    assert_eq!(listing.files[0].sender.trust, Trust::Changed);
    assert!(bob.receive(old).await.is_err(), "and what is opened is verified whatever the list says");
    bob.client.forget_contact(&alice.address).unwrap();
    assert_eq!(list(&bob).await.files[0].sender.trust, Trust::FirstContact);
    drop(stage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_searched_filtered_and_sorted() {
    let (_stage, alice, bob) = two().await;
    for (name, len) in [("Plan.pdf", 10), ("budget.xlsx", 5_000), ("plan b.txt", 700)] {
        alice.send(&alice.file(name, &vec![7; len]), &bob).await.unwrap();
    }
    let ask = async |query: ListQuery| {
        let listing = bob.client.browse(&bob.keys, &query, &Quiet).await.unwrap();
        let names: Vec<String> = listing.files.iter().map(|file| file.name.clone()).collect();
        (names, listing.matched)
    };
    let all = ListQuery::default;
    let (found, _) = ask(ListQuery { words: vec!["PLAN".into()], sort: Sort::Name, ..all() }).await;
    assert_eq!(found, ["plan b.txt", "Plan.pdf"]);
    let (found, matched) = ask(ListQuery { sort: Sort::Size, limit: Some(1), ..all() }).await;
    assert_eq!((found, matched), (vec!["budget.xlsx".to_owned()], 3));
    let (found, _) = ask(ListQuery { at_most: Some(700), from: Some("ALICE".into()), ..all() }).await;
    assert_eq!(found.len(), 2);
    let listing = bob.client.browse(&bob.keys, &all(), &Quiet).await.unwrap();
    let id = listing.files[0].file_id;
    let text = id.to_string();
    assert_eq!(bob.client.find(&bob.keys, &text[..8], 5, &Quiet).await.unwrap(), [id]);
}
