//! Whose keys are trusted, and what happens when they change.

use crate::house::{House, Person};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

fn export(person: &Person) -> String {
    let bundle = person.work.join("keys.wxb").to_str().unwrap().to_owned();
    person.wax(["keys", "export", &bundle, "--force"], &[]).ok();
    bundle
}

fn number(person: &Person, of: &str) -> String {
    let shown = person.wax(["contacts", "verify", of, "--json"], &[]).ok().json();
    shown["safety_number"].as_str().unwrap().to_owned()
}

#[test]
fn two_people_who_exchange_keys_see_the_same_safety_number() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.wax(["contacts", "add", BOB, "--bundle", &export(&bob)], &[]).ok();
    bob.wax(["contacts", "add", ALICE], &[]).ok();
    let theirs = number(&bob, ALICE);
    assert_eq!(number(&alice, BOB), theirs);
    let shown = alice.wax(["contacts", "verify", BOB], &[]).ok().out();
    assert!(shown.split_whitespace().collect::<Vec<_>>().join(" ").contains(&theirs), "{shown}");

    let wrong = theirs.replace(['1', '2', '3'], "4");
    alice.wax(["contacts", "verify", BOB, "--number", &wrong], &[]).failed(7, "does not match");
    let done = alice.wax(["contacts", "verify", BOB, "--number", &theirs, "--json"], &[]).ok().json();
    assert_eq!(done["verified"], true);
    let list = alice.wax(["contacts"], &[]).ok().out();
    assert!(list.lines().any(|line| line.starts_with(BOB) && line.contains(" verified ")), "{list}");
    let sent = alice.wax(["send", alice.file("a.txt", b"a").to_str().unwrap(), "--to", BOB], &[]).ok();
    assert!(sent.out().contains("bob@mail.example (verified)"), "{}", sent.out());
    assert!(!sent.err.contains("hint"), "{}", sent.err);
}

#[test]
fn keys_of_somebody_else_are_not_taken_for_an_address() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let bundle = export(&bob);
    alice.wax(["contacts", "add", "carol@mail.example", "--bundle", &bundle], &[]).failed(7, "not genuine");
    assert!(alice.wax(["contacts", "--json"], &[]).ok().json()["contacts"].as_array().unwrap().is_empty());
}

#[test]
fn changed_keys_stop_everything_until_a_person_has_compared_the_new_number() {
    let (house, elsewhere) = (House::open(), House::open());
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let former = elsewhere.member(BOB);
    alice.wax(["contacts", "add", BOB, "--bundle", &export(&former)], &[]).ok();
    let known = number(&alice, BOB);
    bob.wax(["contacts", "add", ALICE], &[]).ok();
    let now = number(&bob, ALICE);

    let path = alice.file("notes.txt", b"notes");
    let done = alice.wax(["send", path.to_str().unwrap(), "--to", BOB, "--json"], &[]);
    let done = done.failed(7, "the keys of bob@mail.example have changed");
    assert!(done.err.contains(&known) && done.err.contains(&now), "{}", done.err);
    assert!(done.err.contains("hint: nothing was sent or opened"), "{}", done.err);
    let error = &done.json()["error"];
    assert_eq!(
        (&error["known_safety_number"], &error["shown_safety_number"]),
        (&known.as_str().into(), &now.as_str().into())
    );
    assert!(bob.wax(["ls", "--json"], &[]).ok().json()["files"].as_array().unwrap().is_empty());

    alice.wax(["contacts", "accept", BOB, "--number", &known], &[]).failed(7, "the safety number differs");
    alice.wax(["send", path.to_str().unwrap(), "--to", BOB], &[]).failed(7, "have changed");
    alice.wax(["contacts", "accept", BOB, "--number", &now], &[]).ok();
    alice.send(&path, &bob, &[]);
}

#[test]
fn a_forgotten_contact_is_met_for_the_first_time_again() {
    let house = House::open();
    let (alice, _bob) = (house.member(ALICE), house.member(BOB));
    assert!(alice.wax(["contacts", "add", BOB], &[]).ok().out().contains("bob@mail.example: added"));
    assert!(alice.wax(["contacts", "add", BOB], &[]).ok().out().contains("already known"));
    alice.wax(["contacts", "forget", BOB], &[]).failed(2, "there is nobody to ask");
    alice.wax(["contacts", "forget", BOB, "--yes"], &[]).ok();
    assert!(alice.wax(["contacts", "add", BOB], &[]).ok().out().contains("bob@mail.example: added"));
}

#[test]
fn keys_go_to_standard_output_and_no_existing_file_is_lost() {
    let house = House::open();
    let alice = house.member(ALICE);
    let bundle = alice.wax(["keys", "export"], &[]).ok().bytes;
    assert!(bundle.starts_with(b"WXWGID01"));
    alice.file("taken.wxb", b"something else");
    alice.wax(["keys", "export", "taken.wxb"], &[]).failed(9, "file exists");
    assert_eq!(std::fs::read(alice.work.join("taken.wxb")).unwrap(), b"something else");
}
