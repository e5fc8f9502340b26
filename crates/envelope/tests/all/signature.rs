//! Which Ed25519 signatures count.

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use envelope::action::{self, verify_action};
use envelope::ed25519::{PublicKey, Signature, verify_strict};
use proptest::prelude::*;

use crate::fixtures::Signer;

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    let bytes: Vec<u8> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn the_first_vector_of_rfc_8032_verifies() {
    let key =
        PublicKey::from_bytes(unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    let signature = Signature::from_bytes(unhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ));
    assert_eq!(verify_strict(&key, &[], &signature), Ok(()));
    assert!(verify_strict(&key, &[b"x"], &signature).is_err());
}

#[test]
fn a_message_in_parts_is_its_concatenation() {
    let signer = Signer::new(1);
    let signature = signer.sign(&[b"context\0", b"body"]);
    assert_eq!(verify_strict(&signer.public(), &[b"cont", b"ext\0bo", b"dy"], &signature), Ok(()));
    assert!(verify_strict(&Signer::new(2).public(), &[b"context\0body"], &signature).is_err());
}

/// S + L, S + 2 L … as far as 32 bytes reach, and L itself.
#[test]
fn s_not_below_the_group_order_is_refused() {
    let signer = Signer::new(1);
    let mut bytes = *signer.sign(&[b"m"]).as_bytes();
    let order: [u8; 32] = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    for times in 1..=15 {
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        if carry > 0 {
            assert_eq!(times, 15, "S is below L, which is just above 2^252");
            break;
        }
        let signature = Signature::from_bytes(bytes);
        assert!(verify_strict(&signer.public(), &[b"m"], &signature).is_err(), "S + {times} L");
    }
    bytes[32..].copy_from_slice(&order);
    assert!(verify_strict(&signer.public(), &[b"m"], &Signature::from_bytes(bytes)).is_err());
}

/// Points that carry a component of small order: the rule of ZIP 215 multiplies it away and takes
/// every such signature; the strict rule takes it only where the equation holds as it stands.
#[test]
fn a_component_of_small_order_is_not_multiplied_away() {
    let (secret, nonce) = (Scalar::from(1234_u64), Scalar::from(5678_u64));
    let (mut told_apart, mut accepted) = (0, 0);
    for (key_torsion, r_torsion) in (0..8).flat_map(|a| (0..8).map(move |r| (a, r))) {
        let a = secret * ED25519_BASEPOINT_POINT + EIGHT_TORSION[key_torsion];
        let r = nonce * ED25519_BASEPOINT_POINT + EIGHT_TORSION[r_torsion];
        for message in 0..8_u8 {
            let (key, r_bytes) = (a.compress().to_bytes(), r.compress().to_bytes());
            let k = challenge(&r_bytes, &key, &[message]);
            let s = nonce + k * secret;
            let difference = s * ED25519_BASEPOINT_POINT - r - k * a;
            assert!(difference.is_small_order(), "the rule of ZIP 215 is content");
            let holds = difference == EdwardsPoint::identity();
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r_bytes);
            signature[32..].copy_from_slice(s.as_bytes());
            let key = PublicKey::from_bytes(key);
            let verdict = verify_strict(&key, &[&[message]], &Signature::from_bytes(signature));
            assert_eq!(verdict.is_ok(), holds, "torsion {key_torsion} {r_torsion}, message {message}");
            told_apart += usize::from(!holds);
            accepted += usize::from(holds);
        }
    }
    assert!(told_apart >= 300 && accepted >= 8, "{told_apart} {accepted}");
}

/// With a key and R of small order and S = 0, a lenient verifier accepts for some messages.
#[test]
fn keys_and_r_of_small_order_are_refused_for_every_message() {
    let honest = Signer::new(1);
    let sound = honest.sign(&[b"m"]);
    for point in EIGHT_TORSION {
        let encoded = point.compress().to_bytes();
        for sign_bit in [0, 0x80] {
            let mut small = encoded;
            small[31] ^= sign_bit;
            for nonce in 0_u8..32 {
                let mut forged = [0; 64];
                forged[..32].copy_from_slice(&small);
                let forged = Signature::from_bytes(forged);
                assert!(verify_strict(&PublicKey::from_bytes(small), &[&[nonce]], &forged).is_err());
            }
            assert!(verify_strict(&PublicKey::from_bytes(small), &[b"m"], &sound).is_err());
            let mut small_r = *sound.as_bytes();
            small_r[..32].copy_from_slice(&small);
            assert!(verify_strict(&honest.public(), &[b"m"], &Signature::from_bytes(small_r)).is_err());
        }
    }
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = digest(&SHA512, &[r.as_slice(), key, message].concat());
    Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().unwrap())
}

/// The strict rule says no where the library below, asked alone, says yes.
fn is_refused_by_the_strict_rule_alone(key: [u8; 32], r: [u8; 32], s: &Scalar, message: &[u8]) {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    assert!(
        UnparsedPublicKey::new(&ED25519, key).verify(message, &signature).is_ok(),
        "the library says yes"
    );
    let (key, signature) = (PublicKey::from_bytes(key), Signature::from_bytes(signature));
    assert!(verify_strict(&key, &[message], &signature).is_err());
}

#[test]
fn a_key_of_small_order_is_refused_where_the_equation_holds() {
    let nonce = Scalar::from(77_u64);
    let r = (nonce * ED25519_BASEPOINT_POINT).compress().to_bytes();
    for point in EIGHT_TORSION {
        let key = point.compress().to_bytes();
        let holds = |message: &u8| challenge(&r, &key, &[*message]) * point == EdwardsPoint::identity();
        let message = (0..=255_u8).find(holds).unwrap();
        is_refused_by_the_strict_rule_alone(key, r, &nonce, &[message]);
    }
}

#[test]
fn an_r_of_small_order_is_refused_where_the_equation_holds() {
    let secret = Scalar::from(1234_u64);
    let key = (secret * ED25519_BASEPOINT_POINT).compress().to_bytes();
    let r = EdwardsPoint::identity().compress().to_bytes();
    is_refused_by_the_strict_rule_alone(key, r, &(challenge(&r, &key, b"m") * secret), b"m");
}

/// The numbers from p to 2^255 - 1 spell y again from 0 to 18, some of them of points of small order:
/// as the key and as R, with either sign.
#[test]
fn a_second_spelling_of_y_is_refused_as_key_and_as_r() {
    let signer = Signer::new(1);
    let sound = signer.sign(&[b"m"]);
    for low in 0xed..=0xff_u8 {
        for top in [0x7f, 0xff] {
            let mut y = [0xff; 32];
            (y[0], y[31]) = (low, top);
            assert!(verify_strict(&PublicKey::from_bytes(y), &[b"m"], &sound).is_err());
            let mut other = *sound.as_bytes();
            other[..32].copy_from_slice(&y);
            assert!(verify_strict(&signer.public(), &[b"m"], &Signature::from_bytes(other)).is_err());
            let both = Signature::from_bytes([y, [0; 32]].as_flattened().try_into().unwrap());
            assert!(verify_strict(&PublicKey::from_bytes(y), &[b"m"], &both).is_err());
        }
    }
}

/// S = 0 and R = A = the neutral element satisfy the verification equation for every message:
/// what the check before the native verifier is for.
#[test]
fn the_universal_forgery_is_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut forged = [0; 64];
    forged[..32].copy_from_slice(&neutral);
    assert!(
        verify_strict(&PublicKey::from_bytes(neutral), &[b"anything"], &Signature::from_bytes(forged))
            .is_err()
    );
}

#[test]
fn an_action_is_bound_to_its_purpose() {
    let signer = Signer::new(3);
    let signature = signer.sign(&[b"waxwing/v1/action/delete\0", &[9; 16]]);
    let key = signer.public();
    assert_eq!(verify_action(&key, action::DELETE, &[9; 16], &signature), Ok(()));
    assert!(verify_action(&key, "rename", &[9; 16], &signature).is_err());
    assert!(verify_action(&key, action::DELETE, &[8; 16], &signature).is_err());
}

proptest! {
    #[test]
    fn every_flipped_bit_is_refused(bit in 0_usize..512, message: Vec<u8>) {
        let signer = Signer::new(5);
        let mut bytes = *signer.sign(&[&message]).as_bytes();
        prop_assert_eq!(verify_strict(&signer.public(), &[&message], &Signature::from_bytes(bytes)), Ok(()));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_strict(&signer.public(), &[&message], &Signature::from_bytes(bytes)).is_err());
    }
}
