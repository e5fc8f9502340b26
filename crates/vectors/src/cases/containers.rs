//! Offline containers.

use super::{Case, ReadBy, World, case, hex, pattern, result};
use crate::forge::{File, Key, Metadata, PLAIN, Recipient, Sealed};
use crate::people::{bundle, container, grants};
use serde_json::{Value, json};

/// The pieces of a container, each of which a case may change.
struct Pieces {
    manifest: Vec<u8>,
    bundle: Vec<u8>,
    grants: Vec<Vec<u8>>,
    leaves: Vec<u8>,
    body: Vec<u8>,
}

impl Pieces {
    fn of(sealed: &mut Sealed<'_>, recipients: &[Recipient]) -> Self {
        Self {
            grants: grants(sealed, recipients),
            manifest: sealed.manifest(),
            bundle: sealed.file.author.map(bundle).unwrap_or_default(),
            leaves: sealed.leaves().concat(),
            body: sealed.body(),
        }
    }

    fn join(&self) -> Vec<u8> {
        container(&self.manifest, &self.bundle, &self.grants, &self.leaves, &self.body)
    }
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    opening(world, cases);
    refusing(world, cases);
}

fn push(
    name: &str,
    about: &str,
    bytes: &[u8],
    reader: &ReadBy<'_>,
    opened: Option<Value>,
    cases: &mut Vec<Case>,
) {
    let mut fields =
        json!({"expect": if opened.is_some() { "open" } else { "refuse" }, "reader": reader.json()});
    if bytes.len() < 20_000 {
        fields["container"] = hex(bytes).into();
    } else {
        let path = format!("container/{name}.bin");
        fields["container_file"] = path.clone().into();
        cases.push(Case { path, bytes: bytes.to_vec() });
    }
    if let Some(opened) = opened {
        fields["result"] = opened;
    }
    cases.push(case("container", name, about, fields));
}

fn opening(world: &World, cases: &mut Vec<Case>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let content = pattern(1_000);
    let expected = |sharing| Some(result("report.txt", "text/plain", &content, sharing));

    let everybody = [alice.recipient(), bob.recipient(), world.rsa[0].recipient([0; 32])];
    let mut sealed = File::new("container opens", Some(alice), &content).seal();
    let bytes = Pieces::of(&mut sealed, &everybody).join();
    push(
        "opens-for-a-person",
        "Sealed for Alice, Bob and an RSA key.",
        &bytes,
        &ReadBy::Person(bob),
        expected("by the author"),
        cases,
    );
    push(
        "opens-for-an-rsa-key",
        "The same by the RSA key.",
        &bytes,
        &ReadBy::Rsa(&world.rsa[0]),
        expected("by the author"),
        cases,
    );
    push(
        "refuses-a-stranger",
        "The same for somebody who has no grant.",
        &bytes,
        &ReadBy::Person(&world.mallory),
        None,
        cases,
    );

    let mut pieces = Pieces::of(&mut sealed, &everybody);
    let others = pieces.grants.iter().position(|grant| grant[60..92] == alice.recipient().id());
    let broken = &mut pieces.grants[others.expect("Alice has a grant")];
    let at = broken.len() - 40;
    broken[at] ^= 1;
    push(
        "grant-of-another-with-broken-signature",
        "The signature of somebody else's grant is broken: every grant of a container is verified.",
        &pieces.join(),
        &ReadBy::Person(bob),
        None,
        cases,
    );
    push(
        "grant-with-broken-signature",
        "The same for the one whose grant it is.",
        &pieces.join(),
        &ReadBy::Person(alice),
        None,
        cases,
    );

    let name = "opens-for-an-rsa-key-of-a-person";
    let mut sealed = File::new(name, Some(alice), &content).seal();
    let bytes = Pieces::of(&mut sealed, &[alice.recipient(), world.rsa[0].recipient(bob.root_id())]).join();
    push(
        name,
        "The grant names the person's root.",
        &bytes,
        &ReadBy::Both(&world.rsa[0], bob),
        expected("by the author"),
        cases,
    );

    let (named, bare) = (bob.recipient(), Recipient { root_id: [0; 32], ..bob.recipient() });
    let name = "opens-by-the-first-of-two";
    let mut sealed = File::new(name, Some(alice), &content).seal();
    let mut pieces = Pieces::of(&mut sealed, &[named, bare]);
    push(
        name,
        "Two grants for the same person.",
        &pieces.join(),
        &ReadBy::Person(bob),
        expected("by the author"),
        cases,
    );
    let at = pieces.grants[0].len() - 40;
    pieces.grants[0][at] ^= 1;
    push(
        "first-of-two-broken",
        "The first of two grants for one reader does not verify.",
        &pieces.join(),
        &ReadBy::Person(bob),
        None,
        cases,
    );

    let mut sealed = File::new("container anonymous", None, &content).seal();
    let bytes = Pieces::of(&mut sealed, &[bob.recipient()]).join();
    push(
        "opens-anonymous",
        "Nobody signed: there is no bundle.",
        &bytes,
        &ReadBy::Person(bob),
        expected("anonymous"),
        cases,
    );

    let (member, inflated) = super::files::gzipped();
    let metadata = Metadata {
        compression: 1,
        padding: 1,
        original: inflated.len() as u64,
        ..Metadata::of(member.len())
    };
    let mut sealed = File::with("container compressed", Some(alice), &member, &metadata).padded().seal();
    let bytes = Pieces::of(&mut sealed, &[bob.recipient()]).join();
    let opened = result("report.txt", "text/plain", &inflated, "by the author");
    push(
        "opens-compressed-padded",
        "Compressed and padded.",
        &bytes,
        &ReadBy::Person(bob),
        Some(opened),
        cases,
    );

    let content = pattern(PLAIN + 1);
    let mut sealed = File::new("container long", Some(alice), &content).seal();
    let bytes = Pieces::of(&mut sealed, &[bob.recipient()]).join();
    let opened = result("report.txt", "text/plain", &content, "by the author");
    push(
        "opens-two-segments",
        "A full segment and a byte.",
        &bytes,
        &ReadBy::Person(bob),
        Some(opened),
        cases,
    );
}

fn refusing(world: &World, cases: &mut Vec<Case>) {
    let (alice, bob) = (&world.alice, &world.bob);
    let bare = world.rsa[0].recipient([0; 32]);
    type Change = fn(&mut Pieces, &World);
    let changes: [(&str, &str, Change); 12] = [
        ("without-bundle", "A signed file without its author's bundle.", |p, _| p.bundle.clear()),
        ("bundle-of-somebody-else", "Mallory's bundle.", |p, w| p.bundle = bundle(&w.mallory)),
        ("bundle-changed", "A bit of the bundle's signature.", |p, _| {
            let at = p.bundle.len() - 100;
            p.bundle[at] ^= 1;
        }),
        ("grants-none", "No grant.", |p, _| p.grants.clear()),
        ("grants-not-in-order", "Two grants have changed places.", |p, _| p.grants.swap(0, 1)),
        ("grant-twice", "A grant twice.", |p, _| {
            let first = p.grants[0].clone();
            p.grants.insert(0, first);
        }),
        ("grant-truncated", "A grant without its last byte.", |p, _| {
            p.grants[0].pop();
        }),
        ("leaf-changed", "A bit of a leaf.", |p, _| p.leaves[4] ^= 1),
        ("leaf-missing", "No leaves.", |p, _| p.leaves.clear()),
        ("body-truncated", "The last byte is missing.", |p, _| {
            p.body.pop();
        }),
        ("trailing-byte", "A byte too many.", |p, _| p.body.push(0)),
        ("body-changed", "A bit of the body.", |p, _| p.body[50] ^= 1),
    ];
    for (name, about, change) in changes {
        let mut sealed = File::new(name, Some(alice), &pattern(100)).seal();
        let mut pieces = Pieces::of(&mut sealed, &[bob.recipient(), bare.clone()]);
        change(&mut pieces, world);
        push(name, about, &pieces.join(), &ReadBy::Person(bob), None, cases);
    }

    let mut sealed = File::new("of another file", Some(alice), &pattern(100)).seal();
    let mut other = File::new("another file", Some(alice), &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    pieces.grants = grants(&mut other, &[bob.recipient()]);
    push(
        "grant-of-another-file",
        "A grant of another file.",
        &pieces.join(),
        &ReadBy::Person(bob),
        None,
        cases,
    );

    let name = "grant-by-a-third-person";
    let mut sealed = File::new(name, Some(alice), &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    let mut head = sealed.grant_head(&bob.recipient());
    head.grantor = world.carol.root_id();
    pieces.grants = vec![sealed.finish_grant(&head, &bob.recipient(), Some(&world.carol))];
    let about = "Carol passed it on: in a container every grant is the author's.";
    push(name, about, &pieces.join(), &ReadBy::Person(bob), None, cases);

    let name = "grant-by-the-reader";
    let mut sealed = File::new(name, Some(alice), &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    let mut head = sealed.grant_head(&bob.recipient());
    head.grantor = bob.root_id();
    pieces.grants = vec![sealed.finish_grant(&head, &bob.recipient(), Some(bob))];
    let about = "Bob wrapped it again for himself: in a container every grant is the author's.";
    push(name, about, &pieces.join(), &ReadBy::Person(bob), None, cases);

    let name = "anonymous-with-signed-grant";
    let mut sealed = File::new(name, None, &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    let mut head = sealed.grant_head(&bob.recipient());
    (head.suite, head.grantor) = (1, bob.root_id());
    pieces.grants = vec![sealed.finish_grant(&head, &bob.recipient(), Some(bob))];
    let about = "An anonymous file in a container has anonymous grants.";
    push(name, about, &pieces.join(), &ReadBy::Person(bob), None, cases);

    let name = "bundle-longer-than-65536";
    let mut sealed = File::new(name, Some(alice), &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    pieces.bundle = super::bundles::long(world, 65_537).signed(alice, None);
    push(name, "A bundle of 65,537 bytes.", &pieces.join(), &ReadBy::Person(bob), None, cases);

    let name = "body-length-huge";
    let mut sealed = File::new(name, Some(alice), &pattern(100)).seal();
    sealed.body_len = 1 << 44;
    let pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    let about = "The manifest says 2^44 bytes of body, and there is one leaf.";
    push(name, about, &pieces.join(), &ReadBy::Person(bob), None, cases);

    let mut sealed = File::new("of another file", Some(alice), &pattern(100)).seal();
    let link = Recipient { root_id: [0; 32], key: Key::Link([5; 32], [6; 16]) };
    let pieces = Pieces::of(&mut sealed, &[bob.recipient(), link]);
    push(
        "grant-of-a-link",
        "A link's grant beside a good one: links live on servers.",
        &pieces.join(),
        &ReadBy::Person(bob),
        None,
        cases,
    );

    let mut sealed = File::new("anonymous with bundle", None, &pattern(100)).seal();
    let mut pieces = Pieces::of(&mut sealed, &[bob.recipient()]);
    pieces.bundle = bundle(alice);
    push(
        "anonymous-with-bundle",
        "An anonymous file with somebody's bundle.",
        &pieces.join(),
        &ReadBy::Person(bob),
        None,
        cases,
    );

    let mut sealed = File::new("lengths", Some(alice), &pattern(100)).seal();
    let honest = Pieces::of(&mut sealed, &[bob.recipient()]).join();
    type Cut = fn(&mut Vec<u8>);
    let raw: [(&str, &str, Cut); 5] = [
        ("empty", "Nothing at all.", Vec::clear),
        ("magic-changed", "Another magic.", |c| c[7] = b'2'),
        ("cut-in-the-manifest", "It ends within the manifest.", |c| c.truncate(200)),
        ("manifest-length-huge", "A manifest of 4 GiB.", |c| c[8..12].fill(0xff)),
        ("grants-more-than-there-are", "It says that there are 65,535 grants.", |c| {
            let manifest = u32::from_be_bytes([c[8], c[9], c[10], c[11]]) as usize;
            let at = 12 + manifest;
            let bundle = u32::from_be_bytes([c[at], c[at + 1], c[at + 2], c[at + 3]]) as usize;
            c[at + 4 + bundle..at + 6 + bundle].fill(0xff);
        }),
    ];
    for (name, about, change) in raw {
        let mut bytes = honest.clone();
        change(&mut bytes);
        push(name, about, &bytes, &ReadBy::Person(bob), None, cases);
    }
}
