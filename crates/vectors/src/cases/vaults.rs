//! Vaults.

use super::{Case, World, case, hex};
use crate::cbor;
use crate::people::{Secret, Vault, user_id};
use serde_json::{Value, json};

const PASSPHRASE: &str = "three wax wings melt slowly";
/// The same text, typed on a keyboard that decomposes: what is hashed is its NFC.
const COMPOSED: &str = "caf\u{e9} wings melt slowly";

fn secret_json(secret: &Secret) -> Value {
    match secret {
        Secret::Passphrase(text) => json!({"passphrase": text}),
        Secret::Phrase(entropy) => {
            json!({"entropy": hex(entropy), "word_numbers": super::numbers::words(entropy)})
        }
    }
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let (passphrase, phrase) = (Secret::Passphrase(PASSPHRASE), Secret::Phrase([0x5a; 32]));
    let mine = user_id(alice);
    let mut push = |name: &str, about: &str, vault: Vec<u8>, with: Value, opens: bool, rsa: &[Vec<u8>]| {
        let mut fields = json!({
            "expect": if opens { "open" } else { "refuse" },
            "vault": hex(&vault),
            "secret": with,
        });
        if opens {
            fields["result"] = json!({
                "user_id": hex(&mine),
                "version": 3,
                "roots": [hex(&alice.root_seed)],
                "xwing": [hex(&alice.xwing_seed)],
                "rsa": rsa.iter().map(|key| hex(key)).collect::<Vec<_>>(),
                "pins_version": 9,
            });
        }
        cases.push(case("vault", name, about, fields));
    };

    let both = |label: &str, rsa: &[Vec<u8>]| {
        let mut vault = Vault::new(label, alice, rsa);
        let slots = [vault.slot(&passphrase, &mine), vault.slot(&phrase, &mine)];
        (vault, slots)
    };
    let (mut vault, slots) = both("opens", &[]);
    let sealed = vault.seal(&slots);
    push(
        "opens-with-passphrase",
        "A passphrase and a recovery phrase.",
        sealed.clone(),
        secret_json(&passphrase),
        true,
        &[],
    );
    push(
        "opens-with-phrase",
        "The same vault by its other slot.",
        sealed.clone(),
        secret_json(&phrase),
        true,
        &[],
    );
    let wrong = Secret::Phrase([0x5b; 32]);
    push("phrase-of-another", "Another recovery phrase.", sealed.clone(), secret_json(&wrong), false, &[]);
    let mut checksum = secret_json(&phrase);
    let last = checksum["word_numbers"][23].as_u64().expect("a number");
    checksum["word_numbers"][23] = (last ^ 1).into();
    let about = "The right entropy, and a last word whose checksum is wrong.";
    push("phrase-checksum-wrong", about, sealed.clone(), checksum, false, &[]);
    let mut short = secret_json(&phrase);
    short["word_numbers"].as_array_mut().expect("numbers").pop();
    push("phrase-of-23-words", "A word is missing.", sealed.clone(), short, false, &[]);
    let wrong = Secret::Passphrase("three wax wings melt slowlier");
    push("passphrase-wrong", "Another passphrase.", sealed.clone(), secret_json(&wrong), false, &[]);

    let rsa = [world.rsa[0].pkcs8.clone()];
    let (mut vault, slots) = both("opens-with-rsa", &rsa);
    push(
        "opens-with-rsa-key",
        "An RSA key among the secrets.",
        vault.seal(&slots),
        secret_json(&phrase),
        true,
        &rsa,
    );

    let composed = Secret::Passphrase(COMPOSED);
    let mut vault = Vault::new("composed", alice, &[]);
    let slots = [vault.slot(&composed, &mine)];
    let typed = json!({"passphrase": "cafe\u{301} wings melt slowly"});
    push(
        "opens-with-decomposed-passphrase",
        "The passphrase was typed in another normal form.",
        vault.seal(&slots),
        typed,
        true,
        &[],
    );

    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, &str, Change); 8] = [
        ("version-changed", "A bit of the version: the body is bound to it.", |v| v[27] ^= 1),
        ("user-changed", "A bit of the user id.", |v| v[9] ^= 1),
        ("body-changed", "A bit of the body.", |v| {
            let at = v.len() - 3;
            v[at] ^= 1;
        }),
        ("trailing-byte", "A byte too many.", |v| v.push(0)),
        ("truncated", "The last byte is missing.", |v| {
            v.pop();
        }),
        ("body-of-75-bytes", "A body that is shorter than any small message.", |v| v.truncate(29 + 310 + 75)),
        ("body-of-105-bytes", "A body of a byte less than a small message of nothing.", |v| {
            v.truncate(29 + 310 + 105);
        }),
        ("magic-of-another-version", "Costs belong to the magic: another one is another format.", |v| {
            v[7] = b'2'
        }),
    ];
    for (name, about, change) in changes {
        let mut changed = sealed.clone();
        change(&mut changed);
        push(name, about, changed, secret_json(&phrase), false, &[]);
    }

    let (mut vault, slots) = both("slot-kind-unknown", &[]);
    let mut unknown = vault.slot(&phrase, &mine);
    unknown[0] = 3;
    let sealed = vault.seal(&[slots[0].clone(), slots[1].clone(), unknown]);
    push(
        "slot-kind-unknown",
        "A slot of kind 3 behind two good ones, and the body is bound to all three.",
        sealed,
        secret_json(&phrase),
        false,
        &[],
    );

    let mut vault = Vault::new("empty passphrase", alice, &[]);
    let empty = Secret::Passphrase("");
    let slots = [vault.slot(&empty, &mine)];
    push("passphrase-empty", "An empty passphrase.", vault.seal(&slots), secret_json(&empty), false, &[]);

    let mut vault = Vault::new("many slots", alice, &[]);
    let mut slots: Vec<Vec<u8>> = (0..3).map(|n| vault.slot(&Secret::Phrase([n; 32]), &mine)).collect();
    slots.push(vault.slot(&phrase, &mine));
    let sealed = vault.seal(&slots);
    push(
        "opens-with-the-fourth-slot",
        "Three other recovery phrases come first.",
        sealed,
        secret_json(&phrase),
        true,
        &[],
    );
    slots.insert(3, vault.slot(&Secret::Phrase([3; 32]), &mine));
    let sealed = vault.seal(&slots);
    push(
        "slot-is-the-fifth",
        "A fifth slot of a kind is skipped, and so are those behind it.",
        sealed,
        secret_json(&phrase),
        false,
        &[],
    );
    let mut vault = Vault::new("five of two kinds", alice, &[]);
    let mut slots: Vec<Vec<u8>> = (0..4).map(|n| vault.slot(&Secret::Phrase([n; 32]), &mine)).collect();
    slots.push(vault.slot(&passphrase, &mine));
    let sealed = vault.seal(&slots);
    push(
        "opens-with-the-first-of-its-kind",
        "Four slots of the other kind come first.",
        sealed,
        secret_json(&passphrase),
        true,
        &[],
    );

    let mut vault = Vault::new("another key first", alice, &[]);
    let right = std::mem::replace(&mut vault.vault_key, [6; 32]);
    let wrong = vault.slot(&phrase, &mine);
    vault.vault_key = right;
    let slots = [wrong, vault.slot(&phrase, &mine)];
    push(
        "slot-holds-another-key",
        "The first slot opens and holds another vault key; the second one would do.",
        vault.seal(&slots),
        secret_json(&phrase),
        false,
        &[],
    );

    let (mut vault, slots) = both("slots-dropped", &[]);
    let _ = vault.seal(&slots);
    let mut fewer = vault.seal(&slots);
    fewer.drain(29..29 + 155);
    fewer[28] = 1;
    push(
        "slot-dropped",
        "The passphrase's slot was taken out: the body is bound to it.",
        fewer,
        secret_json(&phrase),
        false,
        &[],
    );
    let none = Vault::new("no slots", alice, &[]).seal(&[]);
    push("without-slots", "No slot at all.", none, secret_json(&phrase), false, &[]);

    let mut vault = Vault::new("swapped", alice, &[]);
    let slots = [vault.slot(&phrase, &user_id(bob))];
    push(
        "slot-of-another-user",
        "A slot that was sealed for Bob.",
        vault.seal(&slots),
        secret_json(&phrase),
        false,
        &[],
    );
    let mut vault = Vault::new("kind", alice, &[]);
    let mut slot = vault.slot(&phrase, &mine);
    slot[0] = 1;
    push(
        "slot-of-another-kind",
        "A phrase's slot that says it is a passphrase's.",
        vault.seal(&[slot]),
        secret_json(&passphrase),
        false,
        &[],
    );

    insides(world, &phrase, &mut push);

    // What was in front before is kept behind.
    let list =
        |seeds: &[[u8; 32]]| cbor::array(&seeds.iter().map(|seed| cbor::bytes(seed)).collect::<Vec<_>>());
    let (roots, xwing) = ([alice.root_seed, bob.root_seed], [alice.xwing_seed, bob.xwing_seed]);
    let mut vault = Vault::new("two of each", alice, &[]);
    vault.body = cbor::map(&[(1, list(&roots)), (2, list(&xwing)), (3, list(&[])), (4, cbor::uint(9))]);
    let slots = [vault.slot(&phrase, &mine)];
    let fields = json!({
        "expect": "open",
        "vault": hex(&vault.seal(&slots)),
        "secret": secret_json(&phrase),
        "result": {
            "user_id": hex(&mine),
            "version": 3,
            "roots": roots.map(|seed| hex(&seed)),
            "xwing": xwing.map(|seed| hex(&seed)),
            "rsa": [],
            "pins_version": 9,
        },
    });
    cases.push(case("vault", "opens-with-two-of-each", "Retired seeds behind the present ones.", fields));
}

type Push<'p> = dyn FnMut(&str, &str, Vec<u8>, Value, bool, &[Vec<u8>]) + 'p;

fn insides(world: &World, phrase: &Secret, push: &mut Push<'_>) {
    let alice = &world.alice;
    let mine = user_id(alice);
    let seeds =
        |seeds: &[&[u8]]| cbor::array(&seeds.iter().map(|seed| cbor::bytes(seed)).collect::<Vec<_>>());
    let usual = vec![
        (1, seeds(&[&alice.root_seed])),
        (2, seeds(&[&alice.xwing_seed])),
        (3, seeds(&[])),
        (4, cbor::uint(9)),
    ];
    let with = |n: usize, value: Vec<u8>| {
        let mut entries = usual.clone();
        entries[n].1 = value;
        cbor::map(&entries)
    };
    let bodies: Vec<(&str, &str, Vec<u8>)> = vec![
        ("body-trailing-byte", "A byte behind the map.", [cbor::map(&usual).as_slice(), &[0]].concat()),
        ("body-without-roots", "No root.", with(0, seeds(&[]))),
        ("body-without-xwing-keys", "No X-Wing key.", with(1, seeds(&[]))),
        ("body-seed-of-31-bytes", "A root seed of 31 bytes.", with(0, seeds(&[&[1; 31]]))),
        ("body-pins-version-2-53", "A version of pins of 2^53.", with(3, cbor::uint(1 << 53))),
        ("body-key-missing", "No key 4.", cbor::map(&usual[..3])),
        ("body-rsa-key-damaged", "An RSA key that is none.", with(2, seeds(&[&[1; 100]]))),
        ("body-integer-not-shortest", "9 in two bytes.", with(3, vec![0x18, 9])),
    ];
    let mut trailing = world.rsa[0].pkcs8.clone();
    trailing.push(0);
    let mut later = world.rsa[0].pkcs8.clone();
    later[6] = 1;
    let spelled = [
        ("body-rsa-key-with-a-byte-behind", "A byte behind an RSA key, counted as its own.", trailing),
        ("body-rsa-key-of-version-2", "PKCS#8 of version 2.", later),
    ]
    .map(|(name, about, key)| (name.to_owned(), about, key));
    let strange = world
        .strange_rsa
        .iter()
        .map(|(name, about, key)| (format!("body-rsa-key-{name}"), *about, key.clone()));
    let keys =
        spelled.into_iter().chain(strange).map(|(name, about, key)| (name, about, with(2, seeds(&[&key]))));
    let bodies = bodies.into_iter().map(|(name, about, body)| (name.to_owned(), about, body)).chain(keys);
    for (name, about, body) in bodies {
        let name = name.as_str();
        let mut vault = Vault::new(name, alice, &[]);
        vault.body = body;
        let slots = [vault.slot(phrase, &mine)];
        push(name, about, vault.seal(&slots), secret_json(phrase), false, &[]);
    }
}
