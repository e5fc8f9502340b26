//! Bundles of identities, alone and in chains.

use super::{Case, World, case, hex, signatures};
use crate::forge::Person;
use crate::people::{BundleBody, bundle};
use serde_json::json;

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    genuine(world, cases);
    forged(world, cases);
    chains(world, cases);
}

fn push(name: &str, about: &str, expect: &str, bundle: &[u8], cases: &mut Vec<Case>) {
    let fields = json!({"expect": expect, "bundle": hex(bundle)});
    cases.push(case("bundle", name, about, fields));
}

fn genuine(world: &World, cases: &mut Vec<Case>) {
    let alice = &world.alice;
    push("genuine-first", "The first bundle of a person.", "genuine", &bundle(alice), cases);

    let mut body = BundleBody::first(alice);
    body.keys.push((1, 1, 1_700_000_000, 1_900_000_000, world.rsa[1].spki.clone()));
    body.keys.push((2, 1, 0, 0, world.rsa[0].spki.clone()));
    let signed = body.signed(alice, None);
    push("genuine-with-rsa", "An RSA key of this format and one of the older.", "genuine", &signed, cases);

    let body = BundleBody { keys: Vec::new(), ..BundleBody::first(alice) };
    push(
        "genuine-without-keys",
        "No key at all: nothing can be sealed to it.",
        "genuine",
        &body.signed(alice, None),
        cases,
    );

    type Change = fn(&mut BundleBody);
    let changes: [(&str, &str, Change); 7] = [
        ("genuine-format-0", "Whoever takes format 0 takes this one.", |b| b.min_format = 0),
        (
            "genuine-format-2",
            "Whoever wants format 2: the bundle is read, and nothing is sealed to it here.",
            |b| b.min_format = 2,
        ),
        ("genuine-x-wing-of-the-older-format", "An X-Wing key with usage 2.", |b| b.keys[0].0 = 2),
        ("genuine-keys-that-are-none", "Keys of the right lengths that are none: a sender finds out.", |b| {
            b.keys[0].4 = vec![0xff; 1216];
            b.keys.push((1, 1, 0, 0, vec![0xff; 294]));
        }),
        ("genuine-address-beyond-ascii", "Letters of other scripts.", |b| {
            b.address = "j\u{fc}rgen@b\u{fc}cher.example".into();
        }),
        ("genuine-address-with-vowel-sign", "A vowel sign is alphabetic though it is no letter.", |b| {
            b.address = "\u{915}\u{93e}@people.example".into();
        }),
        ("genuine-address-of-many-signs", "All signs that a local part may have.", |b| {
            b.address = b"a!#$%&'*+-/=?^_`{|}~.9@localhost".to_vec();
        }),
    ];
    for (name, about, change) in changes {
        let mut body = BundleBody::first(alice);
        change(&mut body);
        push(name, about, "genuine", &body.signed(alice, None), cases);
    }
    let longest = long(world, 65_536);
    push("genuine-longest", "65,536 bytes.", "genuine", &longest.signed(alice, None), cases);

    let mut body = BundleBody::after(&world.bob, &bundle(alice), 2);
    body.prev_root = alice.root;
    let signed = body.signed(&world.bob, Some(alice));
    push("genuine-rotation", "A new root that the old one signed over.", "genuine", &signed, cases);
}

/// A bundle of so many bytes, 65,520 to 65,545: many keys, and an address for what is left.
pub(super) fn long(world: &World, len: usize) -> BundleBody {
    let mut body = BundleBody::first(&world.alice);
    body.keys = vec![body.keys[0].clone(); 52];
    body.keys.extend(vec![(1, 1, 0, 0, world.rsa[0].spki.clone()); 3]);
    body.address.clear();
    let rest = len - body.bytes().len() - 128 - "@people.example".len();
    body.address = [vec![b'a'; rest], b"@people.example".to_vec()].concat();
    body
}

fn forged(world: &World, cases: &mut Vec<Case>) {
    let alice = &world.alice;
    type Change = fn(&mut BundleBody);
    let changes: [(&str, &str, Change); 27] = [
        ("seq-zero", "Bundles are counted from 1.", |b| b.seq = 0),
        ("first-with-previous-hash", "The first bundle names one before it.", |b| b.prev_hash = [1; 32]),
        ("second-without-previous-hash", "The second bundle names none before it.", |b| b.seq = 2),
        ("created-2-53", "A time of 2^53.", |b| b.created = 1 << 53),
        ("address-without-at", "An address without @.", |b| b.address = b"alice".to_vec()),
        ("address-domain-in-capitals", "A domain in capitals.", |b| {
            b.address = b"alice@People.example".to_vec()
        }),
        ("address-not-nfc", "An address that is not in NFC.", |b| {
            b.address = "cafe\u{301}@people.example".into()
        }),
        ("address-not-utf-8", "An address that is not UTF-8.", |b| {
            b.address = b"al\xffce@people.example".to_vec()
        }),
        ("address-too-long", "An address of 255 bytes.", |b| {
            let domain = [b"@".as_slice(), &[b'b'; 63], b".", &[b'c'; 63], b".", &[b'd'; 62]].concat();
            b.address = [vec![b'a'; 64], domain].concat();
        }),
        ("address-empty", "No address.", |b| b.address.clear()),
        ("address-without-local-part", "Nothing before the @.", |b| b.address = b"@people.example".to_vec()),
        ("address-without-domain", "Nothing behind the @.", |b| b.address = b"alice@".to_vec()),
        ("address-with-two-at", "Two @.", |b| b.address = b"alice@home@people.example".to_vec()),
        ("address-with-space", "A space.", |b| b.address = b"alice b@people.example".to_vec()),
        ("address-with-space-before", "A space at the beginning.", |b| {
            b.address = b" alice@people.example".to_vec();
        }),
        ("address-with-control-character", "A line break.", |b| {
            b.address = b"alice\n@people.example".to_vec();
        }),
        ("address-with-empty-atom", "Two dots in a row.", |b| b.address = b"al..ice@people.example".to_vec()),
        ("address-local-part-of-65-bytes", "A local part of 65 bytes.", |b| {
            b.address = [vec![b'a'; 65], b"@people.example".to_vec()].concat();
        }),
        ("address-label-of-64-bytes", "A label of the domain of 64 bytes.", |b| {
            b.address = [b"alice@".as_slice(), &[b'a'; 64], b".example"].concat();
        }),
        ("address-label-empty", "A dot at the end.", |b| b.address = b"alice@people.example.".to_vec()),
        ("address-label-with-hyphen-first", "A label that begins with a hyphen.", |b| {
            b.address = b"alice@-people.example".to_vec();
        }),
        ("address-domain-in-other-capitals", "A domain in capitals beyond ASCII.", |b| {
            b.address = "alice@b\u{dc}cher.example".into();
        }),
        ("usage-unknown", "Usage 3.", |b| b.keys[0].0 = 3),
        ("algorithm-unknown", "Algorithm 3.", |b| b.keys[0].1 = 3),
        ("key-of-another-length", "An X-Wing key of 1,215 bytes.", |b| {
            b.keys[0].4.pop();
        }),
        ("rsa-key-of-another-length", "An RSA key of 293 bytes.", |b| {
            (b.keys[0].1, b.keys[0].4) = (1, vec![0; 293]);
        }),
        ("not-after-2-53", "A key that ends at 2^53.", |b| b.keys[0].3 = 1 << 53),
    ];
    for (name, about, change) in changes {
        let mut body = BundleBody::first(alice);
        change(&mut body);
        push(name, about, "refuse", &body.signed(alice, None), cases);
    }
    signed_wrongly(world, cases);
}

fn signed_wrongly(world: &World, cases: &mut Vec<Case>) {
    let (alice, mallory) = (&world.alice, &world.mallory);
    let first = BundleBody::first(alice);
    push(
        "signed-by-somebody-else",
        "Mallory signed for Alice.",
        "refuse",
        &first.signed(mallory, None),
        cases,
    );

    let linked = first.signed(alice, Some(mallory));
    push("linked-to-no-root", "A second signature where no root before is named.", "refuse", &linked, cases);

    let mut body = BundleBody::after(&world.bob, &bundle(alice), 2);
    body.prev_root = alice.root;
    let signed = body.signed(&world.bob, None);
    push("root-before-did-not-sign", "The root before is named and did not sign.", "refuse", &signed, cases);
    let signed = body.signed(&world.bob, Some(mallory));
    push("root-before-signed-by-another", "Mallory signed as the root before.", "refuse", &signed, cases);

    let about = "A bundle of 65,537 bytes.";
    push("longer-than-65536", about, "refuse", &long(world, 65_537).signed(alice, None), cases);

    let mut changed = bundle(alice);
    changed.push(0);
    push("trailing-byte", "A byte too many.", "refuse", &changed, cases);
    changed.truncate(changed.len() - 2);
    push("truncated", "The last byte is missing.", "refuse", &changed, cases);

    let mut unreduced = bundle(alice);
    let s = unreduced.len() - 96;
    signatures::add_order(&mut unreduced[s..s + 32]);
    push("signature-s-not-reduced", "S with the group order added.", "refuse", &unreduced, cases);

    let body = BundleBody { root: signatures::NEUTRAL, ..first };
    let (r, s) = signatures::for_neutral_key();
    let forged = [body.bytes(), r.to_vec(), s.to_vec(), vec![0; 64]].concat();
    let about = "A root key of small order, with a signature that fits every message.";
    push("root-of-small-order", about, "refuse", &forged, cases);
}

/// Chains are judged by somebody who has pinned their first bundle.
fn chains(world: &World, cases: &mut Vec<Case>) {
    let (alice, bob, mallory) = (&world.alice, &world.bob, &world.mallory);
    let one = bundle(alice);
    let second = |created| BundleBody { created, ..BundleBody::after(alice, &one, 2) };
    let two = second(1_700_000_100).signed(alice, None);
    let other_two = second(1_700_000_200).signed(alice, None);
    let three = BundleBody::after(alice, &two, 3).signed(alice, None);
    let mut rotation = BundleBody {
        address: BundleBody::first(alice).address,
        user_id: BundleBody::first(alice).user_id,
        ..BundleBody::after(bob, &three, 4)
    };
    let unlinked = rotation.signed(bob, None);
    rotation.prev_root = alice.root;
    let four = rotation.signed(bob, Some(alice));
    let third = |person: &Person| {
        BundleBody {
            address: BundleBody::first(alice).address,
            user_id: BundleBody::first(alice).user_id,
            ..BundleBody::after(person, &two, 3)
        }
        .signed(person, None)
    };
    let moved =
        BundleBody { address: b"alice@elsewhere.example".to_vec(), ..BundleBody::after(alice, &one, 2) }
            .signed(alice, None);
    let other_user = BundleBody { user_id: [9; 16], ..BundleBody::after(alice, &one, 2) }.signed(alice, None);
    let renumbered = |person: &Person, before: &[u8], seq| BundleBody {
        address: BundleBody::first(alice).address,
        user_id: BundleBody::first(alice).user_id,
        ..BundleBody::after(person, before, seq)
    };
    let after_rotation = renumbered(bob, &four, 5).signed(bob, None);
    let by_the_old_root = renumbered(alice, &four, 5).signed(alice, None);
    let hole = renumbered(alice, &one, 3).signed(alice, None);
    let lower = renumbered(alice, &three, 2).signed(alice, None);
    let same_number = renumbered(alice, &two, 2).signed(alice, None);
    let many = steps(alice, 65);
    let chains: Vec<(&str, &str, &str, Vec<&[u8]>)> = vec![
        ("chain-of-one", "Nothing new.", "follows", vec![&one]),
        ("chain-of-64-steps", "64 bundles behind the known one.", "follows", refs(&many[..65])),
        ("chain-of-65-steps", "65 bundles behind the known one.", "refuse", refs(&many)),
        (
            "chain-goes-on-after-a-rotation",
            "A bundle of the new root.",
            "follows",
            vec![&one, &two, &three, &four, &after_rotation],
        ),
        (
            "chain-back-to-the-root-before",
            "After a rotation the old root signs again.",
            "refuse",
            vec![&one, &two, &three, &four, &by_the_old_root],
        ),
        ("chain-with-a-repetition", "A bundle twice in a list.", "refuse", vec![&one, &two, &two, &three]),
        ("chain-of-three", "Two later bundles of the same root.", "follows", vec![&one, &two, &three]),
        (
            "chain-over-a-rotation",
            "The last one links a new root.",
            "follows",
            vec![&one, &two, &three, &four],
        ),
        ("chain-with-a-hole", "The second is missing.", "refuse", vec![&one, &three]),
        ("chain-skips-a-number", "Number 3 follows number 1 by its hash.", "refuse", vec![&one, &hole]),
        ("chain-backwards", "A lower number follows by its hash.", "refuse", vec![&three, &lower]),
        ("seq-replay", "The same number with other bytes.", "refuse", vec![&two, &other_two]),
        (
            "chain-stays-at-a-number",
            "The same number follows by its hash.",
            "refuse",
            vec![&two, &same_number],
        ),
        (
            "chain-over-another-second",
            "The third follows another second.",
            "refuse",
            vec![&one, &other_two, &three],
        ),
        (
            "chain-to-an-unlinked-root",
            "A new root that nobody signed over.",
            "refuse",
            vec![&one, &two, &three, &unlinked],
        ),
        ("chain-to-somebody-else", "Mallory's bundle in Alice's chain.", "refuse", vec![&one, &two, &[]]),
        (
            "chain-to-another-address",
            "The address changes on the way: it is compared with what was typed, not here.",
            "follows",
            vec![&one, &moved],
        ),
        ("chain-to-another-user", "The account changes on the way.", "refuse", vec![&one, &other_user]),
    ];
    let theirs = third(mallory);
    for (name, about, expect, chain) in chains {
        let chain: Vec<String> =
            chain.into_iter().map(|bundle| hex(if bundle.is_empty() { &theirs } else { bundle })).collect();
        cases.push(case("chain", name, about, json!({"expect": expect, "bundles": chain})));
    }
}

/// The first bundle of a person and `count` more, none with a key.
fn steps(person: &Person, count: u32) -> Vec<Vec<u8>> {
    let bare = |body: BundleBody| BundleBody { keys: Vec::new(), ..body }.signed(person, None);
    let mut chain = vec![bare(BundleBody::first(person))];
    for seq in 2..count + 2 {
        let next = bare(BundleBody::after(person, &chain[chain.len() - 1], seq));
        chain.push(next);
    }
    chain
}

fn refs(bundles: &[Vec<u8>]) -> Vec<&[u8]> {
    bundles.iter().map(Vec::as_slice).collect()
}
