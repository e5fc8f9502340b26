//! RSA keys in files: made, shared with openssl, sent to, fetched with, taken into one's own keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::house::{House, Person, noise};
use crate::terminal::Terminal;

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
const WORDS: &str = "seven cedar waxwings on a wire";

/// Somebody who is signed in and has no keys, with an RSA key in `work.pem` and `work.pub.pem` under [`WORDS`].
fn holder(house: &House, address: &str) -> Person {
    let person = house.newcomer(address);
    let ca = person.ca.to_str().unwrap().to_owned();
    person.wax(["login", address, "--server", &person.url, "--request-code", "--ca", &ca], &[]).ok();
    let code = house.code_for(address);
    person.wax(["login", address, "--code", &code, "--no-keys"], &[]).ok();
    person.types(WORDS);
    person.wax(["keys", "generate", "--rsa", "2048", "--out", "work"], &[]).ok();
    person
}

/// Alice sends to the public key in `key` of the holder.
fn send_to_key(alice: &Person, holder: &Person, key: &str, content: &[u8]) -> String {
    let path = alice.file("report.bin", content);
    let key = holder.work.join(key);
    let args = ["send", path.to_str().unwrap(), "--to-key", key.to_str().unwrap(), "--json"];
    let sent = alice.wax(args, &[]).ok().json();
    assert_eq!(sent["files"][0]["to_keys"][0]["bits"], 2048);
    sent["files"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_goes_to_a_key_and_comes_out_for_its_holder_who_has_no_keys_else() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), holder(&house, BOB));
    let body = noise(7, 2_000_000);
    let id = send_to_key(&alice, &bob, "work.pub.pem", &body);
    let got = bob.wax(["get", &id, "--key", "work.pem"], &[]).ok();
    assert!(got.out().contains("from     alice@mail.example (first contact, not verified)"), "{}", got.out());
    assert_eq!(fs::read(bob.work.join("report.bin")).unwrap(), body);
    let info = alice.wax(["info", &id], &[]).ok().out();
    assert!(info.contains("to       the key "), "{info}");
    bob.wax(["get", &id[..8], "--key", "work.pem"], &[]).failed(2, "must be given whole");
    bob.types("seven cedar waxwings on a fire");
    bob.wax(["get", &id, "--key", "work.pem", "--force"], &[]).failed(8, "does not open the key");
    bob.types(WORDS);
    let key = bob.work.join("work.pub.pem");
    let done = alice.wax(["unshare", &id, "--key", key.to_str().unwrap(), "--json"], &[]).ok().json();
    assert_eq!((&done["unshared"], &done["bits"]), (&true.into(), &2048.into()));
    let gone = bob.wax(["get", &id, "--key", "work.pem", "--force"], &[]).failed(5, "no such file for you");
    assert!(gone.err.contains("may not have been sent to work.pem"), "{}", gone.err);
}

#[test]
fn key_files_are_private_openssl_reads_them_and_none_is_overwritten() {
    let house = House::open();
    let bob = holder(&house, BOB);
    let mode = |name: &str| fs::metadata(bob.work.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("work.pem"), mode("work.pub.pem") & 0o600), (0o600, 0o600));
    assert_eq!(bob.names(), ["work.pem", "work.pub.pem"]);
    let public = fs::read(bob.work.join("work.pub.pem")).unwrap();
    fs::write(bob.work.join("pass"), WORDS).unwrap();
    let openssl = |arguments: &str| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(&bob.work).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(openssl("pkey -in work.pem -passin file:pass -pubout"), public);
    let again = ["keys", "generate", "--rsa", "2048", "--out", "work.pem"];
    bob.wax(again, &[]).failed(9, "work.pem exists already");
    fs::remove_file(bob.work.join("work.pem")).unwrap();
    bob.wax(again, &[]).failed(9, "work.pub.pem exists already");
    assert_eq!(fs::read(bob.work.join("work.pub.pem")).unwrap(), public);
    let done = bob.wax(again, &["--force".as_ref(), "--json".as_ref()]).ok().json();
    assert_eq!((&done["private"], &done["public"]), (&"work.pem".into(), &"work.pub.pem".into()));
    assert_eq!(mode("work.pem"), 0o600);
    assert_ne!(fs::read(bob.work.join("work.pub.pem")).unwrap(), public);
    assert_eq!(bob.names(), ["pass", "work.pem", "work.pub.pem"], "nothing unfinished is left");
    bob.types("password1");
    bob.wax(["keys", "generate", "--rsa", "2048"], &[]).failed(2, "too easy to guess");
}

#[test]
fn a_key_of_openssl_without_a_passphrase_works_and_must_be_private() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), holder(&house, BOB));
    for arguments in [
        "genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out theirs.pem",
        "pkey -in theirs.pem -pubout -out theirs.pub.pem",
    ] {
        let done =
            Command::new("openssl").args(arguments.split(' ')).current_dir(&bob.work).status().unwrap();
        assert!(done.success(), "{arguments}");
    }
    let id = send_to_key(&alice, &bob, "theirs.pub.pem", b"to a key of openssl");
    let theirs = bob.work.join("theirs.pem");
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o640)).unwrap();
    let open =
        bob.wax(["get", &id, "--key", "theirs.pem"], &[]).failed(9, "can be read by others (mode 640)");
    assert!(open.err.contains("chmod 600 'theirs.pem'"), "{}", open.err);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
    bob.wax_alone(["get", &id, "--key", "theirs.pem"]).ok();
    assert_eq!(fs::read(bob.work.join("report.bin")).unwrap(), b"to a key of openssl");
    // The halves taken for each other, and what is no key at all.
    let wrong = alice.wax(["send", "report.bin", "--to-key", theirs.to_str().unwrap()], &[]);
    assert!(wrong.failed(9, "another kind").err.contains("-pubout"));
    fs::set_permissions(bob.work.join("theirs.pub.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    bob.wax(["get", &id, "--key", "theirs.pub.pem"], &[]).failed(9, "another kind");
    alice.wax(["send", "report.bin", "--to-key", "report.bin"], &[]).failed(9, "not one PEM block");
    alice.wax(["send", "report.bin"], &[]).failed(2, "--to");
}

#[test]
fn an_imported_key_opens_without_being_named() {
    let house = House::open();
    let (alice, bob, keeper) = (house.member(ALICE), house.member(BOB), holder(&house, "carol@mail.example"));
    let id = send_to_key(&alice, &keeper, "work.pub.pem", b"for whoever has the key");
    bob.wax(["get", &id], &[]).failed(5, "there is no such file for you");
    fs::copy(keeper.work.join("work.pem"), bob.work.join("work.pem")).unwrap();
    bob.file("words", WORDS.as_bytes());
    let import = "exec \"$WAX\" keys import work.pem --json --no-agent --passphrase-fd 3 --key-passphrase-fd 4 4<words";
    for added in [true, false] {
        let done = bob.shell(import).ok().json();
        assert_eq!((&done["added"], &done["bits"]), (&added.into(), &2048.into()));
    }
    bob.wax(["get", &id], &[]).ok();
    assert_eq!(fs::read(bob.work.join("report.bin")).unwrap(), b"for whoever has the key");
    let list = bob.wax(["keys", "list", "--json"], &[]).ok().json();
    assert_eq!((list["rsa"].as_array().unwrap().len(), &list["rsa"][0]["bits"]), (1, &2048.into()));
    let list = bob.wax(["keys", "list"], &[]).ok().out();
    for line in ["root     ", "key      X-Wing, ", "key      RSA 2048, "] {
        assert_eq!(list.matches(line).count(), 1, "{list}");
    }
}

#[test]
fn a_person_is_asked_for_the_passphrase_of_the_key() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), holder(&house, BOB));
    let id = send_to_key(&alice, &bob, "work.pub.pem", b"typed");
    let mut terminal = Terminal::run(&bob, &["get", &id, "--key", "work.pem"]);
    terminal.sees("passphrase of work.pem: ");
    terminal.types("something else\n");
    terminal.sees("try again");
    terminal.sees("passphrase of work.pem: ");
    terminal.types(&format!("{WORDS}\n"));
    terminal.sees("received report.bin");
    let (shown, code) = terminal.ends();
    assert_eq!(code, Some(0));
    assert!(!shown.contains(WORDS));
}
