//! What a list can be asked, what becomes of its index, and what is shaped before it is sent.

use std::fs;

use crate::house::{House, noise};

const ALICE: &str = "alice@mail.example";
const BOB: &str = "bob@mail.example";

/// A PNG image of 8 x 8 white pixels, as another program wrote it.
const PICTURE: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x08, 0x01, 0x00, 0x00, 0x00, 0x00, 0xec, 0x74, 0x83, 0x26, 0x00,
    0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0x80, 0x02, 0x01, 0x3f, 0xd0,
    0x07, 0xf9, 0x59, 0xd0, 0x9a, 0x0d, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60,
    0x82,
];

fn names(list: &serde_json::Value) -> Vec<&str> {
    list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()
}

#[test]
fn a_list_is_searched_filtered_and_sorted_by_what_only_the_keys_can_read() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    for (name, len) in [("Plan 2027.pdf", 10), ("budget.xlsx", 40_000), ("plan b.txt", 900)] {
        alice.send(&alice.file(name, &noise(len as u64, len)), &bob, &[]);
    }
    let ask = |args: &[&str]| bob.wax(["ls", "--json"].iter().chain(args), &[]).ok().json();
    assert_eq!(names(&ask(&["PLAN", "--sort", "name"])), ["Plan 2027.pdf", "plan b.txt"]);
    assert_eq!(names(&ask(&["plan", "2027"])), ["Plan 2027.pdf"]);
    assert_eq!(names(&ask(&["--type", "xlsx"])), ["budget.xlsx"]);
    assert_eq!(names(&ask(&["--larger", "1kB"])), ["budget.xlsx"]);
    assert_eq!(
        names(&ask(&["--smaller", "0.9kB", "--sort", "size", "--reverse"])),
        ["Plan 2027.pdf", "plan b.txt"]
    );
    assert_eq!(
        names(&ask(&["--from", "alice@", "--unverified", "--since", "1d", "--ending", "8d"])).len(),
        3
    );
    assert_eq!(names(&ask(&["--ending", "1d"])), [""; 0]);
    let one = ask(&["--sort", "size", "-n", "1"]);
    assert_eq!((names(&one), &one["matched"], &one["more"]), (vec!["budget.xlsx"], &3.into(), &true.into()));
    let shown = bob.wax(["ls", "-n", "1"], &[]).ok();
    assert!(shown.err.contains("1 of 3 files: -n N shows more"), "{}", shown.err);
    let none = bob.wax(["ls", "harbour"], &[]).ok();
    assert!(none.err.contains("none of your 3 files is like that"), "{}", none.err);
    bob.wax(["ls", "--larger", "much"], &[]).failed(2, "write a number of bytes");
}

#[test]
fn a_damaged_index_is_made_anew_with_a_note_and_signing_out_removes_it() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.send(&alice.file("notes.txt", b"notes"), &bob, &[]);
    assert_eq!(names(&bob.wax(["ls", "--json"], &[]).ok().json()), ["notes.txt"]);
    let index = bob.home.join("index.new.wxi");
    let mut bytes = fs::read(&index).unwrap();
    assert!(!bytes.windows(5).any(|window| window == b"notes"));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&index, bytes).unwrap();
    let done = bob.wax(["ls"], &[]).ok();
    assert!(done.out().contains("notes.txt"));
    assert!(done.err.contains("was damaged, or of other keys; nothing was lost"), "{}", done.err);
    assert!(!bob.wax(["ls"], &[]).ok().err.contains("damaged"), "said once");
    bob.wax(["logout"], &[]).ok();
    assert!(!index.exists());
}

#[test]
fn a_preview_is_told_and_written_as_a_picture_and_never_over_a_file() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    let path = alice.file("white.png", PICTURE);
    let plain = alice.send(&path, &bob, &[]);
    bob.wax(["info", &plain, "--preview-out", "p.png"], &[]).failed(5, "the file has no preview");
    let id = alice.send(&path, &bob, &["--preview"]);
    let info = bob.wax(["info", &id], &[]).ok().out();
    assert!(info.contains("preview  8 x 8 pixels; --preview-out FILE writes it"), "{info}");
    let out = bob.work.join("p.png");
    bob.wax(["info", &id, "--preview-out", out.to_str().unwrap()], &[]).ok();
    assert!(fs::read(&out).unwrap().starts_with(b"\x89PNG"));
    bob.wax(["info", &id, "--preview-out", out.to_str().unwrap()], &[]).failed(9, "p.png");
    let json = bob.wax(["info", &id, "--json"], &[]).ok().json();
    assert_eq!((&json["preview"]["width"], &json["has_preview"]), (&8.into(), &true.into()));
    let sent = alice
        .wax(["send", alice.file("no.txt", b"words").to_str().unwrap(), "--to", BOB, "--preview"], &[])
        .ok();
    assert!(sent.err.contains("no preview: that is made of PNG"), "{}", sent.err);
}

#[test]
fn compression_and_previews_can_be_a_setting_and_an_argument_overrules_it() {
    let house = House::open();
    let (alice, bob) = (house.member(ALICE), house.member(BOB));
    alice.file("lines.txt", &b"the same line again and again\n".repeat(40_000));
    let _ = &bob;
    let send = "$WAX send lines.txt --to bob@mail.example --no-agent --passphrase-fd 3";
    let on = alice.shell(&format!("WAX_COMPRESS=on {send}")).ok();
    assert!(on.out().contains("1.2 MB compressed to "), "{}", on.out());
    let off = alice.shell(&format!("WAX_COMPRESS=on {send} --no-compress")).ok();
    assert!(off.out().contains("size     1.2 MB, "), "{}", off.out());
    alice.shell(&format!("WAX_PREVIEW=maybe {send}")).failed(2, "WAX_PREVIEW is neither on nor off");
    alice.file("noise.txt", &noise(9, 100_000));
    let noisy = alice.shell(&format!("{} --compress", send.replace("lines", "noise"))).ok();
    assert!(noisy.err.contains("not compressed: it would not get smaller"), "{}", noisy.err);
}
