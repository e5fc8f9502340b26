//! Files of the documented API: sent on request only, and never shown without what they lack.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::house::{House, Person, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// A key pair as `key.pem` and `key.pub.pem`.
pub(crate) fn key(member: &Person) {
    for arguments in [
        ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"].as_slice(),
        &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"],
    ] {
        let made = Command::new("openssl").current_dir(&member.work).args(arguments).output().unwrap();
        assert!(made.status.success());
    }
    fs::set_permissions(member.work.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The id that a command printed.
fn id_in(out: &str) -> String {
    out.lines().find_map(|line| line.strip_prefix("id       ")).expect("an id").to_owned()
}

#[test]
fn a_compat_file_comes_back_with_its_warning_and_is_listed_and_ended() {
    let house = House::open();
    let alice = house.member(ALICE);
    key(&alice);
    let body = noise(1, 1_300_000);
    alice.file("plan.pdf", &body);
    let sent = alice.wax(["send", "plan.pdf", "--compat", "--to-key", "key.pub.pem"], &[]).ok();
    assert!(sent.err.contains("not signed, and the server knows its name"), "{}", sent.err);
    let id = id_in(&sent.out());
    let listed = alice.wax(["ls"], &[]).ok();
    assert!(
        listed.out().contains("not signed (v0)") && listed.out().contains("plan.pdf"),
        "{}",
        listed.out()
    );
    let json = alice.wax(["ls", "--json"], &[]).ok().json();
    assert_eq!((json["v0"][0]["id"].as_str(), &json["v0"][0]["signed"]), (Some(id.as_str()), &false.into()));
    fs::remove_file(alice.work.join("plan.pdf")).unwrap();
    let got = alice.wax(["get", &id, "--key", "key.pem"], &[]).ok();
    assert!(got.err.contains("warning: sender not verified"), "{}", got.err);
    assert!(got.err.contains("the server knows its name and its size"), "{}", got.err);
    assert!(got.out().contains("from     not verified"), "{}", got.out());
    assert_eq!(fs::read(alice.work.join("plan.pdf")).unwrap(), body);
    alice.wax(["rm", &id[..8], "--yes"], &[]).ok();
    alice.wax(["get", &id, "--key", "key.pem", "-o", "x"], &[]).failed(5, "no such file");
}

#[test]
fn whoever_takes_only_signed_files_is_sent_none_of_these() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    key(&alice);
    alice.file("plan.pdf", b"sails");
    for more in [["--to", BOB].as_slice(), &["--to", BOB, "--to-key", "key.pub.pem"]] {
        let arguments = ["send", "plan.pdf", "--compat"].iter().chain(more).copied();
        alice.wax(arguments, &[]).failed(6, "takes only files that are signed");
    }
    // An address without an account may be named: it is for the server to know.
    let to =
        ["send", "plan.pdf", "--compat", "--to-key", "key.pub.pem", "--to", "zoe@mail.example", "--json"];
    let sent = alice.wax(to, &[]).ok().json();
    assert_eq!(sent["files"][0]["to"], serde_json::json!(["zoe@mail.example"]));
    let id = sent["files"][0]["id"].as_str().unwrap();
    assert!(bob.wax(["ls"], &[]).ok().out().is_empty());
    bob.wax(["get", id], &[]).failed(6, "not for you");
    assert_eq!(bob.names(), Vec::<String>::new());
    alice.wax(["send", "plan.pdf", "--compat"], &[]).failed(2, "--to-key");
    alice.wax(["send", "plan.pdf", "--compat", "--link", "--to-key", "key.pub.pem"], &[]).failed(2, "--link");
}

#[test]
fn another_key_opens_nothing_and_writes_nothing() {
    let house = House::open();
    let alice = house.member(ALICE);
    key(&alice);
    alice.file("plan.pdf", b"sails");
    let id = id_in(&alice.wax(["send", "plan.pdf", "--compat", "--to-key", "key.pub.pem"], &[]).ok().out());
    fs::remove_file(alice.work.join("key.pem")).unwrap();
    fs::remove_file(alice.work.join("plan.pdf")).unwrap();
    key(&alice);
    alice.wax(["get", &id, "--key", "key.pem"], &[]).failed(8, "does not verify");
    alice.wax(["get", &id], &[]).failed(8, "does not verify");
    assert_eq!(alice.names(), ["key.pem", "key.pub.pem"]);
}

#[test]
fn everything_at_once_brings_files_that_nobody_signed_and_says_so() {
    let house = House::open();
    let alice = house.member(ALICE);
    key(&alice);
    let body = noise(2, 40_000);
    alice.file("plan.pdf", &body);
    let to =
        ["send", "plan.pdf", "--compat", "--to-key", "key.pub.pem", "--to", "zoe@mail.example", "--json"];
    let sent = alice.wax(to, &[]).ok().json();
    let id = sent["files"][0]["id"].as_str().unwrap();
    let zoe = house.member("zoe@mail.example");
    let without = zoe.wax(["get", "--all"], &[]).ok();
    assert!(without.err.contains("1 file of the older kind (v0) not fetched"), "{}", without.err);
    fs::copy(alice.work.join("key.pem"), zoe.work.join("key.pem")).unwrap();
    zoe.wax(["keys", "import", "key.pem"], &[]).ok();
    fs::create_dir(zoe.work.join("inbox")).unwrap();
    let got = zoe.wax(["get", "--all", "-o", "inbox"], &[]).ok();
    assert!(got.out().contains("plan.pdf") && got.out().contains("(sender not verified)"), "{}", got.out());
    assert!(got.err.contains("warning: sender not verified"), "{}", got.err);
    assert_eq!(fs::read(zoe.work.join("inbox/plan.pdf")).unwrap(), body);
    let again = zoe.wax(["get", "--all", "-o", "inbox", "--json"], &[]).ok().json();
    assert_eq!((again["files"].as_array().unwrap().len(), &again["already_there"]), (0, &1.into()));
    // Nobody knows by whom it is, so it is by nobody who could be named.
    zoe.file("inbox/plan.pdf", b"another");
    let named = zoe.wax(["get", "--all", "--from", ALICE, "-o", "inbox", "--json"], &[]).ok().json();
    assert_eq!(named["already_there"], 0);
    zoe.wax(["get", "--all", "-o", "inbox"], &[]).failed(9, "exists already");
    let both = zoe.wax(["get", "--all", "-o", "inbox", "--keep-both", "--json"], &[]).ok().json();
    assert_eq!((both["files"][0]["id"].as_str(), &both["files"][0]["signed"]), (Some(id), &false.into()));
}

#[test]
fn what_is_told_of_a_file_that_nobody_signed_is_marked_as_the_servers_word() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    key(&alice);
    alice.file("plan.pdf", b"sails");
    let to = ["send", "plan.pdf", "--compat", "--to-key", "key.pub.pem", "--to", "zoe@mail.example"];
    let id = id_in(&alice.wax(to, &[]).ok().out());
    let zoe = house.member("zoe@mail.example");
    let told = zoe.wax(["info", &id[..8]], &[]).ok();
    assert!(told.out().contains("name     plan.pdf\n") && told.out().contains("from     not verified\n"));
    assert!(told.err.contains("warning: sender not verified"), "{}", told.err);
    let own = alice.wax(["info", &id], &[]).ok();
    assert!(own.out().contains("from     you (not signed)\n"), "{}", own.out());
    assert!(own.err.contains("the server knows its name, its size and who may fetch it"), "{}", own.err);
    let json = zoe.wax(["info", &id, "--json"], &[]).ok().json();
    assert_eq!((json["format"].as_str(), &json["signed"]), (Some("v0"), &false.into()));
    zoe.wax(["info", &id, "--preview-out", "x.png"], &[]).failed(5, "no preview");
    bob.wax(["info", &id], &[]).failed(6, "not for you");
    let refused = "which can only be fetched and removed";
    alice.wax(["links", "create", &id], &[]).failed(2, refused);
    alice.wax(["share", &id, "--to", BOB], &[]).failed(2, refused);
    alice.wax(["rename", &id, "map.pdf"], &[]).failed(2, refused);
    alice.wax(["change", &id, "--expires", "2d"], &[]).failed(2, refused);
    alice.wax(["stop", &id, "--yes"], &[]).failed(2, refused);
    alice.wax(["info", "00000000-0000-4000-8000-000000000000"], &[]).failed(5, "no such file");
}
