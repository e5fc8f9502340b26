//! The agent: what it spares, what it forgets, and when.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{Done, House, Person};

const ALICE: &str = "alice@mail.example";

fn unlock(person: &Person) -> Done {
    person.wax_alone(["unlock", "--passphrase-fd", "3"])
}

/// Starts an agent by hand and returns when it can be spoken to.
fn start(person: &Person, idle: &str) -> std::process::Child {
    let mut command = person.command(["agent", "--idle", idle]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut ready = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    child
}

#[test]
fn after_unlocking_no_command_needs_the_passphrase_until_it_is_locked() {
    let house = House::open();
    let alice = house.member(ALICE);
    alice.wax_alone(["ls"]).failed(8, "there is no terminal to ask at");
    unlock(&alice).ok();
    alice.wax_alone(["ls"]).ok();
    let socket = std::fs::metadata(alice.home.join("agent.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&alice.home).unwrap().mode() & 0o777, 0o700);
    let left = alice.wax_alone(["whoami", "--json"]).ok().json()["unlocked_seconds"].as_u64().unwrap();
    assert!((600..=900).contains(&left), "{left}");
    assert_eq!(alice.wax_alone(["lock", "--json"]).ok().json()["locked"], true);
    alice.wax_alone(["ls"]).failed(8, "the passphrase is needed");
    assert!(!alice.home.join("agent.sock").exists());
}

#[test]
fn signing_out_makes_the_agent_forget() {
    let house = House::open();
    let alice = house.member(ALICE);
    unlock(&alice).ok();
    assert_eq!(alice.wax_alone(["logout", "--json"]).ok().json()["locked"], true);
    assert!(!alice.home.join("agent.sock").exists());
}

#[test]
fn a_wrong_passphrase_unlocks_nothing() {
    let house = House::open();
    let alice = house.member(ALICE);
    alice.types("some other words entirely");
    unlock(&alice).failed(8, "the passphrase is wrong");
    assert!(!alice.home.join("agent.sock").exists());
}

#[test]
fn the_agent_ends_by_itself_when_nobody_uses_it() {
    let house = House::open();
    let alice = house.member(ALICE);
    let agent = start(&alice, "1");
    assert!(agent.wait_with_output().unwrap().status.success());
    assert!(!alice.home.join("agent.sock").exists());
}

#[test]
fn the_socket_of_a_killed_agent_stands_in_nobodys_way() {
    let house = House::open();
    let alice = house.member(ALICE);
    let agent = start(&alice, "900");
    unlock(&alice).ok();
    alice.wax_alone(["ls"]).ok();
    kill_process(Pid::from_child(&agent), Signal::KILL).unwrap();
    agent.wait_with_output().unwrap();
    assert!(alice.home.join("agent.sock").exists());
    alice.wax_alone(["ls"]).failed(8, "the passphrase is needed");
    unlock(&alice).ok();
    alice.wax_alone(["ls"]).ok();
    alice.wax_alone(["lock"]).ok();
}

#[test]
fn a_second_agent_of_the_same_home_leaves_the_first_in_place() {
    let house = House::open();
    let alice = house.member(ALICE);
    unlock(&alice).ok();
    assert!(start(&alice, "900").wait_with_output().unwrap().status.success());
    alice.wax_alone(["ls"]).ok();
    alice.wax_alone(["lock"]).ok();
}

#[test]
fn a_home_with_a_very_long_name_has_an_agent_too() {
    let house = House::open();
    let mut alice = house.newcomer(ALICE);
    alice.home = alice.home.join("long".repeat(20)).join("name".repeat(20));
    let alice = house.settle(alice);
    unlock(&alice).ok();
    alice.wax_alone(["ls"]).ok();
    assert_eq!(alice.wax_alone(["lock", "--json"]).ok().json()["locked"], true);
}

#[test]
fn the_agent_keeps_no_file_of_its_starter_open() {
    let house = House::open();
    let alice = house.member(ALICE);
    // Standard output and error are pipes here: this returns only when nobody holds their other ends.
    let done = unlock(&alice).ok();
    assert!(done.err.contains("unlocked until 15 minutes pass without use"), "{}", done.err);
    alice.wax_alone(["lock"]).ok();
}
