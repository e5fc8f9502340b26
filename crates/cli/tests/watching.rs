//! Watching at the command line: each thing that happens is a line, when it happens.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use crate::house::{House, Person};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// Starts a command whose lines are read while it runs.
fn started(person: &Person, args: &[&str]) -> Running {
    let child = person.command(args).stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    Running { child, lines }
}

struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn next(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no object: {line:?}"))
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
