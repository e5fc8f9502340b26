//! The one place that gives errors their words, their hints and their exit codes.

use client::RsaKeyError;
use serde::Serialize;
use std::fmt::Write as _;

/// What kind of failure it was; the exit code of `wax`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// 1: anything without a class of its own, a fault of `wax` included.
    Other,
    /// 2: the command line cannot be understood.
    Usage,
    /// 3: nobody is signed in, the session has ended, or the code was wrong.
    SignIn,
    /// 4: the server cannot be reached, or is not the one it should be.
    Network,
    /// 5: no such file, person or upload, or no longer there.
    NotFound,
    /// 6: the server refuses: quota, size, rate, permission, no room.
    Refused,
    /// 7: a person's keys have changed, or a safety number does not match.
    Identity,
    /// 8: something does not authenticate: a wrong passphrase, or altered bytes.
    Authentic,
    /// 9: a local file or folder cannot be read or written.
    LocalFile,
    /// 10: stopped by the person.
    Cancelled,
}

/// Code, machine name and meaning of every class: the help text and the tests read it here.
const CLASSES: [(Class, u8, &str, &str); 10] = [
    (Class::Other, 1, "other", "something else failed"),
    (Class::Usage, 2, "usage", "the command line cannot be understood"),
    (Class::SignIn, 3, "sign_in", "not signed in, or the code was wrong"),
    (Class::Network, 4, "network", "the server cannot be reached, or is not the one it should be"),
    (Class::NotFound, 5, "not_found", "no such file or person, or no longer there"),
    (Class::Refused, 6, "refused", "the server refuses: quota, size, rate, permission, no room"),
    (Class::Identity, 7, "identity", "a person's keys have changed, or a safety number does not match"),
    (Class::Authentic, 8, "authentic", "does not authenticate: a wrong passphrase, or altered bytes"),
    (Class::LocalFile, 9, "local_file", "a local file or folder cannot be read or written"),
    (Class::Cancelled, 10, "cancelled", "stopped by you; the same command goes on where it can"),
];

impl Class {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        self.row().1
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Self, u8, &'static str, &'static str) {
        CLASSES.iter().find(|row| row.0 == self).expect("every class has its row")
    }
}

/// The paragraph about exit codes at the end of `wax --help`.
pub(crate) fn exit_codes() -> String {
    let mut text = "Exit codes:\n   0  done".to_owned();
    for (_, code, _, meaning) in CLASSES {
        write!(text, "\n  {code:>2}  {meaning}").expect("writing to a string");
    }
    text
}

/// A failure as a person is told it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Which kind.
    pub(crate) class: Class,
    /// What failed: lower case, no full stop. Text from others is escaped already.
    pub(crate) what: String,
    /// What to do, each a line of its own.
    pub(crate) hints: Vec<String>,
    /// Facts for programs, beside the words.
    pub(crate) facts: serde_json::Map<String, serde_json::Value>,
}

/// How a failure stands in `--json` output: `{"error": {…}}`.
#[derive(Serialize)]
pub(crate) struct ErrorJson<'a> {
    /// The exit code.
    exit: u8,
    /// The class's name.
    class: &'static str,
    /// What failed.
    message: &'a str,
    /// What to do.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    /// More, by kind of failure.
    #[serde(flatten)]
    facts: &'a serde_json::Map<String, serde_json::Value>,
}

impl Fault {
    /// A failure without a hint.
    pub(crate) fn new(class: Class, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), hints: Vec::new(), facts: serde_json::Map::new() }
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a fact for programs.
    #[must_use]
    pub(crate) fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The same failure where there are several things, with the one that it is about before it.
    #[must_use]
    pub(crate) fn about(&self, id: impl std::fmt::Display) -> Self {
        Self {
            class: self.class,
            what: format!("{id}: {}", self.what),
            hints: self.hints.clone(),
            facts: self.facts.clone(),
        }
    }

    /// A key file that is not taken. `shown` is safe to show.
    pub(crate) fn key_file(shown: &str, error: RsaKeyError) -> Self {
        let class = match error {
            RsaKeyError::Passphrase | RsaKeyError::PassphraseNeeded => Class::Authentic,
            _ => Class::LocalFile,
        };
        let fault = Self::new(class, format!("{shown}: {error}"));
        match error {
            RsaKeyError::Kind => fault
                .hint("to send or unshare, name the public half (PUBLIC KEY); to open files, the private one")
                .hint("openssl makes the public half: openssl pkey -in FILE.pem -pubout -out FILE.pub.pem"),
            RsaKeyError::Pem => fault.hint("a key file holds one block, from -----BEGIN to -----END"),
            RsaKeyError::Encryption => fault.hint(
                "encrypt it anew: openssl pkey -in FILE.pem -aes-256-cbc -out NEW.pem, then chmod 600 NEW.pem",
            ),
            RsaKeyError::Key => fault.hint("make one: wax keys generate --rsa 3072"),
            RsaKeyError::Cost => fault.hint("it may have been made to slow you down; do not use it"),
            _ => fault,
        }
    }

    /// What is wrong with the command line, out of the paragraphs that its parser wrote.
    pub(crate) fn command_line(rendered: &str) -> Self {
        let line = |paragraph: &str| {
            crate::console::safe(&paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let mut fault = Self::new(Class::Usage, "");
        for paragraph in rendered.trim().split("\n\n") {
            if let Some(what) = paragraph.strip_prefix("error: ") {
                fault.what = line(what);
            } else if let Some(usage) = paragraph.strip_prefix("Usage: ") {
                fault.hints.push(format!("usage: {}", line(usage)));
            } else if !paragraph.starts_with("For more information") {
                let tips = paragraph.lines().map(|tip| line(tip.trim_start().trim_start_matches("tip: ")));
                fault.hints.extend(tips);
            }
        }
        fault
    }

    /// A local file or folder that failed, with the system's own reason.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let path = crate::console::safe(&path.display().to_string());
        Self::new(Class::LocalFile, format!("cannot {doing} {path}: {}", reason(error)))
    }

    /// For `--json`.
    pub(crate) fn json(&self) -> ErrorJson<'_> {
        ErrorJson {
            exit: self.class.code(),
            class: self.class.name(),
            message: &self.what,
            hints: &self.hints,
            facts: &self.facts,
        }
    }
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        use client::Error as E;
        let fault = Self::new(class_of(&error), crate::console::safe(&error.to_string()));
        match &error {
            E::IdentityChanged(change) => identity_changed(fault, change),
            E::NotSignedIn => fault.hint("sign in first: wax login ADDRESS --server https://HOST"),
            E::SessionEnded => fault.hint("sign in again: wax login; unfinished uploads are kept"),
            E::SecondFactorNeeded => fault
                .hint("if you have a second factor, sign in again with it: wax login")
                .hint("if you have none yet, add one: wax 2fa enable"),
            E::NoServer => fault.hint("sign in first: wax login ADDRESS --server https://HOST"),
            E::TargetExists(_) => {
                fault.hint("nothing was changed; write it elsewhere with `-o NAME`, keep both with `--keep-both`, or replace it with `--force`")
            }
            E::TargetIsDirectory(_) => fault.hint("give the name of a file, or an existing folder to write into"),
            E::BadName(_) => fault.hint("give another with `--name NAME`"),
            E::OwnAddress => fault.hint("you can always open what you sent yourself; name somebody else"),
            E::SafetyNumberDiffers => fault
                .hint("nothing was accepted; somebody may be between you and them")
                .hint("compare again with the person over another channel, such as a call"),
            E::WrongPassphrase => fault.hint("nothing was changed; try again"),
            E::UploadRunning => fault.hint("wait for it, or stop the other process: wax uploads"),
            _ => match error.hint() {
                Some(hint) => fault.hint(crate::console::safe(&hint)),
                None => fault,
            },
        }
    }
}

/// The exit code's class of a client's error: by its own class, save where a person at a terminal sees it differently.
fn class_of(error: &client::Error) -> Class {
    use client::{Class as C, Error as E};
    match error {
        E::CodeRejected | E::NoKeys | E::NoServer => Class::SignIn,
        E::NotAFile(_) | E::UploadRunning => Class::LocalFile,
        E::UploadConflict | E::SentAlready(_) => Class::Refused,
        _ => match error.class() {
            C::Usage => Class::Usage,
            C::Local | C::Conflict => Class::LocalFile,
            C::Network => Class::Network,
            C::NotSignedIn => Class::SignIn,
            C::Refused | C::Quota => Class::Refused,
            C::NotFound | C::Gone => Class::NotFound,
            C::Identity => Class::Identity,
            C::Authentication => Class::Authentic,
            C::Interrupted => Class::Cancelled,
            _ => Class::Other,
        },
    }
}

/// The hard stop: both numbers, and the one command that goes on after a person has compared.
fn identity_changed(fault: Fault, change: &client::IdentityChange) -> Fault {
    let address = crate::console::safe(change.address.as_str());
    let (old, new) = (change.old.to_string(), change.new.to_string());
    fault
        .fact("address", change.address.as_str())
        .fact("known_safety_number", old.as_str())
        .fact("shown_safety_number", new.as_str())
        .fact("was_verified", change.was_verified)
        .hint("nothing was sent or opened: they may have new keys, or somebody may be between you and them")
        .hint(format!("safety number so far: {old}"))
        .hint(format!("safety number now:    {new}"))
        .hint(format!("ask {address} over another channel, such as a call, which number their device shows"))
        .hint(format!("only if it is the one shown now: wax contacts accept {address} --number \"{new}\""))
}

/// The system's reason in lower case, without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_a_code_and_a_name_of_its_own() {
        let codes: BTreeSet<u8> = CLASSES.iter().map(|row| row.1).collect();
        let names: BTreeSet<&str> = CLASSES.iter().map(|row| row.2).collect();
        assert_eq!((codes.len(), names.len()), (CLASSES.len(), CLASSES.len()));
        assert!(!codes.contains(&0));
    }

    #[test]
    fn the_parsers_paragraphs_become_one_sentence_and_hints() {
        let fault = Fault::command_line(
            "error: the following are missing:\n  --to <ADDRESS>\n\n  tip: one\n\nUsage: wax send\n\nFor more information, try '--help'.\n",
        );
        assert_eq!(fault.what, "the following are missing: --to <ADDRESS>");
        assert_eq!(fault.hints, ["one", "usage: wax send"]);
    }

    #[test]
    fn the_systems_reason_is_lower_case_and_without_a_number() {
        assert_eq!(reason(&std::io::Error::from_raw_os_error(2)), "no such file or directory");
    }
}
