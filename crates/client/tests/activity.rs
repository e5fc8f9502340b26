//! Activity and receipts: what the server says is compared with what was seen before and with what people signed.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, noise, passphrase};
use client::{
    ActivityFilter, Class, ClientOptions, Error, EventKind, FileId, LogFault, LogHead, ReceiptState,
};
use proto::{ActivityPage, B64, FileInfo, Heads};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Lie = Box<dyn Fn(&mut Exchange) + Send + Sync>;

/// A way to the server whose operator begins and ceases to lie, under one address.
#[derive(Clone, Default)]
struct Liar(Arc<Mutex<Option<Lie>>>);

impl Liar {
    async fn before(stage: &Stage) -> (Self, Proxy) {
        let liar = Self::default();
        let told = liar.clone();
        let lie = move |exchange: &mut Exchange| {
            if let Some(lie) = told.0.lock().unwrap().as_ref() {
                lie(exchange);
            }
        };
        let proxy = Proxy::start(stage, |_| Answer::Forward, lie).await;
        (liar, proxy)
    }

    fn tell(&self, lie: impl Fn(&mut Exchange) + Send + Sync + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(lie));
    }

    fn be_honest(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// Goes through the proxy from now on, signed in there.
async fn move_to(stage: &Stage, person: &Person, proxy: &Proxy) {
    person.through(proxy);
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
}

fn in_page(
    change: impl Fn(&mut ActivityPage) + Send + Sync + 'static,
) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path.starts_with("/api/v1/activity") && !exchange.path.contains("/heads") {
            let mut page: ActivityPage = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut page);
            exchange.reply = serde_json::to_vec(&page).unwrap();
        }
    }
}

fn in_heads(change: impl Fn(&mut Heads) + Send + Sync + 'static) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path.contains("/activity/heads") {
            let mut heads: Heads = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut heads);
            exchange.reply = serde_json::to_vec(&heads).unwrap();
        }
    }
}

fn in_info(change: impl Fn(&mut FileInfo) + Send + Sync + 'static) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.method == "GET" && exchange.path.starts_with("/api/v1/files/") {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut info);
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    }
}

async fn look(person: &Person) -> client::Result<client::Activity> {
    person.client.activity(&ActivityFilter::default()).await
}

/// What is refused, and that it is told in words with something to do.
async fn refused(person: &Person) -> LogFault {
    let error = look(person).await.expect_err("the log is not the one that was seen");
    assert_eq!(error.class(), Class::Authentication);
    assert!(error.to_string().starts_with("the server's log of activity "), "{error}");
    assert!(error.hint().unwrap().contains("--accept-log"));
    match error {
        Error::Log(fault) => fault,
        other => panic!("{other}"),
    }
}

/// Something happens and is sealed.
async fn grow(stage: &Stage, person: &Person) -> LogHead {
    let code = stage.code(&person.client, &person.address).await;
    person.client.sign_in(&person.address, &code).await.unwrap();
    stage.run_jobs().await;
    look(person).await.unwrap().head.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activity_tells_people_by_address_and_narrows_by_filter() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let sent = alice.send(&alice.file("notes.txt", b"notes"), &bob).await.unwrap();
    bob.receive(sent.file_id).await.unwrap();
    let page = look(&alice).await.unwrap();
    let kinds: Vec<&str> = page.events.iter().rev().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "account_made",
            "signed_in",
            "keys_published",
            "file_sent",
            "file_shared",
            "file_fetched",
            "file_opened"
        ]
    );
    let opened = &page.events[0];
    assert_eq!((opened.actor.address.as_ref(), opened.actor.is_me), (Some(&bob.address), false));
    assert_eq!((opened.file_id, opened.agent.as_ref()), (Some(sent.file_id), None));
    let shared = &page.events[2];
    assert_eq!(shared.other.as_ref().unwrap().address.as_ref(), Some(&bob.address));
    let filter =
        ActivityFilter { kind: Some(EventKind::SignedIn), limit: Some(1), ..ActivityFilter::default() };
    let own = alice.client.activity(&filter).await.unwrap().events;
    assert_eq!((own.len(), own[0].means.as_deref(), own[0].actor.is_me), (1, Some("code"), true));
    assert!(own[0].agent.as_ref().unwrap().starts_with("wax/"));
    let about = ActivityFilter { file: Some(sent.file_id), ..ActivityFilter::default() };
    assert_eq!(alice.client.activity(&about).await.unwrap().events.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grows_is_followed_also_by_the_next_process() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    assert!(look(&alice).await.unwrap().first_look);
    let mut last = grow(&stage, &alice).await;
    for _ in 0..3 {
        let again = stage.again(&alice, Stage::options()).await;
        let head = grow(&stage, &again).await;
        assert!(head.seq > last.seq);
        assert!(!look(&again).await.unwrap().first_look);
        last = head;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_end_was_cut_is_refused() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (liar, proxy) = Liar::before(&stage).await;
    move_to(&stage, &alice, &proxy).await;
    let first = grow(&stage, &alice).await;
    // The honest server's own words of a moment ago: everything in them is signed.
    let old = Arc::new(Mutex::new(None));
    let note = old.clone();
    liar.tell(in_page(move |page| *note.lock().unwrap() = Some(page.log.clone())));
    look(&alice).await.unwrap();
    liar.be_honest();
    let second = grow(&stage, &alice).await;
    let old = old.lock().unwrap().clone().unwrap();
    liar.tell(in_page(move |page| page.log = old.clone()));
    assert_eq!(refused(&alice).await, LogFault::Cut { seen: second.seq, shown: first.seq });
    liar.tell(in_page(|page| page.log.newest = None));
    assert_eq!(refused(&alice).await, LogFault::Cut { seen: second.seq, shown: 0 });
    liar.be_honest();
    assert_eq!(look(&alice).await.unwrap().head, Some(second), "the honest twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_under_another_key_is_refused() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (liar, proxy) = Liar::before(&stage).await;
    move_to(&stage, &alice, &proxy).await;
    let head = grow(&stage, &alice).await;
    liar.tell(in_page(|page| page.log.key = B64(vec![7; 32])));
    assert_eq!(refused(&alice).await, LogFault::OtherKey);
    liar.tell(in_page(|page| page.log.newest.as_mut().unwrap().signature.0[3] ^= 1));
    assert_eq!(refused(&alice).await, LogFault::Signature);
    liar.tell(in_page(|page| page.log.newest.as_mut().unwrap().head.seq += 1));
    assert_eq!(refused(&alice).await, LogFault::Signature);
    liar.be_honest();
    assert_eq!(look(&alice).await.unwrap().head, Some(head), "the honest twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_rewritten_is_refused_until_a_person_accepts_it() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let (liar, proxy) = Liar::before(&stage).await;
    move_to(&stage, &alice, &proxy).await;
    let seen = grow(&stage, &alice).await.seq;
    let rewritten = LogFault::Rewritten { seen };
    let next = stage.again(&alice, Stage::options()).await;
    let code = stage.code(&next.client, &next.address).await;
    next.client.sign_in(&next.address, &code).await.unwrap();
    stage.run_jobs().await;
    // Another history leads elsewhere, whatever it looks like on the way.
    let lies: [fn(&mut Heads); 4] = [
        |heads| heads.links[0].count += 1,
        |heads| heads.links[0].last_time -= 1,
        |heads| heads.links.clear(),
        |heads| heads.links[0].seq += 1,
    ];
    for lie in lies {
        liar.tell(in_heads(lie));
        assert_eq!(refused(&next).await, rewritten);
    }
    liar.be_honest();
    let head = look(&next).await.unwrap().head.unwrap();
    assert!(head.seq > seen, "the honest twin");
    // A server that seals another history with its own key: it signs the same number, over something else.
    let path = next.client.home().path().join("audit.json");
    let memory = std::fs::read_to_string(&path).unwrap();
    let hash = head.hash.to_string();
    let other: String = hash.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    assert!(memory.contains(&hash));
    std::fs::write(&path, memory.replace(&hash, &other)).unwrap();
    assert_eq!(refused(&next).await, LogFault::Rewritten { seen: head.seq });
    next.client.accept_log().await.unwrap();
    let accepted = look(&next).await.unwrap();
    assert!(accepted.first_look && accepted.head == Some(head));
    assert!(!look(&next).await.unwrap().first_look);
}

/// Alice, Bob, and two files from her to him that he opened.
async fn opened(stage: &Stage) -> (Person, Person, [FileId; 2]) {
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let mut ids = Vec::new();
    for n in 0..2 {
        let path = alice.file(&format!("file-{n}"), &noise(1_000, n));
        let id = alice.send(&path, &bob).await.unwrap().file_id;
        bob.receive(id).await.unwrap();
        ids.push(id);
    }
    (alice, bob, [ids[0], ids[1]])
}

async fn states(alice: &Person, id: FileId) -> Vec<ReceiptState> {
    let info = alice.client.info(&alice.keys, id).await.unwrap();
    info.receipts.iter().map(|receipt| receipt.state).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_the_first_opening_is_verified_by_the_sender() {
    let stage = Stage::new().await;
    let (alice, mut bob, ids) = opened(&stage).await;
    let info = alice.client.info(&alice.keys, ids[0]).await.unwrap();
    assert_eq!(info.receipts.len(), 1);
    assert_eq!(info.receipts[0].address.as_ref(), Some(&bob.address));
    assert_eq!(info.receipts[0].state, ReceiptState::Verified);
    assert_eq!(bob.client.info(&bob.keys, ids[0]).await.unwrap().receipts, []);
    // The root that signed counts also when it was replaced twice since, and only the newest one is pinned.
    for _ in 0..2 {
        bob.keys = bob.client.rotate(&bob.keys, &passphrase(), None).await.unwrap();
    }
    alice.client.forget_contact(&bob.address).unwrap();
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Unknown]);
    alice.client.lookup(std::slice::from_ref(&bob.address)).await.unwrap();
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Verified]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_the_server_made_up_is_worth_nothing() {
    let stage = Stage::new().await;
    let (alice, _, ids) = opened(&stage).await;
    let (liar, proxy) = Liar::before(&stage).await;
    move_to(&stage, &alice, &proxy).await;
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Verified], "the honest twin");
    // A genuine receipt of another file.
    let genuine = Arc::new(Mutex::new(None));
    let note = genuine.clone();
    liar.tell(in_info(move |info| *note.lock().unwrap() = Some(info.receipts[0].clone())));
    states(&alice, ids[1]).await;
    let genuine = genuine.lock().unwrap().clone().unwrap();
    liar.tell(in_info(move |info| info.receipts[0] = genuine.clone()));
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Forged]);
    let lies: [fn(&mut FileInfo); 4] = [
        |info| info.receipts[0].opened -= 60,
        |info| info.receipts[0].signature.0[9] ^= 1,
        |info| info.receipts[0].signature.0.truncate(63),
        |info| info.receipts[0].signature = B64(vec![0; 64]),
    ];
    for lie in lies {
        liar.tell(in_info(lie));
        assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Forged]);
    }
    liar.tell(in_info(|info| info.receipts[0].user = client::UserId::from_bytes([9; 16])));
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Unknown], "nobody that she knows");
    liar.be_honest();
    assert_eq!(states(&alice, ids[0]).await, [ReceiptState::Verified]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_want_to_gives_no_receipt() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let options = ClientOptions { give_receipts: false, ..Stage::options() };
    let bob = stage.person_with("bob", options).await;
    let id = alice.send(&alice.file("notes", b"notes"), &bob).await.unwrap().file_id;
    bob.receive(id).await.unwrap();
    assert_eq!(states(&alice, id).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_cannot_be_given_fails_nothing_and_is_given_later_and_once() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let id = alice.send(&alice.file("notes", b"notes"), &bob).await.unwrap().file_id;
    let (is_away, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (away, count) = (is_away.clone(), asked.clone());
    let before = move |exchange: &Exchange| {
        if !exchange.path.ends_with("/receipt") {
            return Answer::Forward;
        }
        count.fetch_add(1, Ordering::SeqCst);
        if away.load(Ordering::SeqCst) { Answer::Drop } else { Answer::Forward }
    };
    let proxy = Proxy::start(&stage, before, |_| {}).await;
    move_to(&stage, &bob, &proxy).await;
    for (expected, there) in [(vec![], true), (vec![ReceiptState::Verified], false)] {
        is_away.store(there, Ordering::SeqCst);
        let got = bob.receive(id).await.unwrap();
        std::fs::remove_file(got.path.unwrap()).unwrap();
        assert_eq!(states(&alice, id).await, expected);
    }
    let so_far = asked.load(Ordering::SeqCst);
    let got = bob.receive(id).await.unwrap();
    std::fs::remove_file(got.path.unwrap()).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), so_far, "it is given once");
}
