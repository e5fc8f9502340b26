//! An e-mail address in its one spelling, as bundles carry it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::ParseError;

/// Longest address in bytes of UTF-8.
pub const MAX_LEN: usize = 254;

const BAD: ParseError = ParseError::Spelling { field: "address" };

/// An e-mail address: NFC, domain in lower case, at most 254 bytes. Debug prints no part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(String);

impl Address {
    /// Normalises and checks what a person typed; spaces around it are dropped.
    ///
    /// One `@` between a local part of at most 64 bytes and a domain of labels of letters, digits
    /// and inner hyphens. No quoted parts, comments or address literals.
    pub fn parse(typed: &str) -> Result<Self, ParseError> {
        // Bounds the work before normalisation, which may lengthen text.
        if typed.len() > 4 * MAX_LEN {
            return Err(BAD);
        }
        let composed: String = typed.trim_matches(' ').nfc().collect();
        let (local, domain) = composed.split_once('@').ok_or(BAD)?;
        let domain: String = domain.to_lowercase().nfc().collect();
        let address = format!("{local}@{domain}");
        if !is_local(local) || !is_domain(&domain) || address.len() > MAX_LEN {
            return Err(BAD);
        }
        Ok(Self(address))
    }

    /// Accepts only text that is its own normal form.
    pub fn parse_canonical(text: &str) -> Result<Self, ParseError> {
        let address = Self::parse(text)?;
        if address.0 == text { Ok(address) } else { Err(BAD) }
    }

    /// The address as text. Never log it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

impl FromStr for Address {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn is_local(local: &str) -> bool {
    local.len() <= 64
        && local.split('.').all(|atom| {
            !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        })
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    })
}
