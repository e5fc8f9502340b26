//! The integrity tree against the recursive definition of RFC 9162.

use envelope::merkle::{
    self, Accumulator, LeafHasher, Node, join, leaf, leaves_at_once, nodes_at_level, nodes_to_bytes,
    parse_nodes, root,
};
use proptest::prelude::*;

/// MTH of RFC 9162 section 2.1.1, over hashes of leaves, as the text defines it.
fn naive(leaves: &[Node]) -> Node {
    match leaves {
        [one] => *one,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            join(&naive(&leaves[..k]), &naive(&leaves[k..]))
        }
    }
}

fn leaves(count: usize) -> Vec<Node> {
    (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
}

#[test]
fn root_is_that_of_the_recursive_definition() {
    for count in 1..=200 {
        let leaves = leaves(count);
        assert_eq!(root(&leaves), Some(naive(&leaves)), "{count} leaves");
    }
}

#[test]
fn roots_of_parts_give_the_root_of_the_whole() {
    for count in [1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 1000] {
        let leaves = leaves(count);
        for level in 0..=8 {
            let parts = nodes_at_level(&leaves, level);
            assert_eq!(parts.len(), count.div_ceil(1 << level));
            assert_eq!(root(&parts), root(&leaves), "{count} leaves, level {level}");
        }
    }
}

#[test]
fn published_vectors_of_certificate_transparency_agree() {
    let inputs: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let leaves: Vec<Node> = inputs.iter().map(|input| leaf(input)).collect();
    assert_eq!(leaves[0].to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(
        root(&leaves).unwrap().to_string(),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn nothing_has_no_root() {
    assert_eq!(root(&[]), None);
    assert_eq!(Accumulator::new().root(), None);
    assert!(nodes_at_level(&[], 3).is_empty());
}

#[test]
fn an_accumulator_is_empty_until_the_first_node() {
    let mut accumulator = Accumulator::new();
    assert!(accumulator.is_empty());
    accumulator.push(leaf(b"one"));
    assert!(!accumulator.is_empty());
    assert_eq!((accumulator.len(), accumulator.root()), (1, Some(leaf(b"one"))));
}

#[test]
fn a_leaf_is_not_a_node() {
    let (left, right) = (leaf(b"l"), leaf(b"r"));
    let forged = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    assert_ne!(leaf(&forged), join(&left, &right));
}

#[test]
fn leaves_hashed_together_are_those_hashed_alone() {
    assert_eq!(leaves_at_once(), lanes::Way::best().width());
    for count in [0, 1, leaves_at_once(), 2 * leaves_at_once() + 1] {
        let bytes: Vec<u8> = (0_u8..=255).cycle().take(1000 * count).collect();
        let mut segments: Vec<&[u8]> = bytes.chunks(1000).collect();
        if let Some(last) = segments.last_mut() {
            *last = &last[..17];
        }
        let alone: Vec<Node> = segments.iter().map(|segment| leaf(segment)).collect();
        assert_eq!(merkle::leaves(&segments), alone);
    }
}

#[test]
fn a_list_of_nodes_is_a_multiple_of_32_bytes() {
    let bytes = nodes_to_bytes(&leaves(3));
    assert_eq!(parse_nodes(&bytes).unwrap(), leaves(3));
    assert!(parse_nodes(&bytes[..95]).is_err());
}

proptest! {
    #[test]
    fn accumulator_agrees_at_every_step(count in 1_usize..3000) {
        let leaves = leaves(count);
        let mut accumulator = Accumulator::new();
        leaves.iter().for_each(|leaf| accumulator.push(*leaf));
        prop_assert_eq!(accumulator.root(), Some(naive(&leaves)));
        prop_assert_eq!(accumulator.len(), count as u64);
    }

    #[test]
    fn a_leaf_hashed_in_pieces_is_the_same(bytes: Vec<u8>, cut in 0_usize..64) {
        let mut hasher = LeafHasher::new();
        bytes.chunks(cut + 1).for_each(|piece| hasher.update(piece));
        prop_assert_eq!(hasher.finish(), leaf(&bytes));
    }
}
