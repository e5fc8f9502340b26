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
    let changes: [(&str, &str, Change); 7] = [
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
        ("slot-kind-unknown", "A slot of kind 3.", |v| v[29 + 155] = 3),
        ("magic-of-another-version", "Costs belong to the magic: another one is another format.", |v| {
            v[7] = b'2'
        }),
    ];
    for (name, about, change) in changes {
        let mut changed = sealed.clone();
        change(&mut changed);
        push(name, about, changed, secret_json(&phrase), false, &[]);
    }

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
    for (name, about, body) in bodies {
        let mut vault = Vault::new(name, alice, &[]);
        vault.body = body;
        let slots = [vault.slot(phrase, &mine)];
        push(name, about, vault.seal(&slots), secret_json(phrase), false, &[]);
    }
}
