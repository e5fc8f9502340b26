//! Values that are legal on the outside, with nothing meaningful sealed inside.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use envelope::ed25519::{PublicKey, Signature};
use envelope::small::PARAMETERS;

pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.public_key().as_ref().try_into().unwrap())
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Signature {
        Signature::from_bytes(self.0.sign(&parts.concat()).as_ref().try_into().unwrap())
    }
}

/// A FLOE header with the format's parameters.
pub(crate) fn floe_header() -> [u8; 74] {
    let mut header = [0x5a; 74];
    header[..10].copy_from_slice(&PARAMETERS);
    header
}

/// Shaped as a small message of `plain_len` bytes.
pub(crate) fn small(plain_len: usize) -> Vec<u8> {
    let segment_len = u32::try_from(plain_len + 32).unwrap();
    let mut sealed = floe_header().to_vec();
    sealed.extend_from_slice(&segment_len.to_be_bytes());
    sealed.resize(74 + plain_len + 32, 0xc3);
    sealed
}

/// Every proper prefix and every one-byte extension of `bytes` must be refused by `parse`.
pub(crate) fn refuses_other_lengths<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Option<T>) {
    for len in 0..bytes.len() {
        assert!(parse(&bytes[..len]).is_none(), "a prefix of {len} bytes must not parse");
    }
    for extra in [0, 1, 0xff] {
        let mut longer = bytes.to_vec();
        longer.push(extra);
        assert!(parse(&longer).is_none(), "a trailing byte {extra} must not parse");
    }
}

/// `bytes` with `value` written at `at`.
pub(crate) fn with(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + value.len()].copy_from_slice(value);
    changed
}
