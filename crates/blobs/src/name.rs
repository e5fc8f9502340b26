//! The random name of a blob.

use std::fmt;
use std::str::FromStr;

/// The name of a blob: 16 random octets, written as 32 lower-case hex digits. Says nothing about its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName([u8; 16]);

impl BlobName {
    /// A fresh name (122 random bits, so that names never meet by chance).
    pub fn generate() -> Self {
        Self(uuid::Uuid::new_v4().into_bytes())
    }

    /// A name of given octets.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not the name of a blob: not exactly 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blob name is 32 lower-case hex digits")]
pub struct BadBlobName;

impl FromStr for BlobName {
    type Err = BadBlobName;

    fn from_str(text: &str) -> Result<Self, BadBlobName> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(BadBlobName),
        };
        if text.len() != 32 {
            return Err(BadBlobName);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_text() {
        let name = BlobName::generate();
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_ne!(name, BlobName::generate());
    }

    #[test]
    fn only_one_spelling_is_a_name() {
        let good = "00ff00ff00ff00ff00ff00ff00ff00ff";
        assert!(good.parse::<BlobName>().is_ok());
        let upper = good.to_uppercase();
        for bad in [
            "",
            &good[1..],
            &format!("{good}0"),
            &upper,
            "../../../../../../../../../../xx",
            "é0ff00ff00ff00ff00ff00ff00ff00ff",
        ] {
            assert_eq!(bad.parse::<BlobName>(), Err(BadBlobName), "{bad}");
        }
    }
}
