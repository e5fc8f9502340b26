//! The code points of a file's suite and of a grant's wrap.

use crate::ParseError;

/// Who vouches for a file or a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Suite {
    /// Signed by its author with Ed25519 (0x0001).
    Signed = 1,
    /// Anonymous: no signature, author zero (0x0003). Every interface says so.
    Anonymous = 3,
}

impl Suite {
    /// The two bytes of the suite, as they stand in layouts and associated data.
    pub fn to_bytes(self) -> [u8; 2] {
        (self as u16).to_be_bytes()
    }

    /// Parses a code point; anything but 1 and 3 is unknown.
    pub fn from_code(code: u16) -> Result<Self, ParseError> {
        match code {
            1 => Ok(Self::Signed),
            3 => Ok(Self::Anonymous),
            _ => Err(ParseError::UnknownCode { field: "suite" }),
        }
    }
}

/// How a grant carries the file key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Wrap {
    /// RSA-OAEP to a 2048, 3072 or 4096 bit key (1).
    RsaOaep = 1,
    /// HPKE with X-Wing (2).
    XWing = 2,
    /// A link's secret (3).
    Link = 3,
}

impl Wrap {
    /// The two bytes of the wrap, as they stand in layouts and hashes.
    pub fn to_bytes(self) -> [u8; 2] {
        (self as u16).to_be_bytes()
    }

    /// Parses a code point; anything but 1, 2 and 3 is unknown.
    pub fn from_code(code: u16) -> Result<Self, ParseError> {
        match code {
            1 => Ok(Self::RsaOaep),
            2 => Ok(Self::XWing),
            3 => Ok(Self::Link),
            _ => Err(ParseError::UnknownCode { field: "wrap" }),
        }
    }

    /// Whether an encapsulated key of `encapsulated` bytes and a wrapped key of `wrapped`
    /// bytes are the sizes of this wrap.
    pub fn sizes_are_legal(self, encapsulated: usize, wrapped: usize) -> bool {
        match self {
            Self::RsaOaep => encapsulated == 0 && matches!(wrapped, 256 | 384 | 512),
            Self::XWing => encapsulated == 1120 && wrapped == 48,
            Self::Link => encapsulated == 0 && wrapped == 138,
        }
    }
}
