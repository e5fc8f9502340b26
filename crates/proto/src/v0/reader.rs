//! One JSON object with one long base64 field, read in pieces: the field's octets pass through, the rest is kept.
//!
//! The fields may stand in any order. What is not the long text is kept as it is, bounded, with an empty text in its
//! place, and read strictly at the end by the parser that reads every other JSON; so the two cannot disagree about what is
//! JSON. Octets that passed through count only once [`Reader::finish`] has succeeded.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};

use super::base64::{BadBase64, Decoder};

/// Longest object without its long text, in bytes.
pub const REST_MAX: usize = 1 << 20;
/// Deepest nesting.
pub const DEPTH_MAX: u32 = 32;

/// Why an object is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// Not JSON, or a field is missing or of another type.
    #[error("not the JSON object that is taken here")]
    Json,
    /// A field stands twice.
    #[error("a field stands twice")]
    Twice,
    /// The long text is not base64.
    #[error(transparent)]
    Base64(#[from] BadBase64),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested too deeply")]
    Depth,
    /// What is beside the long text is longer than [`REST_MAX`].
    #[error("the fields beside the long one are too long")]
    Long,
}

/// Stands where the long text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed;

impl<'de> Deserialize<'de> for Streamed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Only the reader leaves an empty text; a number, a list or null stands here as it came.
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(Self),
            _ => Err(D::Error::custom("a text in another place")),
        }
    }
}

/// Where the reader stands.
#[derive(Debug)]
enum Place {
    /// Outside of every text.
    Between,
    /// In a name of a field of the object, which began there in `rest`.
    Name { from: usize, escaped: bool },
    /// In a text that is kept.
    Text { escaped: bool },
    /// In the long text.
    Long(Decoder),
    /// In an escape of the long text; what has been read of it.
    Escape(Decoder, Vec<u8>),
}

/// Reads one object. See the module.
#[derive(Debug)]
pub struct Reader {
    field: &'static str,
    place: Place,
    rest: Vec<u8>,
    depth: u32,
    /// The outermost thing is an object.
    is_object: bool,
    names: HashSet<String>,
    /// The object's next text is the name of a field.
    expects_name: bool,
    /// The object's next text is the long one.
    expects_long: bool,
    /// The last name was that of the long field, and its colon is still to come.
    named_long: bool,
}

impl Reader {
    /// A reader of objects whose field `field` is long.
    #[must_use]
    pub fn new(field: &'static str) -> Self {
        Self {
            field,
            place: Place::Between,
            rest: Vec::new(),
            depth: 0,
            is_object: false,
            names: HashSet::new(),
            expects_name: false,
            expects_long: false,
            named_long: false,
        }
    }

    /// Takes the next piece and appends the octets of the long text in it to `out`, at most as many as the piece has.
    ///
    /// # Errors
    /// [`JsonFault`]; the reader is then of no more use, and what passed through before does not count.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), JsonFault> {
        while let Some((&first, after)) = piece.split_first() {
            piece = match std::mem::replace(&mut self.place, Place::Between) {
                Place::Between => {
                    self.between(first)?;
                    after
                }
                Place::Name { from, escaped } => {
                    self.keep(first)?;
                    self.place = match (first, escaped) {
                        (b'"', false) => {
                            self.name(from)?;
                            Place::Between
                        }
                        (first, escaped) => Place::Name { from, escaped: first == b'\\' && !escaped },
                    };
                    after
                }
                Place::Text { escaped } => {
                    self.keep(first)?;
                    self.place = match (first, escaped) {
                        (b'"', false) => Place::Between,
                        (first, escaped) => Place::Text { escaped: first == b'\\' && !escaped },
                    };
                    after
                }
                Place::Long(decoder) => self.long(decoder, piece, out)?,
                Place::Escape(decoder, read) => {
                    self.escape(decoder, read, first, out)?;
                    after
                }
            };
        }
        Ok(())
    }

    fn keep(&mut self, byte: u8) -> Result<(), JsonFault> {
        if self.rest.len() >= REST_MAX {
            return Err(JsonFault::Long);
        }
        self.rest.push(byte);
        Ok(())
    }

    fn between(&mut self, byte: u8) -> Result<(), JsonFault> {
        let from = self.rest.len();
        self.keep(byte)?;
        match byte {
            b'"' if self.depth == 1 && self.expects_name => {
                self.expects_name = false;
                self.place = Place::Name { from, escaped: false };
            }
            b'"' if self.depth == 1 && self.expects_long => {
                self.expects_long = false;
                self.place = Place::Long(Decoder::default());
            }
            b'"' => self.place = Place::Text { escaped: false },
            b'{' | b'[' => {
                if self.depth >= DEPTH_MAX {
                    return Err(JsonFault::Depth);
                }
                self.depth += 1;
                if self.depth == 1 {
                    self.is_object = byte == b'{';
                }
                self.expects_name = self.depth == 1 && self.is_object;
                self.expects_long = false;
            }
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1).ok_or(JsonFault::Json)?;
                self.expects_name = false;
            }
            b',' if self.depth == 1 => {
                self.expects_name = self.is_object;
                (self.named_long, self.expects_long) = (false, false);
            }
            b':' if self.depth == 1 => self.expects_long = std::mem::take(&mut self.named_long),
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, from: usize) -> Result<(), JsonFault> {
        let name: String = serde_json::from_slice(&self.rest[from..]).map_err(|_| JsonFault::Json)?;
        self.named_long = name == self.field;
        if self.names.insert(name) { Ok(()) } else { Err(JsonFault::Twice) }
    }

    /// As much of the long text as stands in the piece; gives what comes after.
    fn long<'a>(
        &mut self,
        mut decoder: Decoder,
        piece: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], JsonFault> {
        let Some(at) = memchr::memchr2(b'"', b'\\', piece) else {
            decoder.push(piece, out)?;
            self.place = Place::Long(decoder);
            return Ok(&[]);
        };
        decoder.push(&piece[..at], out)?;
        if piece[at] == b'"' {
            decoder.finish()?;
            self.keep(b'"')?;
        } else {
            self.place = Place::Escape(decoder, Vec::with_capacity(5));
        }
        Ok(&piece[at + 1..])
    }

    /// Some writers escape the slash, and any character may be written by its number.
    fn escape(
        &mut self,
        mut decoder: Decoder,
        mut read: Vec<u8>,
        byte: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonFault> {
        read.push(byte);
        let character = match read.as_slice() {
            b"/" => b'/',
            [b'u', digits @ ..] if digits.len() < 4 => {
                self.place = Place::Escape(decoder, read);
                return Ok(());
            }
            [b'u', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok().filter(|text| !text.contains('+'));
                let number = digits.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or(JsonFault::Json)?;
                u8::try_from(number).map_err(|_| BadBase64)?
            }
            _ => return Err(BadBase64.into()),
        };
        decoder.push(&[character], out)?;
        self.place = Place::Long(decoder);
        Ok(())
    }

    /// The object is over: its fields, read strictly.
    ///
    /// # Errors
    /// [`JsonFault::Json`].
    pub fn finish<T: DeserializeOwned>(self) -> Result<T, JsonFault> {
        // The parser would take a list for the fields in their order.
        if !self.is_object {
            return Err(JsonFault::Json);
        }
        serde_json::from_slice(&self.rest).map_err(|_| JsonFault::Json)
    }
}
