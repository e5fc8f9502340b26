//! Links against a real server, and against one that lies.

use crate::stage::{Answer, Exchange, Person, Proxy, Stage, Told, noise};
use client::{Cancel, Client, Error, LinkAddress, LinkLimits, Passphrase, Received, Target, Trust};
use proto::{B64, OpenedLink};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const CONTENT: usize = 3 << 20;

fn word(text: &str) -> Passphrase {
    Passphrase::parse(text.to_owned()).unwrap()
}

/// Whoever was given a link: no account, no keys, no server.
struct Visitor {
    client: Client,
    folder: PathBuf,
}

impl Visitor {
    fn new(stage: &Stage, name: &str) -> Self {
        let home = client::Home::open(stage.folder.path().join(format!("visitor-{name}"))).unwrap();
        let folder = stage.folder.path().join(format!("got-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { client: Client::open(home, Stage::options()).unwrap(), folder }
    }

    async fn get(&self, link: &str, password: Option<&str>, ca: &str) -> client::Result<Received> {
        let link = LinkAddress::parse(link).unwrap();
        let password = password.map(word);
        let target = Target::directory(&self.folder);
        let (told, cancel) = (Told::default(), Cancel::new());
        self.client.receive_link(&link, password.as_ref(), Some(ca), target, &told, &cancel).await
    }

    fn names(&self) -> usize {
        std::fs::read_dir(&self.folder).unwrap().count()
    }
}

/// A file of Alice's that is sent to nobody else.
async fn sent(alice: &Person, name: &str, content: &[u8]) -> client::FileId {
    let path = alice.file(name, content);
    alice.send(&path, alice).await.unwrap().file_id
}

async fn linked(alice: &Person, file: client::FileId, password: Option<&str>, limits: LinkLimits) -> String {
    let password = password.map(word);
    let (address, _) = alice.client.make_link(&alice.keys, file, password.as_ref(), limits).await.unwrap();
    address.expose_secret().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_without_an_account_and_says_who_sent_it() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    for (n, len) in [(1, 0), (2, 1_000), (3, CONTENT)] {
        let content = noise(len, n);
        let file = sent(&alice, &format!("plan-{n}.pdf"), &content).await;
        let link = linked(&alice, file, None, LinkLimits::default()).await;
        let visitor = Visitor::new(&stage, &n.to_string());
        let got = visitor.get(&link, None, stage.ca()).await.unwrap();
        assert_eq!((got.name.as_str(), got.file_id), (&*format!("plan-{n}.pdf"), file));
        assert_eq!(
            (got.sender.address, got.sender.trust),
            (Some(alice.address.clone()), Trust::FirstContact)
        );
        assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
    }
    let links = alice.client.links().await.unwrap();
    assert_eq!(links.iter().map(|link| link.downloads).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_needed_and_a_wrong_one_opens_nothing() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let link = linked(&alice, file, Some("tall ships"), LinkLimits::default()).await;
    let visitor = Visitor::new(&stage, "v");
    let error = visitor.get(&link, None, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::LinkPasswordNeeded), "{error}");
    let error = visitor.get(&link, Some("small ships"), stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::LinkClosed { has_password: true }), "{error}");
    // Nor does the link pass for one without a password.
    let error = visitor.get(&link.replace("#1p.", "#1."), None, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::LinkClosed { has_password: false }), "{error}");
    assert_eq!(visitor.names(), 0);
    visitor.get(&link, Some("tall ships"), stage.ca()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_changed_and_taken_back_and_several_live_side_by_side() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let once = LinkLimits { max_downloads: Some(1), ..LinkLimits::default() };
    let (one, two) =
        (linked(&alice, file, None, once).await, linked(&alice, file, None, LinkLimits::default()).await);
    Visitor::new(&stage, "a").get(&one, None, stage.ca()).await.unwrap();
    let late = Visitor::new(&stage, "b");
    let error = late.get(&one, None, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::DownloadsUsed), "{error}");
    let id = LinkAddress::parse(&one).unwrap().id();
    alice.client.change_link(id, None, Some(2)).await.unwrap();
    late.get(&one, None, stage.ca()).await.unwrap();
    alice.client.revoke_link(id).await.unwrap();
    let error = Visitor::new(&stage, "c").get(&one, None, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::LinkClosed { .. }), "{error}");
    assert!(matches!(alice.client.revoke_link(id).await.unwrap_err(), Error::NotFound));
    Visitor::new(&stage, "d").get(&two, None, stage.ca()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn links_from_before_and_after_a_rotation_open_and_say_that_the_root_was_retired() {
    let stage = Stage::new().await;
    let (mut alice, bob) = (stage.person("alice").await, stage.person("bob").await);
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let before = linked(&alice, file, None, LinkLimits::default()).await;
    let got = Visitor::new(&stage, "a").get(&before, None, stage.ca()).await.unwrap();
    assert!(!got.sender.retired_root);
    alice.keys = alice.client.rotate(&alice.keys, &crate::rotation::new(), None).await.unwrap();
    let after = linked(&alice, file, None, LinkLimits::default()).await;
    let roots = [&before, &after].map(|link| LinkAddress::parse(link).unwrap().sender());
    assert_ne!(roots[0], roots[1]);
    for (name, link) in [("b", before), ("c", after)] {
        let got = Visitor::new(&stage, name).get(&link, None, stage.ca()).await.unwrap();
        assert!(got.sender.retired_root && got.sender.root_id == roots[0]);
    }
    let error = bob.client.make_link(&bob.keys, file, None, LinkLimits::default()).await.unwrap_err();
    assert!(matches!(error, Error::NotFound), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_taken_uses_nothing_up() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let once = LinkLimits { max_downloads: Some(1), ..LinkLimits::default() };
    let link = linked(&alice, file, None, once).await;
    let visitor = Visitor::new(&stage, "v");
    std::fs::write(visitor.folder.join("plan.pdf"), b"mine").unwrap();
    let error = visitor.get(&link, None, stage.ca()).await.unwrap_err();
    assert!(matches!(error, Error::TargetExists(_)), "{error}");
    assert_eq!(alice.client.links().await.unwrap()[0].downloads, 0);
    std::fs::remove_file(visitor.folder.join("plan.pdf")).unwrap();
    visitor.get(&link, None, stage.ca()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_download_by_a_link_of_one_download_goes_on() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let content = noise(CONTENT, 1);
    let file = sent(&alice, "plan.pdf", &content).await;
    let once = LinkLimits { max_downloads: Some(1), ..LinkLimits::default() };
    let link = linked(&alice, file, None, once).await;
    let visitor = Visitor::new(&stage, "v");
    let broken = |exchange: &Exchange| {
        if exchange.path.ends_with("/parts/2") {
            Answer::Reply(
                404,
                "application/problem+json",
                br#"{"type":"","title":"","status":404,"code":"not_found"}"#.to_vec(),
            )
        } else {
            Answer::Forward
        }
    };
    let proxy = Proxy::start(&stage, broken, |_| {}).await;
    let through = link.replace(stage.url(), proxy.url());
    visitor.get(&through, None, proxy.ca()).await.unwrap_err();
    assert_eq!((visitor.names(), alice.client.links().await.unwrap()[0].downloads), (0, 1));
    let got = visitor.get(&link, None, stage.ca()).await.unwrap();
    assert_eq!(std::fs::read(got.path.unwrap()).unwrap(), content);
    assert_eq!(alice.client.links().await.unwrap()[0].downloads, 1);
}

/// Changes what the server shows behind a link.
fn shown(change: impl Fn(&mut OpenedLink) + Send + Sync + 'static) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.path.ends_with("/open") && exchange.status == 200 {
            let mut opened: OpenedLink = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut opened);
            exchange.reply = serde_json::to_vec(&opened).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_shows_another_file_sender_or_grant_behind_a_link_is_refused() {
    let stage = Stage::new().await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    let mut seen: Vec<OpenedLink> = Vec::new();
    let mut links = Vec::new();
    for (who, name) in [(&alice, "one"), (&alice, "two"), (&mallory, "three")] {
        let file = sent(who, name, &noise(1_000, 7)).await;
        let link = linked(who, file, None, LinkLimits::default()).await;
        let noted = Arc::new(Mutex::new(None));
        let note = noted.clone();
        let proxy = Proxy::start(
            &stage,
            |_| Answer::Forward,
            shown(move |opened| *note.lock().unwrap() = Some(opened.clone())),
        )
        .await;
        let visitor = Visitor::new(&stage, name);
        visitor.get(&link.replace(stage.url(), proxy.url()), None, proxy.ca()).await.unwrap();
        seen.push(noted.lock().unwrap().take().unwrap());
        links.push(link);
    }
    let (own, other, theirs) = (seen[0].file.clone(), seen[1].file.clone(), seen[2].file.clone());
    type Lie = Box<dyn Fn(&mut OpenedLink) + Send + Sync>;
    let flipped = |bytes: &B64, at: usize| {
        let mut bytes = bytes.clone();
        bytes.0[at] ^= 1;
        bytes
    };
    let altered = flipped(&own.grant, 200);
    let (second, third) = (other.clone(), theirs.clone());
    let (manifest, grant) = (other.manifest.clone(), other.grant.clone());
    let chain = theirs.author_chain.clone();
    let both = [own.author_chain.clone(), chain.clone()].concat();
    let broken = vec![flipped(&own.author_chain[0], 100)];
    let author = theirs.author;
    let lies: Vec<(&str, Lie)> = vec![
        ("another file of the sender's", Box::new(move |opened| opened.file = second.clone())),
        ("a file of somebody else's", Box::new(move |opened| opened.file = third.clone())),
        ("another manifest", Box::new(move |opened| opened.file.manifest = manifest.clone())),
        ("another grant", Box::new(move |opened| opened.file.grant = grant.clone())),
        ("an altered grant", Box::new(move |opened| opened.file.grant = altered.clone())),
        ("another chain", Box::new(move |opened| opened.file.author_chain = chain.clone())),
        (
            "a chain of two people",
            Box::new(move |opened| {
                opened.file.author_chain = both.clone();
                opened.file.author = author;
            }),
        ),
        ("an altered bundle", Box::new(move |opened| opened.file.author_chain = broken.clone())),
        ("no chain", Box::new(|opened| opened.file.author_chain.clear())),
        ("another id", Box::new(|opened| opened.file.file_id = client::FileId::from_bytes([9; 16]))),
    ];
    for (what, lie) in lies {
        let proxy = Proxy::start(&stage, |_| Answer::Forward, shown(lie)).await;
        let visitor = Visitor::new(&stage, &what.replace(' ', "-"));
        let link = links[0].replace(stage.url(), proxy.url());
        let error = visitor.get(&link, None, proxy.ca()).await.expect_err(what);
        assert!(matches!(error, Error::NotAuthentic | Error::LinkDiffers), "{what}: {error:?}");
        assert_eq!(visitor.names(), 0, "{what}");
    }
}

/// Whoever was given Alice's link and is helped by her server can seal whatever they like to the keys of the link. That is
/// shown here by a link of Mallory's, with all that belongs to it, but for the root in its fragment, which is Alice's.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_link_and_is_helped_by_the_server_puts_no_file_behind_it() {
    let stage = Stage::new().await;
    let (alice, mallory) = (stage.person("alice").await, stage.person("mallory").await);
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let hers = linked(&alice, file, None, LinkLimits::default()).await;
    let chain: Arc<Mutex<Vec<B64>>> = Arc::default();
    let note = chain.clone();
    let noting = shown(move |opened| note.lock().unwrap().clone_from(&opened.file.author_chain));
    let proxy = Proxy::start(&stage, |_| Answer::Forward, noting).await;
    let through = hers.replace(stage.url(), proxy.url());
    Visitor::new(&stage, "before").get(&through, None, proxy.ca()).await.unwrap();
    let hers_shown = chain.lock().unwrap().clone();
    let forged = sent(&mallory, "plan.pdf", b"oars").await;
    let theirs = linked(&mallory, forged, None, LinkLimits::default()).await;
    // By itself it opens: nothing but the root is wrong with what follows.
    Visitor::new(&stage, "as-it-is").get(&theirs, None, stage.ca()).await.unwrap();
    let root = |link: &str| link.rsplit_once('.').unwrap().1.to_owned();
    let claimed = theirs.replace(&root(&theirs), &root(&hers));
    assert_eq!(LinkAddress::parse(&claimed).unwrap().sender(), LinkAddress::parse(&hers).unwrap().sender());
    type Lie = Box<dyn Fn(&mut OpenedLink) + Send + Sync>;
    let (before, behind, instead) = (hers_shown.clone(), hers_shown.clone(), hers_shown);
    let lies: Vec<(&str, Lie)> = vec![
        ("their own chain", Box::new(|_| {})),
        (
            "both, hers first",
            Box::new(move |opened| drop(opened.file.author_chain.splice(0..0, before.clone()))),
        ),
        ("both, theirs first", Box::new(move |opened| opened.file.author_chain.extend(behind.clone()))),
        ("her chain alone", Box::new(move |opened| opened.file.author_chain.clone_from(&instead))),
    ];
    for (what, lie) in lies {
        let proxy = Proxy::start(&stage, |_| Answer::Forward, shown(lie)).await;
        let visitor = Visitor::new(&stage, &what.replace([' ', ','], "-"));
        let link = claimed.replace(stage.url(), proxy.url());
        let error = visitor.get(&link, None, proxy.ca()).await.expect_err(what);
        assert!(matches!(error, Error::LinkDiffers), "{what}: {error:?}");
        assert_eq!(visitor.names(), 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_is_played_back_opens_nothing_a_second_time() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let link = linked(&alice, file, None, LinkLimits::default()).await;
    let first: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let kept = first.clone();
    let proxy = Proxy::start(
        &stage,
        |_| Answer::Forward,
        move |exchange| {
            if exchange.path.ends_with("/nonce") {
                let mut kept = kept.lock().unwrap();
                exchange.reply = kept.get_or_insert_with(|| exchange.reply.clone()).clone();
            }
        },
    )
    .await;
    let visitor = Visitor::new(&stage, "v");
    let error = visitor.get(&link.replace(stage.url(), proxy.url()), None, proxy.ca()).await.unwrap_err();
    assert!(matches!(error, Error::LinkClosed { .. }), "{error}");
    assert_eq!(visitor.names(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_links_secret_or_password_crosses_the_wire_or_rests_at_the_server() {
    let stage = Stage::new().await;
    let alice = stage.person("alice").await;
    let file = sent(&alice, "plan.pdf", b"sails").await;
    let bodies: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (sent_there, kept) = (bodies.clone(), bodies.clone());
    let before = move |exchange: &Exchange| {
        let mut all = sent_there.lock().unwrap();
        all.extend_from_slice(exchange.path.as_bytes());
        all.extend_from_slice(&exchange.body);
        Answer::Forward
    };
    let proxy =
        Proxy::start(&stage, before, move |exchange| kept.lock().unwrap().extend(&exchange.reply)).await;
    alice.through(&proxy);
    let code = stage.code(&alice.client, &alice.address).await;
    alice.client.sign_in(&alice.address, &code).await.unwrap();
    let link = linked(&alice, file, Some("tall ships of teak"), LinkLimits::default()).await;
    Visitor::new(&stage, "v").get(&link, Some("tall ships of teak"), proxy.ca()).await.unwrap();
    let fragment = link.split_once('#').unwrap().1;
    let secret = fragment.split('.').nth(1).unwrap();
    let raw = B64::parse(secret).unwrap().0;
    let words = [fragment.as_bytes(), secret.as_bytes(), &raw, b"tall ships of teak"];
    let holds = |bytes: &[u8], what: &str| {
        for word in words {
            assert!(!bytes.windows(word.len()).any(|piece| piece == word), "{what}");
        }
    };
    holds(&bodies.lock().unwrap(), "the wire");
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
