//! Tables of small things: what comes out where nothing is sealed.

use super::{Case, World, case, hex};
use crate::people::bundle;
use crate::primitives::{argon2id, hkdf, padme, sha256, sha512, tree};
use serde_json::json;

/// The numbers of the 24 words of 32 bytes of entropy: the bytes and one of checksum, eleven bits each.
pub(super) fn words(entropy: &[u8; 32]) -> Vec<u16> {
    let bytes = [entropy.as_slice(), &sha256(&[entropy])[..1]].concat();
    eleven_bits(&bytes, 24)
}

fn eleven_bits(bytes: &[u8], count: usize) -> Vec<u16> {
    let bit = |n: usize| u16::from(bytes[n / 8] >> (7 - n % 8) & 1);
    (0..count).map(|word| (0..11).fold(0, |number, n| number << 1 | bit(11 * word + n))).collect()
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let lengths = [
        0,
        1,
        2,
        4_095,
        4_096,
        4_097,
        4_351,
        4_352,
        4_353,
        5_000,
        8_191,
        8_192,
        8_193,
        65_535,
        65_536,
        65_537,
        262_112,
        1_000_000,
        1 << 20,
        (1 << 20) + 1,
        (1 << 32) - 1,
        1 << 32,
        (1 << 32) + 1,
        1 << 40,
        (1 << 43) + 1,
        (1 << 44) - 1,
    ];
    let table: Vec<_> = lengths.iter().map(|len| json!([len, padme(*len)])).collect();
    cases.push(case("numbers", "padme", "Length, and length after padding.", json!({"table": table})));

    let leaves: Vec<[u8; 32]> = (0..20_u8).map(|n| sha256(&[&[0, n]])).collect();
    let roots: Vec<_> = (1..=20).map(|n| hex(&tree(&leaves[..n]))).collect();
    let about = "Roots over the first 1 to 20 leaves, where leaf n is that of a segment of the one byte n.";
    cases.push(case("numbers", "tree", about, json!({"roots": roots})));

    let (alice, bob, carol) = (world.alice.root_id(), world.bob.root_id(), world.carol.root_id());
    let pairs: Vec<_> = [(alice, bob), (bob, alice), (carol, alice), (carol, bob)]
        .iter()
        .map(|(one, other)| {
            let hash = sha512(&[b"waxwing/v1/safety\0", one.min(other), one.max(other)]);
            let groups = hash.chunks(5).take(12).map(|group| {
                let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                format!("{:05}", number % 100_000)
            });
            let groups: Vec<String> = groups.collect();
            json!({
                "root_ids": [hex(one), hex(other)],
                "groups": groups,
                "word_numbers": eleven_bits(&hash, 18),
                "qr": format!("WAXWING-SAFETY-1:{}", groups.concat()),
            })
        })
        .collect();
    let about = "Safety numbers, each pair in the order in which it was given.";
    cases.push(case("numbers", "safety", about, json!({"pairs": pairs})));

    let recipients: Vec<_> = [
        (world.alice.recipient(), "X-Wing key of a person"),
        (world.rsa[0].recipient([0; 32]), "bare RSA key"),
        (world.rsa[1].recipient(world.bob.root_id()), "RSA key of a person"),
    ]
    .into_iter()
    .map(|(recipient, what)| {
        let key = match &recipient.key {
            crate::forge::Key::XWing(key) | crate::forge::Key::Rsa(_, key) => hex(key),
            crate::forge::Key::Link(..) => String::new(),
        };
        json!({"what": what, "wrap": recipient.key.wrap(), "root_id": hex(&recipient.root_id), "key": key, "recipient_id": hex(&recipient.id())})
    })
    .collect();
    cases.push(case("numbers", "recipients", "Recipient ids.", json!({"recipients": recipients})));

    let people: Vec<_> = [&world.alice, &world.bob]
        .iter()
        .map(|person| {
            json!({
                "root_seed": hex(&person.root_seed),
                "root_key": hex(&person.root),
                "root_id": hex(&person.root_id()),
                "xwing_seed": hex(&person.xwing_seed),
                "xwing_key": hex(&person.xwing),
                "bundle": hex(&bundle(person)),
            })
        })
        .collect();
    cases.push(case("numbers", "people", "Keys out of their seeds.", json!({"people": people})));

    let (salt, passphrase) = ([8; 16], "three wax wings melt slowly");
    let stretched = argon2id(passphrase, &salt);
    let fields = json!({
        "passphrase": passphrase,
        "salt": hex(&salt),
        "argon2id": hex(&stretched),
        "slot_key": hex(&hkdf(&stretched, &salt, "waxwing/v1/vault/passphrase")),
    });
    cases.push(case("numbers", "passphrase", "What a passphrase becomes.", fields));

    let phrases: Vec<_> = [[0; 32], [0x7f; 32], [0x80; 32], [0xff; 32], [0x5a; 32]]
        .iter()
        .map(|entropy| json!({"entropy": hex(entropy), "word_numbers": words(entropy)}))
        .collect();
    let about = "Recovery phrases as the numbers of their words, from 0, in the English list of BIP 39.";
    cases.push(case("numbers", "phrases", about, json!({"phrases": phrases})));
}
