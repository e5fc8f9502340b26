//! Questions to the person: passphrases, codes, yes or no.

use crate::fault::{Class, Fault, reason};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::{Zeroize, Zeroizing};

/// A text that is wiped when it is dropped.
pub(crate) type SecretText = Zeroizing<String>;

/// Longest line that is read as a code, an answer or a passphrase, bytes.
const LINE_MAX: usize = 4_096;

/// Whether somebody sits at a terminal who can be asked, wherever the standard streams go.
pub(crate) fn somebody_is_there() -> bool {
    File::options().read(true).write(true).open("/dev/tty").is_ok()
}

/// Asks for a passphrase at the terminal, without showing it.
pub(crate) fn passphrase(prompt: &str) -> Result<SecretText, Fault> {
    match hidden_line(prompt) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(stopped()),
        Err(error) => {
            Err(Fault::new(Class::Authentic, format!("cannot ask for the passphrase: {}", reason(&error)))
                .hint("give it by `--passphrase-fd N`, or unlock the keys at a terminal first: wax unlock"))
        }
    }
}

/// How the terminal was before a question hid what is typed; whoever ends the process puts it back.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A line from the terminal. What is typed is hidden before the prompt appears, so that fast fingers show nothing;
/// libraries for this print the prompt first, and leave the terminal mute when the process is ended meanwhile.
fn hidden_line(prompt: &str) -> io::Result<SecretText> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    let line = tcsetattr(&terminal, OptionalActions::Now, &hidden)
        .map_err(io::Error::from)
        .and_then(|()| terminal.write_all(prompt.as_bytes()))
        .and_then(|()| typed_line(&mut terminal));
    show_again();
    line
}

/// One line as the terminal gives it: whole, with one read, into memory that is wiped.
fn typed_line(terminal: &mut File) -> io::Result<SecretText> {
    let mut typed = Zeroizing::new([0; LINE_MAX + 1]);
    let n = read_once(terminal, &mut *typed)?;
    line_of(&mut &typed[..n])
}

fn read_once(terminal: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match terminal.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Whether the terminal shows its second screen.
static BESIDE: AtomicBool = AtomicBool::new(false);

/// The terminal's second screen, which leaves nothing in the history of the first: for words that are secret and have
/// to be read. A terminal that has none (`TERM=dumb`) shows them on the only one.
pub(crate) struct Aside(File);

impl Aside {
    /// Turns to the second screen.
    pub(crate) fn open() -> Result<Self, Fault> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|e| cannot_ask(&e))?;
        let mut aside = Self(terminal);
        if std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb") {
            BESIDE.store(true, Ordering::Release);
            aside.write("\u{1b}[?1049h")?;
        }
        aside.clear()?;
        Ok(aside)
    }

    /// Takes everything off the screen.
    pub(crate) fn clear(&mut self) -> Result<(), Fault> {
        if BESIDE.load(Ordering::Acquire) { self.write("\u{1b}[2J\u{1b}[H") } else { Ok(()) }
    }

    /// Shows a line.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Fault> {
        self.write(line)?;
        self.write("\n")
    }

    /// Asks for a line, which is shown while it is typed. The end of the input is the wish to stop.
    pub(crate) fn line(&mut self, prompt: &str) -> Result<SecretText, Fault> {
        self.write(prompt)?;
        let mut typed = Zeroizing::new([0; LINE_MAX + 1]);
        let n = read_once(&mut self.0, &mut *typed).map_err(|e| cannot_ask(&e))?;
        if n == 0 {
            return Err(stopped());
        }
        line_of(&mut &typed[..n]).map_err(|e| cannot_ask(&e))
    }

    fn write(&mut self, text: &str) -> Result<(), Fault> {
        self.0.write_all(text.as_bytes()).map_err(|e| cannot_ask(&e))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        show_again();
    }
}

fn cannot_ask(error: &io::Error) -> Fault {
    Fault::new(Class::Usage, format!("there is nobody to ask: {}", reason(error)))
}

/// Puts the terminal back if a question has hidden what is typed, or turned to the second screen. For the end of a
/// question, and of the process.
pub(crate) fn show_again() {
    if BESIDE.swap(false, Ordering::AcqRel)
        && let Ok(mut terminal) = File::options().write(true).open("/dev/tty")
    {
        // A terminal that went away needs nothing put back.
        drop(terminal.write_all(b"\x1b[2J\x1b[H\x1b[?1049l"));
    }
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Some(before), Ok(terminal)) = (before, File::options().write(true).open("/dev/tty")) {
        // A terminal that went away needs nothing put back.
        drop(tcsetattr(&terminal, OptionalActions::Now, &before).map_err(io::Error::from));
    }
}

/// Reads a passphrase from an open file descriptor: its first line.
pub(crate) fn passphrase_from(descriptor: u32) -> Result<SecretText, Fault> {
    let fault = |why: String| {
        Fault::new(
            Class::Authentic,
            format!("cannot read the passphrase from file descriptor {descriptor}: {why}"),
        )
        .hint("open it for the command, for example: wax … --passphrase-fd 3 3< FILE")
    };
    let file = File::open(format!("/proc/self/fd/{descriptor}")).map_err(|e| fault(reason(&e)))?;
    // Standard input may have been read from already (a code): go on where that stopped.
    let line =
        if descriptor == 0 { line_of(&mut io::stdin().lock()) } else { line_of(&mut BufReader::new(file)) };
    let line = line.map_err(|e| fault(reason(&e)))?;
    if line.is_empty() { Err(fault("it is empty".to_owned())) } else { Ok(line) }
}

/// Reads a recovery phrase from an open file descriptor: all of it, over as many lines as it has.
pub(crate) fn phrase_from(descriptor: u32) -> Result<SecretText, Fault> {
    let fault = |why: String| {
        Fault::new(
            Class::Authentic,
            format!("cannot read the recovery phrase from file descriptor {descriptor}: {why}"),
        )
        .hint("open it for the command, for example: wax keys recover --phrase-fd 4 4< FILE")
    };
    let file = File::open(format!("/proc/self/fd/{descriptor}")).map_err(|e| fault(reason(&e)))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LINE_MAX + 1));
    file.take(LINE_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| fault(reason(&e)))?;
    if bytes.len() > LINE_MAX {
        return Err(fault("it is too long".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("it is not UTF-8 text".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Asks for one line at the terminal, or reads one from standard input when that is not a terminal.
pub(crate) fn line(prompt: &str) -> Result<SecretText, Fault> {
    if io::stdin().is_terminal() {
        show(prompt);
    }
    let line = line_of(&mut io::stdin().lock())
        .map_err(|e| Fault::new(Class::LocalFile, format!("cannot read standard input: {}", reason(&e))))?;
    Ok(line)
}

/// Asks a question that is answered with yes or no; nothing but a clear answer counts.
pub(crate) fn yes(question: &str, default: Option<bool>) -> Result<bool, Fault> {
    let choices = match default {
        Some(true) => "[Y/n]",
        Some(false) => "[y/N]",
        None => "[y/n]",
    };
    let tty = File::options().read(true).write(true).open("/dev/tty").map_err(|e| cannot_ask(&e))?;
    let mut answers = BufReader::new(&tty);
    loop {
        write!(&tty, "{question} {choices} ").map_err(|e| cannot_ask(&e))?;
        let mut answer = String::new();
        let read =
            answers.by_ref().take(LINE_MAX as u64).read_line(&mut answer).map_err(|e| cannot_ask(&e))?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "" if read > 0 => {
                if let Some(answer) = default {
                    return Ok(answer);
                }
            }
            "" => return Err(stopped()),
            _ => {}
        }
    }
}

/// The person broke off at a question.
pub(crate) fn stopped() -> Fault {
    Fault::new(Class::Cancelled, "stopped")
}

fn show(text: &str) {
    let mut err = io::stderr().lock();
    // A closed standard error hides the prompt, not the answer.
    let _closed = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// One line without its end.
fn line_of(input: &mut impl BufRead) -> io::Result<SecretText> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    // Not a buffered take of more: what follows the line belongs to whoever reads next.
    input.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
    if bytes.len() > LINE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_before_its_end_and_leaves_the_next_one() {
        let mut input = io::Cursor::new(b"123456\r\nsecret words \nrest".to_vec());
        assert_eq!(line_of(&mut input).unwrap().as_str(), "123456");
        assert_eq!(line_of(&mut input).unwrap().as_str(), "secret words ");
        assert_eq!(line_of(&mut input).unwrap().as_str(), "rest");
        assert_eq!(line_of(&mut input).unwrap().as_str(), "");
    }

    #[test]
    fn a_line_that_is_too_long_or_not_text_is_refused() {
        assert!(line_of(&mut io::Cursor::new(vec![b'a'; 5_000])).is_err());
        assert!(line_of(&mut io::Cursor::new(vec![0xff, b'\n'])).is_err());
    }
}
