//! Questions to the person: passphrases, codes, yes or no.

use crate::fault::{Class, Fault, reason};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
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
    let n = loop {
        match terminal.read(&mut *typed) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    line_of(&mut &typed[..n])
}

/// Puts the terminal back if a question has hidden what is typed. For the end of a question, and of the process.
pub(crate) fn show_again() {
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
    let cannot = |e: &io::Error| Fault::new(Class::Usage, format!("there is nobody to ask: {}", reason(e)));
    let tty = File::options().read(true).write(true).open("/dev/tty").map_err(|e| cannot(&e))?;
    let mut answers = BufReader::new(&tty);
    loop {
        write!(&tty, "{question} {choices} ").map_err(|e| cannot(&e))?;
        let mut answer = String::new();
        let read = answers.by_ref().take(LINE_MAX as u64).read_line(&mut answer).map_err(|e| cannot(&e))?;
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
