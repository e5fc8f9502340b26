//! What can go wrong, in words for a person, with a class for exit codes and a hint on what to do.

mod class;

pub use class::Class;

use crate::{Address, SafetyNumber};
use format::folder::TreeError;
use proto::{Code, FileId, Problem};
use std::io;
use std::path::{Path, PathBuf};

/// Why a verb of the client did not succeed.
///
/// `Display` gives one plain sentence (lower case, no full stop); [`Error::hint`] says what to do.
/// Texts may hold addresses and paths: they are for the person at the terminal, never for logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server's address is not an `https://host[:port]` origin.
    #[error("{0:?} is not the address of a server")]
    ServerAddress(String),
    /// No server was configured.
    #[error("no server is configured")]
    NoServer,
    /// The certificate file holds no usable certificate.
    #[error("the certificate file holds no certificate that can be used")]
    CertificateFile,
    /// A file was to be sent to nobody.
    #[error("no recipient was named")]
    NoRecipients,
    /// More recipients than one request carries.
    #[error("{0} recipients are too many for one file (at most {max})", max = proto::limits::GRANTS_MAX - 1)]
    TooManyRecipients(usize),
    /// A directory, device or the like where a regular file is meant.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// A directory where the name of a file is meant.
    #[error("{} is a directory", .0.display())]
    TargetIsDirectory(PathBuf),
    /// The target exists and may not be replaced.
    #[error("{} exists already", .0.display())]
    TargetExists(PathBuf),
    /// A name that is not Unicode text, which no folder is sent with.
    #[error("{} has a name that is not Unicode text", .0.display())]
    NotUnicode(PathBuf),
    /// A path that no folder holds.
    #[error("{} is too deep, or its path too long, for a folder that is sent", .0.display())]
    PathInFolder(PathBuf),
    /// Names that cannot stand in one folder, or too many of them.
    #[error("{}", tree_words(.0))]
    Folder(TreeError),
    /// Not a file and not even an empty folder.
    #[error("there is nothing to send")]
    NothingToSend,
    /// A folder was meant, and this is a file.
    #[error("that is a file and not a folder")]
    NotAFolder,
    /// A folder cannot be written to one output.
    #[error("that is a folder, which cannot go to one output")]
    FolderToOutput,
    /// Nothing in the folder is called like that.
    #[error("nothing in the folder matches")]
    NothingMatches,
    /// The server does not have some of a folder's files.
    #[error("the server no longer has all of the folder: {0} of its files are missing")]
    FolderIncomplete(u64),
    /// A file that has no container for whoever asks.
    #[error("no container can be made of this file: {0}")]
    NoHead(crate::NoHead),
    /// The name cannot be used for a file.
    #[error("that name cannot be used: {0}")]
    BadName(&'static str),
    /// The lifetime or download limit is out of bounds.
    #[error("{0}")]
    BadLimit(&'static str),
    /// The passphrase is too easy to guess.
    #[error("that passphrase is too easy to guess")]
    PassphraseTooWeak,
    /// The address is one's own where somebody else's is meant.
    #[error("that is your own address")]
    OwnAddress,

    /// A local file could not be read, written or made.
    #[error("cannot {doing} {}: {}", path.display(), plain_io(source))]
    Io {
        /// What was tried: `read`, `write`, `create` …
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The output (a pipe or terminal) does not take more.
    #[error("cannot write the output: {}", plain_io(.0))]
    Output(io::Error),
    /// A file of the home can be read by others.
    #[error("{} can be read by others (mode {mode:03o})", path.display())]
    ReadableByOthers {
        /// Which file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// A file of the home cannot be understood.
    #[error("{} is damaged or of another version", .0.display())]
    HomeDamaged(PathBuf),
    /// The disk here is too small for what is coming.
    #[error("not enough room in {}: {needed} bytes are needed, {available} are free", path.display())]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// No keys are on this machine.
    #[error("there are no keys on this machine")]
    NoKeys,
    /// Keys exist here already; nothing was overwritten.
    #[error("there are keys on this machine already")]
    KeysExist,
    /// The account has published keys, but they are not on this machine.
    #[error("this account has keys already, made on another machine")]
    KeysElsewhere,
    /// The public half of the keys was never made: the first sign-in after making them did not come to its end.
    #[error("your keys were never published, and their public half is not on this machine")]
    NeverPublished,
    /// The keys here belong to another account than the session.
    #[error("the keys on this machine belong to another account")]
    OtherAccount,

    /// The server does not answer.
    #[error("cannot connect to {host}: {why}")]
    Unreachable {
        /// Which server.
        host: String,
        /// The system's reason.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {host} is not trusted: {why}")]
    CertificateNotTrusted {
        /// Which server.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server took too long.
    #[error("{host} took too long to answer")]
    TimedOut {
        /// Which server.
        host: String,
    },
    /// The connection broke in the middle.
    #[error("the connection to {host} broke: {why}")]
    Broken {
        /// Which server.
        host: String,
        /// The system's reason.
        why: String,
    },
    /// An answer that no Waxwing server gives.
    #[error("{host} does not answer like a Waxwing server: {what}")]
    NotAServer {
        /// Which server.
        host: String,
        /// What was odd.
        what: &'static str,
    },

    /// There is no session.
    #[error("you are not signed in")]
    NotSignedIn,
    /// The session has ended (signed out elsewhere, or unused for too long).
    #[error("your session has ended")]
    SessionEnded,
    /// The code is wrong, used or too old.
    #[error("the code is wrong or has expired")]
    CodeRejected,
    /// The session has shown no second factor, and this needs one.
    #[error("this needs a session with a second factor")]
    SecondFactorNeeded,
    /// The server said no, in its own words.
    #[error("the server refused: {}", words(.0))]
    Refused(Box<Problem>),
    /// Nothing here for this person: wrong id, not shared, or shared no longer.
    #[error("there is no such file for you")]
    NotFound,
    /// These addresses have no keys on this server.
    #[error("nobody can be reached at {}", list(.0))]
    UnknownRecipients(Vec<Address>),
    /// This person's keys say that they take only a later format than this program writes.
    #[error("{} takes only files of a later format than this version makes", .0.as_str())]
    LaterFormat(Address),
    /// The address is not among the contacts.
    #[error("{} is not among your contacts", .0.as_str())]
    UnknownContact(Address),
    /// The file has expired.
    #[error("the file has expired")]
    Expired,
    /// All allowed downloads are used.
    #[error("all allowed downloads of the file are used")]
    DownloadsUsed,
    /// The quota does not hold it.
    #[error("your quota on the server does not hold this")]
    QuotaExceeded,
    /// The server's disk is full.
    #[error("the server has no room left")]
    ServerFull,
    /// Larger than this server takes.
    #[error("this is larger than the server accepts")]
    TooLarge,
    /// Longer than the documented API takes.
    #[error("the documented API takes files of at most 500 MiB")]
    CompatTooLong,
    /// A recipient takes only files that are signed.
    #[error("{} takes only files that are signed, and these are not", .0.as_str())]
    CompatRefused(Address),
    /// No key to seal a file of the documented API to.
    #[error("{} has published no key for files of the documented API", .0.as_ref().map_or("the recipient", Address::as_str))]
    NoCompatKey(Option<Address>),

    /// A contact shows new keys without a link to the known ones. Hard stop.
    #[error("the keys of {} have changed", .0.address.as_str())]
    IdentityChanged(Box<IdentityChange>),
    /// The server shows older keys of a contact than were seen before, or others of the same number. Hard stop.
    #[error("the server shows keys of {} that contradict those seen before", .0.as_str())]
    IdentityContradiction(Address),
    /// Another device of this person has pinned other keys of a contact than this one. Hard stop.
    #[error("another of your devices knows other keys of {} than this one", .0.as_str())]
    DevicesDisagree(Address),
    /// What the server shows for an address is not a genuine bundle of that address. Hard stop.
    #[error("what the server shows as the keys of {} is not genuine", .0.as_str())]
    IdentityNotGenuine(Address),
    /// A text that was to be an invitation is none, or one to another server.
    #[error("that is not an invitation to this server")]
    BadInvitation,
    /// The server shows other keys than the invitation names. Hard stop.
    #[error("the server shows other keys than the invitation names")]
    InvitationDiffers,
    /// A text that was to be a link is none.
    #[error("that is not a link to a file")]
    BadLink,
    /// The link has a password and none was given, or the other way round.
    #[error("the link opens with its password only")]
    LinkPasswordNeeded,
    /// The server opens no such link, or not by this proof; which, it does not say.
    #[error("the link does not exist or is no longer available{}", if *.has_password { ", or the password is wrong" } else { "" })]
    LinkClosed {
        /// Whether a password went into the proof.
        has_password: bool,
    },
    /// The server shows another sender than the link names. Hard stop.
    #[error("what the server shows behind the link is not by the person whom the link names")]
    LinkDiffers,
    /// A text that was to be the address of a drop box is none.
    #[error("that is not the address of a drop box")]
    BadBox,
    /// There is no such drop box, or it is closed or has ended; which, the server does not say.
    #[error("the drop box does not exist or is closed")]
    BoxClosed,
    /// The drop box has as many files as it takes, or its owner has no room for more.
    #[error("the drop box takes nothing more")]
    BoxFull,
    /// Longer than the drop box takes.
    #[error("this is larger than the drop box takes")]
    TooLargeForBox,
    /// The server shows another owner, or another description, than the address of the drop box names. Hard stop.
    #[error("what the server shows as the drop box is not by the person whom its address names")]
    BoxDiffers,
    /// Nobody signed the file, so it cannot be shared further or renamed.
    #[error("nobody signed this file")]
    NotSigned,
    /// Somebody who was given a file by a bare key, or would give it to one, cannot pass it on.
    #[error("only the sender gives a file to bare keys, and who opens it with one cannot pass it on")]
    BareKeyPassing,
    /// Another device gave the file another name meanwhile.
    #[error("it was renamed meanwhile; nothing was changed")]
    RenamedElsewhere,
    /// Only who sent a file can do that.
    #[error("you did not send this file")]
    NotTheSender,
    /// The safety number given is not the one of the keys that the server shows now.
    #[error("the safety number differs from the one of the keys shown now")]
    SafetyNumberDiffers,
    /// The server shows other keys for this account than those on this machine. Hard stop.
    #[error("the server shows other keys for your account than those on this machine")]
    OwnKeysDiffer,
    /// A container that was to be this contact's is somebody else's, or nobody's.
    #[error("this was not sealed by {}, as far as this machine knows", .0.as_str())]
    OtherAuthor(Address),
    /// A bundle that was handed over does not verify.
    #[error("the bundle is not genuine or not of the expected address")]
    BundleNotGenuine,

    /// Something does not authenticate: the one error for every such fault.
    #[error("the file does not verify: it is damaged, forged, or not meant for you")]
    NotAuthentic,
    /// The server's log of activity is not the one that was seen here before. Hard stop.
    #[error("the server's log of activity {0}")]
    Log(LogFault),
    /// The recovery phrase does not open the vault.
    #[error("that recovery phrase does not open the keys on this machine")]
    WrongPhrase,
    /// No recovery phrase was ever made for the keys here.
    #[error("the keys on this machine have no recovery phrase")]
    NoPhrase,
    /// The key file is older than one that was on this machine before. Nothing was used of it.
    #[error("the key file is an older one: number {found}, and number {newest} was here before")]
    OlderKeys {
        /// Its number.
        found: u32,
        /// The highest number that was here.
        newest: u32,
    },
    /// The server shows an older record of contacts than this device has seen, or another of the same number. Nothing was
    /// taken over.
    #[error(
        "the server shows an older list of your contacts: number {found}, and number {newest} was there before"
    )]
    OlderPins {
        /// Its number; 0 if there is none.
        found: u64,
        /// The highest number that was seen.
        newest: u64,
    },
    /// There are more contacts than a record for one's other devices holds.
    #[error("there are more contacts than can be shared among devices")]
    TooManyContacts,
    /// Another process changed the keys since they were unlocked.
    #[error("your keys were changed by another process meanwhile")]
    KeysChangedMeanwhile,
    /// The passphrase does not open the vault.
    #[error("the passphrase is wrong, or the key file is damaged")]
    WrongPassphrase,

    /// What was to be given up has been sent: only the server's answer was lost.
    #[error("it was sent already: the server has {0}, and its recipients can open it")]
    SentAlready(FileId),
    /// The source changed while it was sent; nothing was shared.
    #[error("{} changed while it was being sent", .0.display())]
    SourceChanged(PathBuf),
    /// A stream gave another length than a sealed file can have.
    #[error("the input is too long for one file")]
    SourceTooLong,
    /// Another process is sending the same file in the same way.
    #[error("another process is sending this file just now")]
    UploadRunning,
    /// The server knows this upload differently.
    #[error("the server has something else under this upload")]
    UploadConflict,
    /// Stopped on request.
    #[error("stopped")]
    Interrupted,
    /// A mistake of this program; the text names the place.
    #[error("internal mistake: {0}")]
    Internal(&'static str),
}

/// How a server's log of activity contradicts what was seen here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// It ends before what was seen.
    #[error("was cut: it ends at batch {shown}, and batch {seen} was seen here before")]
    Cut {
        /// The batch that was seen.
        seen: u64,
        /// The last one now; 0 if there is none.
        shown: u64,
    },
    /// It goes another way than was seen.
    #[error("was rewritten: it does not continue batch {seen}, which was seen here before")]
    Rewritten {
        /// The batch that was seen.
        seen: u64,
    },
    /// Another key than before signs it.
    #[error("is signed with another key than before")]
    OtherKey,
    /// Its newest head is not signed by its key.
    #[error("is not signed by its own key")]
    Signature,
}

/// A contact whose root key is not the pinned one and not linked to it.
#[derive(Clone, Debug)]
pub struct IdentityChange {
    /// Whose.
    pub address: Address,
    /// With the keys known so far.
    pub old: SafetyNumber,
    /// With the keys that the server shows now.
    pub new: SafetyNumber,
    /// Whether a human had compared the old number.
    pub was_verified: bool,
}

impl Error {
    /// A refusal of the server as the error that a person should see.
    #[must_use]
    pub(crate) fn from_problem(problem: Problem) -> Self {
        match problem.code {
            Code::CodeRejected => Self::CodeRejected,
            Code::SignInNeeded => Self::SessionEnded,
            Code::SecondFactorNeeded => Self::SecondFactorNeeded,
            Code::NotFound => Self::NotFound,
            Code::Expired => Self::Expired,
            Code::DownloadsUsed => Self::DownloadsUsed,
            Code::TooLarge => Self::TooLarge,
            Code::QuotaExceeded => Self::QuotaExceeded,
            Code::StorageFull => Self::ServerFull,
            Code::BoxFull => Self::BoxFull,
            _ => Self::Refused(Box::new(problem)),
        }
    }

    pub(crate) fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

/// A file whose id is known, where an error concerns one of several.
#[derive(Debug, thiserror::Error)]
#[error("{file_id}: {error}")]
pub struct FileError {
    /// Which file.
    pub file_id: FileId,
    /// What went wrong with it.
    pub error: Error,
}

fn tree_words(error: &TreeError) -> String {
    match error {
        TreeError::SameName(one, other) => {
            format!("{} and {} cannot stand in one folder everywhere", one.as_str(), other.as_str())
        }
        error => format!("this cannot go as one folder: {error}"),
    }
}

fn words(problem: &Problem) -> String {
    let text = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    // Control characters of a stranger's text must not reach a terminal.
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An I/O error without the number that Rust appends.
fn plain_io(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_meaning() {
        for (code, class) in [
            (Code::NotFound, Class::NotFound),
            (Code::Expired, Class::Gone),
            (Code::DownloadsUsed, Class::Gone),
            (Code::QuotaExceeded, Class::Quota),
            (Code::StorageFull, Class::Quota),
            (Code::SignInNeeded, Class::NotSignedIn),
            (Code::Rejected, Class::Refused),
        ] {
            assert_eq!(Error::from_problem(Problem::new(code, "")).class(), class, "{code:?}");
        }
    }

    #[test]
    fn a_strangers_words_bring_no_control_characters_to_the_terminal() {
        let text = Error::from_problem(Problem::new(Code::Forbidden, "no\u{1b}[31m\n way")).to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}
