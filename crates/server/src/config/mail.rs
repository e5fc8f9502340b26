//! How codes reach people.

use super::smtp::Relay;
use super::{GivenSecret, Smtp, SmtpError};

/// How codes reach people.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Mail {
    /// Which mailer [default: smtp where SMTP_HOST is set, else console]
    #[arg(long, env = "WAXD_MAIL", value_enum, value_name = "MAILER")]
    pub mail: Option<MailKind>,
    /// The relay that takes letters.
    #[command(flatten)]
    pub smtp: Smtp,
}

/// The mailers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MailKind {
    /// Files in `DATA/mail` and lines on the terminal; for one's own machine
    Console,
    /// Letters through the relay that SMTP_HOST names
    Smtp,
}

impl Mail {
    /// The relay to use, or `None` for the console.
    pub(super) fn relay(&self, password: Option<&GivenSecret>) -> Result<Option<Relay>, SmtpError> {
        match self.mail {
            Some(MailKind::Console) => Ok(None),
            None => self.smtp.relay(password),
            Some(MailKind::Smtp) => {
                let relay = self.smtp.relay(password)?;
                relay.map(Some).ok_or(SmtpError::NoHost { name: "WAXD_MAIL=smtp" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_implies_smtp_and_the_console_can_still_be_asked_for() {
        let smtp = Smtp {
            smtp_host: Some("mail.club.example".into()),
            smtp_from: Some("codes@club.example".into()),
            ..Smtp::default()
        };
        let mail = |mail| Mail { mail, smtp: smtp.clone() };
        assert!(mail(None).relay(None).unwrap().is_some());
        assert!(mail(Some(MailKind::Smtp)).relay(None).unwrap().is_some());
        assert!(mail(Some(MailKind::Console)).relay(None).unwrap().is_none());
        assert!(Mail::default().relay(None).unwrap().is_none());
    }

    #[test]
    fn smtp_without_a_host_is_refused() {
        let mail = Mail { mail: Some(MailKind::Smtp), ..Mail::default() };
        assert!(
            mail.relay(None).unwrap_err().to_string().starts_with("WAXD_MAIL=smtp is set, but not SMTP_HOST")
        );
    }
}
