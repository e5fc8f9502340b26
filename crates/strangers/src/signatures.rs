//! The strict rules of Ed25519, against a second verifier on other arithmetic.

use aws_lc_rs::digest::{SHA512, digest};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use envelope::ed25519::{PublicKey, Signature, verify_strict};

use crate::input::Input;

/// Key 32, signature 64, message: both verifiers agree.
pub fn ed25519_any(data: &[u8]) {
    let mut input = Input::new(data);
    let (key, signature): ([u8; 32], [u8; 64]) = (input.array(), input.array());
    agree(&key, &signature, input.rest());
}

/// A signature that satisfies the equation up to points of small order, which the bytes choose for
/// the key and for R: where lenient and strict rules differ. Then the bytes spoil it, or do not.
pub fn ed25519_torsion(data: &[u8]) {
    let mut input = Input::new(data);
    let [secret, nonce] = [input.u8(), input.u8()].map(|byte| Scalar::from(u64::from(byte)));
    let [key_torsion, r_torsion] = [input.u8(), input.u8()].map(|n| EIGHT_TORSION[usize::from(n % 8)]);
    let (kind, add) = (input.u8(), input.u8());
    let message = input.rest();
    let mut key = (secret * ED25519_BASEPOINT_POINT + key_torsion).compress().to_bytes();
    let mut r = (nonce * ED25519_BASEPOINT_POINT + r_torsion).compress().to_bytes();
    match kind % 8 {
        1 => key[31] ^= 0x80,
        2 => r[31] ^= 0x80,
        _ => {}
    }
    let mut s = (nonce + challenge(&r, &key, message) * secret).to_bytes();
    match kind % 8 {
        3 => add_order(&mut s, 1 + add % 14),
        4 => s[usize::from(add % 32)] ^= 1 << (add / 32),
        _ => {}
    }
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    agree(&key, &signature, message);
}

fn agree(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) {
    let ours = verify_strict(&PublicKey::from_bytes(*key), &[message], &Signature::from_bytes(*signature));
    assert_eq!(ours.is_ok(), second_opinion(key, signature, message).is_some());
}

/// The text of the format, on the arithmetic of curve25519-dalek: canonical points, none of small
/// order, canonical S, and the equation without the cofactor.
fn second_opinion(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> Option<()> {
    let (r_bytes, s_bytes) = signature.split_first_chunk::<32>()?;
    let (a, r) = (sound_point(key)?, sound_point(r_bytes)?);
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
    let k = challenge(r_bytes, key, message);
    (s * ED25519_BASEPOINT_POINT == r + k * a).then_some(())
}

fn sound_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*bytes).decompress()?;
    (point.compress().to_bytes() == *bytes && !point.is_small_order()).then_some(point)
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = digest(&SHA512, &[r.as_slice(), key, message].concat());
    Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().expect("SHA-512 gives 64 bytes"))
}

/// Adds `times` the group order, modulo 2^256.
fn add_order(s: &mut [u8; 32], times: u8) {
    let mut order = (Scalar::ZERO - Scalar::ONE).to_bytes();
    order[0] += 1;
    for _ in 0..times {
        let mut carry = 0;
        for (byte, add) in s.iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
    }
}
