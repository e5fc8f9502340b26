//! A server whose store is a node of IPFS: what a person is told and asked, and a file that is fetched by its CIDs and opened with
//! the server gone.

#[expect(dead_code, reason = "the node of the driver's own tests, of which these need a part")]
#[path = "../../blobs/tests/ipfs/node.rs"]
mod node;

use server::StoreName;
use tokio::runtime::Runtime;

use crate::house::{House, PASSPHRASE, Person, noise};
use crate::terminal::Terminal;
use node::Node;

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
/// Two parts and a little.
const LEN: usize = 35_000_000;

/// A house over a node, which outlives it.
struct Over {
    house: House,
    node: Node,
    runtime: Runtime,
}

impl Over {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let node = runtime.block_on(Node::start());
        let house = House::open_with(|config| {
            config.storage.parts.store = StoreName::Ipfs;
            config.storage.parts.ipfs_api = Some(node.api());
        });
        Self { house, node, runtime }
    }

    /// What the node gives for a CID, asked for by nothing else.
    fn cat(&self, cid: &str) -> Vec<u8> {
        let port = self.node.api().rsplit('/').next().unwrap().to_owned();
        let url = format!("http://127.0.0.1:{port}/api/v0/cat?arg={cid}");
        self.runtime.block_on(async {
            let reply = reqwest::Client::new().post(url).send().await.unwrap();
            assert!(reply.status().is_success());
            reply.bytes().await.unwrap().to_vec()
        })
    }

    fn holds_nothing(&self) -> bool {
        self.node.held.lock().unwrap().named.is_empty()
    }
}

fn cids_of(person: &Person, id: &str) -> Vec<String> {
    let told = person.wax(["info", id, "--cids"], &[]).ok().out();
    told.lines().map(str::to_owned).collect()
}

#[test]
fn a_file_is_fetched_by_its_cids_and_opened_with_the_server_gone() {
    let mut over = Over::new();
    let (alice, bob) = (over.house.member(ALICE), over.house.member(BOB));
    let body = noise(7, LEN);
    let id = alice.send(&alice.file("plan.pdf", &body), &bob, &["--publish"]);
    let cids = cids_of(&bob, &id);
    assert_eq!(cids.len(), 3);
    let info = bob.wax(["info", &id, "--json"], &[]).ok().json();
    assert_eq!(info["ipfs"]["published_parts"], 3);
    for (n, cid) in cids.iter().enumerate() {
        let part = &info["ipfs"]["parts"][n];
        assert_eq!((&part["n"], &part["cid"]), (&n.into(), &cid.as_str().into()));
    }
    let told = bob.wax(["info", &id], &[]).ok().out();
    let line = format!("ipfs     3 parts, published: cannot be taken back\n         {}\n", cids[0]);
    assert!(told.contains(&line), "{told}");
    assert!(!told.contains("more: wax info"), "{told}");

    let saved = bob.wax(["get", &id, "--save-head", "plan.head"], &[]).ok();
    assert!(saved.out().contains("head     plan.head ("), "{}", saved.out());
    assert!(saved.err.contains("behind it belong 3 parts"), "{}", saved.err);
    let own = alice.wax(["get", &id, "--save-head", "own.head", "--json"], &[]).ok().json();
    assert_eq!((&own["parts"], &own["head"]), (&3.into(), &"own.head".into()));
    let written = std::fs::read(alice.work.join("own.head")).unwrap();
    assert_eq!(own["bytes"], written.len());
    let piped = bob.wax(["get", &id, "--save-head", "-"], &[]).ok().bytes;
    assert!(piped == std::fs::read(bob.work.join("plan.head")).unwrap());
    bob.wax(["get", &id, "--save-head", "plan.head"], &[]).failed(9, "plan.head exists already");

    over.house.close();
    let parts: Vec<u8> = cids.iter().flat_map(|cid| over.cat(cid)).collect();
    assert_eq!(own["body_bytes"], parts.len());
    bob.file("plan.wax", &[piped.as_slice(), &parts].concat());
    let opened = bob.wax(["open", "plan.wax"], &[]).ok();
    assert!(opened.out().contains("from     alice@mail.example (not verified)"), "{}", opened.out());
    assert!(std::fs::read(bob.work.join("plan.pdf")).unwrap() == body);
    // As docs/wax.md says it, with a node that is a folder.
    std::fs::create_dir(bob.work.join("node")).unwrap();
    cids.iter().for_each(|cid| drop(bob.file(&format!("node/{cid}"), &over.cat(cid))));
    bob.file("plan.cids", (cids.join("\n") + "\n").as_bytes());
    let documented =
        r#"(cat plan.head; while read -r cid; do ipfs cat "$cid"; done < plan.cids) | wax open -"#;
    let given = r#"ipfs() { cat "node/$2"; }; wax() { "$WAX" "$@" -o out --no-agent --passphrase-fd 3; };"#;
    bob.shell(&format!("{given} {documented}")).ok();
    assert!(std::fs::read(bob.work.join("out")).unwrap() == body);
    assert!(include_str!("../../../docs/wax.md").contains(documented));
    assert!(include_str!("../../../docs/storage.md").contains(documented));
    let opened = alice.wax_fed(["open", "-", "-o", "-"], &[written.as_slice(), &parts].concat()).ok();
    assert!(opened.bytes == body);

    // A gateway that gives something else is no more believed than the server.
    let mut other = parts;
    other[20_000_000] ^= 1;
    bob.file("other.wax", &[piped.as_slice(), &other].concat());
    bob.wax(["open", "other.wax", "-o", "other"], &[]).failed(8, "does not verify");
    assert!(!bob.names().contains(&"other".to_owned()));
}

#[test]
fn nothing_is_sent_to_a_server_that_publishes_before_somebody_says_so() {
    let over = Over::new();
    let (alice, bob) = (over.house.member(ALICE), over.house.member(BOB));
    alice.file("a.txt", b"abc");
    alice.file("b.txt", b"abc");
    std::fs::create_dir(alice.work.join("folder")).unwrap();
    std::fs::write(alice.work.join("folder/c.txt"), b"abc").unwrap();
    let address = bob.wax(["drop", "create", "Plans", "--json"], &[]).ok().json();
    let address = address["address"].as_str().unwrap();
    let ca = alice.ca.to_str().unwrap();
    crate::compat::key(&alice);
    let ways: [&[&str]; 7] = [
        &["send", "a.txt", "--to", BOB],
        &["send", "a.txt", "b.txt", "--to", BOB, "--json"],
        &["send", "folder", "--to", BOB],
        &["send", "a.txt", "--link"],
        &["send", "a.txt", "--compat", "--to-key", "key.pub.pem"],
        &["send", "a.txt", "--to-box", address],
        &["send", "a.txt", "--to-box", address, "--ca", ca, "--anonymous"],
    ];
    for way in ways {
        let refused = alice.wax(way, &[]).failed(2, "publishes what it is sent on IPFS");
        assert!(refused.err.contains("hint: nothing was sent; only encrypted bytes"), "{}", refused.err);
        assert!(refused.err.contains("--publish"), "{}", refused.err);
    }
    assert!(over.holds_nothing());
    assert_eq!(alice.wax(["ls", "--json"], &[]).ok().json()["total"], 0);
    for way in ways {
        let sent = alice.wax(way, &["--publish".as_ref()]).ok();
        assert!(sent.err.contains("warning: this server publishes"), "{}", sent.err);
    }
    assert!(!over.holds_nothing());
}

#[test]
fn at_a_terminal_a_person_is_asked_once_and_the_answer_is_no_unless_it_is_yes() {
    let over = Over::new();
    let (alice, _bob) = (over.house.member(ALICE), over.house.member(BOB));
    alice.file("a.txt", b"abc");
    let ask = |answer: &str| {
        let mut terminal = Terminal::run(&alice, &["send", "a.txt", "--to", BOB, "--no-agent"]);
        terminal.sees("passphrase");
        terminal.types(&format!("{PASSPHRASE}\n"));
        terminal.sees("cannot be taken back");
        terminal.sees("wax rm unpins them at the server and cannot call them back");
        terminal.sees("send it all the same? [y/N] ");
        terminal.types(answer);
        terminal.ends()
    };
    for no in ["\n", "n\n"] {
        let (shown, code) = ask(no);
        assert!(shown.contains("stopped; nothing was sent"), "{shown}");
        assert_eq!(code, Some(10), "{shown}");
    }
    assert!(over.holds_nothing());
    let (shown, code) = ask("y\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(!over.holds_nothing());
}

#[test]
fn a_folder_a_file_that_was_passed_on_and_a_link_have_no_head_and_say_why() {
    let over = Over::new();
    let (alice, bob) = (over.house.member(ALICE), over.house.member(BOB));
    let carol = over.house.member("carol@mail.example");
    std::fs::create_dir(alice.work.join("folder")).unwrap();
    std::fs::write(alice.work.join("folder/c.txt"), b"abc").unwrap();
    let folder = alice.send(&alice.work.join("folder"), &bob, &["--publish"]);
    let refused =
        bob.wax(["get", &folder, "--save-head", "h"], &[]).failed(2, "no container can be made of this file");
    assert!(refused.err.contains("it is a folder"), "{}", refused.err);
    let told = bob.wax(["info", &folder], &[]).ok().out();
    assert!(told.contains("ipfs     published: cannot be taken back\n"), "{told}");
    bob.wax(["info", &folder, "--cids"], &[]).failed(2, "that is a folder");

    let id = alice.send(&alice.file("a.txt", b"abc"), &bob, &["--publish"]);
    bob.wax(["share", &id, "--to", "carol@mail.example"], &[]).ok();
    let refused =
        carol.wax(["get", &id, "--save-head", "h"], &[]).failed(2, "no container can be made of this file");
    assert!(refused.err.contains("it was passed on to you"), "{}", refused.err);
    assert!(refused.err.contains("hint: "), "{}", refused.err);

    let link = "https://files.example/s/x#1.x";
    bob.wax(["get", link, "--save-head", "h"], &[]).failed(2, "a link has no container");
    bob.wax(["get", &id, &folder, "--save-head", "h"], &[]).failed(2, "a head is of one file");
    assert!(bob.names().is_empty() && carol.names().is_empty());
}

#[test]
fn a_head_counts_as_a_download_and_tells_nobody_that_the_file_was_opened() {
    let over = Over::new();
    let (alice, bob) = (over.house.member(ALICE), over.house.member(BOB));
    let id = alice.send(&alice.file("a.txt", b"abc"), &bob, &["--publish", "--downloads", "1"]);
    bob.wax(["get", &id, "--save-head", "a.head"], &[]).ok();
    let told = alice.wax(["info", &id], &[]).ok().out();
    assert!(told.contains("fetched  1 time by others"), "{told}");
    assert!(!told.contains("opened "), "{told}");
    bob.wax(["get", &id, "--save-head", "again"], &[]).failed(5, "downloads");
    assert_eq!(bob.names(), ["a.head"]);
}

#[test]
fn a_file_that_nobody_signed_has_a_head_and_one_of_replaced_keys_has_none() {
    let mut over = Over::new();
    let (alice, bob) = (over.house.member(ALICE), over.house.member(BOB));
    let made = alice.wax(["drop", "create", "Plans", "--json"], &[]).ok().json();
    bob.file("a.txt", b"abc");
    let way = [
        "send",
        "a.txt",
        "--to-box",
        made["address"].as_str().unwrap(),
        "--anonymous",
        "--publish",
        "--json",
    ];
    let id = bob.wax(way, &[]).ok().json()["files"][0]["id"].as_str().unwrap().to_owned();
    let cids = cids_of(&alice, &id);
    let head = alice.wax(["get", &id, "--save-head", "-"], &[]).ok().bytes;

    let signed = bob.send(&bob.work.join("a.txt"), &alice, &["--publish"]);
    alice.wax(["get", &signed, "--save-head", "signed"], &[]).ok();
    bob.wax(["keys", "rotate", "--yes"], &[]).ok();
    for person in [&alice, &bob] {
        let refused =
            person.wax(["get", &signed, "--save-head", "other"], &[]).failed(2, "no container can be made");
        assert!(refused.err.contains("keys have been replaced since it was sent"), "{}", refused.err);
    }
    assert_eq!(alice.names(), ["signed"]);

    over.house.close();
    let parts: Vec<u8> = cids.iter().flat_map(|cid| over.cat(cid)).collect();
    let opened = alice.wax_fed(["open", "-", "-o", "-"], &[head, parts].concat()).ok();
    assert_eq!(opened.bytes, b"abc");
    assert!(opened.err.contains("from nobody: it is not signed"), "{}", opened.err);
}
