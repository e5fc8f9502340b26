//! The outside of sealed things: layouts, framing, Merkle tree, strict signatures.
//!
//! Nothing in this crate holds a secret or decrypts anything. It is the part of the
//! sealed-file format that a server may know: where the fields of a manifest, grant,
//! bundle and vault stand, how a body is cut into segments and parts, how the integrity
//! tree is computed, and which Ed25519 signatures count.
//!
//! Every parser is strict and canonical: whatever parses serialises to the same bytes, and
//! an unknown code, a wrong length or one trailing byte is refused.

pub mod action;
pub mod address;
pub mod audit;
pub mod bundle;
pub mod container;
pub mod drop_box;
pub mod ed25519;
mod error;
pub mod grant;
mod hash;
pub mod ids;
pub mod link;
pub mod manifest;
pub mod merkle;
pub mod pins;
pub mod segment;
pub mod small;
mod suite;
pub mod vault;
mod wire;

pub use address::Address;
pub use bundle::Bundle;
pub use drop_box::{BoxDescription, BoxId, BoxTerms};
pub use error::ParseError;
pub use grant::Grant;
pub use ids::{ContentId, EventId, FileId, RecipientId, RootId, UserId};
pub use link::LinkId;
pub use manifest::Manifest;
pub use segment::{BodyShape, PartShape};
pub use suite::{Suite, Wrap};

/// Largest integer any 64-bit field may hold: 2^53 − 1, so that every reader can count with doubles.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;
