//! Watching at the command line: each thing that happens is a line, when it happens.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use crate::house::{House, Person};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// Starts a command whose lines are read while it runs.
fn started(person: &Person, args: &[&str]) -> Running {
    let child = person.command(args).stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let notes = BufReader::new(child.stderr.take().unwrap());
    Running { child, lines, notes }
}

struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    notes: BufReader<ChildStderr>,
}

impl Running {
    /// Reads what it says until a line has these words, and gives that.
    fn says(&mut self, words: &str) -> String {
        told(&mut self.lines, words)
    }

    /// The same of what it says beside that.
    fn notes(&mut self, words: &str) -> String {
        told(&mut self.notes, words)
    }

    fn next(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no object: {line:?}"))
    }
}

fn told(lines: &mut impl BufRead, words: &str) -> String {
    let mut before = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended after {before:?}, without {words:?}");
        if line.contains(words) {
            return line;
        }
        before.push_str(&line);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_happens_is_a_line_when_it_happens() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let mut followed = started(&alice, &["activity", "--follow", "--json", "-n", "1"]);
    // It shows what was there, and so has begun.
    followed.next();
    let id = alice.send(&alice.file("plan.pdf", b"a plan"), &bob, &[]);
    bob.wax(["get", &id], &[]).ok();
    loop {
        let event = followed.next();
        if event["kind"] == "file_fetched" {
            assert_eq!(event["file"], id.as_str());
            break;
        }
    }
}

#[test]
fn letters_can_be_turned_off_and_on() {
    let house = House::open();
    let bob = house.member(BOB);
    assert_eq!(bob.wax(["account", "notify", "--json"], &[]).ok().json()["mail"], true);
    assert_eq!(bob.wax(["account", "notify", "off", "--json"], &[]).ok().json()["mail"], false);
    let said = bob.wax(["account", "notify"], &[]).ok().out();
    assert_eq!(said, "no mail tells you of files that others share with you\n");
    bob.wax(["account", "notify", "on"], &[]).ok();
    bob.wax(["account", "notify", "maybe"], &[]).failed(2, "maybe");
}

#[test]
fn whoever_watches_reads_who_did_what_to_which_file() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let keys = ["--no-agent", "--passphrase-fd", "3"];
    let mut hers = started(&alice, &[&["watch"], &keys[..]].concat());
    let mut his = started(&bob, &[&["watch", "-n", "1"], &keys[..]].concat());
    hers.notes("watching what happens in your account");
    his.notes("watching what happens in your account");
    let id = alice.send(&alice.file("plan.pdf", b"a plan"), &bob, &[]);
    let short = &id[..8];
    let came = his.says("came");
    let words =
        format!("plan.pdf came from alice@mail.example (first contact, not verified): wax get {short}\n");
    assert!(came.ends_with(&words), "{came}");
    assert!(his.child.wait().unwrap().success());
    assert!(hers.says("is in your list").ends_with(&format!("plan.pdf is in your list: wax info {short}\n")));
    hers.says("you shared plan.pdf with bob@mail.example");
    bob.wax(["get", &id], &[]).ok();
    hers.says("bob@mail.example fetched plan.pdf");
    alice.wax(["rename", &id, "map.pdf"], &[]).ok();
    hers.says(&format!("map.pdf changed: wax info {short}"));
    hers.says("you renamed map.pdf");
    alice.wax(["rm", &id, "--yes"], &[]).ok();
    hers.says("map.pdf is no longer in your list");
}

#[test]
fn whoever_watches_without_keys_sees_ids_and_is_told_why() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let mut his = started(&bob, &["watch", "--json", "--no-agent"]);
    let mut words = started(&bob, &["watch", "--no-agent"]);
    words.notes("your keys are locked");
    words.notes("watching what happens");
    let id = alice.send(&alice.file("plan.pdf", b"a plan"), &bob, &[]);
    words.says(&format!("file {} came: wax get {}", &id[..8], &id[..8]));
    // The other one may have begun before or after.
    alice.wax(["rename", &id, "map.pdf"], &[]).ok();
    loop {
        let happened = his.next();
        if happened["kind"] == "file_changed" {
            assert_eq!((happened["file"].as_str(), happened.get("name")), (Some(id.as_str()), None));
            break;
        }
    }
}
