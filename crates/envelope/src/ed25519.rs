//! Ed25519 as this format accepts it: RFC 8032, strict, one verdict for every implementation.

use std::fmt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use crate::ids::write_hex;

/// An Ed25519 public key: 32 bytes, not yet known to be a usable point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key made of these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// An Ed25519 signature: R then S, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature made of these 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes of the signature.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The signature does not count: malformed, of small order, or not made by this key over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

/// Verifies `signature` by `key` over the concatenation of `message`.
///
/// Refuses, before the native verifier is asked: S not below the group order, and a key or R that
/// is not a canonical encoding or is of small order. Never the ZIP-215 rule.
pub fn verify_strict(key: &PublicKey, message: &[&[u8]], signature: &Signature) -> Result<(), BadSignature> {
    let (halves, _) = signature.0.as_chunks::<32>();
    let (r, s) = (&halves[0], &halves[1]);
    if !is_below(s, &GROUP_ORDER) || !is_acceptable_point(&key.0) || !is_acceptable_point(r) {
        return Err(BadSignature);
    }
    UnparsedPublicKey::new(&ED25519, key.0).verify(&message.concat(), &signature.0).map_err(|_| BadSignature)
}

/// L = 2^252 + 27742317777372353535851937790883648493, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// p = 2^255 − 19, little-endian.
const FIELD_PRIME: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// The y coordinates of the points of small order, little-endian: 0 (order 4), 1 (the neutral
/// element), p − 1 (order 2), and the two of order 8.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = FIELD_PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

fn is_acceptable_point(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    is_below(&y, &FIELD_PRIME) && !SMALL_ORDER_Y.contains(&y)
}

/// Compares two little-endian numbers; nothing here is secret, so the time may vary.
fn is_below(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn the_listed_y_are_exactly_those_of_the_eight_points_of_small_order() {
        let masked = EIGHT_TORSION.map(|point| {
            let mut y = point.compress().to_bytes();
            y[31] &= 0x7f;
            y
        });
        assert_eq!(BTreeSet::from(masked), BTreeSet::from(SMALL_ORDER_Y));
        assert!(masked.iter().all(|y| !is_acceptable_point(y)));
    }

    #[test]
    fn numbers_are_compared_from_the_high_end() {
        let mut below = GROUP_ORDER;
        below[0] -= 1;
        assert!(is_below(&below, &GROUP_ORDER));
        assert!(!is_below(&GROUP_ORDER, &GROUP_ORDER));
        let mut low_byte_only = [0; 32];
        low_byte_only[0] = 0xff;
        assert!(is_below(&low_byte_only, &GROUP_ORDER));
    }
}
