//! Recovery phrases: 24 words that open a vault when the passphrase is forgotten.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use crate::Secret;

/// Words of a phrase.
pub const WORDS: usize = 24;
/// Letters after which any two words of the list differ.
const DISTINCT: usize = 4;
/// Longest word of the list.
const WORD_MAX: usize = 8;

/// 32 bytes of entropy, written as 24 English words (BIP-39). Zeroed on drop, never printed.
#[derive(PartialEq, Eq)]
pub struct RecoveryPhrase(Secret<32>);

impl RecoveryPhrase {
    /// A fresh phrase.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    /// Reads 24 words as a person types them: upper case, more white space and words cut short after four letters
    /// or more do no harm. Erases what was typed.
    pub fn parse(mut typed: String) -> Result<Self, PhraseError> {
        let parsed = Self::read(&typed);
        typed.zeroize();
        parsed
    }

    fn read(typed: &str) -> Result<Self, PhraseError> {
        let found = typed.split_whitespace().count();
        let mut full = Zeroizing::new(String::with_capacity(WORDS * (WORD_MAX + 1)));
        for (n, word) in typed.split_whitespace().take(WORDS).enumerate() {
            let word = complete(word).ok_or(PhraseError::UnknownWord { position: n + 1 })?;
            if n > 0 {
                full.push(' ');
            }
            full.push_str(word);
        }
        if found != WORDS {
            return Err(PhraseError::WordCount { found });
        }
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &full).map_err(|_| PhraseError::Checksum)?;
        let (mut entropy, len) = mnemonic.to_entropy_array();
        let secret = Secret::from_slice(&entropy[..len]);
        entropy.zeroize();
        secret.map(Self).ok_or(PhraseError::Checksum)
    }

    /// The words. They *are* the secret: to be shown to their owner once, and nowhere else.
    pub fn words(&self) -> [&'static str; WORDS] {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, self.0.expose_secret())
            .expect("32 bytes are an entropy of BIP-39");
        let mut words = [""; WORDS];
        words.iter_mut().zip(mnemonic.words()).for_each(|(place, word)| *place = word);
        words
    }

    /// Whether the word at `place` (from 1) is the one that a person typed, whole or cut short.
    pub fn has_at(&self, place: usize, typed: &str) -> bool {
        let there = place.checked_sub(1).and_then(|n| self.words().get(n).copied());
        there.is_some_and(|there| complete(typed) == Some(there))
    }

    /// The 32 bytes, as the derivation of a slot's key takes them.
    pub(crate) fn entropy(&self) -> &Secret<32> {
        &self.0
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The word of the list that was meant: the word itself, or its beginning if that fits one word only.
pub fn complete(typed: &str) -> Option<&'static str> {
    if typed.len() > WORD_MAX || !typed.is_ascii() {
        return None;
    }
    let lower = Zeroizing::new(typed.to_ascii_lowercase());
    let list = Language::English.word_list();
    if let Ok(at) = list.binary_search(&lower.as_str()) {
        return Some(list[at]);
    }
    let mut fits = list.iter().filter(|word| lower.len() >= DISTINCT && word.starts_with(lower.as_str()));
    fits.next().filter(|_| fits.next().is_none()).copied()
}

/// The word with a number below 2,048, for whatever is said in words.
pub(crate) fn word(number: u16) -> &'static str {
    Language::English.word_list()[usize::from(number) % 2048]
}

/// Why typed words are no recovery phrase. Names no word: they are secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// Too few or too many words.
    #[error("a recovery phrase has {WORDS} words, these are {found}")]
    WordCount {
        /// How many there were.
        found: usize,
    },
    /// A word that is not on the list.
    #[error("word {position} is not on the list of words")]
    UnknownWord {
        /// Which, from 1.
        position: usize,
    },
    /// All are words of the list, but they do not belong together.
    #[error("the words do not fit together: one is wrong, or two changed places")]
    Checksum,
}
