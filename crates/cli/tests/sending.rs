//! What is sent, to whom, and what becomes of it.

use std::ffi::OsStr;

use crate::house::{House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

#[test]
fn a_file_arrives_as_it_went() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let body = noise(1, 3_000_000);
    let path = alice.file("report.bin", &body);
    let done = alice.wax(["send", path.to_str().unwrap(), "--to", BOB, "--downloads", "1"], &[]).ok();
    let out = done.out();
    assert!(out.contains("to       bob@mail.example (not verified: trust on first use)"), "{out}");
    assert!(out.contains("limits   expires after 1 download or 7 days"), "{out}");
    assert!(out.contains("size     3.0 MB, "), "{out}");
    assert!(done.err.contains("wax contacts verify bob@mail.example"), "{}", done.err);
    let id = out.lines().find_map(|line| line.strip_prefix("id       ")).unwrap();

    let got = bob.wax(["get", id], &[]).ok();
    assert!(got.out().contains("file     report.bin\n"), "{}", got.out());
    assert!(got.out().contains("from     alice@mail.example (first contact, not verified)"), "{}", got.out());
    assert_eq!(std::fs::read(bob.work.join("report.bin")).unwrap(), body);
    assert_eq!(bob.names(), ["report.bin"]);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    for body in [noise(2, 1_500_000), Vec::new()] {
        let sent =
            alice.wax_fed(["send", "-", "--to", BOB, "--name", "stream.bin", "--json"], &body).ok().json();
        let file = &sent["files"][0];
        assert_eq!((&file["name"], &file["bytes"]), (&"stream.bin".into(), &body.len().into()));
        let got = bob.wax(["get", file["id"].as_str().unwrap(), "-o", "-"], &[]).ok();
        assert!(got.bytes == body);
        assert!(got.err.contains("received stream.bin"), "{}", got.err);
    }
    assert!(bob.names().is_empty());
}

#[test]
fn several_files_go_to_several_people_in_one_command() {
    let house = House::open();
    let (alice, bob, carol) = (house.member(ALICE), house.member(BOB), house.member("carol@mail.example"));
    alice.file("one.txt", b"one");
    alice.file("two.txt", b"two");
    let args = ["send", "one.txt", "two.txt", "--to", BOB, "--to", &carol.address, "--to", BOB, "--json"];
    let sent = alice.wax(args, &[]).ok().json();
    assert_eq!(sent["files"].as_array().unwrap().len(), 2);
    assert_eq!(sent["files"][1]["to"].as_array().unwrap().len(), 2);
    for person in [&bob, &carol] {
        let list = person.wax(["ls", "--json"], &[]).ok().json();
        let names: Vec<_> =
            list["files"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.contains(&"one.txt".into()) && names.contains(&"two.txt".into()));
    }
}

#[test]
fn when_a_later_file_fails_the_earlier_ones_are_named() {
    let house = House::open_with(|config| config.limits.file_bytes = 1 << 20);
    let (alice, _bob) = (house.member(ALICE), house.member(BOB));
    alice.file("small.bin", b"small");
    alice.file("large.bin", &noise(3, 2 << 20));
    let done = alice.wax(["send", "small.bin", "large.bin", "--to", BOB, "--json"], &[]);
    let error = done.failed(6, "larger than the server accepts").json();
    assert_eq!(error["error"]["sent"][0]["name"], "small.bin");
}

#[test]
fn an_unknown_recipient_is_named_and_nothing_is_sent() {
    let house = House::open();
    let (alice, _bob) = (house.member(ALICE), house.member(BOB));
    alice.file("notes.txt", b"notes");
    let done = alice.wax(["send", "notes.txt", "--to", BOB, "--to", "nobody@mail.example"], &[]);
    done.failed(5, "nobody can be reached at nobody@mail.example").failed(5, "nothing was sent");
    let list = alice.wax(["ls", "--json"], &[]).ok().json();
    assert!(list["files"].as_array().unwrap().is_empty());
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    bob.types("violin kettle harbour seventeen mos");
    let done = bob.wax(["get", &id], &[]).failed(8, "the passphrase is wrong");
    assert!(done.out().is_empty());
    assert!(bob.names().is_empty());
}

#[test]
fn a_quota_that_is_full_is_said_to_be() {
    let house = House::open_with(|config| config.limits.quota_bytes = 1 << 20);
    let (alice, _bob) = (house.member(ALICE), house.member(BOB));
    alice.file("large.bin", &noise(4, 3 << 20));
    alice
        .wax(["send", "large.bin", "--to", BOB], &[])
        .failed(6, "your quota on the server does not hold this");
}

#[test]
fn a_file_that_compresses_is_sent_smaller_and_arrives_whole() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let body = b"the same line again and again\n".repeat(40_000);
    let path = alice.file("lines.txt", &body);
    let sent =
        alice.wax(["send", path.to_str().unwrap(), "--to", BOB, "--compress", "--json"], &[]).ok().json();
    let file = &sent["files"][0];
    assert!(file["stored_bytes"].as_u64().unwrap() < body.len() as u64 / 10);
    let id = file["id"].as_str().unwrap();
    bob.wax(["get", id], &[]).ok();
    assert_eq!(std::fs::read(bob.work.join("lines.txt")).unwrap(), body);
    assert!(bob.wax(["info", id], &[]).ok().out().contains("compressed"));
}

#[test]
fn a_list_shows_both_directions_and_beginnings_of_ids_suffice() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    let short = &id[..8];
    let sent = alice.wax(["ls"], &[]).ok().out();
    let row = sent.lines().find(|line| line.starts_with(short)).unwrap();
    assert!(row.contains("sent") && row.contains("notes.txt"), "{row}");
    let received = bob.wax(["ls", "--received", "--long"], &[]).ok();
    let out = received.out();
    let row = out.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(row.contains("received") && row.contains("alice@mail.example (!)"), "{row}");
    assert!(bob.wax(["ls", "--sent"], &[]).ok().out().is_empty());
    let info = bob.wax(["info", short], &[]).ok().out();
    assert!(info.contains("name     notes.txt"), "{info}");
    assert!(info.contains("from     alice@mail.example (first contact, not verified)"), "{info}");
    let info = alice.wax(["info", short], &[]).ok().out();
    assert!(info.contains("to       bob@mail.example (!)"), "{info}");
    let json = alice.wax(["info", &short.to_uppercase(), "--json"], &[]).ok().json();
    assert_eq!((&json["id"], &json["role"]), (&id.as_str().into(), &"author".into()));
    bob.wax(["info", "ffffffff"], &[]).failed(5, "none of your files has an id that begins with ffffffff");
}

#[test]
fn a_file_that_is_no_longer_shared_cannot_be_fetched() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    let done = alice.wax(["unshare", &id, BOB, "--json"], &[]).ok().json();
    assert_eq!(done["unshared"], true);
    bob.wax(["get", &id], &[]).failed(5, "there is no such file for you");
    assert!(bob.names().is_empty());
    alice.wax(["unshare", &id, "carol@mail.example"], &[]).failed(5, "wax: ");
}

#[test]
fn deleting_ends_a_file_for_everybody_and_giving_it_up_only_for_oneself() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let path = alice.file("notes.txt", b"notes");
    let (kept, deleted) = (alice.send(&path, &bob, &[]), alice.send(&path, &bob, &[]));
    bob.wax(["rm", &kept], &[]).failed(2, "there is nobody to ask");
    let given_up = bob.wax(["rm", &kept, "--yes", "--json"], &[]).ok().json();
    assert_eq!(given_up["removed"][0]["for"], "you");
    alice.wax(["info", &kept], &[]).ok();
    let gone = alice.wax(["rm", &deleted[..13], "--yes", "--json"], &[]).ok().json();
    assert_eq!(
        (&gone["removed"][0]["for"], &gone["removed"][0]["id"]),
        (&"everyone".into(), &deleted.as_str().into())
    );
    for id in [&kept, &deleted] {
        bob.wax(["get", id], &[]).failed(5, "there is no such file for you");
    }
}

#[test]
fn an_expired_file_and_one_without_downloads_left_are_told_apart() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let path = alice.file("notes.txt", b"notes");
    let once = alice.send(&path, &bob, &["--downloads", "1"]);
    bob.wax(["get", &once, "-o", "-"], &[]).ok();
    bob.wax(["get", &once], &[]).failed(5, "all allowed downloads of the file are used");
    let short = alice.send(&path, &bob, &["--expires", "1m"]);
    house.clock.advance(61);
    bob.wax(["get", &short], &[]).failed(5, "the file has expired");
    assert!(bob.names().is_empty());
}

#[test]
fn a_treacherous_name_is_shown_escaped_and_saved_made_safe() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let path = alice.file("notes.txt", b"notes");
    let id = alice.send(&path, &bob, &["--name", "bill\u{202e}fdp.exe"]);
    let row = bob.wax(["ls"], &[]).ok().out();
    assert!(row.contains("bill\\u{202e}fdp.exe"), "{row}");
    let got = bob.wax(["get", &id], &[]).ok();
    assert!(!got.out().contains('\u{202e}') && !got.err.contains('\u{202e}'));
    assert!(!bob.names()[0].contains('\u{202e}'), "{:?}", bob.names());
    let refused = alice.wax(
        [OsStr::new("send"), path.as_os_str(), "--to".as_ref(), BOB.as_ref()],
        &["--name".as_ref(), "../up".as_ref()],
    );
    refused.failed(2, "that name cannot be used");
}
