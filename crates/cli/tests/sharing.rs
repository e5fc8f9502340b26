//! After sharing, at the command line: three people and a file.

use std::fs;

use crate::house::House;

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
const CAROL: &str = "carol@mail.example";

#[test]
fn a_file_is_shared_further_passed_on_renamed_and_no_longer_shared() {
    let house = House::open();
    let (alice, bob, carol) = (house.member(ALICE), house.member(BOB), house.member(CAROL));
    let path = alice.file("plan.pdf", b"sails");
    let id = alice.send(&path, &bob, &[]);
    // Bob passes it on, and says so.
    let passed = bob.wax(["share", &id[..8], "--to", CAROL], &[]).ok();
    assert!(passed.out().contains(&format!("{id}  passed on to {CAROL}")), "{}", passed.out());
    let again = bob.wax(["share", &id, "--to", CAROL, "--json"], &[]).ok().json();
    assert_eq!((&again["passed_on"], &again["already"]), (&true.into(), &serde_json::json!([CAROL])));
    bob.wax(["share", &id, "--to", "nobody@mail.example"], &[]).failed(5, "nobody@mail.example");
    let got = carol.wax(["get", &id], &[]).ok().out();
    assert!(
        got.contains("from     alice@mail.example") && got.contains("passed on by bob@mail.example"),
        "{got}"
    );
    assert_eq!(fs::read(carol.work.join("plan.pdf")).unwrap(), b"sails");
    let listed = carol.wax(["ls", "--json"], &[]).ok().json();
    assert_eq!(listed["files"][0]["passed_on_by"]["address"], BOB);
    // Alice sees it all in one place.
    alice.wax(["contacts", "add", CAROL], &[]);
    alice.wax(["links", "create", &id], &[]).ok();
    let info = alice.wax(["info", &id], &[]).ok().out();
    for line in ["to       bob@mail.example", "passed on by bob@mail.example", "link     ", "opened   by"] {
        assert!(info.contains(line), "{line}: {info}");
    }
    let told = alice.wax(["info", &id, "--json"], &[]).ok().json();
    assert_eq!(
        (told["recipients"].as_array().unwrap().len(), told["links"].as_array().unwrap().len()),
        (2, 1)
    );
    // Another name, which only its sender gives.
    bob.wax(["rename", &id, "mine.pdf"], &[]).failed(2, "you did not send this file");
    let named = alice.wax(["rename", &id, "map.pdf"], &[]).ok().out();
    assert!(named.contains("'plan.pdf' is now 'map.pdf'"), "{named}");
    assert_eq!(carol.wax(["info", &id, "--json"], &[]).ok().json()["name"], "map.pdf");
    alice
        .wax_alone(["rename", &format!("{id}/in/side.txt"), "x"])
        .failed(2, "inside a folder keep their names");
    // Other limits.
    let changed =
        alice.wax(["change", &id, "--expires", "30d", "--downloads", "9", "--json"], &[]).ok().json();
    assert_eq!((&changed["max_downloads"], &changed["downloads"]), (&9.into(), &1.into()));
    let told = alice.wax(["change", &id, "--no-limit"], &[]).ok().out();
    assert!(told.contains("any number of downloads"), "{told}");
    alice.wax(["change", &id, "--expires-at", "2020-01-01"], &[]).failed(2, "that time is over");
    alice.wax(["change", &id, "--expires-at", "2190-01-01"], &[]).failed(2, "at most 366 days");
    bob.wax(["change", &id, "--no-limit"], &[]).failed(2, "you did not send this file");
    // Taking Bob's access away says who else has it by him.
    let unshared = alice.wax(["unshare", &id, BOB], &[]).ok();
    assert!(unshared.err.contains("they passed it on to carol@mail.example"), "{}", unshared.err);
    alice.wax(["stop", &id], &[]).failed(2, "there is nobody to ask");
    let stopped = alice.wax(["stop", &id, "--yes"], &[]).ok();
    assert!(stopped.out().contains("no longer shared: ended for 1 person, 1 link"), "{}", stopped.out());
    carol.wax(["get", &id, "--keep-both"], &[]).failed(5, "wax: ");
    let events = alice.wax(["activity", "--json"], &[]).ok().out();
    for kind in ["file_passed_on", "file_renamed", "file_changed", "sharing_stopped"] {
        assert!(events.contains(kind), "{kind}: {events}");
    }
    // It is still there for her.
    alice.wax(["get", &id, "-o", "again.pdf"], &[]).ok();
    assert_eq!(fs::read(alice.work.join("again.pdf")).unwrap(), b"sails");
}
