//! The integrity tree over a body's segments: SHA-256, RFC 9162 section 2.1.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use lanes::Way;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ParseError;
use crate::hash::sha256;
use crate::ids::{parse_hex, spelled, write_hex};

/// Leaves under one node of [`PAGE_LEVEL`]: what a reader of single segments fetches at once.
pub const PAGE_LEAVES: usize = 1024;
/// The level of the nodes that cover one page of leaves.
pub const PAGE_LEVEL: u32 = 10;

/// One hash of the tree: a leaf, an inner node or the root. Spelled as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node([u8; 32]);

impl Node {
    /// The node made of these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the node.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Node {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_hex(text, "node").map(Self)
    }
}

spelled!(Node);

/// What stands before a segment where its leaf is hashed, so that no leaf is ever also a node.
const LEAF_PREFIX: u8 = 0;

/// The leaf of one whole sealed segment: SHA-256(`00` ‖ segment).
pub fn leaf(segment: &[u8]) -> Node {
    Node(sha256(&[&[LEAF_PREFIX], segment]))
}

/// The leaves of whole sealed segments, in order: [`leaf`] of each, but hashed together where the processor can.
///
/// It pays to give [`leaves_at_once`] of them, all but the last of one length.
pub fn leaves(segments: &[&[u8]]) -> Vec<Node> {
    lanes::sha256_prefixed(LEAF_PREFIX, segments).into_iter().map(Node).collect()
}

/// How many segments [`leaves`] hashes together on this machine: 16, 8 or 1.
pub fn leaves_at_once() -> usize {
    Way::best().width()
}

/// The node above two others: SHA-256(`01` ‖ left ‖ right).
pub fn join(left: &Node, right: &Node) -> Node {
    Node(sha256(&[&[1], &left.0, &right.0]))
}

/// The root over `nodes`; `None` for an empty list, which has no root (a body has at least one segment).
///
/// The nodes may be leaves, or the roots of equal power-of-two runs of leaves of which only the
/// last may be short: both give the root of the whole.
pub fn root(nodes: &[Node]) -> Option<Node> {
    let mut accumulator = Accumulator::new();
    nodes.iter().for_each(|node| accumulator.push(*node));
    accumulator.root()
}

/// The roots of the runs of 2^`level` leaves, in order; the last run may be short.
///
/// # Panics
/// If 2^`level` does not fit in memory's index type.
pub fn nodes_at_level(leaves: &[Node], level: u32) -> Vec<Node> {
    let run = 1usize.checked_shl(level).expect("level of a tree that fits in memory");
    leaves.chunks(run).filter_map(root).collect()
}

/// Parses a list of nodes as it is stored and sent: 32 bytes each, nothing between.
pub fn parse_nodes(bytes: &[u8]) -> Result<Vec<Node>, ParseError> {
    let (nodes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() {
        Ok(nodes.iter().map(|node| Node(*node)).collect())
    } else {
        Err(ParseError::Truncated { field: "node" })
    }
}

/// The bytes of a list of nodes: 32 each, nothing between.
pub fn nodes_to_bytes(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flat_map(|node| node.0).collect()
}

/// Computes a root from nodes given in order, in memory logarithmic in their number.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    /// Roots of complete runs, largest first; their sizes are the set bits of `len`.
    complete: Vec<Node>,
    len: u64,
}

impl Accumulator {
    /// An accumulator that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next node in order.
    pub fn push(&mut self, node: Node) {
        let mut node = node;
        for _ in 0..self.len.trailing_ones() {
            let left = self.complete.pop().expect("one complete run per set bit of the count");
            node = join(&left, &node);
        }
        self.complete.push(node);
        self.len += 1;
    }

    /// The root over all nodes so far; `None` before the first.
    pub fn root(&self) -> Option<Node> {
        self.complete.iter().copied().rev().reduce(|right, left| join(&left, &right))
    }

    /// How many nodes were pushed.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Computes the leaf of a segment whose bytes arrive in pieces.
#[derive(Clone)]
pub struct LeafHasher(Context);

impl LeafHasher {
    /// A hasher for the next segment.
    pub fn new() -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[LEAF_PREFIX]);
        Self(context)
    }

    /// Takes the next bytes of the segment.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The leaf of the bytes so far.
    pub fn finish(self) -> Node {
        Node(self.0.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }
}

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LeafHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafHasher")
    }
}
