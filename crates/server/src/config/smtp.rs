//! The mail relay: where letters are handed over, and how.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use rustls::pki_types::ServerName;

use super::GivenSecret;

/// Submission, with STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;
/// Submission over implicit TLS (RFC 8314).
const SUBMISSIONS: u16 = 465;
/// Who letters are from where `SMTP_FROM` gives an address without a name.
const SENDER_NAME: &str = "Waxwing";

/// The mail relay: where letters are handed over, and how.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Smtp {
    /// Mail relay that takes the letters; its certificate must be for this name
    #[arg(long, env = "SMTP_HOST", value_name = "HOST")]
    pub smtp_host: Option<String>,
    /// Port of the relay [default: 587]
    #[arg(long, env = "SMTP_PORT", value_name = "PORT")]
    pub smtp_port: Option<u16>,
    /// User at the relay; the password is never a flag: SMTP_PASSWORD, or the file that SMTP_PASSWORD_FILE names
    #[arg(long, env = "SMTP_USER", value_name = "USER")]
    pub smtp_user: Option<String>,
    /// Sender of the letters: `codes@club.example` or `Club <codes@club.example>` [default: SMTP_USER]
    #[arg(long, env = "SMTP_FROM", value_name = "ADDRESS")]
    pub smtp_from: Option<String>,
    /// How the connection is protected [default: implicit on port 465, else starttls]
    #[arg(long, env = "SMTP_TLS", value_enum, value_name = "HOW")]
    pub smtp_tls: Option<SmtpTls>,
    /// Further authorities (PEM) that the relay's certificate may come from, beside the system's
    #[arg(long, env = "SMTP_CA", value_name = "FILE")]
    pub smtp_ca: Option<PathBuf>,
}

/// How the connection to a relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SmtpTls {
    /// STARTTLS before anything else; a relay that does not offer it gets nothing
    Starttls,
    /// TLS from the first byte
    Implicit,
    /// No protection; only for a relay on this machine
    None,
}

/// Why a mail relay is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// Something is said of a relay, but not which.
    #[error("{name} is set, but not SMTP_HOST: set it to the relay that takes the letters")]
    NoHost {
        /// What is set.
        name: &'static str,
    },
    /// Not a host.
    #[error("SMTP_HOST is neither a host name nor an address: give the name alone, without port or scheme")]
    BadHost,
    /// A user without a password.
    #[error(
        "SMTP_USER is set without a password: set SMTP_PASSWORD, or SMTP_PASSWORD_FILE to a file with it"
    )]
    NoPassword,
    /// A password without a user.
    #[error("SMTP_PASSWORD is set, but not SMTP_USER: set it to the user whose password it is")]
    NoUser,
    /// Nobody to send as.
    #[error("letters need a sender: set SMTP_FROM to an address")]
    NoSender,
    /// A sender that is no address.
    #[error("SMTP_FROM is no sender: write codes@club.example or Club <codes@club.example>")]
    BadSender,
    /// A user that is no address, and no sender beside it.
    #[error("SMTP_USER is not an address that letters could come from: set SMTP_FROM to one")]
    UserIsNoAddress,
    /// Codes and the password would travel in clear.
    #[error(
        "SMTP_TLS=none works only where SMTP_HOST is this machine (localhost, 127.0.0.1, ::1), because codes and \
         the password would travel in clear: leave SMTP_TLS out"
    )]
    PlainBeyondLoopback,
}

/// A relay that was described completely.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: SmtpTls,
    pub(crate) login: Option<Login>,
    pub(crate) from: Mailbox,
    pub(crate) ca: Option<PathBuf>,
}

/// Who signs in at a relay.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: GivenSecret,
}

impl Smtp {
    /// The relay, if one is described; half a description is refused.
    pub(super) fn relay(&self, password: Option<&GivenSecret>) -> Result<Option<Relay>, SmtpError> {
        // What is set to nothing is not set: `SMTP_USER=` in a file of variables means "none".
        let password = password.filter(|secret| !secret.expose_secret().is_empty());
        let Some(host) = said(&self.smtp_host) else {
            return match self.first_set(password) {
                Some(name) => Err(SmtpError::NoHost { name }),
                None => Ok(None),
            };
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if ServerName::try_from(host.as_str()).is_err() {
            return Err(SmtpError::BadHost);
        }
        let port = self.smtp_port.unwrap_or(SUBMISSION);
        let usual = if port == SUBMISSIONS { SmtpTls::Implicit } else { SmtpTls::Starttls };
        let tls = self.smtp_tls.unwrap_or(usual);
        if tls == SmtpTls::None && !is_loopback(&host) {
            return Err(SmtpError::PlainBeyondLoopback);
        }
        let login = match (said(&self.smtp_user), password) {
            (Some(user), Some(password)) => Some(Login { user: user.to_owned(), password: password.clone() }),
            (Some(_), None) => return Err(SmtpError::NoPassword),
            (None, Some(_)) => return Err(SmtpError::NoUser),
            (None, None) => None,
        };
        Ok(Some(Relay { host, port, tls, login, from: self.sender()?, ca: self.smtp_ca.clone() }))
    }

    /// A variable that makes sense only together with a host.
    fn first_set(&self, password: Option<&GivenSecret>) -> Option<&'static str> {
        let all = [
            ("SMTP_PORT", self.smtp_port.is_some()),
            ("SMTP_USER", said(&self.smtp_user).is_some()),
            ("SMTP_PASSWORD", password.is_some()),
            ("SMTP_FROM", said(&self.smtp_from).is_some()),
            ("SMTP_TLS", self.smtp_tls.is_some()),
            ("SMTP_CA", self.smtp_ca.is_some()),
        ];
        all.into_iter().find_map(|(name, is_set)| is_set.then_some(name))
    }

    fn sender(&self) -> Result<Mailbox, SmtpError> {
        let (text, wrong) = match (said(&self.smtp_from), said(&self.smtp_user)) {
            (Some(from), _) => (from, SmtpError::BadSender),
            (None, Some(user)) => (user, SmtpError::UserIsNoAddress),
            (None, None) => return Err(SmtpError::NoSender),
        };
        // A sender beyond ASCII would need SMTPUTF8 for every letter, which many relays lack.
        let mailbox = text.parse::<Mailbox>().ok().filter(|sender| sender.email.to_string().is_ascii());
        let mut mailbox = mailbox.ok_or(wrong)?;
        mailbox.name.get_or_insert_with(|| SENDER_NAME.to_owned());
        Ok(mailbox)
    }
}

fn said(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay_at(host: &str) -> Smtp {
        Smtp {
            smtp_host: Some(host.to_owned()),
            smtp_from: Some("codes@club.example".to_owned()),
            ..Smtp::default()
        }
    }

    fn secret() -> GivenSecret {
        GivenSecret::new("canary".to_owned())
    }

    #[test]
    fn port_465_means_implicit_tls_and_every_other_starttls() {
        for (port, tls) in
            [(None, SmtpTls::Starttls), (Some(465), SmtpTls::Implicit), (Some(2525), SmtpTls::Starttls)]
        {
            let smtp = Smtp { smtp_port: port, ..relay_at("mail.club.example") };
            let relay = smtp.relay(None).unwrap().unwrap();
            assert_eq!((relay.port, relay.tls), (port.unwrap_or(587), tls));
        }
    }

    #[test]
    fn a_relay_without_tls_is_refused_beyond_this_machine() {
        for (host, is_taken) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("mail.club.example", false),
            ("192.0.2.1", false),
            ("localhost.club.example", false),
        ] {
            let smtp = Smtp { smtp_tls: Some(SmtpTls::None), ..relay_at(host) };
            assert_eq!(smtp.relay(None).is_ok(), is_taken, "{host}");
        }
    }

    #[test]
    fn half_a_relay_is_refused_with_what_is_missing() {
        let said = |smtp: Smtp, password: Option<&GivenSecret>| smtp.relay(password).unwrap_err().to_string();
        let from = |text: &str| Some(text.to_owned());
        assert!(said(Smtp { smtp_port: Some(25), ..Smtp::default() }, None).contains("SMTP_HOST"));
        assert!(said(Smtp::default(), Some(&secret())).contains("SMTP_PASSWORD is set, but not SMTP_HOST"));
        assert!(
            said(Smtp { smtp_user: from("u"), ..relay_at("r.example") }, None).contains("SMTP_PASSWORD_FILE")
        );
        assert!(said(relay_at("r.example"), Some(&secret())).contains("SMTP_USER"));
        assert!(said(Smtp { smtp_from: None, ..relay_at("r.example") }, None).contains("SMTP_FROM"));
        assert!(
            said(Smtp { smtp_from: from("nobody"), ..relay_at("r.example") }, None).contains("SMTP_FROM")
        );
        assert!(
            said(Smtp { smtp_from: from("jörg@club.example"), ..relay_at("r.example") }, None)
                .contains("SMTP_FROM")
        );
        let no_address = Smtp { smtp_from: None, smtp_user: from("apikey"), ..relay_at("r.example") };
        assert!(said(no_address, Some(&secret())).contains("SMTP_USER is not an address"));
        for host in ["smtp://r.example", "r.example:587", "r example", "r.example\r\nQUIT"] {
            assert!(said(relay_at(host), None).contains("SMTP_HOST"), "{host}");
        }
    }

    #[test]
    fn what_is_set_to_nothing_is_not_set() {
        let nothing = || Some(String::new());
        let smtp =
            Smtp { smtp_host: nothing(), smtp_user: nothing(), smtp_from: nothing(), ..Smtp::default() };
        assert!(smtp.relay(Some(&GivenSecret::new(String::new()))).unwrap().is_none());
    }

    #[test]
    fn the_sender_is_the_user_unless_it_is_said() {
        let smtp = Smtp {
            smtp_host: Some("mail.club.example".into()),
            smtp_user: Some("post@club.example".into()),
            ..Smtp::default()
        };
        let sender = |smtp: &Smtp| smtp.relay(Some(&secret())).unwrap().unwrap().from.to_string();
        assert_eq!(sender(&smtp), "Waxwing <post@club.example>");
        let named = Smtp { smtp_from: Some("Our Club <codes@club.example>".into()), ..smtp };
        assert_eq!(sender(&named), "Our Club <codes@club.example>");
    }

    #[test]
    fn a_relay_does_not_print_its_password() {
        let smtp = Smtp { smtp_user: Some("post@club.example".into()), ..relay_at("mail.club.example") };
        let relay = smtp.relay(Some(&secret())).unwrap().unwrap();
        assert!(!format!("{relay:?}").contains("canary"));
    }
}
