//! Uploads that were stopped go on, and no finished part goes twice.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise};
use client::{Cancel, Class, ClientOptions, Compress, Error, Note, SendRequest};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

const PART: u64 = 1 << 20;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

fn is_part(exchange: &Exchange) -> bool {
    exchange.method == "PUT" && exchange.path.contains("/parts/")
}

/// A proxy that lets so many parts through and drops every further one, until it is opened.
pub struct Stuck {
    pub proxy: Proxy,
    /// Told when those parts were answered by the server and a further one was dropped: not earlier, since whoever
    /// then drops the sender must not tear a part that is still on its way.
    pub stuck: Arc<Notify>,
    pub open: Arc<AtomicBool>,
}

pub async fn stuck_after(stage: &Stage, parts: u64) -> Stuck {
    let (stuck, open) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (sent, dropped) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
    let answered = Arc::new(AtomicU64::new(0));
    let (told, opened, seen, refused) = (stuck.clone(), open.clone(), answered.clone(), dropped.clone());
    let before = move |exchange: &Exchange| {
        if !is_part(exchange) || opened.load(Ordering::SeqCst) || sent.fetch_add(1, Ordering::SeqCst) < parts
        {
            return Answer::Forward;
        }
        refused.store(true, Ordering::SeqCst);
        if seen.load(Ordering::SeqCst) >= parts {
            told.notify_one();
        }
        Answer::Drop
    };
    let told = stuck.clone();
    let after = move |exchange: &mut Exchange| {
        let all = is_part(exchange) && answered.fetch_add(1, Ordering::SeqCst) + 1 >= parts;
        if all && dropped.load(Ordering::SeqCst) {
            told.notify_one();
        }
    };
    Stuck { proxy: Proxy::start(stage, before, after).await, stuck, open }
}

/// Sends until the proxy lets nothing through any more, then drops the future in the middle.
async fn send_until_stuck(person: &Person, path: &Path, to: &Person, stuck: &Notify) {
    tokio::select! {
        sent = person.send(path, to) => panic!("{sent:?}"),
        () = stuck.notified() => {}
    }
}

/// Back to the honest server: configuring it ends the session of the proxy's address.
async fn back(stage: &Stage, person: &Person) -> Person {
    person.client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
    stage.again(person, Stage::options()).await
}

async fn via(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_dropped_in_the_middle_goes_on_and_sends_nothing_twice() {
    let (stage, alice, bob) = two().await;
    let content = noise(9 << 20, 1);
    let path = alice.file("big", &content);
    // The same proxy both times: a journal belongs to one server.
    let Stuck { proxy, stuck, open } = stuck_after(&stage, 4).await;
    via(&stage, &alice, &proxy).await;
    send_until_stuck(&alice, &path, &bob, &stuck).await;
    let unfinished = alice.client.uploads().unwrap();
    assert_eq!((unfinished.len(), unfinished[0].parts), (1, 10));
    assert!(unfinished[0].sealed_parts >= 4);
    open.store(true, Ordering::SeqCst);

    let next = stage.again(&alice, Stage::options()).await;
    let told = Told::default();
    let request = SendRequest::file(&path, vec![bob.address.clone()]);
    let sent = next.client.send(&next.keys, request, &told, &Cancel::new()).await.unwrap();
    assert_eq!(sent.file_id, unfinished[0].file_id, "the same upload goes on");
    // A part that was on its way when its sender was dropped may have arrived unseen, and then counts.
    assert!((4..10).contains(&sent.resumed_parts) && sent.parts == 10, "{sent:?}");
    assert!(told.notes.lock().unwrap().contains(&Note::Resumed { parts: sent.resumed_parts, of: 10 }));
    assert_eq!((sent.received_bytes, sent.received_parts), (sent.body_len, 10), "counted by the server");
    assert_eq!(proxy.part_bytes.load(Ordering::SeqCst), sent.body_len, "counted on the way");
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
    assert!(next.client.uploads().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_all_the_time_only_cost_time() {
    let (stage, alice, bob) = two().await;
    let count = AtomicU64::new(0);
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            let torn = exchange.path.contains("/parts/") || exchange.path.ends_with("/complete");
            match count.fetch_add(u64::from(torn), Ordering::SeqCst) % 5 {
                1 if torn => Answer::Drop,
                3 if torn => Answer::Half,
                _ => Answer::Forward,
            }
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    via(&stage, &bob, &proxy).await;
    let content = noise(6 << 20, 2);
    let sent = alice.send(&alice.file("big", &content), &bob).await.unwrap();
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_the_last_request_is_made_up_for_by_the_next_run() {
    let (stage, alice, bob) = two().await;
    let (swallow, swallowed) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
    let (active, told) = (swallow.clone(), swallowed.clone());
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if exchange.path.ends_with("/complete") && active.load(Ordering::SeqCst) {
                told.notify_one();
                return Answer::Swallow;
            }
            Answer::Forward
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("f", b"content");
    tokio::select! {
        sent = alice.send(&path, &bob) => panic!("{sent:?}"),
        () = swallowed.notified() => {}
    }
    swallow.store(false, Ordering::SeqCst);
    let id = alice.client.uploads().unwrap()[0].file_id;
    let sent = alice.send(&path, &bob).await.unwrap();
    assert_eq!(sent.file_id, id, "not a second file");
    assert_eq!(bob.client.list(&bob.keys, client::FilePaging::default()).await.unwrap().files.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_on_request_keeps_the_upload() {
    let (stage, alice, bob) = two().await;
    let Stuck { proxy, stuck, .. } = stuck_after(&stage, 2).await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("big", &noise(5 << 20, 3));
    let cancel = Cancel::new();
    let request = SendRequest::file(&path, vec![bob.address.clone()]);
    let told = Told::default();
    let (sent, ()) = tokio::join!(alice.client.send(&alice.keys, request, &told, &cancel), async {
        stuck.notified().await;
        cancel.cancel();
    });
    let error = sent.unwrap_err();
    assert_eq!(error.class(), Class::Interrupted, "{error}");
    assert_eq!(alice.client.uploads().unwrap().len(), 1);
    assert!(!alice.client.uploads().unwrap()[0].running, "the lock is free at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away_ends_patience_and_keeps_the_upload() {
    let (stage, alice, bob) = two().await;
    let options = ClientOptions { retry_for: Duration::from_millis(600), ..Stage::options() };
    let alice = stage.again(&alice, options).await;
    let Stuck { proxy, .. } = stuck_after(&stage, 1).await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("big", &noise(3 << 20, 4));
    let error = alice.send(&path, &bob).await.unwrap_err();
    assert_eq!(error.class(), Class::Network, "{error}");
    assert_eq!(alice.client.uploads().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_does_not_send_the_same_file_at_once() {
    let (stage, alice, bob) = two().await;
    let Stuck { proxy, stuck, .. } = stuck_after(&stage, 0).await;
    via(&stage, &alice, &proxy).await;
    let second = stage.again(&alice, Stage::options()).await;
    let path = alice.file("big", &noise(3 << 20, 5));
    let first = alice.send(&path, &bob);
    let other = async {
        stuck.notified().await;
        second.send(&path, &bob).await
    };
    tokio::select! {
        sent = first => panic!("{sent:?}"),
        refused = other => assert!(matches!(refused, Err(Error::UploadRunning)), "{refused:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_source_or_another_request_is_another_upload() {
    let (stage, alice, bob) = two().await;
    let Stuck { proxy, stuck, .. } = stuck_after(&stage, 1).await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("big", &noise(3 << 20, 6));
    send_until_stuck(&alice, &path, &bob, &stuck).await;
    let alice = back(&stage, &alice).await;
    let first = alice.client.uploads().unwrap()[0].file_id;
    std::fs::write(&path, noise(3 << 20, 7)).unwrap();
    let sent = alice.send(&path, &bob).await.unwrap();
    assert_ne!(sent.file_id, first);
    assert_eq!(sent.resumed_parts, 0);
    alice.client.abandon_upload(first).await.unwrap();
    assert!(alice.client.uploads().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_while_it_is_sent_is_not_shared() {
    let (stage, alice, bob) = two().await;
    let path = alice.file("big", &noise(6 << 20, 8));
    let changed = path.clone();
    let (count, listed) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
    let completed = listed.clone();
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if is_part(exchange) && count.fetch_add(1, Ordering::SeqCst) == 2 {
                std::fs::write(&changed, noise(6 << 20, 9)).unwrap();
            }
            completed.fetch_or(exchange.path.ends_with("/complete"), Ordering::SeqCst);
            Answer::Forward
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let error = alice.send(&path, &bob).await.unwrap_err();
    assert!(matches!(error, Error::SourceChanged(_)), "{error}");
    assert!(!listed.load(Ordering::SeqCst), "it was never completed");
    assert!(alice.client.uploads().unwrap().is_empty(), "and it is abandoned");
    assert!(bob.client.list(&bob.keys, client::FilePaging::default()).await.unwrap().files.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_unseen_between_two_runs_is_found_out_by_its_leaves() {
    let (stage, alice, bob) = two().await;
    let Stuck { proxy, stuck, .. } = stuck_after(&stage, 1).await;
    via(&stage, &alice, &proxy).await;
    let path = alice.file("big", &noise(3 << 20, 10));
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    send_until_stuck(&alice, &path, &bob, &stuck).await;
    // Same path, size, inode and time: only the content tells. The first recorded part that is not there is remade.
    std::fs::write(&path, noise(3 << 20, 11)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let error = alice.send(&path, &bob).await.unwrap_err();
    assert!(matches!(error, Error::SourceChanged(_)), "{error}");
    assert!(alice.client.uploads().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_server_has_forgotten_starts_afresh() {
    let (stage, alice, bob) = two().await;
    let Stuck { proxy, stuck, open } = stuck_after(&stage, 1).await;
    via(&stage, &alice, &proxy).await;
    let content = noise(3 << 20, 12);
    let path = alice.file("big", &content);
    send_until_stuck(&alice, &path, &bob, &stuck).await;
    let first = alice.client.uploads().unwrap()[0].file_id;
    open.store(true, Ordering::SeqCst);
    stage.clock.advance(8 * 86_400);
    stage.run_jobs().await;
    via(&stage, &alice, &proxy).await;
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let sent = alice.send(&path, &bob).await.unwrap();
    assert_ne!(sent.file_id, first);
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
    assert!(alice.client.uploads().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_takes_only_small_bodies_gets_small_parts() {
    let stage = Stage::new().await;
    let options = ClientOptions { part_len: Some(8 * PART), ..Stage::options() };
    let (alice, bob) =
        (stage.person_with("alice", options.clone()).await, stage.person_with("bob", options).await);
    let proxy = Proxy::start(
        &stage,
        |exchange| match exchange.body.len() as u64 > 2 * PART {
            true => Answer::Reply(413, "text/html", b"<h1>too large</h1>".to_vec()),
            false => Answer::Forward,
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let content = noise(9 << 20, 13);
    let told = Told::default();
    let request = SendRequest::file(alice.file("big", &content), vec![bob.address.clone()]);
    let sent = alice.client.send(&alice.keys, request, &told, &Cancel::new()).await.unwrap();
    assert_eq!(sent.parts, sent.body_len.div_ceil(2 * PART));
    assert!(told.notes.lock().unwrap().contains(&Note::SmallerParts { part_len: 2 * PART }));
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_survives_broken_connections_without_being_read_again() {
    let (stage, alice, bob) = two().await;
    let count = AtomicU64::new(0);
    let proxy = Proxy::start(
        &stage,
        move |exchange| match is_part(exchange) && count.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
            true => Answer::Drop,
            false => Answer::Forward,
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let content = noise(5 << 20, 14);
    let request = SendRequest::stream(Box::new(Cursor::new(content.clone())), "s", vec![bob.address.clone()]);
    let sent = alice.send_request(request).await.unwrap();
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_upload_goes_on_with_the_same_bytes() {
    let (stage, alice, bob) = two().await;
    // Noise in digits: half as long when it is compressed, and no two parts alike.
    let content: Vec<u8> =
        noise(4 << 20, 77).iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    let path = alice.file("log.txt", &content);
    let request =
        || SendRequest { compress: Compress::Auto, ..SendRequest::file(&path, vec![bob.address.clone()]) };
    let Stuck { proxy, stuck, open } = stuck_after(&stage, 2).await;
    via(&stage, &alice, &proxy).await;
    tokio::select! {
        sent = alice.send_request(request()) => panic!("{sent:?}"),
        () = stuck.notified() => {}
    }
    open.store(true, Ordering::SeqCst);
    let next = stage.again(&alice, Stage::options()).await;
    let sent = next.send_request(request()).await.unwrap();
    assert!((2..sent.parts).contains(&sent.resumed_parts), "{sent:?}");
    assert_eq!(proxy.part_bytes.load(Ordering::SeqCst), sent.body_len, "nothing twice");
    assert!(sent.stored < sent.bytes * 6 / 10, "{sent:?}");
    let got = bob.receive(sent.file_id).await.unwrap();
    assert!(std::fs::read(got.path.unwrap()).unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_became_a_file_unheard_is_not_called_given_up() {
    let (stage, alice, bob) = two().await;
    let before = |exchange: &Exchange| match exchange.path.ends_with("/complete") {
        true => Answer::Swallow,
        false => Answer::Forward,
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    crate::rotation::via(&stage, &alice, &proxy).await;
    let options = ClientOptions { retry_for: Duration::ZERO, ..Stage::options() };
    let dying = stage.again(&alice, options).await;
    let path = alice.file("plan", &noise(3 << 20, 1));
    dying.send(&path, &bob).await.unwrap_err();
    let id = alice.client.uploads().unwrap()[0].file_id;
    let error = alice.client.abandon_upload(id).await.unwrap_err();
    assert!(matches!(error, Error::SentAlready(sent) if sent == id), "{error:?}");
    assert!(alice.client.uploads().unwrap().is_empty(), "it is no upload any more");
    bob.receive(id).await.unwrap();
}
