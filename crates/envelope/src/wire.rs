//! A cursor over bytes that only moves forward and names what it missed.

use crate::{MAX_INTEGER, ParseError};

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], ParseError> {
        if len > self.remaining() {
            return Err(ParseError::Truncated { field });
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ParseError> {
        Ok(self.take(N, field)?.try_into().expect("take gives exactly N bytes"))
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, ParseError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ParseError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// A 64-bit number that every reader can hold: at most 2^53 − 1.
    pub(crate) fn u53(&mut self, field: &'static str) -> Result<u64, ParseError> {
        let value = u64::from_be_bytes(self.array(field)?);
        if value > MAX_INTEGER { Err(ParseError::OutOfRange { field }) } else { Ok(value) }
    }

    pub(crate) fn magic(&mut self, magic: &[u8; 8]) -> Result<(), ParseError> {
        if &self.array::<8>("magic")? == magic { Ok(()) } else { Err(ParseError::Magic) }
    }

    pub(crate) fn finish(self) -> Result<(), ParseError> {
        if self.remaining() == 0 { Ok(()) } else { Err(ParseError::TrailingBytes) }
    }
}
