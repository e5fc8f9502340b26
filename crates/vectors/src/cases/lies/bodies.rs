//! Bodies that are not what was signed, and bodies that were signed wrongly.

use super::super::{Case, Met, World, body, pattern, segment_files};
use crate::forge::{File, PLAIN, Sealed};
use crate::primitives::Seeded;

type Segments = Vec<Vec<u8>>;

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    unsigned(world, cases);
    signed(world, cases);
}

/// Three full segments and a short one, of the same file in every case.
pub(in crate::cases) fn long<'w>(world: &'w World) -> Sealed<'w> {
    File::new("opens-many-segments", Some(&world.alice), &pattern(3 * PLAIN + 1)).seal()
}

/// The server changes the body; manifest and grant are honest.
fn unsigned(world: &World, cases: &mut Vec<Case>) {
    let mut sealed = long(world);
    let grant = sealed.grant(&world.bob.recipient());
    let honest = sealed.segments.clone();
    let other = File::new("opens-exact-multiple", Some(&world.alice), &pattern(2 * PLAIN)).seal();
    let pick = |order: &[usize]| order.iter().map(|n| honest[*n].clone()).collect::<Segments>();
    let bodies: [(&str, &str, Segments); 6] = [
        ("body-segments-swapped", "Two segments have changed places.", pick(&[1, 0, 2, 3])),
        ("body-segment-twice", "A segment stands in the place of another.", pick(&[0, 0, 2, 3])),
        ("body-segment-missing", "The second segment is missing.", pick(&[0, 2, 3])),
        ("body-cut-at-a-segment", "The last segment is missing.", pick(&[0, 1, 2])),
        ("body-with-a-segment-more", "The last segment stands there twice.", pick(&[0, 1, 2, 3, 3])),
        (
            "body-spliced-with-another-upload",
            "The second segment is that of another file of the author.",
            vec![honest[0].clone(), other.segments[0].clone(), honest[2].clone(), honest[3].clone()],
        ),
    ];
    segment_files(&other.segments, cases);
    for (name, about, segments) in bodies {
        let met = Met { body: body(&segments), ..Met::new(world, &sealed, grant.clone()) };
        cases.push(met.refused(name, about));
    }

    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, &str, Change); 6] = [
        ("body-empty", "Nothing at all.", Vec::clear),
        ("body-truncated", "The last byte is missing.", |b| {
            b.pop();
        }),
        ("body-trailing-byte", "A byte too many.", |b| b.push(0)),
        ("body-length-word-changed", "The length word.", |b| b[3] ^= 1),
        ("body-nonce-changed", "A bit of a nonce.", |b| b[5] ^= 1),
        ("body-ciphertext-changed", "A bit of the ciphertext.", |b| b[40] ^= 1),
    ];
    for (name, about, change) in changes {
        let mut sealed = File::new(name, Some(&world.alice), &pattern(100)).seal();
        let grant = sealed.grant(&world.bob.recipient());
        let mut met = Met::new(world, &sealed, grant);
        let mut bytes = sealed.body();
        change(&mut bytes);
        met.body = body(&[bytes]);
        cases.push(met.refused(name, about));
    }
}

const INNER_WORD: &str = "The first of two segments has its length, 00040000, for the length word.";

/// A file of two segments, the first of which is sealed well but for its length word.
pub(in crate::cases) fn wrong_inner_word<'w>(world: &'w World) -> Sealed<'w> {
    let content = pattern(PLAIN + 1);
    let mut sealed = File::new("segment-length-word-of-a-full-one", Some(&world.alice), &content).seal();
    let mut rng = Seeded::new("segment-length-word-of-a-full-one again");
    sealed.segments[0] = sealed.floe.seal_with_word(262_144, 0, false, &content[..PLAIN], &mut rng);
    sealed.measure();
    sealed
}

/// The author herself cut or sealed wrongly, and signed it.
fn signed(world: &World, cases: &mut Vec<Case>) {
    let content = pattern(PLAIN);
    let file = |name: &str| File::new(name, Some(&world.alice), &content);

    let name = "segmentation-empty-last-segment";
    let sealed = file(name).seal_pieces(&[content.clone(), Vec::new()]);
    push(world, sealed, name, "The same plaintext with an empty segment behind it.", cases);

    let name = "segmentation-short-inner-segment";
    let longer = pattern(262_200);
    let pieces = [longer[..100_000].to_vec(), longer[100_000..].to_vec()];
    let sealed = File::new(name, Some(&world.alice), &longer).seal_pieces(&pieces);
    push(world, sealed, name, "The plaintext of two segments, cut after 100,000 bytes.", cases);

    push(world, wrong_inner_word(world), "segment-length-word-of-a-full-one", INNER_WORD, cases);

    type Tamper = fn(&mut Sealed<'_>, &mut Seeded);
    let tampered: [(&str, &str, Tamper); 6] = [
        ("segment-tag-changed-and-signed", "A segment's tag is wrong; its leaf is signed.", |s, _| {
            let at = s.segments[0].len() - 1;
            s.segments[0][at] ^= 1;
        }),
        (
            "segment-length-word-of-an-inner-one",
            "The only segment has the length word FFFFFFFF.",
            |s, rng| {
                s.segments[0] = s.floe.seal_with_word(u32::MAX, 0, true, &pattern(100), rng);
            },
        ),
        ("segment-length-word-too-short", "A length word that is one less.", |s, rng| {
            s.segments[0] = s.floe.seal_with_word(131, 0, true, &pattern(100), rng);
        }),
        (
            "segment-sealed-as-inner",
            "The only segment was sealed with the flag of an inner one.",
            |s, rng| {
                s.segments[0] = s.floe.seal_with_word(132, 0, false, &pattern(100), rng);
            },
        ),
        ("segment-sealed-for-another-place", "The only segment was sealed as the second.", |s, rng| {
            s.segments[0] = s.floe.seal(1, true, &pattern(100), rng);
        }),
        (
            "body-root-of-the-bare-segment",
            "The signed root is the hash of the segment without the leading 00.",
            |_, _| {},
        ),
    ];
    for (name, about, change) in tampered {
        let mut sealed = File::new(name, Some(&world.alice), &pattern(100)).seal();
        change(&mut sealed, &mut Seeded::new(&format!("{name} again")));
        sealed.measure();
        if name == "body-root-of-the-bare-segment" {
            sealed.body_root = crate::primitives::sha256(&[&sealed.segments[0]]);
        }
        push(world, sealed, name, about, cases);
    }
}

fn push<'w>(world: &'w World, mut sealed: Sealed<'w>, name: &str, about: &str, cases: &mut Vec<Case>) {
    let grant = sealed.grant(&world.bob.recipient());
    if sealed.segments.iter().any(|segment| segment.len() >= 20_000) {
        segment_files(&sealed.segments, cases);
    }
    cases.push(Met::new(world, &sealed, grant).refused(name, about));
}
