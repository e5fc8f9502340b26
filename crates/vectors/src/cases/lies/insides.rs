//! What the author sealed is itself wrong: metadata, compression, padding.

use super::super::files::{crc32, gzipped};
use super::super::{Case, Met, World, pattern};
use crate::cbor::{self, head};
use crate::forge::{File, Metadata, framed};

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    values(world, cases);
    spellings(world, cases);
    frames(world, cases);
    compression(world, cases);
    padding(world, cases);
}

fn refuse<'w>(world: &'w World, file: File<'w>, name: &str, about: &str, cases: &mut Vec<Case>) {
    let mut sealed = file.seal();
    let grant = sealed.grant(&world.bob.recipient());
    cases.push(Met::new(world, &sealed, grant).refused(name, about));
}

fn values(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(10);
    let usual = Metadata::of(10);
    let named = |name: &[u8]| Metadata { name: name.to_vec(), ..usual.clone() };
    let more = |key, value| Metadata { more: vec![(key, value)], ..usual.clone() };
    let preview = |entries: &[(u64, Vec<u8>)]| more(9, cbor::map(entries));
    let short = cbor::bytes(&[1, 2, 3]);
    let files = [
        ("name-empty", "An empty name.", named(b"")),
        ("name-with-slash", "A name with a path in it.", named(b"a/b")),
        ("name-with-backslash", "A name with a path of another system in it.", named(b"a\\b")),
        ("name-with-nul", "A name with a zero byte.", named(b"a\0b")),
        ("name-dot", "A name that stands for a folder.", named(b".")),
        ("name-dot-dot", "A name that stands for the folder above.", named(b"..")),
        ("name-256-bytes", "A name of 256 bytes.", named(&[b'a'; 256])),
        ("name-not-utf-8", "A name that is not UTF-8.", named(b"a\xff")),
        ("name-overlong-utf-8", "A slash in an overlong spelling.", named(b"a\xc0\xafb")),
        ("name-surrogate", "Half of a surrogate pair.", named(b"a\xed\xa0\x80")),
        (
            "size-too-large",
            "An original size of 2^44 + 1.",
            Metadata { original: (1 << 44) + 1, ..usual.clone() },
        ),
        (
            "sizes-differ-uncompressed",
            "Original and stored size differ.",
            Metadata { original: 9, ..usual.clone() },
        ),
        (
            "stored-size-not-the-payloads",
            "Sizes of 11 over a payload of 10.",
            Metadata { original: 11, stored: 11, ..usual.clone() },
        ),
        ("compression-unknown", "Compression 2.", Metadata { compression: 2, ..usual.clone() }),
        ("padding-unknown", "Padding 2.", Metadata { padding: 2, ..usual.clone() }),
        ("time-2-53", "A time of 2^53.", Metadata { modified: 1 << 53, ..usual.clone() }),
        ("time-minus-2-53", "A time of -2^53.", Metadata { modified: -(1 << 53), ..usual.clone() }),
        ("box-id-in-a-signed-file", "A box id in suite 1.", more(8, cbor::bytes(&[7; 16]))),
        (
            "preview-too-long",
            "A preview of 32 KiB and a byte.",
            preview(&[(1, cbor::text(b"image/png")), (2, cbor::bytes(&vec![0; 32_769]))]),
        ),
        ("preview-without-type", "A preview without a media type.", preview(&[(2, short.clone())])),
        (
            "preview-with-more",
            "A preview with a third key.",
            preview(&[(1, cbor::text(b"image/png")), (2, short.clone()), (3, short.clone())]),
        ),
        (
            "preview-keys-out-of-order",
            "A preview with key 2 before key 1.",
            preview(&[(2, short.clone()), (1, cbor::text(b"image/png"))]),
        ),
        (
            "preview-key-twice",
            "A preview with key 1 twice.",
            preview(&[(1, cbor::text(b"a")), (1, cbor::text(b"b")), (2, short)]),
        ),
        ("preview-not-a-map", "Bytes where the map of the preview should be.", more(9, cbor::bytes(&[1]))),
    ];
    for (name, about, metadata) in files {
        let file = File::with(name, Some(&world.alice), &content, &metadata);
        refuse(world, file, name, about, cases);
    }
    let metadata = Metadata { more: vec![(8, cbor::bytes(&[7; 15]))], ..usual };
    let file = File::with("box-id-of-15-bytes", None, &content, &metadata);
    refuse(world, file, "box-id-of-15-bytes", "A box id of 15 bytes.", cases);
}

/// The same metadata in other bytes: each value has one spelling.
fn spellings(world: &World, cases: &mut Vec<Case>) {
    let entries = Metadata::of(10).entries();
    let usual = cbor::map(&entries);
    let with = |n: usize, value: Vec<u8>| {
        let mut entries = entries.clone();
        entries[n].1 = value;
        cbor::map(&entries)
    };
    let mut swapped = entries.clone();
    swapped.swap(0, 1);
    let mut twice = entries.clone();
    twice.insert(1, entries[0].clone());
    let mut unknown = entries.clone();
    unknown.push((10, cbor::uint(0)));
    let name = b"report.txt";
    let indefinite = [&[0x7f], cbor::text(&name[..3]).as_slice(), &cbor::text(&name[3..]), &[0xff]].concat();
    let spellings: Vec<(&str, &str, Vec<u8>)> = vec![
        ("cbor-trailing-byte", "A byte behind the map, counted as CBOR.", [usual.as_slice(), &[0]].concat()),
        ("cbor-truncated", "The last byte of the map is missing.", usual[..usual.len() - 1].to_vec()),
        ("cbor-keys-out-of-order", "Key 2 before key 1.", cbor::map(&swapped)),
        ("cbor-key-twice", "Key 1 twice.", cbor::map(&twice)),
        ("cbor-key-missing", "No key 7.", cbor::map(&entries[..6])),
        ("cbor-key-unknown", "A key 10.", cbor::map(&unknown)),
        ("cbor-integer-not-shortest", "10 in two bytes.", with(2, vec![0x18, 10])),
        (
            "cbor-integer-in-nine-bytes",
            "10 in nine bytes.",
            with(2, [&[0x1b], 10_u64.to_be_bytes().as_slice()].concat()),
        ),
        (
            "cbor-length-not-shortest",
            "A text's length in two bytes.",
            with(0, [&[0x78, 10], name.as_slice()].concat()),
        ),
        ("cbor-key-not-shortest", "Key 1 in two bytes.", [&[0xa7, 0x18, 0x01], &usual[2..]].concat()),
        ("cbor-map-head-not-shortest", "The map's length in two bytes.", [&[0xb8, 7], &usual[1..]].concat()),
        ("cbor-map-indefinite", "A map of indefinite length.", [&[0xbf], &usual[1..], &[0xff]].concat()),
        ("cbor-text-indefinite", "A text in pieces.", with(0, indefinite)),
        ("cbor-float", "A size as a floating-point number.", with(2, vec![0xf9, 0x49, 0x00])),
        ("cbor-bool", "A boolean for the padding.", with(5, vec![0xf4])),
        ("cbor-null", "Null for the media type.", with(1, vec![0xf6])),
        ("cbor-undefined", "The value `undefined` for the padding.", with(5, vec![0xf7])),
        ("cbor-simple-value", "A simple value for the padding.", with(5, vec![0xf8, 0x20])),
        ("cbor-reserved-head-28", "A head that is reserved.", with(2, vec![0x1c])),
        ("cbor-reserved-head-29", "A head that is reserved.", with(2, vec![0x1d])),
        ("cbor-reserved-head-30", "A head that is reserved.", with(2, vec![0x1e])),
        (
            "cbor-length-in-five-bytes",
            "A text's length in five bytes.",
            with(0, [&[0x7a, 0, 0, 0, 10], name.as_slice()].concat()),
        ),
        (
            "cbor-key-text",
            "A text as a key.",
            [head(cbor::MAP, 8), usual[1..].to_vec(), cbor::text(b"a"), cbor::uint(0)].concat(),
        ),
        (
            "cbor-key-negative",
            "A negative key.",
            [head(cbor::MAP, 8), usual[1..].to_vec(), cbor::int(-1), cbor::uint(0)].concat(),
        ),
        (
            "cbor-nested-deep",
            "60,000 arrays within each other.",
            with(1, [vec![0x81; 60_000], vec![0x80]].concat()),
        ),
        (
            "cbor-array-longer-than-it-is",
            "An array that says it has 2^60 items.",
            [head(cbor::MAP, 8), usual[1..].to_vec(), cbor::uint(9), head(cbor::ARRAY, 1 << 60)].concat(),
        ),
        ("cbor-tag", "A tag before the time.", with(6, [&[0xc1], cbor::uint(1).as_slice()].concat())),
        ("cbor-text-as-bytes", "The name as a byte string.", with(0, cbor::bytes(name))),
        ("cbor-size-negative", "A negative size.", with(2, cbor::int(-1))),
        (
            "cbor-array-for-map",
            "An array of the keys and values where the map should be.",
            [head(cbor::ARRAY, 14), usual[1..].to_vec()].concat(),
        ),
        (
            "cbor-length-beyond-the-end",
            "A text that says it is 2^32 bytes long.",
            with(0, head(cbor::TEXT, 1 << 32)),
        ),
        (
            "cbor-map-longer-than-it-is",
            "A map that says it has 2^60 entries.",
            [head(cbor::MAP, 1 << 60), usual[1..].to_vec()].concat(),
        ),
    ];
    for (name, about, spelling) in spellings {
        let mut file = File::new(name, Some(&world.alice), &pattern(10));
        file.metadata = framed(&spelling);
        refuse(world, file, name, about, cases);
    }
}

/// The length before the CBOR and the zeros behind it.
fn frames(world: &World, cases: &mut Vec<Case>) {
    let usual = framed(&cbor::map(&Metadata::of(10).entries()));
    let changed = |at: usize, value: u8| {
        let mut plain = usual.clone();
        plain[at] = value;
        plain
    };
    let frames = [
        ("metadata-pad-not-zero", "A byte behind the CBOR that is not zero.", changed(511, 1)),
        ("metadata-length-longer", "A length that counts zeros in.", changed(3, usual[3] + 1)),
        ("metadata-length-beyond", "A length of more than there is.", changed(0, 0x7f)),
        ("metadata-length-zero", "A length of zero, and the map behind it.", changed(3, 0)),
        ("metadata-nothing", "A length of zero, and zeros only.", vec![0; 512]),
        (
            "metadata-with-another-block",
            "One block of zeros too many.",
            [usual.as_slice(), &[0; 512]].concat(),
        ),
    ];
    for (name, about, plain) in frames {
        let mut file = File::new(name, Some(&world.alice), &pattern(10));
        file.metadata = plain;
        refuse(world, file, name, about, cases);
    }
}

fn compression(world: &World, cases: &mut Vec<Case>) {
    let (member, content) = gzipped();
    let changed = |at: usize, value: u8| {
        let mut member = member.clone();
        member[at] = value;
        member
    };
    let mut with_name = changed(3, 8);
    with_name.splice(10..10, *b"a\0");
    let body = &member[10..];
    let end = member.len();
    let usual = content.len() as u64;
    let members: Vec<(&str, &str, Vec<u8>, u64)> = vec![
        (
            "gzip-second-member",
            "A second, empty-handed member.",
            [member.as_slice(), &empty_member()].concat(),
            usual,
        ),
        (
            "gzip-second-member-signed",
            "Two members whose sum is signed.",
            [member.as_slice(), &member].concat(),
            2 * usual,
        ),
        ("gzip-longer-than-signed", "It inflates to more than the signed size.", member.clone(), usual - 1),
        ("gzip-shorter-than-signed", "It inflates to less than the signed size.", member.clone(), usual + 1),
        ("gzip-trailing-byte", "A byte behind the member.", [member.as_slice(), &[0]].concat(), usual),
        ("gzip-truncated", "The last byte of the trailer is missing.", member[..end - 1].to_vec(), usual),
        ("gzip-without-trailer", "No trailer.", member[..end - 8].to_vec(), usual),
        ("gzip-with-a-name", "FLG says that a name follows, and one does.", with_name, usual),
        ("gzip-with-a-time", "MTIME is not zero.", changed(4, 1), usual),
        ("gzip-another-method", "CM is not 8.", changed(2, 7), usual),
        ("gzip-wrong-checksum", "The checksum of other bytes.", changed(end - 8, !member[end - 8]), usual),
        ("gzip-wrong-length", "The trailer tells another length.", changed(end - 1, 1), usual),
        ("gzip-said-to-be-text", "FLG says that it is text.", changed(3, 1), usual),
        ("gzip-nothing", "Nothing, said to be compressed.", Vec::new(), 0),
        ("gzip-bare-deflate", "Deflate without a gzip frame.", body[..body.len() - 8].to_vec(), usual),
    ];
    for (name, about, stored, original) in members {
        let metadata = Metadata { compression: 1, original, ..Metadata::of(stored.len()) };
        let file = File::with(name, Some(&world.alice), &stored, &metadata);
        refuse(world, file, name, about, cases);
    }
}

/// A gzip member of nothing: one stored block without bytes.
pub(in crate::cases) fn empty_member() -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let block = [1, 0, 0, 0xff, 0xff];
    [head.as_slice(), &block, &crc32(b"").to_le_bytes(), &[0; 4]].concat()
}

fn padding(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(5_000);
    let metadata = Metadata { padding: 1, ..Metadata::of(content.len()) };
    let file = |name: &str| File::with(name, Some(&world.alice), &content, &metadata);

    let mut changed = file("padding-not-zero").padded();
    changed.payload[5_050] = 1;
    refuse(world, changed, "padding-not-zero", "A pad byte that is not zero.", cases);

    let mut changed = file("padding-last-byte-not-zero").padded();
    changed.payload[5_119] = 1;
    refuse(world, changed, "padding-last-byte-not-zero", "The last pad byte is not zero.", cases);

    let plain = file("padding-missing");
    refuse(world, plain, "padding-missing", "Padding is said and not there.", cases);

    let mut longer = file("padding-too-long");
    longer.payload.resize(5_376, 0);
    refuse(world, longer, "padding-too-long", "Padded to the next step but one.", cases);

    let mut shorter = file("padding-too-short");
    shorter.payload.resize(5_119, 0);
    refuse(world, shorter, "padding-too-short", "A pad byte is missing.", cases);

    let plain = Metadata::of(content.len());
    let unsaid = File::with("padding-unsaid", Some(&world.alice), &content, &plain).padded();
    refuse(world, unsaid, "padding-unsaid", "Padding that the metadata does not name.", cases);
}
