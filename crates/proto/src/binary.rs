//! Binary fields inside JSON: base64url without padding, one spelling only.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// Octets that travel as base64url without padding; `Debug` shows only their number.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct B64(pub Vec<u8>);

/// Text that is not base64url without padding in its one canonical spelling.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not base64url without padding")]
pub struct B64Error;

impl B64 {
    /// Reads the canonical text form.
    pub fn parse(text: &str) -> Result<Self, B64Error> {
        ENGINE.decode(text).map(Self).map_err(|_| B64Error)
    }

    /// The canonical text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        ENGINE.encode(&self.0)
    }
}

impl fmt::Debug for B64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B64({} bytes)", self.0.len())
    }
}

impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = B64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64url without padding")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<B64, E> {
                B64::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_as_it_went() {
        for len in 0..70_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            assert_eq!(B64::parse(&B64(bytes.clone()).to_text()).unwrap().0, bytes);
        }
    }

    #[test]
    fn padding_other_alphabets_and_loose_bits_are_refused() {
        for text in ["AA==", "+/", "A", "AB", "AA ", "AA\n"] {
            assert_eq!(B64::parse(text), Err(B64Error), "{text:?}");
        }
    }
}
