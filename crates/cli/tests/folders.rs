//! Folders at the command line: sent as one, looked into, fetched in part and whole.

use std::fs;
use std::os::unix::fs::symlink;

use crate::house::{House, Person, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

fn photos(house: &House) -> Person {
    let alice = house.member(ALICE);
    let root = alice.work.join("photos");
    fs::create_dir_all(root.join("2026")).unwrap();
    fs::create_dir_all(root.join("none")).unwrap();
    fs::write(root.join("2026/sea.jpg"), noise(1, 300_000)).unwrap();
    fs::write(root.join("2026/notes.txt"), b"calm").unwrap();
    fs::write(root.join("harbour.jpg"), noise(2, 1_000)).unwrap();
    symlink("/etc/hostname", root.join("shortcut")).unwrap();
    alice
}

#[test]
fn a_folder_is_sent_looked_into_and_fetched_in_part_and_whole() {
    let house = House::open();
    let (alice, bob) = (photos(&house), house.member(BOB));
    let sent = alice.wax(["send", "photos", "--to", BOB], &[]).ok();
    assert!(sent.err.contains("left out, because it is a symbolic link"), "{}", sent.err);
    assert!(sent.out().contains("folder   3 files, 301.0 kB\n"), "{}", sent.out());
    let id = sent.out().lines().find_map(|line| line.strip_prefix("id       ").map(str::to_owned)).unwrap();
    let listed = bob.wax(["ls"], &[]).ok().out();
    assert!(listed.contains("photos/") && listed.contains("folder"), "{listed}");
    let info = alice.wax(["info", &id], &[]).ok().out();
    assert!(info.contains("wax get") && info.contains("--list"), "{info}");
    let inside = bob.wax(["get", &id, "--list"], &[]).ok().out();
    assert_eq!(inside, "       4 B  2026/notes.txt\n  300.0 kB  2026/sea.jpg\n    1.0 kB  harbour.jpg\n");
    let some = bob.wax(["get", &id, "--only", "*.jpg", "--json"], &[]).ok().json();
    assert_eq!((&some["folder"]["wanted"], &some["folder"]["fetched"]), (&2.into(), &2.into()));
    assert_eq!(some["path"], "photos");
    assert!(!bob.work.join("photos/2026/notes.txt").exists());
    let all = bob.wax(["get", &id], &[]).ok();
    assert!(all.err.contains("3 files, 301.0 kB; 2 were here already"), "{}", all.err);
    assert!(all.out().contains("folder   photos\n"), "{}", all.out());
    for name in ["2026/sea.jpg", "2026/notes.txt", "harbour.jpg"] {
        let [here, there] = [&bob, &alice].map(|who| fs::read(who.work.join("photos").join(name)).unwrap());
        assert!(here == there, "{name}");
    }
    assert!(bob.work.join("photos/none").is_dir() && !bob.work.join("photos/shortcut").exists());
    bob.wax(["get", &id, "--only", "*.png"], &[]).failed(5, "nothing in the folder matches");
    bob.wax(["get", &id, "-o", "-"], &[]).failed(2, "cannot go to one output");
    bob.wax(["get", &id, "--only", "*.jpg", "-o", "-"], &[]).failed(2, "standard output");
    fs::create_dir_all(bob.work.join("mine/photos")).unwrap();
    bob.wax(["get", &id, "-o", "mine"], &[]).failed(9, "exists already");
}

#[test]
fn several_files_go_under_one_link_as_one_folder() {
    let house = House::open();
    let (alice, visitor) = (photos(&house), house.newcomer(BOB));
    alice.file("plan.txt", b"sails");
    let sent =
        alice.wax(["send", "plan.txt", "photos", "--link", "--name", "harbour", "--json"], &[]).ok().json();
    let files = sent["files"].as_array().unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!((&files[0]["name"], &files[0]["folder"]["files"]), (&"harbour".into(), &4.into()));
    let link = files[0]["link"]["link"].as_str().unwrap();
    let got = visitor.wax_alone(["get", link, "--ca", visitor.ca.to_str().unwrap()]).ok();
    assert!(got.out().contains("folder   harbour\n"), "{}", got.out());
    assert_eq!(fs::read(visitor.work.join("harbour/plan.txt")).unwrap(), b"sails");
    assert_eq!(fs::read(visitor.work.join("harbour/photos/2026/notes.txt")).unwrap(), b"calm");
}

#[test]
fn what_cannot_stand_in_one_folder_is_told_before_anything_is_sent() {
    let house = House::open();
    let alice = photos(&house);
    fs::write(alice.work.join("photos/Harbour.JPG"), b"x").unwrap();
    alice
        .wax(["send", "photos", "--to", BOB], &[])
        .failed(2, "Harbour.JPG and harbour.jpg cannot stand in one folder");
    fs::create_dir(alice.work.join("void")).unwrap();
    alice.wax(["send", "void", "--to", BOB], &[]).failed(2, "there is nothing to send");
    assert_eq!(alice.wax(["ls", "--json"], &[]).ok().json()["files"], serde_json::json!([]));
}
