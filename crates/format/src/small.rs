//! Small sealed messages: one FLOE header and exactly one final segment.

use envelope::small::{HEADER_LEN, SMALL_OVERHEAD, SMALL_PLAIN_MAX, check_small};
use zeroize::Zeroizing;

use crate::floe::{CIPHERTEXT_AT, Message, Position};
use crate::{OpenError, SealError, Secret, random};

/// Length of the sealed form of `plain_len` bytes.
pub fn sealed_len(plain_len: usize) -> usize {
    plain_len + SMALL_OVERHEAD
}

/// Seals `plain` (at most 262,112 bytes) under `key`, bound to `aad`.
///
/// A key may seal any number of messages: each has an IV of 32 random bytes.
pub fn seal_small(key: &Secret<32>, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    if plain.len() > SMALL_PLAIN_MAX {
        return Err(SealError::TooLong);
    }
    let message = Message::generate(key, aad, 1);
    let mut sealed = vec![0; sealed_len(plain.len())];
    sealed[..HEADER_LEN].copy_from_slice(message.header());
    message.seal(0, Position::Final, plain, &mut sealed[HEADER_LEN..], &random::bytes())?;
    Ok(sealed)
}

/// Opens what [`seal_small`] made; the plaintext is erased when dropped.
pub fn open_small(key: &Secret<32>, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    check_small(sealed, "small message")?;
    let (header, segment) = sealed.split_first_chunk::<HEADER_LEN>().ok_or(OpenError::NotAuthentic)?;
    let message = Message::from_header(key, aad, header, 1)?;
    let mut plain = Zeroizing::new(vec![0; segment.len() - CIPHERTEXT_AT - 16]);
    message.open(0, Position::Final, segment, &mut plain)?;
    Ok(plain)
}
