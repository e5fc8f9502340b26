//! Links: addresses, proofs, and files that are opened by them.

use super::{Case, Met, ReadBy, World, case, hex, pattern, result};
use crate::forge::{File, Key, Recipient};
use crate::outward::{Link, ORIGIN};
use serde_json::{Value, json};

const PASSWORD: &str = "caf\u{e9} by the harbour";
/// The same, typed on a keyboard that decomposes.
const DECOMPOSED: &str = "cafe\u{301} by the harbour";
const NONCE: [u8; 32] = [0x3c; 32];

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let (plain, locked) = (Link::new("plain", None), Link::new("locked", Some(PASSWORD)));
    addresses(world, &plain, &locked, cases);
    proofs(&plain, cases);
    files(world, &plain, &locked, cases);
}

fn addresses(world: &World, plain: &Link, locked: &Link, cases: &mut Vec<Case>) {
    let sender = &world.alice;
    let opens = |link: &Link, address: &str, origin: &str, has_password: bool| {
        json!({
            "origin": origin,
            "link_id": hex(&link.id),
            "root_id": hex(&sender.root_id()),
            "has_password": has_password,
            "public_key": hex(&link.public()),
            "proof": hex(&link.prove("waxwing/v1/link-auth", &link.id, &NONCE)),
            "address": address,
        })
    };
    let mut push = |name: &str, about: &str, address: &str, password: Option<&str>, opened: Option<Value>| {
        let mut fields = json!({"address": address, "password": password, "nonce": hex(&NONCE)});
        fields["expect"] = if opened.is_some() { "open" } else { "refuse" }.into();
        if let Some(opened) = opened {
            fields["result"] = opened;
        }
        cases.push(case("link", name, about, fields));
    };
    let (one, two) = (plain.address(sender), locked.address(sender));
    push("opens", "A link without a password.", &one, None, Some(opens(plain, &one, ORIGIN, false)));
    let told = Some(opens(locked, &two, ORIGIN, true));
    push("opens-with-password", "A link with a password.", &two, Some(PASSWORD), told.clone());
    let about = "The password was typed in another normal form.";
    push("opens-with-decomposed-password", about, &two, Some(DECOMPOSED), told);
    for (name, about, origin) in [
        ("opens-with-port", "A server with a port.", "https://files.people.example:8443"),
        ("opens-at-an-ip-address", "A server without a name.", "https://[2001:db8::1]:8443"),
    ] {
        let address = one.replace(ORIGIN, origin);
        push(name, about, &address, None, Some(opens(plain, &address, origin, false)));
    }

    let (place, fragment) = one.split_once('#').expect("a fragment");
    let (secret, root) = fragment[2..].split_once('.').expect("two fields");
    let id = place.rsplit('/').next().expect("an id");
    // 22 characters carry 4 bits that nothing stands for, 43 carry 2.
    let loose = |text: &str| {
        let last = text.chars().last().expect("a character");
        let next = char::from(u8::try_from(last).expect("ASCII") + 1);
        format!("{}{next}", &text[..text.len() - 1])
    };
    let of =
        |id: &str, mark: &str, secret: &str, root: &str| format!("{ORIGIN}/s/{id}#{mark}.{secret}.{root}");
    let refused = [
        ("scheme-http", "Not https.", one.replace("https:", "http:")),
        ("scheme-in-capitals", "The scheme in capitals.", one.replace("https:", "HTTPS:")),
        ("host-in-capitals", "The host in capitals.", one.replace("files", "Files")),
        ("no-host", "No host.", one.replace("files.people.example", "")),
        ("user-before-the-host", "Something before the host.", one.replace("//files", "//bob@files")),
        ("path-before", "Something stands before /s/.", one.replace("/s/", "/wax/s/")),
        ("path-of-a-box", "The path of a drop box.", one.replace("/s/", "/d/")),
        ("path-behind", "Something follows the id.", one.replace('#', "/#")),
        ("query", "A query.", one.replace('#', "?x=1#")),
        ("no-fragment", "What stands behind the # is missing.", place.to_owned()),
        ("version-2", "Another version.", of(id, "2", secret, root)),
        ("mark-unknown", "A mark that a link does not have.", of(id, "1k", secret, root)),
        ("id-of-15-bytes", "An id that is too short.", of(&id[..20], "1", secret, root)),
        ("id-with-loose-bits", "Bits behind the last byte of the id.", of(&loose(id), "1", secret, root)),
        ("secret-too-short", "A secret of 31 bytes.", of(id, "1", &secret[..42], root)),
        ("secret-with-loose-bits", "Bits behind the last byte.", of(id, "1", &loose(secret), root)),
        ("secret-with-padding", "A padding character.", of(id, "1", &format!("{secret}="), root)),
        ("root-too-long", "A character too many.", of(id, "1", secret, &format!("{root}A"))),
        ("root-with-loose-bits", "Bits behind the last byte.", of(id, "1", secret, &loose(root))),
        ("root-missing", "The sender is not named.", format!("{place}#1.{secret}")),
        ("field-behind", "A field too many.", format!("{one}.{root}")),
        ("white-space-behind", "A space at the end.", format!("{one} ")),
        ("dot-escaped", "A dot that is escaped.", format!("{place}#1%2E{secret}.{root}")),
    ];
    for (name, about, address) in refused {
        push(name, about, &address, None, None);
    }
    // The standard alphabet, where the other one differs.
    let standard = Link::new("a secret with both signs", None).address(sender);
    let (place, fragment) = standard.split_once('#').expect("a fragment");
    let address = format!("{place}#{}", fragment.replace('-', "+").replace('_', "/"));
    assert_ne!(address, standard, "the label gives a secret with one of the signs");
    push("standard-alphabet", "base64 of the other alphabet.", &address, None, None);
    push("password-missing", "A link with a password, and none is given.", &two, None, None);
}

fn proofs(link: &Link, cases: &mut Vec<Case>) {
    let other = Link::new("another", None);
    let context = "waxwing/v1/link-auth";
    let honest = link.prove(context, &link.id, &NONCE);
    let mut changed = honest;
    changed[40] ^= 1;
    let wrong_password = Link::new("plain", Some("guess"));
    let proofs = [
        ("proof-valid", "Whoever has the link signs the nonce.", "valid", honest),
        ("proof-of-another-nonce", "Another nonce.", "refuse", link.prove(context, &link.id, &[0x3d; 32])),
        (
            "proof-of-another-link",
            "The id of another link.",
            "refuse",
            link.prove(context, &other.id, &NONCE),
        ),
        (
            "proof-by-another-link",
            "Signed with another link.",
            "refuse",
            other.prove(context, &link.id, &NONCE),
        ),
        (
            "proof-by-a-guess",
            "Signed with what another password gives.",
            "refuse",
            wrong_password.prove(context, &link.id, &NONCE),
        ),
        (
            "proof-with-another-label",
            "Signed as a signed action.",
            "refuse",
            link.prove("waxwing/v1/action/delete", &link.id, &NONCE),
        ),
        ("proof-changed", "A bit of the signature.", "refuse", changed),
    ];
    for (name, about, expect, proof) in proofs {
        let fields = json!({
            "expect": expect,
            "link_id": hex(&link.id),
            "public_key": hex(&link.public()),
            "nonce": hex(&NONCE),
            "proof": hex(&proof),
        });
        cases.push(case("proof", name, about, fields));
    }
}

fn recipient(link: &Link) -> Recipient {
    Recipient { root_id: [0; 32], key: Key::Link(link.wrap_key, link.id) }
}

fn files(world: &World, plain: &Link, locked: &Link, cases: &mut Vec<Case>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let content = pattern(3_000);
    let told = || result("report.txt", "text/plain", &content, "by the author");
    let file = || File::new("behind a link", Some(alice), &content).seal();
    let by =
        |link: &Link, password: Option<&str>| ReadBy::Link(link.address(alice), password.map(str::to_owned));
    let met =
        |grant: &[u8], reader: ReadBy<'static>| Met { reader, ..Met::new(world, &file(), grant.to_vec()) };

    let grant = file().grant(&recipient(plain));
    cases.push(met(&grant, by(plain, None)).opens("link-opens", "A file behind a link.", told()));
    let with_password = file().grant(&recipient(locked));
    let about = "A file behind a link with a password.";
    cases.push(met(&with_password, by(locked, Some(PASSWORD))).opens(
        "link-opens-with-password",
        about,
        told(),
    ));

    let guess = by(locked, Some("cafe by the harbour"));
    cases.push(met(&with_password, guess).refused("link-password-wrong", "Another password."));
    let mut other_secret = Link::new("plain with another secret", None);
    other_secret.id = plain.id;
    let about = "The right id with another secret.";
    cases.push(met(&grant, by(&other_secret, None)).refused("link-secret-wrong", about));
    let mut other_id = Link::new("plain", None);
    other_id.id = [7; 16];
    let about = "The right secret with another id.";
    cases.push(met(&grant, by(&other_id, None)).refused("link-id-wrong", about));
    let person = file().grant(&bob.recipient());
    cases.push(met(&person, by(plain, None)).refused("link-with-a-persons-grant", "A grant for a person."));
    let about = "A grant for a link, read by a person.";
    cases.push(Met::new(world, &file(), grant.clone()).refused("link-grant-for-a-person", about));

    let mut bound_elsewhere = file();
    let mut head = bound_elsewhere.grant_head(&recipient(plain));
    let wrapped_for = head.clone();
    head.not_after = 1_800_000_000;
    let (fk, bound) = (bound_elsewhere.file.fk, wrapped_for.bound());
    let (_, wrapped) = recipient(plain).key.wrap_key(&fk, &bound, bound_elsewhere.rng());
    let grant_bytes = crate::forge::sign(head.with(&[], &wrapped), "waxwing/v1/grant", Some(alice));
    let about = "The file key is wrapped for another head of the grant.";
    cases.push(met(&grant_bytes, by(plain, None)).refused("link-wrapped-for-another-head", about));

    let stranger = ReadBy::Link(plain.address(&world.mallory), None);
    let about = "The link names another sender than the author whose keys are shown.";
    cases.push(met(&grant, stranger).refused("link-names-another-sender", about));
    let mut passed = file();
    let mut head = passed.grant_head(&recipient(plain));
    head.grantor = bob.root_id();
    let grant_bytes = passed.finish_grant(&head, &recipient(plain), Some(bob));
    let about =
        "Somebody else than the author made the link: manifest and grant are by the sender that it names.";
    let reader = ReadBy::Link(plain.address(bob), None);
    cases.push(Met { grantor: Some(bob), ..met(&grant_bytes, reader) }.refused("link-passed-on", about));
}
