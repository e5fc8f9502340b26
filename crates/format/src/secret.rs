//! Secret bytes: zeroed on drop, never printed, never copied by accident.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::random;

/// `N` secret bytes. Not `Copy`, not `Clone`, not serialisable; compared in constant time.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes `bytes` as a secret. The caller's own copy remains the caller's to erase.
    pub fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Fresh random bytes.
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// The bytes themselves. Every use is a place to look at in review.
    pub fn expose_secret(&self) -> &[u8; N] {
        &self.0
    }

    /// A second copy, for the places in this crate where two owners are needed.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0)
    }

    /// A secret of the length of `bytes`, or `None` if it is not `N`.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self([0; N]);
        (bytes.len() == N).then(|| secret.0.copy_from_slice(bytes))?;
        Some(secret)
    }

    /// The bytes, to be written in place by a derivation.
    pub(crate) fn fill_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self([0; N]);
        fill(&mut secret.0);
        secret
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(PartialEq, Eq)]
        pub struct $name(Secret<32>);

        impl $name {
            /// Takes 32 secret bytes as this key.
            pub fn from_secret(secret: Secret<32>) -> Self {
                Self(secret)
            }

            /// A fresh random key.
            pub fn generate() -> Self {
                Self(Secret::generate())
            }

            /// The key as bare secret bytes.
            pub fn secret(&self) -> &Secret<32> {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[redacted]")
            }
        }
    };
}

key!(
    /// The key of one file (FK): fresh for every upload, and only ever fed to a derivation.
    FileKey
);
key!(
    /// The key that a vault's slots hold and its body is sealed under.
    VaultKey
);
key!(
    /// The key that seals file keys in the journal of unfinished uploads.
    JournalKey
);
key!(
    /// The key that seals the index of one's files on one's own device.
    IndexKey
);
