//! Where the parts of a file are on IPFS.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RecipientId;

/// Longest text of a CID, bytes: version 1 in base32, of a hash of at most 64 bytes.
const TEXT_MAX: usize = 128;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `GET /files/{id}/cids?from=N`: part numbers from `from` on, and a key as in [`crate::FileQuery`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CidsQuery {
    /// The first part to be told; absent: 0.
    #[serde(default)]
    pub from: u32,
    /// The recipient id of a bare key, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<RecipientId>,
}

/// Its reply: at most [`crate::limits::CIDS_MAX`] parts in order. None at all: the server has no node of IPFS.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct PartCids {
    /// The parts.
    pub parts: Vec<PartCid>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// One part.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PartCid {
    /// Number, from 0.
    pub n: u32,
    /// Bytes.
    pub length: u64,
    /// What [`Cid::parse`] reads; absent: the part is not on IPFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
}

/// A CID of version 1 in its one spelling in base32. It says what bytes are asked for; that they are those of a file, only the
/// file's own leaves say.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cid(String);

/// A text that is no such CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a CID of version 1 in base32")]
pub struct NoCid;

impl Cid {
    /// Reads the one spelling: letters, bits and lengths.
    ///
    /// # Errors
    /// [`NoCid`] for everything else.
    pub fn parse(text: &str) -> Result<Self, NoCid> {
        let digits = text.strip_prefix('b').filter(|_| text.len() <= TEXT_MAX).ok_or(NoCid)?;
        let bytes = from_base32(digits).ok_or(NoCid)?;
        let (version, rest) = varint(&bytes).ok_or(NoCid)?;
        let (_codec, rest) = varint(rest).ok_or(NoCid)?;
        let (_hash, rest) = varint(rest).ok_or(NoCid)?;
        let (len, digest) = varint(rest).ok_or(NoCid)?;
        let fits = version == 1 && (20..=64).contains(&len) && digest.len() == len as usize;
        if fits { Ok(Self(text.to_owned())) } else { Err(NoCid) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `None` also for loose bits at the end: they would be a second spelling.
fn from_base32(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() * 5 / 8);
    let (mut bits, mut held) = (0_u16, 0_u8);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits = bits << 5 | u16::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_be_bytes()[1]);
            bits &= (1 << held) - 1;
        }
    }
    (held < 5 && bits == 0).then_some(bytes)
}

/// An unsigned number of at most four groups of seven bits, in its shortest form, and what follows.
fn varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let shortest = n == 0 || *byte != 0;
            return shortest.then(|| (number, &bytes[n + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // The empty file, as every implementation spells it, and one of several blocks.
    const EMPTY: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const SEVERAL: &str = "bafybeig3tekvo6icfwhptbbtr5vlcn77vkjfsz4t2zpb7prqrhqgwrtwei";

    #[test]
    fn cids_of_version_1_are_read_as_they_are_written() {
        for text in [EMPTY, SEVERAL] {
            assert_eq!(Cid::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_cid_is_refused() {
        let (start, loose) = (&EMPTY[..58], format!("{}v", &EMPTY[..58]));
        let (longer, upper) = (format!("{EMPTY}a"), EMPTY.to_uppercase());
        for text in [
            "",
            "b",
            "bafkrei",
            start,
            &loose,
            &longer,
            &upper,
            &format!("{EMPTY}\n"),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk\u{301}",
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
            "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW",
            &format!("b{}", "a".repeat(127)),
            &format!("b{}", "a".repeat(128)),
            "\u{1b}[2Jbafkrei",
        ] {
            assert_eq!(Cid::parse(text), Err(NoCid), "{text:?}");
        }
    }
}
