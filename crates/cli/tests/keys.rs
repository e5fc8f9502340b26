//! Keys: changed, recovered and rotated by programs, and what others see of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::house::{Done, House, PASSPHRASE, Person};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";
const OTHER: &str = "nine grey otters drum on the pontoon";

/// `wax ARGS` with another file open as descriptor 4.
fn with_fourth(person: &Person, args: &[&str], file: &Path) -> Done {
    let mut command = person.command(args);
    let script = "exec \"$WAX\" \"$@\" 3< \"$PASSPHRASE_FILE\" 4< \"$FOURTH\"";
    let mut whole = std::process::Command::new("setsid");
    whole.args(["sh", "-c", script, "sh"]).args(args).args(["--no-agent", "--passphrase-fd", "3"]);
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("FOURTH", file);
    whole.env_remove("NO_COLOR").current_dir(&person.work);
    command = whole;
    Done::of(
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped()),
    )
}

fn number(person: &Person, of: &str) -> serde_json::Value {
    person.wax(["contacts", "verify", of, "--json"], &[]).ok().json()
}

#[test]
fn a_program_has_the_phrase_written_and_recovers_with_it() {
    let house = House::open();
    let alice = house.member(ALICE);
    assert_eq!(alice.wax(["keys", "--json"], &[]).ok().json()["recovery_phrase"], false);
    alice.wax(["keys", "recover", "--phrase-fd", "3"], &[]).failed(9, "no recovery phrase");
    alice.wax(["keys", "phrase"], &[]).failed(2, "nobody to show");
    let made = alice.wax(["keys", "phrase", "--phrase-out", "words", "--json"], &[]).ok().json();
    assert_eq!(made["recovery_phrase"], true);
    let words = alice.work.join("words");
    assert_eq!(fs::metadata(&words).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&words).unwrap();
    assert_eq!(text.split_whitespace().count(), 24);
    alice.wax(["keys", "phrase", "--phrase-out", "words"], &[]).failed(9, "cannot write");
    assert_eq!(fs::read_to_string(&words).unwrap(), text, "never replaced");

    alice.types(OTHER);
    alice.wax(["ls"], &[]).failed(8, "wrong");
    let wrong = alice.file("wrong", format!("{}art", "abandon ".repeat(23)).as_bytes());
    with_fourth(&alice, &["keys", "recover", "--phrase-fd", "4"], &wrong).failed(8, "does not open");
    let torn = alice.file("torn", b"abandon abandon");
    with_fourth(&alice, &["keys", "recover", "--phrase-fd", "4"], &torn).failed(8, "24 words");
    let done = with_fourth(&alice, &["keys", "recover", "--phrase-fd", "4"], &words).ok();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.windows(2).all(|pair| !done.err.contains(&pair.join(" "))), "{}", done.err);
    alice.wax(["ls"], &[]).ok();
}

#[test]
fn a_passphrase_is_changed_by_descriptors() {
    let house = House::open();
    let alice = house.member(ALICE);
    alice.wax(["keys", "passphrase"], &[]).failed(2, "the new passphrase is missing");
    let weak = alice.file("weak", b"password1\n");
    let change = ["keys", "passphrase", "--new-passphrase-fd", "4"];
    with_fourth(&alice, &change, &weak).failed(2, "too easy to guess");
    let new = alice.file("new", format!("{OTHER}\n").as_bytes());
    with_fourth(&alice, &change, &new).ok();
    alice.wax(["ls"], &[]).failed(8, "wrong");
    alice.types(OTHER);
    alice.wax(["ls"], &[]).ok();
    // The one before, put back, is noticed.
    fs::copy(alice.home.join("vault.1.wxv"), alice.home.join("vault.wxv")).unwrap();
    alice.types(PASSPHRASE);
    alice.wax(["ls"], &[]).failed(7, "an older one");
    alice.wax(["keys", "accept-older"], &[]).failed(2, "nobody to ask");
    alice.wax(["keys", "accept-older", "--yes"], &[]).ok();
    alice.wax(["ls"], &[]).ok();
}

#[test]
fn somebody_who_rotates_stays_verified_and_their_old_files_open_marked() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let old = bob.send(&bob.file("old.txt", b"before"), &alice, &[]);
    let given = alice.send(&alice.file("given.txt", b"given"), &bob, &[]);
    let before = number(&alice, BOB);
    alice.wax(["contacts", "verify", BOB, "--number", before["safety_qr"].as_str().unwrap()], &[]).ok();
    let root = bob.wax(["keys", "--json"], &[]).ok().json()["root_id"].clone();

    let done = bob.wax(["keys", "rotate", "--yes", "--phrase-out", "words", "--json"], &[]).ok().json();
    assert_ne!(done["root_id"], root);
    assert_eq!((&done["rewrapped"], &done["recovery_phrase"]), (&2.into(), &true.into()));
    assert!(done["refused"].as_array().unwrap().is_empty());
    let again = bob.wax(["keys", "rewrap", "--json"], &[]).ok().json();
    assert_eq!(again["rewrapped"], 0);

    let info = alice.wax(["info", &old], &[]).ok().out();
    assert!(info.contains("verified") && info.contains("with a key that was replaced since"), "{info}");
    assert_eq!(alice.wax(["info", &old, "--json"], &[]).ok().json()["retired_key"], true);
    alice.wax(["get", &old], &[]).ok();
    assert_eq!(fs::read(alice.work.join("old.txt")).unwrap(), b"before");
    let new = alice.send(&alice.file("new.txt", b"after"), &bob, &[]);
    let after = number(&alice, BOB);
    assert_eq!(after["verified"], true);
    assert_ne!(after["safety_number"], before["safety_number"]);
    for (id, name, content) in [(&new, "new.txt", b"after"), (&given, "given.txt", b"given")] {
        bob.wax(["get", id], &[]).ok();
        assert_eq!(fs::read(bob.work.join(name)).unwrap(), content);
    }
    with_fourth(&bob, &["keys", "recover", "--phrase-fd", "4"], &bob.work.join("words")).ok();
    let number = after["safety_number"].as_str().unwrap();
    assert_eq!(number, self::number(&bob, ALICE)["safety_number"]);

    let encryption = bob.wax(["keys", "rotate", "--encryption-only", "--yes", "--json"], &[]).ok().json();
    assert_eq!(encryption["root_id"], done["root_id"]);
    assert_eq!(encryption["rewrapped"], 3);
    bob.wax(["get", &new, "-o", "again.txt"], &[]).ok();
}

#[test]
fn a_safety_number_is_shown_as_digits_words_and_a_code() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    bob.wax(["contacts", "add", ALICE], &[]).ok();
    let json = number(&bob, ALICE);
    let words = json["safety_words"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 18);
    let shown = alice.wax(["contacts", "verify", BOB, "--words", "--qr"], &[]).ok().out();
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(words) && flat.contains(json["safety_number"].as_str().unwrap()), "{shown}");
    assert!(shown.contains('▀') && shown.contains('▄'), "{shown}");
    let coloured = alice.wax(["contacts", "verify", BOB, "--qr", "--color", "always"], &[]).ok().out();
    assert!(coloured.contains("\u{1b}[38;5;16;48;5;231m"), "black on white, whatever the terminal is");
    let text = json["safety_qr"].as_str().unwrap();
    let wrong = text.replace(['1', '2', '3'], "4").replace("SAFETY-4", "SAFETY-1");
    alice.wax(["contacts", "verify", BOB, "--number", &wrong], &[]).failed(7, "does not match");
    alice.wax(["contacts", "verify", BOB, "--number", "WAXWING-SAFETY-2:1"], &[]).failed(2, "60 digits");
    alice.wax(["contacts", "verify", BOB, "--number", text], &[]).ok();
}

#[test]
fn keys_come_back_from_the_server_to_a_new_device() {
    let house = House::open();
    let alice = house.member("alice@mail.example");
    assert!(alice.wax(["keys"], &[]).ok().out().contains("backup       none from this device"));
    assert_eq!(alice.wax(["keys", "backup", "--json"], &[]).ok().json()["backup"], "current");
    let laptop = house.newcomer("alice@mail.example");
    let ca = laptop.ca.to_str().unwrap();
    laptop.wax(["login", &laptop.address, "--server", &laptop.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(&laptop.address);
    let done = laptop.wax(["login", &laptop.address, "--code", &code], &[]).ok();
    assert!(done.err.contains("wax keys restore"));
    laptop.types("another passphrase altogether");
    laptop.wax(["keys", "restore"], &[]).failed(8, "the passphrase is wrong");
    laptop.types(PASSPHRASE);
    let restored = laptop.wax(["keys", "restore", "--json"], &[]).ok().json();
    let own = alice.wax(["keys", "--json"], &[]).ok().json();
    assert_eq!(restored["fingerprint"], own["fingerprint"]);
    laptop.wax(["keys", "restore"], &[]).failed(9, "there are keys on this machine already");
    assert_eq!(alice.wax(["keys", "backup", "--remove", "--json"], &[]).ok().json()["removed"], true);
    let phone = house.newcomer("alice@mail.example");
    phone.wax(["login", &phone.address, "--server", &phone.url, "--ca", ca, "--request-code"], &[]).ok();
    let code = house.code_for(&phone.address);
    phone.wax(["login", &phone.address, "--code", &code], &[]).ok();
    phone.wax(["keys", "restore"], &[]).failed(5, "no backup of your keys is at the server");
}
