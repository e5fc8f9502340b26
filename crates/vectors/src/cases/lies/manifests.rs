//! Manifests that are not what they should be.

use super::super::{Case, Met, World, pattern};
use crate::forge::{File, Sealed};
use crate::primitives::Seeded;

/// A change of a manifest's bytes before HMAC and signature are made over them.
type Change = fn(&mut Vec<u8>);

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    resigned(world, cases);
    unsigned(world, cases);
    others(world, cases);
}

fn sealed<'w>(world: &'w World, name: &str) -> Sealed<'w> {
    File::new(name, Some(&world.alice), &pattern(100)).seal()
}

/// HMAC and signature are right: the author herself wrote it so.
fn resigned(world: &World, cases: &mut Vec<Case>) {
    let changes: [(&str, &str, Change); 9] = [
        ("manifest-magic-of-another-version", "The magic says version 2.", |m| m[7] = b'2'),
        ("manifest-suite-reserved", "Suite 2 is reserved.", |m| m[9] = 2),
        ("manifest-suite-anonymous-with-author", "Suite 3 with an author and a signature.", |m| m[9] = 3),
        ("manifest-revision-2-53", "A revision of 2^53.", |m| {
            m[26..34].copy_from_slice(&(1_u64 << 53).to_be_bytes())
        }),
        ("manifest-author-zero", "Suite 1 without an author.", |m| m[34..66].fill(0)),
        ("manifest-floe-parameters-changed", "Segments of 1 MiB.", |m| m[69] = 0x10),
        ("manifest-body-too-long", "A body of 2^44 + 33 bytes.", |m| {
            m[140..148].copy_from_slice(&((1_u64 << 44) + 33).to_be_bytes());
        }),
        ("manifest-body-too-short", "A body of 31 bytes.", |m| {
            m[140..148].copy_from_slice(&31_u64.to_be_bytes())
        }),
        ("manifest-body-with-empty-last-segment", "A body of one full segment and an empty one.", |m| {
            m[140..148].copy_from_slice(&(262_144_u64 + 32).to_be_bytes());
        }),
    ];
    for (name, about, change) in changes {
        let mut sealed = sealed(world, name);
        let grant = sealed.grant(&world.bob.recipient());
        let mut head = sealed.manifest_head();
        change(&mut head);
        let manifest = sealed.finish_manifest(head, Some(&world.alice));
        cases.push(Met { manifest, ..Met::new(world, &sealed, grant) }.refused(name, about));
    }
    let name = "manifest-revision-zero";
    let bob = world.bob.recipient();
    let mut zero = File::new(name, Some(&world.alice), &pattern(100));
    zero.revision = 0;
    let mut zero = zero.seal();
    let mut head = zero.grant_head(&bob);
    head.min_revision = 0;
    let grant = zero.finish_grant(&head, &bob, Some(&world.alice));
    cases.push(Met::new(world, &zero, grant).refused(name, "Revisions begin at 1."));

    let lengths = [
        ("manifest-metadata-length-between", "Metadata of 106 + 513 bytes.", 1_i64),
        ("manifest-metadata-empty", "Metadata of no block at all.", -512),
    ];
    for (name, about, more) in lengths {
        let mut sealed = sealed(world, name);
        let grant = sealed.grant(&world.bob.recipient());
        let len = usize::try_from(618 + more).expect("positive");
        sealed.sealed_metadata.resize(len, 0);
        cases.push(Met::new(world, &sealed, grant).refused(name, about));
    }
}

/// Changes that HMAC or signature do not cover, or that are made afterwards.
fn unsigned(world: &World, cases: &mut Vec<Case>) {
    let changes: [(&str, &str, Change); 8] = [
        ("manifest-empty", "Nothing at all.", Vec::clear),
        ("manifest-truncated", "The last byte is missing.", |m| {
            m.pop();
        }),
        ("manifest-trailing-byte", "A byte too many.", |m| m.push(0)),
        ("manifest-without-signature", "Suite 1 without a signature.", |m| m.truncate(m.len() - 64)),
        ("manifest-signature-changed", "A bit of the signature.", |m| {
            let at = m.len() - 40;
            m[at] ^= 1;
        }),
        ("manifest-hmac-changed", "A bit of the HMAC; the signature no longer fits either.", |m| {
            let at = m.len() - 70;
            m[at] ^= 1;
        }),
        ("manifest-root-changed", "A bit of the integrity root.", |m| m[150] ^= 1),
        ("manifest-metadata-changed", "A bit of the sealed metadata.", |m| m[400] ^= 1),
    ];
    for (name, about, change) in changes {
        let mut sealed = sealed(world, name);
        let grant = sealed.grant(&world.bob.recipient());
        let mut manifest = sealed.manifest();
        change(&mut manifest);
        cases.push(Met { manifest, ..Met::new(world, &sealed, grant) }.refused(name, about));
    }
    // S + L verifies where nobody looks at the range of S.
    let name = "manifest-signature-s-not-reduced";
    let mut sealed = sealed(world, name);
    let grant = sealed.grant(&world.bob.recipient());
    let mut manifest = sealed.manifest();
    let at = manifest.len() - 32;
    super::super::signatures::add_order(&mut manifest[at..]);
    let about = "The signature's S with the group order added.";
    cases.push(Met { manifest, ..Met::new(world, &sealed, grant) }.refused(name, about));
}

/// Manifests of other people, other keys and other headers.
fn others(world: &World, cases: &mut Vec<Case>) {
    let bob = world.bob.recipient();

    let name = "manifest-hmac-under-another-key";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    let fk = std::mem::replace(&mut sealed_file.file.fk, [9; 32]);
    let manifest = sealed_file.manifest();
    sealed_file.file.fk = fk;
    let about = "The author signed a manifest whose HMAC is of another file key.";
    cases.push(Met { manifest, ..Met::new(world, &sealed_file, grant) }.refused(name, about));

    let name = "manifest-resigned-by-a-recipient";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    let mut head = sealed_file.manifest_head();
    head[34..66].copy_from_slice(&world.mallory.root_id());
    let manifest = sealed_file.finish_manifest(head, Some(&world.mallory));
    let met = Met {
        manifest,
        author: Some(&world.mallory),
        grantor: Some(&world.alice),
        ..Met::new(world, &sealed_file, grant)
    };
    let about = "Mallory, who knows the file key, says that the file is hers and signs with her root.";
    cases.push(met.refused(name, about));

    let name = "manifest-resigned-by-a-recipient-with-a-new-grant";
    let mut sealed_file = sealed(world, name);
    let mut head = sealed_file.manifest_head();
    head[34..66].copy_from_slice(&world.mallory.root_id());
    let manifest = sealed_file.finish_manifest(head, Some(&world.mallory));
    let mut grant_head = sealed_file.grant_head(&bob);
    grant_head.content_id = content_id_of(&manifest);
    grant_head.grantor = world.mallory.root_id();
    let grant = sealed_file.finish_grant(&grant_head, &bob, Some(&world.mallory));
    let met = Met { manifest, author: Some(&world.mallory), ..Met::new(world, &sealed_file, grant) };
    let about = "The same with a grant that fits: the payload's header still names its real author.";
    cases.push(met.refused(name, about));

    let name = "manifest-signed-by-somebody-else";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    let manifest = sealed_file.finish_manifest(sealed_file.manifest_head(), Some(&world.mallory));
    let about = "Alice is named as the author; Mallory signed.";
    cases.push(Met { manifest, ..Met::new(world, &sealed_file, grant) }.refused(name, about));

    let name = "manifest-author-not-pinned";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    let met = Met { author: Some(&world.carol), ..Met::new(world, &sealed_file, grant) };
    cases.push(met.refused(name, "All is well, but the pinned root of the author is another."));

    let name = "manifest-header-tag-changed";
    let mut sealed_file = sealed(world, name);
    sealed_file.floe.header[60] ^= 1;
    sealed_file.seal_metadata();
    let grant = sealed_file.grant(&bob);
    let about = "The author signed a FLOE header whose tag does not fit.";
    cases.push(Met::new(world, &sealed_file, grant).refused(name, about));

    let name = "manifest-metadata-of-another-revision";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    sealed_file.file.revision = 2;
    let about = "The metadata of revision 1 in a signed manifest of revision 2.";
    cases.push(Met::new(world, &sealed_file, grant).refused(name, about));

    let name = "manifest-metadata-of-another-file";
    let mut sealed_file = sealed(world, name);
    let grant = sealed_file.grant(&bob);
    sealed_file.sealed_metadata = sealed(world, "another file").sealed_metadata;
    let about = "The sealed metadata of another file, signed by the author.";
    cases.push(Met::new(world, &sealed_file, grant).refused(name, about));

    let name = "revision-rollback";
    let mut sealed_file = sealed(world, name);
    sealed_file.file.revision = 2;
    sealed_file.seal_metadata();
    let mut head = sealed_file.grant_head(&bob);
    head.min_revision = 3;
    let grant = sealed_file.finish_grant(&head, &bob, Some(&world.alice));
    let about = "A manifest of revision 2 with a grant from revision 3 on.";
    cases.push(Met::new(world, &sealed_file, grant).refused(name, about));

    let name = "manifest-anonymous-with-signature";
    let mut sealed_file = File::new(name, None, &pattern(100)).seal();
    let grant = sealed_file.grant(&bob);
    let mut manifest = sealed_file.manifest();
    let signature: [u8; 64] = Seeded::new(name).bytes();
    manifest.extend_from_slice(&signature);
    let about = "An anonymous manifest with 64 bytes behind it.";
    cases.push(Met { manifest, ..Met::new(world, &sealed_file, grant) }.refused(name, about));
}

/// The content id of manifest bytes as they stand.
fn content_id_of(manifest: &[u8]) -> [u8; 32] {
    crate::primitives::sha256(&[
        b"waxwing/v1/content\0",
        &manifest[8..26],
        &manifest[34..66],
        &manifest[66..140],
        &manifest[140..180],
    ])
}
