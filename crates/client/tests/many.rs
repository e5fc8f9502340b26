//! Many files in one go, and everything of somebody at once.

use crate::rotation::via;
use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise};
use client::{
    Cancel, Class, Error, FileId, Note, OnConflict, ReceiveAll, Received, SendMany, SendRequest, Sent, Trust,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const BATCH: &str = "/api/v1/files/batch";

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

/// Files of these lengths, each of other content.
fn files(person: &Person, lens: &[usize]) -> Vec<PathBuf> {
    let each = lens.iter().enumerate();
    each.map(|(n, len)| person.file(&format!("file {n:03}"), &noise(*len, n as u64))).collect()
}

fn request_to(to: &Person, files: &[PathBuf]) -> SendMany {
    SendMany {
        files: files.to_vec(),
        to: vec![to.address.clone()],
        to_keys: Vec::new(),
        expires_in: Duration::from_secs(86_400),
        max_downloads: None,
        compress: client::Compress::Never,
        preview: false,
        padded: true,
    }
}

/// What was sent, by the place in the request, and how it ended.
async fn send(
    from: &Person,
    files: &[PathBuf],
    to: &Person,
    told: &Told,
) -> (Vec<(usize, Sent)>, Result<(), Error>) {
    let request = request_to(to, files);
    let mut sent = Vec::new();
    let mut on_sent = |nth, one| sent.push((nth, one));
    let outcome = from.client.send_many(&from.keys, request, told, &Cancel::new(), &mut on_sent).await;
    sent.sort_by_key(|(nth, _)| *nth);
    (sent, outcome)
}

type Outcomes = Vec<(FileId, Result<Option<Received>, Error>)>;

async fn receive(person: &Person, folder: &Path, on_conflict: OnConflict) -> (Outcomes, Result<(), Error>) {
    let request = ReceiveAll { from: None, folder: folder.to_path_buf(), on_conflict };
    let mut outcomes = Vec::new();
    let mut on_received = |id, outcome| outcomes.push((id, outcome));
    let (told, cancel) = (Told::default(), Cancel::new());
    let ended = person.client.receive_all(&person.keys, &request, &told, &cancel, &mut on_received).await;
    (outcomes, ended)
}

fn is_batch(exchange: &Exchange) -> bool {
    exchange.path == BATCH
}

fn ledgers(person: &Person) -> Vec<String> {
    let entries = std::fs::read_dir(person.client.home().path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("many-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_and_large_files_arrive_bit_for_bit_in_one_go() {
    let (_stage, alice, bob) = two().await;
    let mut lens = vec![0, 1, 100, 262_111, 262_112, 262_113, 3 << 20, 10_240];
    lens.extend([700; 220]);
    let sources = files(&alice, &lens);
    let (sent, outcome) = send(&alice, &sources, &bob, &Told::default()).await;
    outcome.unwrap();
    assert_eq!(sent.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(), (0..lens.len()).collect::<Vec<_>>());
    for ((_, one), len) in sent.iter().zip(&lens) {
        assert_eq!(one.bytes, *len as u64);
    }
    assert!(ledgers(&alice).is_empty(), "nothing is left to remember");
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert_eq!(outcomes.len(), lens.len());
    for (_, outcome) in outcomes {
        assert!(matches!(outcome.unwrap().unwrap().sender.trust, Trust::FirstContact | Trust::Pinned));
    }
    for source in &sources {
        let name = source.file_name().unwrap();
        assert!(std::fs::read(source).unwrap() == std::fs::read(bob.folder.join(name)).unwrap(), "{name:?}");
    }
    // The same again fetches nothing, and one's own files are not fetched at all.
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Ok(None))));
    let (own, ended) = receive(&alice, &alice.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert!(own.is_empty());
}

/// Batches meet `answer` from the second on, `times` times; then the same command goes on to the end.
async fn interrupted(answer: fn() -> Answer, times: u32) {
    let (stage, alice, bob) = two().await;
    let sources = files(&alice, &[500; 250]);
    let batches = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&batches);
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            let is_hit =
                is_batch(exchange) && (2..2 + times).contains(&(1 + seen.fetch_add(1, Ordering::SeqCst)));
            if is_hit { answer() } else { Answer::Forward }
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let mut options = Stage::options();
    // Patience for no second try: the process of the first command ends here.
    options.retry_for = Duration::ZERO;
    let mut sent = BTreeSet::new();
    for _ in 0..times {
        let dying = stage.again(&alice, options.clone()).await;
        let (some, outcome) = send(&dying, &sources, &bob, &Told::default()).await;
        assert_eq!(outcome.unwrap_err().class(), Class::Network);
        sent.extend(some.into_iter().map(|(_, one)| one.file_id));
        assert!(!sent.is_empty() && sent.len() < 250);
    }
    let told = Told::default();
    let living = stage.again(&alice, Stage::options()).await;
    let (all, outcome) = send(&living, &sources, &bob, &told).await;
    outcome.unwrap();
    assert_eq!(all.len(), 250);
    assert!(told.notes.lock().unwrap().iter().any(|note| matches!(note, Note::Resumed { of: 250, .. })));
    let all: BTreeSet<FileId> = all.into_iter().map(|(_, one)| one.file_id).collect();
    assert!(all.is_superset(&sent), "what was acknowledged was sent again under another id");
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    let there: BTreeSet<FileId> = outcomes.iter().map(|(id, _)| *id).collect();
    assert_eq!((outcomes.len(), there), (250, all), "each once");
    assert!(ledgers(&alice).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_never_arrived_is_sent_by_the_next_command() {
    interrupted(|| Answer::Drop, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_answer_was_lost_is_not_there_twice() {
    interrupted(|| Answer::Swallow, 1).await;
}

/// A command is stopped while its batch is on its way; then the same person sends other files to the same people.
async fn another_command_after(answer: fn() -> Answer, has_arrived: bool) {
    let (stage, alice, bob) = two().await;
    let first = files(&alice, &[500, 600]);
    let batches = AtomicU32::new(0);
    let before =
        move |exchange: &Exchange| match is_batch(exchange) && batches.fetch_add(1, Ordering::SeqCst) == 0 {
            true => answer(),
            false => Answer::Forward,
        };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    via(&stage, &alice, &proxy).await;
    let mut options = Stage::options();
    options.retry_for = Duration::ZERO;
    let dying = stage.again(&alice, options).await;
    send(&dying, &first, &bob, &Told::default()).await.1.unwrap_err();
    let (living, told) = (stage.again(&alice, Stage::options()).await, Told::default());
    let others = [alice.file("other", b"another"), alice.file("third", b"a third")];
    let (sent, outcome) = send(&living, &others, &bob, &told).await;
    outcome.unwrap();
    assert_eq!(sent.len(), 2);
    let is_said = |note: &Note| matches!(note, Note::SentBefore { paths } if paths.len() == 2);
    assert_eq!(told.notes.lock().unwrap().iter().any(is_said), has_arrived);
    receive(&bob, &bob.folder, OnConflict::Refuse).await.1.unwrap();
    let mut names = vec!["file 000", "file 001", "other", "third"];
    assert_eq!(bob.names(), if has_arrived { names.clone() } else { names.split_off(2) });
    // The first one, when somebody does ask for it: each file once.
    send(&living, &first, &bob, &Told::default()).await.1.unwrap();
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert_eq!((outcomes.len(), bob.names().len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_command_was_stopped_at_goes_to_nobody_by_itself() {
    another_command_after(|| Answer::Drop, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_command_had_sent_when_it_was_stopped_is_said() {
    another_command_after(|| Answer::Swallow, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_takes_only_small_requests_gets_smaller_ones() {
    let (stage, alice, bob) = two().await;
    let refused = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&refused);
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if is_batch(exchange) && exchange.body.len() > 100_000 {
                count.fetch_add(1, Ordering::SeqCst);
                return Answer::Reply(413, "text/html", b"too large".to_vec());
            }
            Answer::Forward
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let sources = files(&alice, &[5_000; 60]);
    let (sent, outcome) = send(&alice, &sources, &bob, &Told::default()).await;
    outcome.unwrap();
    assert_eq!(sent.len(), 60);
    assert!(refused.load(Ordering::SeqCst) > 0, "nothing was refused");
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert_eq!(outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(Some(_)))).count(), 60);
    assert!(ledgers(&alice).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_for_other_files_is_refused() {
    let (stage, alice, bob) = two().await;
    let proxy = Proxy::start(
        &stage,
        |_| Answer::Forward,
        |exchange| {
            if is_batch(exchange) {
                let text = String::from_utf8(exchange.reply.clone()).unwrap();
                exchange.reply =
                    text.replacen("\"file_id\":\"", "\"file_id\":\"0", 1).replacen("-", "", 1).into();
            }
        },
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let (sent, outcome) = send(&alice, &files(&alice, &[10, 20]), &bob, &Told::default()).await;
    assert!(matches!(outcome, Err(Error::NotAServer { .. })));
    assert!(sent.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_or_changes_stops_before_it_is_sent() {
    let (_stage, alice, bob) = two().await;
    let mut sources = files(&alice, &[10, 20]);
    sources.push(alice.folder.join("missing"));
    let (sent, outcome) = send(&alice, &sources, &bob, &Told::default()).await;
    assert!(matches!(outcome, Err(Error::Io { .. })));
    assert!(sent.is_empty(), "everything is looked at before anything is sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_command_of_the_same_kind_is_told_of_the_first() {
    let (stage, alice, bob) = two().await;
    let (entered, at_batch) = tokio::sync::oneshot::channel();
    let entered = std::sync::Mutex::new(Some(entered));
    let proxy = Proxy::start(
        &stage,
        move |exchange| {
            if is_batch(exchange)
                && let Some(entered) = entered.lock().unwrap().take()
            {
                entered.send(()).unwrap();
                return Answer::Swallow;
            }
            Answer::Forward
        },
        |_| {},
    )
    .await;
    via(&stage, &alice, &proxy).await;
    let sources = files(&alice, &[10; 3]);
    let other = stage.again(&alice, Stage::options()).await;
    let told = Told::default();
    let first = send(&alice, &sources, &bob, &told);
    let second = async {
        at_batch.await.unwrap();
        send(&other, &sources, &bob, &Told::default()).await.1
    };
    let ((sent, outcome), second) = tokio::join!(first, second);
    outcome.unwrap();
    assert_eq!(sent.len(), 3);
    assert!(matches!(second, Err(Error::UploadRunning)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_file_whose_name_is_taken_does_not_stop_the_others() {
    let (_stage, alice, bob) = two().await;
    let sources = files(&alice, &[10, 20, 30]);
    send(&alice, &sources, &bob, &Told::default()).await.1.unwrap();
    std::fs::write(bob.folder.join("file 001"), "another").unwrap();
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    let refused = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Err(Error::TargetExists(_))));
    assert_eq!((outcomes.len(), refused.count()), (3, 1));
    assert_eq!(std::fs::read(bob.folder.join("file 001")).unwrap(), b"another");
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::KeepBoth).await;
    ended.unwrap();
    let came: Vec<_> = outcomes.into_iter().filter_map(|(_, outcome)| outcome.unwrap()).collect();
    assert_eq!(came.len(), 1);
    assert_eq!(bob.names(), ["file 000", "file 001", "file 001 (1)", "file 002"]);
    // The same again fetches nothing, and counts no download: it is there, under its number.
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::KeepBoth).await;
    ended.unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Ok(None))), "{outcomes:?}");
    assert_eq!(bob.names().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_files_for_a_dozen_people_fit_into_their_requests() {
    let (stage, alice, bob) = two().await;
    let mut to = vec![bob.address.clone()];
    for n in 0..11 {
        to.push(stage.person(&format!("reader{n}")).await.address);
    }
    let request = SendMany { to, ..request_to(&bob, &files(&alice, &[0; 100])) };
    let (mut sent, told) = (0, Told::default());
    let mut on_sent = |_, _| sent += 1;
    alice.client.send_many(&alice.keys, request, &told, &Cancel::new(), &mut on_sent).await.unwrap();
    assert_eq!(sent, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_downloads_are_used_does_not_stop_the_others() {
    let (_stage, alice, bob) = two().await;
    let mut once = SendRequest::file(alice.file("once", b"once"), vec![bob.address.clone()]);
    once.max_downloads = Some(1);
    let once = alice.send_request(once).await.unwrap().file_id;
    let first = bob.receive(once).await.unwrap().path.unwrap();
    std::fs::remove_file(first).unwrap();
    send(&alice, &files(&alice, &[10, 20]), &bob, &Told::default()).await.1.unwrap();
    let (outcomes, ended) = receive(&bob, &bob.folder, OnConflict::Refuse).await;
    ended.unwrap();
    assert_eq!(outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(Some(_)))).count(), 2);
    assert!(outcomes.iter().all(|(id, outcome)| (*id == once) == outcome.is_err()));
}
