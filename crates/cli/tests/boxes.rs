//! Drop boxes: made by somebody who has an account, filled by somebody who has none.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::house::{House, Person, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
const CAROL: &str = "carol@mail.example";

/// The address and the id of a new box.
fn made(alice: &Person, more: &[&str]) -> (String, String) {
    let args = ["drop", "create", "Applications, autumn", "--note", "One file each.", "--json"];
    let made = alice.wax(args.iter().chain(more), &[]).ok().json();
    (made["address"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

#[test]
fn somebody_without_an_account_fills_a_box_and_everywhere_it_says_not_verified() {
    let house = House::open();
    let (alice, visitor) = (house.member(ALICE), house.newcomer(BOB));
    let (address, id) = made(&alice, &["--max-files", "3", "--max-size", "5M"]);
    assert!(address.contains("/d/") && address.contains("#1k."), "{address}");
    let ca = visitor.ca.to_str().unwrap();
    let body = noise(1, 1_300_000);
    visitor.file("letter.pdf", &body);
    // The visitor has no session, no keys and no server.
    let sent = visitor.wax_alone(["send", "letter.pdf", "--to-box", &address, "--ca", ca]).ok();
    assert!(sent.out().contains("to       alice@mail.example (named by the address)\n"), "{}", sent.out());
    assert!(sent.out().contains("from     nobody: not signed"), "{}", sent.out());
    assert!(sent.err.contains("drop box: Applications, autumn\n          One file each.\n"), "{}", sent.err);
    assert!(sent.err.contains("takes 3 files of up to"), "{}", sent.err);
    let listed = alice.wax(["ls"], &[]).ok().out();
    assert!(listed.contains("letter.pdf") && listed.contains("sender not verified, by drop box"), "{listed}");
    let seen = alice.wax(["drop", "watch", &id[..8], "--once"], &[]).ok().out();
    assert!(seen.contains("letter.pdf") && seen.contains("(sender not verified)"), "{seen}");
    let watched = alice.wax(["drop", "watch", &id, "--once", "--json"], &[]).ok().json();
    let file = &watched["files"][0];
    assert_eq!((file["trust"].as_str(), file["from"].as_str()), (Some("anonymous"), None));
    let file = file["id"].as_str().unwrap();
    let info = alice.wax(["info", file], &[]).ok().out();
    assert!(info.contains("from     somebody without an account (sender not verified)\n"), "{info}");
    assert!(info.contains(&format!("box      {id} (Applications, autumn)\n")), "{info}");
    let got = alice.wax(["get", file], &[]).ok();
    assert!(got.out().contains("(sender not verified)"), "{}", got.out());
    assert!(got.err.contains("who sent it cannot be verified"), "{}", got.err);
    assert_eq!(fs::read(alice.work.join("letter.pdf")).unwrap(), body);
    let home = visitor.home.join("visitor.key");
    assert_eq!(fs::metadata(home).unwrap().permissions().mode() & 0o777, 0o600);
    alice.wax(["rm", file, "--yes"], &[]).ok();
    let boxes = alice.wax(["drop", "ls", "--json"], &[]).ok().json();
    assert_eq!(
        (boxes["boxes"][0]["arrivals"].as_u64(), boxes["boxes"][0]["closed"].as_bool()),
        (Some(1), Some(false))
    );
}

#[test]
fn whoever_is_signed_in_signs_unless_they_say_otherwise() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let (address, id) = made(&alice, &[]);
    bob.file("one.txt", b"one");
    bob.file("two.txt", b"two");
    let sent = bob.wax(["send", "one.txt", "--to-box", &address], &[]).ok().out();
    assert!(sent.contains("from     bob@mail.example (signed)\n"), "{sent}");
    let sent = bob.wax_alone(["send", "two.txt", "--to-box", &address, "--anonymous", "--json"]).ok().json();
    assert_eq!(sent["signed"], false);
    let seen = alice.wax(["drop", "watch", &id, "--once"], &[]).ok().out();
    assert!(
        seen.contains("one.txt") && seen.contains("from bob@mail.example (first contact, not verified)"),
        "{seen}"
    );
    assert!(
        seen.contains("two.txt") && seen.contains("from somebody without an account (sender not verified)"),
        "{seen}"
    );
}

#[test]
fn a_pipe_goes_into_a_box_and_a_full_or_closed_one_takes_nothing() {
    let house = House::open();
    let (alice, visitor) = (house.member(ALICE), house.newcomer(CAROL));
    let (address, id) = made(&alice, &["--max-files", "1", "--max-size", "1M", "--qr-svg", "code.svg"]);
    assert!(fs::read(alice.work.join("code.svg")).unwrap().starts_with(b"<svg"));
    let ca = visitor.ca.to_str().unwrap().to_owned();
    visitor.file("long", &noise(2, 1_300_000));
    visitor
        .wax_alone(["send", "long", "--to-box", &address, "--ca", &ca])
        .failed(6, "larger than the drop box takes");
    let piped =
        format!("echo words | \"$WAX\" send - --name words.txt --to-box '{address}' --ca '{ca}' --json");
    let piped = visitor.shell(&piped).ok().json();
    assert_eq!(
        (piped["files"][0]["name"].as_str(), piped["title"].as_str()),
        (Some("words.txt"), Some("Applications, autumn"))
    );
    visitor.file("short", b"x");
    visitor.wax_alone(["send", "short", "--to-box", &address, "--ca", &ca]).failed(6, "takes nothing more");
    alice.wax(["drop", "close", &id], &[]).ok();
    visitor
        .wax_alone(["send", "short", "--to-box", &address, "--ca", &ca])
        .failed(5, "does not exist or is closed");
    alice.wax(["drop", "close", &id], &[]).failed(5, "does not exist or is closed");
    let listed = alice.wax(["drop"], &[]).ok().out();
    assert!(listed.contains("closed") && listed.contains("1 of 1"), "{listed}");
    let events = alice.wax(["activity", "--json"], &[]).ok().out();
    for kind in ["box_made", "box_arrival", "box_closed"] {
        assert!(events.contains(kind), "{kind}: {events}");
    }
    assert!(!events.contains(&id), "the log does not name the box");
}

#[test]
fn what_is_no_address_of_a_box_is_refused_before_anything_is_asked() {
    let house = House::open();
    let visitor = house.newcomer(BOB);
    visitor.file("x", b"x");
    let address = format!("{}/d/AAAAAAAAAAAAAAAAAAAAAA", house.url());
    for wrong in [&address, &format!("{address}#1.x"), &address.replace("/d/", "/s/")] {
        visitor.wax_alone(["send", "x", "--to-box", wrong]).failed(2, "not the address of a drop box");
    }
    visitor.wax_alone(["send", "x", "--to-box", &address, "--to", ALICE]).failed(2, "--to-box");
    visitor.wax_alone(["send", "x", "--to", ALICE, "--anonymous"]).failed(2, "are for drop boxes");
}

#[test]
fn a_folder_is_refused_with_a_command_that_sends_it() {
    let house = House::open();
    let (alice, visitor) = (house.member(ALICE), house.newcomer(BOB));
    let (address, id) = made(&alice, &[]);
    fs::create_dir_all(visitor.work.join("all/my photos")).unwrap();
    let body = noise(3, 70_000);
    visitor.file("all/my photos/one.jpg", &body);
    let ca = visitor.ca.to_str().unwrap().to_owned();
    let refused = visitor
        .wax_alone(["send", "all/my photos", "--to-box", &address, "--ca", &ca])
        .failed(2, "a drop box takes single files, and this is a folder");
    let line = refused
        .err
        .lines()
        .find_map(|line| line.split("hint: ").nth(1).filter(|hint| hint.starts_with("tar ")));
    let line = line.expect("a command that can be typed");
    assert_eq!(line, "tar c -C all 'my photos' | wax send - --name 'my photos.tar' --to-box 'ADDRESS'");
    let typed =
        line.replace("wax send", "\"$WAX\" send --ca \"$CA\"").replace("'ADDRESS'", &format!("'{address}'"));
    visitor.shell(&format!("CA={ca}; {typed}")).ok();
    visitor
        .wax_alone(["send", "all", "--together", "--to-box", &address, "--ca", &ca])
        .failed(2, "tar c all");
    let watched = alice.wax(["drop", "watch", &id, "--once", "--json"], &[]).ok().json();
    let file = watched["files"][0]["id"].as_str().unwrap();
    alice.shell(&format!("\"$WAX\" get {file} -o - --no-agent --passphrase-fd 3 | tar x")).ok();
    assert_eq!(fs::read(alice.work.join("my photos/one.jpg")).unwrap(), body);
}
