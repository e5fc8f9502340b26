//! Every parser of bytes that a stranger can send, with what must hold for any bytes at all.
//!
//! Each function of [`TARGETS`] takes bytes as they may come from a server, a file or a person who
//! wishes us ill. It panics if a promise is broken: something parsed that has another spelling,
//! something opened that was altered, two implementations that disagree. The fuzzers in `fuzz/`
//! search for such bytes; the test `replay` runs what they kept.
//!
//! Sealed things are reached by sealing the given bytes under a fixed key first, so that the
//! parsers behind the seal meet them as they meet what a dishonest author sealed.

mod chain;
mod containers;
mod deflate;
mod file;
mod folder;
mod input;
mod keys;
mod layouts;
mod opening;
mod sealed;
mod signatures;
mod sizes;
mod text;
mod v0;
mod wire;

pub use chain::bundle_chain;
pub use containers::{altered_container, container_head, real_containers};
pub use deflate::{inflate_member, inflate_stored};
pub use file::SmallFile;
pub use folder::{folder, folder_paths};
pub use keys::{pem_encrypted, pem_private, pem_public, phrase, pkcs8_private, spki};
pub use layouts::{
    box_description, box_words, bundle, framing, grant, manifest, nodes, pins_inside, pins_outside,
    small_outside, vault_layout,
};
pub use opening::{altered_file, encapsulated_key, recipient_key, wrapped_for_rsa};
pub use sealed::{metadata, segment, small_message, vault_body};
pub use signatures::{ed25519_any, ed25519_torsion};
pub use sizes::{body_shape, padding};
pub use text::{address, box_address, cid, file_name, ids, link, safety_number, scanned_number};
pub use v0::{v0_base64, v0_upload};
pub use wire::{base64, problem, replies, requests};

/// What must hold for any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its folder in `fuzz/corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("address", address),
    ("altered_container", altered_container),
    ("altered_file", altered_file),
    ("base64", base64),
    ("body_shape", body_shape),
    ("box_address", box_address),
    ("box_description", box_description),
    ("box_words", box_words),
    ("bundle", bundle),
    ("bundle_chain", bundle_chain),
    ("cid", cid),
    ("container_head", container_head),
    ("ed25519_any", ed25519_any),
    ("ed25519_torsion", ed25519_torsion),
    ("encapsulated_key", encapsulated_key),
    ("file_name", file_name),
    ("folder", folder),
    ("folder_paths", folder_paths),
    ("framing", framing),
    ("grant", grant),
    ("ids", ids),
    ("inflate_member", inflate_member),
    ("inflate_stored", inflate_stored),
    ("link", link),
    ("manifest", manifest),
    ("metadata", metadata),
    ("nodes", nodes),
    ("padding", padding),
    ("pem_encrypted", pem_encrypted),
    ("pem_private", pem_private),
    ("pem_public", pem_public),
    ("phrase", phrase),
    ("pins_inside", pins_inside),
    ("pins_outside", pins_outside),
    ("pkcs8_private", pkcs8_private),
    ("problem", problem),
    ("recipient_key", recipient_key),
    ("replies", replies),
    ("requests", requests),
    ("safety_number", safety_number),
    ("scanned_number", scanned_number),
    ("segment", segment),
    ("small_message", small_message),
    ("small_outside", small_outside),
    ("spki", spki),
    ("v0_base64", v0_base64),
    ("v0_upload", v0_upload),
    ("vault_body", vault_body),
    ("vault_layout", vault_layout),
    ("wrapped_for_rsa", wrapped_for_rsa),
];
