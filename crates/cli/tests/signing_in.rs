//! Codes, sessions, first keys, and servers that are not what they should be.

use crate::house::{House, PASSPHRASE};

const ALICE: &str = "alice@mail.example";

#[test]
fn a_newcomer_gives_the_code_on_standard_input_and_gets_keys() {
    let house = House::open();
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap();
    alice.wax(["login", ALICE, "--server", &alice.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    // Asks for a second code, which makes the first one void; a stale code on standard input is refused.
    let wrong = if code == "000000" { "000001" } else { "000000" };
    alice
        .wax_fed(["login", ALICE], format!("{wrong}\n").as_bytes())
        .failed(3, "the code is wrong or has expired");
    let code = house.code_for(ALICE);
    let done = alice.wax(["login", ALICE, "--code", &code, "--json"], &[]).ok().json();
    assert_eq!(done["address"], ALICE);
    assert_eq!(done["keys"], "made");
    let me = alice.wax(["whoami", "--json"], &[]).ok().json();
    assert_eq!(me["user_id"], done["user_id"]);
    assert_eq!((&me["keys_published"], &me["keys_here"]), (&true.into(), &true.into()));
    assert!(alice.wax(["whoami"], &[]).ok().out().contains("keys     on this machine, locked"));
}

#[test]
fn an_empty_answer_says_how_to_sign_in_later() {
    let house = House::open();
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap();
    alice
        .wax_fed(["login", ALICE, "--server", &alice.url, "--ca", ca], b"\n")
        .failed(3, "hint: when the mail has come: wax login --code CODE");
}

#[test]
fn a_weak_passphrase_is_refused_with_a_reason_and_makes_no_keys() {
    let house = House::open();
    let alice = house.newcomer(ALICE);
    let ca = alice.ca.to_str().unwrap();
    alice.wax(["login", ALICE, "--server", &alice.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    alice.types("password1");
    let done = alice.wax(["login", ALICE, "--code", &code], &[]);
    done.failed(
        2,
        "hint: this is a very common password; add another word or two; uncommon words are better",
    );
    // The session stands nevertheless, and better words make keys.
    alice.wax(["keys"], &[]).failed(3, "hint: make keys with: wax keys generate");
    alice.types(PASSPHRASE);
    let made = alice.wax(["keys", "generate", "--json"], &[]).ok().json();
    let shown = alice.wax(["keys", "--json"], &[]).ok().json();
    assert_eq!(made["fingerprint"], shown["fingerprint"]);
    assert_eq!(shown["fingerprint"].as_str().unwrap().split(' ').count(), 6);
    alice.wax(["keys", "generate"], &[]).failed(9, "there are keys on this machine already");
}

#[test]
fn signing_out_ends_the_session_and_signing_in_again_finds_the_keys() {
    let house = House::open();
    let alice = house.member(ALICE);
    let out = alice.wax(["logout", "--json"], &[]).ok().json();
    assert_eq!((&out["signed_out"], &out["server_told"]), (&true.into(), &true.into()));
    alice.wax(["whoami"], &[]).failed(3, "you are not signed in");
    alice.wax(["login", ALICE, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    let done = alice.wax(["login", ALICE, "--code", &code, "--json"], &[]).ok().json();
    assert_eq!(done["keys"], "present");
    alice.wax(["ls"], &[]).ok();
}

#[test]
fn a_second_machine_makes_no_second_keys() {
    let house = House::open();
    let _first = house.member(ALICE);
    let second = house.newcomer(ALICE);
    let ca = second.ca.to_str().unwrap();
    second.wax(["login", ALICE, "--server", &second.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    let done = second.wax(["login", ALICE, "--code", &code, "--json"], &[]).ok();
    assert_eq!(done.json()["keys"], "elsewhere");
    second.wax(["keys", "generate"], &[]).failed(7, "this account has keys already, made on another machine");
}

#[test]
fn a_server_that_is_down_is_said_to_be() {
    let mut house = House::open();
    let alice = house.member(ALICE);
    house.close();
    alice.wax(["whoami"], &[]).failed(4, "cannot connect to localhost");
    let error = alice.wax(["whoami", "--json"], &[]).failed(4, "hint: ").json();
    assert_eq!(error["error"]["class"], "network");
}

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    let (house, other) = (House::open(), House::open());
    let alice = house.newcomer(ALICE);
    let ca = other.ca();
    let done = alice.wax(["login", ALICE, "--server", &alice.url, "--ca", ca.to_str().unwrap()], &[]);
    done.failed(4, "is not trusted").failed(4, "hint: nothing was sent");
    // Without any authority named, the system's are asked, which do not know this one either.
    let bob = house.newcomer("bob@mail.example");
    bob.wax(["login", "bob@mail.example", "--server", &bob.url], &[]).failed(4, "is not trusted");
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::open();
    let alice = house.member(ALICE);
    let key = std::fs::read_dir(&alice.home)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "wxv"))
        .expect("the key file");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    alice.wax(["ls"], &[]).failed(9, "can be read by others (mode 644)").failed(9, "hint: run: chmod 600 ");
}

#[test]
fn verbose_tells_no_secret_address_or_name() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member("bob@mail.example"));
    let path = alice.file("canary-name.txt", b"canary-body");
    let done = alice.wax(["send", path.to_str().unwrap(), "--to", &bob.address, "-vv", "--quiet"], &[]).ok();
    for canary in ["canary-name", "canary-body", "bob@", "alice@", PASSPHRASE] {
        assert!(!done.err.contains(canary), "{canary}: {}", done.err);
    }
}
