//! FLOE over AES-256-GCM and HKDF-Expand-SHA-384, in the one profile of the format.
//!
//! After c2sp.org/FLOE and ePrint 2025/2275: a message has a 74-byte header (parameters, IV,
//! tag), a message key, and a data key for every 2^20 segments. A segment is its length word,
//! a random IV of 12 bytes, ciphertext, and a tag of 16 bytes.

use std::sync::OnceLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use envelope::segment::{MAX_SEGMENTS, SEGMENT_OVERHEAD, SEGMENT_PLAIN, check_framing};
use envelope::small::{HEADER_LEN, PARAMETERS, check_header};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{OpenError, SealError, Secret, random};

/// Bytes before the ciphertext of a segment: length word and IV.
pub(crate) const CIPHERTEXT_AT: usize = 16;
/// Bytes of a segment's IV.
pub(crate) const IV_LEN: usize = 12;
const IV_AT: usize = 4;
const TAG_LEN: usize = 16;
/// Segments that share one data key: 2^20.
const EPOCH_BITS: u32 = 20;

/// Where a segment stands: is it the last?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Any segment but the last; it is full.
    Inner,
    /// The last segment.
    Final,
}

/// One FLOE message, ready to seal or open any of its segments from any thread.
pub(crate) struct Message {
    header: [u8; HEADER_LEN],
    message_key: Secret<48>,
    aad: Box<[u8]>,
    /// One data key for each run of 2^20 segments, made when first needed.
    data_keys: Box<[OnceLock<LessSafeKey>]>,
}

impl Message {
    /// Begins a message of at most `max_segments` under `key`.
    pub(crate) fn generate(key: &Secret<32>, aad: &[u8], max_segments: u64) -> Self {
        let iv: [u8; 32] = random::bytes();
        let tag = expand::<32>(key.expose_secret(), &iv, &[b"HEADER_TAG:", aad]);
        let mut header = [0; HEADER_LEN];
        header[..10].copy_from_slice(&PARAMETERS);
        header[10..42].copy_from_slice(&iv);
        header[42..].copy_from_slice(tag.expose_secret());
        Self::with_checked_header(key, aad, header, max_segments)
    }

    /// Takes up a message whose header exists already; its tag is checked first.
    pub(crate) fn from_header(
        key: &Secret<32>,
        aad: &[u8],
        header: &[u8; HEADER_LEN],
        max_segments: u64,
    ) -> Result<Self, OpenError> {
        check_header(header)?;
        let iv = header[10..42].try_into().expect("32 bytes");
        let tag = expand::<32>(key.expose_secret(), iv, &[b"HEADER_TAG:", aad]);
        if !bool::from(tag.expose_secret().ct_eq(&header[42..])) {
            return Err(OpenError::NotAuthentic);
        }
        Ok(Self::with_checked_header(key, aad, *header, max_segments))
    }

    fn with_checked_header(
        key: &Secret<32>,
        aad: &[u8],
        header: [u8; HEADER_LEN],
        max_segments: u64,
    ) -> Self {
        let iv = header[10..42].try_into().expect("32 bytes");
        let message_key = expand::<48>(key.expose_secret(), iv, &[b"MESSAGE_KEY:", aad]);
        let epochs = max_segments.min(MAX_SEGMENTS).div_ceil(1 << EPOCH_BITS).max(1);
        let data_keys = (0..epochs).map(|_| OnceLock::new()).collect();
        Self { header, message_key, aad: aad.into(), data_keys }
    }

    pub(crate) fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// Seals the plaintext that stands at offset 16 of `segment`, which is as long as the sealed
    /// segment. The IV becomes part of the segment.
    pub(crate) fn seal_in_place(
        &self,
        index: u64,
        position: Position,
        segment: &mut [u8],
        iv: &[u8; IV_LEN],
    ) -> Result<(), SealError> {
        check_shape(index, position, segment.len())?;
        let key = self.data_key(index).ok_or(SealError::SegmentShape)?;
        let (prefix, rest) = segment.split_at_mut(CIPHERTEXT_AT);
        let (text, tag_out) = rest.split_at_mut(rest.len() - TAG_LEN);
        let nonce = Nonce::assume_unique_for_key(*iv);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(segment_aad(index, position)), text)
            .expect("a segment is far below the limit of AES-GCM");
        tag_out.copy_from_slice(tag.as_ref());
        write_prefix(prefix, position, CIPHERTEXT_AT + text.len() + TAG_LEN, iv);
        Ok(())
    }

    /// Seals `plain` into `out`, which is exactly 32 bytes longer, without copying it first.
    pub(crate) fn seal(
        &self,
        index: u64,
        position: Position,
        plain: &[u8],
        out: &mut [u8],
        iv: &[u8; IV_LEN],
    ) -> Result<(), SealError> {
        if out.len() != plain.len() + SEGMENT_OVERHEAD {
            return Err(SealError::SegmentShape);
        }
        check_shape(index, position, out.len())?;
        let key = self.data_key(index).ok_or(SealError::SegmentShape)?;
        write_prefix(&mut out[..CIPHERTEXT_AT], position, plain.len() + SEGMENT_OVERHEAD, iv);
        let (text, tag) = out[CIPHERTEXT_AT..].split_at_mut(plain.len());
        let nonce = Nonce::assume_unique_for_key(*iv);
        key.seal_out_of_place_scatter(nonce, Aad::from(segment_aad(index, position)), plain, text, &[], tag)
            .expect("a segment is far below the limit of AES-GCM");
        Ok(())
    }

    /// Opens a sealed segment in place; the plaintext then stands at offset 16.
    pub(crate) fn open_in_place<'s>(
        &self,
        index: u64,
        position: Position,
        segment: &'s mut [u8],
    ) -> Result<&'s mut [u8], OpenError> {
        let (key, nonce) = self.prepare_open(index, position, segment)?;
        let plain_len = segment.len() - SEGMENT_OVERHEAD;
        let (text, tag) = segment[CIPHERTEXT_AT..].split_at_mut(plain_len);
        if key.open_in_place_separate_tag(nonce, Aad::from(segment_aad(index, position)), tag, text).is_err()
        {
            text.zeroize();
            return Err(OpenError::NotAuthentic);
        }
        Ok(text)
    }

    /// Opens a sealed segment into `out`, which is exactly 32 bytes shorter.
    pub(crate) fn open(
        &self,
        index: u64,
        position: Position,
        segment: &[u8],
        out: &mut [u8],
    ) -> Result<(), OpenError> {
        let (key, nonce) = self.prepare_open(index, position, segment)?;
        if out.len() + SEGMENT_OVERHEAD != segment.len() {
            return Err(OpenError::NotAuthentic);
        }
        let (text, tag) = segment[CIPHERTEXT_AT..].split_at(out.len());
        key.open_separate_gather(nonce, Aad::from(segment_aad(index, position)), text, tag, out).map_err(
            |_| {
                out.zeroize();
                OpenError::NotAuthentic
            },
        )
    }

    fn prepare_open(
        &self,
        index: u64,
        position: Position,
        segment: &[u8],
    ) -> Result<(&LessSafeKey, Nonce), OpenError> {
        check_framing(segment, position == Position::Final).map_err(|_| OpenError::NotAuthentic)?;
        check_shape(index, position, segment.len()).map_err(|_| OpenError::NotAuthentic)?;
        let key = self.data_key(index).ok_or(OpenError::NotAuthentic)?;
        let iv: [u8; IV_LEN] = segment[IV_AT..CIPHERTEXT_AT].try_into().expect("12 bytes");
        Ok((key, Nonce::assume_unique_for_key(iv)))
    }

    /// The data key of a segment; `None` past the message's longest length.
    fn data_key(&self, index: u64) -> Option<&LessSafeKey> {
        let epoch = index >> EPOCH_BITS;
        let slot = self.data_keys.get(usize::try_from(epoch).ok()?)?;
        Some(slot.get_or_init(|| {
            let iv = self.header[10..42].try_into().expect("32 bytes");
            let masked = (epoch << EPOCH_BITS).to_be_bytes();
            let key = expand::<32>(self.message_key.expose_secret(), iv, &[b"DEK:", &masked, &self.aad]);
            let key =
                UnboundKey::new(&AES_256_GCM, key.expose_secret()).expect("32 bytes are an AES-256 key");
            LessSafeKey::new(key)
        }))
    }
}

/// One block of HKDF-Expand-SHA-384 over the parameters, the message's IV and `info`.
fn expand<const N: usize>(key: &[u8], iv: &[u8; 32], info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 48) };
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA384, key));
    context.update(&PARAMETERS);
    context.update(iv);
    for part in info {
        context.update(part);
    }
    context.update(&[1]);
    let block = context.sign();
    Secret::fill_with(|out| out.copy_from_slice(&block.as_ref()[..N]))
}

fn segment_aad(index: u64, position: Position) -> [u8; 9] {
    let mut aad = [0; 9];
    aad[..8].copy_from_slice(&index.to_be_bytes());
    aad[8] = u8::from(position == Position::Final);
    aad
}

/// A segment that is not the last is full; the last is empty only if it is the only one.
fn check_shape(index: u64, position: Position, sealed_len: usize) -> Result<(), SealError> {
    let plain_len = sealed_len.checked_sub(SEGMENT_OVERHEAD).ok_or(SealError::SegmentShape)?;
    let fits = match position {
        Position::Inner => plain_len == SEGMENT_PLAIN,
        Position::Final => plain_len <= SEGMENT_PLAIN && (plain_len > 0 || index == 0),
    };
    if fits && index < MAX_SEGMENTS { Ok(()) } else { Err(SealError::SegmentShape) }
}

fn write_prefix(prefix: &mut [u8], position: Position, sealed_len: usize, iv: &[u8; IV_LEN]) {
    let word = match position {
        Position::Inner => u32::MAX,
        Position::Final => u32::try_from(sealed_len).expect("a segment is at most 2^18 bytes"),
    };
    prefix[..IV_AT].copy_from_slice(&word.to_be_bytes());
    prefix[IV_AT..].copy_from_slice(iv);
}
