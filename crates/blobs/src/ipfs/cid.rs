//! The CID of a file, in one spelling: version 1, base32.

use std::fmt;

/// No CID of a file is longer, in any spelling.
const TEXT_MAX: usize = 128;

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The CID of a file, as `bafy…` or `bafk…`. It says what the file holds, and whoever knows it can ask any node for it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cid(String);

impl Cid {
    /// From base32 or base58 (some nodes know no other in some answers); `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() < 8 || text.len() > TEXT_MAX {
            return None;
        }
        let rest = text.as_bytes().get(1..)?;
        match text.as_bytes()[0] {
            b'b' if rest.iter().all(|c| BASE32.contains(c)) => Some(Self(text.to_owned())),
            b'z' => Some(Self(base32(&from_base58(rest)?))),
            _ => None,
        }
    }

    /// The text.
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

/// With the `b` that names the base, without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::from("b");
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &byte in bytes {
        bits = (bits << 8 | u32::from(byte)) & 0xffff;
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(BASE32[(bits >> held & 31) as usize]));
        }
    }
    if held > 0 {
        text.push(char::from(BASE32[(bits << (5 - held) & 31) as usize]));
    }
    text
}

fn from_base58(digits: &[u8]) -> Option<Vec<u8>> {
    // Least octet first.
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits {
        let mut carry = BASE58.iter().position(|c| c == digit)?;
        for byte in &mut bytes {
            carry += usize::from(*byte) * 58;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
    }
    bytes.extend(digits.iter().take_while(|digit| **digit == BASE58[0]).map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The empty file, as every implementation spells it.
    const EMPTY: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

    #[test]
    fn both_spellings_are_one_cid() {
        let cid = Cid::parse(EMPTY).unwrap();
        assert_eq!(cid.as_str(), EMPTY);
        let base58 = "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW";
        assert_eq!(Cid::parse(base58).unwrap(), cid);
    }

    #[test]
    fn what_is_no_cid_is_refused() {
        for odd in [
            "",
            "b",
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
            "bAFKREI23",
            "z0OIl000",
            &"b".repeat(129),
        ] {
            assert_eq!(Cid::parse(odd), None, "{odd}");
        }
    }
}
