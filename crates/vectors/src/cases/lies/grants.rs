//! Grants that are not what they should be.

use super::super::{Case, Met, ReadBy, World, pattern};
use crate::forge::{File, GrantHead, Recipient, Sealed, oaep, sign};

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    transplants(world, cases);
    heads(world, cases);
    bytes(world, cases);
    suites(world, cases);
    rsa(world, cases);
}

fn sealed<'w>(world: &'w World, name: &str) -> Sealed<'w> {
    File::new(name, Some(&world.alice), &pattern(100)).seal()
}

/// Honest grants in the wrong place.
fn transplants(world: &World, cases: &mut Vec<Case>) {
    let (bob, carol) = (world.bob.recipient(), world.carol.recipient());

    let name = "grant-of-another-file";
    let (file, mut other) = (sealed(world, name), sealed(world, "another file"));
    let grant = other.grant(&bob);
    cases.push(Met::new(world, &file, grant).refused(name, "The author's grant for another of her files."));

    let name = "grant-of-another-recipient";
    let mut file = sealed(world, name);
    let grant = file.grant(&carol);
    cases.push(Met::new(world, &file, grant).refused(name, "Carol's grant."));

    let name = "grant-readdressed";
    let mut file = sealed(world, name);
    let mut grant = file.grant(&carol);
    grant[60..92].copy_from_slice(&bob.id());
    grant.truncate(grant.len() - 64);
    let grant = sign(grant, "waxwing/v1/grant", Some(&world.alice));
    cases.push(
        Met::new(world, &file, grant).refused(name, "Carol's wrapped key under Bob's name, signed again."),
    );

    let name = "grant-of-another-author";
    let file = sealed(world, name);
    let mut other = File::new(name, Some(&world.mallory), &pattern(100)).seal();
    let grant = other.grant(&bob);
    let met = Met { grantor: Some(&world.mallory), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "A grant of the same file id and file key, for a file of Mallory."));

    let name = "grant-key-of-another-file";
    let mut file = sealed(world, name);
    let head = file.grant_head(&bob);
    let fk = std::mem::replace(&mut file.file.fk, [9; 32]);
    let grant = file.finish_grant(&head, &bob, Some(&world.alice));
    file.file.fk = fk;
    cases.push(Met::new(world, &file, grant).refused(name, "A grant that holds another file key."));

    let name = "grant-key-moved-to-another-revision";
    let mut file = sealed(world, name);
    let head = file.grant_head(&bob);
    let mut grant = file.finish_grant(&head, &bob, None);
    grant[124..132].copy_from_slice(&0_u64.to_be_bytes());
    let grant = sign(grant, "waxwing/v1/grant", Some(&world.alice));
    let about = "The wrapped key is bound to another lowest revision than the signed one.";
    cases.push(Met::new(world, &file, grant).refused(name, about));
}

/// Heads that the grantor herself made wrong; wrapped key and signature fit them.
fn heads(world: &World, cases: &mut Vec<Case>) {
    type Change = fn(&mut GrantHead);
    let changes: [(&str, &str, Change); 6] = [
        ("grant-file-id-of-another-file", "Another file id with the right content id.", |h| {
            h.file_id[3] ^= 1
        }),
        ("grant-content-id-of-another-content", "Another content id.", |h| h.content_id[3] ^= 1),
        ("grant-wrap-unknown", "Wrap 4.", |h| h.wrap = 4),
        ("grant-suite-reserved", "Suite 2.", |h| h.suite = 2),
        ("grant-min-revision-2-53", "A lowest revision of 2^53.", |h| h.min_revision = 1 << 53),
        ("grant-not-after-2-53", "A date of 2^53.", |h| h.not_after = 1 << 53),
    ];
    let bob = world.bob.recipient();
    for (name, about, change) in changes {
        let mut file = sealed(world, name);
        let mut head = file.grant_head(&bob);
        change(&mut head);
        let grant = file.finish_grant(&head, &bob, Some(&world.alice));
        cases.push(Met::new(world, &file, grant).refused(name, about));
    }
}

/// Bytes that change after wrapping; signed again unless the signature is what changed.
fn bytes(world: &World, cases: &mut Vec<Case>) {
    type Change = fn(&mut Vec<u8>);
    let resigned: [(&str, &str, Change); 5] = [
        ("grant-encapsulated-key-changed", "A bit of the encapsulated key.", |g| g[142 + 1100] ^= 1),
        ("grant-wrapped-key-changed", "A bit of the wrapped key.", |g| g[142 + 1120 + 2 + 5] ^= 1),
        ("grant-wrapped-tag-changed", "A bit of the wrapped key's tag.", |g| g[142 + 1120 + 2 + 40] ^= 1),
        ("grant-encapsulated-length-short", "A length of 1,119.", |g| g[141] = 0x5f),
        ("grant-wrapped-length-long", "A length of 49.", |g| g[142 + 1120 + 1] = 49),
    ];
    let bob = world.bob.recipient();
    for (name, about, change) in resigned {
        let mut file = sealed(world, name);
        let head = file.grant_head(&bob);
        let mut grant = file.finish_grant(&head, &bob, None);
        change(&mut grant);
        let grant = sign(grant, "waxwing/v1/grant", Some(&world.alice));
        cases.push(Met::new(world, &file, grant).refused(name, about));
    }
    let after: [(&str, &str, Change); 6] = [
        ("grant-empty", "Nothing at all.", Vec::clear),
        ("grant-truncated", "The last byte is missing.", |g| {
            g.pop();
        }),
        ("grant-trailing-byte", "A byte too many.", |g| g.push(0)),
        ("grant-magic-changed", "Another magic.", |g| g[7] = b'2'),
        ("grant-signature-changed", "A bit of the signature.", |g| {
            let at = g.len() - 40;
            g[at] ^= 1;
        }),
        ("grant-date-changed", "A date behind the signature's back.", |g| g[139] = 1),
    ];
    for (name, about, change) in after {
        let mut file = sealed(world, name);
        let mut grant = file.grant(&bob);
        change(&mut grant);
        cases.push(Met::new(world, &file, grant).refused(name, about));
    }
}

/// Suites and grantors that do not go together.
fn suites(world: &World, cases: &mut Vec<Case>) {
    let bob = world.bob.recipient();

    let name = "grant-unsigned-on-a-signed-manifest";
    let mut file = sealed(world, name);
    let mut head = file.grant_head(&bob);
    (head.suite, head.grantor) = (3, [0; 32]);
    let grant = file.finish_grant(&head, &bob, None);
    cases.push(
        Met::new(world, &file, grant).refused(name, "Nobody vouches for the sharing of a signed file."),
    );

    let name = "grant-anonymous-with-grantor";
    let mut file = File::new(name, None, &pattern(100)).seal();
    let mut head = file.grant_head(&bob);
    head.grantor = world.carol.root_id();
    let grant = file.finish_grant(&head, &bob, None);
    let met = Met { grantor: Some(&world.carol), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "An anonymous grant that names a grantor."));

    let name = "grant-signed-without-grantor";
    let mut file = sealed(world, name);
    let mut head = file.grant_head(&bob);
    head.grantor = [0; 32];
    let grant = file.finish_grant(&head, &bob, Some(&world.alice));
    cases.push(Met::new(world, &file, grant).refused(name, "A signed grant that names nobody."));

    let name = "grant-without-signature";
    let mut file = sealed(world, name);
    let head = file.grant_head(&bob);
    let grant = file.finish_grant(&head, &bob, None);
    cases.push(Met::new(world, &file, grant).refused(name, "A signed suite without a signature."));

    let name = "grant-signed-by-somebody-else";
    let mut file = sealed(world, name);
    let head = file.grant_head(&bob);
    let grant = file.finish_grant(&head, &bob, Some(&world.mallory));
    cases.push(Met::new(world, &file, grant).refused(name, "Alice is named; Mallory signed."));

    let name = "grant-by-a-stranger";
    let mut file = sealed(world, name);
    let mut head = file.grant_head(&bob);
    head.grantor = world.mallory.root_id();
    let grant = file.finish_grant(&head, &bob, Some(&world.mallory));
    let about = "Passed on by Mallory, whose root is pinned nowhere.";
    cases.push(Met::new(world, &file, grant).refused(name, about));
}

fn rsa(world: &World, cases: &mut Vec<Case>) {
    let key = &world.rsa[0];
    let recipient = key.recipient([0; 32]);

    let name = "grant-rsa-label-of-another-grant";
    let mut file = sealed(world, name);
    let head = file.grant_head(&recipient);
    let mut grant = file.finish_grant(&head, &recipient, None);
    grant[139] = 1;
    let grant = sign(grant, "waxwing/v1/grant", Some(&world.alice));
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "The OAEP label is that of a grant with another date."));

    let name = "grant-rsa-wrapped-key-changed";
    let mut file = sealed(world, name);
    let head = file.grant_head(&recipient);
    let mut grant = file.finish_grant(&head, &recipient, None);
    grant[200] ^= 1;
    let grant = sign(grant, "waxwing/v1/grant", Some(&world.alice));
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "A bit of the wrapped key, signed again."));

    let name = "grant-rsa-not-below-the-modulus";
    let file = sealed(world, name);
    let head = file.grant_head(&recipient);
    let grant = sign(head.with(&[], &[0xff; 256]), "waxwing/v1/grant", Some(&world.alice));
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "A wrapped key that is no number below the modulus."));

    let name = "grant-rsa-of-another-key";
    let mut file = sealed(world, name);
    let other = Recipient { root_id: [0; 32], key: world.rsa[1].recipient([0; 32]).key };
    let grant = file.grant(&other);
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "A grant for another RSA key."));

    let name = "grant-rsa-with-encapsulated-key";
    let file = sealed(world, name);
    let head = file.grant_head(&recipient);
    let grant = sign(head.with(&[1], &[1; 256]), "waxwing/v1/grant", Some(&world.alice));
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "An RSA grant with a byte of encapsulated key."));

    let name = "grant-rsa-wrapped-for-another-size";
    let mut file = sealed(world, name);
    let head = file.grant_head(&recipient);
    let fk = file.file.fk;
    let wrapped = oaep(&key.modulus, &fk, &head.bound(), file.rng());
    let grant = sign(
        head.with(&[], &[&[0; 128], wrapped.as_slice()].concat()),
        "waxwing/v1/grant",
        Some(&world.alice),
    );
    let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
    cases.push(met.refused(name, "What 2048 bits wrapped, with zeros before it, in 384 bytes."));

    for (len, about) in
        [(31, "A file key without its last byte, which is 0."), (33, "A file key with a byte behind it.")]
    {
        let name = format!("grant-rsa-file-key-of-{len}-bytes");
        let mut file = File::new(&name, Some(&world.alice), &pattern(100));
        file.fk[31] = 0;
        let mut file = file.seal();
        let head = file.grant_head(&recipient);
        let fk = [file.file.fk.as_slice(), &[0]].concat();
        let wrapped = oaep(&key.modulus, &fk[..len], &head.bound(), file.rng());
        let grant = sign(head.with(&[], &wrapped), "waxwing/v1/grant", Some(&world.alice));
        let met = Met { reader: ReadBy::Rsa(key), ..Met::new(world, &file, grant) };
        cases.push(met.refused(&name, about));
    }
}
