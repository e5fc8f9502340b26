//! Letters to people: the seam and its mailers.

mod console;

use async_trait::async_trait;
use envelope::Address;
use zeroize::Zeroizing;

pub(crate) use console::ConsoleMailer;

/// Sends what must reach a mailbox. Shared as `Arc<dyn Mailer>`.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends a one-time code. Called once per code, in the background: the reply to the client never waits.
    ///
    /// # Errors
    /// The letter was not handed over; the person asks for another code.
    async fn send_code(&self, letter: CodeLetter) -> Result<(), MailError>;

    /// Whether letters can be sent, as far as the mailer knows.
    fn is_available(&self) -> bool {
        true
    }
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

/// A letter could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error("a letter could not be handed over")]
pub struct MailError(#[source] pub std::io::Error);
