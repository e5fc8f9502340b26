//! `wax 2fa` and `wax sessions`.

use crate::house::{House, Person};
use server::Clock as _;
use totp_rs::{Builder, Secret};

const ALICE: &str = "alice@mail.example";

/// What an app with this secret shows now.
fn shown(house: &House, secret: &str) -> String {
    let app = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    app.generate(u64::try_from(house.clock.now()).unwrap()).to_string()
}

/// Another device of Alice's, signed in and without keys.
fn phone(house: &House) -> Person {
    let phone = house.newcomer(ALICE);
    let ca = phone.ca.to_str().unwrap();
    phone.wax(["login", ALICE, "--server", &phone.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    phone.wax(["login", ALICE, "--code", &code, "--no-keys"], &[]).ok();
    phone
}

#[test]
fn a_program_turns_2fa_on_signs_in_with_it_and_turns_it_off() {
    let house = House::open();
    let alice = house.member(ALICE);
    assert!(alice.wax(["2fa"], &[]).ok().out().starts_with("off; turn it on with: wax 2fa enable"));
    let offered = alice.wax(["2fa", "enable", "--json"], &[]).ok().json();
    let secret = offered["secret"].as_str().unwrap();
    assert!(offered["uri"].as_str().unwrap().contains(secret));
    let code = shown(&house, secret);
    let enabled = alice.wax(["2fa", "enable", "--code", &code, "--json"], &[]).ok().json();
    assert_eq!(enabled["backup_codes"].as_array().unwrap().len(), 10);
    let whoami = alice.wax(["whoami"], &[]).ok().out();
    assert!(whoami.contains("2fa      authenticator app; 10 backup codes left"), "{whoami}");
    house.clock.advance(60);
    alice.wax(["login", ALICE, "--request-code"], &[]).ok();
    let code = house.code_for(ALICE);
    alice
        .wax(["login", ALICE, "--code", &code], &[])
        .failed(3, "hint: it can be given beforehand: wax login --second-factor CODE");
    alice.wax(["login", ALICE, "--request-code"], &[]).ok();
    let (code, app) = (house.code_for(ALICE), shown(&house, secret));
    alice.wax(["login", ALICE, "--code", &code, "--second-factor", &app], &[]).ok();
    let sessions = alice.wax(["sessions", "--json"], &[]).ok().json();
    let own = sessions["sessions"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(own["second_factor"], true);
    let codes = alice.wax(["2fa", "backup-codes", "--json"], &[]).ok().json();
    assert_ne!(codes["backup_codes"], enabled["backup_codes"]);
    alice.wax(["2fa", "disable", "--json"], &[]).failed(2, "there is nobody to ask");
    assert_eq!(alice.wax(["2fa", "disable", "--yes", "--json"], &[]).ok().json()["enabled"], false);
}

#[test]
fn a_session_of_before_is_told_to_sign_in_again_with_the_app() {
    let house = House::open();
    let (alice, phone) = (house.member(ALICE), phone(&house));
    let offered = alice.wax(["2fa", "enable", "--json"], &[]).ok().json();
    let code = shown(&house, offered["secret"].as_str().unwrap());
    phone.wax(["2fa", "enable", "--code", &code], &[]).ok();
    // The phone has shown it, and this device not yet.
    alice
        .wax(["2fa", "disable", "--yes"], &[])
        .failed(3, "hint: if you have a second factor, sign in again with it: wax login");
}

#[test]
fn sessions_are_listed_and_ended_by_the_beginning_of_their_ids() {
    let house = House::open();
    let (alice, phone) = (house.member(ALICE), phone(&house));
    let listed = alice.wax(["sessions"], &[]).ok().out();
    assert!(listed.contains("PROGRAM") && listed.contains("wax/") && listed.contains("this one"), "{listed}");
    let sessions = alice.wax(["sessions", "--json"], &[]).ok().json();
    let id = |current: bool| {
        let all = sessions["sessions"].as_array().unwrap();
        let one = all.iter().find(|one| one["current"] == current).unwrap();
        one["id"].as_str().unwrap()[..8].to_owned()
    };
    alice.wax(["sessions", "end", &id(true)], &[]).failed(2, "that is the session on this device");
    alice.wax(["sessions", "end", "zzzz"], &[]).failed(5, "none of your sessions is 'zzzz'");
    assert_eq!(alice.wax(["sessions", "end", &id(false), "--json"], &[]).ok().json()["ended"], 1);
    phone.wax(["whoami"], &[]).failed(3, "hint: sign in again: wax login");
    alice.wax(["sessions", "end", "--others"], &[]).ok();
    alice.wax(["whoami"], &[]).ok();
}

#[test]
fn passkeys_are_listed_and_removed_and_wax_says_that_it_makes_none() {
    let house = House::open();
    let alice = house.member(ALICE);
    let shown = alice.wax(["2fa", "passkeys"], &[]).ok();
    assert!(shown.err.contains("a passkey is added in a browser: this program cannot make or use one"));
    let none = alice.wax(["2fa", "passkeys", "--json"], &[]).ok().json();
    assert_eq!(none["passkeys"].as_array().unwrap().len(), 0);
    for action in [["remove", "5f0c6a1e"].as_slice(), &["rename", "5f0c6a1e", "phone"]] {
        let args = ["2fa", "passkeys"].iter().chain(action).copied();
        alice.wax(args, &[]).failed(5, "none of your passkeys is '5f0c6a1e'");
    }
}
