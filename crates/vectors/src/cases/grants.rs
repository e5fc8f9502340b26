//! Grants as bytes: what has the layout of a grant, and what has not. Nothing is opened, so links are here too.

use super::{Case, World, case, hex, pattern};
use crate::forge::{File, Key, Recipient, sign};
use crate::primitives::{Seeded, small};
use serde_json::json;

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let (wrap_key, link_id) = ([5; 32], [6; 16]);
    let link = Recipient { root_id: [0; 32], key: Key::Link(wrap_key, link_id) };
    let mut file = File::new("grants", Some(&world.alice), &pattern(100)).seal();
    let mut rng = Seeded::new("grants of links");
    let head = file.grant_head(&link);
    let bound = head.bound();
    let fk = file.file.fk;
    let honest = small(&wrap_key, &bound, &fk, &mut rng);
    let signed = |bytes: Vec<u8>| sign(bytes, "waxwing/v1/grant", Some(&world.alice));
    let changed = |at: usize, value: u8| {
        let mut wrapped = honest.clone();
        wrapped[at] = value;
        signed(head.with(&[], &wrapped))
    };
    let mut more_than_an_id = head.clone();
    more_than_an_id.recipient_id[31] = 1;
    let person = file.grant(&world.bob.recipient());
    let mut as_a_link = person.clone();
    as_a_link[9] = 3;
    as_a_link[60..92].copy_from_slice(&link.id());
    let longer = small(&wrap_key, &bound, &[fk.as_slice(), &[0]].concat(), &mut rng);
    let shorter = small(&wrap_key, &bound, &fk[..31], &mut rng);
    let grants = [
        ("link", "A link's grant.", "well-formed", signed(head.with(&[], &honest))),
        ("of-a-person", "A person's grant.", "well-formed", person),
        (
            "link-with-more-than-an-id",
            "A link's recipient id ends in 16 zeros.",
            "refuse",
            signed(more_than_an_id.with(&[], &honest)),
        ),
        ("link-with-encapsulated-key", "A link has none.", "refuse", signed(head.with(&[1], &honest))),
        ("link-wrapped-too-long", "139 bytes of wrapped key.", "refuse", signed(head.with(&[], &longer))),
        ("link-wrapped-too-short", "137 bytes of wrapped key.", "refuse", signed(head.with(&[], &shorter))),
        ("link-with-other-parameters", "Segments of 1 MiB.", "refuse", changed(3, 0x10)),
        ("link-with-another-length-word", "A length word that is one more.", "refuse", changed(77, 65)),
        ("x-wing-as-a-link", "An X-Wing grant that says it is a link's.", "refuse", as_a_link),
    ];
    for (name, about, expect, grant) in grants {
        cases.push(case("grant", name, about, json!({"expect": expect, "grant": hex(&grant)})));
    }
}
