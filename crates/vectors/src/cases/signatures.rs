//! Signatures that strict rules refuse and others take.

use super::{Case, World, case, hex};
use crate::primitives::Seeded;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
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
    let mut other = good;
    other[63] |= 0x80;
    push("s-with-the-highest-bit", "The highest bit of S is set.", "refuse", &alice.root, &other);
    let mut exactly = good;
    exactly[32..].copy_from_slice(&ORDER);
    push("s-is-the-order", "S = L.", "refuse", &alice.root, &exactly);

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
        let mut other = good;
        other[..32].copy_from_slice(&point);
        let about = "An R whose point has a small order, or whose y is not below p.";
        push(&format!("r-{what}"), about, "refuse", &alice.root, &other);
    }
    // R neutral and S = k·a: the equation holds, and only the rule about R refuses it.
    let neutral_r = signature_with_neutral_r(&alice.root_seed, &alice.root, message);
    push(
        "r-neutral-and-equation-holds",
        "R is the neutral element, and the equation holds.",
        "refuse",
        &alice.root,
        &neutral_r,
    );
}

fn p_plus_one() -> [u8; 32] {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xee, 0x7f);
    bytes
}

fn signature_with_neutral_r(seed: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Vec<u8> {
    let hash = crate::primitives::sha512(&[seed]);
    let mut secret: [u8; 32] = hash[..32].try_into().expect("32 bytes");
    secret[0] &= 248;
    secret[31] = secret[31] & 63 | 64;
    let secret = Scalar::from_bytes_mod_order(secret);
    let challenge = crate::primitives::sha512(&[&NEUTRAL, public, message]);
    let challenge = Scalar::from_bytes_mod_order_wide(&challenge);
    [NEUTRAL, (challenge * secret).to_bytes()].concat()
}

fn unhex(text: &str) -> [u8; 32] {
    super::files::unhex(text).try_into().expect("32 bytes")
}
