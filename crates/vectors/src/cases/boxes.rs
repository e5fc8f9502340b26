//! Drop boxes: what their owner signs, and what came into them.

use super::{Case, Met, World, case, hex, pattern, result};
use crate::cbor;
use crate::forge::{File, Metadata, Person};
use crate::outward::{DropBox, words};
use crate::primitives::{Seeded, small};
use serde_json::{Value, json};

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    terms(world, cases);
    texts(world, cases);
    addresses(world, cases);
    arrivals(world, cases);
}

/// How a box is met: an address, what the server shows, and the root key in the owner's bundle.
fn met(address: &str, description: &[u8], owner: &Person) -> Value {
    json!({"address": address, "description": hex(description), "owner": hex(&owner.root)})
}

fn opens(name: &str, about: &str, drop_box: &DropBox, mut met: Value, words: Option<(&str, &str)>) -> Case {
    met["expect"] = "open".into();
    met["result"] = json!({
        "created": drop_box.created,
        "ends": drop_box.ends,
        "max_files": drop_box.max_files,
        "max_body": drop_box.max_body,
        "title": words.map(|(title, _)| title),
        "note": words.map(|(_, note)| note),
    });
    case("box", name, about, met)
}

fn refused(name: &str, about: &str, mut met: Value) -> Case {
    met["expect"] = "refuse".into();
    case("box", name, about, met)
}

const WORDS: (&str, &str) = ("Applications", "One file each.\nThank you.");

fn terms(world: &World, cases: &mut Vec<Case>) {
    let (alice, mallory) = (&world.alice, &world.mallory);
    let drop_box = DropBox::new("terms", alice);
    let (address, honest) = (drop_box.address(true, alice), drop_box.description(alice));
    let seen = met(&address, &honest, alice);
    cases.push(opens("opens", "A drop box with all limits.", &drop_box, seen, Some(WORDS)));
    let seen = met(&drop_box.address(false, alice), &honest, alice);
    cases.push(opens("opens-without-key", "An address that opens no words.", &drop_box, seen, None));
    let free = DropBox { max_files: 0, max_body: 0, ..drop_box.clone() };
    let seen = met(&free.address(true, alice), &free.description(alice), alice);
    cases.push(opens("opens-without-limits", "Any number of any length.", &free, seen, Some(WORDS)));
    let longest = DropBox { max_body: 1 << 44, ..drop_box.clone() };
    let seen = met(&longest.address(true, alice), &longest.description(alice), alice);
    cases.push(opens("opens-with-the-longest-body", "2^44 bytes.", &longest, seen, Some(WORDS)));

    type Change = fn(&mut DropBox);
    let changes: [(&str, &str, Change); 8] = [
        ("end-before-creation", "It ends before it was made.", |b| b.ends = b.created - 1),
        ("end-at-creation", "It ends when it was made.", |b| b.ends = b.created),
        ("end-too-late", "2^53 seconds.", |b| b.ends = 1 << 53),
        ("longest-body-of-31-bytes", "No body is that short.", |b| b.max_body = 31),
        ("longest-body-with-an-empty-segment", "No body ends like that.", |b| b.max_body = 262_144 + 32),
        ("longest-body-too-long", "More than 2^44 bytes.", |b| b.max_body = (1 << 44) + 1),
        ("owner-of-zeros", "No root has this id.", |b| b.owner = [0; 32]),
        ("owner-of-another", "It names another root than the one that signs.", |b| b.owner = [9; 32]),
    ];
    for (name, about, change) in changes {
        let mut changed = drop_box.clone();
        change(&mut changed);
        cases.push(refused(name, about, met(&address, &changed.description(alice), alice)));
    }

    let sealed = drop_box.sealed_words();
    let by_another = DropBox { owner: mallory.root_id(), ..drop_box.clone() };
    let other_box = DropBox::new("another", alice);
    let changed_limit = DropBox { max_files: 51, ..drop_box.clone() };
    let mut bit = honest.clone();
    bit[75] ^= 1;
    let mut magic = honest.clone();
    magic[7] = b'2';
    let no_key = drop_box.address(false, alice);
    let again = |bytes: &[u8], context: &str| drop_box.with(bytes, context, alice);
    let seen = [
        ("limit-changed", "A bit of the limit, after it was signed.", met(&address, &bit, alice)),
        ("magic-of-another-version", "Another version.", met(&address, &magic, alice)),
        (
            "signed-by-another",
            "The signature of somebody else.",
            met(&no_key, &drop_box.description(mallory), alice),
        ),
        (
            "of-another-owner",
            "Whole, and by somebody whom the address does not name.",
            met(&no_key, &by_another.description(mallory), mallory),
        ),
        (
            "of-another-box",
            "Another box of the same owner.",
            met(&no_key, &other_box.description(alice), alice),
        ),
        (
            "signed-as-a-manifest",
            "Another label.",
            met(&address, &again(&sealed, "waxwing/v1/manifest"), alice),
        ),
        (
            "words-of-other-limits",
            "The words were sealed for other limits.",
            met(&address, &changed_limit.with(&sealed, "waxwing/v1/box", alice), alice),
        ),
        ("truncated", "The last byte is missing.", met(&address, &honest[..honest.len() - 1], alice)),
        ("trailing-byte", "A byte too many.", met(&address, &[honest.as_slice(), &[0]].concat(), alice)),
    ];
    for (name, about, seen) in seen {
        cases.push(refused(name, about, seen));
    }
}

/// The plaintext with other zeros than the format asks for.
fn block(cbor: &[u8], len: usize) -> Vec<u8> {
    let mut plain = u32::try_from(cbor.len()).expect("short").to_be_bytes().to_vec();
    plain.extend_from_slice(cbor);
    plain.resize(len, 0);
    plain
}

fn texts(world: &World, cases: &mut Vec<Case>) {
    let alice = &world.alice;
    let of = |words: Vec<u8>| DropBox { words, ..DropBox::new("words", alice) };
    let text = |text: &str| cbor::text(text.as_bytes());
    let (longest_title, longest_note) = ("t".repeat(200), "\u{e9}".repeat(1_500));
    for (name, about, title, note) in [
        ("words-without-note", "A title alone.", "Plans", ""),
        ("words-at-their-longest", "200 bytes of title and 3,000 of note.", &longest_title, &longest_note),
    ] {
        let mut entries = vec![(1, text(title))];
        if !note.is_empty() {
            entries.push((2, text(note)));
        }
        let drop_box = of(words(&entries));
        let seen = met(&drop_box.address(true, alice), &drop_box.description(alice), alice);
        cases.push(opens(name, about, &drop_box, seen, Some((title, note))));
    }
    let title = || (1, text("Plans"));
    let cbor_of_title = cbor::map(&[title()]);
    let mut pad_not_zero = block(&cbor_of_title, 512);
    pad_not_zero[511] = 1;
    let plains = [
        ("words-title-empty", "A title of no byte.", words(&[(1, text(""))])),
        ("words-title-too-long", "A title of 201 bytes.", words(&[(1, text(&"t".repeat(201)))])),
        ("words-title-with-line-break", "A line break in the title.", words(&[(1, text("a\nb"))])),
        ("words-title-with-control", "U+0085 in the title.", words(&[(1, text("a\u{85}b"))])),
        ("words-title-missing", "A note alone.", words(&[(2, text("note"))])),
        ("words-title-of-bytes", "A title that is no text.", words(&[(1, cbor::bytes(b"Plans"))])),
        ("words-note-empty", "A note of no byte.", words(&[title(), (2, text(""))])),
        ("words-note-too-long", "A note of 3,001 bytes.", words(&[title(), (2, text(&"n".repeat(3_001)))])),
        (
            "words-note-with-tab",
            "A control character that is no line break.",
            words(&[title(), (2, text("a\tb"))]),
        ),
        ("words-key-unknown", "A third key.", words(&[title(), (3, text("x"))])),
        ("words-keys-out-of-order", "The note first.", words(&[(2, text("note")), title()])),
        ("words-title-twice", "The same key twice.", words(&[title(), title()])),
        ("words-not-utf-8", "A title that is not UTF-8.", words(&[(1, cbor::text(b"\xff"))])),
        ("words-pad-not-zero", "The last byte of the block is 1.", pad_not_zero),
        ("words-block-too-many", "A block more than is needed.", block(&cbor_of_title, 1_024)),
        ("words-longer-than-they-are", "The length is that of the block and one more.", {
            let mut plain = block(&cbor_of_title, 512);
            plain[..4].copy_from_slice(&509_u32.to_be_bytes());
            plain
        }),
        (
            "words-byte-behind-the-map",
            "A zero belongs to the CBOR.",
            block(&[cbor_of_title.as_slice(), &[0]].concat(), 512),
        ),
    ];
    for (name, about, plain) in plains {
        let drop_box = of(plain);
        cases.push(refused(
            name,
            about,
            met(&drop_box.address(true, alice), &drop_box.description(alice), alice),
        ));
    }
    let drop_box = of(words(&[title()]));
    let address = drop_box.address(true, alice);
    let lengths = [
        ("words-of-no-block", "A message of nothing.", 0),
        ("words-of-half-a-block", "256 bytes of plaintext.", 256),
        ("words-of-nine-blocks", "4,608 bytes of plaintext.", 9 * 512),
    ];
    for (name, about, len) in lengths {
        let sealed = small(&drop_box.key, b"", &vec![0; len], &mut Seeded::new(name));
        let description = drop_box.with(&sealed, "waxwing/v1/box", alice);
        cases.push(refused(name, about, met(&drop_box.address(false, alice), &description, alice)));
    }
    let mut sealed = drop_box.sealed_words();
    sealed[120] ^= 1;
    let description = drop_box.with(&sealed, "waxwing/v1/box", alice);
    cases.push(refused("words-changed", "A bit of the sealed words.", met(&address, &description, alice)));
    let other_key = DropBox { key: [4; 32], ..drop_box.clone() };
    let seen = met(&other_key.address(true, alice), &drop_box.description(alice), alice);
    cases.push(refused("words-by-another-key", "The address has another key.", seen));
}

fn addresses(world: &World, cases: &mut Vec<Case>) {
    let alice = &world.alice;
    let drop_box = DropBox::new("terms", alice);
    let description = drop_box.description(alice);
    let address = drop_box.address(true, alice);
    let (place, fragment) = address.split_once('#').expect("a fragment");
    let (key, root) = fragment[3..].split_once('.').expect("two fields");
    let refusals = [
        ("address-of-a-link", "The path of a link.", address.replace("/d/", "/s/")),
        ("address-mark-of-a-link", "The mark of a link with a password.", address.replace("#1k.", "#1p.")),
        ("address-key-missing", "1k without a key.", format!("{place}#1k.{root}")),
        ("address-key-unannounced", "A key without its mark.", format!("{place}#1.{key}.{root}")),
        ("address-key-too-short", "A key of 31 bytes.", format!("{place}#1k.{}.{root}", &key[..42])),
        ("address-id-too-long", "An id of 17 bytes.", address.replace('#', "A#")),
        ("address-with-query", "A query.", address.replace('#', "?a#")),
        ("address-without-fragment", "What stands behind the # is missing.", place.to_owned()),
    ];
    for (name, about, address) in refusals {
        cases.push(refused(name, about, met(&address, &description, alice)));
    }
    let people = [&world.alice, &world.bob];
    let table = people.map(|person| {
        let drop_box = DropBox::new("numbers", person);
        json!({
            "root_seed": hex(&person.root_seed),
            "box_id": hex(&drop_box.id),
            "key": hex(&drop_box.key),
            "address": drop_box.address(true, person),
        })
    });
    let about = "The key of the words of a box, out of the root seed of its owner.";
    cases.push(case("numbers", "boxes", about, json!({"boxes": table})));
}

/// Files of suite 3, shown as files of a box.
fn arrivals(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(2_000);
    let drop_box = DropBox::new("arrivals", &world.bob);
    let seal = |label: &str, id: Option<&[u8]>| {
        let more = id.map(|id| (8, cbor::bytes(id))).into_iter().collect();
        let metadata = Metadata { more, ..Metadata::of(content.len()) };
        let mut sealed = File::with(label, None, &content, &metadata).seal();
        let grant = sealed.grant(&world.bob.recipient());
        Met { shown_in: Some(drop_box.id), ..Met::new(world, &sealed, grant) }
    };
    let about = "A visitor sealed it for this box.";
    let opened = result("report.txt", "text/plain", &content, "anonymous");
    cases.push(seal("box-opens", Some(&drop_box.id)).opens("box-opens", about, opened));
    let about = "A visitor sealed it for another box of the owner.";
    cases.push(seal("box-of-another", Some(&[1; 16])).refused("box-of-another", about));
    let about = "Nobody signed it, and it says of no box.";
    cases.push(seal("box-not-named", None).refused("box-not-named", about));
    let mut signed = File::new("box-signed", Some(&world.carol), &content).seal();
    let grant = signed.grant(&world.bob.recipient());
    let met = Met { shown_in: Some(drop_box.id), ..Met::new(world, &signed, grant) };
    let opened = result("report.txt", "text/plain", &content, "by the author");
    cases.push(met.opens(
        "box-opens-signed",
        "Whoever has keys signs; the box stands nowhere inside.",
        opened,
    ));
}
