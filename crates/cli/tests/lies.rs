//! A server that lies to the real executable: what `wax` says, its exit code, and that nothing is left behind; after each
//! lie the same command against the honest server succeeds.

#[path = "../../client/tests/stage/proxy.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the tests of the client use more of it, and from further away"
)]
mod proxy;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proto::{B64, FileInfo, LookupReply, PublishBundle, paths};

use crate::house::{House, Person, noise};
use proxy::{Answer, Exchange, Proxy};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
/// A dozen segments in one part.
const LEN: usize = 3 << 20;

/// What the proxy asks of the server that it stands before.
pub(crate) struct Stage {
    url: String,
    ca: String,
}

impl Stage {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn ca(&self) -> &str {
        &self.ca
    }
}

type Lie = Box<dyn Fn(&mut Exchange) + Send + Sync>;

/// A house behind a server that lies when it is told to.
struct Liar {
    house: House,
    lie: Arc<Mutex<Option<Lie>>>,
    /// Uploads and batches that were begun.
    begun: Arc<AtomicUsize>,
    proxy: Proxy,
    ca: PathBuf,
    _folder: tempfile::TempDir,
}

impl Liar {
    fn new() -> Self {
        let house = House::open_with(|config| {
            config.limits.codes_per_address = 100;
            config.limits.sign_ins_per_ip = 10_000;
        });
        let stage = Stage { url: house.url(), ca: std::fs::read_to_string(house.ca()).unwrap() };
        let lie = Arc::new(Mutex::new(None::<Lie>));
        let begun = Arc::new(AtomicUsize::new(0));
        let (told, counted) = (lie.clone(), begun.clone());
        let before = move |exchange: &Exchange| {
            if exchange.method == "POST" && [paths::UPLOADS, paths::BATCH].contains(&exchange.path.as_str()) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Answer::Forward
        };
        let after = move |exchange: &mut Exchange| {
            if let Some(lie) = told.lock().unwrap().as_ref() {
                lie(exchange);
            }
        };
        let proxy = house.block_on(Proxy::start(&stage, before, after));
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, proxy.ca()).unwrap();
        Self { house, lie, begun, proxy, ca, _folder: folder }
    }

    fn member(&self, address: &str) -> Person {
        let mut newcomer = self.house.newcomer_at(address, self.proxy.url());
        newcomer.ca.clone_from(&self.ca);
        self.house.settle(newcomer)
    }

    fn tell(&self, lie: impl Fn(&mut Exchange) + Send + Sync + 'static) {
        *self.lie.lock().unwrap() = Some(Box::new(lie));
    }

    fn be_honest(&self) {
        *self.lie.lock().unwrap() = None;
    }

    /// What the honest server says of a file, and the bytes of its first part.
    fn recorded(&self, person: &Person, id: &str) -> (FileInfo, Vec<u8>) {
        let seen = Arc::new(Mutex::new((None, Vec::new())));
        let note = seen.clone();
        self.tell(move |exchange| {
            let mut seen = note.lock().unwrap();
            if is_info(exchange) {
                seen.0 = serde_json::from_slice(&exchange.reply).ok();
            } else if exchange.path.ends_with("/parts/0") {
                seen.1.clone_from(&exchange.reply);
            }
        });
        person.wax(["get", id, "-o", "-"], &[]).ok();
        self.be_honest();
        let (info, part) = std::mem::take(&mut *seen.lock().unwrap());
        (info.unwrap(), part)
    }
}

fn is_info(exchange: &Exchange) -> bool {
    exchange.method == "GET" && exchange.path.starts_with("/api/v1/files/")
}

fn in_info(change: impl Fn(&mut FileInfo) + Send + Sync + 'static) -> Lie {
    Box::new(move |exchange| {
        if is_info(exchange) {
            let mut info: FileInfo = serde_json::from_slice(&exchange.reply).unwrap();
            change(&mut info);
            exchange.reply = serde_json::to_vec(&info).unwrap();
        }
    })
}

fn in_content(end: &'static str, change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Lie {
    Box::new(move |exchange| {
        if !exchange.path.contains("/content/") || !exchange.path.ends_with(end) {
            return;
        }
        // What was damaged is asked for once more, from there on: with how much behind it depends on how many segments this
        // machine proves together. So that reply is damaged where it begins.
        if exchange.status == 206 { exchange.reply[0] ^= 1 } else { change(&mut exchange.reply) }
    })
}

/// In the answer of the directory, these keys in the place of those that were asked for.
fn in_lookup(change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Lie {
    Box::new(move |exchange| {
        if exchange.path == paths::LOOKUP {
            let mut reply: LookupReply = serde_json::from_slice(&exchange.reply).unwrap();
            reply.people.iter_mut().for_each(|person| change(&mut person.bundle.0));
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    })
}

fn bundle_of(person: &Person) -> Vec<u8> {
    std::fs::read(person.home.join("bundle.wxb")).unwrap()
}

#[test]
fn every_lie_about_a_file_is_refused_in_the_same_words_and_leaves_nothing() {
    let liar = Liar::new();
    let (alice, bob) = (liar.member(ALICE), liar.member(BOB));
    let mut ids = Vec::new();
    for n in 0..2 {
        ids.push(alice.send(&alice.file(&format!("file-{n}"), &noise(n, LEN)), &bob, &[]));
    }
    let (other, part) = liar.recorded(&bob, &ids[1]);
    let (manifest, grant, whole) = (other.manifest.clone(), other.grant.clone(), other.clone());
    let both = (other.manifest, other.grant);
    let impostor = bundle_of(&House::open().member(ALICE));
    let lies: Vec<(&str, Lie)> = vec![
        ("5: another file's manifest", in_info(move |info| info.manifest = manifest.clone())),
        ("5: another file's grant", in_info(move |info| info.grant = grant.clone())),
        ("13: another file", in_info(move |info| *info = whole.clone())),
        ("13: another file under this id", in_info(move |info| (info.manifest, info.grant) = both.clone())),
        ("5: other keys of the author", in_info(move |info| info.author_bundle = B64(impostor.clone()))),
        ("2: an author whose keys are not signed", in_info(|info| info.author_bundle.0[40] ^= 1)),
        ("8: an older format", in_info(|info| info.manifest.0[7] ^= 1)),
        ("8: a file that nobody signed", in_info(|info| info.manifest.0[9] ^= 3)),
        ("15: another revision", in_info(|info| info.manifest.0[33] ^= 1)),
        ("20: another header of the payload", in_info(|info| info.manifest.0[100] ^= 1)),
        ("6: other metadata", in_info(|info| info.manifest.0[300] ^= 1)),
        ("4: another encapsulated key", in_info(|info| info.grant.0[600] ^= 1)),
        ("4: another wrapped key", in_info(|info| info.grant.0[1_290] ^= 1)),
        ("26: a byte behind the manifest", in_info(|info| info.manifest.0.push(0))),
        ("26: half a grant", in_info(|info| info.grant.0.truncate(700))),
        ("26: no manifest at all", in_info(|info| info.manifest = B64::default())),
        ("9: another tree", in_content("/tree", |reply| reply[0] ^= 1)),
        ("10: a tree of more", in_content("/tree", |reply| reply.extend([0; 32]))),
        ("9: leaves in another order", in_content("/leaves/0", |reply| reply.rotate_left(32))),
        ("10: fewer leaves", in_content("/leaves/0", |reply| reply.truncate(32))),
        ("9: segments in another order", in_content("/parts/0", |reply| reply.rotate_left(1 << 18))),
        ("9: a segment twice", in_content("/parts/0", |reply| reply.copy_within(0..1 << 18, 1 << 18))),
        ("11: a segment of another upload", {
            in_content("/parts/0", move |reply| reply[..1 << 18].copy_from_slice(&part[..1 << 18]))
        }),
        ("21: one bit of the content", in_content("/parts/0", |reply| *reply.last_mut().unwrap() ^= 1)),
    ];
    for (name, lie) in lies {
        liar.tell(lie);
        let done = bob.wax(["get", &ids[0]], &[]);
        assert!(done.err.contains("the file does not verify"), "{name}: {}{}", done.out(), done.err);
        let done = done.failed(8, "damaged, forged, or not meant for you");
        assert!(done.err.contains("hint: "), "{name}: a person is told what to do: {}", done.err);
        assert!(bob.names().is_empty(), "{name}: {:?}", bob.names());
        liar.be_honest();
    }
    bob.wax(["get", &ids[0]], &[]).ok();
    assert_eq!(std::fs::read(bob.work.join("file-0")).unwrap(), noise(0, LEN));
}

#[test]
fn every_lie_about_keys_is_refused_before_anything_is_sent() {
    let liar = Liar::new();
    let (alice, bob, carol) = (liar.member(ALICE), liar.member(BOB), liar.member("carol@mail.example"));
    let impostor = House::open();
    let (other_bob, carols, first) = (bundle_of(&impostor.member(BOB)), bundle_of(&carol), bundle_of(&bob));
    let path = alice.file("notes.txt", b"notes");
    let send = || alice.wax(["send", path.to_str().unwrap(), "--to", BOB], &[]);
    let refused = |name: &str, lie: Lie, words: &str| {
        liar.tell(lie);
        let before = liar.begun.load(Ordering::SeqCst);
        let done = send();
        assert_eq!(done.status.code(), Some(7), "{name}: {}{}", done.out(), done.err);
        assert!(done.err.contains(words) && done.err.contains("hint: "), "{name}: {}", done.err);
        assert_eq!(liar.begun.load(Ordering::SeqCst), before, "{name}: nothing is begun");
        liar.be_honest();
    };
    let at_first: Vec<(&str, Lie)> = vec![
        ("1: keys that nobody signed", in_lookup(|bundle| *bundle.last_mut().unwrap() ^= 1)),
        ("1: a key put in the place of another", in_lookup(|bundle| bundle[300] ^= 1)),
        ("2: keys of somebody else", in_lookup(move |bundle| bundle.clone_from(&carols))),
        ("26: half a bundle", in_lookup(|bundle| bundle.truncate(100))),
    ];
    for (name, lie) in at_first {
        refused(name, lie, "is not genuine");
    }
    send().ok();
    let changed = in_lookup(move |bundle| bundle.clone_from(&other_bob));
    refused("1: other keys of a known contact", changed, "have changed");
    bob.wax(["keys", "rotate", "--yes"], &[]).ok();
    send().ok();
    let older = in_lookup(move |bundle| bundle.clone_from(&first));
    refused("15: keys from before a rotation", older, "keys of");
    send().ok();
}

#[test]
fn a_server_that_shows_other_keys_as_ones_own_or_points_elsewhere_is_refused() {
    let liar = Liar::new();
    let (alice, bob) = (liar.member(ALICE), liar.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    let impostor = bundle_of(&House::open().member(BOB));
    liar.tell(move |exchange| {
        if exchange.method == "GET" && exchange.path == paths::MY_BUNDLE {
            exchange.reply = serde_json::to_vec(&PublishBundle { bundle: B64(impostor.clone()) }).unwrap();
        }
    });
    bob.wax(["get", &id], &[]).failed(7, "other keys for your account");
    liar.tell(|exchange| {
        if is_info(exchange) {
            exchange.status = 302;
        }
    });
    bob.wax(["get", &id], &[]).failed(4, "points somewhere else");
    assert!(bob.names().is_empty());
    liar.be_honest();
    bob.wax(["get", &id], &[]).ok();
    assert_eq!(bob.names(), ["notes.txt"]);
}

/// What stands in the answer about CIDs, in the place of the honest one.
fn in_cids(reply: serde_json::Value) -> Lie {
    Box::new(move |exchange| {
        if exchange.path.split('?').next().unwrap().ends_with("/cids") {
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    })
}

#[test]
fn what_is_no_cid_of_the_file_is_not_shown_and_a_head_is_saved_only_if_it_is_proven() {
    let liar = Liar::new();
    let (alice, bob) = (liar.member(ALICE), liar.member(BOB));
    let id = alice.send(&alice.file("notes.txt", &noise(3, LEN)), &bob, &[]);
    let sealed = bob.wax(["info", &id, "--json"], &[]).ok().json()["sealed_bytes"].as_u64().unwrap();
    let cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let part = |n: u32, length: u64, cid: &str| serde_json::json!({ "n": n, "length": length, "cid": cid });
    let page = |parts: Vec<serde_json::Value>| serde_json::json!({ "parts": parts });
    let lies = [
        ("no CID", page(vec![part(0, sealed, "\u{1b}[2J")]), "something that is no CID"),
        (
            "an older CID",
            page(vec![part(0, sealed, "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")]),
            "no CID",
        ),
        ("less than all", page(vec![part(0, sealed - 1, cid)]), "not all of the file"),
        ("more than all", page(vec![part(0, sealed, cid), part(1, 1, cid)]), "out of order"),
        ("another order", page(vec![part(1, sealed, cid)]), "out of order"),
        ("no end", serde_json::json!({ "parts": [], "next": 0 }), "of another length"),
        ("a circle", serde_json::json!({ "parts": [part(0, 1, cid)], "next": 0 }), "out of order"),
    ];
    for (name, lie, words) in lies {
        liar.tell(in_cids(lie));
        let asked = bob.wax(["info", &id, "--cids"], &[]).failed(4, words);
        assert_eq!(asked.out(), "", "{name}");
        let told = bob.wax(["info", &id], &[]).ok();
        assert!(
            told.err.contains("warning: whether and where the file is on IPFS cannot be shown"),
            "{}",
            told.err
        );
        assert!(!told.out().contains("ipfs") && !told.err.contains('\u{1b}'), "{name}: {}", told.out());
    }
    liar.tell(in_cids(page(vec![part(0, sealed, cid)])));
    assert_eq!(bob.wax(["info", &id, "--cids"], &[]).ok().out(), format!("{cid}\n"));
    // A file of many parts, as far as the server says: page by page, and the first few unless all are asked for.
    liar.tell(move |exchange| {
        if let Some(from) = exchange.path.split("/cids?from=").nth(1) {
            let n: u32 = from.parse().unwrap();
            let length = if n == 4 { sealed - 4 } else { 1 };
            let next = (n < 4).then_some(n + 1);
            let reply = serde_json::json!({ "parts": [part(n, length, cid)], "next": next });
            exchange.reply = serde_json::to_vec(&reply).unwrap();
        }
    });
    assert_eq!(bob.wax(["info", &id, "--cids"], &[]).ok().out(), format!("{cid}\n").repeat(5));
    let told = bob.wax(["info", &id], &[]).ok().out();
    assert!(told.contains("ipfs     5 parts, published: cannot be taken back\n"), "{told}");
    assert_eq!(told.matches(cid).count(), 3, "{told}");
    assert!(told.contains(&format!("         and 2 more: wax info {} --cids\n", &id[..8])), "{told}");
    let half = serde_json::json!([part(0, 1, cid), { "n": 1, "length": sealed - 1 }]);
    liar.tell(in_cids(serde_json::json!({ "parts": half })));
    bob.wax(["info", &id, "--cids"], &[]).failed(5, "only 1 of its 2 parts are on IPFS");
    let told = bob.wax(["info", &id], &[]).ok().out();
    assert!(told.contains("ipfs     1 of 2 parts, published"), "{told}");
    liar.be_honest();
    bob.wax(["info", &id, "--cids"], &[]).failed(5, "the file is not on IPFS");

    let impostor = bundle_of(&House::open().member(ALICE));
    let lies: Vec<(&str, Lie)> = vec![
        ("leaves in another order", in_content("/leaves/0", |reply| reply.rotate_left(32))),
        ("fewer leaves", in_content("/leaves/0", |reply| reply.truncate(32))),
        ("another tree", in_content("/tree", |reply| reply[0] ^= 1)),
        ("other keys of the author", in_info(move |info| info.author_bundle = B64(impostor.clone()))),
        ("another manifest", in_info(|info| info.manifest.0[300] ^= 1)),
        ("another grant", in_info(|info| info.grant.0[600] ^= 1)),
    ];
    for (name, lie) in lies {
        liar.tell(lie);
        let done = bob.wax(["get", &id, "--save-head", "h"], &[]);
        assert!(done.err.contains("the file does not verify"), "{name}: {}", done.err);
        assert_eq!(done.status.code(), Some(8), "{name}: {}", done.err);
        assert!(bob.names().is_empty(), "{name}: {:?}", bob.names());
    }
    liar.be_honest();
    bob.wax(["get", &id, "--save-head", "h"], &[]).ok();
    assert_eq!(bob.names(), ["h"]);
}
