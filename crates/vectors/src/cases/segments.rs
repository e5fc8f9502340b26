//! Single segments at places where counting goes wrong easily.

use super::{Case, case, hex, pattern};
use crate::primitives::{Floe, Seeded, hkdf};
use serde_json::json;

pub(super) fn add(cases: &mut Vec<Case>) {
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
    for (name, about, index) in opens {
        let mut rng = Seeded::new(name);
        let floe = Floe::new(&key, &aad, &mut rng);
        let plain = pattern(40);
        let segment = floe.seal(index, true, &plain, &mut rng);
        let fields = json!({
            "expect": "open",
            "fk": hex(&fk),
            "file_id": hex(&file_id),
            "suite": 1,
            "author_root_id": hex(&author),
            "header": hex(&floe.header),
            "index": index,
            "last": true,
            "segment": hex(&segment),
            "result": {"plain": hex(&plain)},
        });
        cases.push(case("segment", name, about, fields));
    }
    let lies: [(&str, &str, u64, u64, bool, bool); 5] = [
        ("sealed-at-0-met-at-1", "Sealed for position 0, met at 1.", 0, 1, true, true),
        ("sealed-at-0-met-at-2-20", "Sealed for position 0, met at 2^20.", 0, 1 << 20, true, true),
        ("sealed-at-2-20-met-at-0", "Sealed for position 2^20, met at 0.", 1 << 20, 0, true, true),
        ("sealed-at-2-14-met-at-0", "Sealed for position 2^14, met at 0.", 1 << 14, 0, true, true),
        ("sealed-as-inner-met-as-last", "Sealed with the flag of an inner segment.", 5, 5, false, true),
    ];
    for (name, about, sealed_at, index, sealed_last, last) in lies {
        let mut rng = Seeded::new(name);
        let floe = Floe::new(&key, &aad, &mut rng);
        let segment = floe.seal_with_word(72, sealed_at, sealed_last, &pattern(40), &mut rng);
        let fields = json!({
            "expect": "refuse",
            "fk": hex(&fk),
            "file_id": hex(&file_id),
            "suite": 1,
            "author_root_id": hex(&author),
            "header": hex(&floe.header),
            "index": index,
            "last": last,
            "segment": hex(&segment),
        });
        cases.push(case("segment", name, about, fields));
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
        let fields = json!({
            "expect": "refuse",
            "fk": hex(&fk),
            "file_id": hex(&file_id),
            "suite": 1,
            "author_root_id": hex(&author),
            "header": hex(&header),
            "index": 0,
            "last": true,
            "segment": hex(&segment),
        });
        cases.push(case("segment", name, about, fields));
    }
}
