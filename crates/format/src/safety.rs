//! The safety number: what two people compare to know that they have each other's keys.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA512};
use envelope::{ParseError, RootId};

use crate::phrase::word;

/// Digits of a safety number.
const DIGITS: usize = 60;

/// Twelve groups of five digits, or eighteen words that say the same; alike for both people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SafetyNumber {
    groups: [u32; 12],
    words: [u16; 18],
}

impl SafetyNumber {
    /// What the text of a QR code begins with.
    pub const QR_PREFIX: &str = "WAXWING-SAFETY-1:";

    /// The groups, each below 100,000.
    pub fn groups(&self) -> &[u32; 12] {
        &self.groups
    }

    /// The same as words, easier to read aloud: 198 bits of the hash that the digits come from.
    pub fn words(&self) -> [&'static str; 18] {
        self.words.map(word)
    }

    /// The text of a QR code: `WAXWING-SAFETY-1:` and the 60 digits.
    pub fn qr_text(&self) -> String {
        let digits: String = self.groups.iter().map(|group| format!("{group:05}")).collect();
        format!("{}{digits}", Self::QR_PREFIX)
    }

    /// Whether a scanned text is that of this number. An error if it is not a text of this kind at all.
    pub fn same_as_scanned(&self, text: &str) -> Result<bool, ParseError> {
        let digits = text.trim_ascii().strip_prefix(Self::QR_PREFIX).unwrap_or_default();
        if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseError::OutOfRange { field: "safety number" });
        }
        Ok(self.qr_text().ends_with(digits))
    }
}

impl fmt::Display for SafetyNumber {
    /// `01234 56789 …`: groups with leading zeros, one space between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, group) in self.groups.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

/// The safety number of two roots: h = SHA-512(`"waxwing/v1/safety\0"` ‖ smaller ‖ larger root id); five bytes
/// to a group, modulo 100,000; eleven bits to a word.
pub fn safety_number(one: &RootId, other: &RootId) -> SafetyNumber {
    let mut context = Context::new(&SHA512);
    context.update(b"waxwing/v1/safety\0");
    context.update(one.min(other).as_bytes());
    context.update(one.max(other).as_bytes());
    let hash = context.finish();
    let hash = hash.as_ref();
    let mut groups = [0; 12];
    for (group, bytes) in groups.iter_mut().zip(hash.chunks_exact(5)) {
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        *group = u32::try_from(number % 100_000).expect("below 100,000");
    }
    let mut words = [0; 18];
    for (k, number) in words.iter_mut().enumerate() {
        let bits = (11 * k..11 * k + 11).map(|at| hash[at / 8] >> (7 - at % 8) & 1);
        *number = bits.fold(0_u16, |number, bit| number << 1 | u16::from(bit));
    }
    SafetyNumber { groups, words }
}
