//! Files of the documented API: sent on request only, and never shown without what they lack.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::house::{House, Person, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// A key pair as `key.pem` and `key.pub.pem`.
fn key(member: &Person) {
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
