//! Recovery phrases at the terminal: shown once, confirmed from paper, typed in again when they are needed.

use crate::app::App;
use crate::ask::{self, Aside};
use crate::fault::{Class, Fault, reason};
use client::{PhraseError, RecoveryPhrase};
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// How many words a person types to show that the paper is right.
const ASKED: usize = 3;
/// Words in a row when they are shown.
const COLUMNS: usize = 4;
/// How often a phrase may be typed before the command gives up.
const TRIES: u32 = 3;

/// A new phrase that its owner has: shown at the terminal and confirmed, or written to a file. Nothing when there is
/// nobody to show it to.
pub(crate) fn make(app: &App, out: Option<&Path>) -> Result<Option<RecoveryPhrase>, Fault> {
    if let Some(path) = out {
        let phrase = RecoveryPhrase::generate();
        write(&phrase, path)?;
        let shown = crate::console::safe(&path.display().to_string());
        app.console.note(format!(
            "wrote your recovery phrase to {shown}: whoever reads it and has your key file has your keys"
        ));
        return Ok(Some(phrase));
    }
    if app.global.passphrase_fd.is_some() || app.console.json || !ask::somebody_is_there() {
        return Ok(None);
    }
    let phrase = RecoveryPhrase::generate();
    confirm(&phrase)?;
    Ok(Some(phrase))
}

/// The words, one line, in a file of its own that nobody else can read.
fn write(phrase: &RecoveryPhrase, path: &Path) -> Result<(), Fault> {
    let line = Zeroizing::new(format!("{}\n", *joined(phrase)));
    let written = File::options().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let fault = Fault::file("write", path, &error);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            fault.hint("choose another name; nothing was changed")
        } else {
            fault
        }
    })
}

fn joined(phrase: &RecoveryPhrase) -> Zeroizing<String> {
    // Roomy enough to stay where it is: 24 words of at most 8 letters.
    let mut line = Zeroizing::new(String::with_capacity(24 * 9));
    for (n, word) in phrase.words().iter().enumerate() {
        if n > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Shows the words and has some of them typed; both beside the ordinary screen, so that neither stays in its history.
fn confirm(phrase: &RecoveryPhrase) -> Result<(), Fault> {
    let mut aside = Aside::open()?;
    loop {
        show(&mut aside, phrase)?;
        aside.line("press Enter when they stand on paper: ")?;
        aside.clear()?;
        aside.say("now three of them, from your paper (Enter alone shows all of them again)")?;
        if asked(&mut aside, phrase)? {
            return Ok(());
        }
        aside.clear()?;
    }
}

fn show(aside: &mut Aside, phrase: &RecoveryPhrase) -> Result<(), Fault> {
    aside.say("your recovery phrase:")?;
    aside.say("")?;
    let words = phrase.words();
    let rows = words.len() / COLUMNS;
    for row in 0..rows {
        let mut line = Zeroizing::new(String::with_capacity(128));
        for column in 0..COLUMNS {
            let n = column * rows + row;
            line.push_str(&Zeroizing::new(format!("   {:>2} {:<9}", n + 1, words[n])));
        }
        aside.say(line.trim_end())?;
    }
    aside.say("")?;
    aside.say("if you forget your passphrase, this is the only way back. nobody can reset it.")?;
    aside.say("whoever has these words and your key file has your keys.")?;
    aside.say("write them on paper, in this order; no photo, no file. they are shown only now.")?;
    aside.say("")
}

/// Whether the words that were asked for were typed; `false` if the person wants to see them again.
fn asked(aside: &mut Aside, phrase: &RecoveryPhrase) -> Result<bool, Fault> {
    for n in places()? {
        loop {
            let typed = aside.line(&format!("word {n}: "))?;
            if typed.trim().is_empty() {
                return Ok(false);
            }
            if phrase.has_at(n, typed.trim()) {
                break;
            }
            aside.say(&format!("that is not word {n}; look at your paper and try again"))?;
        }
    }
    Ok(true)
}

/// Different places of the phrase, in order, chosen by chance.
fn places() -> Result<BTreeSet<usize>, Fault> {
    let mut places = BTreeSet::new();
    while places.len() < ASKED {
        let mut byte = [0_u8];
        getrandom(&mut byte, GetRandomFlags::empty())
            .map_err(|e| Fault::new(Class::Other, format!("no random numbers: {}", reason(&e.into()))))?;
        // 240 is a multiple of 24: every place is as likely.
        if byte[0] < 240 {
            places.insert(usize::from(byte[0] % 24) + 1);
        }
    }
    Ok(places)
}

/// The phrase that a person has: from a file descriptor, or typed at the terminal.
pub(crate) fn given(app: &App, descriptor: Option<u32>) -> Result<RecoveryPhrase, Fault> {
    if let Some(descriptor) = descriptor {
        let mut text = ask::phrase_from(descriptor)?;
        return RecoveryPhrase::parse(std::mem::take(&mut *text)).map_err(not_a_phrase);
    }
    if app.console.json || !ask::somebody_is_there() {
        return Err(Fault::new(
            Class::Usage,
            "the recovery phrase is needed, and there is no terminal to ask at",
        )
        .hint("give it by an open file descriptor: --phrase-fd N"));
    }
    let mut aside = Aside::open()?;
    let mut tries = 1;
    loop {
        let mut text = typed(&mut aside)?;
        match RecoveryPhrase::parse(std::mem::take(&mut *text)) {
            Ok(phrase) => return Ok(phrase),
            Err(error) if tries < TRIES => {
                aside.say(&format!("{error}; try again"))?;
                tries += 1;
            }
            Err(error) => return Err(not_a_phrase(error)),
        }
    }
}

/// Words over as many lines as it takes.
fn typed(aside: &mut Aside) -> Result<ask::SecretText, Fault> {
    let mut text = Zeroizing::new(String::with_capacity(8_192));
    aside.say("type the 24 words of your recovery phrase; four letters of each are enough")?;
    loop {
        let count = text.split_whitespace().count();
        let prompt = if count == 0 { "words: ".to_owned() } else { format!("words from {}: ", count + 1) };
        let line = aside.line(&prompt)?;
        if line.trim().is_empty() {
            return Err(ask::stopped());
        }
        text.push_str(&line);
        text.push(' ');
        if text.split_whitespace().count() >= 24 || text.len() > 4_096 {
            return Ok(text);
        }
    }
}

fn not_a_phrase(error: PhraseError) -> Fault {
    Fault::new(Class::Authentic, error.to_string())
        .hint("check the words and their order; nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_that_are_asked_for_are_different_ones_of_the_phrase() {
        for _ in 0..200 {
            let places = places().unwrap();
            assert_eq!(places.len(), ASKED);
            assert!(places.iter().all(|n| (1..=24).contains(n)));
        }
    }

    #[test]
    fn a_phrase_is_written_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        let phrase = RecoveryPhrase::generate();
        write(&phrase, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(RecoveryPhrase::parse(text.clone()).unwrap() == phrase);
        assert_eq!(write(&RecoveryPhrase::generate(), &path).unwrap_err().class, Class::LocalFile);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
