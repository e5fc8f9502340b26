//! The mailer for one's own machine: letters are files of the data folder and lines on the terminal.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::message::Mailbox;

use super::letter::Composed;
use super::{CodeLetter, Invitation, MailError, Mailer, NoticeLetter};
use crate::private_file;

/// Writes `DIR/<time>-<random>.eml` with mode 0600, and the code to standard output.
pub(crate) struct ConsoleMailer {
    dir: PathBuf,
}

impl ConsoleMailer {
    pub(crate) fn open(dir: PathBuf) -> std::io::Result<Self> {
        private_file::make_dir(&dir)?;
        Ok(Self { dir })
    }
}

impl ConsoleMailer {
    /// Writes an invitation beside the codes. It tells no secret, so the terminal need not show it.
    pub(super) async fn invite(&self, invitation: &Invitation) -> Result<(), MailError> {
        self.keep(Composed::invitation(invitation, &sender())?).await
    }

    async fn keep(&self, composed: Composed) -> Result<(), MailError> {
        let path = self.dir.join(file_name());
        let written = tokio::task::spawn_blocking(move || private_file::write_new(&path, &composed.text));
        written.await.map_err(std::io::Error::other).flatten().map_err(MailError::File)
    }
}

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send_notice(&self, letter: NoticeLetter) -> Result<(), MailError> {
        self.keep(Composed::notice(&letter, &sender())?).await
    }

    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError> {
        let path = self.dir.join(file_name());
        let composed = Composed::new(&letter, &sender())?;
        let written = tokio::task::spawn_blocking(move || {
            private_file::write_new(&path, &composed.text)?;
            let mut terminal = std::io::stdout().lock();
            writeln!(terminal, "code for {}: {}", letter.to.as_str(), &*letter.code)?;
            terminal.flush()
        });
        written.await.map_err(std::io::Error::other).flatten().map_err(MailError::File)
    }
}

fn sender() -> Mailbox {
    Mailbox::new(Some("Waxwing".to_owned()), lettre::Address::new_dangerous("waxwing", "localhost"))
}

/// Sorts by the time of writing, also within a second.
fn file_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:017}-{:016x}.eml", since.as_micros(), u64::from_be_bytes(crate::random::bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_letter_is_a_private_file_that_holds_the_code() {
        let dir = tempfile::tempdir().unwrap();
        let mailer = ConsoleMailer::open(dir.path().join("mail")).unwrap();
        let letter = CodeLetter {
            to: envelope::Address::parse("alice@wax.example").unwrap(),
            code: "012345".to_owned().into(),
            written: 1_700_000_000,
        };
        mailer.send_code(letter).await.unwrap();
        let file = std::fs::read_dir(dir.path().join("mail")).unwrap().next().unwrap().unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.contains("To: alice@wax.example\r\n") && text.contains("code is 012345\r\n"));
        assert!(text.contains("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
    }
}
