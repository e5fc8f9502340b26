//! What to do about an error: what is safe, and the next step.

use crate::error::{Error, IdentityChange, is_full};
use format::folder::TreeError;
use proto::{Code, Problem};
use std::io;
use std::path::Path;

impl Error {
    /// What is safe and what to do, if there is something to say beyond the sentence itself.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        use Error as E;
        let text = match self {
            E::ServerAddress(_) => "give it as https://host or https://host:port",
            E::NoServer => "sign in first: wax login --server https://host ADDRESS",
            E::CertificateFile => "give a PEM file with the certificate of the server's authority",
            E::NoRecipients => "name at least one address with --to",
            E::TooManyRecipients(_) => "send the file in several turns",
            E::NotAFile(_) => "name a regular file or a folder",
            E::NotUnicode(_) | E::PathInFolder(_) => "nothing was sent; rename it, or send it apart",
            E::Folder(TreeError::SameName(..)) => {
                "nothing was sent; they differ in upper and lower case alone, or one is a folder: rename one of them"
            }
            E::Folder(_) => "nothing was sent; send it as several, or pack it first (tar)",
            E::NothingToSend => "symbolic links, pipes and devices are not sent",
            E::NotAFolder => "fetch it without --only and --list",
            E::FolderToOutput => "give a folder to write into: -o FOLDER",
            E::NothingMatches => "wax get --list shows what is in it",
            E::FolderIncomplete(_) => "what is here already is whole; ask the sender to send it again",
            E::NoHead(_) => "fetch the file itself while its server is there: wax get ID",
            E::TargetIsDirectory(_) => "name a file inside it, or leave the name to the sender's",
            E::TargetExists(_) => "nothing was changed; choose another name or allow it to be replaced",
            E::PassphraseTooWeak => "use several unrelated words",
            E::Io { source, .. } if is_full(source) => {
                "the disk here is full; nothing incomplete was left behind"
            }
            E::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "check who owns it and its permissions"
            }
            E::ReadableByOthers { path, wanted, .. } => {
                return Some(format!("run: chmod {wanted:03o} {}", shell_quoted(path)));
            }
            E::HomeDamaged(_) => {
                "move it away and do the step that made it again; nothing on the server is lost"
            }
            E::NoRoom { .. } => "free some space or choose another folder; nothing was written",
            E::NoKeys => "make keys with: wax keys generate",
            E::NeverPublished => "sign in and unlock them once while the server can be reached: wax unlock",
            E::KeysExist => "they were left as they are",
            E::KeysElsewhere => {
                "bring them here out of the backup at the server (wax keys restore), or bring the key file from that machine; new ones would lock you out of what was sent to you"
            }
            E::OtherAccount => {
                "sign in with the account that the keys were made for, or use another home folder (WAX_HOME)"
            }
            E::Unreachable { .. } => {
                "check the network and that the server is running; unfinished uploads are kept"
            }
            E::CertificateNotTrusted { .. } => {
                "nothing was sent; if the server uses its own authority, give its certificate with --ca FILE"
            }
            E::TimedOut { .. } | E::Broken { .. } => {
                "try again; an unfinished upload goes on where it stopped"
            }
            E::NotAServer { .. } => "check the server's address",
            E::SecondFactorNeeded => {
                "sign in again with your authenticator app, or add one if you have none yet"
            }
            E::NotSignedIn | E::SessionEnded => {
                "sign in again: wax login ADDRESS; unfinished uploads are kept"
            }
            E::CodeRejected => "ask for a new code; a code lives ten minutes and three tries",
            E::Refused(problem) => return refused_hint(problem),
            E::Log(_) => {
                "nothing was changed here, and your files are not affected; ask the operator what happened: a server that was restored from a backup looks like this too. If that is so, go on with: wax activity --accept-log"
            }
            E::NotFound => "check the id; it may be wrong, meant for somebody else, or shared no longer",
            E::UnknownRecipients(_) => {
                "check the spelling; they must have signed in to this server and made keys; nothing was sent"
            }
            E::UnknownContact(_) => "list your contacts with: wax contacts",
            E::Expired | E::DownloadsUsed => "ask the sender to send it again",
            E::QuotaExceeded => "remove files that are no longer needed, or ask the operator for more room",
            E::ServerFull => {
                "tell the operator; what was sent so far is kept, and the same command goes on later"
            }
            E::CompatTooLong => "send it without --compat: there it may be larger",
            E::CompatRefused(_) => "send it without --compat",
            E::NoCompatKey(_) => "give their public key as a file: --to-key FILE.pem",
            E::TooLarge => "ask the operator for the limit",
            E::IdentityChanged(change) => return Some(changed_hint(change)),
            E::IdentityContradiction(_) | E::IdentityNotGenuine(_) => {
                "nothing was sent or opened; the server may be lying: ask the person over another channel, and tell the operator"
            }
            E::BadInvitation => {
                "copy the whole link, with what stands after the #; if it is of another server, sign in there first"
            }
            E::InvitationDiffers => {
                "nothing was pinned; the server may be lying, or the invitation is old: ask the person for a new one over another channel"
            }
            E::BadLink => "copy the whole address, with what stands after the #, and put it between quotes",
            E::LinkPasswordNeeded => "ask the sender for the password, by another way than the link",
            E::LinkClosed { has_password: true } => {
                "check the password; if it is right, ask the sender for a new link"
            }
            E::LinkClosed { has_password: false } => {
                "check that the whole address was copied; if it was, ask the sender for a new link"
            }
            E::LinkDiffers => {
                "nothing was opened; the server may be lying, or the sender has new keys: ask the sender for a new link over another channel"
            }
            E::BadBox => "copy the whole address, with what stands after the #, and put it between quotes",
            E::BoxClosed => {
                "check that the whole address was copied; if it was, ask its owner for another. nothing was sent"
            }
            E::BoxFull => "nothing was shared; ask its owner to make room, or for another drop box",
            E::TooLargeForBox => "nothing was shared; ask its owner for a drop box that takes it",
            E::BoxDiffers => {
                "nothing was sent; the server may be lying, or the address is wrong: ask the person for it over another channel"
            }
            E::NotTheSender => {
                "ask its sender; what you were sent you can pass on with wax share, or send yourself"
            }
            E::NotSigned => "fetch it, look at it, and send it yourself",
            E::BareKeyPassing => "name people by address, of a file that was sent to your address",
            E::RenamedElsewhere => "look at it with wax info, then rename it again",
            E::DevicesDisagree(_) => {
                "nothing was sent or opened; one of your devices was shown false keys: compare the safety number with the person over another channel, then wax contacts accept with that number"
            }
            E::SafetyNumberDiffers => "nothing was accepted; compare the numbers again with the person",
            E::OwnKeysDiffer => {
                "nothing was sent; the server may be lying, or your keys were replaced elsewhere: tell the operator"
            }
            E::BundleNotGenuine => "ask the person to export it again; nothing was pinned",
            E::LaterFormat(_) => "nothing was shared; install a newer wax and run the same command again",
            E::OtherAuthor(_) => {
                "nothing was written; without --from it opens, and says whose it claims to be"
            }
            E::NotAuthentic => "nothing was written; ask the sender to send it again, and tell the operator",
            E::WrongPassphrase => "try again; nothing was changed",
            E::WrongPhrase => "check the words and their order; nothing was changed",
            E::NoPhrase => {
                "only the passphrase opens them; make a phrase while you still know it: wax keys phrase"
            }
            E::OlderKeys { .. } => {
                "files sent to you since may not open with it, and an old passphrase may. put the newer key file back; if it is lost and this one is all there is: wax keys accept-older"
            }
            E::OlderPins { .. } => {
                "what this device knows stays as it is. ask the operator whether a backup was restored; if so: wax contacts sync --anew"
            }
            E::TooManyContacts => {
                "nothing was told to your other devices; forget contacts that you no longer need"
            }
            E::KeysChangedMeanwhile => "nothing was changed by this command; run it again",
            E::SentAlready(_) => "wax rm ID takes it back from everybody",
            E::SourceChanged(_) => "nothing was shared; send it again when it no longer changes",
            E::UploadRunning => "wait for it, or stop the other process",
            E::UploadConflict => "run the same command again; it starts afresh",
            E::Interrupted => "run the same command again to go on",
            E::Internal(_) => "please report this",
            E::BadName(_)
            | E::BadLimit(_)
            | E::OwnAddress
            | E::Io { .. }
            | E::Output(_)
            | E::SourceTooLong => return None,
        };
        Some(text.to_owned())
    }
}

fn changed_hint(change: &IdentityChange) -> String {
    format!(
        "nothing was sent or opened. known so far: {}; shown now: {}. ask {} over another channel (a call, in person) \
         which number stands on their side; only if it is the new one: wax contacts accept {} --safety-number \"{}\"",
        change.old,
        change.new,
        change.address.as_str(),
        change.address.as_str(),
        change.new
    )
}

fn refused_hint(problem: &Problem) -> Option<String> {
    let wait = match (problem.code, problem.retry_after) {
        (Code::TooMany | Code::Unavailable, Some(seconds)) => format!("try again in {seconds} seconds"),
        (Code::UpgradeNeeded, _) => "install a newer version of this program".to_owned(),
        _ if problem.request_id.is_empty() => return None,
        _ => format!("the operator can find this request as {}", problem.request_id),
    };
    Some(wait)
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_comes_with_the_command_that_mends_it() {
        let error = Error::ReadableByOthers { path: "/x/it's".into(), mode: 0o644, wanted: 0o600 };
        assert_eq!(error.hint().unwrap(), r"run: chmod 600 '/x/it'\''s'");
    }
}
