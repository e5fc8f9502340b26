//! What kind of fault an error is: for exit codes, and for programs that decide what to do next.

use super::Error;
use proto::Code;

/// Groups of faults, for exit codes and for programs that decide what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The request itself makes no sense: a bad argument, a directory where a file is meant.
    Usage,
    /// This machine: a file, a permission, the clock, a full disk here.
    Local,
    /// The server could not be reached, or not safely.
    Network,
    /// There is no session, or it has ended.
    NotSignedIn,
    /// The server understood and said no.
    Refused,
    /// Nothing here for this person.
    NotFound,
    /// It was here and has ended.
    Gone,
    /// Somebody's keys are not the ones that were expected.
    Identity,
    /// Something does not verify, or a passphrase is wrong.
    Authentication,
    /// Two things contradict each other: a changed source, a second process, a target that exists.
    Conflict,
    /// The quota or the server's disk does not hold it.
    Quota,
    /// Stopped on request; the same command goes on from there.
    Interrupted,
    /// A mistake of this program.
    Internal,
}

impl Error {
    /// The group of the fault.
    #[must_use]
    pub fn class(&self) -> Class {
        use Error as E;
        match self {
            E::ServerAddress(_)
            | E::NoServer
            | E::CertificateFile
            | E::NoRecipients
            | E::CompatTooLong
            | E::NoCompatKey(_)
            | E::BadInvitation
            | E::BadLink
            | E::BadBox
            | E::NotTheSender
            | E::RenamedElsewhere
            | E::NotSigned
            | E::BareKeyPassing
            | E::NotUnicode(_)
            | E::PathInFolder(_)
            | E::Folder(_)
            | E::NothingToSend
            | E::NotAFolder
            | E::NoHead(_)
            | E::FolderToOutput
            | E::TooManyRecipients(_) => Class::Usage,
            E::NotAFile(_) | E::TargetIsDirectory(_) | E::BadName(_) | E::BadLimit(_) => Class::Usage,
            E::PassphraseTooWeak | E::OwnAddress | E::SourceTooLong | E::TooManyContacts => Class::Usage,
            E::Io { .. }
            | E::Output(_)
            | E::ReadableByOthers { .. }
            | E::HomeDamaged(_)
            | E::NoRoom { .. } => Class::Local,
            E::NoKeys | E::NeverPublished => Class::Local,
            E::Unreachable { .. } | E::CertificateNotTrusted { .. } | E::TimedOut { .. } => Class::Network,
            E::Broken { .. } | E::NotAServer { .. } => Class::Network,
            E::NotSignedIn | E::SessionEnded | E::SecondFactorNeeded => Class::NotSignedIn,
            // Something behind the address that was reached is away: as good as not reached.
            E::Refused(_) if self.is_away() => Class::Network,
            E::Refused(_) | E::CodeRejected | E::TooLarge | E::LaterFormat(_) | E::CompatRefused(_) => {
                Class::Refused
            }
            E::NothingMatches | E::FolderIncomplete(_) => Class::NotFound,
            E::BoxFull | E::TooLargeForBox => Class::Refused,
            E::BoxClosed
            | E::NotFound
            | E::LinkClosed { .. }
            | E::UnknownRecipients(_)
            | E::UnknownContact(_) => Class::NotFound,
            E::Expired | E::DownloadsUsed => Class::Gone,
            E::IdentityChanged(_)
            | E::IdentityContradiction(_)
            | E::DevicesDisagree(_)
            | E::InvitationDiffers
            | E::LinkDiffers
            | E::BoxDiffers
            | E::IdentityNotGenuine(_) => Class::Identity,
            E::SafetyNumberDiffers
            | E::OwnKeysDiffer
            | E::BundleNotGenuine
            | E::OtherAuthor(_)
            | E::KeysElsewhere
            | E::OtherAccount
            | E::OlderPins { .. }
            | E::OlderKeys { .. } => Class::Identity,
            E::LinkPasswordNeeded => Class::Authentication,
            E::NotAuthentic | E::Log(_) | E::WrongPassphrase | E::WrongPhrase => Class::Authentication,
            E::NoPhrase => Class::Local,
            E::TargetExists(_)
            | E::KeysExist
            | E::KeysChangedMeanwhile
            | E::SourceChanged(_)
            | E::SentAlready(_)
            | E::UploadRunning
            | E::UploadConflict => Class::Conflict,
            E::QuotaExceeded | E::ServerFull => Class::Quota,
            E::Interrupted => Class::Interrupted,
            E::Internal(_) => Class::Internal,
        }
    }

    /// Whether the same request may succeed by itself a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Refused(problem) => problem.code.is_transient(),
            _ => false,
        }
    }

    /// Whether something answered, and said that the server behind it is away for the moment.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Refused(problem) if matches!(problem.status, 502..=504))
    }

    /// The server's stable code, when the error came from a refusal that kept it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            Self::CodeRejected => Some(Code::CodeRejected),
            Self::SecondFactorNeeded => Some(Code::SecondFactorNeeded),
            Self::NotFound => Some(Code::NotFound),
            Self::Expired => Some(Code::Expired),
            Self::DownloadsUsed => Some(Code::DownloadsUsed),
            Self::TooLarge => Some(Code::TooLarge),
            Self::QuotaExceeded => Some(Code::QuotaExceeded),
            Self::ServerFull => Some(Code::StorageFull),
            Self::BoxFull => Some(Code::BoxFull),
            _ => None,
        }
    }
}
