//! The primitives, written again from the specification, with every random byte out of a seed.

use std::convert::Infallible;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, SHA256, SHA512};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use hpke::rand_core::{TryCryptoRng, TryRng};

/// Random bytes that are the same at every run: SHA-256 over a label and a counter.
pub(crate) struct Seeded {
    label: String,
    counter: u64,
}

impl Seeded {
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), counter: 0 }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    fn fill(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(32) {
            let block = sha256(&[b"vectors\0", self.label.as_bytes(), b"\0", &self.counter.to_be_bytes()]);
            self.counter += 1;
            piece.copy_from_slice(&block[..piece.len()]);
        }
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(&SHA256, &parts.concat()).as_ref().try_into().expect("32 bytes")
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    digest::digest(&SHA512, &parts.concat()).as_ref().try_into().expect("64 bytes")
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().try_into().expect("32 bytes")
}

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

pub(crate) fn hkdf(ikm: &[u8], salt: &[u8], info: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let filled = prk.expand(&[info.as_bytes()], Len(32)).and_then(|okm| okm.fill(&mut out));
    filled.expect("32 bytes are not too many");
    out
}

pub(crate) fn argon2id(passphrase: &str, salt: &[u8; 16]) -> [u8; 32] {
    let params = Params::new(64 * 1024, 3, 1, Some(32)).expect("the costs of the format");
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut out)
        .expect("32 bytes are not too many");
    out
}

/// Parameters of FLOE: AEAD 0, KDF 0, segments of 2^18, an IV of 32 bytes.
const FLOE: [u8; 10] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0x20];

/// One FLOE message: its header, and the key that its segment keys come from.
#[derive(Clone)]
pub(crate) struct Floe {
    pub(crate) header: [u8; 74],
    iv: [u8; 32],
    message_key: [u8; 48],
    aad: Vec<u8>,
}

impl Floe {
    pub(crate) fn new(key: &[u8; 32], aad: &[u8], rng: &mut Seeded) -> Self {
        let iv = rng.bytes();
        let mut header = [0; 74];
        header[..10].copy_from_slice(&FLOE);
        header[10..42].copy_from_slice(&iv);
        header[42..].copy_from_slice(&derive(key, &iv, b"HEADER_TAG:", aad)[..32]);
        let message_key = derive(key, &iv, b"MESSAGE_KEY:", aad);
        Self { header, iv, message_key, aad: aad.to_vec() }
    }

    /// Seals segment `index` with the length word that its place asks for.
    pub(crate) fn seal(&self, index: u64, last: bool, plain: &[u8], rng: &mut Seeded) -> Vec<u8> {
        let word = if last { u32::try_from(plain.len() + 32).expect("short") } else { u32::MAX };
        self.seal_with_word(word, index, last, plain, rng)
    }

    /// The same with any length word.
    pub(crate) fn seal_with_word(
        &self,
        word: u32,
        index: u64,
        last: bool,
        plain: &[u8],
        rng: &mut Seeded,
    ) -> Vec<u8> {
        let purpose = [b"DEK:".as_slice(), &(index & !0xf_ffff).to_be_bytes()].concat();
        let key = derive(&self.message_key, &self.iv, &purpose, &self.aad);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..32]).expect("32 bytes"));
        let nonce: [u8; 12] = rng.bytes();
        let mut aad = index.to_be_bytes().to_vec();
        aad.push(u8::from(last));
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
            .expect("short");
        [&word.to_be_bytes(), nonce.as_slice(), &sealed].concat()
    }
}

fn derive(key: &[u8], iv: &[u8; 32], purpose: &[u8], aad: &[u8]) -> [u8; 48] {
    let key = hmac::Key::new(hmac::HMAC_SHA384, key);
    let message = [&FLOE, iv.as_slice(), purpose, aad, &[1]].concat();
    hmac::sign(&key, &message).as_ref().try_into().expect("48 bytes")
}

/// A header and one last segment.
pub(crate) fn small(key: &[u8; 32], aad: &[u8], plain: &[u8], rng: &mut Seeded) -> Vec<u8> {
    let floe = Floe::new(key, aad, rng);
    [&floe.header, floe.seal(0, true, plain, rng).as_slice()].concat()
}

pub(crate) fn leaf(segment: &[u8]) -> [u8; 32] {
    sha256(&[&[0], segment])
}

/// The root as RFC 9162 defines it: the left side is the largest power of two below the count.
pub(crate) fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [one] => *one,
        more => {
            let left = more.len().next_power_of_two() / 2;
            sha256(&[&[1], &tree(&more[..left]), &tree(&more[left..])])
        }
    }
}

/// Padmé with a floor of 4 KiB.
pub(crate) fn padme(len: u64) -> u64 {
    let len = len.max(1);
    let e = u64::from(len.ilog2());
    let s = if e == 0 { 0 } else { u64::from(e.ilog2()) + 1 };
    let unit = 1_u64 << e.saturating_sub(s);
    (len.div_ceil(unit) * unit).max(4096)
}
