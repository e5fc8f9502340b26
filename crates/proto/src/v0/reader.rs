//! One JSON object with one long base64 field, read in pieces: the field's octets pass through, the rest is kept.
//!
//! The fields may stand in any order. What is not the long text is kept as it is, bounded, with an empty text in its
//! place, and read strictly at the end by the parser that reads every other JSON; so the two cannot disagree about what is
//! JSON. Octets that passed through count only once [`Reader::finish`] has succeeded.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

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
                let number =
                    digits.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or(JsonFault::Json)?;
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
        // A field that nobody takes is skipped by the parser, whatever its strings are made of.
        serde_json::from_slice::<AnyJson>(&self.rest).map_err(|_| JsonFault::Json)?;
        serde_json::from_slice(&self.rest).map_err(|_| JsonFault::Json)
    }
}

/// JSON of any form, read to its end and not kept: every string is text, every number is one.
struct AnyJson;

impl<'de> Deserialize<'de> for AnyJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for AnyJson {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::v0::UploadFields;
    use crate::v0::base64::encode_whole;

    type Read = Result<(Vec<u8>, UploadFields), JsonFault>;

    fn read(text: &[u8], cuts: &[usize]) -> Read {
        let (mut reader, mut octets, mut rest) = (Reader::new("ciphertext"), Vec::new(), text);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() || cuts.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            reader.push(piece, &mut octets)?;
            rest = after;
        }
        reader.push(rest, &mut octets)?;
        Ok((octets, reader.finish()?))
    }

    fn object(octets: &[u8]) -> Map<String, Value> {
        let mut object = Map::new();
        for (name, text) in
            [("filename", "a.pdf"), ("nonce", "AAAA"), ("wrapped_key", "QUJD"), ("metadata", "{}")]
        {
            object.insert(name.to_owned(), text.into());
        }
        object.insert("ciphertext".to_owned(), encode_whole(octets).into());
        object
    }

    proptest! {
        #[test]
        fn any_order_and_any_cuts_give_what_the_whole_says(
            octets in vec(any::<u8>(), 0..300),
            cuts in vec(1_usize..40, 1..20),
            order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(),
            name in "\\PC{1,20}",
            escaped in any::<bool>(),
            deep in 0_usize..20,
        ) {
            let mut object = object(&octets);
            object.insert("filename".to_owned(), name.clone().into());
            object.insert("more".to_owned(), (0..deep).fold(Value::from("\\\""), |inner, _| vec![inner].into()));
            let fields: Vec<(String, Value)> = object.into_iter().collect();
            let pairs: Vec<String> =
                order.iter().map(|n| format!("{} : {}", Value::from(fields[*n].0.as_str()), fields[*n].1)).collect();
            let mut text = format!(" {{{}}}\n", pairs.join(" ,\t"));
            if escaped {
                text = text.replace('/', "\\/").replace('+', "\\u002B");
            }
            let (read, told) = read(text.as_bytes(), &cuts).unwrap();
            prop_assert_eq!(read, octets);
            prop_assert_eq!(told.filename, name);
        }

        #[test]
        fn one_wrong_byte_is_judged_as_the_parser_of_the_whole_judges_it(
            octets in vec(any::<u8>(), 0..60),
            at in any::<prop::sample::Index>(),
            wrong in prop::sample::select(b"{}[]\":,\\ux0=A/\n\x00\xff".to_vec()),
            cuts in vec(1_usize..20, 1..5),
        ) {
            let mut text = Value::Object(object(&octets)).to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = wrong;
            let whole = serde_json::from_slice::<Value>(&text).ok().and_then(|mut value| {
                let ciphertext = value.get("ciphertext")?.as_str()?.to_owned();
                value["ciphertext"] = "".into();
                let fields: UploadFields = serde_json::from_value(value).ok()?;
                Some((crate::v0::base64::decode(&ciphertext).ok()?, fields.filename))
            });
            let read = read(&text, &cuts).ok().map(|(octets, fields)| (octets, fields.filename));
            prop_assert_eq!(read, whole);
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_also_under_another_spelling() {
        let good = Value::Object(object(b"ABC")).to_string();
        assert!(read(good.as_bytes(), &[]).is_ok());
        let with = |more: &str| read(good.replacen('{', &format!("{{{more},"), 1).as_bytes(), &[3]);
        for twice in
            [r#""ciphertext":"""#, r#""cipher\u0074ext":"QQ==""#, r#""filename":"b""#, r#""x":1,"x":2"#]
        {
            assert_eq!(with(twice).unwrap_err(), JsonFault::Twice, "{twice}");
        }
        assert!(with(r#""x":{"ciphertext":"no base64"},"y":[{"filename":7}]"#).is_ok());
    }

    #[test]
    fn what_is_no_text_is_refused_in_a_field_that_nobody_takes_too() {
        let good = Value::Object(object(b"ABC")).to_string();
        let with = |more: &[u8]| {
            let text = [b"{".as_slice(), more, b",", good.as_bytes().split_at(1).1].concat();
            read(&text, &[5])
        };
        assert!(with(br#""x":[1,-2,3.5,true,null,{"y":"\u00e9"}]"#).is_ok());
        for wrong in [b"\"x\":\"\xED\"".as_slice(), br#""x":"\ud800""#, br#""x":["\udc00"]"#, br#""x":1e999"#]
        {
            assert_eq!(with(wrong).err(), Some(JsonFault::Json), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn nesting_length_and_everything_behind_the_object_are_bounded() {
        let good = Value::Object(object(b"ABC")).to_string();
        let with = |more: &str| read(good.replacen('{', &format!("{{{more},"), 1).as_bytes(), &[7]);
        let nested = |depth: usize| format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(with(&nested(DEPTH_MAX as usize - 1)).is_ok());
        assert_eq!(with(&nested(DEPTH_MAX as usize)).unwrap_err(), JsonFault::Depth);
        assert_eq!(with(&format!("\"x\":\"{}\"", "y".repeat(REST_MAX))).unwrap_err(), JsonFault::Long);
        for wrong in [format!("{good}x"), format!("[{good}]"), good[..good.len() - 1].to_owned()] {
            assert_eq!(read(wrong.as_bytes(), &[5]).unwrap_err(), JsonFault::Json, "{wrong}");
        }
        assert!(read(format!("{good}{good}").as_bytes(), &[5]).is_err());
        assert_eq!(read(br#"["a","AAAA","","QUJD","{}"]"#, &[2]).unwrap_err(), JsonFault::Json);
        for wrong in ["QQ", "Q\\nQ==", "QUJD\\u0000", "\\u0101"] {
            let text = good.replace("QUJD\",\"filename", &format!("{wrong}\",\"filename"));
            assert!(matches!(read(text.as_bytes(), &[1]).unwrap_err(), JsonFault::Base64(_)), "{text}");
        }
    }
}
