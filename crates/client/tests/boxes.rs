//! Drop boxes against a real server, and against one that lies.

use crate::resume::{Stuck, stuck_after};
use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise};
use client::{
    BoxAddress, BoxId, BoxWish, Cancel, Client, Error, FileId, FilePaging, FileSummary, Home, Role,
    SendRequest, Sent, Trust,
};
use proto::{B64, BoxView, FileInfo, FilePage};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TITLE: &str = "Applications, autumn";
const NOTE: &str = "One file each, please.";

fn wish() -> BoxWish {
    BoxWish {
        title: TITLE.to_owned(),
        note: NOTE.to_owned(),
        max_files: Some(10),
        max_size: None,
        expires_in: Duration::from_secs(86_400),
    }
}

async fn made(owner: &Person, wish: &BoxWish) -> (BoxId, String) {
    let made = owner.client.make_box(&owner.keys, wish).await.unwrap();
    (made.box_id, made.address.expose_secret().to_string())
}

/// Whoever was given the address: no account, no keys, no server.
struct Visitor {
    client: Client,
    folder: PathBuf,
}

impl Visitor {
    fn new(stage: &Stage, name: &str) -> Self {
        let folder = stage.folder.path().join(format!("from-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let home = stage.folder.path().join(format!("visitor-{name}"));
        Self { client: Client::open(Home::open(home).unwrap(), Stage::options()).unwrap(), folder }
    }

    /// The next process of the same visitor: state from disk alone.
    fn again(&self) -> Self {
        let home = Home::open(self.client.home().path()).unwrap();
        Self { client: Client::open(home, Stage::options()).unwrap(), folder: self.folder.clone() }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn send(&self, path: &Path, address: &str, ca: &str) -> client::Result<Sent> {
        self.send_request(SendRequest::file(path, Vec::new()), address, ca).await
    }

    async fn send_request(&self, request: SendRequest, address: &str, ca: &str) -> client::Result<Sent> {
        let address = BoxAddress::parse(address).unwrap();
        let visit = self.client.visit_box(&address, Some(ca)).await?;
        self.client.send_into(&visit, None, request, &Told::default(), &Cancel::new()).await
    }
}

async fn arrivals(owner: &Person, id: BoxId) -> (Vec<FileSummary>, Vec<FileId>) {
    let paging = FilePaging { into_box: Some(id), ..FilePaging::default() };
    let list = owner.client.list(&owner.keys, paging).await.unwrap();
    (list.files, list.refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_an_account_sends_and_the_owner_is_told_that_nobody_signed() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (id, address) = made(&alice, &wish()).await;
    let visitor = Visitor::new(&stage, "v");
    let visit =
        visitor.client.visit_box(&BoxAddress::parse(&address).unwrap(), Some(stage.ca())).await.unwrap();
    assert_eq!((visit.title(), visit.note(), visit.owner()), (Some(TITLE), NOTE, &alice.address));
    assert_eq!((visit.max_files(), visit.max_size()), (Some(10), None));
    assert!(!visitor.client.signs_for(&visit).unwrap());
    for (n, len) in [(1, 0), (2, 1_000), (3, 3 << 20)] {
        let content = noise(len, n);
        let path = visitor.file(&format!("letter-{n}.pdf"), &content);
        let sent = visitor.send(&path, &address, stage.ca()).await.unwrap();
        let info = alice.client.info(&alice.keys, sent.file_id).await.unwrap();
        assert_eq!((info.role, info.box_id), (Role::Recipient, Some(id)));
        assert_eq!((info.sender.trust, info.sender.address), (Trust::Anonymous, None));
        let got = alice.receive(sent.file_id).await.unwrap();
        assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
        assert_eq!((got.name, got.sender.trust), (format!("letter-{n}.pdf"), Trust::Anonymous));
    }
    let (files, refused) = arrivals(&alice, id).await;
    assert_eq!((files.len(), refused.len()), (3, 0));
    assert!(visitor.client.uploads().unwrap().is_empty(), "no journal is left");
    // They are the owner's to delete.
    alice.client.remove(&alice.keys, files[0].file_id).await.unwrap();
    assert_eq!(arrivals(&alice, id).await.0.len(), 2);
    assert_eq!(alice.client.boxes(&alice.keys).await.unwrap().boxes[0].arrivals, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_into_a_box_and_an_address_without_the_key_shows_no_title() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (_, address) = made(&alice, &wish()).await;
    let (place, fragment) = address.split_once('#').unwrap();
    let bare = format!("{place}#1.{}", fragment.rsplit('.').next().unwrap());
    let visitor = Visitor::new(&stage, "v");
    let visit = visitor.client.visit_box(&BoxAddress::parse(&bare).unwrap(), Some(stage.ca())).await.unwrap();
    assert_eq!((visit.title(), visit.note()), (None, ""));
    let content = noise(2_500_000, 5);
    let stream = SendRequest::stream(Box::new(Cursor::new(content.clone())), "noise.bin", Vec::new());
    let sent = visitor.send_request(stream, &bare, stage.ca()).await.unwrap();
    let got = alice.receive(sent.file_id).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_keys_at_the_server_signs_and_arrives_in_the_box_as_who_they_are() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let (id, address) = made(&alice, &wish()).await;
    let address = BoxAddress::parse(&address).unwrap();
    let path = bob.file("signed.pdf", &noise(1_500_000, 2));
    let visit = bob.client.visit_box(&address, None).await.unwrap();
    assert!(bob.client.signs_for(&visit).unwrap());
    let sends = async |me| {
        let request = SendRequest::file(&path, Vec::new());
        bob.client.send_into(&visit, me, request, &Told::default(), &Cancel::new()).await.unwrap()
    };
    let (sent, unsigned) = (sends(Some(&bob.keys)).await, sends(None).await);
    assert_ne!(sent.file_id, unsigned.file_id);
    let (files, _) = arrivals(&alice, id).await;
    let seen = |file_id| files.iter().find(|file| file.file_id == file_id).unwrap();
    assert_eq!(seen(sent.file_id).sender.address, Some(bob.address.clone()));
    assert_eq!(seen(sent.file_id).sender.trust, Trust::FirstContact);
    assert_eq!(seen(sent.file_id).box_id, Some(id));
    assert_eq!(seen(unsigned.file_id).sender.trust, Trust::Anonymous);
    alice.receive(sent.file_id).await.unwrap();
    // Into one's own box.
    let own = alice.client.visit_box(&address, None).await.unwrap();
    assert_eq!(own.trust(), Trust::Own);
    let path = alice.file("mine.txt", b"x");
    let request = SendRequest::file(&path, Vec::new());
    let told = Told::default();
    alice.client.send_into(&own, Some(&alice.keys), request, &told, &Cancel::new()).await.unwrap();
    assert_eq!(arrivals(&alice, id).await.0.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_a_visitor_that_was_killed_goes_on_and_sends_no_finished_part_twice() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (_, address) = made(&alice, &wish()).await;
    let Stuck { proxy, stuck, open } = stuck_after(&stage, 4).await;
    let through = address.replace(stage.url(), proxy.url());
    let visitor = Visitor::new(&stage, "v");
    let content = noise(9 << 20, 1);
    let path = visitor.file("big.tar", &content);
    tokio::select! {
        sent = visitor.send(&path, &through, proxy.ca()) => panic!("{sent:?}"),
        () = stuck.notified() => {}
    }
    let unfinished = visitor.client.uploads().unwrap();
    assert_eq!((unfinished.len(), &unfinished[0].to), (1, &vec![alice.address.clone()]));
    // Its file key is sealed in the journal, and what seals it is for this person alone.
    let home = visitor.client.home().path().to_path_buf();
    assert!(home.join("visitor.key").exists());
    let next = visitor.again();
    drop(visitor);
    open.store(true, std::sync::atomic::Ordering::SeqCst);
    let sent = next.send(&path, &through, proxy.ca()).await.unwrap();
    assert_eq!(sent.file_id, unfinished[0].file_id);
    assert!(sent.resumed_parts >= 4, "{}", sent.resumed_parts);
    assert_eq!((sent.received_parts, sent.received_bytes), (sent.parts, sent.body_len), "nothing twice");
    assert!(next.client.uploads().unwrap().is_empty());
    let got = alice.receive(sent.file_id).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_a_visitor_is_given_up_here_and_at_the_server() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (_, address) = made(&alice, &BoxWish { max_files: Some(1), ..wish() }).await;
    let Stuck { proxy, stuck, .. } = stuck_after(&stage, 1).await;
    let visitor = Visitor::new(&stage, "v");
    // Known as the configured server, with its authority.
    visitor.client.configure_server(proxy.url(), Some(proxy.ca())).unwrap();
    let path = visitor.file("big.tar", &noise(5 << 20, 1));
    let through = address.replace(stage.url(), proxy.url());
    tokio::select! {
        sent = visitor.send(&path, &through, proxy.ca()) => panic!("{sent:?}"),
        () = stuck.notified() => {}
    }
    let other = Visitor::new(&stage, "w");
    let small = other.file("small", b"x");
    let error = other.send(&small, &address, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::BoxFull), "{error:?}");
    let unfinished = visitor.client.uploads().unwrap();
    let next = visitor.again();
    drop(visitor);
    next.client.abandon_upload(unfinished[0].file_id).await.unwrap();
    assert!(next.client.uploads().unwrap().is_empty());
    other.send(&small, &address, stage.ca()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_that_the_owner_signed_hold_before_anything_is_sent() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (id, address) =
        made(&alice, &BoxWish { max_size: Some(1 << 20), max_files: Some(2), ..wish() }).await;
    let visitor = Visitor::new(&stage, "v");
    let most = visitor.file("most", &noise(1 << 20, 1));
    visitor.send(&most, &address, stage.ca()).await.unwrap();
    let proxy = Proxy::start(
        &stage,
        |exchange| {
            if exchange.path.contains("/uploads") { Answer::Drop } else { Answer::Forward }
        },
        |_| {},
    )
    .await;
    let more = visitor.file("more", &noise((1 << 20) + 100_000, 2));
    let through = address.replace(stage.url(), proxy.url());
    let error = visitor.send(&more, &through, proxy.ca()).await.unwrap_err();
    assert!(matches!(error, Error::TooLargeForBox), "{error:?}");
    let stream = SendRequest::stream(Box::new(Cursor::new(noise(3 << 20, 3))), "more", Vec::new());
    let error = visitor.send_request(stream, &address, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::TooLargeForBox), "{error:?}");
    let again = visitor.file("again", b"x");
    visitor.send(&again, &address, stage.ca()).await.unwrap();
    let third = visitor.file("third", b"x");
    let error = visitor.send(&third, &address, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::BoxFull), "{error:?}");
    alice.client.close_box(id).await.unwrap();
    let error = visitor.send(&third, &address, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::BoxClosed), "{error:?}");
    assert!(matches!(alice.client.close_box(id).await.unwrap_err(), Error::BoxClosed));
    assert_eq!(arrivals(&alice, id).await.0.len(), 2, "what came stays");
    assert!(visitor.client.uploads().unwrap().is_empty());
}

/// Changes what the server shows of a box.
fn shown(change: impl Fn(&mut BoxView) + Send + Sync + 'static) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path.contains("/boxes/") && exchange.method == "GET" && exchange.status == 200 {
            let mut view: BoxView = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut view);
            exchange.reply = serde_json::to_vec(&view).unwrap();
        }
    }
}

async fn view_of(stage: &Stage, visitor: &Visitor, address: &str) -> BoxView {
    let noted = Arc::new(Mutex::new(None));
    let note = noted.clone();
    let note = shown(move |view| *note.lock().unwrap() = Some(view.clone()));
    let proxy = Proxy::start(stage, |_| Answer::Forward, note).await;
    let through = BoxAddress::parse(&address.replace(stage.url(), proxy.url())).unwrap();
    visitor.client.visit_box(&through, Some(proxy.ca())).await.unwrap();
    noted.lock().unwrap().take().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shows_another_owner_title_or_box_gets_nothing() {
    let stage = Stage::new().await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    let (_, address) = made(&alice, &wish()).await;
    let (_, second) = made(&alice, &BoxWish { title: "Another".into(), ..wish() }).await;
    let (_, theirs) = made(&mallory, &wish()).await;
    let visitor = Visitor::new(&stage, "v");
    let own = view_of(&stage, &visitor, &address).await;
    let second = view_of(&stage, &visitor, &second).await;
    let theirs = view_of(&stage, &visitor, &theirs).await;
    let flipped = |bytes: &B64, at: usize| {
        let mut bytes = bytes.clone();
        bytes.0[at] ^= 1;
        bytes
    };
    let len = own.description.0.len();
    type Lie = Box<dyn Fn(&mut BoxView) + Send + Sync>;
    let said = |description: B64| -> Lie { Box::new(move |view| view.description = description.clone()) };
    let (mixed, both) = (theirs.clone(), [own.owner_chain.clone(), theirs.owner_chain.clone()].concat());
    let author = theirs.owner;
    let lies: Vec<(&str, Lie)> = vec![
        ("another box of the owner's", said(second.description.clone())),
        ("a box of somebody else's", said(theirs.description.clone())),
        ("an altered title", said(flipped(&own.description, len - 100))),
        ("an altered limit", said(flipped(&own.description, 75))),
        ("an altered end", said(flipped(&own.description, 70))),
        ("an altered signature", said(flipped(&own.description, len - 1))),
        ("a box of an altered id", said(flipped(&own.description, 10))),
        ("everything of somebody else's", Box::new(move |view| *view = mixed.clone())),
        ("keys of somebody else", {
            let chain = theirs.owner_chain.clone();
            Box::new(move |view| {
                view.owner_chain = chain.clone();
                view.owner = author;
            })
        }),
        ("keys of two people", {
            Box::new(move |view| {
                view.owner_chain = both.clone();
                view.owner = author;
            })
        }),
        ("altered keys", {
            let chain = vec![flipped(&own.owner_chain[0], 100)];
            Box::new(move |view| view.owner_chain = chain.clone())
        }),
        ("no keys", Box::new(|view| view.owner_chain.clear())),
    ];
    let path = visitor.file("secret.pdf", b"for alice alone");
    for (what, lie) in lies {
        let uploads = Arc::new(Mutex::new(0));
        let counted = uploads.clone();
        let before = move |exchange: &Exchange| {
            *counted.lock().unwrap() += u32::from(exchange.path.contains("/uploads"));
            Answer::Forward
        };
        let proxy = Proxy::start(&stage, before, shown(lie)).await;
        let through = address.replace(stage.url(), proxy.url());
        let error = visitor.send(&path, &through, proxy.ca()).await.expect_err(what);
        assert!(matches!(error, Error::BoxDiffers), "{what}: {error:?}");
        assert_eq!(*uploads.lock().unwrap(), 0, "{what}");
    }
    // A key that is not the box's.
    let (place, fragment) = address.split_once('#').unwrap();
    let other = format!("{place}#1k.AAAA{}", &fragment[7..]);
    let error = visitor.send(&path, &other, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::BoxDiffers), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_that_is_shown_under_another_box_or_none_is_refused() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let (id, address) = made(&alice, &wish()).await;
    let (other, _) = made(&alice, &wish()).await;
    let visitor = Visitor::new(&stage, "v");
    let path = visitor.file("letter.pdf", b"dear alice");
    let sent = visitor.send(&path, &address, stage.ca()).await.unwrap();
    for shown in [Some(other), None] {
        let moved = move |exchange: &mut Exchange| {
            if exchange.path.starts_with("/api/v1/files") && exchange.status == 200 {
                if let Ok(mut page) = serde_json::from_slice::<FilePage>(&exchange.reply) {
                    page.files.iter_mut().for_each(|info| info.box_id = shown);
                    exchange.reply = serde_json::to_vec(&page).unwrap();
                } else if let Ok(mut info) = serde_json::from_slice::<FileInfo>(&exchange.reply) {
                    info.box_id = shown;
                    exchange.reply = serde_json::to_vec(&info).unwrap();
                }
            }
        };
        let proxy = Proxy::start(&stage, |_| Answer::Forward, moved).await;
        alice.through(&proxy);
        let code = stage.code(&alice.client, &alice.address).await;
        alice.client.sign_in(&alice.address, &code).await.unwrap();
        let list = alice.client.list(&alice.keys, FilePaging::default()).await.unwrap();
        assert_eq!((list.files.len(), list.refused), (0, vec![sent.file_id]), "{shown:?}");
        let error = alice.receive(sent.file_id).await.unwrap_err();
        assert!(matches!(error, Error::NotAuthentic), "{error:?}");
        assert!(alice.names().is_empty());
    }
    // A signed file is its signer's, whatever box it is said to have come by.
    alice.client.configure_server(stage.url(), Some(stage.ca())).unwrap();
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let path = bob.file("signed.pdf", b"dear alice");
    let signed = bob.send(&path, &alice).await.unwrap();
    let info = alice.client.info(&alice.keys, signed.file_id).await.unwrap();
    assert_eq!((info.sender.address, info.box_id), (Some(bob.address.clone()), None));
    assert_eq!(arrivals(&alice, id).await.0.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_outlives_a_rotation_of_its_owners_keys_and_so_does_what_came() {
    let stage = Stage::new().await;
    let mut alice = stage.person("alice").await;
    let (id, address) = made(&alice, &wish()).await;
    let visitor = Visitor::new(&stage, "v");
    let path = visitor.file("before.pdf", b"before");
    let before = visitor.send(&path, &address, stage.ca()).await.unwrap();
    alice.keys = alice.client.rotate(&alice.keys, &crate::rotation::new(), None).await.unwrap();
    let path = visitor.file("after.pdf", b"after");
    let after = visitor.send(&path, &address, stage.ca()).await.unwrap();
    let done = alice.client.rewrap(&alice.keys, &Told::default(), &Cancel::new()).await.unwrap();
    assert_eq!((done.done, done.already, done.refused.len()), (1, 1, 0));
    for sent in [before, after] {
        let got = alice.receive(sent.file_id).await.unwrap();
        assert_eq!(got.sender.trust, Trust::Anonymous);
    }
    let boxes = alice.client.boxes(&alice.keys).await.unwrap();
    assert_eq!((boxes.boxes.len(), boxes.refused.len()), (1, 0));
    assert_eq!((boxes.boxes[0].box_id, boxes.boxes[0].title.as_str()), (id, TITLE));
    assert_eq!(*boxes.boxes[0].address.expose_secret(), address, "the same address as ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_title_nor_note_nor_key_nor_name_reaches_the_server() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let wire: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (there, back) = (wire.clone(), wire.clone());
    let before = move |exchange: &Exchange| {
        let mut wire = there.lock().unwrap();
        wire.extend_from_slice(exchange.path.as_bytes());
        wire.extend_from_slice(&exchange.body);
        Answer::Forward
    };
    let proxy =
        Proxy::start(&stage, before, move |exchange| back.lock().unwrap().extend(&exchange.reply)).await;
    alice.through(&proxy);
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let (_, address) = made(&alice, &wish()).await;
    let visitor = Visitor::new(&stage, "v");
    let path = visitor.file("conspicuous-name.pdf", b"dear alice");
    visitor.send(&path, &address, proxy.ca()).await.unwrap();
    alice.client.boxes(&alice.keys).await.unwrap();
    let fragment = address.split_once('#').unwrap().1;
    let key = fragment.split('.').nth(1).unwrap();
    let raw = B64::parse(key).unwrap().0;
    let words = [TITLE.as_bytes(), NOTE.as_bytes(), key.as_bytes(), &raw, b"conspicuous", b"dear alice"];
    let holds = |bytes: &[u8], what: &str| {
        for word in words {
            assert!(!bytes.windows(word.len()).any(|piece| piece == word), "{what}");
        }
    };
    holds(&wire.lock().unwrap(), "the wire");
    let mut folders = vec![stage.folder.path().join("server")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                holds(&std::fs::read(&path).unwrap(), "the server's folder");
            }
        }
    }
    assert!(files > 3);
}
