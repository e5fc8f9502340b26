//! Uploads of the documented API: the reader of pieces takes exactly what a strict parser of the whole takes.

use std::collections::HashSet;
use std::fmt;

use proto::v0::base64::{Decoder, Encoder, decode, encode_whole};
use proto::v0::{CIPHERTEXT, DEPTH_MAX, Reader, UploadFields};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The first byte says how the rest, a body, is cut.
pub fn v0_upload(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else { return };
    let expected = whole(body);
    let step = usize::from(*cut) + 1;
    for step in [step, body.len().max(1)] {
        let read = in_pieces(body, step);
        // Deeper nesting than here is refused by the one earlier than by the other.
        if read.is_none() && depth(body) > DEPTH_MAX {
            continue;
        }
        assert_eq!(read.is_some(), expected.is_some(), "cut by {step}");
        if let (Some((octets, name)), Some((all, told))) = (read, &expected) {
            assert!(octets == *all && name == *told, "cut by {step}");
        }
    }
}

/// The same octets have one text, however they are cut, and only that text is read.
pub fn v0_base64(data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else { return };
    let step = usize::from(*cut) + 1;
    let mut text = Vec::new();
    let mut encoder = Encoder::default();
    rest.chunks(step).for_each(|piece| encoder.push(piece, &mut text));
    encoder.finish(&mut text);
    assert_eq!(text, encode_whole(rest).into_bytes());
    let (mut decoder, mut octets) = (Decoder::default(), Vec::new());
    let fed = rest.chunks(step).try_for_each(|piece| decoder.push(piece, &mut octets));
    let read = fed.and_then(|()| decoder.finish()).is_ok();
    let whole = std::str::from_utf8(rest).ok().and_then(|text| decode(text).ok());
    assert_eq!(read.then_some(octets), whole);
}

fn in_pieces(body: &[u8], step: usize) -> Option<(Vec<u8>, String)> {
    let (mut reader, mut octets) = (Reader::new(CIPHERTEXT), Vec::new());
    for piece in body.chunks(step) {
        reader.push(piece, &mut octets).ok()?;
    }
    let fields: UploadFields = reader.finish().ok()?;
    Some((octets, fields.filename))
}

/// What a parser of the whole gives: every name once, the fields of the right types, the ciphertext base64.
fn whole(body: &[u8]) -> Option<(Vec<u8>, String)> {
    serde_json::from_slice::<NamesOnce>(body).ok()?;
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let octets = decode(value.get(CIPHERTEXT)?.as_str()?).ok()?;
    value[CIPHERTEXT] = "".into();
    // Not by way of the value: whole numbers written as 1e2 are one thing there and another in the text.
    let fields: Loose = serde_json::from_slice(body).ok()?;
    Some((octets, fields.filename))
}

/// The fields as they are in the text, the ciphertext among them.
#[derive(serde::Deserialize)]
struct Loose {
    filename: String,
    #[serde(rename = "nonce")]
    _nonce: String,
    #[serde(rename = "ciphertext")]
    _ciphertext: String,
    #[serde(rename = "wrapped_key")]
    _wrapped_key: String,
    #[serde(rename = "metadata")]
    _metadata: String,
    #[serde(rename = "expires_hours", default)]
    _expires_hours: Option<u64>,
    #[serde(rename = "allowed_users", default)]
    _allowed_users: Option<Vec<String>>,
}

/// An object no name of which stands twice.
struct NamesOnce;

impl<'de> Deserialize<'de> for NamesOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = NamesOnce;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamesOnce, A::Error> {
                let mut names = HashSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    if !names.insert(name) {
                        return Err(serde::de::Error::custom("twice"));
                    }
                }
                Ok(NamesOnce)
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The deepest nesting, if every bracket were one.
fn depth(body: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0);
    for byte in body {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
