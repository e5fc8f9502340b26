//! Links: made by somebody who has an account, opened by somebody who has none.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::house::{House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// The link that a command printed.
fn link_in(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("link     ")).expect("a link").to_owned()
}

#[test]
fn a_file_sent_by_link_is_opened_without_an_account() {
    let house = House::open();
    let (alice, visitor) = (house.member(ALICE), house.newcomer(BOB));
    let body = noise(1, 1_300_000);
    alice.file("plan.pdf", &body);
    let sent = alice.wax(["send", "plan.pdf", "--link", "--downloads", "1", "--qr"], &[]).ok();
    let out = sent.out();
    assert!(!out.contains("to       "), "{out}");
    assert!(out.contains('█'), "{out}");
    let link = link_in(&out);
    let ca = visitor.ca.to_str().unwrap();
    // The visitor has no session, no keys and no server.
    let got = visitor.wax_alone(["get", &link, "--ca", ca]).ok();
    assert!(
        got.out().contains("file     plan.pdf\nfrom     alice@mail.example (named by the link)\n"),
        "{}",
        got.out()
    );
    assert_eq!(fs::read(visitor.work.join("plan.pdf")).unwrap(), body);
    let other = house.newcomer("carol@mail.example");
    other.wax_alone(["get", &link, "--ca", ca]).failed(5, "all allowed downloads");
    assert!(other.names().is_empty());
    other.wax_alone(["get", &link]).failed(4, "--ca");
}

#[test]
fn a_password_comes_by_descriptor_and_a_wrong_one_opens_nothing() {
    let house = House::open();
    let (alice, visitor) = (house.member(ALICE), house.newcomer(BOB));
    alice.file("plan.pdf", b"sails");
    alice.file("word", b"tall ships\n");
    let sent = alice
        .shell(
            "exec \"$WAX\" send plan.pdf --link --password-fd 4 --json --no-agent --passphrase-fd 3 4<word",
        )
        .ok()
        .json();
    let file = &sent["files"][0];
    assert_eq!(file["link"]["password"], true);
    assert_eq!(file["to"], serde_json::json!([]));
    let link = file["link"]["link"].as_str().unwrap();
    assert!(link.contains("#1p."), "{link}");
    let ca = visitor.ca.to_str().unwrap();
    visitor.wax_alone(["get", link, "--ca", ca]).failed(8, "password");
    visitor.file("wrong", b"small ships\n");
    visitor.file("right", b"tall ships\n");
    let get = |word: &str| {
        visitor.shell(&format!("exec \"$WAX\" get '{link}' --ca '{ca}' --password-fd 4 --json 4<{word}"))
    };
    assert_eq!(get("wrong").status.code(), Some(5));
    let got = get("right").ok().json();
    assert_eq!((got["name"].as_str(), got["from"].as_str()), (Some("plan.pdf"), Some(ALICE)));
    assert_eq!(fs::read(visitor.work.join("plan.pdf")).unwrap(), b"sails");
}

#[test]
fn links_are_listed_changed_and_taken_back() {
    let house = House::open();
    let (alice, bob, visitor) =
        (house.member(ALICE), house.member(BOB), house.newcomer("carol@mail.example"));
    let path = alice.file("plan.pdf", b"sails");
    let id = alice.send(&path, &bob, &[]);
    let none = alice.wax_alone(["links"]).ok();
    assert!(none.err.contains("no links"), "{}", none.err);
    let images = ["--qr-png", "code.png", "--qr-svg", "code.svg"];
    let made =
        alice.wax(["links", "create", &id[..8], "--expires", "1h", "--json"].iter().chain(&images), &[]).ok();
    let made = made.json();
    let (link, link_id) = (made["link"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(made["file"], id.as_str());
    for (image, begin) in [("code.png", &b"\x89PNG"[..]), ("code.svg", b"<svg")] {
        let path = alice.work.join(image);
        assert!(fs::read(&path).unwrap().starts_with(begin));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "it is the link");
    }
    bob.wax(["links", "create", &id], &[]).failed(2, "you did not send this file");
    let shown = alice.wax(["links"], &[]).ok().out();
    assert!(shown.contains(link_id) && shown.contains(&id[..8]) && shown.contains("plan.pdf"), "{shown}");
    let secret = link.split_once('#').unwrap().1;
    assert!(!shown.contains(secret) && !shown.contains(&secret[2..20]), "{shown}");
    let change = ["links", "change", &link_id[..10], "--downloads", "5", "--no-expiry", "--json"];
    let changed = alice.wax_alone(change).ok().json();
    assert_eq!(changed["max_downloads"], 5);
    assert!(changed["expires_at"].as_str() > made["expires_at"].as_str(), "{changed}");
    let ca = visitor.ca.to_str().unwrap();
    visitor.wax_alone(["get", link, "--ca", ca]).ok();
    let listed = alice.wax_alone(["links", "ls", "--json"]).ok().json();
    assert_eq!(listed["links"][0]["downloads"], 1);
    alice.wax_alone(["links", "rm", link_id]).ok();
    visitor.wax_alone(["get", link, "--ca", ca, "--keep-both"]).failed(5, "no longer available");
    alice.wax_alone(["links", "rm", link_id]).failed(5, "none of your links");
    let events = alice.wax(["activity", "--json"], &[]).ok().out();
    for kind in ["link_made", "link_changed", "link_opened", "link_revoked"] {
        assert!(events.contains(kind), "{kind}: {events}");
    }
    assert!(!events.contains(link_id), "the log does not name the link");
}

#[test]
fn what_is_no_link_is_refused_before_anything_is_asked() {
    let house = House::open();
    let visitor = house.newcomer(BOB);
    let link = format!("{}/s/AAAAAAAAAAAAAAAAAAAAAA", house.url());
    visitor.wax_alone(["get", &link]).failed(2, "not a link");
    visitor.wax_alone(["get", &format!("{link}#1.x.y")]).failed(2, "not a link");
    visitor.wax_alone(["get", &format!("{link}#1.x.y"), "0123abcd"]).failed(2, "commands of their own");
    visitor.wax_alone(["get", "0123abcd", "--ca", "x"]).failed(2, "are for links");
}

#[test]
fn links_are_listed_by_the_names_of_their_files_where_these_can_be_read() {
    let house = House::open();
    let alice = house.member(ALICE);
    fs::create_dir(alice.work.join("photos")).unwrap();
    alice.file("photos/one.jpg", b"light");
    alice.wax(["send", "photos", "--link"], &[]).ok();
    let shown = alice.wax(["links"], &[]).ok().out();
    assert!(shown.contains(" photos/ "), "{shown}");
    let told = alice.wax(["links", "--json"], &[]).ok().json();
    assert_eq!(told["links"][0]["name"], "photos/");
    let locked = alice.wax_alone(["links", "--no-agent"]).ok();
    assert!(
        !locked.out().contains("photos") && locked.err.contains("your keys are locked"),
        "{}",
        locked.err
    );
}
