//! Recovery phrases: read as people type them, and never wrongly.

use format::{PhraseError, RecoveryPhrase};

/// Entropy 00 01 … 1f, and two known answers of BIP-39.
const RISING: &str = "abandon amount liar amount expire adjust cage candy arch gather drum bullet absurd math era live \
    bid rhythm alien crouch range attend journey unaware";

fn read(text: &str) -> Result<RecoveryPhrase, PhraseError> {
    RecoveryPhrase::parse(text.to_owned())
}

fn words(text: &str) -> String {
    read(text).unwrap().words().join(" ")
}

#[test]
fn a_phrase_is_read_back_as_it_was_shown() {
    let phrase = RecoveryPhrase::generate();
    assert!(read(&phrase.words().join(" ")).unwrap() == phrase);
    assert!(RecoveryPhrase::generate() != phrase);
}

#[test]
fn known_phrases_are_read() {
    for text in [
        RISING.to_owned(),
        format!("{}art", "abandon ".repeat(23)),
        format!("{}vote", "zoo ".repeat(23)),
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis \
         maple dilemma loan word shrug inflict delay length"
            .to_owned(),
    ] {
        assert_eq!(words(&text), text);
    }
}

#[test]
fn case_white_space_and_words_cut_short_do_no_harm() {
    let loose = format!("  {}\n", RISING.to_uppercase().replace(' ', "\t \n"));
    assert_eq!(words(&loose), RISING);
    let short: Vec<&str> = RISING.split(' ').map(|word| &word[..word.len().min(4)]).collect();
    assert_eq!(words(&short.join(" ")), RISING);
    assert_eq!(words(&RISING.replace("journey", "journe")), RISING);
}

#[test]
fn a_word_that_is_the_beginning_of_another_is_itself() {
    let phrase = "zoo ".repeat(23) + "vote";
    assert_eq!(words(&phrase), phrase);
    assert_eq!(format::phrase::complete("act"), Some("act"), "and not action, actor, actress or actual");
    assert_eq!(format::phrase::complete("acti"), Some("action"));
    assert_eq!(format::phrase::complete("abstract"), Some("abstract"), "no word is longer");
    assert_eq!(format::phrase::complete("aba"), None, "three letters of abandon are too few");
}

#[test]
fn a_word_is_confirmed_by_its_place() {
    let phrase = read(RISING).unwrap();
    assert!(phrase.has_at(1, "abandon") && phrase.has_at(24, "Unaw") && phrase.has_at(3, "LIAR"));
    for (place, typed) in [(2, "abandon"), (1, "aban don"), (1, "aba"), (0, "abandon"), (25, "zzz"), (1, "")]
    {
        assert!(!phrase.has_at(place, typed), "{place} {typed}");
    }
}

#[test]
fn a_wrong_word_is_named_by_its_place() {
    assert_eq!(read(&RISING.replace("liar", "lier")).err(), Some(PhraseError::UnknownWord { position: 3 }));
    assert_eq!(
        read(&RISING.replace("unaware", "aba")).err(),
        Some(PhraseError::UnknownWord { position: 24 })
    );
    for odd in ["zoos", "abandonx", "z\u{f6}o", "abandonabandonabandon"] {
        assert_eq!(read(&RISING.replace("liar", odd)).err(), Some(PhraseError::UnknownWord { position: 3 }));
    }
}

#[test]
fn words_that_do_not_belong_together_are_refused() {
    for text in [RISING.replace("unaware", "unable"), RISING.replace("amount liar", "liar amount")] {
        assert_eq!(read(&text).err(), Some(PhraseError::Checksum), "{text}");
    }
}

#[test]
fn another_number_of_words_is_refused_even_with_a_good_checksum() {
    assert_eq!(read("").err(), Some(PhraseError::WordCount { found: 0 }));
    assert_eq!(read(&RISING.replace(" unaware", "")).err(), Some(PhraseError::WordCount { found: 23 }));
    assert_eq!(read(&format!("{RISING} zoo")).err(), Some(PhraseError::WordCount { found: 25 }));
    let twelve = format!("{}about", "abandon ".repeat(11));
    assert_eq!(read(&twelve).err(), Some(PhraseError::WordCount { found: 12 }));
}

#[test]
fn a_phrase_and_its_errors_print_no_word() {
    let phrase = read(RISING).unwrap();
    assert_eq!(format!("{phrase:?}"), "[redacted]");
    let error = read(&RISING.replace("liar", "secretive")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secretive"));
}
