//! `wax seal` and `wax open`, with the server gone.

use crate::house::{House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

#[test]
fn a_container_is_sealed_and_opened_without_a_server() {
    let mut house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.wax(["contacts", "add", BOB], &[]).ok();
    bob.wax(["contacts", "add", ALICE], &[]).ok();
    house.close();
    let body = noise(5, 2_000_000);
    alice.file("plan.pdf", &body);
    let sealed = alice.wax(["seal", "plan.pdf", "-r", BOB], &[]).ok();
    assert!(sealed.out().contains("file     plan.pdf.wax ("), "{}", sealed.out());
    assert!(sealed.out().contains("opens    with 2 keys"), "{}", sealed.out());
    let container = alice.work.join("plan.pdf.wax");
    let container = container.to_str().unwrap();

    let opened = bob.wax(["open", container], &[]).ok();
    assert!(opened.out().contains("file     plan.pdf\n"), "{}", opened.out());
    assert!(opened.out().contains("from     alice@mail.example (not verified)"), "{}", opened.out());
    assert!(std::fs::read(bob.work.join("plan.pdf")).unwrap() == body);

    let again = bob.wax(["open", container], &[]);
    assert!(again.err.contains("plan.pdf exists already"), "{}", again.err);
    let own = alice.wax(["open", container, "-o", "-"], &[]).ok();
    assert!(own.bytes == body);
    assert!(own.err.contains("alice@mail.example (you)"), "{}", own.err);
}

#[test]
fn a_container_goes_through_pipes_and_a_strangers_is_marked() {
    let mut house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.wax(["keys", "export", "alice.keys"], &[]).ok();
    house.close();
    let keys = alice.work.join("alice.keys");
    let body = noise(6, 700_000);
    let args = ["seal", "-", "-r", keys.to_str().unwrap(), "--name", "note.txt"];
    let sealed = bob.wax_fed(args, &body).ok().bytes;
    let opened = alice.wax_fed(["open", "-", "-o", "-"], &sealed).ok();
    assert!(opened.bytes == body);
    assert!(opened.err.contains("says to be bob@mail.example, fingerprint "), "{}", opened.err);
    assert!(opened.err.contains("nothing on this device says that these are the keys of"), "{}", opened.err);
    let refused = alice.wax_fed(["open", "-", "--from", BOB], &sealed);
    assert!(!refused.status.success());
    assert!(refused.err.contains("this was not sealed by bob@mail.example"), "{}", refused.err);
    let json = alice.wax_fed(["open", "-", "--json"], &sealed).ok().json();
    assert_eq!((&json["from"], &json["trust"]), (&BOB.into(), &serde_json::Value::Null));
    assert!(json["fingerprint"].is_string());
    assert_eq!(json["name"], "note.txt");
}

#[test]
fn a_changed_container_writes_nothing_and_says_so() {
    let mut house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.wax(["contacts", "add", BOB], &[]).ok();
    house.close();
    alice.file("a.txt", b"abc");
    alice.wax(["seal", "a.txt", "-r", BOB, "-o", "c"], &[]).ok();
    let mut bytes = std::fs::read(alice.work.join("c")).unwrap();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    bob.file("c", &bytes);
    let refused = bob.wax(["open", "c"], &[]);
    assert!(!refused.status.success());
    assert!(refused.err.contains("does not verify"), "{}", refused.err);
    assert!(refused.err.contains("nothing was written"), "{}", refused.err);
    assert_eq!(bob.names(), ["c"]);
}
