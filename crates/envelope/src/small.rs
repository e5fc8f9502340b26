//! The outside of a small sealed message: one FLOE header and exactly one final segment.

use crate::ParseError;
use crate::segment::{SEGMENT_LEN, SEGMENT_OVERHEAD, SEGMENT_PLAIN, check_framing};

/// Bytes of a FLOE header: parameters 10, IV 32, tag 32.
pub const HEADER_LEN: usize = 74;
/// Bytes around the plaintext of a small message.
pub const SMALL_OVERHEAD: usize = HEADER_LEN + SEGMENT_OVERHEAD;
/// Longest plaintext of a small message.
pub const SMALL_PLAIN_MAX: usize = SEGMENT_PLAIN;
/// The only parameters of the format: AES-256-GCM and HKDF-SHA-384, segments of 2^18, IV of 32.
pub const PARAMETERS: [u8; 10] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0x20];

/// Checks that a FLOE header carries the format's parameters.
pub fn check_header(header: &[u8; HEADER_LEN]) -> Result<(), ParseError> {
    if header.starts_with(&PARAMETERS) {
        Ok(())
    } else {
        Err(ParseError::UnknownCode { field: "sealing parameters" })
    }
}

/// Checks that `sealed` is shaped as a small message, without any key.
pub fn check_small(sealed: &[u8], field: &'static str) -> Result<(), ParseError> {
    if !(SMALL_OVERHEAD..=HEADER_LEN + SEGMENT_LEN).contains(&sealed.len()) {
        return Err(ParseError::OutOfRange { field });
    }
    if !sealed.starts_with(&PARAMETERS) {
        return Err(ParseError::UnknownCode { field });
    }
    check_framing(&sealed[HEADER_LEN..], true).map_err(|_| ParseError::OutOfRange { field })
}
