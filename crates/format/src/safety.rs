//! The safety number: what two people compare to know that they have each other's keys.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA512};
use envelope::RootId;

/// Twelve groups of five digits; the same for both people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SafetyNumber([u32; 12]);

impl SafetyNumber {
    /// The groups, each below 100,000.
    pub fn groups(&self) -> &[u32; 12] {
        &self.0
    }
}

impl fmt::Display for SafetyNumber {
    /// `01234 56789 …`: groups with leading zeros, one space between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, group) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

/// The safety number of two roots: SHA-512(`"waxwing/v1/safety\0"` ‖ smaller ‖ larger root id),
/// five bytes to a group, modulo 100,000.
pub fn safety_number(one: &RootId, other: &RootId) -> SafetyNumber {
    let mut context = Context::new(&SHA512);
    context.update(b"waxwing/v1/safety\0");
    context.update(one.min(other).as_bytes());
    context.update(one.max(other).as_bytes());
    let hash = context.finish();
    let mut groups = [0; 12];
    for (group, bytes) in groups.iter_mut().zip(hash.as_ref().chunks_exact(5)) {
        let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        *group = u32::try_from(number % 100_000).expect("below 100,000");
    }
    SafetyNumber(groups)
}
