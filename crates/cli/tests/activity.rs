//! `wax activity`, and the receipts in `wax info`.

use crate::house::House;

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

#[test]
fn activity_says_who_did_what_with_which_file() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    bob.wax(["get", &id], &[]).ok();
    let out = alice.wax(["activity"], &[]).ok().out();
    for words in [
        "you made the account",
        "you signed in by code with wax/",
        "you published the first keys",
        "you sent notes.txt",
        "you shared notes.txt with bob@mail.example",
        "bob@mail.example fetched notes.txt",
        "bob@mail.example opened notes.txt and signed a receipt",
    ] {
        assert!(out.contains(words), "{words:?} is not in {out}");
    }
    assert_eq!(out.lines().count(), 7, "{out}");
    // Without the keys there are no names: only what the server may know.
    let locked = alice.wax_alone(["activity", "--no-agent"]).ok().out();
    assert!(
        locked.contains(&format!("you sent file {}", &id[..8])) && !locked.contains("notes.txt"),
        "{locked}"
    );
    let fetched = alice.wax(["activity", "--kind", "file_fetched", "--json"], &[]).ok().json();
    assert_eq!(fetched["events"].as_array().unwrap().len(), 1);
    let event = &fetched["events"][0];
    assert_eq!((&event["file"], &event["name"]), (&id.as_str().into(), &"notes.txt".into()));
    assert_eq!((&event["actor"]["address"], &event["actor"]["me"]), (&BOB.into(), &false.into()));
    let count = |args: &[&str]| {
        let all = ["activity", "--json"].into_iter().chain(args.iter().copied());
        alice.wax(all, &[]).ok().json()["events"].as_array().unwrap().len()
    };
    assert_eq!(count(&["--file", &id]), 4);
    assert_eq!(count(&["--file", &id[..8]]), 4);
    assert_eq!(count(&["--since", "1h"]), 7);
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(count(&["--since", "2100-01-01"]), 0);
}

#[test]
fn info_shows_a_verified_receipt_and_none_of_who_gave_none() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let id = alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    bob.wax(["get", &id, "--no-receipt"], &[]).ok();
    assert!(!alice.wax(["info", &id], &[]).ok().out().contains("opened"));
    bob.wax(["get", &id, "--force"], &[]).ok();
    let shown = alice.wax(["info", &id], &[]).ok().out();
    assert!(
        shown.contains("opened   by bob@mail.example at ") && shown.contains(", receipt verified"),
        "{shown}"
    );
    let json = alice.wax(["info", &id, "--json"], &[]).ok().json();
    assert_eq!(
        (&json["receipts"][0]["state"], &json["receipts"][0]["address"]),
        (&"verified".into(), &BOB.into())
    );
}
