//! Letters to people: the seam and its mailers.

mod backoff;
mod console;
mod letter;
mod post;
mod smtp;

use async_trait::async_trait;
use envelope::Address;
use zeroize::Zeroizing;

pub use backoff::Backoff;
pub(crate) use backoff::Growing;
pub(crate) use console::ConsoleMailer;
pub(crate) use post::Post;
pub use smtp::RelayError;
pub(crate) use smtp::SmtpMailer;

/// Sends what must reach a mailbox. Shared as `Arc<dyn Mailer>`.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a one-time code. Called once per code, in the background: the reply to the client never waits. Returns when
    /// the letter was handed over or given up, at the latest when its code is too old.
    ///
    /// # Errors
    /// The letter was not handed over; the person asks for another code.
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError>;

    /// Sends what an account's owner should know. Called in the background, seldom. Returns when the letter was handed
    /// over or given up.
    ///
    /// # Errors
    /// The letter was not handed over; what it tells of stands in the account as well.
    async fn send_notice(&self, letter: NoticeLetter) -> Result<(), MailError>;

    /// Whether letters can be sent, as far as the mailer knows. Asks nobody.
    fn is_available(&self) -> bool {
        true
    }

    /// How many letters are on their way. Asks nobody.
    fn waiting(&self) -> usize {
        0
    }

    /// The server is stopping: letters that wait for another try get it now, and it is their last.
    fn hurry(&self) {}
}

/// A one-time code on its way; nothing of it prints.
pub struct CodeLetter {
    /// To whom.
    pub to: Address,
    /// Six digits.
    pub code: Zeroizing<String>,
    /// Unix seconds at which it was written.
    pub written: i64,
}

/// Something that an account's owner should know. There is no secret in it.
pub struct NoticeLetter {
    /// To whom.
    pub to: Address,
    /// What happened.
    pub notice: Notice,
    /// Where people reach the server, if it knows.
    pub url: Option<String>,
    /// Unix seconds at which it was written.
    pub written: i64,
}

/// What an account's owner should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Somebody who had the mailbox asked for new keys.
    KeysReset {
        /// Unix seconds from which they count.
        due: i64,
    },
    /// Files came from others. It says no names and no sizes: mail is read on its way.
    Files {
        /// Somebody shared one.
        shared: bool,
        /// One came into a drop box.
        arrived: bool,
    },
}

/// An invitation on its way. There is no secret in it.
pub(crate) struct Invitation {
    /// To whom.
    pub(crate) to: Address,
    /// Where the server is reached.
    pub(crate) url: String,
    /// For how long it is good.
    pub(crate) days: u32,
    /// Unix seconds at which it was written.
    pub(crate) written: i64,
}

/// A letter could not be handed over. Neither the address nor the code is in it, nor any word of the relay, which may
/// repeat them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The file of a letter could not be written.
    #[error("the letter could not be written")]
    File(#[source] std::io::Error),
    /// The letter could not be composed.
    #[error("the letter could not be composed")]
    Compose,
    /// So many letters are under way that this one was not taken.
    #[error("too many letters are waiting for the relay")]
    Full,
    /// The relay refused it for good, or failed it as often as is tried.
    #[error("the letter was not handed over in {tries} tries")]
    Relay {
        /// How often it was tried.
        tries: u32,
        /// What went wrong the last time.
        #[source]
        fault: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The code became too old before the relay took the letter.
    #[error("the code became too old before the relay took the letter")]
    TooLate,
}
