//! The outside of sealed things: layouts, framing, Merkle tree, strict signatures.
