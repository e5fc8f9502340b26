//! Deterministic CBOR (RFC 8949 section 4.2.1), only the kinds that the format uses.
//!
//! The reader accepts exactly what the writer writes: shortest forms, definite lengths, map keys
//! that are small unsigned integers in ascending order.

use envelope::{MAX_INTEGER, ParseError};

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// Writes values one after the other into bytes that are erased by their owner.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// A writer with room, so that secrets are not left behind by growing.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.head(UINT, value);
    }

    pub(crate) fn int(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(UINT, value),
            Err(_) => self.head(NEGATIVE, !value.cast_unsigned()),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn array(&mut self, len: usize) {
        self.head(ARRAY, len as u64);
    }

    pub(crate) fn map(&mut self, len: usize) {
        self.head(MAP, len as u64);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let be = value.to_be_bytes();
        match value {
            0..=23 => self.0.push(major | be[7]),
            24..=0xff => self.0.extend_from_slice(&[major | 24, be[7]]),
            0x100..=0xffff => {
                self.0.push(major | 25);
                self.0.extend_from_slice(&be[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(major | 26);
                self.0.extend_from_slice(&be[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&be);
            }
        }
    }
}

/// Reads values one after the other.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

const BAD: ParseError = ParseError::Spelling { field: "cbor" };

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, ParseError> {
        match self.head()? {
            (UINT, value) if value <= MAX_INTEGER => Ok(value),
            _ => Err(BAD),
        }
    }

    /// An integer strictly between −2^53 and 2^53.
    pub(crate) fn int(&mut self) -> Result<i64, ParseError> {
        let (major, value) = self.head()?;
        let value = i64::try_from(value).map_err(|_| BAD)?;
        let value = match major {
            UINT => value,
            NEGATIVE => -1 - value,
            _ => return Err(BAD),
        };
        if value.unsigned_abs() <= MAX_INTEGER { Ok(value) } else { Err(BAD) }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], ParseError> {
        match self.head()? {
            (BYTES, len) => self.take(len),
            _ => Err(BAD),
        }
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, ParseError> {
        match self.head()? {
            (TEXT, len) => std::str::from_utf8(self.take(len)?).map_err(|_| BAD),
            _ => Err(BAD),
        }
    }

    /// The number of items that follow; at most as many as bytes are left.
    pub(crate) fn array(&mut self) -> Result<usize, ParseError> {
        match self.head()? {
            (ARRAY, len) => self.bounded(len),
            _ => Err(BAD),
        }
    }

    /// Reads a map with unsigned keys: `entry` reads the value of each key, or refuses the key.
    pub(crate) fn map(
        &mut self,
        mut entry: impl FnMut(u64, &mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        let len = match self.head()? {
            (MAP, len) => self.bounded(len)?,
            _ => return Err(BAD),
        };
        let mut previous = None;
        for _ in 0..len {
            let key = self.uint()?;
            if previous.is_some_and(|previous| previous >= key) {
                return Err(BAD);
            }
            previous = Some(key);
            entry(key, self)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), ParseError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(ParseError::TrailingBytes) }
    }

    fn head(&mut self) -> Result<(u8, u64), ParseError> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let (value, smallest) = match info {
            0..=23 => (u64::from(info), 0),
            24 => (self.big_endian(1)?, 24),
            25 => (self.big_endian(2)?, 0x100),
            26 => (self.big_endian(4)?, 0x1_0000),
            27 => (self.big_endian(8)?, 0x1_0000_0000),
            _ => return Err(BAD),
        };
        if value < smallest { Err(BAD) } else { Ok((major, value)) }
    }

    fn big_endian(&mut self, len: u64) -> Result<u64, ParseError> {
        Ok(self.take(len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], ParseError> {
        let len = self.bounded(len)?;
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        Ok(taken)
    }

    /// A count or length, which cannot exceed the bytes that are left.
    fn bounded(&self, len: u64) -> Result<usize, ParseError> {
        usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.bytes.len())
            .ok_or(ParseError::Truncated { field: "cbor" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_survive_in_their_shortest_form(value in -(1_i64 << 53) + 1..1 << 53) {
            let mut writer = Writer::default();
            writer.int(value);
            let bytes = writer.finish();
            let magnitude = if value < 0 { -1 - value } else { value };
            let expected = match magnitude {
                0..24 => 1,
                24..0x100 => 2,
                0x100..0x1_0000 => 3,
                0x1_0000..0x1_0000_0000 => 5,
                _ => 9,
            };
            prop_assert_eq!(bytes.len(), expected);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.int(), Ok(value));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn vectors_of_the_rfc_are_written_as_printed_there() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
            (-1, &[0x20]),
            (-100, &[0x38, 0x63]),
            (-1000, &[0x39, 0x03, 0xe7]),
        ] {
            let mut writer = Writer::default();
            writer.int(value);
            assert_eq!(writer.finish(), bytes, "{value}");
        }
    }

    #[test]
    fn integers_end_where_doubles_stop_counting() {
        let written = |major, value| {
            let mut writer = Writer::default();
            writer.head(major, value);
            writer.finish()
        };
        let greatest = i64::try_from(MAX_INTEGER).unwrap();
        assert_eq!(Reader::new(&written(UINT, MAX_INTEGER)).uint(), Ok(MAX_INTEGER));
        assert_eq!(Reader::new(&written(UINT, MAX_INTEGER)).int(), Ok(greatest));
        assert_eq!(Reader::new(&written(NEGATIVE, MAX_INTEGER - 1)).int(), Ok(-greatest));
        assert_eq!(Reader::new(&written(UINT, MAX_INTEGER + 1)).uint(), Err(BAD));
        assert_eq!(Reader::new(&written(UINT, MAX_INTEGER + 1)).int(), Err(BAD));
        assert_eq!(Reader::new(&written(NEGATIVE, MAX_INTEGER)).int(), Err(BAD));
    }

    #[test]
    fn lengths_beyond_the_input_are_refused_before_anything_is_reserved() {
        for bytes in
            [&b"\x5b\x00\x1f\xff\xff\xff\xff\xff\xff"[..], b"\x9a\xff\xff\xff\xff", b"\xba\xff\xff\xff\xff"]
        {
            assert!(Reader::new(bytes).bytes().is_err());
            assert!(Reader::new(bytes).array().is_err());
            assert!(Reader::new(bytes).map(|_, _| Ok(())).is_err());
        }
    }
}
