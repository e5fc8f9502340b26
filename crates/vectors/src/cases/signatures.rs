//! Signatures that strict rules refuse and others take.

use super::{Case, World, case, hex};
use crate::forge::Person;
use crate::primitives::Seeded;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use serde_json::json;

/// The encoding of the neutral element: y = 1.
pub(crate) const NEUTRAL: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
};

/// The group order, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Adds the group order to S, which is the same number to whoever reduces it first.
pub(crate) fn add_order(s: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in s.iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

/// R and S that satisfy the equation for the neutral element as the key, whatever the message: R = S·B.
pub(crate) fn for_neutral_key() -> ([u8; 32], [u8; 32]) {
    let s = Scalar::from_bytes_mod_order(Seeded::new("neutral").bytes());
    ((ED25519_BASEPOINT_POINT * s).compress().to_bytes(), s.to_bytes())
}

/// y = 2^255 − 19 − `below`, little-endian.
fn p_minus(below: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xed - below, 0x7f);
    bytes
}

pub(super) fn add(world: &World, cases: &mut Vec<Case>) {
    let message = b"waxwing/v1/manifest\0 and whatever follows";
    let alice = &world.alice;
    let good = alice.sign("waxwing/v1/manifest", b" and whatever follows");
    let mut push = |name: &str, about: &str, expect: &str, key: &[u8; 32], signature: &[u8]| {
        let fields = json!({
            "expect": expect,
            "public_key": hex(key),
            "message": hex(message),
            "signature": hex(signature),
        });
        cases.push(case("signature", name, about, fields));
    };
    push("good", "A signature as RFC 8032 makes it.", "valid", &alice.root, &good);

    let mut other = good;
    other[3] ^= 1;
    push("r-changed", "A bit of R.", "refuse", &alice.root, &other);
    let mut other = good;
    other[35] ^= 1;
    push("s-changed", "A bit of S.", "refuse", &alice.root, &other);
    push("key-of-another", "Somebody else's key.", "refuse", &world.bob.root, &good);
    let mut other = good;
    add_order(&mut other[32..]);
    push("s-not-reduced", "S + L.", "refuse", &alice.root, &other);
    let mut high = good;
    (0..8).for_each(|_| add_order(&mut high[32..]));
    push("s-with-the-highest-bit", "S + 8 L, whose highest bit is set.", "refuse", &alice.root, &high);

    let (r, s) = for_neutral_key();
    let fits = [r, s].concat();
    push(
        "key-neutral",
        "The neutral element as the key: R = S·B fits every message.",
        "refuse",
        &NEUTRAL,
        &fits,
    );
    let mut signed = NEUTRAL;
    signed[31] = 0x80;
    push("key-neutral-with-sign", "The same with the sign bit set.", "refuse", &signed, &fits);
    push("key-neutral-not-canonical", "The same as y = p + 1.", "refuse", &p_plus_one(), &fits);

    let small: [(&str, [u8; 32]); 5] = [
        ("y-is-0", [0; 32]),
        ("y-is-p-minus-1", p_minus(1)),
        ("y-is-p", p_minus(0)),
        ("order-8", unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")),
        ("order-8-the-other", unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")),
    ];
    for (what, point) in small {
        let about = "A key whose point has a small order, or whose y is not below p.";
        push(&format!("key-{what}"), about, "refuse", &point, &fits);
        let mut with_sign = point;
        with_sign[31] |= 0x80;
        push(
            &format!("key-{what}-with-sign"),
            "The same with the sign bit set.",
            "refuse",
            &with_sign,
            &fits,
        );
        let about =
            "An R of small order, or not below p: the equation holds if both sides are taken times 8.";
        push(&format!("r-{what}"), about, "refuse", &alice.root, &cofactored(alice, &point, message));
    }
    let about = "R is the neutral element, and the equation holds.";
    push("r-neutral-and-equation-holds", about, "refuse", &alice.root, &cofactored(alice, &NEUTRAL, message));
    let about = "The same with R as y = p + 1.";
    push("r-neutral-not-canonical", about, "refuse", &alice.root, &cofactored(alice, &p_plus_one(), message));
    push("key-on-no-point", "A key that is no point of the curve.", "refuse", &no_point(), &good);
    torsion(cases);
}

/// S = k·a for any R of small order: 8 S·B = 8 R + 8 k·A holds.
fn cofactored(person: &Person, r: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let secret = secret_scalar(&person.root_seed);
    [*r, (challenge(r, &person.root, message) * secret).to_bytes()].concat()
}

fn secret_scalar(seed: &[u8; 32]) -> Scalar {
    let hash = crate::primitives::sha512(&[seed]);
    let mut secret: [u8; 32] = hash[..32].try_into().expect("32 bytes");
    secret[0] &= 248;
    secret[31] = secret[31] & 63 | 64;
    Scalar::from_bytes_mod_order(secret)
}

/// k, reduced modulo the group order.
fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&crate::primitives::sha512(&[r, key, message]))
}

/// The first message, counted through, whose k leaves `rest` modulo 8.
fn message_for(r: &[u8; 32], key: &[u8; 32], rest: u8) -> (Vec<u8>, Scalar) {
    let mut messages = (0..=u8::MAX).map(|n| [b"waxwing/v1/manifest\0".as_slice(), &[n]].concat());
    messages
        .find_map(|message| {
            let k = challenge(r, key, &message);
            (k.to_bytes()[0] & 7 == rest).then_some((message, k))
        })
        .expect("one of 256 messages")
}

/// A key A = a·B + T with T of order 8: it is of no small order, and the equation with the cofactor and the one
/// without differ for it.
fn torsion(cases: &mut Vec<Case>) {
    let secret = secret_scalar(&[0x17; 32]);
    let point = ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[1];
    let key = point.compress().to_bytes();
    let mut push = |name: &str, about: &str, expect: &str, message: &[u8], signature: &[u8]| {
        let fields = json!({
            "expect": expect,
            "public_key": hex(&key),
            "message": hex(message),
            "signature": hex(signature),
        });
        cases.push(case("signature", name, about, fields));
    };
    let nonce = Scalar::from_bytes_mod_order(Seeded::new("torsion").bytes());
    let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let (message, k) = message_for(&r, &key, 0);
    let signature = [r, (nonce + k * secret).to_bytes()].concat();
    let about = "A key with a part of order 8, and k a multiple of 8: the equation holds as it is.";
    push("key-with-torsion", about, "valid", &message, &signature);
    let (message, k) = message_for(&r, &key, 3);
    let signature = [r, (nonce + k * secret).to_bytes()].concat();
    let about = "The same with another k: the equation holds only if both sides are taken times 8.";
    push("key-with-torsion-times-8", about, "refuse", &message, &signature);

    // R = −k·T is of small order, and S = k·a satisfies the equation as it is.
    for (what, order) in [("order-8", 1), ("y-is-0", 2), ("order-8-the-other", 3), ("y-is-p-minus-1", 4)] {
        let r = EIGHT_TORSION[order].compress().to_bytes();
        let rest = 8 - u8::try_from(order).expect("small");
        let (message, k) = message_for(&r, &key, rest);
        let signature = [r, (k * secret).to_bytes()].concat();
        let about = "An R of small order, and the equation holds as it is.";
        push(&format!("r-{what}-and-equation-holds"), about, "refuse", &message, &signature);
    }
}

/// The least y from 2 on that belongs to no point.
fn no_point() -> [u8; 32] {
    let mut ys = (2..=u8::MAX).map(|y| {
        let mut bytes = [0; 32];
        bytes[0] = y;
        bytes
    });
    ys.find(|y| CompressedEdwardsY(*y).decompress().is_none()).expect("half of all y belong to none")
}

fn p_plus_one() -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xee, 0x7f);
    bytes
}

fn unhex(text: &str) -> [u8; 32] {
    super::files::unhex(text).try_into().expect("32 bytes")
}
