//! Folders: there and back, all or some, stopped and gone on with, and against a server that lies.

mod lies;

use crate::rotation::{back, via};
use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise};
use client::{
    Cancel, Client, Compress, Error, FileId, LinkAddress, LinkLimits, OnConflict, Pattern, ReceiveAll,
    Received, Removed, SendFolder, SentFolder, Target, Trust,
};
use proto::{Batch, MemberList, MembersRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LARGE: usize = 2 << 20;

async fn two() -> (Stage, Person, Person) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    (stage, alice, bob)
}

/// A tree with small files, a large one, an empty file, an empty folder, and a symbolic link.
fn tree(person: &Person, name: &str, small: usize) -> PathBuf {
    let root = person.folder.join(name);
    for n in 0..small {
        let folder = root.join(format!("part {}", n / 50)).join("in");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("file {n:04}.txt")), noise(n * 7 % 3_000, n as u64)).unwrap();
    }
    std::fs::create_dir_all(root.join("empty/inner")).unwrap();
    std::fs::write(root.join("large.bin"), noise(LARGE, 9)).unwrap();
    std::fs::write(root.join("nothing"), b"").unwrap();
    std::fs::write(root.join("ünïcode"), b"x").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", root.join("link")).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    std::fs::File::open(root.join("ünïcode")).unwrap().set_modified(old).unwrap();
    root
}

/// Content of all files by their paths, and empty folders; links are not looked at.
fn content(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = waiting.pop() {
        let mut is_empty = true;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            is_empty = false;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(path, Some(std::fs::read(entry.path()).unwrap()));
            }
        }
        if is_empty && folder != root {
            found.insert(folder.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), None);
        }
    }
    found
}

fn request(to: &Person, sources: &[&Path]) -> SendFolder {
    SendFolder {
        sources: sources.iter().map(|path| path.to_path_buf()).collect(),
        name: None,
        to: vec![to.address.clone()],
        to_keys: Vec::new(),
        expires_in: Duration::from_secs(86_400),
        max_downloads: None,
        compress: Compress::Never,
        padded: true,
    }
}

async fn send_as(from: &Person, request: SendFolder) -> Result<SentFolder, Error> {
    from.client.send_folder(&from.keys, request, &Told::default(), &Cancel::new()).await
}

async fn send(from: &Person, to: &Person, sources: &[&Path]) -> Result<SentFolder, Error> {
    send_as(from, request(to, sources)).await
}

/// The same person, through a proxy.
async fn through(stage: &Stage, person: &Person, proxy: &Proxy) -> Person {
    // The way before may be gone.
    back(stage, person).await;
    let other = stage.again(person, Stage::options()).await;
    via(stage, &other, proxy).await;
    other
}

/// Somebody whose process gives up at once, as one that is killed.
async fn impatient(stage: &Stage, person: &Person, proxy: &Proxy) -> Person {
    let options = client::ClientOptions { retry_for: Duration::ZERO, ..Stage::options() };
    let other = stage.again(person, options).await;
    via(stage, &other, proxy).await;
    other
}

fn is_last(exchange: &Exchange) -> bool {
    exchange.path.ends_with("/complete") && exchange.body.windows(9).any(|piece| piece == b"\"members\"")
}

fn into(path: &Path) -> Target {
    Target::directory(path)
}

fn some(path: &Path, only: &[&str]) -> Target {
    let only = only.iter().map(|text| Pattern::new(text)).collect();
    Target::Some { path: path.to_path_buf(), on_conflict: OnConflict::Refuse, only }
}

/// What was sent as a folder must be what came, but for the links.
fn assert_same(sent: &Path, came: &Path) {
    let (sent, came) = (content(sent), content(came));
    assert_eq!(sent.keys().collect::<Vec<_>>(), came.keys().collect::<Vec<_>>());
    assert!(sent == came, "the same names, other content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_hundreds_arrives_bit_for_bit_as_one() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 420);
    let sent = send(&alice, &bob, &[&root]).await.unwrap();
    assert_eq!((sent.list.name.as_str(), sent.files, sent.there), ("photos", 423, 0));
    assert_eq!(sent.skipped.len(), 1);
    assert!(sent.skipped[0].is_link && sent.skipped[0].path.ends_with("link"));
    for person in [&alice, &bob] {
        let listed = person.client.list(&person.keys, Default::default()).await.unwrap();
        let listed: Vec<(FileId, bool)> =
            listed.files.iter().map(|file| (file.file_id, file.is_folder)).collect();
        assert_eq!(listed, [(sent.list.file_id, true)], "one line, for both");
    }
    let received = bob.receive(sent.list.file_id).await.unwrap();
    let came = received.path.unwrap();
    assert_eq!(came, bob.folder.join("photos"));
    assert_same(&root, &came);
    let about = received.folder.unwrap();
    assert_eq!((about.all, about.wanted, about.fetched, about.there, about.renamed), (423, 423, 423, 0, 0));
    assert_eq!(received.bytes, sent.bytes);
    let times =
        [&root, &came].map(|root| std::fs::metadata(root.join("ünïcode")).unwrap().modified().unwrap());
    assert_eq!(times[0], times[1]);
    let info = alice.client.info(&alice.keys, sent.list.file_id).await.unwrap();
    assert_eq!((info.downloads, info.receipts.len()), (1, 1), "counted once, and one receipt");
}

#[tokio::test(flavor = "multi_thread")]
async fn some_of_it_is_taken_first_and_the_rest_later_and_nothing_twice() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 120);
    let limited = SendFolder { max_downloads: Some(1), ..request(&bob, &[&root]) };
    let id = send_as(&alice, limited).await.unwrap().list.file_id;
    let listed = bob.receive_into(id, Target::List).await.unwrap();
    let about = listed.folder.unwrap();
    assert_eq!((listed.path, about.list.len(), about.all), (None, 123, 123));
    assert!(about.list.iter().any(|one| one.path == "large.bin" && one.bytes == LARGE as u64));
    assert_eq!(bob.names(), [""; 0], "a look writes nothing");
    let receipts = alice.client.info(&alice.keys, id).await.unwrap().receipts;
    assert_eq!(receipts.len(), 0, "whoever looked has opened nothing");
    let first = bob.receive_into(id, some(&bob.folder, &["part 1", "ünïcode"])).await.unwrap();
    let about = first.folder.unwrap();
    assert_eq!((about.wanted, about.fetched), (51, 51));
    let here = content(&bob.folder.join("photos"));
    assert_eq!(here.len(), 51);
    assert!(here.keys().all(|path| path.starts_with("part 1/") || path == "ünïcode"));
    let nothing = bob.receive_into(id, some(&bob.folder, &["*.jpg"])).await.unwrap_err();
    assert!(matches!(nothing, Error::NothingMatches), "{nothing}");
    // The rest, through a way that says what is fetched.
    let fetched = Arc::new(AtomicU32::new(0));
    let count = fetched.clone();
    let before = move |exchange: &Exchange| {
        count.fetch_add(u32::from(exchange.path.contains("/parts/")), Ordering::Relaxed);
        Answer::Forward
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    let bob = through(&stage, &bob, &proxy).await;
    let rest = bob.receive(id).await.unwrap().folder.unwrap();
    assert_eq!((rest.wanted, rest.fetched, rest.there), (123, 72, 51));
    // The list, 71 of one part, and three parts of the large one.
    assert_eq!(fetched.load(Ordering::Relaxed), 1 + 71 + 3);
    assert_same(&root, &bob.folder.join("photos"));
    let all = bob.receive(id).await.unwrap_err();
    assert!(matches!(all, Error::DownloadsUsed), "another download of the same is another one: {all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_cut_off_goes_on_and_fetches_no_finished_member_again() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 150);
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    let (fetched, cut) = (Arc::new(Mutex::new(Vec::<String>::new())), Arc::new(AtomicU32::new(60)));
    let (seen, left) = (fetched.clone(), cut.clone());
    let before = move |exchange: &Exchange| {
        if !exchange.path.contains("/parts/") {
            return Answer::Forward;
        }
        if left.load(Ordering::Relaxed) == 0 {
            return Answer::Reply(403, "application/problem+json", problem("forbidden", 403));
        }
        left.fetch_sub(1, Ordering::Relaxed);
        seen.lock().unwrap().push(exchange.path.clone());
        Answer::Forward
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    let bob = through(&stage, &bob, &proxy).await;
    bob.receive(id).await.unwrap_err();
    let here = content(&bob.folder.join("photos"));
    assert!((20..61).contains(&here.len()), "{}", here.len());
    assert!(here.keys().all(|name| !name.contains(".wax-part")), "nothing half is left: {:?}", here.keys());
    cut.store(10_000, Ordering::Relaxed);
    let rest = bob.receive(id).await.unwrap().folder.unwrap();
    assert_eq!(rest.there, here.values().filter(|file| file.is_some()).count() as u64);
    assert_same(&root, &bob.folder.join("photos"));
    let seen = fetched.lock().unwrap();
    let distinct: BTreeSet<&String> = seen.iter().collect();
    // The list comes twice; so may the few that were on their way when it was cut.
    assert!(seen.len() - distinct.len() <= 1 + 8, "{} of {}", distinct.len(), seen.len());
}

fn problem(code: &str, status: u16) -> Vec<u8> {
    format!("{{\"type\":\"x\",\"title\":\"x\",\"status\":{status},\"code\":\"{code}\"}}").into_bytes()
}

/// Sends through a way that is cut when `when` says so, then again; what was sent twice.
async fn sent_twice(when: fn(&Exchange, u32) -> bool) -> (usize, SentFolder) {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 350);
    let ids: Arc<Mutex<Vec<FileId>>> = Arc::default();
    let (count, seen) = (Arc::new(AtomicU32::new(0)), ids.clone());
    let cut = Arc::new(AtomicU32::new(1));
    let cut_now = cut.clone();
    let before = move |exchange: &Exchange| {
        if cut_now.load(Ordering::Relaxed) == 1 {
            let n = count.fetch_add(1, Ordering::Relaxed);
            if when(exchange, n) {
                cut_now.store(2, Ordering::Relaxed);
            }
        }
        if cut_now.load(Ordering::Relaxed) == 2 {
            return Answer::Drop;
        }
        if exchange.path.ends_with("/batch") {
            let batch: Batch = serde_json::from_slice(&exchange.body).unwrap();
            seen.lock().unwrap().extend(batch.files.iter().map(|file| file.file_id));
        }
        Answer::Forward
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    let dying = impatient(&stage, &alice, &proxy).await;
    let error = send(&dying, &bob, &[&root]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(
        bob.client.list(&bob.keys, Default::default()).await.unwrap().files.len(),
        0,
        "nobody sees half of it"
    );
    cut.store(0, Ordering::Relaxed);
    // As after a kill: another process, which knows what is on disk.
    let next = stage.again(&alice, Stage::options()).await;
    let sent = send(&next, &bob, &[&root]).await.unwrap();
    let received = bob.receive(sent.list.file_id).await.unwrap();
    assert_same(&root, &received.path.unwrap());
    assert_eq!(
        bob.client.list(&bob.keys, Default::default()).await.unwrap().files.len(),
        1,
        "one folder, not two"
    );
    let ids = ids.lock().unwrap();
    let distinct: BTreeSet<&FileId> = ids.iter().collect();
    assert_eq!(distinct.len(), 352, "each small member was sealed once");
    let many: Vec<_> = std::fs::read_dir(next.client.home().path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        many.iter().all(|name| !name.to_string_lossy().starts_with("many-")),
        "nothing is remembered of it"
    );
    (ids.len() - distinct.len(), sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_was_cut_between_batches_sends_no_finished_member_again() {
    let (twice, sent) = sent_twice(|exchange, _| {
        static SEEN: AtomicU32 = AtomicU32::new(0);
        exchange.path.ends_with("/batch") && SEEN.fetch_add(1, Ordering::Relaxed) == 2
    })
    .await;
    assert_eq!(twice, 0);
    assert!(sent.there >= 200, "{}", sent.there);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_was_cut_before_the_list_sends_the_list_alone() {
    let (twice, sent) = sent_twice(|exchange, _| is_last(exchange)).await;
    assert_eq!((twice, sent.files), (0, 353));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_last_answer_was_lost_is_not_there_twice() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 30);
    let cut = Arc::new(AtomicU32::new(1));
    let lost = cut.clone();
    let before = move |exchange: &Exchange| {
        if is_last(exchange) && lost.load(Ordering::Relaxed) == 1 { Answer::Swallow } else { Answer::Forward }
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    let dying = impatient(&stage, &alice, &proxy).await;
    send(&dying, &bob, &[&root]).await.unwrap_err();
    cut.store(0, Ordering::Relaxed);
    let sent = send(&dying, &bob, &[&root]).await.unwrap();
    let listed = bob.client.list(&bob.keys, Default::default()).await.unwrap().files;
    assert_eq!(listed.iter().map(|file| file.file_id).collect::<Vec<_>>(), [sent.list.file_id]);
    assert_eq!(sent.files, 33);
    bob.receive(sent.list.file_id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_waited_for_too_long_are_sent_again() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 30);
    let cut = Arc::new(AtomicU32::new(1));
    let lost = cut.clone();
    let before = move |exchange: &Exchange| {
        if is_last(exchange) && lost.load(Ordering::Relaxed) == 1 { Answer::Drop } else { Answer::Forward }
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    let alice = impatient(&stage, &alice, &proxy).await;
    send(&alice, &bob, &[&root]).await.unwrap_err();
    cut.store(0, Ordering::Relaxed);
    stage.clock.advance(8 * 86_400);
    stage.run_jobs().await;
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let sent = send(&alice, &bob, &[&root]).await.unwrap();
    assert_eq!((sent.files, sent.there), (33, 0));
    let code = stage.code(&bob.client, &bob.address).await;
    bob.client.sign_in(&bob.address, &code).await.unwrap();
    assert_same(&root, &bob.receive(sent.list.file_id).await.unwrap().path.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_and_folders_go_as_one_and_plain_mistakes_are_told_first() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 3);
    let (one, other) = (alice.file("a.txt", b"a"), alice.file("b.txt", b"b"));
    let sent = send(&alice, &bob, &[&one, &other, &root]).await.unwrap();
    assert_eq!((sent.list.name.as_str(), sent.files), ("8 files", 8));
    let came = bob.receive(sent.list.file_id).await.unwrap().path.unwrap();
    assert_same(&root, &came.join("photos"));
    assert_eq!(std::fs::read(came.join("b.txt")).unwrap(), b"b");
    let twice = send(&alice, &bob, &[&one, &one]).await.unwrap_err();
    assert!(matches!(twice, Error::Folder(_)), "{twice}");
    std::fs::write(root.join("NOTHING"), b"").unwrap();
    let alike = send(&alice, &bob, &[&root]).await.unwrap_err();
    assert!(alike.to_string().contains("NOTHING and nothing"), "{alike}");
    let lone = alice.folder.join("lone");
    std::fs::create_dir_all(&lone).unwrap();
    let nothing = send(&alice, &bob, &[&lone]).await.unwrap_err();
    assert!(matches!(nothing, Error::NothingToSend), "{nothing}");
    use std::os::unix::ffi::OsStrExt;
    std::fs::write(lone.join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
    let odd = send(&alice, &bob, &[&lone]).await.unwrap_err();
    assert!(matches!(odd, Error::NotUnicode(_)), "{odd}");
    let out = bob.receive_into(sent.list.file_id, Target::Writer(Box::new(Vec::new()))).await.unwrap_err();
    assert!(matches!(out, Error::FolderToOutput), "{out}");
    let file = alice.send(&one, &bob).await.unwrap();
    for target in [Target::List, some(&bob.folder, &["x"])] {
        let error = bob.receive_into(file.file_id, target).await.unwrap_err();
        assert!(matches!(error, Error::NotAFolder), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_a_folder_without_an_account() {
    let (stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 130);
    let id = send(&alice, &alice, &[&root]).await.unwrap().list.file_id;
    let once = LinkLimits { max_downloads: Some(1), ..LinkLimits::default() };
    let (address, _) = alice.client.make_link(&alice.keys, id, None, once).await.unwrap();
    let link = LinkAddress::parse(&address.expose_secret()).unwrap();
    let home = client::Home::open(stage.folder.path().join("visitor")).unwrap();
    let visitor = Client::open(home, Stage::options()).unwrap();
    let (told, cancel, folder) = (Told::default(), Cancel::new(), stage.folder.path().join("got"));
    std::fs::create_dir_all(&folder).unwrap();
    for (target, fetched) in [(Target::List, 0), (some(&folder, &["part 2"]), 30), (into(&folder), 103)] {
        let got = visitor.receive_link(&link, None, Some(stage.ca()), target, &told, &cancel).await.unwrap();
        assert_eq!((got.folder.unwrap().fetched, got.sender.trust), (fetched, Trust::FirstContact));
    }
    assert_same(&root, &folder.join("photos"));
    assert_eq!(alice.client.links().await.unwrap()[0].downloads, 1, "three tries of one download");
    assert!(
        matches!(bob.receive(id).await.unwrap_err(), Error::NotFound),
        "a link gives nobody else anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_or_removed_is_gone_with_all_that_is_in_it() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 10);
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    alice.client.revoke(&alice.keys, id, &bob.address).await.unwrap();
    assert!(matches!(bob.receive(id).await.unwrap_err(), Error::NotFound));
    assert_eq!(alice.client.remove(&alice.keys, id).await.unwrap(), Removed::ForEveryone);
    assert_eq!(alice.client.whoami().await.unwrap().used_bytes, 0);
    assert!(matches!(alice.receive(id).await.unwrap_err(), Error::NotFound));
    assert_eq!(bob.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_only_where_nothing_is_or_into_its_own() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 5);
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    let taken = bob.folder.join("photos");
    // Somebody's own folder of that name, such as one that programs read their settings from.
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("mine"), b"mine").unwrap();
    let refused = bob.receive(id).await.unwrap_err();
    assert!(matches!(refused, Error::TargetExists(_)), "{refused}");
    assert_eq!(content(&taken).len(), 1);
    assert_eq!(alice.client.info(&alice.keys, id).await.unwrap().downloads, 0, "and nothing was counted");
    let both = || Target::Directory { path: bob.folder.clone(), on_conflict: OnConflict::KeepBoth };
    let beside = bob.receive_into(id, both()).await.unwrap();
    assert_eq!(beside.path.as_deref(), Some(bob.folder.join("photos (1)").as_path()));
    let again = bob.receive_into(id, both()).await.unwrap();
    assert_eq!((again.path, again.folder.unwrap().fetched), (beside.path, 0), "its own is found again");
    std::fs::write(bob.folder.join("photos (1)/nothing"), b"mine").unwrap();
    let changed = bob.receive_into(id, Target::file(bob.folder.join("photos (1)"))).await.unwrap_err();
    assert!(matches!(changed, Error::TargetExists(_)), "{changed}");
    assert_eq!(std::fs::read(bob.folder.join("photos (1)/nothing")).unwrap(), b"mine");
    let replace = Target::Directory { path: bob.folder.clone(), on_conflict: OnConflict::Replace };
    bob.receive_into(id, replace).await.unwrap();
    assert_eq!(std::fs::read(taken.join("mine")).unwrap(), b"mine");
    assert_eq!(content(&taken).len(), content(&root).len() + 1);
    let elsewhere = bob.folder.join("elsewhere");
    std::os::unix::fs::symlink(&taken, bob.folder.join("a link")).unwrap();
    let link = bob.receive_into(id, Target::file(bob.folder.join("a link"))).await.unwrap_err();
    assert!(matches!(link, Error::TargetExists(_)), "{link}");
    bob.receive_into(id, Target::file(&elsewhere)).await.unwrap();
    assert_same(&root, &elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_brings_folders_too_and_only_once() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 20);
    send(&alice, &bob, &[&root]).await.unwrap();
    alice.send(&alice.file("a.txt", b"a"), &bob).await.unwrap();
    for expected in [2, 0] {
        let request = ReceiveAll { from: None, folder: bob.folder.clone(), on_conflict: OnConflict::Refuse };
        let mut news = 0;
        let mut on_received =
            |_, outcome: Result<Option<Received>, Error>| news += u32::from(outcome.unwrap().is_some());
        let (told, cancel) = (Told::default(), Cancel::new());
        bob.client.receive_all(&bob.keys, &request, &told, &cancel, &mut on_received).await.unwrap();
        assert_eq!(news, expected);
    }
    assert_same(&root, &bob.folder.join("photos"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_here_whole_is_not_downloaded_again_with_everything() {
    let (_stage, alice, bob) = two().await;
    let root = tree(&alice, "photos", 20);
    let id = send(&alice, &bob, &[&root]).await.unwrap().list.file_id;
    let request = ReceiveAll { from: None, folder: bob.folder.clone(), on_conflict: OnConflict::Refuse };
    let everything = async || {
        let mut news = 0;
        let mut on_received =
            |_, outcome: Result<Option<Received>, Error>| news += u32::from(outcome.unwrap().is_some());
        let (told, cancel) = (Told::default(), Cancel::new());
        bob.client.receive_all(&bob.keys, &request, &told, &cancel, &mut on_received).await.unwrap();
        let downloads = alice.client.info(&alice.keys, id).await.unwrap().downloads;
        (news, downloads)
    };
    assert_eq!(everything().await, (1, 1));
    assert_eq!(everything().await, (0, 1));
    // What somebody took out of it is put back, and that is another download.
    let here = bob.folder.join("photos");
    let one = content(&here).into_iter().find_map(|(path, bytes)| bytes.map(|_| path)).unwrap();
    std::fs::remove_file(here.join(one)).unwrap();
    assert_eq!(everything().await.1, 2);
    assert_same(&root, &here);
}
