//! Where a received file may go, and what stands in its way.

use crate::house::{House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

#[test]
fn a_name_that_is_taken_is_refused_kept_beside_or_replaced() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"new"), &bob, &[]);
    bob.file("notes.txt", b"old");
    let refused = bob.wax(["get", &id], &[]);
    refused.failed(9, "exists already").failed(9, "hint: nothing was changed");
    assert_eq!(std::fs::read(bob.work.join("notes.txt")).unwrap(), b"old");
    bob.wax(["get", &id, "--keep-both"], &[]).ok();
    assert_eq!(bob.names(), ["notes (1).txt", "notes.txt"]);
    bob.wax(["get", &id, "--force"], &[]).ok();
    assert_eq!(std::fs::read(bob.work.join("notes.txt")).unwrap(), b"new");
}

#[test]
fn a_file_goes_where_it_is_told_to() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    let there = bob.wax(["get", &id, "-o", "renamed.txt", "--json"], &[]).ok().json();
    assert_eq!(there["path"], "renamed.txt");
    std::fs::create_dir(bob.work.join("folder")).unwrap();
    bob.wax(["get", &id, "-o", "folder"], &[]).ok();
    assert_eq!(std::fs::read(bob.work.join("folder/notes.txt")).unwrap(), b"notes");
}

#[test]
fn an_unwritable_target_is_named_before_anything_is_fetched() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &["--downloads", "1"]);
    bob.wax(["get", &id, "-o", "/proc/nothing-here.txt"], &[]).failed(9, "/proc");
    bob.wax(["get", &id, "-o", "missing/notes.txt"], &[]).failed(9, "cannot write into missing");
    // The download was not used up by that.
    bob.wax(["get", &id, "-o", "-"], &[]).ok();
}

#[test]
fn a_reader_that_hangs_up_ends_the_download_with_an_error() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("large.bin", &noise(5, 4 << 20)), &bob, &[]);
    let mut child = bob.start(["get", &id, "-o", "-"]);
    drop(child.stdout.take());
    crate::house::Done::waited(child).failed(9, "cannot write the output");
}

#[test]
fn what_is_not_shared_with_somebody_does_not_exist_for_them() {
    let house = House::open();
    let (alice, bob, eve) = (house.member(ALICE), house.member(BOB), house.member("eve@mail.example"));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for id in [id.as_str(), unknown] {
        eve.wax(["get", id], &[]).failed(5, "there is no such file for you");
        eve.wax(["info", id], &[]).failed(5, "there is no such file for you");
        eve.wax(["rm", id, "--yes"], &[]).failed(5, "there is no such file for you");
    }
    assert!(eve.names().is_empty());
}
