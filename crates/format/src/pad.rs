//! Hiding exact sizes: Padmé lengths (PURBs, PETS 2019) with a floor of 4 KiB, filled with zeros.

use std::io::{self, Read};

use crate::OpenError;

/// Shortest padded length in bytes.
pub const FLOOR: u64 = 4096;

/// The padded length of `stored` bytes: at most about 12 % more, and never less than 4 KiB.
///
/// Defined for the sizes of the format (up to 2^44); larger values are returned as they are when
/// the result would not fit in 64 bits.
pub fn padme(stored: u64) -> u64 {
    let len = stored.max(1);
    let exponent = len.ilog2();
    let kept = u32::BITS - exponent.leading_zeros();
    let unit = 1_u64 << (exponent - kept);
    len.checked_next_multiple_of(unit).unwrap_or(len).max(FLOOR)
}

/// The stored bytes in `plain`, which begins at `offset` of the padded plaintext: what is before
/// `stored_size`. Everything behind must be zero.
pub fn strip(stored_size: u64, offset: u64, plain: &[u8]) -> Result<&[u8], OpenError> {
    let stored = usize::try_from(stored_size.saturating_sub(offset)).unwrap_or(usize::MAX).min(plain.len());
    let (stored, padding) = plain.split_at(stored);
    if padding.iter().all(|byte| *byte == 0) { Ok(stored) } else { Err(OpenError::NotAuthentic) }
}

/// Reads `R` to its end, then zeros up to the Padmé length of what came.
#[derive(Debug)]
pub struct Padded<R> {
    source: R,
    stored: u64,
    zeros_left: Option<u64>,
}

impl<R: Read> Padded<R> {
    /// Pads what `source` gives.
    pub fn new(source: R) -> Self {
        Self { source, stored: 0, zeros_left: None }
    }

    /// Bytes that came from the source so far; the stored size once the end was reached.
    pub fn stored_size(&self) -> u64 {
        self.stored
    }

    /// The source, for what it knows at the end.
    pub fn source(&self) -> &R {
        &self.source
    }
}

impl<R: Read> Read for Padded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = match self.zeros_left {
            Some(left) => left,
            None => {
                let read = self.source.read(buffer)?;
                self.stored += read as u64;
                if read > 0 {
                    return Ok(read);
                }
                padme(self.stored) - self.stored
            }
        };
        let zeros = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        buffer[..zeros].fill(0);
        self.zeros_left = Some(left - zeros as u64);
        Ok(zeros)
    }
}
