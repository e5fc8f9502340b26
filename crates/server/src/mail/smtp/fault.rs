//! Why a letter was not handed over this time, in words without any of the relay's, which may repeat an address.

use std::fmt;
use std::io;

/// Why a letter was not handed over this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the relay cannot be connected to")]
    Connect(#[source] io::Error),
    #[error("the relay's name leads to another machine, and without TLS nothing is sent there")]
    NotLoopback,
    #[error("the relay took too long")]
    Slow,
    #[error("the relay offers no STARTTLS, and without TLS nothing is sent")]
    NoStarttls,
    #[error("something was sent in clear behind the relay's answer to STARTTLS: somebody may be in between")]
    Injected,
    #[error("TLS with the relay failed")]
    Tls(#[source] io::Error),
    #[error("the relay offers none of the ways to sign in that are known here (PLAIN, LOGIN)")]
    NoMechanism,
    #[error("the relay answered {code} to {step}")]
    Refused { step: Step, code: u16 },
    #[error("the relay broke off, or answered what is no SMTP, at {0}")]
    Broken(Step),
    #[error("the relay takes no addresses beyond ASCII (SMTPUTF8)")]
    AsciiOnly,
}

/// How far the conversation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Starttls,
    SignIn,
    Sender,
    Recipient,
    Letter,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Starttls => "STARTTLS",
            Self::SignIn => "signing in",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Letter => "the letter",
        })
    }
}

impl Fault {
    /// Whether the same letter may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code < 500,
            Self::AsciiOnly | Self::NoMechanism => false,
            _ => true,
        }
    }

    /// Whether every other letter would fail likewise; a refused recipient says nothing about the relay.
    pub(super) fn concerns_all(&self) -> bool {
        !matches!(self, Self::AsciiOnly | Self::Refused { step: Step::Recipient, .. })
    }

    /// What became of a command; the relay's text is left out.
    pub(super) fn at(step: Step, error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) => Self::Refused { step, code: code.into() },
            None => Self::Broken(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_5xx_is_for_good_and_a_4xx_or_a_lost_connection_is_not() {
        assert!(!Fault::Refused { step: Step::Recipient, code: 550 }.may_pass());
        assert!(Fault::Refused { step: Step::Recipient, code: 450 }.may_pass());
        assert!(Fault::Broken(Step::Letter).may_pass() && Fault::Slow.may_pass());
    }

    #[test]
    fn an_unknown_recipient_does_not_make_the_relay_unavailable() {
        assert!(!Fault::Refused { step: Step::Recipient, code: 550 }.concerns_all());
        assert!(Fault::Refused { step: Step::SignIn, code: 535 }.concerns_all());
        assert!(Fault::Refused { step: Step::Sender, code: 553 }.concerns_all());
    }
}
