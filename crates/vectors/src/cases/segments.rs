//! Single segments at places where counting goes wrong easily.

use super::{Case, World, case, hex, lies, pattern, segment_path};
use crate::forge::{PLAIN, Sealed};
use crate::primitives::{Floe, Seeded, hkdf, sha256};
use serde_json::json;

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    inner(world, cases);
    let opens = [
        ("opens-at-0", "The first and only segment.", 0),
        (
            "opens-at-2-14",
            "Position 2^14: its number takes more than 32 bits when counted in bytes.",
            1 << 14,
        ),
        ("opens-at-2-20-minus-1", "The last segment of the first segment key.", (1 << 20) - 1),
        ("opens-at-2-20", "The first segment of the second segment key.", 1 << 20),
        ("opens-at-2-26-minus-1", "The last segment that a body can have.", (1 << 26) - 1),
    ];
    let (fk, file_id, author) = ([3; 32], [4; 16], [5; 32]);
    let key = hkdf(&fk, &file_id, "waxwing/v1/key/payload");
    let aad = [b"waxwing/v1/payload\0".as_slice(), &1_u16.to_be_bytes(), &file_id, &author].concat();
    let fields = |expect: &str, header: &[u8; 74], index: u64, segment: &[u8]| {
        json!({
            "expect": expect,
            "fk": hex(&fk),
            "file_id": hex(&file_id),
            "suite": 1,
            "author_root_id": hex(&author),
            "header": hex(header),
            "index": index,
            "last": true,
            "segment": hex(segment),
        })
    };
    for (name, about, index) in opens {
        let mut rng = Seeded::new(name);
        let floe = Floe::new(&key, &aad, &mut rng);
        let plain = pattern(40);
        let segment = floe.seal(index, true, &plain, &mut rng);
        let mut fields = fields("open", &floe.header, index, &segment);
        fields["result"] = json!({"plain": hex(&plain)});
        cases.push(case("segment", name, about, fields));
    }
    let lies: [(&str, &str, u64, u64, bool); 5] = [
        ("sealed-at-0-met-at-1", "Sealed for position 0, met at 1.", 0, 1, true),
        ("sealed-at-0-met-at-2-20", "Sealed for position 0, met at 2^20.", 0, 1 << 20, true),
        ("sealed-at-2-20-met-at-0", "Sealed for position 2^20, met at 0.", 1 << 20, 0, true),
        ("sealed-at-2-14-met-at-0", "Sealed for position 2^14, met at 0.", 1 << 14, 0, true),
        ("sealed-as-inner-met-as-last", "Sealed with the flag of an inner segment.", 5, 5, false),
    ];
    for (name, about, sealed_at, index, sealed_last) in lies {
        let mut rng = Seeded::new(name);
        let floe = Floe::new(&key, &aad, &mut rng);
        let segment = floe.seal_with_word(72, sealed_at, sealed_last, &pattern(40), &mut rng);
        cases.push(case("segment", name, about, fields("refuse", &floe.header, index, &segment)));
    }
    let headers: [(&str, &str, usize); 3] = [
        ("header-tag-changed", "A bit of the header's tag.", 70),
        ("header-iv-changed", "A bit of the IV.", 20),
        ("header-parameters-changed", "Another IV length.", 9),
    ];
    for (name, about, at) in headers {
        let mut rng = Seeded::new(name);
        let floe = Floe::new(&key, &aad, &mut rng);
        let segment = floe.seal(0, true, &pattern(40), &mut rng);
        let mut header = floe.header;
        header[at] ^= 1;
        cases.push(case("segment", name, about, fields("refuse", &header, 0, &segment)));
    }
}

/// Segments that others follow. A full one stands in a file of its own, which a case of a whole file needs too.
fn inner(world: &World, cases: &mut Vec<Case>) {
    let (honest, wrong_word) = (lies::long(world), lies::wrong_inner_word(world));
    let fields = |sealed: &Sealed<'_>, last: bool, expect: &str| {
        json!({
            "expect": expect,
            "fk": hex(&sealed.file.fk),
            "file_id": hex(&sealed.file.file_id),
            "suite": 1,
            "author_root_id": hex(&sealed.file.author_id()),
            "header": hex(&sealed.floe.header),
            "index": 0,
            "last": last,
            "segment_file": segment_path(&sealed.segments[0]),
        })
    };
    let mut opens = fields(&honest, false, "open");
    opens["result"] = json!({"sha256": hex(&sha256(&[&pattern(PLAIN)]))});
    cases.push(case("segment", "opens-inner", "A full segment that others follow.", opens));
    let about = "The same as the last one.";
    cases.push(case("segment", "inner-met-as-last", about, fields(&honest, true, "refuse")));
    let about = "A full segment with its length for the length word.";
    cases.push(case(
        "segment",
        "inner-with-another-length-word",
        about,
        fields(&wrong_word, false, "refuse"),
    ));

    let mut rng = Seeded::new("inner-not-full");
    let mut not_full = fields(&honest, false, "refuse");
    not_full.as_object_mut().expect("an object").remove("segment_file");
    not_full["segment"] = hex(&honest.floe.seal(0, false, &pattern(40), &mut rng)).into();
    cases.push(case("segment", "inner-not-full", "A short segment that others follow.", not_full));
}
