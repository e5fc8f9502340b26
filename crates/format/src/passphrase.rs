//! Passphrases: what a person remembers, and how hard it is to guess.

use std::fmt;

use envelope::ParseError;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};
use zxcvbn::zxcvbn;

/// Lowest score of a passphrase for a vault on this machine.
pub const MIN_SCORE_LOCAL: Score = Score(3);
/// Lowest score of a passphrase for the copy of a vault on a server.
pub const MIN_SCORE_SERVER: Score = Score(4);

/// A passphrase in NFC, not empty. Zeroed on drop, never printed.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes what was typed, composes it (NFC) and erases the original.
    pub fn parse(mut typed: String) -> Result<Self, ParseError> {
        // Composition of UTF-8 grows a text at most threefold; the room keeps it from moving.
        let mut composed = Zeroizing::new(String::with_capacity(3 * typed.len()));
        composed.extend(typed.nfc());
        typed.zeroize();
        if composed.is_empty() {
            Err(ParseError::OutOfRange { field: "passphrase" })
        } else {
            Ok(Self(composed))
        }
    }

    /// The passphrase itself. Every use is a place to look at in review.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How hard a passphrase is to guess: 0 (no effort) to 4 (more than 10^10 guesses).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u8);

impl Score {
    /// The score as a number from 0 to 4.
    pub fn as_u8(self) -> u8 {
        self.0
    }
}

/// Estimates how hard `passphrase` is to guess (zxcvbn, over its first 100 characters).
pub fn strength(passphrase: &Passphrase) -> Score {
    let text = passphrase.expose_secret();
    let end = text.char_indices().nth(100).map_or(text.len(), |(at, _)| at);
    Score(u8::from(zxcvbn(&text[..end], &["waxwing"]).score()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that grows is moved, and leaves its old bytes behind where nobody erases them.
    #[test]
    fn a_passphrase_is_composed_in_room_that_never_grows() {
        // Composed, the second is three times as long: nothing grows more.
        for typed in ["\u{344}".repeat(50), "\u{1d160}".repeat(50), "plain".to_owned()] {
            let room = 3 * typed.len();
            let passphrase = Passphrase::parse(typed).unwrap();
            assert!(passphrase.0.len() <= room);
            assert_eq!(passphrase.0.capacity(), room);
        }
    }
}
