//! Letters that an operator sends from beside the server, by the mailer that the server is configured with.

use std::sync::Arc;

use super::{ConsoleMailer, Growing, Invitation, MailError, SmtpMailer};
use crate::config::Config;
use crate::logging::chain;

/// The configured mailer.
pub(crate) enum Post {
    /// Files of the data folder.
    Console(ConsoleMailer),
    /// A relay.
    Relay(Arc<SmtpMailer>),
}

impl Post {
    /// Opens it; what is wrong with its configuration comes as words. Needs a runtime.
    pub(crate) fn open(config: &Config) -> Result<Self, String> {
        match config.relay().map_err(|error| chain(&error))? {
            Some(relay) => {
                SmtpMailer::open(relay, Arc::new(Growing)).map(Self::Relay).map_err(|error| chain(&error))
            }
            None => {
                let opened = ConsoleMailer::open(config.storage.data.join("mail"));
                opened.map(Self::Console).map_err(|error| chain(&error))
            }
        }
    }

    /// Sends an invitation.
    pub(crate) async fn invite(&self, invitation: &Invitation) -> Result<(), MailError> {
        match self {
            Self::Console(console) => console.invite(invitation).await,
            Self::Relay(relay) => relay.invite(invitation).await,
        }
    }
}
