//! Files that open, in every way that the format allows.

use super::{Case, Met, ReadBy, World, case, pattern, result, segment_files};
use crate::cbor;
use crate::forge::{File, Metadata, PLAIN, Recipient};
use crate::primitives::padme;
use serde_json::{Value, json};

/// The gzip member and what it holds.
pub(crate) fn gzipped() -> (Vec<u8>, Vec<u8>) {
    let content = b"waxwing ".repeat(500);
    let deflated = unhex("edc5a11100300804b05558ad8ac360bfe3778c9ac424e766b62bb66ddbb66dfbdb0f");
    let member = [
        unhex("1f8b08000000000000ff").as_slice(),
        &deflated,
        &crc32(&content).to_le_bytes(),
        &u32::try_from(content.len()).expect("short").to_le_bytes(),
    ]
    .concat();
    (member, content)
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
        crc
    })
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn usual(content: &[u8]) -> Value {
    result("report.txt", "text/plain", content, "by the author")
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    lengths(world, cases);
    shapes(world, cases);
    metadata(world, cases);
    rsa(world, cases);
    sharing(world, cases);
}

fn lengths(world: &World, cases: &mut Vec<Case>) {
    let edges = [
        ("opens-empty", "An empty file has one segment without plaintext.", 0),
        ("opens-one-byte", "One byte.", 1),
        ("opens-plain", "A thousand bytes, neither compressed nor padded.", 1_000),
        ("opens-one-full-segment", "Exactly the plaintext of one segment.", PLAIN),
        ("opens-exact-multiple", "Exactly the plaintext of two segments: no empty one follows.", 2 * PLAIN),
        ("opens-many-segments", "Three segments and a byte.", 3 * PLAIN + 1),
    ];
    for (name, about, len) in edges {
        let content = pattern(len);
        let mut sealed = File::new(name, Some(&world.alice), &content).seal();
        let grant = sealed.grant(&world.bob.recipient());
        if len > 20_000 {
            segment_files(&sealed.segments, cases);
        }
        cases.push(Met::new(world, &sealed, grant).opens(name, about, usual(&content)));
    }
}

fn shapes(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(5_000);
    let padded = Metadata { padding: 1, ..Metadata::of(content.len()) };
    let (member, inflated) = gzipped();
    let compressed =
        Metadata { compression: 1, original: inflated.len() as u64, ..Metadata::of(member.len()) };
    let both = Metadata { padding: 1, ..compressed.clone() };
    let files = [
        ("opens-padded", "Padded: Padmé of 5,000 is 5,120.", &content, &padded, &content),
        ("opens-compressed", "One gzip member, as long as its stored size.", &member, &compressed, &inflated),
        (
            "opens-compressed-padded",
            "Compressed, then padded to the floor of 4,096.",
            &member,
            &both,
            &inflated,
        ),
    ];
    let mut other_system = member.clone();
    (other_system[8], other_system[9]) = (2, 3);
    let empty = super::lies::empty_member();
    let nothing = Metadata { compression: 1, original: 0, ..Metadata::of(empty.len()) };
    let (about_system, about_empty) = (
        "XFL and OS tell what made the member: nobody looks at them.",
        "An empty file, compressed: a member that holds nothing.",
    );
    let gzips = [
        ("opens-gzip-of-another-system", about_system, &other_system, &compressed, &inflated),
        ("opens-compressed-empty", about_empty, &empty, &nothing, &Vec::new()),
    ];
    for (name, about, payload, metadata, content) in files.into_iter().chain(gzips) {
        let file = File::with(name, Some(&world.alice), payload, metadata);
        let mut sealed = if metadata.padding == 1 { file.padded() } else { file }.seal();
        let grant = sealed.grant(&world.bob.recipient());
        cases.push(Met::new(world, &sealed, grant).opens(name, about, usual(content)));
    }
    // Padding that ends exactly where the content does.
    let exact = pattern(usize::try_from(padme(6_144)).expect("short"));
    let metadata = Metadata { padding: 1, ..Metadata::of(exact.len()) };
    let mut sealed = File::with("opens-padded-exactly", Some(&world.alice), &exact, &metadata).seal();
    let grant = sealed.grant(&world.bob.recipient());
    let about = "Padded content of a length that Padmé leaves as it is.";
    cases.push(Met::new(world, &sealed, grant).opens("opens-padded-exactly", about, usual(&exact)));
}

fn metadata(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(10);
    let usual = Metadata::of(content.len());
    let preview = |kind: &[u8], bytes: &[u8]| cbor::map(&[(1, cbor::text(kind)), (2, cbor::bytes(bytes))]);
    let long = "ä".repeat(127) + "x";
    let decomposed = "cafe\u{301}.txt";
    let files = [
        (
            "opens-with-preview",
            "A preview of 700 bytes.",
            Metadata { more: vec![(9, preview(b"image/png", &pattern(700)))], ..usual.clone() },
        ),
        (
            "opens-before-1970",
            "A modification time before 1970.",
            Metadata { modified: -86_400_001, ..usual.clone() },
        ),
        ("opens-longest-name", "A name of 255 bytes.", Metadata { name: long.into_bytes(), ..usual.clone() }),
        (
            "opens-decomposed-name",
            "A name that is not in NFC: readers take it as it is.",
            Metadata { name: decomposed.as_bytes().to_vec(), ..usual.clone() },
        ),
        (
            "opens-without-media-type",
            "An empty media type.",
            Metadata { media_type: String::new(), ..usual.clone() },
        ),
        (
            "opens-unsafe-name",
            "A name is data: control characters, a change of direction, a dot at the end.",
            Metadata { name: "a\nb\u{202e}txt.".into(), ..usual.clone() },
        ),
        (
            "opens-latest-time",
            "The last modification time that there is.",
            Metadata { modified: (1 << 53) - 1, ..usual.clone() },
        ),
        (
            "opens-earliest-time",
            "The first modification time that there is.",
            Metadata { modified: 1 - (1 << 53), ..usual.clone() },
        ),
        (
            "opens-with-empty-preview",
            "A preview without a type and without bytes.",
            Metadata { more: vec![(9, preview(b"", &[]))], ..usual.clone() },
        ),
        (
            "opens-with-longest-preview",
            "A preview of 32 KiB.",
            Metadata { more: vec![(9, preview(b"image/png", &pattern(32_768)))], ..usual.clone() },
        ),
        ("opens-metadata-that-fills-its-block", "Not one pad byte behind the CBOR.", filling(&usual, 1)),
        ("opens-longest-metadata", "127 blocks, filled to the last byte.", filling(&usual, 127)),
    ];
    for (name, about, metadata) in files {
        let mut sealed = File::with(name, Some(&world.alice), &content, &metadata).seal();
        let grant = sealed.grant(&world.bob.recipient());
        let shown = String::from_utf8(metadata.name.clone()).expect("UTF-8");
        let mut expected = result(&shown, &metadata.media_type, &content, "by the author");
        expected["modified_ms"] = metadata.modified.into();
        cases.push(Met::new(world, &sealed, grant).opens(name, about, expected));
    }
    let mut sealed = File::new("opens-later-revision", Some(&world.alice), &content);
    sealed.revision = 7;
    let mut sealed = sealed.seal();
    let bob = world.bob.recipient();
    let mut head = sealed.grant_head(&bob);
    (head.min_revision, head.not_after) = (7, 1_600_000_000);
    let grant = sealed.finish_grant(&head, &bob, Some(&world.alice));
    let about = "Revision 7 with a grant from revision 7 on, and a date in the past, which is shown and refuses nothing.";
    let expected = result("report.txt", "text/plain", &content, "by the author");
    cases.push(Met::new(world, &sealed, grant).opens("opens-later-revision", about, expected));

    let name = "opens-from-revision-zero";
    let mut sealed = File::new(name, Some(&world.alice), &content).seal();
    let mut head = sealed.grant_head(&bob);
    head.min_revision = 0;
    let grant = sealed.finish_grant(&head, &bob, Some(&world.alice));
    let about = "A grant whose lowest revision is 0: any revision will do.";
    let expected = result("report.txt", "text/plain", &content, "by the author");
    cases.push(Met::new(world, &sealed, grant).opens(name, about, expected));
}

/// Metadata that fills its blocks, by way of a long media type.
fn filling(usual: &Metadata, blocks: usize) -> Metadata {
    let short = Metadata { media_type: String::new(), ..usual.clone() };
    // The head of a long text takes two bytes more than that of an empty one.
    let rest = 512 * blocks - 4 - cbor::map(&short.entries()).len() - 2;
    Metadata { media_type: "x".repeat(rest), ..short }
}

fn rsa(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(1_000);
    for (key, bits) in world.rsa.iter().zip([2048, 3072, 4096]) {
        let name = format!("opens-rsa-{bits}");
        let mut sealed = File::new(&name, Some(&world.alice), &content).seal();
        let grant = sealed.grant(&key.recipient([0; 32]));
        let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &sealed, grant) };
        cases.push(met.opens(&name, &format!("Wrapped to a bare RSA key of {bits} bits."), usual(&content)));
    }
    let mut sealed = File::new("opens-rsa-of-a-person", Some(&world.alice), &content).seal();
    let grant = sealed.grant(&world.rsa[0].recipient(world.bob.root_id()));
    let met = Met { reader: ReadBy::RsaOf(&world.rsa[0], &world.bob), ..Met::new(world, &sealed, grant) };
    let about = "Wrapped to an RSA key of a person's bundle: the recipient id holds the person's root.";
    cases.push(met.opens("opens-rsa-of-a-person", about, usual(&content)));

    let name = "opens-rsa-of-a-person-who-is-not-named";
    let mut sealed = File::new(name, Some(&world.alice), &content).seal();
    let grant = sealed.grant(&world.rsa[0].recipient([0; 32]));
    let met = Met { reader: ReadBy::RsaOf(&world.rsa[0], &world.bob), ..Met::new(world, &sealed, grant) };
    let about = "Wrapped to the bare key of somebody who is a person too: a person tries zeros as well.";
    cases.push(met.opens(name, about, usual(&content)));

    let name = "opens-for-an-x-wing-key-without-root";
    let mut sealed = File::new(name, Some(&world.alice), &content).seal();
    let grant = sealed.grant(&Recipient { root_id: [0; 32], ..world.bob.recipient() });
    let about = "The same with an X-Wing key.";
    cases.push(Met::new(world, &sealed, grant).opens(name, about, usual(&content)));
}

fn sharing(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(100);
    let bob = world.bob.recipient();
    let expected = |sharing| result("report.txt", "text/plain", &content, sharing);

    let mut sealed = File::new("opens-passed-on", Some(&world.alice), &content).seal();
    let mut head = sealed.grant_head(&bob);
    head.grantor = world.carol.root_id();
    let grant = sealed.finish_grant(&head, &bob, Some(&world.carol));
    let met = Met { grantor: Some(&world.carol), ..Met::new(world, &sealed, grant) };
    let about = "By Alice, passed on by Carol: never to be shown as Alice's own sharing.";
    cases.push(met.opens("opens-passed-on", about, expected("passed on")));

    let mut sealed = File::new("opens-rewrapped", Some(&world.alice), &content).seal();
    let mut head = sealed.grant_head(&bob);
    head.grantor = world.bob.root_id();
    let grant = sealed.finish_grant(&head, &bob, Some(&world.bob));
    let about = "Bob wrapped it again for himself.";
    cases.push(Met::new(world, &sealed, grant).opens("opens-rewrapped", about, expected("rewrapped")));

    let mut sealed = File::new("opens-anonymous", None, &content).seal();
    let grant = sealed.grant(&bob);
    let about = "Nobody signed: the interfaces say so.";
    cases.push(Met::new(world, &sealed, grant).opens("opens-anonymous", about, expected("anonymous")));

    let mut sealed = File::new("opens-anonymous-shared-by", None, &content).seal();
    let mut head = sealed.grant_head(&bob);
    (head.suite, head.grantor) = (1, world.carol.root_id());
    let grant = sealed.finish_grant(&head, &bob, Some(&world.carol));
    let met = Met { grantor: Some(&world.carol), ..Met::new(world, &sealed, grant) };
    let about = "An anonymous file that Carol shared.";
    cases.push(met.opens("opens-anonymous-shared-by", about, expected("anonymous, shared by")));

    let metadata = Metadata { more: vec![(8, cbor::bytes(&[7; 16]))], ..Metadata::of(content.len()) };
    let mut sealed = File::with("opens-dropped-in-a-box", None, &content, &metadata).seal();
    let grant = sealed.grant(&bob);
    let about = "An anonymous file for a drop box, which its metadata names.";
    let met = Met::new(world, &sealed, grant);
    cases.push(met.opens("opens-dropped-in-a-box", about, expected("anonymous")));

    // What Argon2id, HKDF and the like give is tried in other kinds; here stands what every file key gives.
    let fk = [1; 32];
    let file_id = [2; 16];
    let keys = ["payload", "metadata", "manifest"].map(|role| {
        let info = format!("waxwing/v1/key/{role}");
        json!({"role": role, "key": super::hex(&crate::primitives::hkdf(&fk, &file_id, &info))})
    });
    let fields = json!({"fk": super::hex(&fk), "file_id": super::hex(&file_id), "keys": keys});
    cases.push(case("numbers", "file-keys", "The keys of one file.", fields));
}
