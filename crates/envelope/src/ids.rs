//! Identifiers: of files, people, roots, contents and recipients.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ParseError;
use crate::ed25519::PublicKey;
use crate::hash::sha256;

/// Writes `bytes` as lower-case hex.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Parses exactly 64 lower-case hex digits.
pub(crate) fn parse_hex(text: &str, field: &'static str) -> Result<[u8; 32], ParseError> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(ParseError::Spelling { field }),
    };
    let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| ParseError::Spelling { field })?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// Display is the one spelling; Debug, serde and parsing follow it.
macro_rules! spelled {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use spelled;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id made of these 16 bytes; any bytes are an id.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// Lower-case hyphenated UUID.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            /// Accepts the canonical spelling only: lower case, hyphenated, 36 characters.
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let bad = ParseError::Spelling { field: $field };
                let uuid = uuid::Uuid::try_parse(text).map_err(|_| bad)?;
                let mut canonical = [0; uuid::fmt::Hyphenated::LENGTH];
                if uuid.hyphenated().encode_lower(&mut canonical) != text {
                    return Err(bad);
                }
                Ok(Self(uuid.into_bytes()))
            }
        }

        spelled!($name);
    };
}

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id made of these 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// 64 lower-case hex digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            /// Accepts exactly 64 lower-case hex digits.
            fn from_str(text: &str) -> Result<Self, ParseError> {
                parse_hex(text, $field).map(Self)
            }
        }

        spelled!($name);
    };
}

uuid_id!(
    /// One file: a random UUIDv4 made by its sender and never used again.
    FileId,
    "file id"
);
uuid_id!(
    /// One person at one server.
    UserId,
    "user id"
);
uuid_id!(
    /// One event of a server's audit log: random.
    EventId,
    "event id"
);
digest_id!(
    /// One root key, which is to say one person: SHA-256 over the root's public key.
    RootId,
    "root id"
);
digest_id!(
    /// One content: suite, file, author, payload header, body length and body root.
    ContentId,
    "content id"
);
digest_id!(
    /// The recipient of a grant: a root together with one of its keys, a bare key, or a link.
    RecipientId,
    "recipient id"
);

impl RootId {
    /// The author of an anonymous file and the grantor of an anonymous grant: 32 zero bytes.
    pub const ZERO: Self = Self([0; 32]);

    /// The id of a root key: SHA-256(`"waxwing/v1/root\0"` ‖ key).
    pub fn of(key: &PublicKey) -> Self {
        Self(sha256(&[b"waxwing/v1/root\0", key.as_bytes()]))
    }

    /// Whether this is the zero id of anonymous suites.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl RecipientId {
    /// The recipient of a link grant: the 16 bytes of the link id ([`crate::LinkId`]), then 16 zeros.
    pub fn of_link(link_id: &[u8; 16]) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(link_id);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_has_one_spelling() {
        let id = FileId::from_bytes([0xab; 16]);
        let text = "abababab-abab-abab-abab-abababababab";
        assert_eq!(id.to_string(), text);
        assert_eq!(format!("{id:?}"), text);
        assert_eq!(text.parse::<FileId>(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!(" {text}"),
            format!("{text}\n"),
            String::new(),
        ] {
            assert!(other.parse::<FileId>().is_err(), "{other:?} must not parse");
        }
    }

    #[test]
    fn digest_has_one_spelling() {
        let id = RootId::from_bytes([0xc0; 32]);
        let text = "c0".repeat(32);
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse::<RootId>(), Ok(id));
        for other in [text.to_uppercase(), text[..62].to_owned(), format!("{text}00"), text.replace('c', "g")]
        {
            assert!(other.parse::<RootId>().is_err(), "{other:?} must not parse");
        }
    }
}
