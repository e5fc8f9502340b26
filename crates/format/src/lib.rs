//! The inside of sealed things: keys, FLOE, metadata, wrapping, vault.
//!
//! This crate seals and opens; it does no input or output, knows no network and reads no
//! clock. Layouts without secrets live in the crate `envelope`, which this one builds on.
//!
//! A file on its way out: [`FileKey::generate`] → [`payload::PayloadSealer`] → segments and
//! their leaves → [`manifest::seal_manifest`] → [`grant::seal_grant`] for each recipient. A
//! file on its way in: [`open::open_file`] → [`payload::PayloadOpener`].

mod cbor;
pub mod compress;
pub mod drop_box;
mod error;
mod floe;
pub mod folder;
pub mod grant;
pub mod identity;
mod kdf;
pub mod link;
pub mod manifest;
pub mod metadata;
pub mod names;
pub mod open;
pub mod pad;
pub mod passphrase;
pub mod payload;
mod pem;
pub mod phrase;
pub mod pins;
pub mod random;
pub mod rsa;
pub mod safety;
pub mod secret;
pub mod small;
pub mod v0;
pub mod vault;

pub use drop_box::{BoxAddress, BoxKey, BoxWords};
pub use error::{OpenError, SealError};
pub use folder::{Folder, MemberPath};
pub use identity::{Identity, RootKeyPair};
pub use link::{LinkAddress, LinkKeys, LinkSecret};
pub use metadata::{FileName, Metadata};
pub use open::{OpenedFile, Reader, open_file};
pub use passphrase::Passphrase;
pub use payload::{PayloadOpener, PayloadSealer, Position, SegmentRecord};
pub use phrase::{PhraseError, RecoveryPhrase};
pub use rsa::{RsaBits, RsaKeyError, RsaPrivateKey, RsaPublicKey};
pub use secret::{FileKey, IndexKey, JournalKey, Secret, VaultKey};
pub use vault::VaultSecret;
