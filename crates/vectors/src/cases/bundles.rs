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

    let mut body = BundleBody::after(&world.bob, &bundle(alice), 2);
    body.prev_root = alice.root;
    let signed = body.signed(&world.bob, Some(alice));
    push("genuine-rotation", "A new root that the old one signed over.", "genuine", &signed, cases);
}

fn forged(world: &World, cases: &mut Vec<Case>) {
    let alice = &world.alice;
    type Change = fn(&mut BundleBody);
    let changes: [(&str, &str, Change); 14] = [
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
            b.address = [vec![b'a'; 240], b"@people.example".to_vec()].concat();
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
    let chains: Vec<(&str, &str, &str, Vec<&[u8]>)> = vec![
        ("chain-of-one", "Nothing new.", "follows", vec![&one]),
        ("chain-of-three", "Two later bundles of the same root.", "follows", vec![&one, &two, &three]),
        (
            "chain-over-a-rotation",
            "The last one links a new root.",
            "follows",
            vec![&one, &two, &three, &four],
        ),
        ("chain-with-a-hole", "The second is missing.", "refuse", vec![&one, &three]),
        ("chain-backwards", "A lower number after a higher.", "refuse", vec![&two, &one]),
        ("seq-replay", "The same number with other bytes.", "refuse", vec![&two, &other_two]),
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
